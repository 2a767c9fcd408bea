"""Which way media flows, as one side of a call states it (RFC 3264 §5.1, RFC 8866 §6.7)."""

from typing import Final, Literal

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

DIRECTIONS: Final[dict[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}

_REVERSED: Final[dict[Direction, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}

# (whoever states it sends, and receives)
_MEANING: Final[dict[Direction, tuple[bool, bool]]] = {
    "sendrecv": (True, True),
    "sendonly": (True, False),
    "recvonly": (False, True),
    "inactive": (False, False),
}

_STATED: Final[dict[tuple[bool, bool], Direction]] = {meaning: name for name, meaning in _MEANING.items()}


def reversed_direction(direction: Direction) -> Direction:
    """The same flow as the other side states it: sendonly becomes recvonly."""
    return _REVERSED[direction]


def flows(own: Direction, their: Direction) -> tuple[bool, bool]:
    """Whether we send and receive, when we state `own` and the other side `their`."""
    send, receive = _MEANING[own]
    they_send, they_receive = _MEANING[their]
    return send and they_receive, receive and they_send


def stated_direction(send: bool, receive: bool) -> Direction:
    """The word for a side that does or does not send and receive."""
    return _STATED[send, receive]


def common_direction(first: Direction, second: Direction) -> Direction:
    """What both allow, each stated from the same side."""
    if first == second:
        return first
    send, receive = _MEANING[first]
    also_send, also_receive = _MEANING[second]
    return _STATED[send and also_send, receive and also_receive]


def is_hold(direction: Direction) -> bool:
    """Whether the side that states `direction` does not want to hear the other (RFC 3264 §8.4)."""
    return not _MEANING[direction][1]
