"""Targets of a decision as destinations: bindings, trunks, URIs, and what has no destination."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from pbx.call.plan import Connect, Destination
from pbx.dialplan.call import Call, Caller, CallerId
from pbx.dialplan.decisions import Dial
from pbx.registrar.binding import Binding
from pbx.registrar.registrar import Registrar
from pbx.service.admission import Trunk, User
from pbx.service.destinations import Destinations, Dialled
from pbx.service.network import OwnAddress
from pbx.sip.flow import Address, Flow, Transport
from pbx.sip.uri import Uri
from tests.service.house import DOMAIN, OURS

ALICE = Caller("1001", "Alice", "1001")
STRANGER = Caller("", "", None)


class Network:
    """UDP over IPv4 only, unless told otherwise; like the endpoint it knows no names."""

    def __init__(self, *transports: Transport) -> None:
        self.transports = transports or ("udp",)

    def flow_to(self, transport: Transport, remote: Address) -> Flow | None:
        if transport not in self.transports or remote[0][0].isalpha() or ":" in remote[0]:
            return None
        return Flow(transport, OURS, remote)

    def address_to(self, flow: Flow) -> str:
        return OURS[0]


class Bindings:
    """What destinations ask of a registrar."""

    def __init__(self, known: Mapping[str, list[Binding]]) -> None:
        self._known = known

    def bindings(self, user: str, now: float) -> list[Binding]:
        return self._known.get(user, [])


class Book:
    """Destinations over bindings that a test gives."""

    def __init__(self, *transports: Transport) -> None:
        self.bindings: dict[str, list[Binding]] = {}
        registrar = cast("Registrar", Bindings(self.bindings))
        network = Network(*transports)
        trunks = {
            "carrier": Trunk("carrier", "c.example", 5080),
            "literal": Trunk("literal", "198.51.100.7", 5060, "tcp"),
            "six": Trunk("six", "2001:db8::5", 5060),
        }
        users = {"1001": User("Alice", "+31201234501"), "1002": User("Bob"), "1003": User()}
        self.destinations = Destinations(DOMAIN, users, trunks, registrar, network, OwnAddress(network), 30.0)

    def bind(self, user: str, host: str, *, path: tuple[str, ...] = (), flow: Flow | None = None) -> None:
        contact = Uri.parse(f"sip:{user}@{host}")
        flow = flow or Flow("udp", OURS, (host, 40000))
        binding = Binding(user, contact, flow, 1e9, f"c-{host}", 1, path=path)
        self.bindings.setdefault(user, []).append(binding)

    def plan(
        self,
        dial: Dial,
        *,
        called: str = "1002",
        caller: Caller = ALICE,
        addresses: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Connect:
        call = Call("id", caller, called, "users", datetime(2026, 11, 23, tzinfo=UTC), **more)
        return self.destinations.plan(dial, Dialled(call, 69, [("x-a", "b")]), addresses or {}, 0)

    def only(self, dial: Dial, **more: object) -> Destination:
        (group,) = self.plan(dial, **more).groups  # type: ignore[arg-type]  # passed on as they are
        (destination,) = group
        return destination


@pytest.fixture
def book() -> Book:
    return Book()


class TestUsers:
    def test_every_binding_is_rung_at_its_flow(self, book: Book) -> None:
        book.bind("1002", "192.0.2.12")
        book.bind("1002", "192.0.2.13", path=("<sip:edge.example;lr>",))
        plan = book.plan(Dial("user/1002"))
        assert plan.ring_s == 30.0
        (group,) = plan.groups
        assert sorted((str(one.target), one.flow.remote, tuple(one.routes)) for one in group) == [
            ("sip:1002@192.0.2.12", ("192.0.2.12", 40000), ()),
            ("sip:1002@192.0.2.13", ("192.0.2.13", 40000), ("<sip:edge.example;lr>",)),
        ]
        assert all(one.pinned and one.trunk is None and one.label == "user/1002" for one in group)

    def test_what_the_callee_sees(self, book: Book) -> None:
        book.bind("1002", "192.0.2.12")
        one = book.only(Dial("user/1002", ring=5))
        assert one.from_ == f'"Alice" <sip:1001@{DOMAIN}>'
        assert one.to == f"<sip:1002@{DOMAIN}>"
        assert one.contact == "<sip:pbx@192.0.2.1:5060>"
        assert (one.address, one.family, one.max_forwards) == ("192.0.2.1", 4, 69)
        assert list(one.headers) == [("x-a", "b")]

    def test_a_bare_user_is_the_one_that_was_called(self, book: Book) -> None:
        book.bind("1003", "192.0.2.13")
        assert book.only(Dial("user"), called="1003").label == "user/1003"

    def test_a_caller_without_a_number_is_anonymous(self, book: Book) -> None:
        book.bind("1002", "192.0.2.12")
        assert book.only(Dial("user/1002"), caller=STRANGER).from_ == f"<sip:anonymous@{DOMAIN}>"

    @pytest.mark.parametrize(
        ("shown", "from_"),
        [
            (CallerId("2000", "Sales"), f'"Sales" <sip:2000@{DOMAIN}>'),
            (CallerId("2000"), f"<sip:2000@{DOMAIN}>"),
            (CallerId(name="Sales"), f'"Sales" <sip:1001@{DOMAIN}>'),
            (CallerId(), f'"Alice" <sip:1001@{DOMAIN}>'),
            (CallerId("2000", hidden=True), '"Anonymous" <sip:anonymous@anonymous.invalid>'),
        ],
    )
    def test_what_the_dialplan_shows_instead(self, book: Book, shown: CallerId, from_: str) -> None:
        book.bind("1002", "192.0.2.12")
        one = book.only(Dial("user/1002"), shown=shown)
        assert one.from_ == from_
        assert ("Privacy", "id") in one.headers if shown.hidden else list(one.headers) == [("x-a", "b")]

    def test_a_trunk_is_shown_it_too(self, book: Book) -> None:
        one = book.only(
            Dial("trunk/carrier"), addresses={"c.example": "198.51.100.9"}, shown=CallerId("+31201234599")
        )
        assert one.from_.startswith("<sip:+31201234599@")

    def test_headers_that_the_dialplan_adds(self, book: Book) -> None:
        book.bind("1002", "192.0.2.12")
        one = book.only(Dial("user/1002"), sent_headers=(("X-Queue", "sales"),))
        assert list(one.headers) == [("x-a", "b"), ("X-Queue", "sales")]

    def test_a_number_cannot_end_the_user_part(self, book: Book) -> None:
        book.bind("1002", "192.0.2.12")
        evil = Caller('x@evil.example>;tag=1, "', 'quo"te', None)
        shown = book.only(Dial("user/1002"), caller=evil).from_
        assert shown.endswith(f"@{DOMAIN}>")
        assert shown.count("@") == 1
        assert shown.startswith('"quo\\"te" <sip:x%40evil')

    def test_no_binding_is_480_and_an_unknown_user_404(self, book: Book) -> None:
        plan = book.plan(Dial("user/1002"))
        assert (list(plan.groups), plan.nobody) == ([], 480)
        assert book.plan(Dial("user/4711")).nobody == 404
        assert book.plan(Dial("user"), called="4711").nobody == 404
        assert book.plan(Dial(["user/4711", "user/1002"])).nobody == 480

    def test_a_stream_that_has_to_be_opened_anew(self) -> None:
        gone = Flow("tcp", OURS, ("192.0.2.12", 5060), 0)
        for book, flows in ((Book("udp", "tcp"), [gone]), (Book("udp"), [])):
            book.bind("1002", "192.0.2.12", flow=gone)
            groups = book.plan(Dial("user/1002")).groups
            assert [one.flow for group in groups for one in group] == flows

    def test_a_stream_that_is_open_is_used(self) -> None:
        book = Book("udp")
        live = Flow("tcp", OURS, ("192.0.2.12", 41000), 7)
        book.bind("1002", "192.0.2.12", flow=live)
        one = book.only(Dial("user/1002"))
        assert one.flow is live
        assert one.contact == "<sip:pbx@192.0.2.1:5060;transport=tcp>"


class TestGroups:
    def test_in_turn_is_a_group_a_target_and_together_is_one(self, book: Book) -> None:
        book.bind("1001", "192.0.2.11")
        book.bind("1002", "192.0.2.12")
        targets = ["user/1001", "user/1003", "user/1002"]
        turns = book.plan(Dial(targets, mode="in-turn", ring=9))
        assert [[one.label for one in group] for group in turns.groups] == [["user/1001"], ["user/1002"]]
        assert turns.ring_s == 9
        (group,) = book.plan(Dial(targets)).groups
        assert [one.label for one in group] == ["user/1001", "user/1002"]


class TestTrunks:
    def test_a_named_host_needs_its_address(self, book: Book) -> None:
        dial = Dial("trunk/carrier")
        assert book.destinations.host_names(dial) == {"c.example"}
        one = book.only(dial, called="+3161", addresses={"c.example": "203.0.113.9"})
        assert one.flow == Flow("udp", OURS, ("203.0.113.9", 5080))
        assert str(one.target) == "sip:+3161@c.example:5080"
        assert (one.label, one.trunk, one.pinned) == ("trunk/carrier", "carrier", False)
        plan = book.plan(dial)
        assert (list(plan.groups), plan.nobody) == ([], 480)

    def test_it_sees_the_users_outside_number_at_our_address(self, book: Book) -> None:
        addresses = {"c.example": "203.0.113.9"}
        one = book.only(Dial("trunk/carrier/+3170"), addresses=addresses)
        assert one.from_ == '"Alice" <sip:+31201234501@192.0.2.1>'
        assert one.target.user == "+3170"
        other = book.only(Dial("trunk/carrier"), caller=Caller("1003", "", "1003"), addresses=addresses)
        assert other.from_ == "<sip:1003@192.0.2.1>"

    def test_its_transport_has_to_be_there(self) -> None:
        assert list(Book("udp").plan(Dial("trunk/literal")).groups) == []
        assert Book("udp", "tcp").only(Dial("trunk/literal")).flow.transport == "tcp"

    def test_its_family_has_to_be_there(self, book: Book) -> None:
        assert list(book.plan(Dial("trunk/six")).groups) == []

    def test_one_that_is_not_configured(self, book: Book) -> None:
        dial = Dial("trunk/none")
        assert book.destinations.host_names(dial) == set()
        assert book.plan(dial).nobody == 404


class TestUris:
    def test_a_literal_with_a_port(self, book: Book) -> None:
        one = book.only(Dial("sip:there@203.0.113.9:5070"))
        assert (one.flow.remote, one.label, one.pinned) == (("203.0.113.9", 5070), "uri", False)
        assert one.to == "<sip:there@203.0.113.9:5070>"

    def test_a_name(self, book: Book) -> None:
        dial = Dial(["sip:a@one.example", "sip:b@two.example", "user/1002"])
        assert book.destinations.host_names(dial) == {"one.example", "two.example"}
        one = book.only(dial, addresses={"two.example": "203.0.113.2"})
        assert one.flow.remote == ("203.0.113.2", 5060)

    def test_transport_by_its_parameter(self) -> None:
        book = Book("udp", "tcp")
        assert book.only(Dial("sip:a@203.0.113.9;transport=TCP")).flow.transport == "tcp"
        assert book.only(Dial("sip:a@203.0.113.9;transport=udp")).flow.transport == "udp"

    @pytest.mark.parametrize("uri", ["sips:a@203.0.113.9", "sip:a@203.0.113.9;transport=tls"])
    def test_what_asks_for_tls_is_not_sent_in_the_clear(self, uri: str) -> None:
        plan = Book("udp", "tcp").plan(Dial(uri))
        assert (list(plan.groups), plan.nobody) == ([], 480)
