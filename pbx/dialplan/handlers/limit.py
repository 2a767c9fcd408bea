"""`limit: {caller: 2, else: {reject: 486}}`: no more calls at once, or within a time, than so many."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Continue, Decision, Reject, Rule
from pbx.dialplan.handler import Ending, Handler
from pbx.dialplan.live import Counted, facts
from pbx.dialplan.scope import Scope
from pbx.dialplan.steps import compile_step
from pbx.documents import Duration, Shape, Text, Whole

_KINDS: tuple[Counted, ...] = ("caller", "user", "trunk", "chain")
_COUNT = 100_000


class RateShape(Shape):
    """So many calls within a time."""

    calls: Whole = Field(ge=1, le=_COUNT, description="How many calls are let through.")
    per: Duration = Field(gt=0, le=86_400, description="Within how long.")
    by: Literal["caller", "user", "trunk", "chain"] = Field("caller", description="Whose calls are counted.")


class LimitHandler(Handler):
    """Hold back calls beyond a limit; calls to an emergency number always pass."""

    name = "limit"

    class Options(Handler.Options):
        """How many calls, and what follows when there are more."""

        shorthand: ClassVar[str] = "caller"

        caller: Whole | None = Field(None, ge=0, le=_COUNT, description="Calls at once by one caller.")
        user: Whole | None = Field(None, ge=0, le=_COUNT, description="Calls at once by one user.")
        trunk: Whole | None = Field(
            None,
            ge=0,
            le=_COUNT,
            description="Calls at once over the trunk that the call comes by, or over of:.",
        )
        of: Text = Field("", description="The trunk that is counted instead of the one the call comes by.")
        chain: Whole | None = Field(
            None, ge=0, le=_COUNT, description="Calls at once that entered this chain."
        )
        rate: RateShape | None = Field(None, description="So many calls within a time: {calls: 10, per: 1m}.")
        else_: Annotated[Any, WithJsonSchema({"$comment": "ending"})] = Field(
            None, alias="else", description="What follows when there are more; reject with 480 if not said."
        )

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile what follows."""
        options = self.options
        self._emergency = scope.build.emergency
        self._chain = scope.chain
        self._limits = [(kind, most) for kind in _KINDS if (most := getattr(options, kind)) is not None]
        if options.of:
            scope.check_trunk(options.of.removeprefix("trunk/"), "of")
        if options.of and options.trunk is None:
            scope.problem("of says whose calls trunk counts, and there is no trunk here", "of")
        if not self._limits and options.rate is None:
            scope.problem("limit limits nothing, expected caller, user, trunk, chain or rate")
        self._counted = f"{scope.chain}/{options.rate.by}/" if options.rate is not None else ""
        self._else: Ending | None = None
        self._rule = Rule(1, scope.place())
        if "else_" in options.model_fields_set:
            self._rule = Rule(1, scope.place("else"))
            ending = compile_step(scope.at("else"), options.else_, endings=True, rule=self._rule, why="else")
            self._else = ending if isinstance(ending, Ending) else None

    def decide(self, call: Call) -> Decision:
        """Count, and let the call pass or not."""
        if call.called in self._emergency:
            return Continue(f"{call.called} is an emergency number, which no limit holds back")
        known = facts()
        for kind, most in self._limits:
            name = self._named(kind, call)
            if not name:
                continue
            active = known.active_calls(kind, name)
            if active >= most:
                return self._held(call, f"{kind} {name} has {active} calls, and may have {most}", None)
        rate = self.options.rate
        if rate is not None:
            name = self._named(rate.by, call)
            made = known.attempts(self._counted + name, rate.per) if name else 0
            if made > rate.calls:
                reason = f"{rate.by} {name} called {made} times in {rate.per:g} s, and may {rate.calls} times"
                return self._held(call, reason, max(1, round(rate.per)))
        return Continue("within the limits")

    def saw(self, call: Call) -> str:
        """Whose calls are counted."""
        kinds = [kind for kind, _ in self._limits]
        if self.options.rate is not None:
            kinds.append(self.options.rate.by)
        return ", ".join(f"{kind} {self._named(kind, call) or 'nobody'}" for kind in dict.fromkeys(kinds))

    def branches(self) -> tuple[tuple[str, Rule], ...]:
        """What follows when there are too many."""
        return (("else", self._rule),) if self._else is not None else ()

    def endings(self) -> tuple[Ending, ...]:
        """What may follow."""
        return () if self._else is None else (self._else,)

    def _named(self, kind: Counted, call: Call) -> str:
        if kind == "caller":
            return call.caller.number
        if kind == "user":
            return call.user or ""
        if kind == "trunk":
            return self.options.of.removeprefix("trunk/") or call.trunk or ""
        return self._chain

    def _held(self, call: Call, reason: str, retry_after: int | None) -> Decision:
        if self._else is None:
            return Reject(480, reason, retry_after=retry_after)
        return replace(self._else.decide(call), reason=reason)
