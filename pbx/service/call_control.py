"""What operators do with calls: make and end them, press keys, and let sounds be heard."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from pbx.api.calls import (
    DigitsReport,
    HangupReport,
    HangupsReport,
    OriginateReport,
    PlayReport,
    Side,
)
from pbx.call.call import Call
from pbx.call.leg import Leg
from pbx.call.media import Media
from pbx.call.record import Note
from pbx.errors import OperatorError
from pbx.media.values import Sound
from pbx.service.conductor import Conductor
from pbx.service.originations import Originations
from pbx.service.outputs import Output
from pbx.service.switch import Switch

T = TypeVar("T")
FindSound = Callable[[str], Coroutine[Any, Any, Sound]]

_LOOK = "`pbx calls` shows what the calls do"


class CallControl:
    """Implements pbx.api.calls.CallControl. What was done is noted: `pbx why` tells of it."""

    def __init__(
        self,
        switch: Switch,
        conductor: Conductor,
        originations: Originations,
        media: Media,
        find_sound: FindSound,
        clock: Callable[[], float],
        ring_s: float,
    ) -> None:
        self._switch = switch
        self._calls: Mapping[str, Call] = switch.calls
        self._conductor = conductor
        self._originations = originations
        self._media = media
        self._find_sound = find_sound
        self._clock = clock
        self._ring_s = ring_s

    async def originate(self, whom: str, called: str, ring_s: float | None, shown: str) -> OriginateReport:
        """Ring somebody, and let the dialplan decide their call when they answer. Raises OperatorError."""
        origin = await _in_asyncio(self._originations.origin(whom, called, shown))
        made: list[str] = []

        def begin(now: float) -> Sequence[Output]:
            id_, out = self._switch.originate(
                origin.routed, origin.destinations, self._ring_s if ring_s is None else ring_s, now
            )
            made.append(id_)
            return out

        self._conductor.operate(begin)
        return OriginateReport(id=made[0], rings=origin.label, called=called)

    def hang_up(self, name: str) -> HangupReport | None:
        """Begin to end a call; None when there is none of this name."""
        call = self._find(name)
        if call is None:
            return None
        self._hang_up(call)
        return HangupReport(id=call.record.id)

    def hang_up_all(self) -> HangupsReport:
        """Begin to end every call there is."""
        calls = list(self._calls.values())
        for call in calls:
            self._hang_up(call)
        return HangupsReport(calls=[call.record.id for call in calls])

    def _hang_up(self, call: Call) -> None:
        if call.state != "ending":
            self._note(call, "", "hung-up")
        self._conductor.hang_up(call.record.id)

    def send_digits(self, name: str, digits: str, side: Side | None) -> DigitsReport | None:
        """Send keys to a leg, one after the other. Raises OperatorError."""
        call = self._find(name)
        if call is None:
            return None
        leg = call.caller if side == "caller" or (side is None and call.other is None) else call.other
        row = None if leg is None else leg.audio.row
        agreed = None if leg is None else leg.audio.agreed
        if leg is None or row is None or agreed is None or call.state in {"ending", "ended"}:
            raise OperatorError(f"the call has no {side or 'phone'} to send them to", _LOOK)
        if agreed.telephone_event is None:
            raise OperatorError(
                f"{leg.label} takes no keys (telephone-event, RFC 4733)",
                "a phone says so in its SDP; its settings for DTMF may help",
            )
        if not agreed.send:
            raise OperatorError(f"{leg.label} is on hold, and hears nothing", "try again when it is back")
        for digit in digits:
            self._media.send_digit(row, digit)
        self._note(call, leg.label, "digits-sent")
        return DigitsReport(id=call.record.id, peer=leg.label, digits=digits)

    async def play(self, name: str, sound: str) -> PlayReport | None:
        """Let everybody in a call hear a sound. Raises OperatorError."""
        call = self._find(name)
        if call is None:
            return None
        found = await _in_asyncio(self._find_sound(sound))
        if not call.announce([found]):
            raise OperatorError(_cannot_hear(call), _LOOK)
        self._note(call, "", "sound-played")
        return PlayReport(id=call.record.id, sound=sound, seconds=round(found.duration_s, 3))

    def _find(self, name: str) -> Call | None:
        call = self._calls.get(name)
        if call is None:
            call = next((each for each in self._calls.values() if _has_leg(each.legs, name)), None)
        return call

    def _note(self, call: Call, label: str, kind: str) -> None:
        call.record.note(Note(self._clock(), label, kind))


def _in_asyncio(coroutine: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
    """A coroutine of Twisted's world as something to await in asyncio's."""
    return Deferred.fromCoroutine(coroutine).asFuture(asyncio.get_running_loop())


def _has_leg(legs: list[Leg], call_id: str) -> bool:
    return any(leg.session.call_id == call_id for leg in legs)


def _cannot_hear(call: Call) -> str:
    if call.state in {"talking", "waiting"}:
        return "nobody in the call can hear it: their codec is none that we speak, or all players are in use"
    return "only two who talk and callers who wait can be played something"
