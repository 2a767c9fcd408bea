"""Descriptions that the tests share, and what generates more of them."""

from hypothesis import strategies as st

from pbx.sdp.description import Description, Media, Origin
from pbx.sdp.direction import DIRECTIONS
from pbx.sdp.formats import DYNAMIC_TYPES, STATIC, Format
from pbx.sdp.negotiation import LocalMedia, LocalOrigin

US = LocalMedia("198.51.100.1", 20000)
OUR_ORIGIN = LocalOrigin(4711, 1)

# A softphone that says everything it can about itself.
CHATTY = """v=0
o=alice 2890844526 2890844527 IN IP4 192.168.17.44
s=Alice's phone
i=Secret project
u=http://intranet.example/alice
e=alice@example.com (Alice)
p=+31 20 123 4501
c=IN IP4 192.0.2.10
b=AS:84
t=0 0
a=group:BUNDLE 0 1
a=ice-lite
a=tool:phone 9.1
m=audio 49170 RTP/AVP 0 8 9 101
i=microphone in room 12
b=TIAS:64000
a=mid:0
a=rtcp:49171 IN IP4 192.168.17.44
a=ice-ufrag:F7gI
a=candidate:1 1 UDP 2130706431 192.168.17.44 49170 typ host
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000/1
a=rtpmap:9 G722/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:30
a=maxptime:60
a=ssrc:314159 cname:alice@192.168.17.44
a=sendrecv
m=video 51372 RTP/AVP 99
a=rtpmap:99 H264/90000
a=fmtp:99 profile-level-id=42e01f
""".replace("\n", "\r\n").encode()


def audio(formats: str = "0 8 101", *lines: str, port: int = 49170, address: str = "192.0.2.10") -> bytes:
    """One RTP/AVP audio stream, telephone-event being 101 when it is listed."""
    head = [
        "v=0",
        "o=- 1 1 IN IP4 192.0.2.10",
        "s=-",
        f"c=IN IP{6 if ':' in address else 4} {address}",
        "t=0 0",
    ]
    stream = [f"m=audio {port} RTP/AVP {formats}"]
    if "101" in formats.split():
        stream += ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16"]
    return "\r\n".join([*head, *stream, *lines, ""]).encode()


_word = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-._", min_size=1, max_size=12)
# Anything a line may hold: no line ends, no NUL, and undecodable bytes as surrogate escapes.
line_text = st.text(
    st.one_of(
        st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]),
        st.integers(0xDC80, 0xDCC1).map(chr),
    ),
    max_size=30,
).filter(lambda text: text == text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"))
attributes = st.lists(
    st.one_of(_word, st.builds("{}:{}".format, _word.map(lambda word: "x-" + word), line_text)).filter(
        lambda text: text not in DIRECTIONS
    ),
    max_size=4,
).map(tuple)
addresses = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.just("0.0.0.0"), st.just("phone.example")
)
directions = st.sampled_from(sorted(DIRECTIONS.values()))
parameters = st.text("abcdefghijklmnop=;0123456789-,", max_size=20)


@st.composite
def dynamic_formats(draw: st.DrawFn) -> Format:
    return Format(
        draw(st.sampled_from(DYNAMIC_TYPES)),
        draw(st.sampled_from(["TELEPHONE-EVENT", "OPUS", "PCMU", "G722", "ILBC", "CN", "RED", "X-NEW"])),
        draw(st.sampled_from([8000, 16000, 48000])),
        draw(st.integers(1, 3)),
        draw(parameters),
    )


static_formats = st.builds(
    lambda known, fmtp: Format(known.payload_type, known.encoding, known.clock_rate, known.channels, fmtp),
    st.sampled_from(sorted(STATIC.values(), key=lambda known: known.payload_type)),
    parameters,
)
format_lists = st.lists(
    st.one_of(static_formats, dynamic_formats()),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.payload_type,
).map(tuple)


@st.composite
def streams(draw: st.DrawFn, session_address: str | None) -> Media:
    kind = draw(st.sampled_from(["audio", "audio", "audio", "video", "image", "application"]))
    port = draw(st.one_of(st.just(0), st.integers(1, 65535)))
    protocol = draw(st.sampled_from(["RTP/AVP", "RTP/AVP", "RTP/SAVP", "RTP/SAVPF", "udptl", "TCP/MSRP"]))
    formats: tuple[Format, ...] = ()
    tokens = draw(st.lists(_word, min_size=0 if port == 0 else 1, max_size=3).map(tuple))
    if "RTP/" in protocol and port:
        formats = draw(format_lists)
        tokens = tuple(str(known.payload_type) for known in formats)
    own = draw(addresses)
    either = st.just(own) if session_address is None else st.sampled_from([own, session_address])
    return Media(
        kind,
        port,
        protocol,
        tokens,
        formats,
        draw(st.one_of(st.none(), either) if session_address is None and port == 0 else either),
        draw(directions),
        draw(st.one_of(st.none(), st.integers(1, 9999))),
        draw(st.one_of(st.none(), st.integers(1, 9999))),
        draw(attributes),
        draw(st.lists(line_text, max_size=2).map(tuple)),
        draw(st.sampled_from([(), ("i=a title",), ("i=a title", "k=prompt")])),
        draw(st.sampled_from([1, 1, 1, 2])),
    )


@st.composite
def descriptions(draw: st.DrawFn) -> Description:
    connection = draw(st.one_of(st.none(), addresses))
    numbers = st.integers(0, 2**64)
    return Description(
        Origin(draw(_word), draw(numbers), draw(numbers), draw(addresses)),
        tuple(draw(st.lists(streams(connection), max_size=3))),
        connection,
        draw(line_text),
        draw(attributes),
        draw(st.lists(line_text, max_size=2).map(tuple)),
        draw(st.sampled_from([("t=0 0",), ("t=1 2", "r=7d 1h 0 25h", "t=3 4", "z=0 1h")])),
        draw(st.sampled_from([(), ("i=x", "u=y", "e=z", "e=w", "p=1", "k=prompt")])),
    )


_REFUSED = [
    Media("video", 5000, "RTP/AVP", ("31",), (STATIC[31],), "192.0.2.10"),
    Media("audio", 5002, "RTP/SAVP", ("0",), (STATIC[0],), "192.0.2.10", attributes=("crypto:1 x inline:y",)),
    Media("audio", 0, "RTP/AVP", ("8",), (), "192.0.2.10"),
    Media("audio", 5004, "RTP/AVP", ("13",), (STATIC[13],), "192.0.2.10"),
    Media("image", 5006, "udptl", ("t38",), (), "192.0.2.10"),
]


@st.composite
def offers(draw: st.DrawFn) -> Description:
    """Offers of one to five streams, one of them plain audio with PCMU among its formats."""
    formats = [known for known in draw(format_lists) if known.payload_type != 0]
    formats.insert(draw(st.integers(0, len(formats))), STATIC[0])
    audio_stream = Media(
        "audio",
        4000,
        "RTP/AVP",
        tuple(str(known.payload_type) for known in formats),
        tuple(formats),
        draw(st.sampled_from(["192.0.2.10", "2001:db8::9", "0.0.0.0"])),
        draw(directions),
        draw(st.sampled_from([None, 10, 20, 30])),
    )
    others = st.lists(st.sampled_from(_REFUSED), max_size=2)
    return Description(
        Origin("alice", 1, 1, "192.0.2.10"), (*draw(others), audio_stream, *draw(others)), "192.0.2.10"
    )
