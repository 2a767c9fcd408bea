"""Running the `tests:` of a dialplan: the tree of real calls decides, outcomes are given, nothing waits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pbx.dialplan.cases import Case
from pbx.dialplan.chain import Visit
from pbx.dialplan.decisions import Dial, Final
from pbx.dialplan.explain import followed, ladder
from pbx.dialplan.generation import Generation, Verdict
from pbx.dialplan.queue_rehearsal import QueueRehearsal
from pbx.dialplan.rehearsal import Rehearsal
from pbx.dialplan.words import as_json, kind_of, said
from pbx.errors import MisuseError, Place


@dataclass(slots=True)
class Trial:
    """How one test went: `failures` is empty when it passed; `error` when it could not be judged."""

    case: Case
    failures: list[str] = field(default_factory=list)
    error: bool = False
    decision: Final | None = None
    answered: str = ""
    visits: list[Visit] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    passed_through: list[str] = field(default_factory=list)
    queued: list[QueueRehearsal] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything that was expected held."""
        return not self.failures

    def path(self, generation: Generation) -> str:
        """The way the call took, for people."""
        if not self.verdicts:
            return ""
        first = self.verdicts[0]
        lines = [ladder(generation, self.case.call, first)]
        lines += followed(self.verdicts[1:])
        lines += map(str, self.queued)
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Part:
    """A handler, or a rule of one, that tests may reach."""

    chain: str
    position: int
    handler: str
    rule: int | None
    what: str
    place: Place


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which handlers and rules some test reached."""

    reached: tuple[Part, ...]
    missed: tuple[Part, ...]

    def __str__(self) -> str:
        total = len(self.reached) + len(self.missed)
        return f"{len(self.reached)} of {total} handlers and rules reached"


def run_cases(generation: Generation, cases: Iterable[Case] | None = None) -> list[Trial]:
    """Run the tests of `generation`, or these."""
    return [run_case(generation, case) for case in (generation.cases if cases is None else cases)]


def run_case(generation: Generation, case: Case) -> Trial:
    """Run one test."""
    trial = Trial(case)
    try:
        rehearsal = Rehearsal(generation, case.call, case.given)
        trial.verdicts, trial.queued = rehearsal.verdicts, rehearsal.queued
        last = rehearsal.run(
            follows=case.follows,
            heard=lambda verdict: _note(trial, verdict),
            tried=trial.passed_through.append,
        )
        trial.answered = rehearsal.answered
        trial.decision = last.decision
    except MisuseError as error:
        trial.error = True
        trial.failures.append(f"it could not be decided: {error}")
        return trial
    clock = next((visit for visit in trial.visits if visit.link.handler.reads_clock), None)
    if clock is not None and not case.timed:
        trial.error = True
        trial.failures.append(f"the call meets {clock.handler} at {clock.place}: say when it comes, with at:")
        return trial
    trial.failures.extend(_failures(trial, generation))
    return trial


def coverage(generation: Generation, trials: Iterable[Trial]) -> Coverage:
    """What the tests reached, and what not, in the order of the file."""
    seen: set[tuple[str, int, int | None]] = set()
    for trial in trials:
        for visit in trial.visits:
            seen.add((visit.chain, visit.position, None))
            if visit.rule is not None:
                seen.add((visit.chain, visit.position, visit.rule.number))
    reached: list[Part] = []
    missed: list[Part] = []
    for part in parts(generation):
        (reached if (part.chain, part.position, part.rule) in seen else missed).append(part)
    return Coverage(tuple(reached), tuple(missed))


def parts(generation: Generation) -> Iterator[Part]:
    """Every handler, or each of its rules when it has any."""
    for chain in generation.chains.values():
        for link in chain.links:
            branches = link.handler.branches()
            if not branches:
                yield Part(chain.name, link.position, link.name, None, link.name, link.place)
            for what, rule in branches:
                yield Part(chain.name, link.position, link.name, rule.number, what, rule.place)


def _note(trial: Trial, verdict: Verdict) -> None:
    trial.visits.extend(verdict.path)
    chain = ""
    for visit in verdict.path:
        if visit.chain != chain:
            chain = visit.chain
            trial.passed_through.append(chain)
        trial.passed_through.append(visit.handler)


def _failures(trial: Trial, generation: Generation) -> Iterator[str]:
    decision = trial.decision
    assert decision is not None
    expect = trial.case.expect
    found = as_json(decision)
    given = expect.model_fields_set
    for key in ("dial", "reject", "redirect", "queue", "play", "menu", "voicemail", "conference"):
        wanted = getattr(expect, key)
        if wanted is not None and not _is(key, wanted, decision, found):
            yield f"expected {key} {_listed(wanted)}, found {said(decision)}"
    for key in ("echo", "talk", "answer", "hangup"):
        if key in given and kind_of(decision) != key:
            yield f"expected {key}, found {said(decision)}"
    yield from _details(trial)
    yield from _passage(trial, generation)


_VALUES = {
    "reject": "code",
    "redirect": "contacts",
    "voicemail": "mailbox",
    "conference": "room",
    "play": "sounds",
}


def _is(key: str, wanted: Any, decision: Final, found: Mapping[str, Any]) -> bool:
    if found["kind"] != key:
        return False
    if key == "dial":
        assert isinstance(decision, Dial)
        targets = [str(target) for target in decision.targets]
        # trunk/NAME without a number is any number over that trunk.
        whole = [
            target
            if target in wanted or target.count("/") < 2
            else target[: target.index("/", len("trunk/"))]
            for target in targets
        ]
        return whole == list(wanted) if decision.mode == "in-turn" else sorted(whole) == sorted(wanted)
    actual = found[_VALUES.get(key, "name")]
    return bool(list(wanted) == actual if key in ("redirect", "play") else wanted == actual)


def _details(trial: Trial) -> Iterator[str]:
    expect, decision = trial.case.expect, trial.decision
    call = trial.verdicts[-1].call
    last = trial.visits[-1] if trial.visits else None
    by = "nobody" if last is None else last.handler
    rule = None if last is None or last.rule is None else last.rule.number
    ring = decision.ring if isinstance(decision, Dial) else None
    caller, shows = call.caller, call.shown
    shown = "" if shows is None else "anonymous" if shows.hidden else shows.number
    checks: Sequence[tuple[str, Any, Any]] = (
        ("by", expect.by, by),
        ("rule", expect.rule, rule),
        ("answered by", expect.answered, trial.answered),
        ("ring", expect.ring, ring),
        ("caller", expect.caller, caller.number),
        ("caller_name", expect.caller_name, caller.name),
        ("shown", expect.shown, shown),
        ("record", expect.record, None if call.record is None else call.record.what),
    )
    for what, wanted, actual in checks:
        if wanted is not None and wanted != actual:
            yield f"expected {what} {wanted}, found {'nothing' if actual in (None, '') else actual}"
    sent = {name.lower(): value for name, value in call.sent_headers}
    for name, value in (expect.headers or {}).items():
        if sent.get(name.lower()) != value:
            yield f"expected the header {name}: {value}, found {sent.get(name.lower(), 'none')}"
    for name, value in (expect.variables or {}).items():
        if call.variables.get(name) != value:
            yield f"expected the variable {name} {value}, found {call.variables.get(name, 'nothing')}"


def _passage(trial: Trial, generation: Generation) -> Iterator[str]:
    way = iter(trial.passed_through)
    for wanted in trial.case.expect.through or ():
        if wanted not in way:
            passed = " → ".join(trial.passed_through) or "nothing"
            hint = "" if wanted in generation.chains or "/" in wanted else " (no chain has that name)"
            yield f"expected to go through {wanted}{hint}, found {passed}"
            return


def _listed(wanted: Any) -> str:
    return " and ".join(wanted) if isinstance(wanted, tuple) else str(wanted)
