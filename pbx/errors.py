"""Every error says whose fault it is, where, and what to do.

PbxError
├── OperatorError        a file, a setting or the machine: one line for a person, no traceback
│   ├── DocumentError    one or more problems in a YAML document, each with its place
│   └── PortInUse
├── PeerError            what came from the wire is wrong: carries the status to answer (RFC 3261 §21)
├── ResourcesExhausted   a bound was reached: carries when to try again
└── MisuseError          our own code asked a machine for what its state does not allow
"""

from dataclasses import dataclass


class PbxError(Exception):
    """The root of all errors raised on purpose."""


class OperatorError(PbxError):
    """Something the person who runs the service can mend; `str()` is one line that says how."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}: {hint}" if hint else message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; line and column count from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place, and the nearest right spelling when there is one."""

    place: Place
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f" (did you mean {self.suggestion}?)" if self.suggestion else ""
        return f"{self.place}: {self.message}{hint}"


class DocumentError(OperatorError):
    """A YAML document that is not loaded; `problems` has every fault that was found, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class PortInUse(OperatorError):
    """A listening address that another program holds."""


class PeerError(PbxError):
    """The peer's fault: `status` and `reason` are what to answer, if an answer can be sent at all.

    `reason` is ours and safe to print; it never repeats what the wire said.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class ResourcesExhausted(PbxError):
    """A bound was reached (media ports, transactions, connections); try again after `retry_after` seconds."""

    def __init__(self, resource: str, retry_after: int = 5) -> None:
        super().__init__(f"no {resource} left")
        self.resource = resource
        self.retry_after = retry_after


class MisuseError(PbxError):
    """Our fault: an imperative that the machine's state does not allow."""
