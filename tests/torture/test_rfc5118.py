"""RFC 5118, the IPv6 torture, and what goes wrong with IPv6 beside it: the parser and the whole PBX.

`ipv6.json` has our own message for each section, with the final answer that it gets in a PBX that answers
strangers; "dropped" is none.
"""

import json
from pathlib import Path
from typing import Final, TypedDict

import pytest

from pbx.sip.flow import Flow
from pbx.sip.message import MalformedMessage, Request, Response, parse, validate_request
from tests.torture.houses import Going, open_house
from tests.torture.wire import TRANSPORTS, Datagrams, Stream, first_final, messages

PEER: Final = ("2001:db8::9:1", 45066)
LOCAL: Final = ("2001:db8::1", 5060)


class Message(TypedDict):
    name: str
    section: str
    about: str
    verdict: str | int
    lines: list[str]


MESSAGES: Final[list[Message]] = json.loads((Path(__file__).parent / "ipv6.json").read_text("utf-8"))
# What has a fault that is not the SIP parser's affair.
IN_THE_BODY: Final = frozenset(
    {"sdp-wrong-type", "sdp-wrong-type-too", "sdp-brackets", "sdp-group", "sdp-other-family"}
)


def octets(name: str) -> bytes:
    return "\r\n".join(next(each["lines"] for each in MESSAGES if each["name"] == name)).encode()


def request(name: str) -> Request:
    message = parse(octets(name))
    assert isinstance(message, Request)
    validate_request(message)
    return message


def test_every_section_is_there() -> None:
    assert {f"4.{number}" for number in range(1, 11)} <= {each["section"] for each in MESSAGES}
    assert len({each["name"] for each in MESSAGES}) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each["name"])
def test_the_parser(message: Message) -> None:
    if message["verdict"] in {400, "dropped"} and message["name"] not in IN_THE_BODY:
        with pytest.raises(MalformedMessage) as raised:
            request(message["name"])
        assert raised.value.status == 400
        assert (raised.value.request is None) == (message["verdict"] == "dropped")
    else:
        assert request(message["name"]).encode() == parse(request(message["name"]).encode()).encode()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each["name"])
def test_the_verdict(message: Message, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = open_house("everyone-is-answered", monkeypatch)
    going = Going.start(house)
    peer = (
        Datagrams(house, Flow("udp", LOCAL, PEER))
        if transport == "udp"
        else Stream(house, Flow("tcp", LOCAL, PEER, 6))
    )
    sent = peer.send(octets(message["name"]))
    verdict = message["verdict"]
    assert first_final(messages(sent)) == (None if verdict == "dropped" else verdict)
    assert {each.flow.remote[0] for each in sent} <= {PEER[0]}
    going.assert_untouched()
    peer.close()
    going.assert_ends_well()


class TestWhatIsRead:
    def test_a_port_is_only_what_follows_the_brackets(self) -> None:
        inside, outside = request("port-inside").request_uri, request("port-outside").request_uri
        assert (inside.host, inside.port) == ("2001:db8::10:5070", None)
        assert (outside.host, outside.port) == ("2001:db8::10", 5070)

    def test_received_in_both_spellings(self) -> None:
        for name in ("received-with-brackets", "received-without-brackets"):
            assert request(name).top_via.received == "2001:db8::9:255"

    def test_a_list_of_vias_of_every_kind(self) -> None:
        vias = request("mixed-vias").vias
        assert [via.sent_by for via in vias] == ["[2001:db8::9:1]:6050", "192.0.2.1", "far.example"]

    def test_an_extra_colon_changes_no_address(self) -> None:
        assert request("three-colons").request_uri.same_as(request("two-colons").request_uri)
        assert request("three-colons").request_uri.host == request("two-colons").request_uri.host


class TestWhatIsAnswered:
    def answers(self, name: str, monkeypatch: pytest.MonkeyPatch, port: int = 45066) -> list[Response]:
        house = open_house("everyone-is-answered", monkeypatch)
        sent = Datagrams(house, Flow("udp", LOCAL, (PEER[0], port))).send(octets(name))
        return [message for message in messages(sent) if isinstance(message, Response)]

    def test_contact_has_brackets_and_sdp_has_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        final = self.answers("sdp", monkeypatch)[-1]
        assert final.contacts[0].uri.hostport == "[2001:db8::1]:5060"
        assert b"\r\nc=IN IP6 2001:db8::1\r\n" in final.body

    def test_the_stream_of_the_other_family_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        body = self.answers("mixed-sdp", monkeypatch)[-1].body
        assert body.count(b"\r\nm=") == 2
        assert b"\r\nm=video 0 " in body

    def test_what_the_sender_says_of_itself_is_overwritten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        via = self.answers("received-with-brackets", monkeypatch)[-1].top_via
        assert via.parameters["received"] == PEER[0]
