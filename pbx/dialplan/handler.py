"""What every link of a chain is: a handler with a name, options and one question, `decide`."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Rule
from pbx.documents import Shape

if TYPE_CHECKING:
    from pbx.dialplan.scope import Scope


class Handler:
    """One link of a chain. A subclass gives `name`, `Options` and `decide`, which may be `async`.

    In a dialplan a handler is written `NAME: options`. When `Options.shorthand` names an option, a value
    that is not a mapping is that option (`reject: 403`), and the others may stand beside it.
    """

    name: ClassVar[str] = ""

    class Options(Shape):
        """What the dialplan may say about the handler."""

        shorthand: ClassVar[str] = ""

    options: Options

    def __init__(self, options: Options) -> None:
        self.options = options

    def bind(self, scope: "Scope") -> None:
        """Resolve what the options name (chains, targets, patterns), once, when the dialplan is compiled."""

    def decide(self, call: Call) -> Decision | Awaitable[Decision]:
        """Decide about `call`, or give `Continue` to ask the next handler."""
        raise NotImplementedError

    def saw(self, call: Call) -> str:
        """What the handler looked at, for people."""
        return f"to {call.called}, from {call.caller.number}"


class Ending(Handler):
    """A handler that always decides, at once: it may stand in a routing rule and under `on:`.

    `rule` and `why` are those of the rule it stands in, and are set before `bind`.
    """

    rule: Rule | None = None
    why: str = "unconditional"

    def decide(self, call: Call) -> Decision:
        """Decide about `call`."""
        raise NotImplementedError


class Settled(Ending):
    """An ending that is the same for every call; a subclass gives `settle`."""

    def settle(self) -> Decision:
        """The decision, made once, when the dialplan is compiled."""
        raise NotImplementedError

    def bind(self, scope: "Scope") -> None:  # noqa: ARG002  # a settled ending names nothing
        """Make the decision."""
        self._decision = self.settle()

    def decide(self, call: Call) -> Decision:  # noqa: ARG002  # it is the same for every call
        """Give the decision."""
        return self._decision
