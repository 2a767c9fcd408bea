"""`blacklist: robocallers`: callers on a list are refused."""

from typing import ClassVar

from pydantic import Field

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Continue, Decision, Reject
from pbx.dialplan.handler import Handler
from pbx.dialplan.lists import NumberList
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.scope import Scope
from pbx.documents import Whole


class ListOptions(Handler.Options):
    """Which lists, and what to refuse with."""

    shorthand: ClassVar[str] = "list"

    list: OneOrMany = Field(description="The name of a list under lists:, or several.")
    reject: Whole = Field(
        603, ge=400, le=699, description="The final code for those who are refused; 603 if not said."
    )


class BlacklistHandler(Handler):
    """Refuse callers who are on a list; calls to an emergency number always pass."""

    name = "blacklist"

    class Options(ListOptions):
        """Who is refused."""

    options: Options

    def bind(self, scope: Scope) -> None:
        """Look the lists up."""
        self._lists = bound_lists(self.options, scope)
        self._emergency = scope.build.emergency

    def decide(self, call: Call) -> Decision:
        """Refuse a caller who is found."""
        number = call.caller.number
        for each in self._lists:
            entry = each.found(number)
            if entry:
                if call.called in self._emergency:
                    return Continue(f"{call.called} is an emergency number, which no list holds back")
                return Reject(self.options.reject, f"the caller is on the list {each.name}: {entry}")
        return Continue("the caller is on no list here")

    def saw(self, call: Call) -> str:
        """Who calls, and which lists were asked."""
        return f"from {call.caller.number}, lists {', '.join(each.name for each in self._lists)}"


def bound_lists(options: ListOptions, scope: Scope) -> tuple[NumberList, ...]:
    """The lists that the options name; unknown ones are reported."""
    found = (scope.list(name, "list", index) for index, name in enumerate(options.list))
    return tuple(each for each in found if each is not None)
