from itertools import product

import pytest

from pbx.errors import MisuseError
from pbx.sdp.description import Description, parse
from pbx.sdp.direction import (
    DIRECTIONS,
    Direction,
    common_direction,
    flows,
    is_hold,
    reversed_direction,
    stated_direction,
)
from pbx.sdp.errors import NothingFits
from pbx.sdp.formats import G722, PCMA, PCMU, Format, counterpart, same_codec, telephone_event
from pbx.sdp.negotiation import (
    LocalMedia,
    accepted,
    agreed_as_answerer,
    answer,
    bridged_direction,
    first_audio,
    offer,
    relay_offer,
)
from tests.sdp.examples import CHATTY, OUR_ORIGIN, US, audio

EVENTS = telephone_event()


def _lines(description: Description) -> list[str]:
    return description.encode().decode().split("\r\n")


# What the other leg is offered


def test_a_relayed_offer_is_ours_from_the_first_line_to_the_last() -> None:
    assert _lines(relay_offer(parse(CHATTY), US, OUR_ORIGIN, None)) == [
        "v=0",
        "o=- 4711 1 IN IP4 198.51.100.1",
        "s=-",
        "c=IN IP4 198.51.100.1",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 8 9 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:30",
        "a=maxptime:60",
        "a=sendrecv",
        "",
    ]


def test_an_answer_is_ours_and_refuses_the_other_streams() -> None:
    assert _lines(answer(parse(CHATTY), US, OUR_ORIGIN, [PCMA, EVENTS], ptime=20)) == [
        "v=0",
        "o=- 4711 1 IN IP4 198.51.100.1",
        "s=-",
        "c=IN IP4 198.51.100.1",
        "t=0 0",
        "m=audio 20000 RTP/AVP 8 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
        "m=video 0 RTP/AVP 99",
        "",
    ]


def test_our_ipv6_address_is_named_as_such() -> None:
    lines = _lines(offer([PCMU], LocalMedia("2001:db8::5", 30000), OUR_ORIGIN))
    assert lines[1] == "o=- 4711 1 IN IP6 2001:db8::5"
    assert lines[3] == "c=IN IP6 2001:db8::5"


def test_only_allowed_encodings_pass_and_telephone_event_with_them() -> None:
    relayed = relay_offer(parse(CHATTY), US, OUR_ORIGIN, ["g722", "pcma"])
    assert relayed.media[0].tokens == ("8", "9", "101")


def test_redundancy_never_passes_for_its_parameters_name_payload_types() -> None:
    received = parse(audio("0 121", "a=rtpmap:121 red/8000", "a=fmtp:121 0/0"))
    assert relay_offer(received, US, OUR_ORIGIN, None).media[0].tokens == ("0",)
    assert answer(received, US, OUR_ORIGIN).media[0].tokens == ("0",)


def test_our_own_offer() -> None:
    made = offer([G722, PCMU, EVENTS], US, OUR_ORIGIN, "recvonly", 10)
    media = made.media[0]
    assert media.formats == (G722, PCMU, EVENTS)
    assert (media.port, media.direction, media.ptime) == (20000, "recvonly", 10)
    with pytest.raises(MisuseError):
        offer([EVENTS], US, OUR_ORIGIN)


# Which stream is taken

_SECOND = b"m=audio 5000 RTP/AVP 8\r\n"


