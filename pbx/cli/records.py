"""Finished calls, read from the store for a person: beside a running service, or without one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pbx.cli.control import lowest, table
from pbx.cli.output import print_json
from pbx.errors import OperatorError

if TYPE_CHECKING:
    from pbx.config.settings import Settings
    from pbx.store.calls import CallRow
    from pbx.store.database import Store

_ALONE = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d)")


def since_epoch(text: str) -> float:
    """The moment that `--since` means: so long ago, or a time of this machine's; raises BadParameter."""
    from pbx.documents import duration

    now = datetime.now(UTC)
    if _ALONE.fullmatch(text):
        try:
            return (now - timedelta(seconds=duration(text))).timestamp()
        except (ValueError, OverflowError) as error:
            raise click.BadParameter(str(error), param_hint="--since") from None
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        message = f"found {text!r}, expected how long ago (30m, 24h, 7d) or a time such as 2026-11-23 10:00"
        raise click.BadParameter(message, param_hint="--since") from None


@contextmanager
def opened(settings: "Settings") -> "Iterator[Store]":
    """The store of a configuration, to be looked at. Raises OperatorError."""
    from pbx.store.database import Store

    store = Store(settings.store.path, readonly=True)
    try:
        yield store
    finally:
        store.close()


def configuration(config: Path) -> "Settings":
    """The configuration, without its secrets. Raises OperatorError."""
    from pbx.config.settings import Settings

    return Settings.load(config, secrets=False)


def show_ended(config: Path, since: str, limit: int, *, as_json: bool) -> None:
    """Print the calls that ended since then, the newest `limit` of them, oldest first."""
    from pbx.store.calls import calls_since

    epoch = since_epoch(since)
    with opened(configuration(config)) as store:
        rows = list(calls_since(store, epoch, limit=limit, newest=True))
    rows.reverse()
    if as_json:
        print_json({"calls": [row_json(row) for row in rows]})
        return
    table(
        ["call", "started", "talked", "from", "to", "answered by", "end", "mos", "gen"],
        [
            [
                row.id,
                f"{_local(row.started_epoch):%Y-%m-%d %H:%M:%S}",
                "-" if row.talked_s is None else f"{row.talked_s:.1f} s",
                row.caller,
                row.called,
                row.answered_by or "-",
                f"{row.cause} {row.status or ''}".strip(),
                lowest([mos for leg in row.legs for mos in (leg.mos, leg.peer_mos)], bool(row.notes)),
                str(row.generation),
            ]
            for row in rows
        ],
        len(rows),
    )
    if len(rows) == limit:
        click.echo(f"and perhaps earlier ones; --limit says how many ({limit})")


def row_json(row: "CallRow") -> dict[str, Any]:
    """A finished call as plain values; the keys are the columns of the store, times as RFC 3339."""
    values = row._asdict()
    values["legs"] = [leg._asdict() for leg in row.legs]
    values["notes"] = [
        {
            "at": datetime.fromtimestamp(note.noted_epoch, UTC).isoformat(),
            "label": note.label,
            "kind": note.kind,
            "direction": note.direction,
            "value": note.value,
            "words": note.words,
        }
        for note in row.notes
    ]
    for key in ("started", "progressed", "answered", "ended"):
        epoch = values.pop(f"{key}_epoch")
        values[f"{key}_at"] = None if epoch is None else datetime.fromtimestamp(epoch, UTC).isoformat()
    values["talked_seconds"] = None if row.talked_s is None else round(row.talked_s, 3)
    return values


def _local(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).astimezone()


def no_such_call(name: str) -> OperatorError:
    """Nobody knows a call of this name."""
    return OperatorError(
        f"there is no call {name!r}", "`pbx calls` and `pbx calls --since 1h` list them; a Call-ID works too"
    )
