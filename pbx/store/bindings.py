"""Bindings as rows. Here, and nowhere deeper, monotonic times become wall-clock times and back."""

import json
from collections.abc import Mapping, Sequence
from typing import cast, get_args

from pbx.errors import PeerError
from pbx.registrar import Binding, BindingAdded, BindingEvent, BindingRefreshed, BindingRemoved
from pbx.sip.flow import Flow, Transport
from pbx.sip.uri import Uri
from pbx.store.database import Store

# A row's place, and the row; None is a row to delete. Later changes of one place replace earlier ones.
Row = tuple[str | int | float, ...]
Changes = Mapping[tuple[str, str], Row | None]

_COLUMNS = (
    "user", "key", "contact", "parameters", "q", "instance", "reg_id", "path", "transport", "local_host",
    "local_port", "remote_host", "remote_port", "call_id", "cseq", "user_agent", "expires_epoch",
)  # fmt: skip
_UPSERT = f"INSERT OR REPLACE INTO binding ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 -- our own literals
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM binding ORDER BY user, expires_epoch"  # noqa: S608 -- as above
_DELETE = "DELETE FROM binding WHERE user = ? AND key = ?"

_TRANSPORTS = get_args(Transport)


def changes_of(events: Sequence[BindingEvent], now: float, epoch: float) -> dict[tuple[str, str], Row | None]:
    """What to write for these events; `epoch` is the wall clock (seconds) at the monotonic time `now`."""
    changes: dict[tuple[str, str], Row | None] = {}
    for event in events:
        match event:
            case BindingRemoved(binding=binding):
                changes[binding.user, binding.key] = None
            case BindingRefreshed(binding=binding, previous=previous):
                changes[previous.user, previous.key] = None
                changes[binding.user, binding.key] = _row(binding, now, epoch)
            case BindingAdded(binding=binding):
                changes[binding.user, binding.key] = _row(binding, now, epoch)
    return changes


def _row(binding: Binding, now: float, epoch: float) -> Row:
    flow = binding.flow
    return (
        binding.user,
        binding.key,
        str(binding.contact),
        binding.parameters,
        binding.q,
        binding.instance,
        binding.reg_id,
        json.dumps(binding.path),
        flow.transport,
        *flow.local,
        *flow.remote,
        binding.call_id,
        binding.cseq,
        binding.user_agent,
        epoch + binding.expires_at - now,
    )


def write_bindings(store: Store, changes: Changes) -> None:
    """Write all changes or none. Raises OperatorError."""
    if not changes:
        return
    with store.transaction() as connection:
        connection.executemany(_DELETE, [place for place, row in changes.items() if row is None])
        connection.executemany(_UPSERT, [row for row in changes.values() if row is not None])


def read_bindings(store: Store, now: float, epoch: float) -> list[Binding]:
    """What is still bound at the wall clock's `epoch`, with the time that is left counted from `now`.

    Connections have number 0. Rows that have expired, or that nobody can read, are deleted. Raises
    OperatorError.
    """
    bindings = []
    with store.transaction() as connection:
        connection.execute("DELETE FROM binding WHERE expires_epoch <= ?", (epoch,))
        unreadable = []
        for row in connection.execute(_SELECT).fetchall():
            binding = _binding(row, now, epoch)
            if binding is None or binding.key != row[1]:
                unreadable.append(row[:2])
            else:
                bindings.append(binding)
        connection.executemany(_DELETE, unreadable)
    return bindings


def _binding(row: Sequence[object], now: float, epoch: float) -> Binding | None:
    """A row read back; None when it is not one that we write (somebody edited the file)."""
    values = dict(zip(_COLUMNS, row, strict=True))
    texts = {
        name: value
        for name in (
            "user", "contact", "parameters", "instance", "path", "transport", "local_host", "remote_host",
            "call_id", "user_agent",
        )
        if isinstance(value := values[name], str)
    }  # fmt: skip
    integers = {
        name: value
        for name in ("reg_id", "local_port", "remote_port", "cseq")
        if isinstance(value := values[name], int)
    }
    q, expires_epoch = values["q"], values["expires_epoch"]
    if (
        len(texts) != 10
        or len(integers) != 4
        or not isinstance(q, float)
        or not isinstance(expires_epoch, float)
    ):
        return None
    try:
        contact = Uri.parse(texts["contact"])
        path: object = json.loads(texts["path"])
    except (PeerError, ValueError):
        return None
    if texts["transport"] not in _TRANSPORTS or not isinstance(path, list):
        return None
    flow = Flow(
        cast("Transport", texts["transport"]),
        (texts["local_host"], integers["local_port"]),
        (texts["remote_host"], integers["remote_port"]),
    )
    return Binding(
        user=texts["user"],
        contact=contact,
        flow=flow,
        expires_at=now + expires_epoch - epoch,
        call_id=texts["call_id"],
        cseq=integers["cseq"],
        q=q,
        parameters=texts["parameters"],
        instance=texts["instance"],
        reg_id=integers["reg_id"],
        path=tuple(str(value) for value in path),
        user_agent=texts["user_agent"],
    )