@pytest.mark.parametrize(
    "text",
    [
        audio("0", port=0),
        audio("101"),
        audio("101 13"),
        audio("96 97"),
        audio("0").replace(b"RTP/AVP", b"RTP/SAVP"),
        audio("0").replace(b"RTP/AVP", b"UDP/TLS/RTP/SAVPF"),
        audio("0").replace(b"RTP/AVP", b"RTP/AVPF"),
        audio("0").replace(b"RTP/AVP", b"X/UNKNOWN"),
        audio("0").replace(b"m=audio", b"m=video"),
        audio("0").replace(b"m=audio", b"m=hologram"),
        audio("0").replace(b"49170", b"49170/2"),
        audio("0", "c=IN IP4 phone.example"),
        audio("0", "c=IN IP4 224.2.1.1/127"),
        audio("0", "c=IN IP4 224.0.0.0"),
        audio("0", "c=IN IP4 239.1.1.1"),
        audio("0", "c=IN IP4 255.255.255.255"),
        audio("0", "c=IN IP4 010.0.0.1"),
        audio("0", "c=IN IP6 ff02::1"),
        audio("0", "c=IN IP6 fe80::1%eth0"),
        audio("0", "c=IN IP6 :::"),
    ],
)
def test_streams_that_we_cannot_take_are_refused(text: bytes) -> None:
    alone = parse(text)
    assert first_audio(alone) is None
    with pytest.raises(NothingFits) as relayed:
        relay_offer(alone, US, OUR_ORIGIN, None)
    with pytest.raises(NothingFits) as answered_alone:
        answer(alone, US, OUR_ORIGIN)
    assert relayed.value.status == answered_alone.value.status == 488
    both = parse(text + _SECOND.replace(b"RTP/AVP 8\r\n", b"RTP/AVP 8\r\nc=IN IP4 192.0.2.10\r\n"))
    answered = answer(both, US, OUR_ORIGIN)
    assert [media.port for media in answered.media] == [0, 20000]
    assert answered.media[0].protocol == both.media[0].protocol
    assert answered.media[0].tokens == both.media[0].tokens
    assert relay_offer(both, US, OUR_ORIGIN, None).media[0].formats == (PCMA,)


def test_only_the_first_of_two_audio_streams_is_taken() -> None:
    answered = answer(parse(audio("0") + _SECOND), US, OUR_ORIGIN)
    assert [media.port for media in answered.media] == [20000, 0]


def test_the_stream_that_has_an_allowed_codec_is_the_one_relayed_and_answered() -> None:
    received = parse(audio("0") + _SECOND)
    relayed = relay_offer(received, US, OUR_ORIGIN, ["PCMA"])
    assert relayed.media[0].tokens == ("8",)
    assert [media.port for media in answer(received, US, OUR_ORIGIN, [PCMA]).media] == [0, 20000]


def test_nothing_fits_when_there_is_no_stream_or_no_common_codec() -> None:
    no_streams = parse(audio("0").partition(b"m=")[0])
    for received in (no_streams, parse(audio("0 8"))):
        with pytest.raises(NothingFits):
            answer(received, US, OUR_ORIGIN, [G722, EVENTS])
        with pytest.raises(NothingFits):
            relay_offer(received, US, OUR_ORIGIN, ["G722"])


def test_telephone_event_alone_in_common_is_nothing() -> None:
    with pytest.raises(NothingFits):
        answer(parse(audio("0 101")), US, OUR_ORIGIN, [PCMA, EVENTS])


def test_a_refused_stream_without_formats_is_answered_with_one() -> None:
    answered = answer(parse(audio("0") + b"m=video 0 RTP/AVP\r\n"), US, OUR_ORIGIN)
    assert answered.media[1].tokens == ("0",)


# Formats


def test_codecs_are_the_same_by_name_clock_rate_and_channels() -> None:
    base = Format(96, "L16", 8000, 1, "x")
    assert same_codec(base, Format(97, "L16", 8000))
    assert not same_codec(base, Format(96, "L16", 16000))
    assert not same_codec(base, Format(96, "L16", 8000, 2))
    assert not same_codec(base, Format(96, "L24", 8000))


def test_of_one_codec_listed_twice_number_goes_before_parameters_before_order() -> None:
    wide = Format(96, "AMR", 8000, 1, "octet-align=1")
    narrow = Format(97, "AMR", 8000)
    assert counterpart(Format(97, "AMR", 8000, 1, "octet-align=1"), [wide, narrow]) is narrow
    assert counterpart(Format(110, "AMR", 8000), [wide, narrow]) is narrow
    assert counterpart(Format(110, "AMR", 8000, 1, "octet-align=1"), [narrow, wide]) is wide
    assert counterpart(Format(110, "AMR", 8000, 1, "mode-set=7"), [wide, narrow]) is wide
    assert counterpart(PCMU, [wide, narrow]) is None


