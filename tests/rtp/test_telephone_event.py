from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import MisuseError
from pbx.rtp.packet import RtpError, RtpPacket
from pbx.rtp.telephone_event import (
    DIGITS,
    MAX_DURATION,
    SILENCE,
    Digit,
    DigitReceiver,
    EventPayload,
    parse,
    press,
)


def _press(
    digit: str = "5", duration_ms: int = 100, *, sequence: int = 0, timestamp: int = 1000
) -> list[RtpPacket]:
    return [
        packet
        for _, packet in press(
            digit, duration_ms, payload_type=101, ssrc=7, sequence=sequence, timestamp=timestamp
        )
    ]


def _feed(receiver: DigitReceiver, packets: list[RtpPacket], now: float = 0.0) -> list[Digit]:
    return [digit for packet in packets for digit in receiver.receive(packet, now)]


@given(st.integers(0, 255), st.booleans(), st.integers(0, 63), st.integers(0, MAX_DURATION))
def test_parse_and_encode_are_inverses(event: int, end: bool, volume: int, duration: int) -> None:
    payload = EventPayload(event, end, volume, duration)
    assert parse(payload.encode()) == payload


def test_the_bits_of_the_payload() -> None:
    # 0x94 is the end bit and a volume of 20.
    assert parse(bytes.fromhex("019406e0")) == EventPayload(1, True, 20, 1760)
    # The reserved bit is ignored (§2.3.3).
    assert parse(bytes.fromhex("015406e0")) == EventPayload(1, False, 20, 1760)


@given(st.binary(max_size=8))
def test_any_bytes_raise_nothing_but_rtp_errors(data: bytes) -> None:
    if len(data) < 4:
        with pytest.raises(RtpError):
            parse(data)
    else:
        assert parse(data).encode()[0] == data[0]


@pytest.mark.parametrize(
    "payload",
    [EventPayload(256, False, 0, 0), EventPayload(1, False, 64, 0), EventPayload(1, True, 0, 65536)],
)
def test_fields_that_do_not_fit_are_our_own_fault(payload: EventPayload) -> None:
    with pytest.raises(MisuseError):
        payload.encode()


# Sending


def test_a_press_on_the_wire() -> None:
    sent = list(press("#", 50, payload_type=101, ssrc=7, sequence=65534, timestamp=2**32 - 1))
    assert [due for due, _ in sent] == [0, 20, 40, 60, 80]
    packets = [packet for _, packet in sent]
    assert [packet.marker for packet in packets] == [True, False, False, False, False]
    assert [packet.sequence for packet in packets] == [65534, 65535, 0, 1, 2]
    assert {(packet.timestamp, packet.ssrc, packet.payload_type) for packet in packets} == {
        (2**32 - 1, 7, 101)
    }
    payloads = [parse(packet.payload) for packet in packets]
    assert [(one.event, one.end, one.duration) for one in payloads] == [
        (11, False, 160),
        (11, False, 320),
        (11, True, 400),
        (11, True, 400),
        (11, True, 400),
    ]


@pytest.mark.parametrize("digit", ["", "X", "12", "\u0661"])
def test_what_is_no_digit_is_not_sent(digit: str) -> None:
    with pytest.raises(MisuseError):
        list(press(digit, 100, payload_type=101, ssrc=1, sequence=0, timestamp=0))
    with pytest.raises(MisuseError):
        list(press("1", 0, payload_type=101, ssrc=1, sequence=0, timestamp=0))


# Receiving


@pytest.mark.parametrize("digit", DIGITS)
def test_every_digit_is_given_once_with_its_duration(digit: str) -> None:
    receiver = DigitReceiver()
    assert _feed(receiver, _press(digit, 120)) == [Digit(digit, 120)]
    assert receiver.next_deadline() is None
    assert receiver.handle_timer(99.0) == []


def test_a_digit_is_given_at_the_first_end_packet() -> None:
    receiver = DigitReceiver()
    packets = _press("5", 60)
    assert [len(receiver.receive(packet, 0.0)) for packet in packets] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("kept", [[0], [1], [0, 1], [2], [4], [1, 3], [0, 0, 1, 1], [2, 2, 3, 4]])
def test_lost_and_repeated_packets_give_one_digit_all_the_same(kept: list[int]) -> None:
    packets = _press("9", 60)
    receiver = DigitReceiver()
    given_at_once = _feed(receiver, [packets[index] for index in kept])
    late = receiver.handle_timer(SILENCE)
    assert [digit.digit for digit in given_at_once + late] == ["9"]
    assert len(late) == (0 if max(kept) >= 2 else 1)
    expected = min(max(kept) + 1, 3) * 20
    assert (given_at_once + late)[0].duration_ms == expected


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_reordered_packets_give_one_digit(order: tuple[int, ...]) -> None:
    packets = _press("3", 60)[:3]
    receiver = DigitReceiver()
    assert [digit.digit for digit in _feed(receiver, [packets[index] for index in order])] == ["3"]


