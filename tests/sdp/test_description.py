import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import PeerError
from pbx.sdp.description import MAX_FORMATS, MAX_LINES, MAX_MEDIA, MAX_OCTETS, Description, parse
from pbx.sdp.errors import SdpError
from pbx.sdp.formats import PCMA, PCMU, STATIC, Format, telephone_event
from tests.sdp.examples import CHATTY, audio, descriptions


def test_everything_of_a_description_is_read() -> None:
    description = parse(CHATTY)
    origin = description.origin
    assert (origin.username, origin.session_id, origin.version) == ("alice", 2890844526, 2890844527)
    assert origin.address == "192.168.17.44"
    assert description.name == "Alice's phone"
    assert description.connection == "192.0.2.10"
    assert description.bandwidth == ("AS:84",)
    assert description.attributes == ("group:BUNDLE 0 1", "ice-lite", "tool:phone 9.1")
    assert description.attribute("ice-lite") == ""
    assert description.attribute("tool") == "phone 9.1"
    assert description.attribute("ice") is None
    assert [line[:2] for line in description.others] == ["i=", "u=", "e=", "p="]
    audio_stream, video = description.media
    assert (audio_stream.kind, audio_stream.port, audio_stream.protocol) == ("audio", 49170, "RTP/AVP")
    assert audio_stream.tokens == ("0", "8", "9", "101")
    assert audio_stream.formats == (PCMU, PCMA, STATIC[9], telephone_event(101, 8000, "0-15"))
    assert (audio_stream.ptime, audio_stream.max_ptime) == (30, 60)
    assert audio_stream.connection == "192.0.2.10"
    assert audio_stream.bandwidth == ("TIAS:64000",)
    assert audio_stream.attribute("ice-ufrag") == "F7gI"
    assert audio_stream.attribute("rtpmap") is None
    assert video.formats == (Format(99, "H264", 90000, 1, "profile-level-id=42e01f"),)


def test_reading_what_was_printed_gives_the_same() -> None:
    description = parse(CHATTY)
    assert parse(description.encode()) == description


@given(descriptions())
def test_parse_and_encode_are_inverses(description: Description) -> None:
    assert parse(description.encode()) == description


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=rtpmap:96 OpUs/48000/2", Format(96, "OPUS", 48000, 2)),
        ("a=rtpmap:96 pcmu/8000", Format(96, "PCMU", 8000)),
        ("a=rtpmap:96 pcmu/8000/1 ", Format(96, "PCMU", 8000)),
        ("a=rtpmap:96  L16/8000", Format(96, "L16", 8000)),
    ],
)
def test_rtpmap(line: str, expected: Format) -> None:
    assert parse(audio("96", line)).media[0].formats == (expected,)


@pytest.mark.parametrize(
    "value",
    ["96", "96 opus", "96 op us/8000", "96 opus/0", "96 opus/8000/0", "128 opus/8000", "96 opus/384001"],
)
def test_an_rtpmap_that_cannot_be_read_describes_nothing(value: str) -> None:
    assert parse(audio("0 96", f"a=rtpmap:{value}", "a=rtpmap:0 PCMU")).media[0].formats == (PCMU,)


def test_static_types_need_no_rtpmap_and_unknown_dynamic_types_are_left_out() -> None:
    media = parse(audio("0 96 18 99")).media[0]
    assert media.formats == (PCMU, STATIC[18])
    assert media.tokens == ("0", "96", "18", "99")


def test_the_static_table_is_that_of_the_rfc() -> None:
    said = " ".join(known.rtpmap for known in STATIC.values())
    assert said == (
        "0 PCMU/8000 3 GSM/8000 4 G723/8000 5 DVI4/8000 6 DVI4/16000 7 LPC/8000 8 PCMA/8000 9 G722/8000 "
        "10 L16/44100/2 11 L16/44100 12 QCELP/8000 13 CN/8000 14 MPA/90000 15 G728/8000 16 DVI4/11025 "
        "17 DVI4/22050 18 G729/8000 25 CELB/90000 26 JPEG/90000 28 NV/90000 31 H261/90000 32 MPV/90000 "
        "33 MP2T/90000 34 H263/90000"
    )
    assert all(number == known.payload_type for number, known in STATIC.items())


def test_fmtp_may_stand_before_its_rtpmap() -> None:
    media = parse(audio("97", "a=fmtp:97 mode=30", "a=rtpmap:97 iLBC/8000")).media[0]
    assert media.formats == (Format(97, "ILBC", 8000, 1, "mode=30"),)


def test_conventional_spellings_are_printed() -> None:
    text = parse(audio("97 101", "a=rtpmap:97 OPUS/48000/2")).encode().decode()
    assert "a=rtpmap:97 opus/48000/2\r\n" in text
    assert "a=rtpmap:101 telephone-event/8000\r\n" in text


