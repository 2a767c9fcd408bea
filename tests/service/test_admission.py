"""Who is calling: a trunk by its address, our domain by digest, anyone else."""

from ipaddress import ip_network
from typing import Any

import pytest

from pbx.errors import PeerError
from pbx.ids import Ids
from pbx.service.admission import Admission, Source, Trunk, User
from pbx.sip.authentication import Authenticator, Challenge
from pbx.sip.digest import DigestChallenge, Ha1, authorize
from pbx.sip.flow import Address, Flow
from pbx.sip.message import Request
from pbx.sip.uri import Uri
from tests.service.house import DOMAIN, OURS, CountedBytes, FakeNetwork

HOME = ("192.0.2.11", 5060)
AWAY = ("203.0.113.5", 5060)
CARRIER = ("198.51.100.7", 5060)
URI = f"sip:1002@{DOMAIN}"


@pytest.fixture
def admission() -> Admission:
    return made()


def made(**more: Any) -> Admission:
    ids = Ids(CountedBytes())
    secrets = {name: Ha1.from_password(name, DOMAIN, f"secret-{name}") for name in ("1001", "1002")}
    return Admission(
        DOMAIN,
        {"1001": User("Alice"), "1002": User()},
        [
            Trunk("silent", "192.0.2.200", 5060),
            Trunk("carrier", "c.example", 5060, "udp", (ip_network("198.51.100.0/24"),)),
            Trunk("six", "d.example", 5060, "tcp", (ip_network("2001:db8:5::/48"), ip_network("fe80::/64"))),
        ],
        Authenticator(DOMAIN, secrets.get, ids, b"s" * 32, algorithms=["MD5"]),
        FakeNetwork(),
        **more,
    )


def flow(remote: Address) -> Flow:
    return Flow("udp", OURS, remote)


def invite(from_: str, *headers: tuple[str, str], method: str = "INVITE") -> Request:
    return Request.make(method, URI, [("from", f"{from_};tag=1"), ("to", f"<{URI}>"), *headers])


def credentials(
    challenge: object, user: str, method: str = "INVITE", *, password: str = ""
) -> tuple[str, str]:
    assert isinstance(challenge, Challenge)
    value = next(value for name, value in challenge.headers if name.lower() == "www-authenticate")
    parsed = DigestChallenge.parse(value)
    assert parsed is not None
    return "authorization", str(
        authorize(parsed, user, password or f"secret-{user}", method, URI, cnonce="c")
    )


class TestTrunks:
    @pytest.mark.parametrize("host", ["198.51.100.7", "198.51.100.255"])
    def test_known_by_their_address(self, admission: Admission, host: str) -> None:
        source = admission.source(invite('"Someone" <sip:+3161@c.example>'), flow((host, 6000)), 0)
        assert isinstance(source, Source)
        assert (source.name, source.trunk) == ("trunk/carrier", "carrier")
        assert (source.caller.number, source.caller.name, source.caller.user) == ("+3161", "Someone", None)

    @pytest.mark.parametrize("host", ["2001:db8:5::9", "fe80::9%eth0"])
    def test_of_the_other_family(self, admission: Admission, host: str) -> None:
        source = admission.source(invite("<sip:+3161@d.example>"), flow((host, 5060)), 0)
        assert isinstance(source, Source)
        assert source.trunk == "six"

    def test_go_before_our_domain(self, admission: Admission) -> None:
        source = admission.source(invite(f"<sip:1001@{DOMAIN}>"), flow(CARRIER), 0)
        assert isinstance(source, Source)
        assert (source.name, source.caller.user) == ("trunk/carrier", None)

    def test_their_assertion_of_who_calls_counts(self, admission: Admission) -> None:
        asserted = ("p-asserted-identity", '"Real" <sip:+3170@c.example>, <tel:+3170>')
        source = admission.source(invite("<sip:anonymous@anonymous.invalid>", asserted), flow(CARRIER), 0)
        assert isinstance(source, Source)
        assert (source.caller.number, source.caller.name) == ("+3170", "Real")

    def test_a_broken_assertion_is_the_peers_fault(self, admission: Admission) -> None:
        with pytest.raises(PeerError) as error:
            admission.source(invite("<sip:a@b>", ("p-asserted-identity", '"open <sip:x')), flow(CARRIER), 0)
        assert error.value.status == 400


