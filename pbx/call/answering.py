"""What we do with a caller ourselves: sounds, menus, waiting, rooms and the echo."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbx.call import talking, tapping
from pbx.call.digits import Gathering, Press
from pbx.call.ending import quiet
from pbx.call.leg import Leg
from pbx.call.outputs import DecisionNeeded, Established, Progressed
from pbx.call.plan import Attend, Collect, Connect, Echo, Join, PlaySounds, Refuse, Wait
from pbx.call.stage import Stage
from pbx.errors import PeerError, ResourcesExhausted
from pbx.media.values import Sound

if TYPE_CHECKING:
    from pbx.call.call import Call


# What ends a call when sounds were played, or digits gathered, and nothing follows.
_NOTHING_FOLLOWS = 480


def play(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Let the caller hear sounds, as early media if so decided."""
    assert isinstance(detail, PlaySounds)
    _turn_to(call, detail)
    if detail.early and call.record.answered_at is None:
        if call.offered is None and call.caller.audio.agreed is None:
            # Without an offer there is no early media: the sounds are passed over.
            call.happen("played", leg, None, now)
            return
        if not _speak_early(call, now):
            return
    elif not _answer(call, now):
        return
    _begin(call, now)


def collect(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Play a prompt and take digits."""
    assert isinstance(detail, Collect)
    _turn_to(call, detail)
    call.gathering = Gathering(detail)
    if _answer(call, now):
        _begin(call, now)


def hold_on(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Let the caller wait with music."""
    assert isinstance(detail, Wait)
    _turn_to(call, detail)
    if detail.unanswered and call.record.answered_at is None:
        return
    if _answer(call, now):
        _begin(call, now)


def resume(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """What was said to a caller who waits is over: music again."""
    if isinstance(call.plan, Wait):
        _sound(call, call.plan.sounds, loops=True, start=call.plan.start)


def join_room(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Bring the caller into a room."""
    assert isinstance(detail, Join)
    _turn_to(call, detail)
    if _answer(call, now):
        _begin(call, now)


def enter_room(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The announcement is over: the others are heard."""
    plan, row = call.plan, call.caller.audio.row
    if not isinstance(plan, Join) or row is None or call.room is not None:
        return
    quiet(call)
    call.caller.audio.connect(None)
    call.room = plan.room
    call.shared.rooms.join(plan.room, row, muted=plan.muted)
    talking.record(call)


def answer_echo(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Let the caller hear itself, by whatever codec it likes."""
    assert isinstance(detail, Echo)
    _turn_to(call, detail)
    if _answer(call, now, opaque=True):
        call.record.answered_by = "echo"
        _begin(call, now)


def attend(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Let a plugin talk with the caller."""
    assert isinstance(detail, Attend)
    _turn_to(call, detail)
    if _answer(call, now):
        _begin(call, now)


def hear_digit(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The caller of a plugin pressed a key."""
    assert isinstance(detail, tuple)
    if leg is call.caller and isinstance(call.plan, Attend):
        call.shared.taps.pressed(call.plan.tap, detail[0].digit)


def ask_after_talk(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The plugin has left the caller."""
    tapping.end(call)
    unlisten(call)
    silence(call)
    call.out.append(DecisionNeeded(call, "played", _NOTHING_FOLLOWS))


def complete_late_offer(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The ACK brought the answer to our offer: what had to wait for it begins."""
    try:
        if call.state == "talking":
            talking.bridge(call)
            talking.record(call)
            tapping.overhear(call)
        elif call.state != "deciding":
            _begin(call, now)
    except PeerError:
        call.happen("unanswerable", leg, None, now)


def accept(call: "Call", body: bytes, now: float) -> None:
    """Answer the caller."""
    call.record.answered_at = now
    call.record.status = 200
    call.absorb(call.caller, call.caller.session.accept(body, now), now)
    call.out.append(Established(call))


def ring_back(call: "Call") -> None:
    """A caller who can hear us does not wait in silence: the music it had, the dial's, or our ringback."""
    plan = call.plan
    assert isinstance(plan, Connect)
    stage = call.stage
    if stage is not None and stage.source is not None:
        return
    _sound(call, plan.music or call.settings.ringback, loops=True)


def ask_after_sounds(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The sounds were heard."""
    call.out.append(DecisionNeeded(call, "played", _NOTHING_FOLLOWS))


def await_digits(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The prompt is over."""
    if call.gathering is not None:
        call.gathering.prompted(now)
        call.due = call.gathering.due


def take_digit(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """A key was pressed in a menu."""
    gathering = call.gathering
    assert isinstance(detail, tuple)
    press: Press = detail[0]
    if gathering is None:
        return
    last = gathering.press(press.digit, now)
    call.due = gathering.due
    if not gathering.prompting:
        silence(call)
    if last:
        call.happen("digits-due", leg, None, now)


def ask_after_digits(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The digits are there, or will not come."""
    gathering, call.gathering = call.gathering, None
    unlisten(call)
    silence(call)
    call.due = None
    digits = "" if gathering is None else gathering.digits
    call.out.append(DecisionNeeded(call, "digits", _NOTHING_FOLLOWS, digits))


def silence(call: "Call") -> None:
    """What the caller hears of us ends."""
    stage = call.stage
    if stage is not None and stage.source is not None:
        call.shared.listeners.sources.pop(stage.source, None)
        stage.silence()


def _turn_to(call: "Call", plan: PlaySounds | Collect | Wait | Join | Echo | Attend) -> None:
    """What the plan before left playing ends."""
    if call.plan is not None:
        call.due = None
        silence(call)
        unlisten(call)
    call.plan = plan


def _answer(call: "Call", now: float, *, opaque: bool = False) -> bool:
    """Answer the caller, if that was not done; False when it could not be, and the call ends."""
    if call.record.answered_at is not None:
        return True
    body = _description(call, now, opaque=opaque)
    if body is None:
        return False
    call.record.answered_by = "pbx"
    accept(call, body, now)
    return True


def _speak_early(call: "Call", now: float) -> bool:
    """Let the caller hear us before the answer (RFC 3261 §13.2.1): 183, once."""
    if call.caller.audio.agreed is not None:
        return True
    body = _description(call, now)
    if body is None:
        return False
    if call.record.progressed_at is None:
        call.record.progressed_at = now
        call.out.append(Progressed(call))
    call.absorb(call.caller, call.caller.session.ring(183, "", body, now), now)
    return True


def _description(call: "Call", now: float, *, opaque: bool = False) -> bytes | None:
    """Our answer to the caller's offer, our offer when it made none; None when there is none, and why."""
    audio = call.caller.audio
    try:
        audio.open()
        if call.offered is None:
            return audio.offer(call.settings.formats)
        if audio.agreed is not None and audio.sent is not None:
            return audio.sent.encode()
        return audio.answer(call.offered, None, None) if opaque else audio.answer_ourselves(call.offered)
    except ResourcesExhausted as bound:
        call.happen("exhausted", call.caller, bound, now)
    except PeerError:
        call.happen("refuse", call.caller, Refuse(488), now)
    return None


def _begin(call: "Call", now: float) -> None:
    """Do what the plan says, once it is known where the caller receives; until then wait for its ACK."""
    audio = call.caller.audio
    row = audio.row
    if audio.agreed is None or row is None:
        return
    match call.plan:
        case PlaySounds(sounds, loops=loops):
            if not _sound(call, sounds, loops=loops):
                call.happen("played", call.caller, None, now)
        case Collect(sounds):
            _listen(call)
            if not _sound(call, sounds, loops=False):
                call.happen("played", call.caller, None, now)
        case Wait(sounds, start=start, first=first, digits=digits):
            if digits:
                _listen(call)
            if not _sound(call, first, loops=False):
                _sound(call, sounds, loops=True, start=start)
        case Connect():
            ring_back(call)
        case Join(announce=announce):
            if not audio.can_mix:
                call.happen("refuse", call.caller, Refuse(488), now)
            elif not _sound(call, announce, loops=False):
                call.happen("played", call.caller, None, now)
        case Attend(tap):
            _listen(call)
            if not audio.can_mix:
                call.happen("refuse", call.caller, Refuse(488), now)
            elif not tapping.attend(call, tap, row):
                call.happen("left", call.caller, None, now)
        case Echo():
            quiet(call)
            audio.connect(None)
            call.media.echo(row)
        case Refuse() | None:
            pass


def _sound(call: "Call", sounds: Sequence[Sound], *, loops: bool, start: int = 0) -> bool:
    """Let the caller, alone, hear sounds; False when there are none, or it cannot be: the call goes on."""
    audio = call.caller.audio
    row = audio.row
    if row is None or not audio.can_mix:
        return False
    stage = call.stage
    if stage is None:
        stage = call.stage = Stage(call.media)
    try:
        if stage.rows != (row,):
            audio.connect(None)
            stage.seat(row)
        if not sounds:
            return False
        source = stage.play(sounds, loops=loops, start=start)
    except ResourcesExhausted as bound:
        call.shared.ran_out(bound)
        return False
    call.shared.listeners.sources[source] = call
    return True


def _listen(call: "Call") -> None:
    audio = call.caller.audio
    if audio.row is not None and audio.agreed is not None:
        call.shared.listeners.legs[audio.row] = call
        if audio.agreed.telephone_event is None:
            call.media.detect_inband(audio.row, True)


def unlisten(call: "Call") -> None:
    """The caller's keys are waited for no more."""
    row = call.caller.audio.row
    if row is not None and call.shared.listeners.legs.pop(row, None) is not None:
        call.media.detect_inband(row, False)
