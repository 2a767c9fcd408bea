"""REGISTER by the steps of RFC 3261 §10.3, Path, instances, flows, bounds, and what outlives a restart."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import MisuseError
from pbx.registrar import (
    Binding,
    BindingAdded,
    BindingEvent,
    BindingRefreshed,
    BindingRemoved,
    RegisterReply,
    Registrar,
    RegistrarLimits,
)
from pbx.sip.flow import Flow
from pbx.sip.message import Request

LOCAL = ("0.0.0.0", 5060)
UDP = Flow("udp", LOCAL, ("198.51.100.7", 40000))
TCP = Flow("tcp", LOCAL, ("198.51.100.7", 41234), 7)
PHONE = "<sip:1001@192.168.1.5:5060>"
DESK = "<sip:1001@192.168.1.6>"
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'


def register(
    *contacts: str, call_id: str = "c1", cseq: int = 1, expires: str | None = None, **headers: str
) -> Request:
    fields = [
        ("Via", "SIP/2.0/UDP 192.168.1.5;branch=z9hG4bK1"),
        ("From", "<sip:1001@pbx.example>;tag=1"),
        ("To", "<sip:1001@pbx.example>"),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} REGISTER"),
    ]
    fields += [("Contact", contact) for contact in contacts]
    if expires is not None:
        fields.append(("Expires", expires))
    fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request.make("REGISTER", "sip:pbx.example", fields)


class Bench:
    """A registrar and one user's requests to it, CSeq counted."""

    def __init__(self, limits: RegistrarLimits | None = None) -> None:
        self.registrar = Registrar(limits or RegistrarLimits(max_contacts=3))
        self.cseq = 0

    def send(
        self,
        *contacts: str,
        now: float = 0.0,
        flow: Flow = UDP,
        user: str = "1001",
        expires: str | None = None,
        call_id: str = "c1",
        **headers: str,
    ) -> RegisterReply:
        self.cseq += 1
        request = register(*contacts, call_id=call_id, cseq=self.cseq, expires=expires, **headers)
        return self.registrar.receive(user, request, flow, now)

    def contacts(self, now: float = 0.0, user: str = "1001") -> list[str]:
        return [str(binding.contact) for binding in self.registrar.bindings(user, now)]


def shown(reply: RegisterReply) -> list[str]:
    return [value for name, value in reply.headers if name == "Contact"]


def kinds(events: list[BindingEvent]) -> list[str]:
    return [
        f"removed:{event.cause}" if isinstance(event, BindingRemoved) else type(event).__name__
        for event in events
    ]


def test_one_contact_is_bound_with_its_flow() -> None:
    bench = Bench()
    reply = bench.send(PHONE, expires="600", now=10.0, User_Agent="Desk\u00e9 1.0")
    assert (reply.status, shown(reply)) == (200, [PHONE + ";expires=600"])
    (event,) = reply.events
    assert isinstance(event, BindingAdded)
    (binding,) = bench.registrar.bindings("1001", 10.0)
    assert binding is event.binding
    assert (binding.flow, binding.expires_at, binding.user_agent) == (UDP, 610.0, "Desk? 1.0")
    assert len(bench.registrar) == 1
    assert bench.registrar.bindings("1002", 10.0) == []


def test_query_lists_all_with_what_is_left() -> None:
    bench = Bench()
    bench.send(PHONE + ";q=0.3", DESK + ";expires=120;q=0.8", expires="600")
    reply = bench.send(now=20.0)
    assert (reply.status, reply.events) == (200, [])
    assert shown(reply) == [DESK + ";q=0.8;expires=100", PHONE + ";q=0.3;expires=580"]


def test_query_of_nobody_is_an_empty_200() -> None:
    reply = Bench().send()
    assert (reply.status, reply.headers, reply.events) == (200, [], [])


