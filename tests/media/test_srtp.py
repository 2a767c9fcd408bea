"""SRTP legs of the media plane, with libsrtp through its own Python binding as the phone's side."""

import struct
from collections.abc import Iterator

import pytest
from pylibsrtp import Error, Policy, Session

from pbx.media.plane import MediaPlane
from pbx.media.srtp import MAX_SOURCES
from pbx.media.values import LegId
from pbx.sdp.crypto import KEY_OCTETS, OFFERED_SUITES, Security, Suite
from tests.media.support import (
    Phone,
    Phones,
    bridged,
    configure,
    header,
    leg_for,
    new_plane,
    obeyed,
    wait_until,
)

PROFILES: dict[Suite, int] = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
PLAIN: Suite = "AES_CM_128_HMAC_SHA1_80"

pytestmark = pytest.mark.network


def key(number: int, suite: Suite = PLAIN) -> bytes:
    return bytes((number * 31 + at) % 256 for at in range(KEY_OCTETS[suite]))


def security(suite: Suite = PLAIN, theirs: int = 1, ours: int = 2) -> Security:
    return Security(suite, key(theirs, suite), key(ours, suite))


class SecurePhone:
    """A phone's two sessions around a plain one's socket."""

    def __init__(self, phone: Phone, suite: Suite = PLAIN, *, sends: int = 1, hears: int = 2) -> None:
        self.phone = phone
        profile = PROFILES[suite]
        self.sending = Session(Policy(key(sends, suite), Policy.SSRC_ANY_OUTBOUND, 0, profile))
        self.hearing = Session(Policy(key(hears, suite), Policy.SSRC_ANY_INBOUND, 0, profile))

    def made(self, payload: bytes = b"\xd5" * 160) -> bytes:
        phone = self.phone
        packet = self.sending.protect(header(phone.sequence, phone.timestamp, phone.ssrc) + payload)
        phone.sequence += 1
        phone.timestamp += 160
        return packet

    def send(self, payload: bytes = b"\xd5" * 160) -> bytes:
        packet = self.made(payload)
        self.phone.send_raw(packet)
        return packet

    def hear(self) -> bytes:
        """The payload of a packet that is ours."""
        return self.hearing.unprotect(self.phone.socket.recv(4096))[12:]


def secured(plane: MediaPlane, phone: Phone, protection: Security) -> LegId:
    leg = leg_for(plane, phone)
    plane.secure(leg, protection)
    obeyed(plane)
    return leg


@pytest.fixture
def reporting() -> Iterator[MediaPlane]:
    running = new_plane(report_interval=0.2)
    yield running
    assert running.canaries_stand()
    running.stop()


@pytest.mark.parametrize("suite", OFFERED_SUITES)
def test_a_secure_leg_and_a_plain_one_hear_each_other(
    plane: MediaPlane, phones: Phones, suite: Suite
) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = secured(plane, alice, security(suite)), leg_for(plane, bob)
    plane.bridge(a, b)
    obeyed(plane)
    secure = SecurePhone(alice, suite)
    for number in range(5):
        payload = bytes([number]) * 160
        secure.send(payload)
        assert bob.hear().payload == payload
        bob.send(payload)
        assert secure.hear() == payload
    counted = plane.statistics(a)
    assert (counted.received.packets, counted.received.octets, counted.sent.packets) == (5, 800, 5)
    assert counted.dropped.total == 0


