"""`dial: user/1001`: call one or many targets, and say what follows when nobody answers."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from pbx.call.causes import DialOutcome
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import OUTCOMES, Decision, Dial, Mode, Outcome, Reject
from pbx.dialplan.handler import Ending
from pbx.dialplan.live import facts
from pbx.dialplan.scope import Scope
from pbx.dialplan.steps import compile_endings
from pbx.dialplan.targets import Target, complete
from pbx.dialplan.uris import TargetTemplate, compile_target
from pbx.documents import Duration, Shape, Text, Whole, nearest, shown

Order = Literal["parallel", "in-turn", "failover", "least-used", "weighted"]

# What somebody at the far end said or let ring: another way to them would come to the same.
_ANSWERED: frozenset[int | str] = frozenset({"busy", "no-answer", "rejected"})


class TargetShape(Shape):
    """A target with more to say than its name."""

    target: Text
    ring: Duration | None = Field(None, gt=0, description="How long it may ring, when it is its turn.")
    weight: Whole = Field(1, ge=1, le=1000, description="With mode: weighted, its share.")


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


_Target = Text | TargetShape
Targets = Annotated[
    tuple[_Target, ...],
    BeforeValidator(_listed, json_schema_input_type=_Target | Annotated[list[_Target], Field(min_length=1)]),
    Field(min_length=1),
]


class DialHandler(Ending):
    """Call somebody."""

    name = "dial"

    class Options(Ending.Options):
        """Whom to call, for how long, and what follows."""

        shorthand: ClassVar[str] = "targets"

        targets: Targets = Field(
            description="user (the user that was called), user/NAME, trunk/NAME (the number as called), "
            "trunk/NAME/NUMBER or a SIP URI; one, or a list, in which {target: user/1001, ring: 10s, "
            "weight: 3} says more."
        )
        ring: Duration | None = Field(
            None,
            description="How long it may ring before the outcome is no-answer; in turn, for each target. "
            "The service's own ring time when left out.",
        )
        mode: Order = Field(
            "parallel",
            description="parallel: all ring at once, the first to answer wins; in-turn: one by one; "
            "failover: one by one, but only past those that cannot be reached; least-used: one by one, first "
            "who was given the fewest calls; weighted: the same, a weight of 2 counting calls half.",
        )
        stop: tuple[Whole | Text, ...] = Field(
            (), description="Final codes and outcomes after which the targets that are left are not tried."
        )
        on: dict[DialOutcome, Annotated[Any, WithJsonSchema({"$comment": "ending"})]] = Field(
            default_factory=dict,
            description="What follows an outcome: busy, no-answer, unavailable, rejected, failed, timeout. "
            "An outcome that is not here ends the call with its code.",
        )

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile targets and endings."""
        options = self.options
        self._templates: list[TargetTemplate] = []
        self._rings: list[float | None] = []
        self._weights: list[int] = []
        for index, each in enumerate(options.targets):
            whole = TargetShape(target=each) if isinstance(each, str) else each
            inside = () if isinstance(each, str) else ("target",)
            template = compile_target(whole.target, scope, "targets", index, *inside)
            if template is not None:
                self._templates.append(template)
                self._rings.append(whole.ring)
                self._weights.append(whole.weight)
        self._ordered = options.mode in ("least-used", "weighted")
        if options.mode != "weighted" and set(self._weights) - {1}:
            scope.problem("weight has a meaning with mode: weighted only", "targets")
        if options.mode == "parallel" and (options.stop or any(self._rings)):
            scope.problem("all targets ring at once: say mode: in-turn for stop and a ring of their own")
        self._mode: Mode = "parallel" if options.mode == "parallel" else "in-turn"
        self._stop = _stop(options, scope)
        self._on = compile_endings(options.on, scope, "on", why=self.why, rule=self.rule)
        if not any(self._rings):
            self._rings = []
        constants = tuple(each.constant for each in self._templates if each.constant is not None)
        self._constant: Dial | None = None
        if not self._on and len(constants) == len(self._templates) and not self._ordered:
            self._constant = self._dial(constants, self._rings, {})

    def _dial(
        self, targets: tuple[Target, ...], rings: Sequence[float | None], on: dict[Outcome, Decision]
    ) -> Dial:
        return Dial(
            targets,
            ring=self.options.ring,
            mode=self._mode,
            on=on,
            reason=self.why,
            rule=self.rule,
            rings=rings,
            stop=self._stop,
        )

    def endings(self) -> Iterable[Ending]:
        """What may follow."""
        return self._on.values()

    def decide(self, call: Call) -> Decision:
        """Dial the targets that `call` leads to."""
        if self._constant is not None:
            return self._constant
        found = [(index, template.expand(call)) for index, template in enumerate(self._templates)]
        kept = [(index, target) for index, target in found if target is not None]
        if not kept:
            return Reject(484, f"{self.why}, but there is no number left to dial", rule=self.rule)
        if self._ordered:
            known, weights = facts(), self._weights
            kept.sort(key=lambda each: (known.uses(str(complete(each[1], call))) + 1) / weights[each[0]])
        targets = tuple([target for _, target in kept])
        rings = [self._rings[index] for index, _ in kept] if self._rings else []
        on = {outcome: ending.decide(call) for outcome, ending in self._on.items()} if self._on else {}
        return self._dial(targets, rings, on)


def _stop(options: DialHandler.Options, scope: Scope) -> frozenset[int | str]:
    for index, each in enumerate(options.stop):
        known = each in OUTCOMES if isinstance(each, str) else 300 <= each <= 699
        if not known:
            message = f"found {shown(str(each))}, expected final codes, or some of {', '.join(OUTCOMES)}"
            scope.problem(message, "stop", index, suggestion=nearest(str(each), OUTCOMES))
    stop = frozenset(options.stop)
    return stop | _ANSWERED if options.mode == "failover" else stop
