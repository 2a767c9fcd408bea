"""What operators ask of recordings that go on, and what becomes of them, as notes of their calls."""

from collections.abc import Callable, Mapping

from pbx.call.call import Call
from pbx.call.record import Note
from pbx.errors import OperatorError
from pbx.media.recorder import RecordingStopped
from pbx.service.recordings import Recordings


class CallRecordings:
    """Recordings by the calls that they are of. A pause is noted: who listens later should know of it."""

    def __init__(self, recordings: Recordings, calls: Mapping[str, Call], clock: Callable[[], float]) -> None:
        self._recordings = recordings
        self._calls = calls
        self._clock = clock

    def pause(self, call_id: str, *, silence: bool) -> bool:
        """Have silence, or nothing, in place of what is said; False when there is no call of this id.

        Raises OperatorError when it is not recorded.
        """
        return self._change(call_id, "recording-paused", self._recordings.pause(call_id, silence=silence))

    def resume(self, call_id: str) -> bool:
        """Record what is said again; as `pause`."""
        return self._change(call_id, "recording-resumed", self._recordings.resume(call_id))

    def stopped(self, call_id: str, stopped: RecordingStopped) -> None:
        """A recording ended before its call."""
        self._note(call_id, f"recording-{stopped.cause}")

    def _change(self, call_id: str, kind: str, changed: bool) -> bool:
        if call_id not in self._calls:
            return False
        if not changed:
            raise OperatorError(
                "the call is not recorded", "a dialplan's `record` has calls recorded, and so has a queue's"
            )
        self._note(call_id, kind)
        return True

    def _note(self, call_id: str, kind: str) -> None:
        call = self._calls.get(call_id)
        if call is not None:
            call.record.note(Note(self._clock(), "", kind))