def test_two_secure_legs_have_keys_of_their_own(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a = secured(plane, alice, security(theirs=1, ours=2))
    b = secured(plane, bob, security("AEAD_AES_256_GCM", theirs=3, ours=4))
    plane.bridge(a, b)
    obeyed(plane)
    SecurePhone(alice).send(b"a" * 160)
    other = SecurePhone(bob, "AEAD_AES_256_GCM", sends=3, hears=4)
    assert other.hear() == b"a" * 160


def test_a_wrong_key_is_dropped_and_counted_and_proves_no_source(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = secured(plane, alice, security()), leg_for(plane, bob)
    plane.bridge(a, b)
    obeyed(plane)
    SecurePhone(alice, sends=9).send()
    alice.send()
    wait_until(lambda: plane.statistics(a).dropped.unauthenticated == 2)
    assert plane.statistics(a).source is None
    SecurePhone(alice).send(b"good" * 40)
    assert bob.hear().payload == b"good" * 40
    assert plane.statistics(a).received.packets == 1


def test_a_repeated_packet_is_dropped_and_counted(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = secured(plane, alice, security()), leg_for(plane, bob)
    plane.bridge(a, b)
    obeyed(plane)
    secure = SecurePhone(alice)
    first = secure.send(b"1" * 160)
    assert bob.hear().payload == b"1" * 160
    alice.send_raw(first)
    secure.send(b"2" * 160)
    assert bob.hear().payload == b"2" * 160
    counted = plane.statistics(a)
    assert (counted.dropped.replayed, counted.dropped.unauthenticated, counted.received.packets) == (1, 0, 2)


@pytest.mark.parametrize("suite", ["AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"])
def test_a_changed_or_shortened_packet_is_dropped(plane: MediaPlane, phones: Phones, suite: Suite) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = secured(plane, alice, security(suite)), leg_for(plane, bob)
    plane.bridge(a, b)
    obeyed(plane)
    secure = SecurePhone(alice, suite)
    packet = secure.made()
    changed = [
        packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1 :]
        for at in (1, 3, 5, 9, 12, 100, len(packet) - 1)
    ]
    shortened = [packet[:length] for length in (12, 13, 15, 16, 27, 28, 100, len(packet) - 1)]
    for bad in [*changed, *shortened]:
        alice.send_raw(bad)
    alice.send_raw(packet[:11])
    alice.send_raw(b"")
    alice.send_raw(b"\x90" + packet[1:14] + b"\xff\xff")
    wait_until(
        lambda: (
            plane.statistics(a).dropped.unauthenticated == len(changed) + len(shortened) + 1
            and plane.statistics(a).dropped.malformed == 2
        )
    )
    alice.send_raw(packet)
    assert bob.hear().payload == b"\xd5" * 160


def test_a_packet_that_fills_the_buffer_is_not_grown_past_it(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = leg_for(plane, alice), secured(plane, bob, security())
    plane.bridge(a, b)
    obeyed(plane)
    for size in (4096, 4090, 4081):
        alice.send(b"x" * (size - 12))
    wait_until(lambda: plane.statistics(b).sent.failed == 3)
    alice.send(b"y" * (4080 - 12))
    bob.socket.recv(8192)
    assert plane.statistics(b).sent.packets == 1


def test_a_new_key_takes_over_and_the_same_key_goes_on(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = secured(plane, alice, security()), leg_for(plane, bob)
    plane.bridge(a, b)
    obeyed(plane)
    secure = SecurePhone(alice)
    old = secure.send()
    bob.hear()
    plane.secure(a, security())
    obeyed(plane)
    alice.send_raw(old)
    wait_until(lambda: plane.statistics(a).dropped.replayed == 1)
    plane.secure(a, security(theirs=5, ours=6))
    obeyed(plane)
    secure.send()
    wait_until(lambda: plane.statistics(a).dropped.unauthenticated == 1)
    renewed = SecurePhone(alice, sends=5, hears=6)
    renewed.send(b"new" * 50)
    assert bob.hear().payload == b"new" * 50
    bob.send(b"back" * 40)
    assert renewed.hear() == b"back" * 40
    plane.secure(a, None)
    obeyed(plane)
    alice.send(b"plain" * 32)
    assert bob.hear().payload == b"plain" * 32


def test_sessions_are_freed_once_the_loop_has_let_go_of_them(plane: MediaPlane, phones: Phones) -> None:
    legs = [secured(plane, phones.new(), security()) for _ in range(3)]
    assert plane._srtp.held == 6
    plane.secure(legs[0], security(theirs=7))
    obeyed(plane)
    plane.close(legs[1])
    plane.secure(legs[2], None)
    assert plane._srtp.held >= 2
    obeyed(plane)
    plane.events()
    assert plane._srtp.held == 2


def test_a_leg_that_moves_to_another_thread_keeps_its_sessions(phones: Phones) -> None:
    plane = new_plane(threads=2)
    try:
        alice, bob = phones.new(), phones.new()
        a = secured(plane, alice, security())
        b = leg_for(plane, bob)
        plane.bridge(b, a)
        obeyed(plane)
        secure = SecurePhone(alice)
        secure.send(b"m" * 160)
        assert bob.hear().payload == b"m" * 160
        bob.send(b"n" * 160)
        assert secure.hear() == b"n" * 160
    finally:
        plane.stop()


def test_sources_that_libsrtp_has_to_remember_are_bounded(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = secured(plane, alice, security()), leg_for(plane, bob)
    plane.bridge(a, b)
    obeyed(plane)
    secure = SecurePhone(alice)
    for number in range(MAX_SOURCES + 3):
        alice.ssrc = 0x1000 + number
        secure.send()
    wait_until(lambda: plane.statistics(a).dropped.unauthenticated == 3)
    assert plane.statistics(a).received.packets == MAX_SOURCES


def _receiver_report(ssrc: int, about: int, lost: int) -> bytes:
    return struct.pack("!BBHIIIIIII", 0x81, 201, 7, ssrc, about, lost, 0, 16, 0, 0)


def test_reports_of_a_secure_leg_are_srtcp_both_ways(reporting: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.pair(), phones.new()
    assert alice.rtcp is not None
    a, b = secured(reporting, alice, security()), leg_for(reporting, bob)
    reporting.bridge(a, b)
    obeyed(reporting)
    secure = SecurePhone(alice)
    secure.send()
    bob.hear()
    bob.send()
    heard = secure.hearing.unprotect(alice.socket.recv(4096))
    ours = int.from_bytes(heard[8:12], "big")
    data, source = alice.rtcp.recvfrom(2048)
    while data[1] != 200:
        data = alice.rtcp.recv(2048)
    report = secure.hearing.unprotect_rtcp(data)
    assert report[4:8] == ours.to_bytes(4, "big")
    assert len(data) == len(report) + 14
    answer = secure.sending.protect_rtcp(_receiver_report(alice.ssrc, ours, 7))
    alice.rtcp.sendto(answer, source)
    wait_until(lambda: reporting.statistics(a).rtcp.received == 1)
    assert reporting.statistics(a).heard.lost == 7
    plain = _receiver_report(alice.ssrc, ours, 8)
    alice.rtcp.sendto(answer, source)
    wait_until(lambda: reporting.statistics(a).rtcp.replayed == 1)
    fresh = secure.sending.protect_rtcp(plain)
    # libsrtp looks at the index first: what is no SRTCP at all may look like something that came before.
    for bad in (plain, plain + bytes(14), fresh[:-1], fresh[:20] + b"?" + fresh[21:]):
        alice.rtcp.sendto(bad, source)
    wait_until(lambda: _refused(reporting, a) == 5)
    counted = reporting.statistics(a).rtcp
    assert (counted.received, reporting.statistics(a).heard.lost) == (1, 7)
    assert counted.unauthenticated >= 1


def _refused(plane: MediaPlane, leg: LegId) -> int:
    counted = plane.statistics(leg).rtcp
    return counted.unauthenticated + counted.replayed


def test_what_leaves_a_secure_leg_is_not_plain(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = secured(plane, alice, security()), leg_for(plane, bob)
    plane.bridge(a, b)
    obeyed(plane)
    bob.send(b"secret" * 20)
    packet = alice.socket.recv(4096)
    assert b"secret" not in packet
    assert len(packet) == 12 + 120 + 10
    with pytest.raises(Error):
        SecurePhone(alice, hears=3).hearing.unprotect(packet)


def test_a_leg_without_keys_is_plain_as_before(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    plane.secure(a, None)
    configure(plane, a, alice.address)
    alice.send(b"p" * 160)
    assert bob.hear().payload == b"p" * 160
