"""What the reactor packs is what the loop reads: commands and rows, field by field."""

import numpy as np
import pytest

from pbx.errors import MisuseError
from pbx.media import layout, mixtables
from pbx.media.commands import bridging, configuration, plain
from pbx.media.layout import COMMAND, LEG, names, place
from pbx.media.rows import RANDOM_OCTETS, Rows, Words
from pbx.media.values import Family, LegAudio, LegId

A, B = LegId(3, 41), LegId(7, 42)
REMOTE = bytes(range(1, layout.ADDRESS_BYTES + 1))
AUDIO = LegAudio({8: "PCMA", 97: "telephone-event"}, "PCMA", 8, 97, 30)


def read(octets: bytes | bytearray) -> np.void:
    record: np.void = np.frombuffer(octets, COMMAND)[0]
    return record


def configured(
    remote: bytes | None = REMOTE, *, send: bool = True, audio: LegAudio | None = AUDIO
) -> np.void:
    return read(configuration(A, remote, True, send, {8: 0, 97: 101}, {8: 8000, 97: 8000}, audio))


def test_a_plain_command_says_what_and_for_whom() -> None:
    record = read(plain(layout.CLOSE, A))
    assert [int(record[name]) for name in ("operation", "row", "generation")] == [layout.CLOSE, 3, 41]
    assert not any(record.tobytes()[24:])


def test_a_bridge_names_both_legs_and_its_row() -> None:
    record = read(bridging(A, B, 5, 77))
    fields = (
        "operation",
        "row",
        "generation",
        "other_row",
        "other_generation",
        "bridge",
        "bridge_generation",
    )
    assert [int(record[name]) for name in fields] == [layout.BRIDGE, 3, 41, 7, 42, 5, 77]


def test_a_configuration_says_what_was_agreed() -> None:
    record = configured()
    assert [int(record[name]) for name in ("operation", "row", "generation")] == [layout.CONFIGURE, 3, 41]
    assert [int(record[name]) for name in ("has_remote", "receive", "send")] == [1, 1, 1]
    assert record["remote"].tobytes() == REMOTE
    accepted = {number: int(given) for number, given in enumerate(record["payload_map"]) if given < 128}
    assert accepted == {8: 0, 97: 101}
    assert (int(record["clock_rates"][8]), int(record["decode"][8])) == (
        8000,
        mixtables.CODEC_NUMBERS["PCMA"],
    )
    assert (int(record["audio"]), int(record["payload_type"]), int(record["packet_ms"])) == (1, 8, 30)
    assert int(record["event_type"]) == 97


def test_what_one_leg_is_told_does_not_reach_the_next() -> None:
    configured()
    nobody = configured(None, send=True)
    assert [int(nobody[name]) for name in ("has_remote", "receive", "send")] == [0, 1, 0]
    assert not nobody["remote"].any()
    assert int(configured(send=False)["send"]) == 0
    plainly = configured(audio=None)
    assert (int(plainly["audio"]), int(plainly["event_type"])) == (0, -1)
    assert configured() == configured()


@pytest.mark.parametrize(
    ("payload_map", "rates"), [({128: 0}, {}), ({0: 128}, {}), ({0: 0}, {0: 0}), ({0: 0}, {0: 400_000})]
)
def test_what_no_packet_can_have_is_refused_each_time(
    payload_map: dict[int, int], rates: dict[int, int]
) -> None:
    for _ in range(2):
        with pytest.raises(MisuseError):
            configuration(A, None, True, True, payload_map, rates, None)


@pytest.mark.parametrize(("family", "length"), [(4, layout.SOCKADDR_IN), (6, layout.SOCKADDR_IN6)])
def test_a_row_begins_anew(family: Family, length: int) -> None:
    shared = layout.share(3)
    rows = Rows(shared)
    shared.legs.view(np.int64)[:] = 99
    for table in shared[1:]:
        table.view(np.uint8)[:] = 99
    octets = bytes(range(RANDOM_OCTETS))
    rows.fill_in(1, 41, family, 11, 12, octets)
    leg = dict(zip(names(LEG), rows.read(1), strict=True))
    told = {"generation": 41, "rtp_descriptor": 11, "rtcp_descriptor": 12, "address_length": length}
    told |= {
        "peer": layout.NOBODY,
        "connectable": 1,
        "bad_sequence": -1,
        "round_trip": -1,
        "heard_jitter": -1,
    }
    told |= {"stream_ssrc": 0x00010203, "stream_timestamp": 0x04050607, "stream_highest": 0x0809}
    assert {name: value for name, value in leg.items() if value} == told
    assert leg == {name: int(shared.legs[1][name]) for name in names(LEG)}
    assert not shared.addresses[1].any()
    assert set(shared.payload_map[1].tolist()) == {layout.NOT_AGREED}
    assert not shared.clock_rates[1].any()
    assert not shared.envelopes[1].any()
    assert shared.cnames[1].tobytes().isalnum() or b"+" in shared.cnames[1].tobytes()
    for other in (0, 2):
        assert set(rows.read(other)) == {99}
        assert all(set(table[other].reshape(-1).view(np.uint8).tolist()) == {99} for table in shared[1:])


def test_a_proven_address_is_the_row_s_own() -> None:
    shared = layout.share(2)
    shared.addresses[1, layout.PROVEN] = np.frombuffer(REMOTE, np.uint8)
    assert Rows(shared).proven(1) == REMOTE
    assert Rows(shared).proven(0) == bytes(layout.ADDRESS_BYTES)


def test_a_word_is_one_value_of_a_row() -> None:
    parts = np.zeros(2, mixtables.PART)
    parts["delay"][1] = -5
    words = Words(parts)
    assert words.word(1, place(mixtables.PART, "delay")) == -5
    words.write(0, mixtables.fresh_leg(9))
    assert parts[0] == mixtables.fresh_part(mixtables.LEG_PART, 9)
