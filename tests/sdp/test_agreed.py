"""What an offer and its answer come to, and how two legs are joined."""

import pytest

from pbx.errors import MisuseError
from pbx.sdp.description import parse
from pbx.sdp.errors import NothingFits, SdpError
from pbx.sdp.formats import PCMA, PCMU, Format, telephone_event
from pbx.sdp.negotiation import (
    Agreed,
    accepted,
    agreed_as_answerer,
    answer,
    bridged_direction,
    clock_rates,
    offer,
    payload_map,
    relay_offer,
)
from tests.sdp.examples import OUR_ORIGIN, US, audio

EVENTS = telephone_event()
_SECOND = b"m=audio 5000 RTP/AVP 8\r\n"


def test_a_call_from_offer_to_agreement_on_both_legs() -> None:
    from_a = parse(
        audio("9 0 8 97 98", "a=rtpmap:97 iLBC/8000", "a=rtpmap:98 telephone-event/8000", "a=fmtp:98 0-16")
    )
    to_b = relay_offer(from_a, US, OUR_ORIGIN, None)
    # B renumbers what is dynamic, prefers iLBC, and asks for 30 ms.
    from_b = parse(
        audio(
            "111 8 120",
            "a=rtpmap:111 ilbc/8000",
            "a=fmtp:111 mode=30",
            "a=rtpmap:120 telephone-event/8000",
            "a=fmtp:120 0-15",
            "a=ptime:30",
            port=7000,
            address="203.0.113.9",
        )
    )
    b = accepted(to_b, from_b)
    assert b.remote == ("203.0.113.9", 7000)
    assert b.codec == Format(111, "ILBC", 8000, 1, "mode=30")
    assert b.telephone_event == telephone_event(120, 8000, "0-15")
    assert b.receive_types == (97, 8, 98)
    assert (b.send, b.receive, b.ptime) == (True, True, 30)

    to_a = answer(from_a, US, OUR_ORIGIN, b.formats, bridged_direction(b), b.ptime)
    assert to_a.media[0].formats == (
        Format(97, "ILBC", 8000, 1, "mode=30"),
        PCMA,
        telephone_event(98, 8000, "0-15"),
    )
    assert to_a.media[0].ptime == 30
    a = agreed_as_answerer(from_a, to_a)
    assert a.remote == ("192.0.2.10", 49170)
    assert a.codec.encoding == b.codec.encoding
    assert a.receive_types == (97, 8, 98)

    assert payload_map(a, b) == {97: 111, 8: 8, 98: 120}
    # B may send with our numbers, as it should, or with its own, as many do.
    assert payload_map(b, a) == {97: 97, 8: 8, 98: 98, 111: 97, 120: 98}
    assert clock_rates(b) == {97: 8000, 8: 8000, 98: 8000, 111: 8000, 120: 8000}


def test_a_number_of_the_peers_that_is_one_of_ours_means_ours() -> None:
    ours = offer([Format(96, "ILBC", 8000), Format(97, "SPEEX", 8000)], US, OUR_ORIGIN)
    theirs = parse(audio("97 96", "a=rtpmap:97 iLBC/8000", "a=rtpmap:96 speex/8000"))
    agreed = accepted(ours, theirs)
    assert agreed.receive_types == (96, 97)
    same = Agreed(agreed.remote, ours.media[0].formats, None, True, True)
    assert payload_map(agreed, same) == {96: 96, 97: 97}
    assert payload_map(same, agreed) == {96: 97, 97: 96}


def test_codecs_that_one_leg_lacks_are_not_mapped() -> None:
    both = Agreed(("192.0.2.1", 4), (PCMU, PCMA, EVENTS), EVENTS, True, True)
    one = Agreed(("192.0.2.2", 4), (PCMU,), None, True, True)
    assert payload_map(both, one) == {0: 0}
    assert payload_map(one, both) == {0: 0}


def test_telephone_event_is_the_one_at_the_clock_rate_of_the_codec() -> None:
    wide, narrow = telephone_event(101, 48000), telephone_event(110, 8000)
    made = offer([PCMU, Format(96, "OPUS", 48000, 2), wide, narrow], US, OUR_ORIGIN)
    assert accepted(made, made).telephone_event == narrow
    made = offer([Format(96, "OPUS", 48000, 2), PCMU, narrow, wide], US, OUR_ORIGIN)
    assert accepted(made, made).telephone_event == wide
    made = offer([PCMU, wide], US, OUR_ORIGIN)
    assert accepted(made, made).telephone_event == wide


def test_formats_that_were_not_offered_are_not_agreed() -> None:
    agreed = accepted(offer([PCMU, PCMA], US, OUR_ORIGIN), parse(audio("18 8 101")))
    assert agreed.formats == (PCMA,)
    assert agreed.telephone_event is None


def test_two_numbers_for_one_of_our_formats_count_once() -> None:
    agreed = accepted(offer([PCMU], US, OUR_ORIGIN), parse(audio("0 96", "a=rtpmap:96 PCMU/8000")))
    assert agreed.formats == (PCMU,)
    assert agreed.receive_types == (0,)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (audio("0") + _SECOND, 400),
        (audio("0").partition(b"m=")[0], 400),
        (audio("0").replace(b"m=audio", b"m=video"), 400),
        (audio("0").replace(b"RTP/AVP", b"RTP/SAVP"), 400),
        (audio("0", port=0), 488),
        (audio("18"), 488),
        (audio("101"), 488),
        (audio("0", "c=IN IP4 phone.example"), 488),
        (audio("0", "c=IN IP4 224.1.1.1/3"), 488),
    ],
)
def test_what_does_not_answer_our_offer(text: bytes, status: int) -> None:
    ours = offer([PCMU, PCMA, EVENTS], US, OUR_ORIGIN)
    with pytest.raises(SdpError) as caught:
        accepted(ours, parse(text))
    assert caught.value.status == status
    assert isinstance(caught.value, NothingFits) == (status == 488)


def test_a_description_of_ours_has_a_stream() -> None:
    refused = parse(audio("0", port=0))
    with pytest.raises(MisuseError):
        agreed_as_answerer(refused, refused)


def test_ipv6_addresses_are_given_in_canonical_form() -> None:
    received = parse(audio("0", address="2001:DB8:0:0::7"))
    assert agreed_as_answerer(received, answer(received, US, OUR_ORIGIN)).remote == ("2001:db8::7", 49170)
