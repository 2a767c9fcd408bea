"""RFC 4475's torture: our own message for each fault, and the RFC's own bytes where they are at hand.

`torture/messages.json` has for each message the section that describes its fault and a verdict: "valid", the
status of the answer, or "dropped". Lines are joined by CRLF. The RFC's messages are not ours to carry; where
the corpus lies beside the project, they are tried too.
"""

import json
from pathlib import Path
from typing import Final, TypedDict

import pytest

from pbx.sip.message import (
    MalformedMessage,
    Request,
    Response,
    parse,
    respond,
    validate_request,
    validate_response,
)
from pbx.sip.uri import Uri


class Torture(TypedDict):
    name: str
    section: str
    about: str
    verdict: str | int
    lines: list[str]


MESSAGES: Final[list[Torture]] = json.loads(
    (Path(__file__).parent / "torture" / "messages.json").read_text("utf-8")
)
CORPUS: Final = Path(__file__).parents[3] / "shared" / "corpora" / "rfc4475"

# What must be valid here for the layer above to say 420, 415, 401 and the like.
READ_IN_FULL: Final = (
    "wsinv",
    "intmeth",
    "esc01",
    "escnull",
    "esc02",
    "lwsdisp",
    "longreq",
    "dblreq",
    "semiuri",
    "transports",
    "mpart01",
    "unreason",
    "noreason",
    "badbranch",
    "unksm2",
    "bext01",
    "invut",
    "regaut01",
    "bcast",
    "zeromf",
    "cparam01",
    "cparam02",
    "regescrt",
    "sdp01",
    "inv2543",
    "baddate",
)


def verdict_on(data: bytes) -> str | int:
    """What is done with a datagram: "valid", the status it is answered with, or "dropped"."""
    try:
        message = parse(data)
        if isinstance(message, Request):
            validate_request(message)
        else:
            validate_response(message)
    except MalformedMessage as fault:
        return answered(fault)
    return "valid"


def answered(fault: MalformedMessage) -> str | int:
    if fault.request is None:
        return "dropped"
    answer = parse(respond(fault.request, fault.status, fault.reason, to_tag="t").encode())
    assert isinstance(answer, Response)
    assert answer.lines("via") == fault.request.lines("via")
    return answer.status


def octets(torture: Torture) -> bytes:
    return "\r\n".join(torture["lines"]).encode("utf-8", "surrogateescape")


def ours(name: str) -> Request:
    message = parse(octets(next(torture for torture in MESSAGES if torture["name"] == name)))
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("torture", MESSAGES, ids=lambda torture: torture["name"])
def test_our_own(torture: Torture) -> None:
    assert verdict_on(octets(torture)) == torture["verdict"], torture["about"]


def test_names_are_told_apart() -> None:
    assert len({torture["name"] for torture in MESSAGES}) == len(MESSAGES)


def test_spacing_changes_no_value() -> None:
    message = ours("spacing")
    assert [via.sent_by for via in message.vias] == ["198.51.100.7", "far.example", "203.0.113.255"]
    assert [via.branch for via in message.vias] == ["390abc", "z9hG4bKfar", "z9hG4bKfarther"]
    assert (message.from_.display, message.from_.tag, message.to.tag) == ('Amy \\"', "88bb", "77aa")
    assert (message.max_forwards, message.cseq.number, message.get("extension")) == (70, 12, "one two")
    assert message.contacts[0].parameters == {"fresh": "value", "bare": None, "q": "0.33"}
    assert message.contacts[0].display == 'Quoted ""'


def test_a_nul_is_a_character() -> None:
    message = ours("escaped-nul")
    assert message.to.uri.username == "nul-\0-nul"
    assert [contact.uri.username for contact in message.contacts] == ["\0", "\0\0"]


def test_an_escaped_name_is_another_name() -> None:
    message = ours("escaped-method")
    assert message.method == "RE%47IST%45R"
    assert len(message.contacts) == 1
    assert message.get("c%6fntact") == "<sip:a2@one.example>"


def test_only_the_first_of_two_requests_is_read() -> None:
    message = ours("second-request")
    assert (message.method, message.body) == ("REGISTER", b"")


def test_whose_parameter_it_is() -> None:
    bare = ours("contact-parameter").contacts[0]
    bracketed = ours("uri-parameter").contacts[0]
    assert (bare.parameters, bare.uri.parameters) == ({"unknownparam": None}, {})
    assert (bracketed.parameters, bracketed.uri.parameters) == ({}, {"unknownparam": None})
    assert ours("contact-uri-headers").contacts[0].uri.headers == "Route=%3Csip:proxy.example%3E"


def test_an_unknown_scheme_is_kept() -> None:
    assert ours("opaque-scheme").request_uri == Uri("nobodyknowsthis", opaque="opaque")
    assert ours("schemes-in-headers").to.uri.scheme == "isbn"


def corpus() -> dict[str, list[int | None]]:
    if not CORPUS.is_dir():
        return {}
    verdicts = json.loads((CORPUS / "verdicts.json").read_text("utf-8"))
    return {name: entry["ok"] for name, entry in verdicts.items()}


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"RFC 4475's own messages are not at {CORPUS}")
@pytest.mark.parametrize("name", sorted(corpus()))
def test_the_rfcs_own(name: str) -> None:
    verdict = verdict_on((CORPUS / f"{name}.dat").read_bytes())
    if name in READ_IN_FULL:
        assert verdict == "valid"
    else:
        assert verdict != "valid"
        assert (None if verdict == "dropped" else verdict) in corpus()[name]
