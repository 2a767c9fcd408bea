from base64 import b64encode
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sdp.crypto import (
    KEY_OCTETS,
    OFFERED_SUITES,
    Crypto,
    LocalKeys,
    Security,
    SrtpPolicy,
    Suite,
    fits,
    is_rekeyed,
    lines_of,
    parse_crypto,
)
from pbx.sdp.description import Description, parse
from pbx.sdp.errors import NothingFits
from pbx.sdp.formats import PCMA, PCMU
from pbx.sdp.negotiation import accepted, agreed_as_answerer, answer, first_audio, offer, relay_offer, renewed
from tests.sdp.examples import OUR_ORIGIN, US, audio

COMMON: Suite = "AES_CM_128_HMAC_SHA1_80"
POLICIES: tuple[SrtpPolicy, ...] = ("off", "accepted", "optional", "required")


def key(number: int, suite: Suite = COMMON) -> bytes:
    return bytes([number]) * KEY_OCTETS[suite]


def inline(number: int, suite: Suite = COMMON) -> str:
    return f"inline:{b64encode(key(number, suite)).decode()}"


def line(tag: int = 1, suite: Suite = COMMON, number: int = 1, more: str = "") -> str:
    return f"a=crypto:{tag} {suite} {inline(number, suite)}{more}"


def savp(*lines: str, formats: str = "0 8") -> Description:
    return parse(audio(formats, *lines).replace(b"RTP/AVP", b"RTP/SAVP"))


def avp(*lines: str, formats: str = "0 8") -> Description:
    return parse(audio(formats, *lines))


def keys(policy: SrtpPolicy = "accepted", first: int = 100) -> LocalKeys:
    numbers = iter(range(first, 250))
    return LocalKeys(policy, lambda count: bytes([next(numbers)]) * count)


def crypto_of(description: Description) -> list[str]:
    return [
        text for text in description.encode().decode().split("\r\n") if text.startswith(("a=crypto", "m="))
    ]


# Lines


@pytest.mark.parametrize("suite", OFFERED_SUITES)
def test_a_line_is_read_and_printed(suite: Suite) -> None:
    text = line(7, suite, 9)
    read = parse_crypto(text.removeprefix("a=crypto:"))
    assert read == Crypto(7, suite, key(9, suite))
    assert f"a={read.encode()}" == text


@pytest.mark.parametrize(
    "more", ["", "|2^20", "|2^48", "|1048576", "|281474976710656", " WSH=64", " WSH=128 KDR=0", " -NEW=1 -X"]
)
def test_parameters_that_ask_for_nothing_are_taken(more: str) -> None:
    assert parse_crypto(f"1 {COMMON} {inline(1)}{more}") == Crypto(1, COMMON, key(1))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        f"1 {COMMON}",
        f"x {COMMON} {inline(1)}",
        f"-1 {COMMON} {inline(1)}",
        f"1234567890 {COMMON} {inline(1)}",
        f"1 AES_256_CM_HMAC_SHA1_80 {inline(1)}",
        f"1 F8_128_HMAC_SHA1_80 {inline(1)}",
        f"1 {COMMON} other:{inline(1)[7:]}",
        f"1 {COMMON} {inline(1)[7:]}",
        f"1 {COMMON} {inline(1)}|1:4",
        f"1 {COMMON} {inline(1)}|2^20|1:4",
        f"1 {COMMON} {inline(1)}|2^20|1:4;{inline(2)}|2^20|2:4",
        f"1 {COMMON} {inline(1)}|2^19",
        f"1 {COMMON} {inline(1)}|2^49",
        f"1 {COMMON} {inline(1)}|2^999999999",
        f"1 {COMMON} {inline(1)}|3^20",
        f"1 {COMMON} {inline(1)}|",
        f"1 {COMMON} {inline(1)} UNENCRYPTED_SRTP",
        f"1 {COMMON} {inline(1)} UNENCRYPTED_SRTCP",
        f"1 {COMMON} {inline(1)} UNAUTHENTICATED_SRTP",
        f"1 {COMMON} {inline(1)} FEC_ORDER=FEC_SRTP",
        f"1 {COMMON} {inline(1)} KDR=1",
        f"1 {COMMON} {inline(1)} WSH=129",
        f"1 {COMMON} {inline(1)} WSH=",
        f"1 {COMMON} {inline(1)} NEW=1",
        f"1 {COMMON} inline:{'A' * 39}",
        f"1 {COMMON} inline:{'A' * 41}",
        f"1 {COMMON} inline:{'A' * 39}!",
        f"1 {COMMON} inline:{'é' * 40}",
        f"1 AEAD_AES_128_GCM {inline(1)}",
        f"1 AEAD_AES_256_GCM {inline(1, 'AEAD_AES_128_GCM')}",
    ],
)
def test_a_line_that_asks_for_more_is_not_taken(value: str) -> None:
    assert parse_crypto(value) is None


