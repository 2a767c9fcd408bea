"""RFC 4475's REGISTER faults behind the challenge: sent by a user with a password, so that only the message
itself stands between the fault and the table of bindings.
"""

import pytest

from pbx.sip.message import Request
from tests.service.house import DOMAIN, House
from tests.service.phone import Phone


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def alice(house: House) -> Phone:
    return Phone(house, "1001", "192.0.2.11")


def register(
    phone: Phone, headers: str, *, to: str = f"<sip:1001@{DOMAIN}>", method: str = "REGISTER", serial: int = 1
) -> int:
    """Send a REGISTER with these headers, answering the challenge; the final status."""
    for number, authorization in enumerate(phone._with_challenge("REGISTER", f"sip:{DOMAIN}")):
        phone.send(
            f"{method} sip:{DOMAIN} SIP/2.0\r\n{phone.via(phone.branch())}Max-Forwards: 70\r\n"
            f"From: <sip:1001@{DOMAIN}>;tag=reg\r\nTo: {to}\r\nCall-ID: torture\r\n"
            f"CSeq: {serial + number} {method}\r\n{headers}{authorization}"
        )
    return phone.response(method).status


@pytest.mark.parametrize(
    "headers",
    [
        # 3.1.2.13: whose the question mark is cannot be known without brackets.
        "Contact: sip:1001@192.0.2.11?Route=%3Csip:sip.example.com%3E\r\n",
        # 3.1.2.4: numbers beyond what they may be.
        "Contact: <sip:1001@192.0.2.11>\r\nExpires: 10000000000000\r\n",
        # 3.3.4: an address that is none of SIP's.
        "Contact: <name:John_Smith>\r\n",
        "Contact: <tel:+3120123>\r\n",
        # RFC 3261 §10.3 step 6.
        "Contact: *\r\nExpires: 60\r\n",
        "Contact: *, <sip:1001@192.0.2.11>\r\nExpires: 0\r\n",
        # One good Contact does not carry a bad one.
        "Contact: <sip:1001@192.0.2.11>, <sip:1001@192.0.2.12\r\n",
        "Contact: <sip:1001@192.0.2.11>;q=7\r\n",
    ],
)
def test_a_bad_contact_is_not_stored(house: House, alice: Phone, headers: str) -> None:
    assert register(alice, headers) == 400
    assert len(house.registrar) == 0


def test_a_bad_contact_changes_no_binding(house: House, alice: Phone) -> None:
    alice.register()
    before = house.registrar.bindings("1001", house.now)
    assert register(alice, "Contact: *\r\nExpires: 1\r\n", serial=50) == 400
    assert house.registrar.bindings("1001", house.now) == before


def test_nul_in_a_user_is_a_character_of_it(house: House, alice: Phone) -> None:
    # 3.1.1.4: neither contact is the other, nor is either an empty user.
    headers = "Contact: <sip:%00@192.0.2.11>\r\nContact: <sip:%00%00@192.0.2.11>\r\n"
    assert register(alice, headers) == 200
    assert len(house.registrar) == 2
    assert [str(contact.uri) for contact in alice.response("REGISTER").contacts] == [
        "sip:%00@192.0.2.11",
        "sip:%00%00@192.0.2.11",
    ]


@pytest.mark.parametrize(
    "to",
    [
        f"sip:1001%00@{DOMAIN}",
        f"sip:%00@{DOMAIN}",
        f"sip:1002@{DOMAIN}",
        f"sip:@{DOMAIN}",
        f"sip:{DOMAIN}",
        "isbn:2983792873",
    ],
)
def test_nobody_registers_for_a_name_like_theirs(house: House, alice: Phone, to: str) -> None:
    # 3.1.1.4, 3.3.4
    assert register(alice, "Contact: <sip:1001@192.0.2.11>\r\n", to=to) in {400, 403}
    assert len(house.registrar) == 0


def test_an_escaped_method_is_another_method(house: House, alice: Phone) -> None:
    # 3.1.1.5, with credentials that would do for a REGISTER.
    alice.register()
    alice.register(expires=0)
    assert register(alice, "Contact: <sip:1001@192.0.2.11>\r\n", method="RE%47IST%45R") == 501
    assert len(house.registrar) == 0


def test_an_unknown_scheme_of_credentials_is_challenged(house: House, alice: Phone) -> None:
    # 3.3.7
    headers = "Contact: <sip:1001@192.0.2.11>\r\nAuthorization: NoOneKnowsThisScheme opaque-data=here\r\n"
    alice.send(
        f"REGISTER sip:{DOMAIN} SIP/2.0\r\n{alice.via(alice.branch())}Max-Forwards: 70\r\n"
        f"From: <sip:1001@{DOMAIN}>;tag=reg\r\nTo: <sip:1001@{DOMAIN}>\r\nCall-ID: torture\r\n"
        f"CSeq: 1 REGISTER\r\n{headers}"
    )
    assert alice.responses("REGISTER") == [401]
    assert len(house.registrar) == 0


def test_whose_parameter_it_is(house: House, alice: Phone) -> None:
    # 3.3.12, 3.3.13: after the brackets it is the header's, within them the URI's.
    headers = "Contact: sip:+1972@192.0.2.11;unknownparam\r\nContact: <sip:+1973@192.0.2.11;unknownparam>\r\n"
    assert register(alice, headers) == 200
    bindings = {binding.contact.user: binding for binding in house.registrar.bindings("1001", house.now)}
    assert bindings["+1972"].contact.parameters == {}
    assert bindings["+1973"].contact.parameters == {"unknownparam": None}


def test_headers_of_a_bound_contact_reach_nobody(house: House, alice: Phone) -> None:
    # 3.3.14: stored, but an INVITE along the binding must not carry a Route that a REGISTER made up.
    bob = Phone(house, "1002", "192.0.2.12")
    headers = "Contact: <sip:1001@192.0.2.11?Route=%3Csip:sip.example.com%3E&X=y>\r\n"
    assert register(alice, headers) == 200
    bob.invite("1001")
    invite = alice.requests("INVITE")[-1]
    assert isinstance(invite, Request)
    assert "?" not in invite.uri
    assert not invite.has("route")
    assert not invite.has("x")
