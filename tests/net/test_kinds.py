"""Messages that wait together: those of a kind follow each other, those of a call keep their order."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.net.kinds import by_kind

Said = tuple[bytes, int]

KINDS = (
    ("INVITE sip:b@x SIP/2.0", "1 INVITE"),
    ("ACK sip:b@x SIP/2.0", "1 ACK"),
    ("BYE sip:b@x SIP/2.0", "2 BYE"),
    ("SIP/2.0 180 Ringing", "1 INVITE"),
    ("SIP/2.0 200 OK", "1 INVITE"),
    ("SIP/2.0 200 OK", "2 BYE"),
)
OTHERS = ("REGISTER sip:x SIP/2.0", "CANCEL sip:b@x SIP/2.0", "OPTIONS sip:x SIP/2.0", "PUT / HTTP/1.1", "")
ALL = [*KINDS, *((start, "7 OTHER") for start in OTHERS)]


def message(start: str, cseq: str, call: str, name: str = "Call-ID") -> bytes:
    lines = [start, "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", f"{name}: {call}", f"CSeq: {cseq}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def numbered(*said: bytes) -> list[Said]:
    return [(data, number) for number, data in enumerate(said)]


def numbers(waiting: list[Said]) -> list[int]:
    return [number for _, number in by_kind(waiting)]


def test_those_of_a_kind_are_served_together() -> None:
    waiting = numbered(*(message(*kind, f"{call}@x") for call in range(3) for kind in KINDS[:1]))
    answers = [(message("SIP/2.0 200 OK", "1 INVITE", f"a{n}"), 10 + n) for n in range(2)]
    answers += [(message("SIP/2.0 200 OK", "2 BYE", f"b{n}"), 20 + n) for n in range(2)]
    mixed = [answers[0], waiting[0], answers[2], waiting[1], answers[1], waiting[2], answers[3]]
    assert numbers(mixed) == [10, 11, 0, 1, 2, 20, 21]


def test_a_call_keeps_its_order() -> None:
    first = [message(*kind, "a@x") for kind in (KINDS[1], KINDS[0], KINDS[2])]
    second = [message(*kind, "b@x") for kind in (KINDS[0], KINDS[2])]
    assert numbers(numbered(first[0], second[0], first[1], second[1], first[2])) == [0, 1, 2, 3, 4]
    # An ACK and the re-INVITE behind it; the other call's INVITE stands beside neither.
    assert numbers(numbered(first[0], first[1], second[0])) == [0, 2, 1]


@pytest.mark.parametrize("start", OTHERS)
def test_what_is_not_the_course_of_a_call_keeps_its_place(start: str) -> None:
    invite, ack = (message(*kind, f"{number}@x") for number, kind in enumerate(KINDS[:2]))
    other = message(start, "7 OTHER", "c@x")
    again = message(*KINDS[0], "d@x")
    assert numbers(numbered(invite, ack, other, again, other, ack)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["Call-ID", "call-id", "CALL-ID", "i", "I", "Call-ID "])
def test_every_form_of_a_call_id_is_seen(name: str) -> None:
    said = numbered(
        message(*KINDS[1], "a@x", name), message(*KINDS[0], "a@x", name), message(*KINDS[1], "b@x", name)
    )
    assert numbers(said) == [0, 2, 1]


def test_without_a_call_id_nothing_is_moved() -> None:
    said = [message(*kind, "", "Subject") for kind in (KINDS[0], KINDS[1], KINDS[0])]
    assert numbers(numbered(*said)) == [0, 1, 2]


@given(st.lists(st.tuples(st.sampled_from(ALL), st.sampled_from("abcd")), max_size=40))
def test_nothing_is_lost_and_no_call_is_turned_round(said: list[tuple[tuple[str, str], str]]) -> None:
    waiting = numbered(*(message(*kind, call) for kind, call in said))
    served = by_kind(waiting)
    assert sorted(served, key=lambda each: each[1]) == waiting
    for call in "abcd":
        own = [number for _, number in served if said[number][1] == call]
        assert own == sorted(own)
    for place, (_, number) in enumerate(served):
        if said[number][0] not in KINDS:
            assert place == number
            assert all(before[1] < number for before in served[:place])


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=32))
def test_messages_of_different_calls_are_grouped_as_far_as_can_be(kinds: list[tuple[str, str]]) -> None:
    waiting = numbered(*(message(*kind, f"{number}@x") for number, kind in enumerate(kinds)))
    order = [kinds[number] for _, number in by_kind(waiting)]
    assert len([kind for kind, _ in groupby(order)]) == len(set(kinds))


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_whatever_comes_is_kept(said: list[bytes]) -> None:
    waiting = numbered(*said)
    assert sorted(by_kind(waiting), key=lambda each: each[1]) == waiting
