"""Sounds over what a call does: two who talk go on talking, and who waits has its music again afterwards."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbx.call import answering, talking
from pbx.call.stage import Stage
from pbx.errors import ResourcesExhausted
from pbx.media.values import Sound

if TYPE_CHECKING:
    from pbx.call.call import Call


def announce(call: "Call", sounds: Sequence[Sound]) -> bool:
    """Let everybody in the call hear these, once, instead of what was playing for them.

    False when nothing can be played: nobody talks or waits, the codec is none of ours, or the media plane
    has nothing left.
    """
    if call.state == "waiting":
        return answering.interrupt(call, sounds)
    other, caller = call.other, call.caller.audio
    if call.state != "talking" or other is None or not (caller.can_mix and other.audio.can_mix):
        return False
    if caller.row is None or other.audio.row is None:
        return False
    stage = call.stage
    if stage is None:
        stage = call.stage = Stage(call.media)
        # They hear each other already.
        stage.rows = (caller.row, other.audio.row)
    answering.silence(call)
    try:
        source = stage.play(sounds, loops=False)
    except ResourcesExhausted as bound:
        call.shared.ran_out(bound)
        talking.hold_music(call)
        return False
    call.shared.listeners.sources[source] = call
    return True
