"""Recordings of calls: what sinks hear becomes files in the directory of recordings."""

import logging

from pbx.call.media import Media
from pbx.call.recording import Recording
from pbx.media.values import SinkId

log = logging.getLogger("pbx")


class Recordings:
    """Implements pbx.call.recording.Recorder."""

    def __init__(self, media: Media) -> None:
        self._media = media

    def begin(self, sink: SinkId, recording: Recording, call_id: str) -> None:
        """Nothing can be written yet: the sink is given back, the log says so, and the call goes on."""
        self._media.close_sink(sink)
        log.error("call %s is not recorded as %s: there is no recorder", call_id, recording.name)

    def end(self, sink: SinkId) -> None:
        """The sink is given back."""
        self._media.close_sink(sink)