@pytest.mark.parametrize(
    ("parameter", "header", "granted"),
    [
        ("", None, 1800),
        ("", "300", 300),
        (";expires=120", "300", 120),
        (";expires=999999", None, 3600),
        ("", "4294967295", 3600),
        (";expires=4294967296", None, 3600),
        (";expires=soon", "300", 3600),
        (";expires", "300", 3600),
    ],
)
def test_lifetimes(parameter: str, header: str | None, granted: int) -> None:
    bench = Bench(RegistrarLimits(default_expires=1800, max_expires=3600))
    reply = bench.send(PHONE + parameter, expires=header)
    assert shown(reply) == [f"{PHONE};expires={granted}"]


def test_refresh_moves_the_flow_and_the_expiry() -> None:
    bench = Bench()
    bench.send(PHONE, expires="600")
    moved = Flow("udp", LOCAL, ("198.51.100.7", 40001))
    reply = bench.send("<sip:1001@192.168.1.5:5060;ob>", expires="600", now=100.0, flow=moved)
    assert kinds(reply.events) == ["BindingRefreshed"]
    event = reply.events[0]
    assert isinstance(event, BindingRefreshed)
    assert (event.previous.flow, event.binding.flow) == (UDP, moved)
    assert len(bench.registrar) == 1
    assert bench.registrar.next_deadline() == 700.0


def test_removal_of_one_and_of_all() -> None:
    bench = Bench()
    bench.send(PHONE, DESK)
    reply = bench.send(PHONE + ";expires=0")
    assert (reply.status, kinds(reply.events), bench.contacts()) == (200, ["removed:removed"], [DESK[1:-1]])
    bench.send(PHONE)
    reply = bench.send("*", expires="0")
    assert (reply.status, shown(reply), kinds(reply.events)) == (200, [], ["removed:removed"] * 2)
    assert len(bench.registrar) == 0
    assert bench.registrar.next_deadline() is None
    assert bench.registrar._by_user == {}


def test_removing_what_is_not_bound_is_fine() -> None:
    bench = Bench()
    for contacts in ((PHONE,), ("*",)):
        reply = bench.send(*contacts, expires="0")
        assert (reply.status, reply.events) == (200, [])


@pytest.mark.parametrize(
    ("contacts", "expires"),
    [
        (["*"], None),
        (["*"], "60"),
        (["*", PHONE], "0"),
        ([PHONE + ", *"], "0"),
        (["*", "*"], "0"),
        (["<mailto:x@y.example>"], "600"),
        (["<tel:+31201234501>"], "600"),
        ([PHONE, "<sip:>"], "600"),
        ([PHONE, PHONE + ";q=7"], "600"),
        ([PHONE, '<sip:1001@192.168.1.9>;x="\u00e9"'], "600"),
        ([PHONE, f"<sip:1001@192.168.1.9;x={'a' * 1100}>"], "600"),
        ([PHONE], "soon"),
    ],
)
def test_bad_requests_change_nothing(contacts: list[str], expires: str | None) -> None:
    bench = Bench()
    bench.send(DESK)
    before = bench.registrar.bindings("1001", 0.0)
    reply = bench.send(*contacts, expires=expires)
    assert (reply.status, reply.events) == (400, [])
    assert reply.reason
    assert bench.registrar.bindings("1001", 0.0) == before


@pytest.mark.parametrize(("asked", "status"), [(59, 423), (1, 423), (60, 200), (0, 200)])
def test_423_says_the_minimum(asked: int, status: int) -> None:
    bench = Bench()
    reply = bench.send(DESK, PHONE + f";expires={asked}", expires="600")
    assert reply.status == status
    if status == 423:
        assert reply.headers == [("Min-Expires", "60")]
        assert len(bench.registrar) == 0


def test_an_hour_is_never_too_brief() -> None:
    bench = Bench(RegistrarLimits(min_expires=7200, default_expires=7200, max_expires=86400))
    assert bench.send(PHONE, expires="3599").status == 423
    assert bench.send(PHONE, expires="3600").status == 200


