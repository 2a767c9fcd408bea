"""What tests of pure machines share: time that goes from deadline to deadline, and seeded randomness."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Protocol, TypeVar

from pbx.ids import Ids

Output = TypeVar("Output")
Output_co = TypeVar("Output_co", covariant=True)

_MAX_STEPS = 100_000


class Timed(Protocol[Output_co]):
    """A machine with the two methods that every machine has."""

    def next_deadline(self) -> float | None: ...

    def handle_timer(self, now: float) -> Sequence[Output_co]: ...


def advance_to(machine: Timed[Output], t: float) -> list[tuple[float, Output]]:
    """Wake `machine` at each of its deadlines up to `t`, as an edge that is never late does.

    Gives every output with the time it came. A machine that stays due for ever fails the test.
    """
    outputs: list[tuple[float, Output]] = []
    for _ in range(_MAX_STEPS):
        due = machine.next_deadline()
        if due is None or due > t:
            return outputs
        outputs += [(due, output) for output in machine.handle_timer(due)]
    raise AssertionError(f"still due at {due} after {_MAX_STEPS} wakes")


def seeded_bytes(seed: object) -> Callable[[int], bytes]:
    """A source of bytes in place of `os.urandom`, the same for the same seed."""
    served = 0

    def read(count: int) -> bytes:
        nonlocal served
        blocks: list[bytes] = []
        for _ in range(-(-count // 32)):
            blocks.append(sha256(f"{seed}/{served}".encode()).digest())
            served += 1
        return b"".join(blocks)[:count]

    return read


def seeded_ids(seed: object = 0) -> Ids:
    """Identifiers that are the same in every run."""
    return Ids(seeded_bytes(seed))


class Dice:
    """Seeded chance for emulators."""

    def __init__(self, seed: object) -> None:
        self._ids = seeded_ids(f"dice {seed}")

    def fraction(self) -> float:
        """At least 0 and less than 1."""
        return self._ids.number(32) / 2**32

    def between(self, low: float, high: float) -> float:
        """Somewhere from `low` to `high`."""
        return low + (high - low) * self.fraction()

    def chance(self, probability: float) -> bool:
        """True as often as `probability` says."""
        return self.fraction() < probability

    def choose(self, options: Sequence[Output]) -> Output:
        """One of `options`."""
        return options[int(self.fraction() * len(options))]
