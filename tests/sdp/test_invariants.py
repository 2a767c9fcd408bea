"""What holds for every negotiation, whatever was offered."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pbx.sdp.description import Description, Media, parse
from pbx.sdp.direction import Direction, flows
from pbx.sdp.errors import NothingFits
from pbx.sdp.formats import Format, same_codec
from pbx.sdp.negotiation import (
    accepted,
    agreed_as_answerer,
    answer,
    bridged_direction,
    payload_map,
    relay_offer,
    renewed,
)
from pbx.sdp.streams import stated
from tests.sdp.examples import OUR_ORIGIN, US, directions, format_lists, offers

_NAMES = ["pcmu", "PCMA", "opus", "G722", "red", "telephone-event"]
allowed_names = st.one_of(st.none(), st.lists(st.sampled_from(_NAMES), max_size=4))


def _codecs(media: Media) -> list[Format]:
    return [known for known in media.formats if known.is_codec]


def _plain_audio(media: Media) -> bool:
    return media.kind == "audio" and media.protocol == "RTP/AVP" and media.port > 0


@given(offers(), st.one_of(st.none(), format_lists), directions)
def test_answers(received: Description, formats: tuple[Format, ...] | None, wanted: Direction) -> None:
    try:
        ours = answer(received, US, OUR_ORIGIN, formats, wanted)
    except NothingFits:
        assert formats is not None
        for media in filter(_plain_audio, received.media):
            assert not any(same_codec(one, other) for one in _codecs(media) for other in formats)
        return
    assert parse(ours.encode()) == ours
    assert len(ours.media) == len(received.media)
    (index,) = [index for index, media in enumerate(ours.media) if media.port]
    for offered, said in zip(received.media, ours.media, strict=True):
        assert (said.kind, said.protocol, said.attributes) == (offered.kind, offered.protocol, ())
        for known in said.formats:
            assert any(
                known.payload_type == other.payload_type and same_codec(known, other)
                for other in offered.formats
            )
    offered, said = received.media[index], ours.media[index]
    assert _plain_audio(offered)
    assert flows(said.direction, "sendrecv") == flows(wanted, stated(offered))
    agreed = agreed_as_answerer(received, ours)
    assert agreed.receive_types == tuple(known.payload_type for known in said.formats)
    # The peer, were it us, would agree to the same from its side.
    one = Description(received.origin, (offered,))
    mirrored = accepted(one, Description(ours.origin, (said,)))
    assert mirrored.send == agreed.receive
    assert mirrored.receive == agreed.send or offered.connection == "0.0.0.0"
    assert payload_map(agreed, agreed).keys() == set(agreed.receive_types)
    again = renewed(ours, agreed, "sendrecv")
    assert again.media[index].tokens == said.tokens
    assert accepted(again, ours).codec.encoding == agreed.codec.encoding


@given(offers(), directions, allowed_names, st.data())
def test_two_legs(
    from_a: Description, b_says: Direction, allowed: list[str] | None, data: st.DataObject
) -> None:
    """A offers, B answers with what it likes, A is answered: both legs have the same codecs in one order."""
    try:
        to_b = relay_offer(from_a, US, OUR_ORIGIN, allowed)
    except NothingFits:
        assert allowed is not None
        names = {name.upper() for name in allowed}
        for media in filter(_plain_audio, from_a.media):
            assert not any(known.encoding in names for known in _codecs(media))
        return
    assert parse(to_b.encode()) == to_b
    (offered,) = to_b.media
    theirs = [known.numbered(127 - place) for place, known in enumerate(offered.formats)]
    theirs = data.draw(st.permutations(theirs))
    b_media = replace(
        offered,
        formats=tuple(theirs),
        tokens=tuple(str(known.payload_type) for known in theirs),
        direction=b_says,
    )
    b = accepted(to_b, Description(to_b.origin, (b_media,), to_b.connection))
    to_a = answer(from_a, US, OUR_ORIGIN, b.formats, bridged_direction(b), b.ptime)
    a = agreed_as_answerer(from_a, to_a)
    assert len(a.formats) == len(b.formats)
    for one, other in zip(a.formats, b.formats, strict=True):
        assert same_codec(one, other)
    assert (a.receive, a.send) == (b.send, b.receive)
    for source, target in ((a, b), (b, a)):
        mapped = payload_map(source, target)
        assert mapped.keys() >= set(source.receive_types)
        for arrives, known in zip(source.receive_types, source.formats, strict=True):
            assert any(
                same_codec(known, out) and out.payload_type == mapped[arrives] for out in target.formats
            )


@given(offers(), offers(), allowed_names)
def test_nothing_but_formats_times_and_direction_reaches_the_other_leg(
    received: Description, stranger: Description, allowed: list[str] | None
) -> None:
    """Two offers that differ only in what belongs to their leg are relayed as the same bytes."""
    noisy = Description(
        stranger.origin,
        tuple(
            replace(
                media,
                port=media.port and 9,
                connection="203.0.113.77" if media.connection != "0.0.0.0" else "0.0.0.0",
                attributes=("ice-ufrag:secret", "rtcp:9 IN IP4 10.0.0.1"),
                bandwidth=("AS:1",),
                others=("i=secret",),
            )
            for media in received.media
        ),
        "203.0.113.77",
        "secret",
        ("ice-pwd:secret",),
        ("CT:5",),
        others=("i=secret", "u=secret", "e=secret", "p=secret"),
    )
    try:
        relayed = relay_offer(received, US, OUR_ORIGIN, allowed)
    except NothingFits:
        return
    assert relay_offer(noisy, US, OUR_ORIGIN, allowed).encode() == relayed.encode()
    assert b"secret" not in relayed.encode()
    assert answer(noisy, US, OUR_ORIGIN).encode() == answer(received, US, OUR_ORIGIN).encode()
