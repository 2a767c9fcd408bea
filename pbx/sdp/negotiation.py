"""Offers and answers (RFC 3264) as pure functions: descriptions in, descriptions and agreements out.

We take one stream of a description: the first audio stream of RTP/AVP, or RTP/SAVP with a key that we can use
(RFC 4568), that has a codec, a port and an address. A leg's `LocalKeys` are its policy and our side's keys.
All others are answered with port 0. What one leg's peer said reaches the other leg only as formats, packet
times and a direction; every description made here names our own address and nothing else.

    offer from A     relay_offer()  ->  offer to B
    answer from B    accepted()     ->  Agreed with B
    answer to A      answer(offer from A, formats=agreed.formats, direction=bridged_direction(agreed))
                     agreed_as_answerer()  ->  Agreed with A
    media            payload_map(A, B), payload_map(B, A)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pbx.errors import MisuseError
from pbx.sdp.address import literal
from pbx.sdp.crypto import PLAIN, LocalKeys, Security, SrtpPolicy, agreed_security, answered, kept
from pbx.sdp.description import Description, Media, Origin
from pbx.sdp.direction import (
    Direction,
    common_direction,
    flows,
    reversed_direction,
    stated_direction,
)
from pbx.sdp.errors import NothingFits, SdpError
from pbx.sdp.format_lists import (
    ACCEPTED,
    ANSWERED,
    CHOSEN,
    CLOCK_RATES,
    PASSED,
    PAYLOAD_MAPS,
    TOKENS,
    Common,
)
from pbx.sdp.formats import Format
from pbx.sdp.streams import audio_index, open_index, stated, usable


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Where we receive: an IP literal and an RTP port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class LocalOrigin:
    """The numbers of our o= line; `version` goes up by one with each changed description of a leg (§8)."""

    session_id: int
    version: int

    def next(self) -> "LocalOrigin":
        """The origin of the leg's next, changed description."""
        return LocalOrigin(self.session_id, self.version + 1)


@dataclass(slots=True)
class Agreed:
    """What one leg's offer and answer came to. Treated as immutable.

    `remote` is where the peer receives; while it holds us the old way its host is 0.0.0.0 or ::, and `send`
    is False. `formats` are as the peer numbers and describes them, the first that `is_codec` being the codec;
    `received_as` has, for each, the payload type that the peer sends it to us with (ours; empty: the same).
    `telephone_event` is the one of `formats` that goes with the codec. `send` and `receive` are what we may
    do. `ptime` is the packet time in milliseconds that the peer asks for. `security` is None for plain RTP.
    """

    remote: tuple[str, int]
    formats: tuple[Format, ...]
    telephone_event: Format | None
    send: bool
    receive: bool
    received_as: tuple[int, ...] = ()
    ptime: int | None = None
    security: Security | None = None

    @property
    def codec(self) -> Format:
        """The codec to send with."""
        for known in self.formats:
            if known.is_codec:
                return known
        raise MisuseError("an agreement without a codec")

    @property
    def receive_types(self) -> tuple[int, ...]:
        """The payload type each of `formats` arrives with."""
        return self.received_as or tuple([known.payload_type for known in self.formats])


def first_audio(description: Description, srtp: SrtpPolicy = "off") -> Media | None:
    """The stream we take of what a peer sent, or None: RTP audio with a codec, port and IP address."""
    index = audio_index(description, None, srtp)
    return None if index is None else description.media[index]


def offer(
    formats: Sequence[Format],
    local: LocalMedia,
    origin: LocalOrigin,
    direction: Direction = "sendrecv",
    ptime: int | None = 20,
    keys: LocalKeys | None = None,
) -> Description:
    """An offer of one audio stream with these formats, in order of preference (RFC 3264 §5.1)."""
    if not any(known.is_codec for known in formats):
        raise MisuseError("an offer needs a codec")
    return _ours(local, origin, (_stream(local, tuple(formats), direction, ptime, None, *_offered(keys)),))


def relay_offer(
    received: Description,
    local: LocalMedia,
    origin: LocalOrigin,
    allowed: Sequence[str] | None,
    keys: LocalKeys | None = None,
    srtp: SrtpPolicy = "off",
    more: Callable[[tuple[Format, ...]], tuple[Format, ...]] | None = None,
) -> Description:
    """What the other leg is offered when `received` came: our address, the same formats and payload types.

    `allowed` names the encodings that may pass (case-insensitive; None: all); telephone-event passes with any
    of them. `keys` are of the leg that is offered something, `srtp` is the policy of the leg that `received`
    came on. `more` gives what is offered after the formats that pass. Raises NothingFits (488) when no
    stream has a codec that may pass.
    """
    names = None if allowed is None else frozenset([name.upper() for name in allowed])
    index = audio_index(received, names, srtp)
    if index is None:
        raise NothingFits("No Acceptable Audio Stream")
    media = received.media[index]
    formats = PASSED[media.formats, names]
    if more is not None:
        formats += more(formats)
    stream = _stream(local, formats, stated(media), media.ptime, media.max_ptime, *_offered(keys))
    return _ours(local, origin, (stream,))


