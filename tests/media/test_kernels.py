from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import layout, proof, reception, stream
from tests.media import twins

ORDERS = {0: "in order", 1: "reordered", 2: "duplicate", 3: "late", 4: "jumped"}
VERDICTS = {0: "stranger", 1: "known", 2: "newly proven"}

uint32 = st.integers(0, 2**32 - 1)
# Mostly small steps forward and back, sometimes anywhere.
steps = st.one_of(st.integers(-3, 5), st.integers(-130, 130), st.integers(-70_000, 70_000))


def record(**values: int) -> Any:
    row = np.zeros(1, layout.LEG)
    row["peer"], row["bad_sequence"] = layout.NOBODY, -1
    for name, value in values.items():
        row[name] = value
    return row[0]


def sequences(start: int, moves: list[int]) -> list[int]:
    at, found = start, [start]
    for move in moves:
        at += move
        found.append(at % 65536)
    return found


@given(st.binary(max_size=120), st.integers(-1, 200))
def test_any_bytes_are_read_as_the_twin_reads_them(data: bytes, length: int) -> None:
    room = np.zeros(128, np.uint8)
    room[: len(data)] = np.frombuffer(data, np.uint8)
    assert reception.payload_of(room, length) == twins.payload_of(room.tobytes(), length, 128)


@given(
    st.integers(0, 255).map(lambda first: first & 0x3F | 0x80),
    st.binary(min_size=11, max_size=120),
    st.data(),
)
def test_headers_that_lie_are_refused_as_the_twin_refuses_them(
    first: int, rest: bytes, data: st.DataObject
) -> None:
    packet = bytearray(bytes([first]) + rest)
    sources = first & 15
    at = 12 + 4 * sources
    if len(packet) >= at + 4:
        packet[at + 2] = 0
        packet[at + 3] = data.draw(st.integers(0, 20))
    packet[-1] = data.draw(st.integers(0, 60))
    room = np.zeros(128, np.uint8)
    room[: len(packet)] = np.frombuffer(bytes(packet), np.uint8)
    assert reception.payload_of(room, len(packet)) == twins.payload_of(bytes(packet), len(packet), 128)


@given(st.integers(0, 65535), st.lists(st.tuples(steps, st.sampled_from([1, 1, 1, 1, 2])), max_size=80))
def test_sequences_are_counted_as_the_twin_counts_them(start: int, moves: list[tuple[int, int]]) -> None:
    leg, twin = record(), twins.Source()
    numbers = sequences(start, [move for move, _ in moves])
    for epoch, (number, ssrc) in enumerate(zip(numbers, [1, *(ssrc for _, ssrc in moves)], strict=True), 1):
        order, extended = reception.note_sequence(leg, ssrc, number, epoch)
        assert (ORDERS[order], extended) == twin.receive(ssrc, number, epoch)
        assert (leg["highest"], leg["epoch"], leg["ssrc_changes"]) == (twin.highest, twin.epoch, twin.changes)
        expected = leg["expected_before"] + leg["highest"] - leg["base"] + 1
        assert expected - leg["received_before"] - leg["source_received"] == twin.lost
        assert leg["loss_runs"] == twin.runs


@given(
    st.lists(
        st.tuples(uint32, st.sampled_from([0, 8000, 8000, 8000, 48000]), st.integers(0, 10**13)), max_size=50
    )
)
def test_jitter_is_the_twins_bit_for_bit(packets: list[tuple[int, int, int]]) -> None:
    leg, twin = record(), twins.Jitter()
    for timestamp, rate, now in packets:
        reception.note_jitter(leg, timestamp, rate, now)
        twin.receive(timestamp, rate, now)
        assert (leg["jitter"], leg["jitter_samples"]) == (twin.scaled, twin.samples)


def test_a_steady_source_has_no_jitter_and_a_wavering_one_converges_on_it() -> None:
    steady, wavering = record(), record()
    for number in range(500):
        reception.note_jitter(steady, 160 * number, 8000, 20_000 * number)
        reception.note_jitter(wavering, 160 * number, 8000, 20_000 * number + (5_000 if number % 2 else 0))
    assert steady["jitter"] == 0
    assert 38 <= wavering["jitter"] / 16 <= 41


packets = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "leave out", "switch", "resume"]),
        st.integers(-4, 6),
        st.integers(0, 100_000),
    ),
    max_size=80,
)


