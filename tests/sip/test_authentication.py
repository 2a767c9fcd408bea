"""The server's side of digest: who gets in, what is refused and how, and what a flood may store."""

import hmac
import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from pbx.errors import MisuseError, PeerError
from pbx.ids import Ids
from pbx.sip import authentication
from pbx.sip.authentication import Authenticated, Authenticator, Challenge, same_resource
from pbx.sip.digest import Algorithm, DigestChallenge, DigestCredentials, Ha1, authorize
from pbx.sip.message import Request

REALM = "pbx.example"
URI = "sip:pbx.example"
SECRET = b"0123456789abcdef"
USERS = {"1001": Ha1.from_password("1001", REALM, "alice"), "1002": Ha1.from_password("1002", REALM, "bob")}


def authenticator(
    *,
    secret: bytes = SECRET,
    algorithms: tuple[Algorithm, ...] = ("MD5",),
    max_nonces: int = 1000,
    accept_without_qop: bool = False,
    credentials: Callable[[str], Ha1 | None] = USERS.get,
) -> Authenticator:
    return Authenticator(
        REALM,
        credentials,
        Ids(os.urandom),
        secret,
        nonce_lifetime=300.0,
        algorithms=algorithms,
        max_nonces=max_nonces,
        accept_without_qop=accept_without_qop,
    )


def request(*credentials: DigestCredentials | str, method: str = "REGISTER", uri: str = URI) -> Request:
    return Request.make(method, uri, [("Authorization", str(each)) for each in credentials])


def challenged(result: Authenticated | Challenge) -> Challenge:
    assert isinstance(result, Challenge)
    return result


def offers(result: Authenticated | Challenge) -> list[DigestChallenge]:
    values = []
    for name, value in challenged(result).headers:
        assert name == "WWW-Authenticate"
        challenge = DigestChallenge.parse(value)
        assert challenge is not None
        values.append(challenge)
    return values


def answer(
    offer: DigestChallenge,
    username: str = "1001",
    password: str = "alice",
    count: int = 1,
    *,
    method: str = "REGISTER",
    uri: str = URI,
) -> DigestCredentials:
    return authorize(offer, username, password, method, uri, cnonce="c0", nonce_count=count)


def test_the_default_is_one_md5_challenge() -> None:
    result = challenged(authenticator().check(request(), 1.0))
    assert (result.stale, result.failure) == (False, "none")
    (offer,) = offers(result)
    assert (offer.realm, offer.algorithm, offer.qop) == (REALM, "MD5", ("auth",))
    assert authenticator().challenge(1.0).failure == "none"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_a_right_password_gets_in(algorithm: Algorithm, method: str) -> None:
    server = authenticator(algorithms=(algorithm,))
    (offer,) = offers(server.check(request(method=method), 1.0))
    result = server.check(request(answer(offer, method=method), method=method), 2.0)
    assert result == Authenticated("1001")


def test_a_username_with_the_domain_is_the_user() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    assert server.check(request(answer(offer, "1001@pbx.example")), 2.0) == Authenticated("1001")
    (offer,) = offers(server.check(request(), 1.0))
    assert isinstance(server.check(request(answer(offer, "1001@elsewhere.example")), 2.0), Challenge)


@pytest.mark.parametrize(
    ("username", "password"),
    [("1001", "wrong"), ("1001", "bob"), ("9999", "alice"), ("", ""), ("1001@", "alice")],
)
def test_wrong_passwords_and_unknown_users_look_alike(username: str, password: str) -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    result = challenged(server.check(request(answer(offer, username, password)), 2.0))
    assert (result.stale, result.failure, len(result.headers)) == (False, "credentials", 1)
    assert len(server._uses) == 0


