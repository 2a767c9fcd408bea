"""`forward: {no-answer: user/1002}`: ring a user, and go elsewhere when that comes to nothing."""

from pydantic import Field

from pbx.call.causes import Outcome
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Dial, Mode, Reject
from pbx.dialplan.handler import Ending
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.scope import Scope
from pbx.dialplan.uris import TargetTemplate, compile_target
from pbx.documents import Duration

_OUTCOMES: dict[str, tuple[Outcome, ...]] = {
    "busy": ("busy", "rejected"),
    "no_answer": ("no-answer",),
    "unreachable": ("unavailable", "timeout", "failed"),
    "find_me": ("no-answer", "unavailable", "timeout", "failed"),
}


class ForwardHandler(Ending):
    """Ring somebody and forward the call, always or when they are busy, do not answer or are not there."""

    name = "forward"

    class Options(Ending.Options):
        """Who is rung, and where the call goes otherwise."""

        targets: OneOrMany = Field(
            ("user",), alias="dial", description="Who is rung first; user if not said."
        )
        ring: Duration | None = Field(None, description="How long everybody may ring.")
        always: OneOrMany | None = Field(None, description="Targets that are rung instead.")
        busy: OneOrMany | None = Field(None, description="Targets for when they are busy, or refuse.")
        no_answer: OneOrMany | None = Field(
            None, alias="no-answer", description="Targets for when nobody answers in time."
        )
        unreachable: OneOrMany | None = Field(None, description="Targets for when no phone is there.")
        find_me: OneOrMany | None = Field(
            None,
            alias="find-me",
            description="Targets that are tried in turn when nobody answers and no phone is there, if "
            "no-answer and unreachable do not say otherwise.",
        )

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile the targets."""
        options = self.options
        given = [key for key in ("always", *_OUTCOMES) if getattr(options, key) is not None]
        if not given:
            scope.problem("forward forwards nothing: say always, busy, no-answer, unreachable or find-me")
        if "always" in given and len(given) > 1:
            scope.problem(
                "with always, what follows other outcomes is never asked", given[1].replace("_", "-")
            )
        first = "targets" if options.always is None else "always"
        self._first = _targets(getattr(options, first), scope, "dial" if first == "targets" else "always")
        self._on: dict[Outcome, tuple[tuple[TargetTemplate, ...], str]] = {}
        for key, outcomes in _OUTCOMES.items():
            texts = getattr(options, key)
            if texts is not None:
                name = key.replace("_", "-")
                found = _targets(texts, scope, name)
                for outcome in outcomes:
                    self._on.setdefault(outcome, (found, name))

    def decide(self, call: Call) -> Decision:
        """Ring, and say who is rung after each outcome."""
        reason = self.why if self.options.always is None else f"{self.why}, always forwarded"
        on: dict[Outcome, Decision] = {
            outcome: self._dial(call, targets, f"{self.why}, forwarded on {name}", name == "find-me")
            for outcome, (targets, name) in self._on.items()
        }
        return self._dial(call, self._first, reason, False, on)

    def _dial(
        self,
        call: Call,
        templates: tuple[TargetTemplate, ...],
        reason: str,
        in_turn: bool,
        on: dict[Outcome, Decision] | None = None,
    ) -> Decision:
        found = [template.expand(call) for template in templates]
        targets = tuple([target for target in found if target is not None])
        if not targets:
            return Reject(484, f"{reason}, but there is no number left to dial", rule=self.rule)
        mode: Mode = "in-turn" if in_turn else "parallel"
        return Dial(targets, ring=self.options.ring, mode=mode, on=on, reason=reason, rule=self.rule)


def _targets(texts: tuple[str, ...], scope: Scope, key: str) -> tuple[TargetTemplate, ...]:
    found = (compile_target(text, scope, key, index) for index, text in enumerate(texts))
    return tuple(each for each in found if each is not None)
