"""New offers inside a call (RFC 3264 §8)."""

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
    offer,
    relay_offer,
    renewed,
)
from tests.sdp.examples import CHATTY, OUR_ORIGIN, US, audio


def _agreed(received: Description, formats: list[Format] | None = None) -> Agreed:
    return agreed_as_answerer(received, answer(received, US, OUR_ORIGIN, formats))


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
    to_b = renewed(to_b, b, hold.media[0].direction)
    assert to_b.media[0].direction == "sendonly"
    b = accepted(to_b, parse(audio("0 101", "a=recvonly", port=6000)))
    assert (b.send, b.receive) == (True, False)