@pytest.mark.parametrize("contact", [PHONE, PHONE + ";expires=0", "*"])
@pytest.mark.parametrize("cseq", [5, 4])
def test_order_within_a_call_id(contact: str, cseq: int) -> None:
    registrar = Registrar(RegistrarLimits())
    registrar.receive("1001", register(PHONE, cseq=5), UDP, 0.0)
    expires = "0" if contact == "*" else None
    late = registrar.receive("1001", register(contact, cseq=cseq, expires=expires), UDP, 1.0)
    assert (late.status, late.events) == (500, [])
    other = registrar.receive("1001", register(contact, cseq=1, call_id="c2", expires=expires), UDP, 1.0)
    assert other.status == 200


def test_one_contact_out_of_order_fails_them_all() -> None:
    registrar = Registrar(RegistrarLimits())
    registrar.receive("1001", register(PHONE, cseq=5), UDP, 0.0)
    reply = registrar.receive("1001", register(DESK, PHONE, cseq=5), UDP, 1.0)
    assert reply.status == 500
    assert [str(binding.contact) for binding in registrar.bindings("1001", 1.0)] == [PHONE[1:-1]]


def test_the_same_contact_twice_in_one_request_is_one_binding() -> None:
    bench = Bench()
    reply = bench.send(PHONE + ";q=0.1", PHONE + ";q=0.9")
    assert (reply.status, len(bench.registrar)) == (200, 1)
    assert bench.registrar.bindings("1001", 0.0)[0].q == 0.9
    reply = bench.send(PHONE, PHONE + ";expires=0")
    assert (reply.status, len(bench.registrar)) == (200, 0)


def test_too_many_contacts_of_one_user() -> None:
    bench = Bench()
    bench.send(PHONE, DESK)
    reply = bench.send("<sip:a@192.168.1.7>", "<sip:b@192.168.1.7>")
    assert (reply.status, reply.reason, reply.events) == (403, "Too Many Contacts", [])
    # Exchanging one for another, and refreshing, is within the bound.
    assert bench.send("<sip:a@192.168.1.7>").status == 200
    assert bench.send("<sip:b@192.168.1.7>", PHONE + ";expires=0").status == 200
    assert bench.send(DESK).status == 200
    assert len(bench.registrar) == 3


def test_too_many_bindings_of_all() -> None:
    bench = Bench(RegistrarLimits(max_bindings=2))
    assert bench.send(PHONE, user="1001").status == 200
    assert bench.send(PHONE, user="1002").status == 200
    reply = bench.send(PHONE, user="1003")
    assert reply.status == 503
    assert reply.headers[0][0] == "Retry-After"
    assert bench.send(PHONE, user="1002").status == 200
    assert bench.send(PHONE, user="1002", expires="0").status == 200
    assert bench.send(PHONE, user="1003").status == 200


def test_expiry() -> None:
    bench = Bench()
    bench.send(PHONE, DESK + ";expires=60", expires="600")
    assert bench.registrar.next_deadline() == 60.0
    assert bench.contacts(60.0) == [PHONE[1:-1]]
    assert bench.registrar.handle_timer(59.9) == []
    events = bench.registrar.handle_timer(60.0)
    assert kinds(events) == ["removed:expired"]
    assert bench.registrar.next_deadline() == 600.0
    # A request that comes before the timer runs reports what expired, and is no longer bound by it.
    reply = bench.send(PHONE, now=700.0)
    assert kinds(reply.events) == ["removed:expired", "BindingAdded"]
    assert [str(each.contact) for each in bench.registrar.all_bindings(700.0)] == [PHONE[1:-1]]


def test_a_failed_request_still_reports_what_expired() -> None:
    bench = Bench()
    bench.send(PHONE, expires="60")
    reply = bench.send("*", now=61.0)
    assert (reply.status, kinds(reply.events)) == (400, ["removed:expired"])


