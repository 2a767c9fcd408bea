"""What the matrix can make of formats."""

import pytest

from pbx.call.codecs import added, answerable, can_mix, leg_audio, mixable
from pbx.media.values import LegAudio
from pbx.sdp.formats import G722, PCMA, PCMU, Format, telephone_event
from pbx.sdp.negotiation import Agreed

G729 = Format(18, "G729", 8000)
NOISE = Format(13, "CN", 8000)
EVENTS = telephone_event(96)
THERE = ("192.0.2.7", 4000)


def agreed(*formats: Format, received_as: tuple[int, ...] = (), ptime: int | None = None) -> Agreed:
    event = next((known for known in formats if known.encoding == "TELEPHONE-EVENT"), None)
    return Agreed(THERE, formats, event, True, True, received_as, ptime)


@pytest.mark.parametrize(
    ("known", "name"),
    [
        (PCMU, "PCMU"), (PCMA, "PCMA"), (G722, "G722"), (Format(97, "L16", 16000), "L16"),
        (Format(11, "L16", 44100), None), (Format(97, "PCMU", 16000), None), (G729, None), (EVENTS, None),
    ],
)  # fmt: skip
def test_mixable(known: Format, name: str | None) -> None:
    assert mixable(known) == name


def test_the_words_of_the_media_plane() -> None:
    assert leg_audio(agreed(PCMA, EVENTS, NOISE, PCMU, ptime=30)) == LegAudio(
        {8: "PCMA", 96: "telephone-event", 13: "CN", 0: "PCMU"}, "PCMA", 8, 96, 30
    )


def test_a_peer_that_sends_with_numbers_of_ours() -> None:
    audio = leg_audio(agreed(PCMU, EVENTS, received_as=(0, 101)))
    assert audio.decode == {0: "PCMU", 101: "telephone-event", 96: "telephone-event"}
    assert audio.telephone_event == 96


def test_what_we_cannot_encode_is_relayed_only() -> None:
    assert leg_audio(agreed(G729, EVENTS)).encode is None
    assert not can_mix(agreed(G729, EVENTS))
    assert not can_mix(None)
    assert (leg_audio(agreed(G729, PCMU)).encode, can_mix(agreed(G729, PCMU))) == ("PCMU", True)


@pytest.mark.parametrize("ptime", [None, 0, 5, 25, 1000])
def test_an_odd_packet_time_is_twenty(ptime: int | None) -> None:
    assert leg_audio(agreed(PCMU, ptime=ptime)).ptime_ms == 20


def test_what_we_answer_ourselves() -> None:
    assert answerable([G729, G722, PCMU, EVENTS, NOISE]) == (G722, PCMU, EVENTS, NOISE)


@pytest.mark.parametrize(
    ("offered", "allowed", "ours"),
    [
        ([PCMU, EVENTS], None, (PCMA, G722)),
        ([PCMU, PCMA, G722], None, ()),
        ([G722], ["g722", "pcma"], (PCMA,)),
        ([G729], None, ()),  # nothing to transcode from
        ([PCMU, Format(9, "OPUS", 48000, 2)], None, (PCMA,)),  # its 9 is not ours
    ],
)
def test_what_is_offered_after_it(
    offered: list[Format], allowed: list[str] | None, ours: tuple[Format, ...]
) -> None:
    assert added(offered, allowed) == ours