@pytest.mark.parametrize("session", ["sendonly", "recvonly", "inactive", "sendrecv"])
def test_direction_of_the_session_is_that_of_streams_without_one(session: str) -> None:
    text = audio("0").replace(b"t=0 0", b"t=0 0\r\na=" + session.encode())
    both = text + b"m=audio 9 RTP/AVP 0\r\na=recvonly\r\n"
    first, second = parse(both).media
    assert first.direction == session
    assert second.direction == "recvonly"
    assert parse(both).attributes == ()


def test_connection_of_the_stream_goes_before_that_of_the_session() -> None:
    first, second = parse(audio("0", "c=IN IP6 2001:db8::7") + b"m=audio 9 RTP/AVP 0\r\n").media
    assert first.connection == "2001:db8::7"
    assert second.connection == "192.0.2.10"


@pytest.mark.parametrize("value", ["20", "020", " 20"])
def test_ptime(value: str) -> None:
    assert parse(audio("0", f"a=ptime:{value}")).media[0].ptime == 20


@pytest.mark.parametrize("value", ["", "0", "20.5", "-20", "99999", "²"])
def test_a_ptime_that_is_none_is_kept_as_written(value: str) -> None:
    media = parse(audio("0", f"a=ptime:{value}")).media[0]
    assert media.ptime is None
    assert media.attributes == (f"ptime:{value}",)


def test_careless_but_harmless_descriptions_are_read() -> None:
    text = b"v=0\no=- 1 1 IN IP4 a.example\nc=IN IP4 192.0.2.1\n\nm=audio 4000 RTP/AVP 0"
    description = parse(text)
    assert description.name == "-"
    assert description.times == ("t=0 0",)
    assert description.media[0].formats == (PCMU,)


def test_a_refused_stream_may_lack_formats_and_address() -> None:
    media = parse(
        b"v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP\r\na=rtpmap:x\r\n"
    ).media[0]
    assert (media.port, media.tokens, media.formats, media.connection) == (0, (), (), None)


_HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "SDP Does Not Begin With v=0"),
        ("o=- 1 1 IN IP4 1.1.1.1\nv=0\n", "SDP Does Not Begin With v=0"),
        ("v=1\n", "SDP Does Not Begin With v=0"),
        ("m=audio 1 RTP/AVP 0\n", "SDP Does Not Begin With v=0"),
        ("v=0\ns=-\n", "No o= Line In SDP"),
        ("v=0\no=- 1 1 IN IP4\n", "Malformed o= Line"),
        ("v=0\no=- 1 1 IN IP5 1.1.1.1\n", "Malformed o= Line"),
        ("v=0\no=- 1 1 ATM IP4 1.1.1.1\n", "Malformed o= Line"),
        ("v=0\no=- x 1 IN IP4 1.1.1.1\n", "Malformed Number In SDP"),
        ("v=0\no=- 1 \u0661 IN IP4 1.1.1.1\n", "Malformed Number In SDP"),
        ("v=0\no=- " + "1" * 5000 + " 1 IN IP4 1.1.1.1\n", "Malformed Number In SDP"),
        (_HEAD + "o=- 1 1 IN IP4 192.0.2.1\n", "Malformed SDP Line"),
        (_HEAD + "s=again\n", "Malformed SDP Line"),
        (_HEAD + "v=0\n", "Malformed SDP Line"),
        (_HEAD + "x=unknown\n", "Malformed SDP Line"),
        (_HEAD + "A=upper\n", "Malformed SDP Line"),
        (_HEAD + "nonsense\n", "Malformed SDP Line"),
        (_HEAD + " \n", "Malformed SDP Line"),
        (_HEAD + "t=0\n", "Malformed t= Line"),
        (_HEAD + "t=0 -1\n", "Malformed Number In SDP"),
        ("v=0\no=- 1 1 IN IP4 1.1.1.1\nr=7d\nt=0 0\n", "Malformed SDP Line"),
        (_HEAD.replace("c=IN IP4 192.0.2.1", "c=IN IP4"), "Malformed c= Line"),
        (_HEAD.replace("c=IN IP4 192.0.2.1", "c=IN IP4 2001:db8::1"), "Malformed c= Line"),
        (_HEAD.replace("c=IN IP4 192.0.2.1", "c=IN IP6 192.0.2.1"), "Malformed c= Line"),
        (_HEAD.replace("c=IN IP4 192.0.2.1", "c=IN IP9 192.0.2.1"), "Malformed c= Line"),
        (_HEAD.replace("c=IN IP4 192.0.2.1\n", "") + "m=audio 1 RTP/AVP 0\n", "No c= Line For A Stream"),
        (_HEAD + "m=\n", "Malformed m= Line"),
        (_HEAD + "m=audio 1\n", "Malformed m= Line"),
        (_HEAD + "m=audio 1 RTP/AVP\n", "Malformed m= Line"),
        (_HEAD + "m=audio 65536 RTP/AVP 0\n", "Malformed m= Line"),
        (_HEAD + "m=audio 1/0 RTP/AVP 0\n", "Malformed m= Line"),
        (_HEAD + "m=aud\x01io 1 RTP/AVP 0\n", "Malformed m= Line"),
        (_HEAD + "m=audio -1 RTP/AVP 0\n", "Malformed Number In SDP"),
        (_HEAD + "m=audio 1/ RTP/AVP 0\n", "Malformed Number In SDP"),
        (_HEAD + "m=audio 1 RTP/AVP 128\n", "Malformed Payload Type"),
        (_HEAD + "m=audio 1 RTP/AVP 0 x\n", "Malformed Payload Type"),
        (_HEAD + "m=audio 1 RTP/AVP 00\n", "Malformed Payload Type"),
        (_HEAD + "m=audio 1 RTP/AVP 0\nt=0 0\n", "Malformed SDP Line"),
        (_HEAD + "m=audio 1 RTP/AVP 0\nc=IN IP4\n", "Malformed c= Line"),
        (_HEAD + "m=audio 1 RTP/AVP 0\na=fmtp:0 x\x07y\n", "Malformed fmtp"),
        (_HEAD + "a=lone\rreturn\n", "Control Character In SDP"),
        (_HEAD + "a=x\r\r\nm=audio 1 RTP/AVP 0\r\n", "Control Character In SDP"),
        (_HEAD + "m=audio 1 RTP/AVP 0\r\r\nm=audio 1 RTP/AVP 0\r\n", "Control Character In SDP"),
        (_HEAD + "m=audio 1 RTP/AVP 0\r\na=x\r", "Control Character In SDP"),
        (_HEAD.replace("o=- 1", "o=-\r1"), "Control Character In SDP"),
        (_HEAD + "a=nul\0\n", "Control Character In SDP"),
        (_HEAD + "m=audio 1 RTP/AVP 0\n" * (MAX_MEDIA + 1), "Too Many Media Streams"),
        (_HEAD + "a=x\n" * (MAX_LINES - 4), "Too Many SDP Lines"),
        (_HEAD + "m=audio 1 RTP/AVP" + " 0" * (MAX_FORMATS + 1), "Too Many Formats"),
    ],
)
def test_malformed_descriptions_are_refused_in_our_own_words(text: str, reason: str) -> None:
    with pytest.raises(SdpError) as caught:
        parse(text.encode())
    assert (caught.value.status, caught.value.reason) == (400, reason)
    assert isinstance(caught.value, PeerError)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_line_ends_are_read_alike_wherever_they_stand(end: str) -> None:
    text = _HEAD + "a=x\nm=audio 1 RTP/AVP 0\na=ptime:20\nm=video 2 RTP/AVP 31\na=y\n"
    assert parse(text.replace("\n", end).encode()) == parse(text.encode())
    assert parse(text.removesuffix("\n").replace("\n", end).encode()) == parse(text.encode())


def test_limits_are_reached_before_they_are_passed() -> None:
    assert len(parse((_HEAD + "a=x\n" * (MAX_LINES - 5)).encode()).attributes) == MAX_LINES - 5
    assert len(parse((_HEAD + "m=audio 1 RTP/AVP 0\n" * MAX_MEDIA).encode()).media) == MAX_MEDIA
    full = (_HEAD + "a=").encode()
    assert parse(full + b"x" * (MAX_OCTETS - len(full))).attributes
    with pytest.raises(SdpError) as caught:
        parse(full + b"x" * (MAX_OCTETS - len(full) + 1))
    assert caught.value.status == 413


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode())))
def test_any_bytes_raise_nothing_but_sdp_errors(data: bytes) -> None:
    try:
        parse(data)
    except SdpError as error:
        assert error.status in {400, 413}  # noqa: PT017 - either outcome is right


_pieces = st.sampled_from(
    [
        *CHATTY.decode().split("\r\n"),
        "v=0",
        "m=audio",
        "a=rtpmap:",
        "a=fmtp:0",
        "c=IN IP4 ::",
        "\0",
        "\r",
        "=",
        "m==",
    ]
)


@given(st.lists(st.one_of(_pieces, _pieces.map(lambda line: line[:7]), st.text(max_size=9)), max_size=25))
def test_shuffled_lines_raise_nothing_but_sdp_errors_and_settle(lines: list[str]) -> None:
    data = "\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "c=IN IP4 192.0.2.1", *lines])
    try:
        description = parse(data.encode("utf-8", "replace"))
    except SdpError:
        return
    assert parse(description.encode()) == description
