"""`include: screening`: ask another chain, and the next handler here when that one runs out."""

from typing import ClassVar

from pydantic import Field

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Include
from pbx.dialplan.handler import Handler
from pbx.dialplan.scope import Scope
from pbx.documents import Text


class IncludeHandler(Handler):
    """Ask another chain as if its handlers stood here; what it changes of the call stays changed."""

    name = "include"

    class Options(Handler.Options):
        """Which chain."""

        shorthand: ClassVar[str] = "chain"

        chain: Text = Field(description="The name of the chain.")

    options: Options

    def bind(self, scope: Scope) -> None:
        """Check that there is such a chain."""
        scope.check_chain(self.options.chain, "chain", include=True)
        self._decision = Include(self.options.chain, "its handlers stand here too")

    def decide(self, call: Call) -> Decision:  # noqa: ARG002  # every call goes there
        """Ask the chain."""
        return self._decision
