"""Digest values and computation: the RFCs' own examples, round trips, hostile text, the client's side."""

import contextlib
import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import MisuseError, OperatorError, PeerError
from pbx.ids import Ids
from pbx.sip.digest import (
    Algorithm,
    ClientAuthorization,
    DigestChallenge,
    DigestCredentials,
    Ha1,
    authorize,
    can_answer,
    ha1,
)

NONCE_7616 = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE_7616 = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_examples_of_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    challenge = DigestChallenge("http-auth@example.org", NONCE_7616, algorithm, ("auth", "auth-int"))
    credentials = authorize(
        challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html", cnonce=CNONCE_7616, nonce_count=1
    )
    assert credentials.response == response
    assert credentials.qop == "auth"
    assert credentials.nonce_count == "00000001"


def test_example_of_rfc_2617_section_3_5() -> None:
    challenge = DigestChallenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093")
    credentials = authorize(
        challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", cnonce="0a4f113b", nonce_count=1
    )
    assert credentials.response == "6629fae49393a05397450978507c4ef1"


def test_form_without_qop_and_session_form() -> None:
    def h(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    a1, a2 = h("u:r:p"), h("REGISTER:sip:x")
    plain = authorize(DigestChallenge("r", "n", qop=()), "u", "p", "REGISTER", "sip:x", cnonce="c")
    assert plain.response == h(f"{a1}:n:{a2}")
    assert (plain.qop, plain.nonce_count, plain.cnonce) == ("", "", "")
    session = authorize(DigestChallenge("r", "n", "MD5-sess"), "u", "p", "REGISTER", "sip:x", cnonce="c")
    assert session.response == h(f"{h(f'{a1}:n:c')}:n:00000001:c:auth:{a2}")


def test_a_stored_ha1_gives_the_password_s_answer() -> None:
    challenge = DigestChallenge("r", "n", "SHA-256")
    stored = Ha1.from_password("u", "r", "p")
    by_password = authorize(challenge, "u", "p", "INVITE", "sip:x", cnonce="c")
    assert authorize(challenge, "u", stored, "INVITE", "sip:x", cnonce="c") == by_password
    with pytest.raises(MisuseError):
        authorize(challenge, "u", Ha1(md5=stored.md5), "INVITE", "sip:x", cnonce="c")


def test_ha1_is_checked_and_never_shown() -> None:
    assert Ha1(md5="5F4DCC3B5AA765D61D8327DEB882CF99").md5 == "5f4dcc3b5aa765d61d8327deb882cf99"
    with pytest.raises(OperatorError, match="64 hexadecimal"):
        Ha1(sha_256="5f4dcc3b5aa765d61d8327deb882cf99")
    stored = Ha1.from_password("u", "r", "p")
    assert stored.md5 not in repr(stored)
    assert stored.of("MD5", with_domain=True) == ha1("u@r", "r", "p", "MD5")
    assert stored.of("SHA-256", with_domain=True) == ha1("u@r", "r", "p", "SHA-256")


def test_a_challenge_as_phones_meet_it() -> None:
    text = 'Digest realm="pbx.example", nonce="abc", stale=true, algorithm=MD5, qop="auth"'
    challenge = DigestChallenge.parse(text)
    assert challenge == DigestChallenge("pbx.example", "abc", stale=True)
    assert str(challenge) == text


@pytest.mark.parametrize(
    "text",
    [
        'digest\trealm = "r" ,nonce="n" , , qop="auth,auth-int",algorithm="md5"',
        'DIGEST nonce="n",realm="r",qop="auth, auth-int",domain="sip:x",',
    ],
)
def test_spellings_of_one_challenge(text: str) -> None:
    assert DigestChallenge.parse(text) == DigestChallenge("r", "n", "MD5", ("auth", "auth-int"))


def test_other_schemes_are_none() -> None:
    assert DigestChallenge.parse('Basic realm="r"') is None
    assert DigestCredentials.parse("Bearer abc") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Digest",
        "Digest ",
        'Digest realm="r"',
        'Digest realm="r", nonce=""',
        'Digest realm="r", realm="s", nonce="n"',
        'Digest realm="r, nonce="n"',
        'Digest realm="r" nonce="n"',
        'Digest realm="r", nonce="n\x00"',
        'Digest realm="r", nonce="a\r\nVia: x"',
        'Digest realm="r", nonce="n", =x',
        'Digest realm="r", nonce="n\\"',
        'Digest realm="r", nonce="' + "n" * 5000 + '"',
        'Digest realm="r", nonce="n", ' + ", ".join(f"p{number}=1" for number in range(40)),
    ],
)
def test_malformed_challenges(text: str) -> None:
    with pytest.raises(PeerError) as caught:
        DigestChallenge.parse(text)
    assert caught.value.status == 400