def test_padding_may_be_missing_and_names_are_of_either_case() -> None:
    padded = b64encode(key(5, "AEAD_AES_128_GCM")).decode()
    assert padded.endswith("==")
    read = parse_crypto(f"3 aead_aes_128_gcm INLINE:{padded.rstrip('=')}")
    assert read == Crypto(3, "AEAD_AES_128_GCM", key(5, "AEAD_AES_128_GCM"))


def test_keys_are_not_shown() -> None:
    shown = repr((Crypto(1, COMMON, b"secret" * 5), Security(COMMON, b"secret" * 5, b"secret" * 5)))
    assert "secret" not in shown


@given(st.text(max_size=120), st.integers(0, 3))
def test_any_text_is_a_line_or_none(text: str, start: int) -> None:
    head = ["", "1 ", f"1 {COMMON} ", f"1 {COMMON} inline:"][start]
    read = parse_crypto(head + text)
    assert read is None or len(read.key) == KEY_OCTETS[read.suite]


# Answering


def test_the_first_line_that_we_know_is_answered_with_its_tag_and_our_key() -> None:
    offered = savp(
        "a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:whatever",
        line(2, COMMON, 1, " UNENCRYPTED_SRTP"),
        line(3, "AES_CM_128_HMAC_SHA1_32", 2),
        line(4, COMMON, 3),
    )
    ours = answer(offered, US, OUR_ORIGIN, [PCMU], keys=keys())
    assert crypto_of(ours) == [
        "m=audio 20000 RTP/SAVP 0",
        line(3, "AES_CM_128_HMAC_SHA1_32", 100),
    ]
    agreed = agreed_as_answerer(offered, ours)
    assert agreed.security == Security("AES_CM_128_HMAC_SHA1_32", key(2), key(100))
    again = parse(ours.encode())
    assert lines_of(again.media[0].attributes) == lines_of(ours.media[0].attributes)


# (policy, protocol, whether there are lines) -> (taken, secure); None: refused
TABLE: dict[tuple[SrtpPolicy, str, bool], bool | None] = {
    ("off", "RTP/AVP", False): False,
    ("off", "RTP/AVP", True): False,
    ("off", "RTP/SAVP", False): None,
    ("off", "RTP/SAVP", True): None,
    ("accepted", "RTP/AVP", False): False,
    ("accepted", "RTP/AVP", True): True,
    ("accepted", "RTP/SAVP", False): None,
    ("accepted", "RTP/SAVP", True): True,
    ("optional", "RTP/AVP", False): False,
    ("optional", "RTP/AVP", True): True,
    ("optional", "RTP/SAVP", False): None,
    ("optional", "RTP/SAVP", True): True,
    ("required", "RTP/AVP", False): None,
    ("required", "RTP/AVP", True): True,
    ("required", "RTP/SAVP", False): None,
    ("required", "RTP/SAVP", True): True,
}


@pytest.mark.parametrize(
    ("policy", "protocol", "with_line"), list(product(POLICIES, ("RTP/AVP", "RTP/SAVP"), (False, True)))
)
def test_what_each_policy_answers(policy: SrtpPolicy, protocol: str, with_line: bool) -> None:
    make = savp if protocol == "RTP/SAVP" else avp
    offered = make(*([line()] if with_line else []))
    secure = TABLE[policy, protocol, with_line]
    own = keys(policy)
    if secure is None:
        with pytest.raises(NothingFits) as fault:
            answer(offered, US, OUR_ORIGIN, keys=own)
        assert fault.value.status == 488
        with pytest.raises(NothingFits):
            relay_offer(offered, US, OUR_ORIGIN, None, None, policy)
        assert first_audio(offered, policy) is None
        return
    ours = answer(offered, US, OUR_ORIGIN, keys=own)
    assert ours.media[0].protocol == protocol
    agreed = agreed_as_answerer(offered, ours)
    assert (agreed.security is not None) == secure
    assert first_audio(offered, policy) is offered.media[0]
    # The other side reads the same of it.
    if secure:
        theirs = accepted(offered, ours).security
        assert theirs == Security(COMMON, key(100), key(1))


def test_other_protocols_fit_no_policy() -> None:
    for policy in POLICIES:
        assert not fits("RTP/SAVPF", (line()[2:],), policy)
        assert not fits("UDP/TLS/RTP/SAVP", (line()[2:],), policy)
        assert not fits("rtp/avp", (), policy)


