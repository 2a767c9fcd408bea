"""`hangup: {}`: end the call."""

from pbx.dialplan.decisions import Decision, Hangup
from pbx.dialplan.handler import Settled


class HangupHandler(Settled):
    """End the call."""

    name = "hangup"

    class Options(Settled.Options):
        """A hangup has no options."""

    def settle(self) -> Decision:
        """End the call."""
        return Hangup(self.why, self.rule)
