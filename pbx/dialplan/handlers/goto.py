"""`goto: night`: go on in another chain, for good."""

from typing import ClassVar

from pydantic import Field

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Goto
from pbx.dialplan.handler import Ending
from pbx.dialplan.scope import Scope
from pbx.documents import Text


class GotoHandler(Ending):
    """Go on in another chain; a number that the rule rewrote stays rewritten there."""

    name = "goto"

    class Options(Ending.Options):
        """Where to go on."""

        shorthand: ClassVar[str] = "chain"

        chain: Text = Field(description="The name of the chain.")

    options: Options

    def bind(self, scope: Scope) -> None:
        """Check that there is such a chain."""
        scope.check_chain(self.options.chain, "chain", goto=True)

    def decide(self, call: Call) -> Decision:
        """Go on in the chain, with the call as it is now."""
        return Goto(self.options.chain, self.why, call, self.rule)
