"""Offers within a call (RFC 3264 §8): what concerns one leg is answered, hold and resume cross the bridge.

A refresh, a new address or port (a phone that changed networks) and new payload type numbers are between that
leg and us. A stream that is switched off (port 0, §8.2) is on hold for the other leg until it is on again.
Without a codec that the other leg speaks an offer is refused with 488, and the call goes on as it was
(RFC 3261 §14.2).
"""

from collections.abc import Sequence

from pbx.call.codecs import can_mix, mixable
from pbx.call.leg import Leg
from pbx.errors import PeerError
from pbx.sdp.description import Description, Media, parse
from pbx.sdp.direction import Direction, stated_direction
from pbx.sdp.formats import counterpart
from pbx.sdp.streams import stated
from pbx.sip.session_events import SessionOutput

Steps = Sequence[tuple[Leg, Sequence[SessionOutput]]]


class OfferRelay:
    """At most one offer of one leg that the other leg has been asked about."""

    __slots__ = ("_asker", "_offered")

    def __init__(self) -> None:
        self._asker: Leg | None = None
        self._offered: Description | None = None

    def offered(
        self, leg: Leg, other: Leg | None, body: bytes | None, now: float, *, here: bool = False
    ) -> Steps:
        """`leg` made an offer, or asked for ours (`body` None); `other` is None when it talks with us.

        With `here` the other leg is not asked about a hold, and its own hold says nothing about this leg.
        """
        audio = leg.audio
        if audio.sent is None or audio.received is None:
            return _refuse(leg, 488, now)
        if body is None:
            return [(leg, leg.session.answer(audio.offer_again(_direction(leg)), now))]
        try:
            description = parse(body)
            stream = audio.stream(description)
            if len(description.media) < len(audio.received.media):
                return _refuse(leg, 488, now)  # RFC 3264 §8: no stream goes away
            # To the other leg, a stream that is switched off is one on hold.
            direction: Direction = "inactive"
            if stream is not None:
                direction = stated(stream)
            if not (audio.disables(description) if stream is None else _fits(stream, leg, other)):
                return _refuse(leg, 488, now)
            if here or other is None or other.audio.disabled or direction == audio.their_direction:
                return self._answer(leg, other, description, now, here=here)
        except PeerError as fault:
            return _refuse(leg, fault.status, now)
        if self._asker is not None or not other.session.may_offer or other.audio.sent is None:
            # Both sides hold at once: whoever asked second tries again (RFC 3261 §14.2).
            return _refuse(leg, 491, now)
        self._asker, self._offered = leg, description
        return [(other, other.session.offer(other.audio.offer_again(direction), now))]

    def accepted(self, leg: Leg, other: Leg | None, body: bytes | None, now: float) -> Steps:
        """`leg` answered the offer we made it: the asker gets its answer, if it was not `leg` that asked."""
        asker, description = self._take()
        try:
            if body is None:
                raise PeerError(488, "No Answer To The Offer")
            answered = parse(body)
            if leg.audio.disables(answered):
                leg.audio.take_disabling_answer(answered)
            else:
                leg.audio.take_answer(answered)
            if asker is None or description is None:
                _connect(leg, other)
                return []
            return self._answer(asker, leg, description, now)
        except PeerError:
            leg.audio.withdraw()
            return [] if asker is None else _refuse(asker, 488, now)

    def refused(self, leg: Leg, status: int, now: float) -> Steps:
        """`leg` would not have it: the asker is told, with 491 when it should try again."""
        asker, _ = self._take()
        leg.audio.withdraw()
        return [] if asker is None else _refuse(asker, 491 if status == 491 else 488, now)

    def withdrawn(self, leg: Leg) -> None:
        """The asker cancelled its re-INVITE; what the other leg answers to our offer still counts."""
        if leg is self._asker:
            self._take()

    def _take(self) -> tuple[Leg | None, Description | None]:
        taken = self._asker, self._offered
        self._asker = self._offered = None
        return taken

    def _answer(
        self, leg: Leg, other: Leg | None, offered: Description, now: float, *, here: bool = False
    ) -> Steps:
        audio = leg.audio
        far = None if other is None else other.audio.agreed
        formats = None if audio.agreed is None else audio.agreed.formats
        if audio.stream(offered) is None:
            body = audio.answer_disabling(offered)
        else:
            body = audio.answer(offered, formats, None if here else far)
        _connect(leg, other)
        return [(leg, leg.session.answer(body, now))]


def _connect(leg: Leg, other: Leg | None) -> None:
    leg.audio.connect(None if other is None else other.audio.agreed)
    if other is not None:
        other.audio.connect(leg.audio.agreed)


def _fits(stream: Media, leg: Leg, other: Leg | None) -> bool:
    """Whether the offered stream still has the codec in use at the far side of the bridge, or one we mix."""
    own = leg.audio.agreed
    agreed = own if other is None else other.audio.agreed
    if agreed is None or own is None:
        return False
    if counterpart(agreed.codec, stream.formats) is not None:
        return True
    if other is not None and (not can_mix(agreed) or counterpart(agreed.codec, own.formats) is not None):
        return False
    return any(mixable(known) and counterpart(known, stream.formats) is not None for known in own.formats)


def _refuse(leg: Leg, status: int, now: float) -> Steps:
    return [(leg, leg.session.refuse_offer(status, now))]


def _direction(leg: Leg) -> Direction:
    """What we state now: a question for our offer changes nothing."""
    agreed = leg.audio.agreed
    return "sendrecv" if agreed is None else stated_direction(agreed.send, agreed.receive)
