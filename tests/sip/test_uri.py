"""RFC 3261 §19.1 and RFC 3966: reading, printing and comparing URIs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import PeerError
from pbx.sip.limits import MAX_HOST, MAX_PARAMETERS, REMEMBERED_URI_LENGTH
from pbx.sip.uri import Uri, escape, unescape

from .strategies import uris


@given(uris)
def test_parse_and_print_are_inverse(uri: Uri) -> None:
    assert Uri.parse(str(uri)) == uri


@given(st.text())
def test_any_text_is_a_uri_or_a_400(text: str) -> None:
    statuses = set()
    for candidate in (text, f"sip:{text}", f"sip:{text}@example.com", f"sip:a@b;{text}", f"tel:{text}"):
        try:
            uri = Uri.parse(candidate)
        except PeerError as error:
            statuses.add(error.status)
        else:
            assert Uri.parse(str(uri)) == uri
            assert uri.same_as(uri)
            assert isinstance(uri.aor, str)
    assert statuses <= {400}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escape_makes_any_text_a_user(text: str) -> None:
    if text:
        uri = Uri.parse(f"sip:{escape(text)}@example.com")
        assert uri.username == text
    assert unescape(escape(text)) == text


def test_every_part() -> None:
    uri = Uri.parse("SIPS:alice:secret@Atlanta.EXAMPLE.com:5061;Transport=TCP;lr?subject=hi&to=x")
    assert uri == Uri(
        "sips",
        "alice",
        "atlanta.example.com",
        5061,
        {"transport": "TCP", "lr": None},
        "secret",
        "subject=hi&to=x",
    )
    assert uri.transport == "tcp"
    assert uri.hostport == "atlanta.example.com:5061"
    assert uri.aor == "alice@atlanta.example.com"


def test_ipv6_is_without_brackets_inside_and_with_them_outside() -> None:
    uri = Uri.parse("sip:a@[2001:DB8:0::1]:5070")
    assert uri.host == "2001:db8::1"
    assert uri.hostport == "[2001:db8::1]:5070"
    assert str(uri) == "sip:a@[2001:db8::1]:5070"


def test_a_nul_truncates_nothing() -> None:
    uri = Uri.parse("sip:null-%00-null@example.com")
    assert uri.user == "null-%00-null"
    assert uri.username == "null-\0-null"
    assert uri.aor == "null-\0-null@example.com"
    assert not uri.same_as(Uri.parse("sip:null-@example.com"))
    assert not Uri.parse("sip:%00@h.example").same_as(Uri.parse("sip:%00%00@h.example"))


@pytest.mark.parametrize(
    ("text", "user", "password"),
    [
        ("sip:user;par=u%40example.net@example.com", "user;par=u%40example.net", None),
        ("sip:sips%3Auser%40example.com@example.net", "sips%3Auser%40example.com", None),
        (
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
            "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
            "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
        ),
        ("sip:*#21#@example.com", "*#21#", None),
        ("sip:example.com", None, None),
    ],
)
def test_unusual_users(text: str, user: str | None, password: str | None) -> None:
    uri = Uri.parse(text)
    assert (uri.user, uri.password) == (user, password)
    assert str(uri) == text


def test_an_escaped_parameter_name_is_the_name() -> None:
    uri = Uri.parse("sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31")
    assert uri.username == "caller"
    assert uri.parameters == {"lr": None, "name": "v%61lue%25%34%31"}


@pytest.mark.parametrize("scheme", ["isbn", "soap.beep", "nobodyKnowsThisScheme", "http"])
def test_unknown_schemes_are_kept(scheme: str) -> None:
    uri = Uri.parse(f"{scheme}://192.0.2.103:3002/x?y")
    assert uri.scheme == scheme.lower()
    assert uri.opaque == "//192.0.2.103:3002/x?y"
    assert (uri.user, uri.host) == (None, "")


def test_tel() -> None:
    uri = Uri.parse("tel:+1-555-(01)00.9;phone-context=example.com")
    assert (uri.scheme, uri.user, uri.host) == ("tel", "+1-555-(01)00.9", "")
    assert uri.aor == "+155501009"
    assert uri.same_as(Uri.parse("TEL:+155501009;Phone-Context=EXAMPLE.com"))
    assert not uri.same_as(Uri.parse("tel:+155501009"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip",
        "user@example.com",
        "sip:@example.com",
        "sip:a@",
        "<sip:a@b>",
        "sip:a b@c",
        "sip:a@b c",
        " sip:a@b",
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a@b:123456",
        "sip:a@b:x",
        "sip:a@[::1",
        "sip:a@::1",
        "sip:a@[1::2::3]",
        "sip:a@[fe80::1%eth0]",
        "sip:a@b..c",
        "sip:a@-b",
        "sip:a@b-",
        "sip:a@.b",
        "sip:a@1.2.3.256",
        "sip:a@1.2.3",
        "sip:a@b;",
        "sip:a@b;;lr",
        "sip:a@b;x;X",
        "sip:a@b;x=1;%78=2",
        "sip:a%4@b",
        "sip:a%zz@b",
        "sip:a@b?",
        "sip:a@b?x y",
        "sip:a@b\r\n",
        "sip:a\0@b",
        "sip:é@b",
        "sip:a@é",
        "sip:a@b;p=é",
        "tel:",
        "tel:x y",
        "sips:opaque stuff",
        "isbn:",
        "1isbn:x",
        "isbn:a b",
        'isbn:"',
        "sip:a@" + "b" * (MAX_HOST + 1),
        "sip:a@b" + "".join(f";p{number}" for number in range(MAX_PARAMETERS + 1)),
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(PeerError) as caught:
        Uri.parse(text)
    assert caught.value.status == 400


def test_only_short_uris_are_remembered() -> None:
    short, long = "sip:remembered@example.com", "sip:" + "a" * REMEMBERED_URI_LENGTH + "@example.com"
    assert Uri.parse(short) is Uri.parse(short)
    assert Uri.parse(long) == Uri.parse(long)
    assert Uri.parse(long) is not Uri.parse(long)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0::1]"),
        ("sip:a%2fb@c", "sip:a%2Fb@c"),
    ],
)
def test_equivalent(one: str, other: str) -> None:
    assert Uri.parse(one).same_as(Uri.parse(other))
    assert Uri.parse(other).same_as(Uri.parse(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:a@b;maddr=192.0.2.1"),
        ("sip:a@b", "sip:a:pw@b"),
        ("sip:b", "sip:a@b"),
        ("sip:user;x@b", "sip:user%3Bx@b"),
        ("isbn:1", "isbn:2"),
    ],
)
def test_not_equivalent(one: str, other: str) -> None:
    assert not Uri.parse(one).same_as(Uri.parse(other))
    assert not Uri.parse(other).same_as(Uri.parse(one))
