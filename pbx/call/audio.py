"""The audio side of a leg: its media row, and what its SDP has come to (RFC 3264)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pbx.call.codecs import ADDED, answerable, can_mix, leg_audio
from pbx.call.media import Media
from pbx.errors import MisuseError
from pbx.media.values import LegId, LegStatistics
from pbx.sdp.address import UNSPECIFIED
from pbx.sdp.crypto import LocalKeys, SrtpPolicy, is_rekeyed
from pbx.sdp.description import Description, Origin
from pbx.sdp.description import Media as Stream
from pbx.sdp.direction import Direction
from pbx.sdp.disabled import all_refused, disables, reopened, switched_off
from pbx.sdp.errors import NothingFits
from pbx.sdp.formats import Format, counterpart
from pbx.sdp.negotiation import (
    Agreed,
    LocalMedia,
    LocalOrigin,
    accepted,
    agreed_as_answerer,
    answer,
    bridged_direction,
    clock_rates,
    first_audio,
    offer,
    payload_map,
    relay_offer,
    renewed,
)
from pbx.sdp.streams import stated


class Audio:
    """One leg's row and descriptions.

    `sent` and `received` are the descriptions in force and `agreed` what they come to; all three are None
    until an offer has met its answer. An offer that is still open is `proposed`: when it is refused, what was
    in force stays so (RFC 3264 §8). While the stream is switched off (`disabled`), `agreed` keeps its formats
    and says that nothing flows. `keys` are the leg's SRTP policy and our keys (RFC 4568); None: no SRTP.
    """

    __slots__ = (
        "_last_open",
        "_media",
        "_origin",
        "address",
        "agreed",
        "keys",
        "port",
        "proposed",
        "received",
        "row",
        "sent",
        "statistics",
    )

    def __init__(self, media: Media, address: str, session_id: int, keys: LocalKeys | None = None) -> None:
        self._media = media
        self._origin = LocalOrigin(session_id, 1)
        self.address = address
        self.keys = keys
        self.port = 0
        self.row: LegId | None = None
        self.statistics: LegStatistics | None = None
        self.sent: Description | None = None
        self._last_open: Description | None = None
        self.received: Description | None = None
        self.proposed: Description | None = None
        self.agreed: Agreed | None = None

    def open(self, beside: "Audio | None" = None) -> None:
        """Take a port pair, once, near the leg it will talk with. Raises ResourcesExhausted."""
        if self.row is None:
            family: Literal[4, 6] = 6 if ":" in self.address else 4
            self.row, self.port = self._media.open(family, None if beside is None else beside.row)

    def close(self) -> None:
        """Give the ports back and keep the totals; nothing happens a second time."""
        if self.row is not None:
            self.statistics = self._media.close(self.row)
            self.row = None

    def offer(self, formats: Sequence[Format]) -> bytes:
        """The body of an offer of our own."""
        self.proposed = offer(formats, self._local(), self._origin, keys=self.keys)
        return self.proposed.encode()

    def relay_offer(
        self,
        received: Description,
        allowed: tuple[str, ...] | None,
        offerer: "Audio",
        *,
        transcode: bool = False,
    ) -> bytes:
        """The body of what this leg is offered when `offerer`'s peer offered `received`.

        With `transcode`, codecs that we can turn into one of the other leg's follow after them. Raises
        NothingFits, also for what the policy of `offerer` does not take.
        """
        self.proposed = proposed = relay_offer(
            received,
            self._local(),
            self._origin,
            allowed,
            self.keys,
            offerer.srtp,
            more=(lambda formats: ADDED[formats, allowed]) if transcode else None,
        )
        return proposed.encode()

    def offer_again(self, direction: Direction) -> bytes:
        """The body of a new offer that changes nothing but the direction: hold and resume (RFC 3264 §8.4)."""
        if self.sent is None or self.agreed is None:
            raise MisuseError("a new offer before the first was answered")
        ours = self.sent
        if self.disabled and self._last_open is not None:
            ours = reopened(ours, self._last_open)
        self.proposed = renewed(ours, self.agreed, direction)
        return self.proposed.encode()

    def take_answer(self, received: Description) -> Agreed:
        """The peer answered our open offer. Raises SdpError or NothingFits, and changes nothing then."""
        if self.proposed is None:
            raise MisuseError("an answer without an offer")
        self.agreed = self._reachable(accepted(self.proposed, received))
        self.received = received
        self._settle(self.proposed)
        return self.agreed

    def take_early_answer(self, received: Description) -> Agreed:
        """An answer in a provisional response, which the final one repeats (RFC 3261 §13.2.1)."""
        if self.proposed is None:
            raise MisuseError("an answer without an offer")
        self.agreed = self._reachable(accepted(self.proposed, received))
        return self.agreed

    def keep_early_answer(self) -> bool:
        """Take the early answer as the final one, which has none; False when there was none at all."""
        if self.proposed is None or self.agreed is None:
            return False
        self._settle(self.proposed)
        return True

    def withdraw(self) -> None:
        """Our open offer was refused."""
        self.proposed = None

    def answer(self, received: Description, formats: Sequence[Format] | None, far: Agreed | None) -> bytes:
        """The body of our answer to `received`: `formats` (None: all), flowing as the `far` leg lets it.

        Raises NothingFits (488), and changes nothing then.
        """
        direction: Direction = "sendrecv" if far is None else bridged_direction(far)
        ptime = None if far is None else far.ptime
        self._follow_keys(received)
        answered = answer(received, self._local(), self._origin, formats, direction, ptime, self.keys)
        self.agreed = self._reachable(agreed_as_answerer(received, answered))
        self.received = received
        self._settle(answered)
        return answered.encode()

    def stream(self, description: Description) -> Stream | None:
        """The stream of a peer's description that this leg takes, or None."""
        return first_audio(description, self.srtp)

    @property
    def srtp(self) -> SrtpPolicy:
        """What the leg does about SRTP."""
        return "off" if self.keys is None else self.keys.policy

    def answer_ourselves(self, received: Description) -> bytes:
        """The body of our answer when the peer talks with us: every codec of its offer that we can mix.

        Raises NothingFits (488), and changes nothing then.
        """
        stream = self.stream(received)
        if stream is None:
            raise NothingFits("No Acceptable Audio Stream")
        return self.answer(received, answerable(stream.formats), None)

    def answer_for(self, received: Description, far: Agreed, *, transcode: bool) -> bytes:
        """The body of our answer when the peer talks with the `far` leg: its codec, or what becomes of it.

        A codec that both have is relayed; without one, and with `transcode`, the peer gets all that we can
        mix. Raises NothingFits (488), and changes nothing then.
        """
        stream = self.stream(received)
        if transcode and stream is not None and counterpart(far.codec, stream.formats) is None:
            if not can_mix(far):
                raise NothingFits("No Codec To Transcode")
            return self.answer(received, answerable(stream.formats), far)
        return self.answer(received, far.formats, far)

    @property
    def can_mix(self) -> bool:
        """Whether what was agreed can be decoded and encoded by us."""
        return can_mix(self.agreed)

    @property
    def disabled(self) -> bool:
        """Whether the peer has switched the stream off (RFC 3264 §8.2)."""
        return self.sent is not None and self.sent is not self._last_open

    def disables(self, received: Description) -> bool:
        """Whether a new offer or answer of the peer leaves no stream that could be taken."""
        return self._last_open is not None and disables(received, self._last_open)

    def answer_disabling(self, received: Description) -> bytes:
        """The body of our answer to an offer that switches the stream off: port 0 for everything."""
        origin = Origin("-", self._origin.session_id, self._origin.version, self.address)
        answered = all_refused(received, origin)
        self._switch_off(answered, received)
        return answered.encode()

    def take_disabling_answer(self, received: Description) -> None:
        """The peer refused the stream of our new offer: it is off from now on."""
        if self.proposed is None:
            raise MisuseError("an answer without an offer")
        self._switch_off(switched_off(self.proposed), received)

    @property
    def their_direction(self) -> Direction | None:
        """The direction that the peer stated last, a hold by address counted (RFC 3264 §8.4)."""
        if self.received is None:
            return None
        stream = self.stream(self.received)
        return "inactive" if stream is None else stated(stream)

    def connect(self, far: Agreed | None) -> None:
        """Tell the media plane what was agreed; with `far` None the leg's payload types map to themselves."""
        agreed = self.agreed
        if self.row is not None and agreed is not None:
            self._media.secure(self.row, agreed.security)
            self._media.configure(
                self.row,
                remote=agreed.remote,
                receive=agreed.receive,
                send=agreed.send,
                payload_map=payload_map(agreed, agreed if far is None else far),
                clock_rates=clock_rates(agreed),
                audio=leg_audio(agreed),
            )

    def _reachable(self, agreed: Agreed) -> Agreed:
        """Give back an agreement whose address our port can send to, or that is the zeros of an old hold."""
        host = agreed.remote[0]
        if (":" in host) != (":" in self.address) and host not in UNSPECIFIED:
            raise NothingFits("Media Address Of Another Family")
        return agreed

    def _follow_keys(self, received: Description) -> None:
        """A peer with a new key begins anew, and so do we: nobody guesses the other's rollover counter."""
        if self.keys is not None and self.agreed is not None:
            stream = self.stream(received)
            if stream is not None and is_rekeyed(stream.attributes, self.agreed.security):
                self.keys.renew()

    def _switch_off(self, ours: Description, received: Description) -> None:
        last_open = self._last_open
        self._settle(ours)
        self._last_open = last_open
        self.received = received
        if self.agreed is not None:
            self.agreed = replace(self.agreed, send=False, receive=False)

    def _settle(self, ours: Description) -> None:
        self.sent = self._last_open = ours
        self.proposed = None
        self._origin = LocalOrigin(ours.origin.session_id, ours.origin.version + 1)

    def _local(self) -> LocalMedia:
        return LocalMedia(self.address, self.port)