class TestAnyone:
    @pytest.mark.parametrize("from_", ["<sip:x@elsewhere.example>", "<sip:1001@pbx.example.evil.example>"])
    def test_from_elsewhere_is_not_challenged(self, admission: Admission, from_: str) -> None:
        source = admission.source(invite(from_), flow(AWAY), 0)
        assert isinstance(source, Source)
        assert (source.name, source.trunk, source.caller.user) == ("anyone", None, None)

    def test_nobody_asserts_for_them(self, admission: Admission) -> None:
        asserted = ("p-asserted-identity", "<sip:+3170@c.example>")
        source = admission.source(invite("<sip:x@elsewhere.example>", asserted), flow(AWAY), 0)
        assert isinstance(source, Source)
        assert source.caller.number == "x"

    def test_a_trunk_without_inbound_addresses_is_anyone(self, admission: Admission) -> None:
        source = admission.source(invite("<sip:x@e.example>"), flow(("192.0.2.200", 5060)), 0)
        assert isinstance(source, Source)
        assert source.name == "anyone"

    def test_a_from_that_cannot_be_read(self, admission: Admission) -> None:
        with pytest.raises(PeerError) as error:
            admission.source(invite("<sip:>"), flow(AWAY), 0)
        assert error.value.status == 400


class TestUsers:
    @pytest.mark.parametrize("host", [DOMAIN, DOMAIN.upper(), OURS[0]])
    @pytest.mark.parametrize("user", ["1001", "4711"])
    def test_our_domain_is_challenged_known_user_or_not(
        self, admission: Admission, host: str, user: str
    ) -> None:
        answer = admission.source(invite(f"<sip:{user}@{host}>"), flow(HOME), 0)
        assert isinstance(answer, Challenge)
        assert (answer.failure, answer.stale) == ("none", False)
        assert [name.lower() for name, _ in answer.headers] == ["www-authenticate"]

    def test_our_address_is_the_one_that_this_peer_reaches(self, admission: Admission) -> None:
        assert admission.is_ours(Uri.parse("sip:1001@[2001:db8::1]"), flow(("2001:db8::9", 5060)))
        assert not admission.is_ours(Uri.parse("sip:1001@[2001:db8::1]"), flow(HOME))

    def test_who_answers_right_is_that_user(self, admission: Admission) -> None:
        from_ = f'"Not Alice" <sip:1001@{DOMAIN}>'
        challenge = admission.source(invite(from_), flow(HOME), 0)
        source = admission.source(invite(from_, credentials(challenge, "1001")), flow(HOME), 1)
        assert isinstance(source, Source)
        assert source.name == "users"
        assert (source.caller.number, source.caller.name, source.caller.user) == ("1001", "Alice", "1001")

    def test_a_user_without_a_name_says_their_own(self, admission: Admission) -> None:
        from_ = f'"Bobby" <sip:1002@{DOMAIN}>'
        challenge = admission.source(invite(from_), flow(HOME), 0)
        source = admission.source(invite(from_, credentials(challenge, "1002")), flow(HOME), 1)
        assert isinstance(source, Source)
        assert source.caller.name == "Bobby"

    def test_from_cannot_make_one_user_another(self, admission: Admission) -> None:
        from_ = f"<sip:1002@{DOMAIN}>"
        challenge = admission.source(invite(from_), flow(HOME), 0)
        source = admission.source(invite(from_, credentials(challenge, "1001")), flow(HOME), 1)
        assert isinstance(source, Source)
        assert (source.caller.number, source.caller.user) == ("1001", "1001")

    def test_a_wrong_password_is_challenged_again(self, admission: Admission) -> None:
        from_ = f"<sip:1001@{DOMAIN}>"
        challenge = admission.source(invite(from_), flow(HOME), 0)
        wrong = credentials(challenge, "1001", password="guessed")
        again = admission.source(invite(from_, wrong), flow(HOME), 1)
        assert isinstance(again, Challenge)
        assert again.failure == "credentials"

    def test_a_user_may_have_algorithms_of_their_own(self) -> None:
        admission = made(own_algorithms={"1002": ["SHA-256"]})
        for user, algorithm in (("1001", "MD5"), ("1002", "SHA-256")):
            answer = admission.source(invite(f"<sip:{user}@{DOMAIN}>"), flow(HOME), 0)
            assert isinstance(answer, Challenge)
            assert f"algorithm={algorithm}," in answer.headers[0][1] + ","


class TestRegistering:
    def test_everybody_is_challenged_a_trunk_too(self, admission: Admission) -> None:
        one = invite("<sip:1001@elsewhere.example>", method="REGISTER")
        assert isinstance(admission.registering(one, 0), Challenge)

    def test_gives_the_user(self, admission: Admission) -> None:
        from_ = f"<sip:1001@{DOMAIN}>"
        challenge = admission.registering(invite(from_, method="REGISTER"), 0)
        answered = invite(from_, credentials(challenge, "1001", "REGISTER"), method="REGISTER")
        assert admission.registering(answered, 1) == "1001"