@given(st.integers(0, 0x7FFF), uint32, uint32, packets)
def test_the_stream_goes_on_as_the_twins(
    first: int, stamp: int, source_stamp: int, happenings: list[tuple[str, int, int]]
) -> None:
    out = record(stream_highest=first, stream_timestamp=stamp)
    twin = twins.Stream(first, stamp)
    epoch, highest, now = 1, 500, 1_000_000
    for what, move, pause in happenings:
        now += pause
        extended = highest + move
        in_order = move > 0
        highest = max(highest, extended)
        timestamp = (source_stamp + 160 * extended) % 2**32
        if what == "switch":
            epoch += 1
        if what == "leave out":
            if in_order:
                stream.leave_out(out, epoch, extended)
                twin.leave_out(epoch, extended)
            continue
        resumed = what == "resume"
        verdict, number, given_stamp, mark = stream.place(
            out, epoch, extended, timestamp, 8000, in_order, resumed, now
        )
        expected = twin.receive(epoch, extended, timestamp, 8000, in_order, resumed, now)
        assert ((number, given_stamp, mark) if verdict == stream.SEND else None) == expected


@given(
    st.lists(
        st.tuples(st.sampled_from(["lost", "withheld", "send", "send", "send"]), st.booleans()), max_size=60
    )
)
def test_gaps_are_those_of_the_network_and_never_ours(happenings: list[tuple[str, bool]]) -> None:
    """Loss shows, what we leave out or hold back does not, and the clock never runs backwards."""
    out = record(stream_highest=100, stream_timestamp=7)
    extended, now, lost_since, epoch = 1000, 0, 0, 1
    held = False
    last: tuple[int, int] | None = None
    for what, switched in happenings:
        extended += 1
        now += 20_000
        if what == "lost":
            lost_since += 1
            continue
        if what == "withheld":
            stream.leave_out(out, epoch, extended)
            continue
        if switched:
            epoch += 1
            held, lost_since = False, 0
        verdict, number, stamp, _ = stream.place(out, epoch, extended, 160 * extended, 8000, True, held, now)
        assert verdict == stream.SEND
        if last is not None:
            assert (number - last[0]) % 65536 == 1 + lost_since
            assert 0 < (stamp - last[1]) % 2**32 < 2**31
        last, lost_since = (number, stamp), 0


senders = st.sampled_from([b"A", b"B", b"C", b"S", b"F"])


def address(name: bytes) -> Any:
    room = np.zeros(layout.ADDRESS_BYTES, np.uint8)
    room[:8] = (2, 0, 0x4E, name[0], 10, 0, 0, 1)
    return room


@given(
    st.lists(
        st.tuples(
            senders,
            st.sampled_from([1, 1, 1, 1, 0, 2]),
            st.sampled_from([9, 9, 9, 8]),
            st.integers(0, 90_000),
        ),
        max_size=60,
    )
)
def test_sources_are_believed_as_the_twin_believes_them(
    happenings: list[tuple[bytes, int, int, int]],
) -> None:
    leg = record(address_length=16, configured=1, former_until=500_000)
    places = np.zeros((layout.ADDRESSES, layout.ADDRESS_BYTES), np.uint8)
    places[layout.SIGNALLED], places[layout.FORMER] = address(b"S"), address(b"F")
    twin = twins.Proof(b"S", b"F", 500_000)
    now, numbers = 0, dict.fromkeys([b"A", b"B", b"C", b"S", b"F"], 65_530)
    for sender, move, ssrc, pause in happenings:
        now += pause
        numbers[sender] += move
        number = numbers[sender] % 65536
        verdict = proof.prove(leg, places, address(sender), number, ssrc, now)
        assert VERDICTS[verdict] == twin.receive(sender, number, ssrc, now)
        if twin.proven:
            assert (places[layout.PROVEN] == address(twin.proven)).all()


def test_nobody_is_believed_before_an_address_is_signalled() -> None:
    leg = record(address_length=16)
    places = np.zeros((layout.ADDRESSES, layout.ADDRESS_BYTES), np.uint8)
    for number in range(10):
        assert proof.prove(leg, places, address(b"A"), number, 1, number * 20_000) == proof.STRANGER


def test_ipv6_sources_are_told_apart_by_every_part_of_the_address() -> None:
    one = np.zeros(layout.ADDRESS_BYTES, np.uint8)
    one[0] = 10
    for at in range(28):
        other = one.copy()
        other[at] ^= 1
        # The flow label (octets 4 to 7) is no part of where a packet comes from.
        assert reception.same_address(one, other, 28) == (at in range(4, 8))
