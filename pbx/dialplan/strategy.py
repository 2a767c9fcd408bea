"""What a plugin that picks agents for a queue is: a class with a name and one question, `choose`."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from pbx.queues import Standing, Wanted

__all__ = ["Standing", "Strategy", "Wanted"]


class Strategy:
    """Picks the agent who is rung for a caller. A subclass gives `name` and `choose`, and takes no arguments.

    There is one for all queues that name it. It may be asked in any thread, by one call at a time.
    """

    name: ClassVar[str] = ""
    interface: ClassVar[int] = 1
    """The version of this interface that a plugin is written for."""

    everyone: ClassVar[bool] = False
    """Whether all who are named ring at once; else only the first of them who is free."""

    def choose(self, caller: Wanted, agents: Sequence[Standing]) -> str | Iterable[str] | None:
        """The name of one of `agents`, or several in the order in which to ask them.

        `agents` are those who are free and have the skills that the caller needs, the longest idle first;
        there is at least one. Who names nobody of them has failed, and the longest idle is rung.
        """
        raise NotImplementedError
