"""`agent: log-in`: log the caller in or out as an agent, or begin or end a break; ask the next handler."""

from typing import ClassVar

from pydantic import Field

from pbx.dialplan.call import AgentStep, Call
from pbx.dialplan.decisions import Continue, Decision
from pbx.dialplan.handler import Handler


class AgentHandler(Handler):
    """Change what the caller, who is an agent of queues, is to them: what dialled codes are made of."""

    name = "agent"

    class Options(Handler.Options):
        """What changes."""

        shorthand: ClassVar[str] = "change"

        change: AgentStep = Field(
            description="log-in, log-out, pause, unpause, or ready, which cuts wrap-up short."
        )

    options: Options

    def decide(self, call: Call) -> Decision:
        """Go on with a call whose caller is to be changed, if it is a user."""
        if call.user is None:
            return Continue("only a user can be an agent")
        change = self.options.change
        return Continue(f"agent {call.user}: {change}", call.changed(agent=change))
