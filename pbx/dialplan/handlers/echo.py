"""`echo: {}`: answer, and send the caller's voice back."""

from pbx.dialplan.decisions import Decision, Echo
from pbx.dialplan.handler import Settled


class EchoHandler(Settled):
    """Send the caller's voice back."""

    name = "echo"

    class Options(Settled.Options):
        """An echo has no options."""

    def settle(self) -> Decision:
        """Echo."""
        return Echo(self.why, self.rule)