def test_an_answer_has_our_order_and_parameters_but_the_numbers_of_the_offer() -> None:
    received = parse(
        audio("0 97 98", "a=rtpmap:97 iLBC/8000", "a=rtpmap:98 telephone-event/8000", "a=fmtp:98 0-16")
    )
    ours = [Format(120, "ILBC", 8000, 1, "mode=20"), PCMU, telephone_event(101, 8000, "0-15")]
    assert answer(received, US, OUR_ORIGIN, ours).media[0].formats == (
        Format(97, "ILBC", 8000, 1, "mode=20"),
        PCMU,
        telephone_event(98, 8000, "0-15"),
    )


def test_one_offered_type_is_answered_once() -> None:
    ours = [PCMU, Format(96, "PCMU", 8000)]
    assert answer(parse(audio("0")), US, OUR_ORIGIN, ours).media[0].tokens == ("0",)


# Directions

_ALL: list[Direction] = list(DIRECTIONS.values())


def test_direction_words() -> None:
    assert [reversed_direction(word) for word in _ALL] == ["sendrecv", "recvonly", "sendonly", "inactive"]
    assert [is_hold(word) for word in _ALL] == [False, True, False, True]
    for word in _ALL:
        assert stated_direction(*flows(word, "sendrecv")) == word
        assert common_direction(word, "sendrecv") == word
        assert common_direction("inactive", word) == "inactive"
    assert common_direction("sendonly", "recvonly") == "inactive"


@pytest.mark.parametrize(
    ("own", "their", "both"),
    [
        ("sendrecv", "sendrecv", (True, True)),
        ("sendonly", "recvonly", (True, False)),
        ("sendrecv", "sendonly", (False, True)),
        ("sendonly", "sendonly", (False, False)),
        ("sendrecv", "inactive", (False, False)),
    ],
)
def test_what_flows_between_two_directions(own: Direction, their: Direction, both: tuple[bool, bool]) -> None:
    assert flows(own, their) == both
    assert flows(their, own) == (both[1], both[0])


@pytest.mark.parametrize(("offered", "wanted"), list(product(_ALL, _ALL)))
def test_every_direction_offered_against_every_direction_wanted(
    offered: Direction, wanted: Direction
) -> None:
    received = parse(audio("0", f"a={offered}"))
    ours = answer(received, US, OUR_ORIGIN, None, wanted)
    said = ours.media[0].direction
    assert flows(said, "sendrecv") == flows(wanted, offered)
    agreed = agreed_as_answerer(received, ours)
    assert (agreed.send, agreed.receive) == flows(said, "sendrecv")
    theirs = accepted(received, ours)
    assert (theirs.send, theirs.receive) == (agreed.receive, agreed.send)


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
@pytest.mark.parametrize(("said", "relayed"), [("sendrecv", "sendonly"), ("recvonly", "inactive")])
def test_an_unspecified_address_holds(address: str, said: str, relayed: str) -> None:
    received = parse(audio("0", f"a={said}", address=address))
    assert relay_offer(received, US, OUR_ORIGIN, None).media[0].direction == relayed
    ours = answer(received, US, OUR_ORIGIN)
    agreed = agreed_as_answerer(received, ours)
    assert agreed.remote == (address, 49170)
    assert not agreed.send
    assert agreed.receive == (said == "sendrecv")


@pytest.mark.parametrize(
    ("from_a", "to_b", "from_b", "to_a"),
    [
        ("sendonly", "sendonly", "recvonly", "recvonly"),
        ("inactive", "inactive", "inactive", "inactive"),
        ("recvonly", "recvonly", "sendonly", "sendonly"),
        ("sendrecv", "sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive", "inactive"),
        ("sendrecv", "sendrecv", "recvonly", "recvonly"),
    ],
)
def test_direction_crosses_the_bridge_both_ways(from_a: str, to_b: str, from_b: str, to_a: str) -> None:
    offered = parse(audio("0", f"a={from_a}"))
    to_other = relay_offer(offered, US, OUR_ORIGIN, None)
    assert to_other.media[0].direction == to_b
    b = accepted(to_other, parse(audio("0", f"a={from_b}")))
    back = answer(offered, US, OUR_ORIGIN, b.formats, bridged_direction(b))
    assert back.media[0].direction == to_a
    a = agreed_as_answerer(offered, back)
    assert (a.receive, a.send) == (b.send, b.receive)
