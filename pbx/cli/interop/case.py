"""A case is a directory of data: what it is for, who takes part, what they do, hear and leave behind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from pbx.cli.interop.audio import TONES
from pbx.cli.interop.ports import IPV4
from pbx.cli.interop.scenario import expand, find
from pbx.documents import Document, Flag, Shape, Text, Whole, load, nearest, validate
from pbx.errors import DocumentError, OperatorError, Problem

CASE_FILE, CONFIG_FILE, DIALPLAN_FILE, COMMON = "case.yaml", "pbx.yaml", "dialplan.yaml", "common"


class PhoneShape(Shape):
    """Somebody SIPp plays: a user of the configuration, with the right password unless another is given.

    `presses` are keys that it presses (RFC 4733), so many milliseconds after its sound has begun.
    """

    user: Text
    password: Text | None = None
    transport: Literal["udp", "tcp"] = "udp"
    address: Literal["127.0.0.1", "::1"] = IPV4
    codec: Literal["pcmu", "pcma"] = "pcmu"
    presses: Text = Field("", pattern=r"^[0-9*#A-D]*$")
    presses_after: Annotated[Whole, Field(ge=0, le=60_000)] = 1000


class TurnShape(Shape):
    """What one phone does in a step: run a scenario, towards a number, with `[keys]` of the case's own.

    Without `repeats`, SIPp neither sends a message again nor passes over one that it gets again.
    """

    scenario: Text
    to: Text = ""
    keys: dict[Text, Text] = Field(default_factory=dict, alias="with")
    repeats: Flag = True


class EarsShape(Shape):
    """Whose tones a phone hears: before the answer, after it, and while somebody holds the call.

    With `changing` what it hears after the answer changes, and is not judged.
    """

    changing: Flag = False
    early: tuple[Text, ...] = ()
    answered: tuple[Text, ...] = ()
    held: tuple[Text, ...] = ()

    def phases(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each phase and who is heard in it."""
        yield from (("early", self.early), ("answered", self.answered), ("held", self.held))


def _as_turn(value: Any) -> Any:
    return {"scenario": value} if isinstance(value, str) else value


Turn = Annotated[TurnShape, BeforeValidator(_as_turn)]


