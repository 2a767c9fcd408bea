"""`allowlist: family`: callers who are on no list are refused."""

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Continue, Decision, Reject
from pbx.dialplan.handler import Handler
from pbx.dialplan.handlers.blacklist import ListOptions, bound_lists
from pbx.dialplan.scope import Scope


class AllowlistHandler(Handler):
    """Refuse callers who are on none of the lists; calls to an emergency number always pass."""

    name = "allowlist"

    class Options(ListOptions):
        """Who is let through."""

    options: Options

    def bind(self, scope: Scope) -> None:
        """Look the lists up."""
        self._lists = bound_lists(self.options, scope)
        self._emergency = scope.build.emergency

    def decide(self, call: Call) -> Decision:
        """Let a caller through who is found."""
        number = call.caller.number
        for each in self._lists:
            entry = each.found(number)
            if entry:
                return Continue(f"the caller is on the list {each.name}: {entry}")
        if call.called in self._emergency:
            return Continue(f"{call.called} is an emergency number, which no list holds back")
        return Reject(self.options.reject, "the caller is on no list here")

    def saw(self, call: Call) -> str:
        """Who calls, and which lists were asked."""
        return f"from {call.caller.number}, lists {', '.join(each.name for each in self._lists)}"
