import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.cli.interop.audio import FRAME, encode_ulaw, faults, sine
from pbx.cli.interop.clock import pause, wait_until
from pbx.cli.interop.ends import (
    AudioEnd,
    AudioThread,
    Received,
    bind_pair,
    read_packet,
    sound_of,
    stream_faults,
)

PEER = ("127.0.0.1", 4000)


def packets(count: int, *, sequence: int = 65530, timestamp: int = 2**32 - 500) -> list[Received]:
    """A flawless stream that wraps around everything that can wrap."""
    octets = encode_ulaw(sine(440, count * FRAME))
    return [
        Received(
            at=0.02 * number,
            source=PEER,
            payload_type=0,
            sequence=(sequence + number) % 65536,
            timestamp=(timestamp + FRAME * number) % 2**32,
            ssrc=7,
            payload=octets[FRAME * number : FRAME * (number + 1)],
        )
        for number in range(count)
    ]


@pytest.fixture
def end() -> Iterator[AudioEnd]:
    opened = AudioEnd.open("alice", 440)
    yield opened
    opened.close()


def test_a_packet_with_everything_a_header_can_have() -> None:
    header = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 1, 0x80 | 8, 17, 320, 99)
    extension = struct.pack("!HHI", 1, 1, 5)
    read = read_packet(header + b"CSRC" + extension + b"sound" + b"\0\0\3", 1.5, PEER)
    assert read == Received(1.5, PEER, 8, 17, 320, 99, b"sound")


@pytest.mark.parametrize("data", [b"", b"\x80" * 11, b"\x40" + bytes(20), b"\x90" + bytes(12)])
def test_what_is_not_rtp(data: bytes) -> None:
    assert read_packet(data, 0.0, PEER) is None


@given(st.binary(max_size=64))
def test_reading_never_raises(data: bytes) -> None:
    read_packet(data, 0.0, PEER)


def test_a_pair_is_an_even_port_and_the_next() -> None:
    rtp, rtcp = bind_pair("127.0.0.1")
    with rtp, rtcp:
        assert rtp.getsockname()[1] % 2 == 0
        assert rtcp.getsockname()[1] == rtp.getsockname()[1] + 1


@pytest.mark.network
def test_an_end_without_a_remote_is_silent_and_with_one_speaks(end: AudioEnd) -> None:
    listener, control = bind_pair("127.0.0.1")
    with listener, control:
        listener.settimeout(60)
        end.speak()
        assert end.sent == 0
        end.remote = listener.getsockname()
        for _ in range(10):
            end.speak()
        heard = [read_packet(listener.recv(2048), 0.0, ("127.0.0.1", end.port)) for _ in range(10)]
    stream = [packet for packet in heard if packet is not None]
    assert stream_faults(stream, 0.2, {("127.0.0.1", end.port)}) == []
    assert faults(sound_of(stream), {"alice": 440}, {"bob": 540}) == []
    assert {packet.ssrc for packet in stream} == {end.ssrc}