def _as_range(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


Change = Annotated[tuple[Whole, Whole], BeforeValidator(_as_range)]
"""By how much a counter changes: `1`, or `[100, 300]` for what depends on the time things take."""


class RecordingShape(Shape):
    """Whose tones are in a recording from its beginning to its end: left and right, or in the only side."""

    left: tuple[Text, ...] = ()
    right: tuple[Text, ...] | None = None


class CaseShape(Shape):
    """The file `case.yaml`."""

    summary: Text
    intent: Text
    config: dict[str, Any] = Field(default_factory=dict)
    dialplan: Text = ""
    phones: dict[Text, PhoneShape] = Field(min_length=1, max_length=len(TONES))
    steps: tuple[dict[Text, Turn], ...] = Field(min_length=1)
    step_seconds: Annotated[Whole, Field(ge=1, le=600)] = 20
    sounds: dict[Text, Annotated[Whole, Field(ge=1, le=60)]] = Field(default_factory=dict)
    hears: dict[Text, EarsShape] | None = None
    recordings: dict[Text, RecordingShape] = Field(default_factory=dict)
    counters: dict[Text, Change] = Field(default_factory=dict)
    registrations: Whole = 0
    explained: Whole = 0


@dataclass(frozen=True, slots=True)
class Case:
    """A case that was read and makes sense: its name, its shape checked, the text of each scenario."""

    name: str
    directory: Path
    shape: CaseShape
    config: Mapping[str, Any]
    dialplan: Path
    scenarios: Mapping[str, str]

    @property
    def has_audio(self) -> bool:
        """Whether somebody has to hear something."""
        return any(whom for ears in (self.shape.hears or {}).values() for _, whom in ears.phases())

    @property
    def tones(self) -> dict[str, int]:
        """The frequency, in Hz, of each phone and each sound."""
        return dict(zip((*self.shape.phones, *self.shape.sounds), TONES, strict=False))


@dataclass(frozen=True, slots=True)
class Suite:
    """The directory of the cases: the configuration they share, and each case by name."""

    directory: Path
    config: Mapping[str, Any]
    cases: Mapping[str, Case]

    def select(self, names: tuple[str, ...]) -> list[Case]:
        """The cases of these names in this order, or all of them; OperatorError for a name nobody has."""
        for name in names:
            if name not in self.cases:
                close = nearest(name, self.cases)
                known = f"did you mean {close}?" if close else f"there are {', '.join(self.cases)}"
                raise OperatorError(f"there is no case {name!r} in {self.directory}", known)
        return [self.cases[name] for name in names] or list(self.cases.values())


def find_suite(directory: Path | None = None) -> Suite:
    """Read the suite in `directory`, else the `sipp/` of the checkout, else the one in the working directory.

    Raises OperatorError when there is none, and DocumentError with every fault of every case.
    """
    if directory is None:
        places = [Path(__file__).parents[3] / "sipp", Path("sipp").resolve()]
        found = next((place for place in places if (place / CONFIG_FILE).is_file()), None)
        if found is None:
            raise OperatorError("there is no sipp/ directory here", "run in a checkout, or give --cases DIR")
        directory = found
    directory = directory.resolve()
    config = load(directory / CONFIG_FILE).value
    if not isinstance(config, dict):
        raise OperatorError(
            f"{directory / CONFIG_FILE} is empty", "it holds what all cases' configurations share"
        )
    cases: dict[str, Case] = {}
    problems: list[Problem] = []
    for path in sorted(directory.glob(f"*/{CASE_FILE}")):
        try:
            cases[path.parent.name] = read_case(path, config)
        except DocumentError as error:
            problems.extend(error.problems)
    if problems:
        raise DocumentError(tuple(problems))
    if not cases:
        raise OperatorError(f"{directory} has no cases", f"a case is a directory with a {CASE_FILE}")
    return Suite(directory, config, cases)


def read_case(path: Path, config: Mapping[str, Any]) -> Case:
    """Read one `case.yaml`; `config` is the suite's, which knows the users. Raises DocumentError."""
    document = load(path)
    problems: list[Problem] = []
    shape = validate(CaseShape, document.value, document, problems)
    if shape is None:
        raise DocumentError(tuple(problems))
    reader = _Reader(path.parent, document, problems)
    scenarios = reader.check(shape, config)
    dialplan = reader.file(shape.dialplan or DIALPLAN_FILE, ("dialplan",), path.parent.parent)
    if problems:
        raise DocumentError(tuple(problems))
    return Case(path.parent.name, path.parent, shape, shape.config, dialplan, scenarios)


class _Reader:
    """Checks what a shape alone cannot say: names that must be known, files that must be there."""

    def __init__(self, directory: Path, document: Document, problems: list[Problem]) -> None:
        self._directory = directory
        self._document = document
        self._problems = problems

    def check(self, shape: CaseShape, config: Mapping[str, Any]) -> dict[str, str]:
        """Add what is wrong to the problems; gives the text of each scenario."""
        scenarios: dict[str, str] = {}
        users = {**(config.get("users") or {}), **(shape.config.get("users") or {})}
        for name, phone in shape.phones.items():
            self._known(phone.user, users, ("phones", name, "user"), "a user of the configuration")
        for number, step in enumerate(shape.steps):
            for name, turn in step.items():
                self._known(name, shape.phones, ("steps", number, name), "a phone")
                place = ("steps", number, name, "scenario")
                scenarios[turn.scenario] = self._scenario(turn.scenario, place)
        tones = {**shape.phones, **shape.sounds}
        for name, ears in (shape.hears or {}).items():
            self._known(name, shape.phones, ("hears", name), "a phone")
            for phase, whom in ears.phases():
                for number, other in enumerate(whom):
                    self._known(other, tones, ("hears", name, phase, number), "a phone or sound")
        for name, recording in shape.recordings.items():
            for side, whom in (("left", recording.left), ("right", recording.right or ())):
                for number, other in enumerate(whom):
                    self._known(other, tones, ("recordings", name, side, number), "a phone or sound")
        if len(tones) > len(TONES):
            self._say(("sounds",), f"there are tones for {len(TONES)} phones and sounds together")
        return scenarios

    def _scenario(self, name: str, place: tuple[str | int, ...]) -> str:
        common = self._directory.parent / COMMON
        path = self.file(name, place, common)
        try:
            return expand(path, (self._directory, common)) if path.is_file() else ""
        except OperatorError as error:
            self._say(place, str(error))
            return ""

    def file(self, name: str, place: tuple[str | int, ...], shared: Path) -> Path:
        """The file `name` of the case's own, or else the one in `shared`."""
        path = find(name, (self._directory, shared))
        if path is None:
            self._say(place, f"there is no file {name!r}, neither here nor in {shared}")
        return path or self._directory / name

    def _known(self, name: str, known: Mapping[str, Any], place: tuple[str | int, ...], what: str) -> None:
        if name not in known:
            self._say(place, f"{name!r} is not {what}", nearest(name, known))

    def _say(self, place: tuple[str | int, ...], message: str, suggestion: str = "") -> None:
        self._problems.append(Problem(self._document.place(place), message, suggestion))
