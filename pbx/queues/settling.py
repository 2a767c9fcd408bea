"""Who is offered to whom: agents who became free and callers whom nobody rings for are brought together."""

from collections.abc import Iterable
from itertools import islice

from pbx.queues.floor import Floor
from pbx.queues.records import Agent, Caller, Seat
from pbx.queues.strategies import Draw, StrategyFault
from pbx.queues.values import Output, StrategyFailed

# What a plugin's strategy may name in vain before it counts as having named nobody.
_VAIN = 1000


class Settling:
    """Makes offers on a floor, by the strategies of its queues; `draw(n)` is a random number below n."""

    __slots__ = ("_draw", "_floor")

    def __init__(self, floor: Floor, draw: Draw) -> None:
        self._floor = floor
        self._draw = draw

    def settle(self, now: float, out: list[Output]) -> None:
        """Make offers until no caller waits whom an agent could be offered.

        Before the input that was handled last that was so. What can be new is a caller who is offered to
        nobody (any more), or an agent who became free: only these are looked at.
        """
        for caller in list(self._floor.returned.values()):
            self._leave_if_due(caller, now, out)
        unwanted: list[Agent] = []
        while self._floor.returned or self._floor.freed:
            best = self._most_urgent(unwanted)
            if best is None:
                break
            self._offer_round(best, now, out)
        for agent in unwanted:
            self._ring_along(agent, now, out)

    def _leave_if_due(self, caller: Caller, now: float, out: list[Output]) -> None:
        """A caller who comes back from an agent may have to leave by now."""
        queue = caller.queue
        outcome = queue.refusal(queue.settings.leave_when)
        if outcome is not None:
            self._floor.change_caller(caller, "dismiss", now, out, outcome=outcome)
        elif caller.leaves_at is not None and caller.leaves_at <= now:
            self._floor.change_caller(caller, "timeout", now, out, outcome="timeout")

    def _most_urgent(self, unwanted: list[Agent]) -> Caller | None:
        """The first caller, over all queues, for whom an agent is free; those without a match are done."""
        best: Caller | None = None
        for caller in list(self._floor.returned.values()):
            if caller.queue.first_free(caller) is None:
                del self._floor.returned[caller.name]
            else:
                best = _earlier(best, caller)
        for agent in list(self._floor.freed.values()):
            found: Caller | None = None
            for seat in agent.seats.values():
                found = _earlier(found, seat.queue.first_waiting(seat))
            if found is None:
                del self._floor.freed[agent.name]
                unwanted.append(agent)
            else:
                best = _earlier(best, found)
        return best

    def _offer_round(self, caller: Caller, now: float, out: list[Output]) -> None:
        queue = caller.queue
        seats, why = self._choose(caller)
        if why:
            out.append(StrategyFailed(queue.name, queue.strategy.name, why))
        self._floor.changed_queues.add(queue.name)
        for seat in seats:
            queue.statistics.offer(now, fallback=bool(why))
            self._floor.ring(caller, seat.agent, seat, now, out)

    def _choose(self, caller: Caller) -> tuple[list[Seat], str]:
        """Whom the strategy offers the caller; if nobody, the first by rank, and why it was nobody."""
        queue = caller.queue
        chosen: dict[str, Seat] = {}
        why = "it named nobody who is free and may be offered the caller"
        try:
            names: Iterable[str] = queue.strategy.choose(
                caller.wanted(self._floor.last_agents.get(caller.number)), queue.free, self._draw
            )
            for name in islice(names, len(queue.free) + _VAIN):
                seat = queue.seats.get(name)
                if (
                    seat is not None
                    and seat.rank is not None
                    and caller.matches(seat.agent, seat.member.skills)
                ):
                    chosen[name] = seat
                    if not queue.strategy.everyone:
                        break
        except StrategyFault as error:
            why = str(error)
            chosen.clear()
        except Exception as error:  # noqa: BLE001 -- a plugin's fault must not cost a caller
            why = f"{type(error).__name__}: {error}"
            chosen.clear()
        if chosen:
            return list(chosen.values()), ""
        seat = queue.first_free(caller)
        return ([] if seat is None else [seat]), why

    def _ring_along(self, agent: Agent, now: float, out: list[Output]) -> None:
        """Where a queue rings everyone, an agent who becomes free rings along for a caller who is offered."""
        if agent.state != "available":
            return
        best: tuple[Caller, Seat] | None = None
        for seat in agent.seats.values():
            if not seat.queue.strategy.everyone:
                continue
            for caller in seat.queue.ringing:
                if (
                    caller.matches(agent, seat.member.skills)
                    and seat.member.penalty <= max(each.penalty for each in caller.offers.values())
                    and (best is None or _earlier(best[0], caller) is caller)
                ):
                    best = (caller, seat)
                    break
        if best is not None:
            best[0].queue.statistics.offer(now, fallback=False)
            self._floor.ring(best[0], agent, best[1], now, out)


def _earlier(first: Caller | None, second: Caller | None) -> Caller | None:
    """Who is served first: of the heavier queue, then by the place in line."""
    if first is None or second is None:
        return first or second
    return min(first, second, key=lambda caller: (-caller.queue.settings.weight, caller.key))
