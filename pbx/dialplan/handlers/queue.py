"""`queue: support`: wait for an agent."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from pbx.call.causes import QueueOutcome
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Outcome, Queue
from pbx.dialplan.handler import Ending
from pbx.dialplan.queues import overflow
from pbx.dialplan.scope import Scope
from pbx.dialplan.steps import compile_endings
from pbx.documents import Text, Whole


class QueueHandler(Ending):
    """Wait in a queue."""

    name = "queue"

    class Options(Ending.Options):
        """Which queue, and what follows when nobody came."""

        shorthand: ClassVar[str] = "name"

        name: Text = Field(description="The name of a queue under queues:.")
        priority: Whole = Field(
            0, ge=-100, le=100, description="Callers with a higher priority are served before others."
        )
        on: dict[QueueOutcome, Annotated[Any, WithJsonSchema({"$comment": "ending"})]] = Field(
            default_factory=dict,
            description="What follows an outcome: timeout (the longest wait is over), closed, full, left "
            "(the caller chose not to wait), unavailable (no agent is there) or failed. What is not here is "
            "as the queue's own on: says, else the call ends with the outcome's code.",
        )

    options: Options

    def bind(self, scope: Scope) -> None:
        """Look the queue up and compile the endings."""
        options = self.options
        queue = scope.queue(options.name, "name")
        self._on: dict[Outcome, Ending] = {}
        if queue is not None:
            self._on.update(overflow(scope, queue, self.why, self.rule))
        self._on.update(compile_endings(options.on, scope, "on", why=self.why, rule=self.rule))
        self._constant = Queue(options.name, {}, self.why, self.rule, options.priority)

    def endings(self) -> Iterable[Ending]:
        """What may follow."""
        return self._on.values()

    def decide(self, call: Call) -> Decision:
        """Wait."""
        if not self._on:
            return self._constant
        on: dict[Outcome, Decision] = {outcome: each.decide(call) for outcome, each in self._on.items()}
        return Queue(self.options.name, on, self.why, self.rule, self.options.priority)
