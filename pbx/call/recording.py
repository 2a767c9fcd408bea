"""What a call says about recording it; who writes the file is the owner's business."""

from dataclasses import dataclass
from typing import Literal, Protocol

from pbx.media.values import SinkId


@dataclass(frozen=True, slots=True)
class Recording:
    """What of a call is recorded, and under which name.

    `what`: one side alone, both apart as stereo (the caller left), or the mix. In a room it is the mix, and
    one side alone is the caller. `format` is how samples are written.
    """

    name: str
    what: Literal["caller", "callee", "both", "mix"] = "both"
    format: Literal["pcm", "ulaw", "alaw"] = "pcm"


class Recorder(Protocol):
    """Writes what sinks hear into files; a failure of its own never reaches the call."""

    def begin(self, sink: SinkId, recording: Recording, call_id: str) -> None:
        """Write what `sink` hears from now on."""
        ...

    def refused(self, recording: Recording, call_id: str, reason: str) -> None:
        """There was nothing left to hear the call with: it is not recorded."""
        ...

    def end(self, sink: SinkId) -> None:
        """Write the rest, complete the file and close the sink."""
        ...
