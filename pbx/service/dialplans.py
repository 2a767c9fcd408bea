"""Generations, routing and shadow as the API shows them, and what the API may ask of them."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from pbx.api.dialplans import refusal
from pbx.api.models import (
    ChangeReport,
    DifferenceReport,
    GenerationReport,
    GenerationsReport,
    NoteReport,
    RoutingReport,
    ShadowReport,
)
from pbx.service.generations import Change, Generations
from pbx.service.ledger import CallBook
from pbx.service.shadow import Shadowing
from pbx.service.switch import Switch

T = TypeVar("T")


class Dialplans:
    """Answers the API; changes only what it is told to."""

    def __init__(
        self, generations: Generations, book: CallBook, switch: Switch, shadowing: Shadowing
    ) -> None:
        self._generations = generations
        self._book = book
        self._switch = switch
        self._shadowing = shadowing

    def generations(self) -> GenerationsReport:
        """Those that are kept, and those that calls still use."""
        found = self._generations
        live, calls = found.live, dict(found.calls)
        reports = [
            GenerationReport(
                number=each.number,
                live=each.number == live.number,
                kept=True,
                dialplan=each.name,
                loaded_at=_at(each.loaded_epoch),
                summary=each.summary,
                files=[file.path for file in each.files],
                calls=calls.pop(each.number, 0),
            )
            for each in found.kept
        ]
        known = {each.number for each in reports}
        reports += [
            GenerationReport(
                number=number,
                live=number == live.number,
                kept=False,
                dialplan=live.name,
                calls=calls.get(number, 0),
            )
            for number in {live.number, *calls} - known
        ]
        return GenerationsReport(
            live=live.number,
            generations=sorted(reports, key=lambda each: each.number),
            refused=[
                refusal(each.error).model_copy(update={"at": _at(each.epoch)}) for each in found.refusals
            ],
            reloads=dict(found.results),
        )

    def routing(self, name: str) -> RoutingReport | None:
        """How a call is or was routed, until it is in the store."""
        found = self._book.routing(name, self._switch)
        if found is None:
            return None
        row, routing, active = found
        return RoutingReport(
            id=row.id,
            active=active,
            caller=row.caller,
            called=row.called,
            source=row.source,
            started_at=_at(row.started_epoch),
            generation=row.generation,
            cause=row.cause,
            status=row.status,
            legs=[leg._asdict() for leg in row.legs],
            notes=[
                NoteReport(
                    at=_at(note.noted_epoch),
                    label=note.label,
                    kind=note.kind,
                    direction=note.direction,
                    value=note.value,
                    words=note.words,
                )
                for note in row.notes
            ],
            routing=dict(routing),
        )

    def shadow(self) -> ShadowReport:
        """What the shadowing dialplan said so far."""
        candidate = self._shadowing.candidate
        if candidate is None:
            return ShadowReport()
        return ShadowReport(
            dialplan=candidate.name,
            since=_at(self._shadowing.since_epoch),
            decisions=dict(self._shadowing.counts),
            differences=[
                DifferenceReport(
                    call=each.call,
                    at=_at(each.epoch),
                    caller=each.caller,
                    called=each.called,
                    source=each.source,
                    after=each.after,
                    was=each.was,
                    would_be=each.would_be,
                )
                for each in self._shadowing.differences
            ],
        )

    async def reload(self) -> ChangeReport:
        """Load the dialplan anew. Raises OperatorError."""
        return _change(await _in_asyncio(self._generations.reload()))

    async def rollback(self, number: int | None) -> ChangeReport:
        """Go back to a generation. Raises OperatorError."""
        return _change(await _in_asyncio(self._generations.rollback(number)))

    async def begin_shadow(self, file: Path) -> ShadowReport:
        """Have a candidate decide beside the live generation. Raises OperatorError."""
        await _in_asyncio(self._shadowing.begin(file))
        return self.shadow()

    def end_shadow(self) -> ShadowReport:
        """Have nothing decide beside it."""
        report = self.shadow()
        self._shadowing.end()
        return report


def _in_asyncio(coroutine: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
    """A coroutine of Twisted's world as something to await in asyncio's."""
    return Deferred.fromCoroutine(coroutine).asFuture(asyncio.get_running_loop())


def _change(change: Change) -> ChangeReport:
    return ChangeReport(
        generation=change.number, changed=change.changed, message=change.message, warning=change.warning
    )


def _at(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
