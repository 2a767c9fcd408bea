"""`dial: user/1001`: call one or many targets, and say what follows when nobody answers."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from pbx.call.causes import DialOutcome
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Dial, Mode, Reject
from pbx.dialplan.handler import Ending
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.scope import Scope
from pbx.dialplan.steps import compile_endings
from pbx.dialplan.uris import TargetTemplate, compile_target
from pbx.documents import Duration


class DialHandler(Ending):
    """Call somebody."""

    name = "dial"

    class Options(Ending.Options):
        """Whom to call, for how long, and what follows."""

        shorthand: ClassVar[str] = "targets"

        targets: OneOrMany = Field(
            description="user (the user that was called), user/NAME, trunk/NAME (the number as called), "
            "trunk/NAME/NUMBER or a SIP URI; one, or a list."
        )
        ring: Duration | None = Field(
            None,
            description="How long it may ring before the outcome is no-answer; in turn, for each target. "
            "The service's own ring time when left out.",
        )
        mode: Mode = Field(
            "parallel",
            description="parallel: all ring at once, the first to answer wins; in-turn: one by one.",
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
        found = (compile_target(text, scope, "targets", i) for i, text in enumerate(options.targets))
        self._templates: tuple[TargetTemplate, ...] = tuple(each for each in found if each is not None)
        self._on = compile_endings(options.on, scope, "on", why=self.why, rule=self.rule)
        constants = tuple(each.constant for each in self._templates if each.constant is not None)
        self._constant: Dial | None = None
        if not self._on and len(constants) == len(self._templates):
            self._constant = Dial(
                constants, ring=options.ring, mode=options.mode, reason=self.why, rule=self.rule
            )

    def endings(self) -> Iterable[Ending]:
        """What may follow."""
        return self._on.values()

    def decide(self, call: Call) -> Decision:
        """Dial the targets that `call` leads to."""
        if self._constant is not None:
            return self._constant
        found = [template.expand(call) for template in self._templates]
        targets = tuple([target for target in found if target is not None])
        if not targets:
            return Reject(484, f"{self.why}, but there is no number left to dial", rule=self.rule)
        options = self.options
        on = {outcome: ending.decide(call) for outcome, ending in self._on.items()} if self._on else None
        return Dial(targets, ring=options.ring, mode=options.mode, on=on, reason=self.why, rule=self.rule)