def answer(
    received_offer: Description,
    local: LocalMedia,
    origin: LocalOrigin,
    formats: Sequence[Format] | None = None,
    direction: Direction = "sendrecv",
    ptime: int | None = None,
    keys: LocalKeys | None = None,
) -> Description:
    """An answer with as many streams as the offer, in its order (RFC 3264 §6).

    The first acceptable audio stream gets our port; the others are refused with port 0. Its formats are those
    of `formats` that the offer has too, in the order and with the parameters of `formats` but numbered as the
    offer numbers them; None takes all that were offered. `direction` is what we would like: the answer says
    as much of it as the offer allows (§6.1). Raises NothingFits (488).
    """
    srtp: SrtpPolicy = "off" if keys is None else keys.policy
    wanted = None if formats is None else tuple(formats)
    streams: list[Media] = []
    taken = False
    for media in received_offer.media:
        chosen = () if taken or not usable(media, srtp) else CHOSEN[media.formats, wanted]
        if chosen:
            taken = True
            allowed = common_direction(reversed_direction(stated(media)), direction)
            crypto = answered(media.attributes, keys)
            streams.append(_stream(local, chosen, allowed, ptime, None, media.protocol, crypto))
        else:
            tokens = media.tokens or ("0",)
            streams.append(Media(media.kind, 0, media.protocol, tokens, (), local.address))
    if not taken:
        raise NothingFits("No Acceptable Audio Stream")
    return _ours(local, origin, tuple(streams))


def accepted(our_offer: Description, received_answer: Description) -> Agreed:
    """What the peer's answer makes of our offer (RFC 3264 §7).

    Raises SdpError (400) when it does not answer the offer, NothingFits (488) when it refuses the stream or
    nothing of it can be used.
    """
    if len(received_answer.media) != len(our_offer.media):
        raise SdpError("Answer Does Not Match The Offer")
    index = open_index(our_offer)
    ours = our_offer.media[index]
    theirs = received_answer.media[index]
    if theirs.kind != ours.kind or theirs.protocol != ours.protocol:
        raise SdpError("Answer Does Not Match The Offer")
    if theirs.port == 0:
        raise NothingFits("Audio Stream Refused")
    return _agreed(ours, theirs, ACCEPTED[theirs.formats, ours.formats])


def agreed_as_answerer(received_offer: Description, our_answer: Description) -> Agreed:
    """What our own answer makes of the peer's offer; `our_answer` is what `answer` gave for it."""
    index = open_index(our_answer)
    ours = our_answer.media[index]
    theirs = received_offer.media[index]
    return _agreed(ours, theirs, ANSWERED[theirs.formats, ours.formats])


def bridged_direction(other: Agreed) -> Direction:
    """What we state on a leg so that it matches the leg it is bridged with.

    What may be sent to the one must be received from the other: B answered recvonly, A is answered recvonly.
    """
    return stated_direction(send=other.receive, receive=other.send)


def payload_map(from_: Agreed, to: Agreed) -> Mapping[int, int]:
    """Payload type that arrives on one leg -> payload type to send on the other, for each codec both have.

    telephone-event is included. A peer that sends with its own number for a codec, where ours differs (many
    do), is understood too.
    """
    return PAYLOAD_MAPS[from_.formats, from_.receive_types, to.formats]


def clock_rates(agreed: Agreed) -> Mapping[int, int]:
    """The RTP clock rate in Hz of each payload type that may arrive on a leg."""
    return CLOCK_RATES[agreed.formats, agreed.receive_types]


def renewed(ours: Description, current: Agreed, direction: Direction) -> Description:
    """A new offer on a leg whose last description from us is `ours`: hold, resume or refresh (RFC 3264 §8).

    The same streams in the same order, our numbers for the codecs (§8.3.2), those agreed on and no others,
    the crypto line that was taken, and the next version.
    """
    index = open_index(ours)
    streams = list(ours.media)
    last = streams[index]
    by_number = {known.payload_type: known for known in last.formats}
    formats = tuple([by_number[number] for number in current.receive_types if number in by_number])
    streams[index] = replace(
        last,
        formats=formats,
        tokens=tuple([str(known.payload_type) for known in formats]),
        direction=direction,
        attributes=kept(last.attributes, current.security),
    )
    origin = replace(ours.origin, version=ours.origin.version + 1)
    return replace(ours, origin=origin, media=tuple(streams))


def _offered(keys: LocalKeys | None) -> tuple[str, tuple[str, ...]]:
    return (PLAIN, ()) if keys is None else keys.offered()


def _stream(
    local: LocalMedia,
    formats: tuple[Format, ...],
    direction: Direction,
    ptime: int | None,
    max_ptime: int | None,
    protocol: str = PLAIN,
    attributes: tuple[str, ...] = (),
) -> Media:
    return Media(
        "audio",
        local.port,
        protocol,
        TOKENS[formats,],
        formats,
        local.address,
        direction,
        ptime,
        max_ptime,
        attributes,
    )


def _ours(local: LocalMedia, origin: LocalOrigin, media: tuple[Media, ...]) -> Description:
    """A description that shows our address and nobody's name."""
    address = local.address
    return Description(Origin("-", origin.session_id, origin.version, address), media, address)


def _agreed(ours: Media, theirs: Media, common: Common) -> Agreed:
    """The agreement of two streams."""
    host = literal(theirs.connection or "")
    if host is None:
        raise NothingFits("Media Address Is Not A Unicast IP Address")
    send, receive = flows(ours.direction, stated(theirs))
    return Agreed(
        (host, theirs.port),
        common.formats,
        common.telephone_event,
        send,
        receive,
        common.received_as,
        theirs.ptime,
        agreed_security(ours.protocol, ours.attributes, theirs.attributes),
    )