def test_instance_and_reg_id_replace_contact_and_flow() -> None:
    bench = Bench()
    bench.send(f"<sip:1001@192.168.1.5:5060>;{INSTANCE};reg-id=1", flow=TCP)
    moved = Flow("tcp", LOCAL, ("198.51.100.7", 50000), 8)
    reply = bench.send(f"<sip:1001@10.0.0.9:61000>;{INSTANCE};reg-id=1", flow=moved, call_id="c2")
    assert kinds(reply.events) == ["BindingRefreshed"]
    (binding,) = bench.registrar.bindings("1001", 0.0)
    assert (str(binding.contact), binding.flow, binding.reg_id) == ("sip:1001@10.0.0.9:61000", moved, 1)
    assert shown(reply) == [f"<sip:1001@10.0.0.9:61000>;{INSTANCE};reg-id=1;expires=3600"]
    # The old connection closing afterwards takes nothing with it.
    assert bench.registrar.flow_closed(TCP, 1.0) == []
    # Another reg-id is another flow of the same phone.
    bench.send(f"<sip:1001@10.0.0.9:61000>;{INSTANCE};reg-id=2", flow=UDP)
    assert len(bench.registrar) == 2


def test_two_instances_never_share_a_binding() -> None:
    bench = Bench()
    other = INSTANCE.replace("E128", "FFFF")
    bench.send(f"{PHONE};{INSTANCE}")
    bench.send(f"{PHONE};{other}", call_id="c2")
    assert len(bench.registrar) == 2
    bench.send(f"{PHONE};{INSTANCE};reg-id=1")
    assert len(bench.registrar) == 2
    bench.send(f"{PHONE};expires=0")
    assert len(bench.registrar) == 0


@pytest.mark.parametrize("reg_id", ["0", "x", "99999999999", "4294967296", ""])
def test_a_bad_reg_id_is_no_reg_id(reg_id: str) -> None:
    bench = Bench()
    bench.send(f"{PHONE};{INSTANCE};reg-id={reg_id or 7}" if reg_id else f"{PHONE};reg-id=7")
    assert bench.registrar.bindings("1001", 0.0)[0].reg_id == 0


def test_path_is_kept_and_shown_to_who_supports_it() -> None:
    bench = Bench()
    reply = bench.send(
        PHONE, Path="<sip:edge1.example;lr>, <sip:edge2.example;lr>", Supported="path, outbound"
    )
    paths = ("<sip:edge1.example;lr>", "<sip:edge2.example;lr>")
    assert bench.registrar.bindings("1001", 0.0)[0].path == paths
    assert [value for name, value in reply.headers if name == "Path"] == list(paths)
    reply = bench.send(PHONE, Path="<sip:edge1.example;lr>")
    assert not any(name == "Path" for name, _ in reply.headers)


@pytest.mark.parametrize("path", ["<sip:edge", f"<sip:edge.example;x={'a' * 2100}>"])
def test_a_bad_path_is_400(path: str) -> None:
    assert Bench().send(PHONE, Path=path).status == 400


def test_unknown_requirements_are_420() -> None:
    bench = Bench()
    reply = bench.send(PHONE, Require="path, gruu, outbound")
    assert (reply.status, reply.headers) == (420, [("Unsupported", "gruu, outbound")])
    assert bench.send(PHONE, Require="path").status == 200


def test_a_closed_connection_behind_a_nat_takes_its_bindings() -> None:
    bench = Bench()
    bench.send(PHONE, DESK, flow=TCP)
    bench.send("<sip:1001@192.168.1.7>", flow=UDP)
    events = bench.registrar.flow_closed(TCP, 5.0)
    assert kinds(events) == ["removed:flow-closed"] * 2
    assert bench.contacts() == ["sip:1001@192.168.1.7"]
    assert bench.registrar._by_connection == {}


def test_a_closed_connection_can_be_opened_anew_where_the_contact_is_its_address() -> None:
    bench = Bench()
    bench.send("<sip:1001@198.51.100.7:5070;transport=tcp>", flow=TCP)
    (event,) = bench.registrar.flow_closed(TCP, 5.0)
    assert isinstance(event, BindingRefreshed)
    assert event.binding.flow == Flow("tcp", LOCAL, ("198.51.100.7", 5070))
    assert event.binding.expires_at == event.previous.expires_at
    assert len(bench.registrar) == 1
    assert bench.registrar._by_connection == {}


def test_an_outbound_registration_dies_with_its_flow() -> None:
    bench = Bench()
    bench.send(f"<sip:1001@198.51.100.7:5070>;{INSTANCE};reg-id=1", flow=TCP)
    assert kinds(bench.registrar.flow_closed(TCP, 5.0)) == ["removed:flow-closed"]


