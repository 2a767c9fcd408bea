"""Header access: names in any spelling, changes, and that nothing set on a message leaves its line."""

from collections.abc import Callable

import pytest

from pbx.errors import MisuseError
from pbx.sip.header_names import CANONICAL, PRINTED, canonical, printed
from pbx.sip.message import Message, Request, Response, respond

from .examples import LAZY, request, response


def test_every_name_has_one_canonical_form() -> None:
    assert canonical("V") == canonical("v") == canonical("VIA") == "via"
    assert canonical("X-Own") == "x-own"
    assert printed("call-id") == "Call-ID"
    assert printed("x-own") == "X-Own"
    for spelling, name in CANONICAL.items():
        assert canonical(spelling.swapcase()) == name
        assert CANONICAL[PRINTED[name]] == name


def test_get_all_lines_has() -> None:
    message = request({"Supported": "a, b", "k": "c,,", "Authorization": 'Digest a="b", c=d'})
    assert message.get("supported") == "a, b"
    assert message.all("supported") == ["a", "b", "c"]
    assert message.lines("supported") == ["a, b", "c,,"]
    assert message.all("authorization") == ['Digest a="b", c=d']
    assert message.get("date") is None
    assert message.all("date") == message.lines("date") == []
    assert message.has("supported")
    assert not message.has("date")


def test_changes() -> None:
    message = request({"Route": "<sip:a;lr>, <sip:b;lr>"})
    message.prepend("Via", "SIP/2.0/TCP new")
    message.add("Via", "SIP/2.0/TCP old")
    assert [via.host for via in message.vias] == ["new", "192.0.2.1", "old"]
    message.replace_top("via", "SIP/2.0/TCP newer;received=192.0.2.9")
    assert message.top_via.received == "192.0.2.9"
    message.remove_top("via")
    assert message.top_via.host == "192.0.2.1"
    message.remove_top("route")
    assert [str(route) for route in message.routes] == ["<sip:b;lr>"]
    message.remove_top("route")
    assert not message.has("route")
    message.remove_top("route")
    message.set("v", "SIP/2.0/UDP only")
    assert message.all("via") == ["SIP/2.0/UDP only"]
    message.prepend("x-first", "1")
    message.set("x-last", "2")
    assert message.headers[0] == ("x-first", "1")
    assert message.headers[-1] == ("x-last", "2")
    message.remove("X-Last")
    message.remove("x-never")
    assert not message.has("x-last")


def test_the_first_values_follow_each_change() -> None:
    message = request({"Subject": "a"})
    message.add("Supported", "x")
    message.add("Supported", "y")
    changes: tuple[Callable[[], None], ...] = (
        lambda: message.prepend("supported", "w"),
        lambda: message.set("subject", "b"),
        lambda: message.remove("supported"),
        lambda: message.replace_top("via", "SIP/2.0/UDP z;branch=z9hG4bKz"),
        lambda: message.add("via", "SIP/2.0/UDP second"),
        lambda: message.remove_top("via"),
        lambda: message.remove("via"),
        lambda: message.put_via("SIP/2.0/UDP ours"),
        lambda: message.put_via("SIP/2.0/UDP again"),
    )
    for change in changes:
        _ = message.first
        change()
        assert message.first == {name: message.lines(name)[0] for name, _ in message.headers}


@pytest.mark.parametrize(
    ("name", "value", "changed"),
    [
        ("via", "SIP/2.0/UDP z", lambda m: m.top_via.host == "z" and m.vias[0].host == "z"),
        ("from", "<sip:z@z>", lambda m: m.from_.uri.host == "z"),
        ("to", "<sip:z@z>", lambda m: m.to.uri.host == "z"),
        ("cseq", "9 BYE", lambda m: m.cseq.number == 9),
        ("contact", "*", lambda m: m.contact_star and m.contacts == []),
        ("route", "<sip:z>", lambda m: m.routes[0].uri.host == "z"),
        ("record-route", "<sip:z>", lambda m: m.record_routes[0].uri.host == "z"),
        ("call-id", "z", lambda m: m.call_id == "z"),
        ("max-forwards", "1", lambda m: m.max_forwards == 1),
    ],
)
def test_what_was_read_is_forgotten_when_set(
    name: str, value: str, changed: Callable[[Message], bool]
) -> None:
    message = request({"Contact": "<sip:a@b>", "Route": "<sip:a>", "Record-Route": "<sip:a>"})
    for lazy in LAZY:
        getattr(message, lazy)
    message.set(name, value)
    assert changed(message)


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nEvil: 1", "a\rb", "a\0b", "\ud800"])
def test_nothing_injects_a_header(value: str) -> None:
    message = request()
    for change in (message.add, message.set, message.prepend, message.replace_top):
        with pytest.raises(MisuseError):
            change("via", value)
        with pytest.raises(MisuseError):
            change(value, "x")
    with pytest.raises(MisuseError):
        Request.make("OPTIONS", "sip:a@b", [("subject", value)])
    with pytest.raises(MisuseError):
        Request.make("OPTIONS", f"sip:{value}", [])
    with pytest.raises(MisuseError):
        Request.make(value, "sip:a@b", [])
    with pytest.raises(MisuseError):
        Response.make(200, value, [])
    with pytest.raises(MisuseError):
        respond(message, 200, value)
    with pytest.raises(MisuseError):
        respond(message, 200, to_tag=value)
    with pytest.raises(MisuseError):
        respond(message, 200, headers=[("server", value)])
    with pytest.raises(MisuseError):
        respond(message, 200, content_type=value)
    assert message.encode() == request().encode()


@pytest.mark.parametrize("status", [0, 99, 700, 1000])
def test_statuses_that_do_not_exist_are_refused(status: int) -> None:
    with pytest.raises(MisuseError):
        Response.make(status, "x", [])
    with pytest.raises(MisuseError):
        respond(request(), status)


def test_repr_shows_nothing_unescaped() -> None:
    assert repr(request(method="A'~")) == '<Request "A\'~">'
    assert repr(response()) == "<Response 200>"
