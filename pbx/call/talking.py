"""Two legs that talk: the codec between them, offers within the call, hold music, digits, the recording."""

from typing import TYPE_CHECKING

from pbx.call.codecs import can_mix
from pbx.call.digits import Press
from pbx.call.leg import Leg
from pbx.call.recording import Recording
from pbx.call.reoffer import Steps
from pbx.call.stage import Stage
from pbx.errors import ResourcesExhausted
from pbx.sdp.errors import NothingFits
from pbx.sdp.formats import counterpart
from pbx.sip import session_events as events

if TYPE_CHECKING:
    from pbx.call.call import Call


def introduce(call: "Call", leg: Leg) -> bytes:
    """Bridge the caller with a leg that answered; the body for the caller: answer or late offer.

    The body is of no use to a caller who was answered before. Raises PeerError when nothing fits both.
    """
    far = leg.audio.agreed
    assert far is not None
    audio = call.caller.audio
    if audio.agreed is not None:
        if counterpart(far.codec, audio.agreed.formats) is None and not (can_mix(far) and audio.can_mix):
            raise NothingFits("No Common Codec")
        assert audio.sent is not None
        body = audio.sent.encode()
    elif call.offered is None:
        # The answer is in the ACK; with one of ours out already, its ACK is still awaited.
        return b"" if call.record.answered_at is not None else audio.offer(far.formats)
    else:
        body = audio.answer_for(call.offered, far, transcode=call.settings.transcode)
    _bridge(call, leg)
    return body


def bridge(call: "Call") -> None:
    """Let the two that talk hear each other, now that the caller's side is known."""
    if call.other is not None:
        _bridge(call, call.other)


def _bridge(call: "Call", leg: Leg) -> None:
    caller = call.caller.audio
    caller.connect(leg.audio.agreed)
    leg.audio.connect(caller.agreed)
    if caller.row is None or leg.audio.row is None:
        return
    stage = call.stage
    if stage is None:
        call.media.bridge(caller.row, leg.audio.row)
    else:
        if stage.source is not None:
            call.shared.listeners.sources.pop(stage.source, None)
            stage.silence()
        stage.seat(caller.row, leg.audio.row)


# -- the recording -------------------------------------------------------------------------------------------


def record(call: "Call") -> None:
    """Begin or end the recording, as is wanted, when there is something to record."""
    wanted, stage = call.recording, call.stage
    if stage is not None and stage.sink is not None:
        call.shared.recorder.end(stage.sink)
        stage.unlisten()
    if wanted is None:
        return
    try:
        _record(call, wanted)
    except ResourcesExhausted as bound:
        call.shared.ran_out(bound)
        call.shared.recorder.refused(wanted, call.record.id, str(bound))


def _record(call: "Call", wanted: Recording) -> None:
    stage = call.stage
    caller = call.caller.audio
    if call.state == "conferring" and call.room is not None:
        _record_room(call, wanted, call.room)
        return
    other = None if call.other is None else call.other.audio
    if call.state != "talking" or other is None or not (caller.can_mix and other.can_mix):
        return
    if caller.row is None or other.row is None:
        return
    if stage is None:
        stage = call.stage = Stage(call.media)
    if stage.rows[:2] != (caller.row, other.row):
        # They hear each other already.
        stage.rows = (caller.row, other.row)
    if wanted.what == "both":
        sink = stage.listen("stereo", caller.row, other.row)
    elif wanted.what == "mix":
        sink = stage.listen("mix", None, None)
    else:
        sink = stage.listen("one", caller.row if wanted.what == "caller" else other.row, None)
    call.shared.recorder.begin(sink, wanted, call.record.id)


def _record_room(call: "Call", wanted: Recording, room: str) -> None:
    if call.stage is None:
        call.stage = Stage(call.media)
    one = wanted.what == "caller"
    sink = call.media.open_sink(
        kind="one" if one else "mix", left=call.caller.audio.row if one else None, right=None
    )
    call.stage.sink = sink
    call.shared.rooms.listen(room, sink)
    call.shared.recorder.begin(sink, wanted, call.record.id)


# -- offers within the call ----------------------------------------------------------------------------------


def relay_offer(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """One side would like something else; what is between it and us is answered here."""
    assert isinstance(detail, events.Offered)
    if call.state != "talking":
        _carry_out(call, call.offers.offered(leg, None, detail.body, now), now)
        return
    other = call.other if leg is call.caller else call.caller
    music = call.settings.hold_music is not None and other is not None and other.audio.can_mix
    _carry_out(call, call.offers.offered(leg, other, detail.body, now, here=music), now)
    if music and call.state == "talking":
        hold_music(call)


def relay_answer(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The other side took the offer that we passed on."""
    assert isinstance(detail, events.OfferAccepted)
    other = call.other if leg is call.caller else call.caller
    _carry_out(call, call.offers.accepted(leg, other, detail.body, now), now)


def relay_refusal(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The other side would not have it."""
    assert isinstance(detail, events.OfferRefused)
    _carry_out(call, call.offers.refused(leg, detail.status, now), now)


def _carry_out(call: "Call", steps: Steps, now: float) -> None:
    for leg, outputs in steps:
        call.absorb(leg, outputs, now)


def go_on(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """What two who talk were told is over: if one of them holds, the other has music again."""
    hold_music(call)


def hold_music(call: "Call") -> None:
    """When one side holds, and only one, the other hears music, instead of anything else."""
    other = call.other
    music = call.settings.hold_music
    if music is None or other is None or call.caller.audio.row is None or other.audio.row is None:
        return
    holders = [leg for leg in (call.caller, other) if leg.audio.agreed and not leg.audio.agreed.send]
    stage = call.stage
    if len(holders) == 1:
        if stage is None:
            stage = call.stage = Stage(call.media)
            stage.rows = (call.caller.audio.row, other.audio.row)
        deaf = holders[0].audio.row
        if stage.source is None or stage.deaf != deaf:
            if stage.source is not None:
                call.shared.listeners.sources.pop(stage.source, None)
            try:
                stage.play(music(), loops=True, deaf=deaf)
            except ResourcesExhausted as bound:
                call.shared.ran_out(bound)
    elif stage is not None and stage.source is not None and stage.deaf is not None:
        stage.silence()


# -- digits --------------------------------------------------------------------------------------------------


def pass_digit(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """A digit by INFO crosses as telephone-event; one in the stream crosses with the stream.

    A phone that agreed on telephone-events sends the press there too, so its INFO says nothing new.
    """
    assert isinstance(detail, tuple)
    press: Press = detail[0]
    other = call.other if leg is call.caller else call.caller
    agreed = leg.audio.agreed
    if detail[1] != "info" or other is None or other.audio.row is None:
        return
    if agreed is not None and agreed.telephone_event is None:
        call.media.send_digit(other.audio.row, press.digit, press.duration_ms)
