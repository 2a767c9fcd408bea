"""Digits by INFO, presses that are told twice, and the gathering of a menu."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.call.digits import DIGITS, Gathering, Press, Presses, parse_info
from pbx.call.plan import Collect
from tests.call.media import a_sound


@pytest.mark.parametrize(
    ("kind", "body", "press"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=250\r\n", Press("5", 250)),
        ("application/dtmf-relay", b"Signal=5\nDuration=250", Press("5", 250)),
        ("application/dtmf-relay", b"signal = *\r\nduration = 80\r\n", Press("*", 80)),
        ("application/dtmf-relay", b"Duration=80\r\nSignal=#", Press("#", 80)),
        ("application/dtmf-relay", b"Signal=11\r\n", Press("#")),
        ("application/dtmf-relay", b"Signal=15\r\n", Press("D")),
        ("application/dtmf-relay", b"Signal=d\r\n", Press("D")),
        ("application/dtmf-relay", b"Signal=1\r\nDuration=999999\r\n", Press("1", 8000)),
        ("application/dtmf-relay", b"Signal=1\r\nDuration=0\r\n", Press("1")),
        ("Application/DTMF-Relay; charset=x", b"Signal=7", Press("7")),
        ("application/dtmf", b"5", Press("5")),
        ("application/dtmf", b" 10\r\n", Press("*")),
        ("application/dtmf", b"A", Press("A")),
        ("application/dtmf-relay", b"5", None),
        ("application/dtmf-relay", b"Signal=16", None),
        ("application/dtmf-relay", b"Signal=", None),
        ("application/dtmf-relay", b"Signal=55", None),
        ("application/dtmf", b"", None),
        ("application/dtmf", b"!", None),
        ("application/dtmf", b"55", None),
        ("application/dtmf", b"\xd9\xa5", None),
        ("application/sdp", b"5", None),
        ("", b"5", None),
    ],
)
def test_info(kind: str, body: bytes, press: Press | None) -> None:
    assert parse_info(kind, body) == press


@given(st.sampled_from(["application/dtmf-relay", "application/dtmf"]), st.binary(max_size=400))
def test_what_comes_from_the_wire_is_a_digit_or_nothing(kind: str, body: bytes) -> None:
    for text in (body, b"Signal=" + body):
        press = parse_info(kind, text)
        assert press is None or (press.digit in DIGITS and 0 < press.duration_ms <= 8000)


def told(*presses: tuple[str, str, float]) -> str:
    """Which of these count."""
    seen = Presses()
    return "".join(digit for digit, way, at in presses if seen.is_new(digit, way, at))  # type: ignore[arg-type]


def test_a_press_that_comes_both_ways_counts_once() -> None:
    assert told(("1", "media", 0.0), ("1", "info", 0.1)) == "1"
    assert told(("1", "info", 0.0), ("1", "media", 0.1)) == "1"
    assert told(("1", "media", 0.0), ("1", "media", 0.3), ("1", "info", 0.4), ("1", "info", 0.5)) == "11"
    assert told(("1", "media", 0.0), ("1", "info", 0.1), ("1", "media", 0.3), ("1", "info", 0.4)) == "11"
    assert told(("1", "media", 0.0), ("2", "media", 0.1), ("1", "info", 0.2), ("2", "info", 0.3)) == "12"


def test_presses_that_are_apart_all_count() -> None:
    assert told(("1", "media", 0.0), ("1", "media", 0.1)) == "11"
    assert told(("1", "media", 0.0), ("2", "info", 0.1)) == "12"
    assert told(("1", "media", 0.0), ("1", "info", 2.0)) == "11"


def test_only_so_many_presses_are_remembered() -> None:
    presses = Presses()
    for number in range(1000):
        assert presses.is_new(DIGITS[number % 16], "media", number)
    assert len(presses._told) == 16


def gathering(**more: object) -> Gathering:
    values: dict[str, object] = {"max_digits": 3, "first_s": 5.0, "between_s": 2.0, **more}
    return Gathering(Collect([a_sound()], **values))  # type: ignore[arg-type]  # values of tests


def pressed(menu: Gathering, digits: str, now: float = 10.0) -> bool:
    """Whether one of these was the last; those after it are not pressed."""
    return any(menu.press(digit, now) for digit in digits)


def test_the_most_digits() -> None:
    menu = gathering()
    assert not pressed(menu, "12")
    assert pressed(menu, "3")
    assert menu.digits == "123"


def test_the_terminator_is_no_digit() -> None:
    menu = gathering()
    assert pressed(menu, "12#")
    assert menu.digits == "12"
    menu = gathering(terminator="")
    assert not pressed(menu, "12")
    assert pressed(menu, "#")
    assert menu.digits == "12#"


def test_nothing_longer_can_follow() -> None:
    menu = gathering(complete=frozenset({"9", "12"}))
    assert not pressed(menu, "1")
    assert pressed(menu, "2")
    assert pressed(gathering(complete=frozenset({"9"})), "9")


def test_the_times() -> None:
    menu = gathering()
    due = [menu.due]
    menu.prompted(10.0)
    due.append(menu.due)
    menu.press("1", 12.0)
    due.append(menu.due)
    menu.prompted(13.0)  # the prompt was over before
    due.append(menu.due)
    assert due == [None, 15.0, 14.0, 14.0]


def test_barge() -> None:
    menu = gathering(barge=False)
    assert not pressed(menu, "123")
    assert (menu.digits, menu.due) == ("", None)
    menu.prompted(20.0)
    assert pressed(menu, "123")
