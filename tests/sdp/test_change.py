"""New offers inside a call: which of them mean anything, and our own (RFC 3264 §8)."""

import pytest

from pbx.sdp.description import Description, parse
from pbx.sdp.direction import Direction
from pbx.sdp.formats import PCMA, PCMU, Format, telephone_event
from pbx.sdp.negotiation import (
    Agreed,
    LocalOrigin,
    accepted,
    agreed_as_answerer,
    answer,
    change,
    offer,
    relay_offer,
    renewed,
)
from tests.sdp.examples import CHATTY, OUR_ORIGIN, US, audio


def _agreed(received: Description, formats: list[Format] | None = None) -> Agreed:
    return agreed_as_answerer(received, answer(received, US, OUR_ORIGIN, formats))


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (audio("0 8 101"), "none"),
        (audio("0 8 101").replace(b"o=- 1 1", b"o=- 1 2"), "none"),
        (audio("0 8 101").replace(b"s=-", b"s=new name"), "none"),
        (audio("8 0 9 18 101"), "none"),
        (audio("0 101"), "none"),
        (audio("0 8 101", "a=ptime:40"), "none"),
        (audio("0 8 101") + b"m=video 9000 RTP/AVP 31\r\n", "none"),
        (audio("0 8 101", "a=sendonly"), "direction"),
        (audio("0 8 101", "a=inactive"), "direction"),
        (audio("0 8 101", "a=recvonly"), "direction"),
        (audio("0 101", "a=sendonly"), "direction"),
        (audio("0 8 101").replace(b"t=0 0", b"t=0 0\r\na=sendonly"), "direction"),
        (audio("0 8 101", address="0.0.0.0"), "direction"),
        (audio("0 8 101", address="::"), "direction"),
        (audio("0 8 101", "a=sendonly", address="0.0.0.0"), "direction"),
        (audio("0 8 101", port=49172), "other"),
        (audio("0 8 101", port=0), "other"),
        (audio("0 8 101", address="192.0.2.11"), "other"),
        (audio("0 8 101", "c=IN IP4 192.0.2.11"), "other"),
        (audio("8 101"), "other"),
        (audio("0 8"), "other"),
        (audio("0 8 102", "a=rtpmap:102 telephone-event/8000"), "other"),
        (audio("96 8 101", "a=rtpmap:96 PCMU/8000"), "other"),
        (audio("0 8 101", "a=rtpmap:0 G726-32/8000"), "other"),
        (audio("0 8 101", "a=fmtp:0 new=1"), "other"),
        (audio("0 8 101").replace(b"RTP/AVP", b"RTP/SAVP"), "other"),
        (audio("0 8 101").partition(b"m=")[0], "other"),
        (audio("0 8 101").partition(b"m=")[0] + b"m=image 4000 udptl t38\r\n", "other"),
        (
            audio("0").replace(b"m=audio", b"m=video") + audio("0 8 101").partition(b"t=0 0\r\n")[2],
            "other",
        ),
    ],
)
def test_what_a_new_offer_changes(offered: bytes, expected: str) -> None:
    previous = parse(audio("0 8 101"))
    assert change(previous, parse(offered), _agreed(previous)) == expected


def test_dropping_a_stream_altogether_is_not_allowed() -> None:
    previous = parse(CHATTY)
    shorter = parse(CHATTY.partition(b"m=video")[0])
    assert change(previous, shorter, _agreed(previous)) == "other"
    assert change(previous, previous, _agreed(previous)) == "none"


@pytest.mark.parametrize(
    ("held", "resumed", "expected"),
    [
        (audio("0", "a=sendonly"), audio("0"), "direction"),
        (audio("0", "a=sendonly"), audio("0", "a=sendonly"), "none"),
        (audio("0", "a=sendonly"), audio("0", address="0.0.0.0"), "none"),
        (audio("0", address="0.0.0.0"), audio("0"), "direction"),
        (audio("0", address="0.0.0.0"), audio("0", address="0.0.0.0"), "none"),
        (audio("0", address="0.0.0.0"), audio("0", port=5), "other"),
    ],
)
def test_resuming(held: bytes, resumed: bytes, expected: str) -> None:
    previous = parse(held)
    assert change(previous, parse(resumed), _agreed(previous)) == expected


def test_after_an_old_hold_the_address_known_before_must_come_back() -> None:
    held = parse(audio("0", address="0.0.0.0"))
    before = _agreed(parse(audio("0")))
    assert change(held, parse(audio("0")), before) == "direction"
    assert change(held, parse(audio("0", address="192.0.2.99")), before) == "other"


def test_an_agreement_about_another_codec_is_not_found_in_the_offer() -> None:
    previous = parse(audio("0"))
    other = _agreed(parse(audio("8")), [PCMA])
    assert change(previous, previous, other) == "other"


@pytest.mark.parametrize("direction", ["sendonly", "inactive", "sendrecv"])
def test_our_new_offer_keeps_streams_and_numbers_and_counts_its_version(direction: Direction) -> None:
    received = parse(CHATTY)
    ours = answer(received, US, LocalOrigin(7, 3), [PCMU, PCMA, telephone_event()])
    again = renewed(ours, _agreed(received, [PCMU, telephone_event()]), direction)
    assert again.origin.version == 4
    assert [(media.kind, media.port) for media in again.media] == [("audio", 20000), ("video", 0)]
    assert again.media[0].tokens == ("0", "101")
    assert again.media[0].direction == direction
    assert ours.media[0].direction == "sendrecv"
    assert parse(again.encode()) == again
    assert accepted(again, ours).codec == PCMU


def test_our_new_offer_uses_our_numbers_not_the_peers() -> None:
    ours = offer([Format(97, "ILBC", 8000), PCMU, telephone_event()], US, OUR_ORIGIN)
    theirs = parse(audio("111 120", "a=rtpmap:111 iLBC/8000", "a=rtpmap:120 telephone-event/8000"))
    again = renewed(ours, accepted(ours, theirs), "sendonly")
    assert again.media[0].tokens == ("97", "101")


def test_a_hold_passes_from_one_leg_to_the_other() -> None:
    first = parse(audio("0 8 101"))
    to_b = relay_offer(first, US, OUR_ORIGIN, None)
    b = accepted(to_b, parse(audio("0 101", port=6000)))
    hold = parse(audio("0 101", "a=sendonly"))
    assert (
        change(first, hold, agreed_as_answerer(first, answer(first, US, OUR_ORIGIN, b.formats)))
        == "direction"
    )
    to_b = renewed(to_b, b, hold.media[0].direction)
    assert to_b.media[0].direction == "sendonly"
    b = accepted(to_b, parse(audio("0 101", "a=recvonly", port=6000)))
    assert (b.send, b.receive) == (True, False)