def test_known_and_unknown_users_cost_the_same_computations(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real_digest, real_compare = hmac.digest, hmac.compare_digest
    real_expected = DigestCredentials.expected_response

    def counted_digest(key: bytes, message: bytes, name: str) -> bytes:
        calls.append(f"hmac:{message.split(b':')[0].decode()}")
        return real_digest(key, message, name)

    def counted_compare(one: bytes, other: bytes) -> bool:
        calls.append("compare")
        return real_compare(one, other)

    def counted_expected(self: DigestCredentials, ha1: str, method: str) -> str:
        calls.append(f"response:{len(ha1)}")
        return real_expected(self, ha1, method)

    monkeypatch.setattr(authentication, "digest", counted_digest)
    monkeypatch.setattr(authentication, "compare_digest", counted_compare)
    monkeypatch.setattr(DigestCredentials, "expected_response", counted_expected)
    server = authenticator()
    traces = []
    for username in ("1001", "9999"):
        (offer,) = offers(server.check(request(), 1.0))
        credentials = answer(offer, username, "wrong")
        calls.clear()
        server.check(request(credentials), 2.0)
        traces.append(list(calls))
    assert traces[0] == traces[1]
    assert "compare" in traces[0]


def test_a_stand_in_password_never_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    # Even somebody who knew the stand-in for an unknown user would not be let in.
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    credentials = answer(offer, "9999", "x")
    monkeypatch.setattr(authentication, "compare_digest", lambda _one, _other: True)
    assert challenged(server.check(request(credentials), 2.0)).failure == "credentials"


def test_counts_must_rise() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    assert server.check(request(answer(offer, count=2)), 2.0) == Authenticated("1001")
    for count in (2, 1, 0):
        result = challenged(server.check(request(answer(offer, count=count)), 2.0))
        assert (result.stale, result.failure) == (True, "replay")
        assert offers(result)[0].nonce != offer.nonce
    assert server.check(request(answer(offer, count=3)), 2.0) == Authenticated("1001")
    assert server.check(request(answer(offer, count=0xFFFFFFFF)), 2.0) == Authenticated("1001")


def test_a_first_count_of_zero_is_refused() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    assert challenged(server.check(request(answer(offer, count=0)), 2.0)).failure == "replay"


def test_a_nonce_lives_300_seconds() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 10.0))
    assert server.check(request(answer(offer, count=1)), 309.9) == Authenticated("1001")
    result = challenged(server.check(request(answer(offer, count=2)), 310.0))
    assert (result.stale, result.failure) == (True, "stale")
    # A wrong password is no reason to say stale, or phones would try it for ever.
    assert not challenged(server.check(request(answer(offer, password="wrong")), 310.0)).stale
    # The fresh nonce works.
    assert server.check(request(answer(offers(result)[0])), 310.0) == Authenticated("1001")


def test_a_nonce_of_an_earlier_run_is_stale_not_wrong() -> None:
    (offer,) = offers(authenticator(secret=b"another-secret-of-before").check(request(), 5000.0))
    server = authenticator()
    assert challenged(server.check(request(answer(offer)), 1.0)).stale
    assert not challenged(server.check(request(answer(offer, password="x")), 1.0)).stale


def test_a_nonce_from_the_future_is_stale() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1000.0))
    assert challenged(server.check(request(answer(offer)), 999.0)).failure == "stale"


@pytest.mark.parametrize("change", ["time", "serial", "signature", "cut", "longer", "alien"])
def test_a_forged_nonce_is_stale(change: str) -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    nonce = offer.nonce
    flipped = {"time": 11, "serial": 20, "signature": 40}
    if change in flipped:
        place = flipped[change]
        nonce = nonce[:place] + ("0" if nonce[place] != "0" else "1") + nonce[place + 1 :]
    else:
        nonce = {"cut": nonce[:-1], "longer": nonce + "0", "alien": "\u00e9" * 60}[change]
    result = challenged(server.check(request(answer(replace(offer, nonce=nonce))), 2.0))
    assert (result.stale, result.failure) == (True, "stale")
    assert len(server._uses) == 0


