"""Which requests and responses are refused, with which status, and which of them are answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import PeerError
from pbx.sip import limits
from pbx.sip.message import MalformedMessage, Request, Response, parse, validate_request, validate_response

from .examples import LAZY, request, response, text_of
from .strategies import cseqs, name_addrs, raw_values, tokens, vias


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_what_must_be_there(name: str) -> None:
    with pytest.raises(MalformedMessage, match=f"400 Missing {name}") as caught:
        validate_request(request({name: None}))
    assert (caught.value.request is None) == (name == "Via")
    with pytest.raises(MalformedMessage) as dropped:
        validate_response(response({name: None}))
    assert dropped.value.request is None


@pytest.mark.parametrize("name", ["max-forwards", "contact", "date"])
def test_what_an_rfc_2543_client_leaves_out(name: str) -> None:
    message = request({"From": "<sip:a@b>", "Via": "SIP/2.0/UDP h"}, method="INVITE")
    message.remove(name)
    validate_request(message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("i", "c2"),
        ("cseq", "1 OPTIONS"),
        ("f", "<sip:a@b>"),
        ("t", "<sip:a@b>"),
        ("MAX-FORWARDS", "70"),
    ],
)
def test_what_must_be_there_once(name: str, value: str) -> None:
    with pytest.raises(MalformedMessage, match="400 More Than One"):
        validate_request(request({name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Via", "SIP/2.0/UDP h, SIP/2.0/UDP"),
        ("Via", "SIP/2.0/UDP h,,SIP/2.0/UDP i"),
        ("From", '"a <sip:a@b>'),
        ("To", "a, b <sip:a@b>"),
        ("Call-ID", "a b"),
        ("Call-ID", ""),
        ("Call-ID", "é"),
        ("CSeq", "x OPTIONS"),
        ("CSeq", "1 INVITE"),
        ("Max-Forwards", "256"),
        ("Max-Forwards", "-1"),
        ("Expires", "4294967296"),
        ("Contact", "sip:a@b?Route=x"),
        ("Contact", "*, <sip:a@b>"),
        ("Contact", ""),
        ("Contact", "*"),
        ("Route", "sip:a@b"),
        ("Route", "<sip:a>,"),
        ("Record-Route", "<sip:a@b>;;"),
        ("Content-Type", "sdp"),
        ("Via", ", ".join(["SIP/2.0/UDP h"] * (limits.MAX_LIST_VALUES + 1))),
    ],
)
def test_malformed_values(name: str, value: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        validate_request(request({name: value}))
    assert caught.value.status == 400
    if (name, value) not in {("CSeq", "1 INVITE"), ("Contact", "*")}:
        with pytest.raises(MalformedMessage):
            validate_response(response({name: value}))


@pytest.mark.parametrize(
    ("uri", "status"),
    [("isbn:1", 416), ("<sip:a@b>", 400), ("sip:a@b?x=y", 400), ("b", 400), ("sip:a@b:99999", 400)],
)
def test_request_uris(uri: str, status: int) -> None:
    message = parse(text_of(f"OPTIONS {uri} SIP/2.0", {}))
    assert isinstance(message, Request)
    with pytest.raises(MalformedMessage) as caught:
        validate_request(message)
    assert caught.value.status == status
    assert caught.value.request is message


@pytest.mark.parametrize("uri", ["tel:+1555", "sips:a@b", "SIP:b"])
def test_schemes_of_ours(uri: str) -> None:
    message = parse(text_of(f"OPTIONS {uri} SIP/2.0", {}))
    assert isinstance(message, Request)
    validate_request(message)


def test_contacts_by_method() -> None:
    two = {"Contact": "<sip:a@b>, <sip:c@d>"}
    validate_request(request(two, method="REGISTER"))
    validate_request(request({"Contact": "*"}, method="REGISTER"))
    with pytest.raises(MalformedMessage, match="400 More Than One Contact"):
        validate_request(request(two, method="INVITE"))


def test_an_ack_is_never_answered() -> None:
    with pytest.raises(MalformedMessage) as caught:
        validate_request(request({"CSeq": "1 INVITE"}, method="ACK"))
    assert caught.value.request is None


def test_content_types() -> None:
    assert request({"c": "Text / Plain ;charset=x"}).content_type == "text/plain"
    assert request().content_type is None


_VALUES = {
    "Via": st.one_of(vias.map(str), st.lists(vias.map(str), min_size=2, max_size=3).map(", ".join)),
    "From": name_addrs.map(str),
    "To": name_addrs.map(str),
    "Call-ID": tokens,
    "CSeq": st.one_of(cseqs.map(str), st.integers(0, 9).map("{} OPTIONS".format)),
    "Max-Forwards": st.integers(-1, 300).map(str),
    "Contact": st.one_of(st.just("*"), st.lists(name_addrs.map(str), min_size=1, max_size=2).map(",".join)),
    "Route": name_addrs.map(str),
    "Expires": st.integers(0, 2**33).map(str),
    "Content-Type": st.sampled_from(["application/sdp", "Application/SDP;a=b", "text / plain", "none"]),
}


def _seen(message: Request | Response, name: str) -> object:
    try:
        return getattr(message, name)
    except PeerError as error:
        return error


@given(st.data())
def test_what_validation_reads_is_what_is_read_when_asked(data: st.DataObject) -> None:
    """Validation takes short cuts for what messages nearly always say; nobody can tell by what it read."""
    names = data.draw(st.sets(st.sampled_from(sorted(_VALUES)), min_size=1, max_size=3))
    blanks = st.sampled_from(["", " ", "\t "])
    headers = {
        name: data.draw(blanks) + data.draw(st.one_of(_VALUES[name], raw_values)) + data.draw(blanks)
        for name in names
    }
    kind = data.draw(st.sampled_from(["OPTIONS sip:b@example.com SIP/2.0", "SIP/2.0 200 OK"]))
    octets = text_of(kind, headers)
    try:
        read = parse(octets)
        asked = parse(octets)
    except MalformedMessage:
        return
    seen = [_seen(asked, name) for name in LAZY]
    faults = [each.reason for each in seen if isinstance(each, PeerError)]
    try:
        if isinstance(read, Request):
            validate_request(read)
        else:
            validate_response(read)
    except MalformedMessage as fault:
        reason = fault.reason
    else:
        assert not faults
        assert [_seen(read, name) for name in LAZY] == seen
        return
    assert not faults or reason in faults