@pytest.mark.network
def test_what_is_skipped_is_missing_in_time_and_in_no_number(end: AudioEnd) -> None:
    listener, control = bind_pair("127.0.0.1")
    with listener, control:
        listener.settimeout(60)
        end.remote = listener.getsockname()
        end.speak()
        end.skip(28)
        end.speak()
        first, second = (read_packet(listener.recv(2048), 0.0, PEER) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (second.sequence - first.sequence) & 0xFFFF == 1
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 29 * FRAME


@pytest.mark.network
def test_keys_are_pressed_instead_of_the_tone() -> None:
    """RFC 4733 §2.5.1: one timestamp for a press, durations that grow, the end three times."""
    listener, control = bind_pair("127.0.0.1")
    end = AudioEnd.open("alice", 440, keys="1#", keys_at=3)
    with listener, control:
        listener.settimeout(60)
        end.remote = listener.getsockname()
        for _ in range(3 + 11 + 11 + 1):
            end.speak()
        count = 3 + 2 * (4 + 3 + 6) + 1
        heard = [read_packet(listener.recv(2048), 0.0, PEER) for _ in range(count)]
    stream = [packet for packet in heard if packet is not None]
    assert [packet.sequence for packet in stream] == [
        (stream[0].sequence + number) & 0xFFFF for number in range(count)
    ]
    events = [packet for packet in stream if packet.payload_type == 101]
    assert [packet.payload[0] for packet in events] == [1] * 7 + [11] * 7
    assert [packet.payload[1] for packet in events] == ([10] * 4 + [0x80 | 10] * 3) * 2
    assert [int.from_bytes(packet.payload[2:]) for packet in events] == [
        160,
        320,
        480,
        640,
        800,
        800,
        800,
    ] * 2
    assert len({packet.timestamp for packet in events}) == 2
    end.close()


@pytest.mark.network
def test_two_ends_that_talk_to_each_other_hear_each_other() -> None:
    alice, bob = AudioEnd.open("alice", 440), AudioEnd.open("bob", 540)
    alice.remote, bob.remote = ("127.0.0.1", bob.port), ("127.0.0.1", alice.port)
    with AudioThread([alice, bob]):
        assert wait_until(lambda: min(len(alice.received), len(bob.received)) >= 60, 20)
    assert faults(sound_of(alice.received), {"bob": 540}, {"alice": 440}) == []
    assert faults(sound_of(bob.received), {"alice": 440}, {"bob": 540}) == []


@pytest.mark.network
def test_what_is_not_rtp_is_counted_and_reports_are_kept_apart(end: AudioEnd) -> None:
    rtp, rtcp = bind_pair("127.0.0.1")
    with rtp, rtcp:
        rtp.sendto(b"hello", ("127.0.0.1", end.port))
        rtcp.sendto(b"report", ("127.0.0.1", end.port + 1))

        def came() -> bool:
            end.listen()
            return bool(end.malformed and end.reports)

        assert wait_until(came, 60)
    assert (end.malformed, end.reports, end.received) == (1, 1, [])


STILL = 0.5


class Busy(AudioEnd):
    """An end that keeps its thread from going on, once, as a machine does that stands still."""

    __slots__ = ()

    def speak(self) -> None:
        if self.sent == 0:
            pause(STILL)
        super().speak()


@pytest.mark.network
def test_a_thread_knows_how_long_it_was_kept_from_speaking() -> None:
    end = Busy.open("alice", 440)
    end.remote = ("127.0.0.1", end.port)
    with AudioThread([end]) as thread:
        assert wait_until(lambda: end.sent > 20, 60)
    assert max(stall.seconds for stall in thread.stalls) >= STILL - 0.02


def test_sound_is_in_the_order_of_the_timestamps_with_silence_for_what_is_missing() -> None:
    stream = packets(10)
    swapped = [*stream[:3], stream[4], stream[3], *stream[6:]]
    sound = sound_of(swapped)
    whole = sound_of(stream)
    assert len(sound) == len(whole) == 10 * FRAME
    assert np.array_equal(sound[: 5 * FRAME], whole[: 5 * FRAME])
    assert not sound[5 * FRAME : 6 * FRAME].any()


def test_a_timestamp_from_elsewhere_makes_no_huge_array() -> None:
    stream = packets(4)
    stream[2].timestamp = (stream[2].timestamp + 2**30) % 2**32
    assert len(sound_of(stream)) <= 8 * FRAME
    assert len(sound_of([])) == 0


def test_a_flawless_stream_has_no_faults() -> None:
    assert stream_faults(packets(100), 2.0, {PEER}) == []


def test_faults_of_a_stream_as_such() -> None:
    def found(stream: list[Received], seconds: float = 2.0) -> str:
        return "; ".join(stream_faults(stream, seconds, {PEER}))

    foreign = packets(100)
    foreign[50].source = ("127.0.0.1", 6666)
    assert found(foreign) == "sound came from 127.0.0.1:4000, 127.0.0.1:6666, the SDP says 127.0.0.1:4000"
    typed = packets(100)
    typed[50].payload_type = 8
    assert found(typed) == "payload types [8] where only 0 was agreed"
    changed = packets(100)
    for packet in changed[50:]:
        packet.ssrc = 8
    assert found(changed) == "2 synchronisation sources in one stream"
    assert found(packets(100), 3.0) == "100 packets in 3.0 s, where 150 were expected"
    lost = packets(103)
    del lost[20:23]
    assert found(lost) == "3 of 103 packets lost"
    repeated = packets(100)
    repeated.insert(10, repeated[10])
    assert found(repeated) == "1 packets repeated or out of order"
    jumped = packets(100)
    for packet in jumped[50:]:
        packet.timestamp = (packet.timestamp + 4711) % 2**32
    assert found(jumped) == "1 timestamps that do not go with their sequence numbers"