def test_missing_qop_is_challenged_unless_allowed_and_then_serves_once() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    old = answer(replace(offer, qop=()))
    assert challenged(server.check(request(old), 2.0)).failure == "qop"
    tolerant = authenticator(accept_without_qop=True)
    (offer,) = offers(tolerant.check(request(), 1.0))
    old = answer(replace(offer, qop=()))
    assert tolerant.check(request(old), 2.0) == Authenticated("1001")
    assert challenged(tolerant.check(request(old), 2.0)).failure == "replay"
    assert challenged(tolerant.check(request(answer(offer, count=0xFFFFFFFF)), 2.0)).failure == "replay"


@pytest.mark.parametrize("nonce_count", ["", "1", "0000000g", "000000001", "-0000001", "\u0661" * 8])
def test_malformed_counts_are_challenged(nonce_count: str) -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    credentials = answer(offer)
    credentials.nonce_count = nonce_count
    credentials.response = credentials.expected_response(USERS["1001"].md5, "REGISTER")
    text = str(credentials).replace(f"nc={nonce_count}", f'nc="{nonce_count}"')
    assert challenged(server.check(request(text), 2.0)).failure == "qop"


def test_auth_int_and_empty_cnonce_are_challenged() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    credentials = answer(offer)
    credentials.qop = "auth-int"
    assert challenged(server.check(request(credentials), 2.0)).failure == "qop"
    credentials = answer(offer)
    credentials.cnonce = ""
    credentials.response = credentials.expected_response(USERS["1001"].md5, "REGISTER")
    assert challenged(server.check(request(credentials), 2.0)).failure == "qop"


def test_algorithms_keep_their_order_and_their_own_nonces() -> None:
    server = authenticator(algorithms=("SHA-256", "MD5"))
    strong, weak = offers(server.check(request(), 1.0))
    assert (strong.algorithm, weak.algorithm) == ("SHA-256", "MD5")
    assert server.check(request(answer(weak)), 2.0) == Authenticated("1001")
    assert server.check(request(answer(strong)), 2.0) == Authenticated("1001")
    # The nonce of the strong challenge is worth nothing in an MD5 answer.
    downgraded = answer(replace(strong, algorithm="MD5"), count=5)
    assert challenged(server.check(request(downgraded), 2.0)).failure == "stale"
    # A weak answer is no second chance after a wrong strong one, in either order.
    strong, weak = offers(server.check(request(), 3.0))
    both = [answer(strong, password="wrong"), answer(weak)]
    assert challenged(server.check(request(*both), 3.0)).failure == "credentials"
    assert challenged(server.check(request(*reversed(both)), 3.0)).failure == "credentials"


def test_an_algorithm_that_was_not_offered_is_challenged() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    for algorithm in ("SHA-256", "MD5-sess", "SHA-512-256"):
        credentials = answer(offer)
        credentials.algorithm = algorithm
        assert challenged(server.check(request(credentials), 2.0)).failure == "algorithm"
    (own,) = offers(server.check(request(), 1.0, algorithms=("SHA-256",)))
    assert server.check(request(answer(own)), 2.0, algorithms=("SHA-256",)) == Authenticated("1001")


def test_a_stored_hash_of_one_algorithm_cannot_be_checked_with_the_other() -> None:
    only = {"1001": Ha1(md5=USERS["1001"].md5)}
    server = authenticator(algorithms=("SHA-256", "MD5"), credentials=only.get)
    strong, weak = offers(server.check(request(), 1.0))
    assert challenged(server.check(request(answer(strong)), 2.0)).failure == "credentials"
    assert server.check(request(answer(weak)), 2.0) == Authenticated("1001")


def test_other_realms_and_schemes_are_not_looked_at() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    alien = answer(replace(offer, realm="elsewhere.example"))
    assert challenged(server.check(request("Basic eDp5", alien), 2.0)).failure == "none"
    assert server.check(request("Basic eDp5", alien, answer(offer)), 2.0) == Authenticated("1001")


