"""NameAddr, Via and CSeq: reading, printing, and what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import PeerError
from pbx.sip.grammar import parse_parameters
from pbx.sip.headers import CSeq, NameAddr, Via
from pbx.sip.uri import Uri

from .strategies import cseqs, name_addrs, vias


@given(name_addrs)
def test_name_addr_parse_and_print_are_inverse(address: NameAddr) -> None:
    assert NameAddr.parse(str(address)) == address


@given(vias)
def test_via_parse_and_print_are_inverse(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(cseqs)
def test_cseq_parse_and_print_are_inverse(cseq: CSeq) -> None:
    assert CSeq.parse(str(cseq)) == cseq


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")))
def test_any_text_is_a_value_or_a_400(text: str) -> None:
    statuses = set()
    for parse, candidate in (
        (NameAddr.parse, text),
        (NameAddr.parse, f'"{text}" <sip:a@b>'),
        (NameAddr.parse, f"<sip:a@b>{text}"),
        (Via.parse, text),
        (Via.parse, f"SIP/2.0/UDP h{text}"),
        (CSeq.parse, f"1 {text}"),
    ):
        try:
            value = parse(candidate)
        except PeerError as error:
            statuses.add(error.status)
        else:
            assert type(value).parse(str(value)) == value
    assert statuses <= {400}


@pytest.mark.parametrize(
    ("text", "display", "uri", "parameters"),
    [
        (
            '"J Rosenberg \\\\\\"" <sip:j@e.com> ; tag = 98asjd8',
            'J Rosenberg \\"',
            "sip:j@e.com",
            {"tag": "98asjd8"},
        ),
        ("caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", {"tag": "323"}),
        ("sip:a@example.com;tag=x;y=z", "", "sip:a@example.com", {"tag": "x", "y": "z"}),
        ("sip:a@example.com ;   tag    = 1", "", "sip:a@example.com", {"tag": "1"}),
        ("<sip:a@example.com;lr>", "", "sip:a@example.com;lr", {}),
        ("token1~` token2'+_ token3*%!.- <sip:m@e.com>", "token1~` token2'+_ token3*%!.-", "sip:m@e.com", {}),
        ("Jörg <sip:j@e.com>", "Jörg", "sip:j@e.com", {}),
        ('"a, <b>; c" <sip:j@e.com>', "a, <b>; c", "sip:j@e.com", {}),
        ('"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f" <sip:j@e.com>', "BEL:\x07 NUL:\0 DEL:\x7f", "sip:j@e.com", {}),
        ("<sip:a@b>;tag=x@y", "", "sip:a@b", {"tag": "x@y"}),
        ("<sip:a@b> ;tag=x ; q=0.5", "", "sip:a@b", {"tag": "x", "q": "0.5"}),
        ('"" <sip:a@b>', "", "sip:a@b", {}),
        ("isbn:2983792873", "", "isbn:2983792873", {}),
    ],
)
def test_name_addr(text: str, display: str, uri: str, parameters: dict[str, str | None]) -> None:
    assert NameAddr.parse(text) == NameAddr(display, Uri.parse(uri), parameters)


def test_tag() -> None:
    assert NameAddr.parse("<sip:a@b>;TAG=AbC").tag == "AbC"
    assert NameAddr.parse("<sip:a@b;tag=uri>").tag is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:a@b",
        "sip:a@b>",
        '"Mr. J. User <sip:j.user@example.com>',
        "Bell, Alexander <sip:a@b>",
        "< sip:a@b >",
        "sip:a@b?Route=%3Csip:c%3E",
        "sip:a,b@c",
        "<sip:a@b>;;;;",
        "<sip:a@b>;tag=1;tag=2",
        "<sip:a@b> x",
        "<sip:a@b>tag=1",
        "<<sip:a@b>>",
        "*",
        'a"b <sip:a@b>',
        "<sip:a@b>;tag=",
        '<sip:"@b>',
    ],
)
def test_malformed_name_addr(text: str) -> None:
    with pytest.raises(PeerError, match="400"):
        NameAddr.parse(text, "To")


@pytest.mark.parametrize(
    ("text", "seconds"), [("", None), (";expires=0", 0), (";expires=4294967295", 2**32 - 1)]
)
def test_contact_expires(text: str, seconds: int | None) -> None:
    assert NameAddr.parse(f"<sip:a@b>{text}").expires == seconds


@pytest.mark.parametrize("text", ["4294967296", "280297596632815", '"60"', "x"])
def test_malformed_contact_expires(text: str) -> None:
    address = NameAddr.parse(f"<sip:a@b>;expires={text}")
    with pytest.raises(PeerError, match="400"):
        _ = address.expires


@pytest.mark.parametrize(("text", "q"), [("", 1.0), (";q=0.33", 0.33), (";q=0", 0.0), (";q=1.000", 1.0)])
def test_contact_q(text: str, q: float) -> None:
    assert NameAddr.parse(f"<sip:a@b>{text}").q == q


@pytest.mark.parametrize("text", [";q", ";q=2", ";q=1.1", ";q=-1", ";q=0.1234", ";q=nan"])
def test_malformed_contact_q(text: str) -> None:
    address = NameAddr.parse(f"<sip:a@b>{text}")
    with pytest.raises(PeerError, match="400"):
        _ = address.q


@pytest.mark.parametrize(
    ("text", "via"),
    [
        ("SIP/2.0/UDP 192.0.2.1", Via("UDP", "192.0.2.1")),
        ("SIP/2.0/UDP h:5060;branch=z9hG4bK1", Via("UDP", "h", 5060, {"branch": "z9hG4bK1"})),
        ("SIP/2.0/udp h;branch=b;rport", Via("UDP", "h", None, {"branch": "b", "rport": None})),
        ("SIP/2.0/UDP h;rport;branch=b", Via("UDP", "h", None, {"rport": None, "branch": "b"})),
        ("SIP/2.0/UDP h;branch=b;rport=5", Via("UDP", "h", None, {"branch": "b", "rport": "5"})),
        ("SIP/2.0/UDP h;branch=b;rportx", Via("UDP", "h", None, {"branch": "b", "rportx": None})),
        ("SIP/2.0/UDP h;branch=b=c", Via("UDP", "h", None, {"branch": "b=c"})),
        ("SIP/2.0/UDP h;rport;x=y", Via("UDP", "h", None, {"rport": None, "x": "y"})),
        (
            "SIP  / 2.0  / TCP     s.example.com   ;  branch  =   z9  ",
            Via("TCP", "s.example.com", None, {"branch": "z9"}),
        ),
        ("SIP/2.0/UDP h : 5060 ;ttl=16", Via("UDP", "h", 5060, {"ttl": "16"})),
        (
            "SIP/2.0/TCP [2001:DB8::1]:5060;received=2001:db8::2",
            Via("TCP", "2001:db8::1", 5060, {"received": "2001:db8::2"}),
        ),
        ("SIP/7.0/UDP c.example.com;branch=z", Via("UDP", "c.example.com", None, {"branch": "z"}, "SIP/7.0")),
        ("SIP/2.0/UNKNOWN t4.example.com", Via("UNKNOWN", "t4.example.com")),
    ],
)
def test_via(text: str, via: Via) -> None:
    assert Via.parse(text) == via


@given(
    st.text("z9hG4bKx=/@;.", min_size=1, max_size=8),
    st.sampled_from(["", ";rport", ";rport=", ";rport=5060", ";rport=x", ";rport;rport"]),
    st.sampled_from(["", ";received=192.0.2.1", ";received=[::1]", ";received=::1", ";received="]),
    st.sampled_from(["", " ", ";ttl=1", ";branch=b"]),
)
def test_the_short_way_through_a_via_is_as_strict_as_the_long_one(
    branch: str, rport: str, received: str, more: str
) -> None:
    text = f";branch={branch}{rport}{received}{more}"
    try:
        parameters = parse_parameters(text, "Via")
    except PeerError:
        with pytest.raises(PeerError, match="400 Malformed Via"):
            Via.parse(f"SIP/2.0/UDP h{text}")
        return
    assert list(Via.parse(f"SIP/2.0/UDP h{text}").parameters.items()) == list(parameters.items())


def test_via_properties() -> None:
    via = Via.parse("SIP/2.0/UDP h:5061;branch=b;received=[2001:db8::2];rport=7;maddr=224.0.1.75;ttl=1")
    assert (via.branch, via.received, via.rport, via.has_rport, via.maddr, via.ttl) == (
        "b",
        "2001:db8::2",
        7,
        True,
        "224.0.1.75",
        1,
    )
    bare = Via.parse("SIP/2.0/UDP [::1];rport")
    assert (bare.branch, bare.received, bare.rport, bare.has_rport, bare.maddr, bare.ttl) == (
        None,
        None,
        None,
        True,
        None,
        None,
    )
    assert bare.sent_by == "[::1]"
    assert via.sent_by == "h:5061"
    assert not Via.parse("SIP/2.0/UDP h").has_rport


@pytest.mark.parametrize("text", [";rport=65536", ";rport=x", ";ttl=256"])
def test_malformed_via_numbers(text: str) -> None:
    via = Via.parse(f"SIP/2.0/UDP h{text}")
    with pytest.raises(PeerError, match="400"):
        _ = via.rport, via.ttl


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 UDP h",
        "SIP/2.0/UDP 192.0.2.15;;",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h h",
        "SIP/2.0/UDP h;branch=a;branch=b",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP 1.2.3.4.5",
        "SIP/2.0/UDPh",
        "SIP/2.0/UDP h,",
    ],
)
def test_malformed_via(text: str) -> None:
    with pytest.raises(PeerError, match="400"):
        Via.parse(text)


@pytest.mark.parametrize(
    ("text", "cseq"),
    [
        ("1 INVITE", CSeq(1, "INVITE")),
        ("0009   INVITE", CSeq(9, "INVITE")),
        (" 9\tFOO ", CSeq(9, "FOO")),
        ("2147483647 BYE", CSeq(2**31 - 1, "BYE")),
        ("29344 RE%47IST%45R", CSeq(29344, "RE%47IST%45R")),
    ],
)
def test_cseq(text: str, cseq: CSeq) -> None:
    assert CSeq.parse(text) == cseq


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "INVITE",
        "-1 INVITE",
        "2147483648 BYE",
        "36893488147419103232 REGISTER",
        "1 A B",
        "\u0661 INVITE",
        "1INVITE",
        "1 é",
        "9" * 5000 + " ACK",
    ],
)
def test_malformed_cseq(text: str) -> None:
    with pytest.raises(PeerError, match="400 Malformed CSeq"):
        CSeq.parse(text)
