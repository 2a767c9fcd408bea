"""What we read is what the sipmessage package reads, on messages that are valid for both.

sipmessage's grammar is narrower in places (top labels are letters, no URI headers), so the strategies
here stay inside both.
"""

import string

import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.grammar import Parameters, unquote
from pbx.sip.headers import CSeq, NameAddr, Via
from pbx.sip.message import Request, Response, parse, validate_request, validate_response
from pbx.sip.uri import Uri, unescape

TOKEN = string.ascii_letters + string.digits + "-.!%*_+`'~"
tokens = st.text(TOKEN, min_size=1, max_size=10)
words = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
lower_words = st.text(string.ascii_lowercase, min_size=1, max_size=8)
hosts = st.one_of(
    st.lists(lower_words, min_size=1, max_size=3).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.sampled_from(["[2001:db8::1]", "[::1]", "[1:2:3:4:5:6:7:8]"]),
)
users = st.text(string.ascii_letters + string.digits + "-_.!~*'()&=+$,;?/", min_size=1, max_size=10)
spaces = st.sampled_from(["", " ", "  "])


@st.composite
def parameter_texts(draw: st.DrawFn, values: st.SearchStrategy[str], *, spaced: bool = False) -> str:
    names = draw(st.lists(lower_words, max_size=3, unique=True))
    text = ""
    for name in names:
        space = draw(spaces) if spaced else ""
        text += f"{space};{space}{name}"
        if draw(st.booleans()):
            text += f"{space}={space}{draw(values)}"
    return text


@st.composite
def uri_texts(draw: st.DrawFn) -> str:
    scheme = draw(st.sampled_from(["sip", "sips"]))
    user = draw(
        st.one_of(st.just(""), users.map(lambda user: user + "@"), st.just("a%20b%40c@"), st.just("u:p@"))
    )
    port = draw(st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}")))
    return f"{scheme}:{user}{draw(hosts)}{port}{draw(parameter_texts(words))}"


displays = st.one_of(
    st.just(""),
    st.lists(words, min_size=1, max_size=3).map(lambda parts: " ".join(parts) + " "),
    st.text(string.ascii_letters + " ,;<>@:é", max_size=10).map(lambda text: f'"{text}" '),
)


@st.composite
def address_texts(draw: st.DrawFn) -> str:
    display = draw(displays)
    values = st.one_of(words, words.map(lambda word: f'"{word}"'))
    return f"{display}<{draw(uri_texts())}>{draw(parameter_texts(values, spaced=True))}"


@st.composite
def via_texts(draw: st.DrawFn) -> str:
    port = draw(st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}")))
    transport = draw(st.sampled_from(["UDP", "TCP", "TLS", "WS"]))
    return f"SIP/2.0/{transport} {draw(hosts)}{port}{draw(parameter_texts(words, spaced=True))}"


@st.composite
def message_texts(draw: st.DrawFn) -> str:
    method = draw(st.sampled_from(["INVITE", "OPTIONS", "BYE", "REGISTER"]))
    vias = draw(st.lists(via_texts(), min_size=1, max_size=3))
    headers = [
        *(
            [f"{draw(st.sampled_from(['Via', 'v']))}: {via}" for via in vias]
            if draw(st.booleans())
            else [f"Via: {', '.join(vias)}"]
        ),
        f"{draw(st.sampled_from(['From', 'f', 'FROM']))}: {draw(address_texts())}",
        f"{draw(st.sampled_from(['To', 't']))}:{draw(spaces)}{draw(address_texts())}",
        f"{draw(st.sampled_from(['Call-ID', 'i']))}: {draw(words)}@{draw(words)}",
        f"CSeq: {draw(st.integers(0, 2**31 - 1))} {method}",
        f"Max-Forwards: {draw(st.integers(0, 255))}",
        f"Contact: {draw(address_texts())}",
        f"X-Custom: {draw(words)}",
    ]
    start = draw(st.one_of(uri_texts().map(lambda uri: f"{method} {uri} SIP/2.0"), st.just("SIP/2.0 200 OK")))
    order = draw(st.permutations(headers[len(headers) - 7 :]))
    return "\r\n".join([start, *headers[: len(headers) - 7], *order, "", ""])


def same_parameters(own: Parameters, other: sipmessage.Parameters) -> None:
    assert {name: value and unquote(value) for name, value in own.items()} == {
        name: value and unquote(value) for name, value in other.items()
    }


def same_uri(own: Uri, other: sipmessage.URI) -> None:
    assert own.scheme == other.scheme
    assert (own.user and unescape(own.user)) == other.user
    assert (own.password and unescape(own.password)) == other.password
    assert own.hostport.partition("]")[0].partition(":")[0] == other.host.partition("]")[0].partition(":")[0]
    assert own.port == other.port
    same_parameters(own.parameters, other.parameters)


def same_address(own: NameAddr, other: sipmessage.Address) -> None:
    assert own.display.strip() == other.name.strip()
    same_uri(own.uri, other.uri)
    same_parameters(own.parameters, other.parameters)


def same_via(own: Via, other: sipmessage.Via) -> None:
    assert (own.transport, own.host, own.port) == (other.transport, other.host.strip("[]"), other.port)
    same_parameters(own.parameters, other.parameters)


@given(uri_texts())
def test_uris(text: str) -> None:
    same_uri(Uri.parse(text), sipmessage.URI.parse(text))


@given(address_texts())
def test_addresses(text: str) -> None:
    same_address(NameAddr.parse(text), sipmessage.Address.parse(text))


@given(via_texts())
def test_vias(text: str) -> None:
    same_via(Via.parse(text), sipmessage.Via.parse(text))


@given(st.integers(0, 2**31 - 1), tokens, st.sampled_from([" ", "  ", "\t"]))
def test_cseqs(number: int, method: str, space: str) -> None:
    text = f"{number}{space}{method}"
    other = sipmessage.CSeq.parse(text)
    assert CSeq.parse(text) == CSeq(other.sequence, other.method)


@given(message_texts(), st.binary(max_size=20))
def test_messages(text: str, body: bytes) -> None:
    data = text.encode() + body
    own, other = parse(data), sipmessage.Message.parse(data)
    if isinstance(own, Request):
        validate_request(own)
        assert isinstance(other, sipmessage.Request)
        assert own.method == other.method
        same_uri(own.request_uri, other.uri)
    else:
        validate_response(own)
        assert isinstance(own, Response)
        assert isinstance(other, sipmessage.Response)
        assert (own.status, own.reason) == (other.code, other.phrase)
    assert own.body == other.body
    assert own.call_id == other.call_id
    assert own.max_forwards == other.max_forwards
    assert (own.cseq.number, own.cseq.method) == (other.cseq.sequence, other.cseq.method)
    same_address(own.from_, other.from_address)
    same_address(own.to, other.to_address)
    assert len(own.vias) == len(other.via)
    for mine, theirs in zip(own.vias, other.via, strict=True):
        same_via(mine, theirs)
    assert len(own.contacts) == len(other.contact)
    for contact, their_contact in zip(own.contacts, other.contact, strict=True):
        same_address(contact, their_contact)
    assert own.get("x-custom") == other.headers.get("X-Custom")