@pytest.mark.parametrize(
    "header", ["Digest", 'Digest username="1001"', "Digest " + "x" * 5000, 'Digest username="a', '"']
)
def test_malformed_headers_are_400(header: str) -> None:
    with pytest.raises(PeerError) as caught:
        authenticator().check(request(header), 1.0)
    assert caught.value.status == 400


def test_too_many_headers_and_too_long_names_are_400() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    with pytest.raises(PeerError):
        server.check(request(*["Basic x"] * 9), 1.0)
    with pytest.raises(PeerError):
        server.check(request(answer(offer, "1" * 300)), 1.0)


def test_hostile_responses_do_not_break_the_comparison() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    for response in ("\u00e9" * 32, "\udcff" * 32, "0", "f" * 3000):
        credentials = answer(offer)
        credentials.response = response
        assert challenged(server.check(request(credentials), 2.0)).failure == "credentials"


def test_the_method_is_part_of_the_answer() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    stolen = answer(offer, method="REGISTER")
    assert challenged(server.check(request(stolen, method="INVITE"), 2.0)).failure == "credentials"


def test_an_answer_for_another_uri_is_400() -> None:
    server = authenticator()
    (offer,) = offers(server.check(request(), 1.0))
    with pytest.raises(PeerError) as caught:
        server.check(request(answer(offer, uri="sip:other.example")), 2.0)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("given", "request_uri", "same"),
    [
        ("sip:pbx.example", "sip:pbx.example", True),
        ("sip:PBX.example", "sip:pbx.example", True),
        ("sip:pbx.example;transport=tcp", "sip:pbx.example", True),
        ("sip:pbx.example:5060", "sip:pbx.example", True),
        ("sips:pbx.example", "sip:pbx.example", True),
        ("sip:%31002@pbx.example", "sip:1002@pbx.example;user=phone", True),
        ("sip:1002@pbx.example", "sip:1003@pbx.example", False),
        ("sip:1002@pbx.example", "sip:pbx.example", False),
        ("sip:1002@pbx.example", "sip:1002@elsewhere.example", False),
        ("tel:+31201234501", "tel:+31-20-1234501", True),
        ("tel:+31201234501", "sip:+31201234501@pbx.example", False),
        ("/index.html", "sip:pbx.example", False),
        ("*", "*", True),
    ],
)
def test_same_resource(given: str, request_uri: str, same: bool) -> None:
    assert same_resource(given, request_uri) is same


def test_a_flood_without_a_password_stores_nothing() -> None:
    server = authenticator()
    for number in range(500):
        (offer,) = offers(server.check(request(), 1.0))
        server.check(request(answer(offer, password="wrong", count=number)), 1.0)
    assert server.nonces_remembered == 0
    assert not server._uses._slices


def test_the_nonce_table_is_bounded_and_what_it_forgets_cannot_be_replayed() -> None:
    server = authenticator(max_nonces=10)
    used = []
    for number in range(50):
        now = 1.0 + number
        (offer,) = offers(server.check(request(), now))
        credentials = answer(offer)
        assert server.check(request(credentials), now) == Authenticated("1001")
        used.append(credentials)
        assert server.nonces_remembered <= 10
    for credentials in used:
        assert isinstance(server.check(request(credentials), 51.0), Challenge)
    # A full table costs nobody more than one more challenge.
    (offer,) = offers(server.check(request(), 52.0))
    assert server.check(request(answer(offer)), 52.0) == Authenticated("1001")


def test_uses_are_forgotten_with_their_nonces() -> None:
    server = authenticator()
    for number in range(20):
        (offer,) = offers(server.check(request(), 100.0 + number))
        server.check(request(answer(offer)), 100.0 + number)
    assert server.nonces_remembered == 20
    (offer,) = offers(server.check(request(), 1000.0))
    assert server.check(request(answer(offer)), 1000.0) == Authenticated("1001")
    assert server.nonces_remembered == 1


def test_what_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(MisuseError):
        authenticator(secret=b"short")
    with pytest.raises(MisuseError):
        authenticator(algorithms=())