def test_a_press_without_an_end_is_given_after_silence_and_not_again() -> None:
    receiver = DigitReceiver()
    first, second, end = _press("1", 60)[:3]
    receiver.receive(first, 10.0)
    receiver.receive(second, 10.02)
    assert receiver.next_deadline() == pytest.approx(10.02 + SILENCE)
    assert receiver.handle_timer(10.1) == []
    assert receiver.handle_timer(10.3) == [Digit("1", 40)]
    assert receiver.next_deadline() is None
    assert receiver.receive(end, 10.4) == []


def test_a_press_without_an_end_is_given_when_the_next_begins() -> None:
    receiver = DigitReceiver()
    assert _feed(receiver, _press("1", 60)[:2]) == []
    assert receiver.receive(_press("2", 60, timestamp=5000)[0], 0.1) == [Digit("1", 40)]
    assert receiver.handle_timer(1.0) == [Digit("2", 20)]


def test_the_same_key_twice_is_two_presses() -> None:
    receiver = DigitReceiver()
    packets = _press("7", 80, timestamp=1000) + _press("7", 100, timestamp=3000)
    assert _feed(receiver, packets) == [Digit("7", 80), Digit("7", 100)]


def test_a_late_packet_of_the_press_before_is_ignored() -> None:
    receiver = DigitReceiver()
    before = _press("4", 60, timestamp=1000)
    assert _feed(receiver, before[:3]) == [Digit("4", 60)]
    after = _press("6", 60, timestamp=2600)
    assert _feed(receiver, [after[0], before[3], before[4], *after[1:]]) == [Digit("6", 60)]


def test_timestamps_wrap() -> None:
    receiver = DigitReceiver()
    packets = _press("1", 60, timestamp=2**32 - 100) + _press("2", 60, timestamp=900)
    assert _feed(receiver, packets) == [Digit("1", 60), Digit("2", 60)]


def test_a_clock_that_was_set_back_far_begins_a_new_press() -> None:
    receiver = DigitReceiver()
    packets = _press("1", 60, timestamp=10_000_000) + _press("2", 60, timestamp=5)
    assert _feed(receiver, packets) == [Digit("1", 60), Digit("2", 60)]


def test_two_keys_at_one_timestamp_are_two_presses() -> None:
    receiver = DigitReceiver()
    assert _feed(receiver, _press("1", 60) + _press("2", 60)) == [Digit("1", 60), Digit("2", 60)]


def test_a_new_source_begins_a_new_press() -> None:
    receiver = DigitReceiver()
    packets = _press("1", 60)
    for packet in _press("1", 60):
        packet.ssrc = 8
        packets.append(packet)
    assert _feed(receiver, packets) == [Digit("1", 60), Digit("1", 60)]


@pytest.mark.parametrize("duration_ms", [8191, 8192, 10_000, 20_000])
def test_a_press_longer_than_its_field_is_one_press(duration_ms: int) -> None:
    packets = _press("*", duration_ms)
    assert len({packet.timestamp for packet in packets}) == 1 + (duration_ms * 8 - 1) // MAX_DURATION
    receiver = DigitReceiver()
    assert _feed(receiver, packets) == [Digit("*", duration_ms)]


def test_events_that_are_no_keys_give_nothing() -> None:
    receiver = DigitReceiver()
    for event in (17, 32, 70, 255):
        payload = EventPayload(event, True, 10, 800).encode()
        assert receiver.receive(RtpPacket(101, event, event * 1000, 7, payload), 0.0) == []
    assert receiver.next_deadline() is None


def test_duration_is_in_the_clock_of_the_format() -> None:
    wide = [
        packet
        for _, packet in press("8", 100, payload_type=110, ssrc=1, sequence=0, timestamp=0, clock_rate=48000)
    ]
    assert _feed(DigitReceiver(48000), wide) == [Digit("8", 100)]


def test_a_packet_without_an_event_is_refused() -> None:
    receiver = DigitReceiver()
    with pytest.raises(RtpError):
        receiver.receive(RtpPacket(101, 0, 0, 7, b"\x01"), 0.0)


@given(st.text(DIGITS, max_size=8), st.data())
def test_any_loss_that_leaves_one_packet_of_each_press_gives_every_digit_once(
    dialled: str, data: st.DataObject
) -> None:
    receiver = DigitReceiver()
    heard = ""
    for place, digit in enumerate(dialled):
        packets = _press(digit, 80, timestamp=place * 2000)
        kept = data.draw(st.sets(st.integers(0, len(packets) - 1), min_size=1))
        heard += "".join(
            one.digit for one in _feed(receiver, [packets[index] for index in sorted(kept)], place)
        )
    heard += "".join(one.digit for one in receiver.handle_timer(1e9))
    assert heard == dialled