@pytest.mark.parametrize("missing", ["username", "nonce", "uri", "response"])
def test_credentials_need_their_parts(missing: str) -> None:
    parts = {"username": "u", "realm": "r", "nonce": "n", "uri": "sip:x", "response": "0" * 32}
    whole = "Digest " + ", ".join(f'{name}="{value}"' for name, value in parts.items())
    assert DigestCredentials.parse(whole) is not None
    del parts[missing]
    with pytest.raises(PeerError):
        DigestCredentials.parse("Digest " + ", ".join(f'{name}="{value}"' for name, value in parts.items()))


printable = st.text(
    st.characters(min_codepoint=0x20, exclude_characters="\x7f", exclude_categories=()), max_size=40
)
tokens = st.text("abcdefXYZ0123456789-._", min_size=1, max_size=20)


@given(
    printable, printable, tokens, printable.filter(bool), st.sampled_from(["MD5", "SHA-256-sess"]), printable
)
def test_credentials_print_and_parse_are_inverses(
    username: str, realm: str, nonce: str, uri: str, algorithm: str, opaque: str
) -> None:
    credentials = DigestCredentials(
        username, realm, nonce, uri, "0f" * 16, algorithm, "auth", "0000000a", "cnonce", opaque
    )
    assert DigestCredentials.parse(str(credentials)) == credentials


@given(
    printable, printable.filter(bool), st.booleans(), st.sampled_from([(), ("auth",), ("auth", "auth-int")])
)
def test_challenges_print_and_parse_are_inverses(
    realm: str, nonce: str, stale: bool, qop: tuple[str, ...]
) -> None:
    challenge = DigestChallenge(realm, nonce, "SHA-256", qop, stale, None)
    assert DigestChallenge.parse(str(challenge)) == challenge


@given(st.one_of(st.text(max_size=200), st.text(max_size=200).map(lambda text: "Digest " + text)))
def test_any_text_parses_or_is_a_peer_s_fault(text: str) -> None:
    for parse in (DigestChallenge.parse, DigestCredentials.parse):
        with contextlib.suppress(PeerError):
            parse(text)


def test_control_characters_of_ours_never_leave() -> None:
    with pytest.raises(MisuseError):
        str(DigestChallenge("realm\r\nX: y", "n"))


def test_what_can_be_answered() -> None:
    assert can_answer(DigestChallenge("r", "n"))
    assert can_answer(DigestChallenge("r", "n", qop=()))
    assert not can_answer(DigestChallenge("r", "n", "SHA-512-256"))
    assert not can_answer(DigestChallenge("r", "n", qop=("auth-int",)))
    with pytest.raises(MisuseError):
        authorize(DigestChallenge("r", "n", "SHA-512-256"), "u", "p", "GET", "/", cnonce="c")


def client(secret: str | Ha1 = "p") -> ClientAuthorization:
    return ClientAuthorization("u", secret, Ids(os.urandom))


def sent(authorization: ClientAuthorization) -> tuple[str, DigestCredentials]:
    header = authorization.header("REGISTER", "sip:x")
    assert header is not None
    credentials = DigestCredentials.parse(header[1])
    assert credentials is not None
    return header[0], credentials


def challenge_text(nonce: str = "n1", algorithm: Algorithm = "MD5", *, stale: bool = False) -> str:
    return str(DigestChallenge("r", nonce, algorithm, stale=stale))


def test_a_client_counts_the_uses_of_a_nonce() -> None:
    authorization = client()
    assert authorization.header("REGISTER", "sip:x") is None
    assert authorization.receive_challenges([challenge_text()])
    name, first = sent(authorization)
    _, second = sent(authorization)
    assert name == "Authorization"
    assert (first.nonce_count, second.nonce_count) == ("00000001", "00000002")
    assert first.cnonce != second.cnonce
    authorization.accept()
    assert authorization.receive_challenges([challenge_text("n2")], proxy=True)
    name, third = sent(authorization)
    assert name == "Proxy-Authorization"
    assert (third.nonce, third.nonce_count) == ("n2", "00000001")


def test_a_client_takes_the_first_challenge_it_can_answer() -> None:
    offers = ["nonsense", 'Digest realm="r", nonce="x", algorithm=SHA-512-256, qop="auth"']
    offers += [challenge_text("strong", "SHA-256"), challenge_text("weak")]
    authorization = client()
    assert authorization.receive_challenges(offers)
    assert sent(authorization)[1].nonce == "strong"
    only_md5 = client(Ha1(md5=ha1("u", "r", "p", "MD5")))
    assert only_md5.receive_challenges(offers)
    assert sent(only_md5)[1].nonce == "weak"
    assert not client().receive_challenges(offers[:2])


def test_a_client_gives_up_on_a_wrong_password() -> None:
    authorization = client()
    assert authorization.receive_challenges([challenge_text("a")])
    sent(authorization)
    assert not authorization.receive_challenges([challenge_text("b")])
    assert authorization.header("REGISTER", "sip:x") is None


def test_a_client_goes_on_after_stale_but_not_for_ever() -> None:
    authorization = client()
    answers = [authorization.receive_challenges([challenge_text(str(n), stale=True)]) for n in range(4)]
    assert answers == [True, True, True, False]