def test_of_two_streams_the_one_that_the_policy_takes_is_taken() -> None:
    both = parse(
        audio("0")
        + b"m=audio 49180 RTP/SAVP 8\r\n"
        + line().encode()
        + b"\r\nm=audio 49190 RTP/SAVP 0\r\n"
        + line().encode()
        + b"\r\n"
    )
    assert [each.port for each in answer(both, US, OUR_ORIGIN, keys=keys("required")).media] == [0, 20000, 0]
    assert [each.port for each in answer(both, US, OUR_ORIGIN, keys=keys("accepted")).media] == [20000, 0, 0]
    assert relay_offer(both, US, OUR_ORIGIN, None, None, "required").media[0].formats == (PCMA,)


# Offering


@pytest.mark.parametrize(
    ("policy", "protocol", "lines"),
    [
        ("off", "RTP/AVP", 0),
        ("accepted", "RTP/AVP", 0),
        ("optional", "RTP/AVP", 4),
        ("required", "RTP/SAVP", 4),
    ],
)
def test_what_each_policy_offers(policy: SrtpPolicy, protocol: str, lines: int) -> None:
    made = offer([PCMU], US, OUR_ORIGIN, keys=keys(policy))
    relayed = relay_offer(avp(), US, OUR_ORIGIN, None, keys(policy))
    for each in (made.media[0], relayed.media[0]):
        assert each.protocol == protocol
        found = lines_of(each.attributes)
        assert [known.tag for known in found] == list(range(1, lines + 1))
        assert len({known.key for known in found}) == lines


def test_an_offer_of_ours_is_answered_with_one_of_its_lines() -> None:
    own = keys("required")
    made = offer([PCMU], US, OUR_ORIGIN, keys=own)
    third = OFFERED_SUITES[2]
    agreed = accepted(made, savp(line(3, third, 9), formats="0"))
    assert agreed.security == Security(third, key(9, third), own.key(third))


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [line(9)],
        [line(1, "AES_CM_128_HMAC_SHA1_32")],
        [line(1, COMMON, 1, " UNENCRYPTED_SRTP")],
        ["a=crypto:1 nonsense"],
    ],
)
def test_an_answer_without_one_of_our_lines_is_no_answer_for_savp(lines: list[str]) -> None:
    made = offer([PCMU], US, OUR_ORIGIN, keys=keys("required"))
    with pytest.raises(NothingFits):
        accepted(made, savp(*lines, formats="0"))


def test_a_peer_may_leave_the_keys_of_a_plain_offer_alone() -> None:
    made = offer([PCMU], US, OUR_ORIGIN, keys=keys("optional"))
    assert accepted(made, avp(formats="0")).security is None
    assert accepted(made, avp(line(9), formats="0")).security is None
    assert accepted(made, avp(line(1), formats="0")).security is not None


def test_a_key_that_nobody_offered_means_nothing() -> None:
    made = offer([PCMU], US, OUR_ORIGIN)
    assert accepted(made, avp(line(1), formats="0")).security is None


# Later offers


def test_a_new_offer_of_ours_has_the_line_in_use_and_no_other() -> None:
    own = keys("required")
    made = offer([PCMU], US, OUR_ORIGIN, keys=own)
    agreed = accepted(made, savp(line(2, OFFERED_SUITES[1], 9), formats="0"))
    again = renewed(made, agreed, "sendonly")
    assert lines_of(again.media[0].attributes) == [Crypto(2, OFFERED_SUITES[1], own.key(OFFERED_SUITES[1]))]
    assert accepted(again, savp(line(2, OFFERED_SUITES[1], 9), formats="0")).security == agreed.security


def test_a_new_offer_after_a_plain_answer_is_plain() -> None:
    made = offer([PCMU], US, OUR_ORIGIN, keys=keys("optional"))
    again = renewed(made, accepted(made, avp(formats="0")), "sendrecv")
    assert again.media[0].attributes == ()


def test_a_peer_has_a_new_key_or_the_same() -> None:
    security = Security(COMMON, key(1), key(100))
    assert not is_rekeyed([line()[2:]], security)
    assert is_rekeyed([line(1, COMMON, 2)[2:]], security)
    assert is_rekeyed([line(1, "AES_CM_128_HMAC_SHA1_32", 1)[2:]], security)
    assert not is_rekeyed([], security)
    assert not is_rekeyed([line()[2:]], None)


def test_our_key_of_a_suite_stays_until_it_is_renewed() -> None:
    own = keys()
    first = own.key(COMMON)
    assert own.key(COMMON) == first
    assert own.key("AES_CM_128_HMAC_SHA1_32") != first
    own.renew()
    assert own.key(COMMON) != first


def test_no_key_of_one_leg_reaches_the_other() -> None:
    relayed = relay_offer(savp(line(number=7)), US, OUR_ORIGIN, None, keys("required"), "accepted")
    assert inline(7) not in relayed.encode().decode()
