"""Phones that talk in real time and remember what they heard, for tests of the matrix."""

import select
import threading
from bisect import bisect
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from pbx.media.companding import ALAW_TO_LINEAR, LINEAR_TO_ALAW, LINEAR_TO_ULAW, ULAW_TO_LINEAR
from pbx.media.plane import MediaPlane
from pbx.media.values import CodecName, LegAudio, LegId
from tests.media.support import Heard, Phone, Phones, leg_for

Samples = npt.NDArray[np.int16]

FRAME = 160
_TYPES: dict[CodecName, int] = {"PCMU": 0, "PCMA": 8, "G722": 9, "L16": 96}


def tone(frequency: float, seconds: float, rate: int = 8000, amplitude: float = 6000.0) -> Samples:
    """A sine."""
    at = np.arange(round(seconds * rate))
    return np.asarray(np.rint(amplitude * np.sin(2 * np.pi * frequency * at / rate)), np.int16)


def power(samples: Samples, frequency: float, rate: int = 8000) -> float:
    """How strong a frequency is: the amplitude of its sine."""
    wave = samples.astype(np.float64)
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(wave)) / rate)
    return float(2 * abs((wave * turn).mean()))


def hears(samples: Samples, frequency: float, rate: int = 8000) -> bool:
    return power(samples, frequency, rate) > 1500


def ulaw(samples: Samples) -> bytes:
    return bytes(LINEAR_TO_ULAW[samples.astype(np.int64) & 0xFFFF].astype(np.uint8).tobytes())


def alaw(samples: Samples) -> bytes:
    return bytes(LINEAR_TO_ALAW[samples.astype(np.int64) & 0xFFFF].astype(np.uint8).tobytes())


def from_ulaw(data: bytes) -> Samples:
    return np.asarray(ULAW_TO_LINEAR[np.frombuffer(data, np.uint8)], np.int16)


def from_alaw(data: bytes) -> Samples:
    return np.asarray(ALAW_TO_LINEAR[np.frombuffer(data, np.uint8)], np.int16)


def audio(codec: CodecName = "PCMU", ptime_ms: int = 20, event: int | None = 101) -> LegAudio:
    """A leg of one codec, with digits and comfort noise."""
    decode = {_TYPES[codec]: codec, 13: "CN"}
    if event is not None:
        decode[event] = "telephone-event"
    return LegAudio(decode, codec, _TYPES[codec], event, ptime_ms)


def mixed_leg(plane: MediaPlane, phone: Phone, codec: CodecName = "PCMU", **changes: Any) -> LegId:
    """A leg that the matrix knows; towards a leg of the same codec it can be relayed."""
    own = _TYPES[codec]
    rate = changes.pop("rate", 8000)
    settings = {
        "payload_map": {own: own, 101: 101},
        "clock_rates": {own: rate, 101: 8000, 13: 8000},
        "audio": audio(codec, changes.pop("ptime_ms", 20)),
    }
    return leg_for(plane, phone, **{**settings, **changes})


# Later than this, a packet and the tick that would play it may miss each other.
STALL_S = 0.002
# How often a test whose sound the machine has spoilt, by stalling, is tried.
TRIES = 5


class Talk:
    """Several phones send frames every 20 ms and hear meanwhile."""

    def __init__(self, phones: Sequence[Phone]) -> None:
        self.phones = list(phones)
        self.heard: dict[Phone, list[tuple[float, Heard]]] = {phone: [] for phone in phones}
        self._pause = threading.Event()
        self._due = 0.0
        # The longest that a tick's last packet has left after it was due: the machine had no time for us.
        self.late_s = 0.0
        self._by_socket = {phone.socket: phone for phone in phones}

    def run(
        self,
        frames: int,
        says: Callable[[Phone, int], bytes | None],
        at: dict[int, Callable[[], object]] | None = None,
        payload_type: int = 0,
    ) -> None:
        """So many ticks: what each phone says (None: nothing), and what else happens at some of them."""
        if self._due == 0.0:
            self._due = perf_counter()
        for number in range(frames):
            if at and number in at:
                at[number]()
            for phone in self.phones:
                payload = says(phone, number)
                if payload is not None:
                    phone.send(payload, payload_type)
            self.late_s = max(self.late_s, perf_counter() - self._due)
            self._due += 0.02
            self.listen(self._due)

    def listen(self, until: float) -> None:
        """Hear until then."""
        while (left := until - perf_counter()) > 0:
            ready, _, _ = select.select(list(self._by_socket), [], [], left)
            for each in ready:
                phone = self._by_socket[each]
                self.heard[phone].append((perf_counter(), phone.hear()))

    def punctual(self, plane: MediaPlane) -> bool:
        """Whether neither we nor the plane were so late that sound has to be made up for."""
        ticks = plane.loop_statistics
        return self.late_s <= STALL_S and not sum(ticks.lateness[bisect(ticks.bounds_ms, STALL_S * 1000) :])

    def rest(self, seconds: float) -> None:
        self.listen(perf_counter() + seconds)
        self._due = 0.0

    def payloads(self, phone: Phone) -> list[bytes]:
        return [heard.payload for _, heard in self.heard[phone] if heard.payload_type != 101]

    def samples(self, phone: Phone, last: int | None = None) -> Samples:
        """What a phone of PCMU heard, or its last frames."""
        payloads = self.payloads(phone)
        return from_ulaw(b"".join(payloads[-last:] if last is not None else payloads))


def frames_of(samples: Samples, number: int, size: int = FRAME) -> Samples:
    return samples[number * size : (number + 1) * size]


__all__ = ["Phones"]
