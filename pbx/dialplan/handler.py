"""What every link of a chain is: a handler with a name, options and one question, `decide`."""

from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Rule
from pbx.documents import Shape

if TYPE_CHECKING:
    from pbx.dialplan.scope import Scope
    from pbx.dialplan.tap import Tap


class Handler:
    """One link of a chain. A subclass gives `name`, `Options` and `decide`, which may be `async`.

    In a dialplan a handler is written `NAME: options`. When `Options.shorthand` names an option, a value
    that is not a mapping is that option (`reject: 403`), and the others may stand beside it.
    """

    name: ClassVar[str] = ""
    interface: ClassVar[int] = 1
    """The version of this interface that a plugin is written for."""

    clock: Callable[[], float] = staticmethod(perf_counter)
    """Seconds that only grow, for the ages of what a plugin remembers; a fake one in tests."""

    reads_clock: bool = False
    """Whether the time of a call may change what the handler says; a test that meets it has to name one."""

    class Options(Shape):
        """What the dialplan may say about the handler."""

        shorthand: ClassVar[str] = ""

    options: Options

    identity: str = ""
    """The step's `id:`, or the handler's name, when it stands in a chain."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def bind(self, scope: "Scope") -> None:
        """Resolve what the options name (chains, targets, patterns), once, when the dialplan is compiled."""

    def decide(self, call: Call) -> Decision | Awaitable[Decision]:
        """Decide about `call`, or give `Continue` to ask the next handler."""
        raise NotImplementedError

    async def start(self) -> None:
        """Called once, before the first decision of a plugin: open what has to be open."""

    async def stop(self) -> None:
        """Called once, after the last decision of a plugin: close what was opened."""

    def tap(self, call: Call) -> "Tap | Awaitable[Tap | None] | None":  # noqa: ARG002  # of a plugin
        """Called after a decision of a plugin about `call`, if its class has this: what shall hear the call.

        None: nobody. A call is heard while two talk, or by the plugin as the other side after `Talk`.
        """
        return None

    def saw(self, call: Call) -> str:
        """What the handler looked at, for people."""
        return f"to {call.called}, from {call.caller.number}"

    def branches(self) -> "tuple[tuple[str, Rule], ...]":
        """What the handler may decide in, as words and a place for each: its rules, if it has any."""
        return ()

    def endings(self) -> "Iterable[Ending]":
        """The endings that stand in the handler: what it, or an outcome of it, may come to."""
        return ()


class Ending(Handler):
    """A handler that always decides, at once: it may stand in a routing rule and under `on:`.

    With `ends` the chain never goes on after it.

    `rule` and `why` are those of the rule it stands in, and are set before `bind`.
    """

    ends: ClassVar[bool] = True
    rule: Rule | None = None
    why: str = "unconditional"

    def decide(self, call: Call) -> Decision:
        """Decide about `call`."""
        raise NotImplementedError

    def settles(self) -> bool:
        """Whether the chain never goes on after it, whatever it comes to."""
        return self.ends and all(each.settles() for each in self.endings())


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