def test_users_that_are_no_longer_ours() -> None:
    bench = Bench()
    bench.send(PHONE, DESK)
    assert kinds(bench.registrar.remove_user("1001")) == ["removed:dropped"] * 2
    assert bench.registrar.remove_user("1001") == []
    assert bench.registrar.next_deadline() is None


def test_restore_takes_up_what_lives_within_the_limits() -> None:
    bench = Bench()
    bench.send(PHONE, "<sip:b@192.168.1.8>;expires=60", expires="600")
    (phone, brief) = sorted(bench.registrar.bindings("1001", 0.0), key=lambda each: -each.expires_at)
    by_tcp = replace(phone, user="1002", flow=replace(TCP, connection=0))
    absurd = replace(phone, user="1003", expires_at=1e12)
    fresh = Registrar(RegistrarLimits())
    events = fresh.restore([phone, brief, by_tcp, absurd, phone], 100.0)
    assert kinds(events) == ["removed:expired", "removed:dropped", "removed:dropped"]
    assert fresh.bindings("1001", 100.0) == [phone]
    assert fresh.bindings("1003", 100.0)[0].expires_at == 3700.0
    assert fresh.next_deadline() == 600.0
    # The restored binding keeps its place in its Call-ID's order.
    assert fresh.receive("1001", register(PHONE, cseq=1), UDP, 101.0).status == 500
    assert fresh.receive("1001", register(PHONE, cseq=2), UDP, 101.0).status == 200


def test_limits_must_make_sense() -> None:
    for wrong in ({"min_expires": 4000}, {"max_contacts": 0}, {"max_bindings": 0}, {"default_expires": 10}):
        with pytest.raises(MisuseError):
            RegistrarLimits(**wrong)


steps = st.lists(
    st.tuples(
        st.lists(
            st.sampled_from(
                [
                    PHONE,
                    DESK,
                    PHONE + ";expires=0",
                    DESK + ";expires=90",
                    DESK + ";expires=5",
                    f"{PHONE};{INSTANCE}",
                    f"{PHONE};{INSTANCE};reg-id=1",
                    f"{DESK};{INSTANCE};reg-id=1",
                    "<sip:1001@192.168.1.5:5060;x=1>",
                    "<sip:1001@192.168.1.5:5060;x=2>",
                    "<sip:1001@198.51.100.7>",
                    "*",
                ]
            ),
            max_size=3,
        ),
        st.sampled_from([None, "0", "600"]),
        st.sampled_from([UDP, TCP]),
        st.sampled_from(["c1", "c2"]),
        st.integers(0, 4),
        st.booleans(),
    ),
    max_size=12,
)


@given(steps)
def test_the_events_are_the_whole_story(
    script: list[tuple[list[str], str | None, Flow, str, int, bool]],
) -> None:
    """Replaying the events gives the registrar's own table; its indices and bounds always agree."""
    registrar = Registrar(RegistrarLimits(max_contacts=3))
    mirror: dict[str, Binding] = {}
    now = 0.0
    for contacts, expires, flow, call_id, cseq, closes in script:
        now += 45.0
        reply = registrar.receive(
            "u", register(*contacts, call_id=call_id, cseq=cseq, expires=expires), flow, now
        )
        events = reply.events + (registrar.flow_closed(TCP, now) if closes else [])
        for event in events:
            if isinstance(event, BindingRemoved):
                assert mirror.pop(event.binding.key) == event.binding
                continue
            if isinstance(event, BindingRefreshed):
                assert mirror.pop(event.previous.key) == event.previous
            assert event.binding.key not in mirror
            mirror[event.binding.key] = event.binding
        assert mirror == registrar._by_user.get("u", {})
        assert len(registrar) == len(mirror) <= 3
        assert len(registrar._deadlines) == len(mirror)
        streams = sum(binding.flow.connection != 0 for binding in mirror.values())
        assert sum(map(len, registrar._by_connection.values())) == streams
