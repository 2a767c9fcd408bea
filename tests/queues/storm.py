"""A storm over a call centre: random callers, agents and failures, with what must hold checked after each."""

from random import Random  # noqa: TID251 -- seeded: a storm can be raised again

from pbx.queues import (
    Abandoned,
    AgentSettings,
    Handled,
    Joined,
    Member,
    Offer,
    OfferFailure,
    Output,
    Overflow,
    Queues,
    QueueSettings,
    Served,
    Standing,
    Strategy,
    Wanted,
    WithdrawOffer,
    plugin_strategy,
)

AGENTS = tuple(f"10{number:02}" for number in range(1, 9))
FAILURES: tuple[OfferFailure, ...] = ("no-answer", "refused", "busy", "unavailable")


def _absurd(caller: Wanted, free: object) -> object:
    """A plugin that names nobody, somebody unknown, nonsense, or breaks."""
    choice = sum(map(ord, caller.caller)) % 6
    if choice == 0:
        raise RuntimeError("out of order")
    return (None, "nobody", ["nobody", "1001"], 7, [["1001"]], [])[choice]


def _last(caller: Wanted, free: object) -> object:
    assert isinstance(free, list)
    standing: Standing = free[-1]
    return standing.agent


STRATEGIES: dict[str, Strategy] = {
    "absurd": plugin_strategy("absurd", _absurd),  # type: ignore[arg-type]  # that is the point
    "last": plugin_strategy("last", _last),  # type: ignore[arg-type]
}
NAMES = (
    "ring-all", "longest-idle", "round-robin", "fewest-calls", "random", "in-order", "skills", "sticky",
    "absurd", "last",
)  # fmt: skip


class Storm:
    """Random inputs to a machine, beside what must be true of it as far as its outputs tell."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.serial = 0
        # What the outputs said: where each caller is, and the offers that are open.
        self.place: dict[str, str] = {}
        self.offers: dict[int, Offer] = {}
        self.picked_up: set[int] = set()
        self.other_calls: dict[str, set[str]] = {agent: set() for agent in AGENTS}
        self.needs: dict[str, dict[str, int]] = {}
        self.users: dict[str, str] = {}
        self.joined = 0
        self.ended = 0
        self.settings = tuple(self._queue(name) for name in ("support", "sales", "billing"))
        self.agents = {agent: AgentSettings(max_calls=self.random.choice((1, 1, 2))) for agent in AGENTS}
        self.queues = Queues(self.settings, self.random.randrange, agents=self.agents, strategies=STRATEGIES)

    def _queue(self, name: str) -> QueueSettings:
        random = self.random
        chosen = random.sample(AGENTS, random.randint(1, len(AGENTS)))
        return QueueSettings(
            name,
            tuple(
                Member(
                    agent,
                    random.choice((0, 0, 1)),
                    {"dutch": random.randint(1, 9)} if random.random() < 0.5 else {},
                )
                for agent in chosen
            ),
            strategy=random.choice(NAMES),
            capacity=random.choice((3, 20)),
            max_wait_s=random.choice((None, 30.0)),
            wrap_up_s=random.choice((0.0, 10.0)),
            ring_s=random.choice((5.0, 15.0)),
            retry_s=random.choice((1.0, 5.0)),
            max_no_answer=random.choice((0, 2)),
            ageing_s=random.choice((None, 20.0)),
            weight=random.choice((0, 0, 1)),
            relax_needs_after_s=random.choice((None, 10.0)),
            refuse_when=frozenset(random.sample(("no-agents", "all-paused", "closed"), random.randint(0, 3))),
            leave_when=frozenset(random.sample(("no-agents", "all-paused", "closed"), random.randint(0, 3))),
            announce_every_s=random.choice((None, 7.0)),
            prompts=random.choice(((), ("one", "two"))),
            exit_digit="0",
            direct=random.random() < 0.3,
        )

    def run(self, steps: int) -> None:
        """So many random inputs, each followed by every check."""
        for _ in range(steps):
            self._step()
            self.check()

    def _step(self) -> None:
        random = self.random
        queues, now = self.queues, self.now
        agent = random.choice(AGENTS)
        match random.randrange(16):
            case 0 | 1 | 2 | 3:
                self._pass(random.expovariate(0.3))
            case 4 | 5 | 6:
                self._join()
            case 7:
                if self.place:
                    self._take(queues.hang_up(random.choice(list(self.place)), now))
            case 8:
                if self.offers:
                    number = random.choice(list(self.offers))
                    self.picked_up.add(number)
                    self._take(queues.picked_up(number, now))
            case 9 | 10:
                if self.offers:
                    self._take(queues.connected(random.choice(list(self.offers)), now))
            case 11:
                if self.offers:
                    number = random.choice(list(self.offers))
                    offer = self.offers.pop(number)
                    self._take(queues.failed(number, random.choice(FAILURES), now))
                    assert offer.number not in self.offers
            case 12:
                self._of_agent(agent)
            case 13:
                served = [caller for caller, place in self.place.items() if place.startswith("agent ")]
                if served:
                    caller = random.choice(served)
                    self._take(queues.agent_free(self.place[caller].split()[1], caller, now))
            case 14:
                self._calls_of(agent)
            case _:
                self._rare(agent)

    def _join(self) -> None:
        random = self.random
        self.serial += 1
        caller = f"call-{self.serial}"
        needs = {"dutch": random.randint(1, 9)} if random.random() < 0.3 else {}
        user = random.choice(AGENTS) if random.random() < 0.2 else ""
        self.needs[caller], self.users[caller] = needs, user
        queue = random.choice(("support", "sales", "billing", "gone"))
        outputs = self.queues.join(
            caller,
            queue,
            self.now,
            priority=random.randint(0, 2),
            user=user,
            number=f"+3161{random.randint(0, 5)}",
            needs=needs,
        )
        assert isinstance(outputs[0], Joined | Overflow) or any(
            isinstance(each, Joined | Overflow) and each.caller == caller for each in outputs
        )
        self._take(outputs)

    def _of_agent(self, agent: str) -> None:
        queues, now = self.queues, self.now
        match self.random.randrange(5):
            case 0:
                self._take(queues.log_in(agent, now)) if self._known(agent) else None
            case 1:
                self._take(queues.log_out(agent, now)) if self._known(agent) else None
            case 2:
                self._take(queues.pause(agent, now, "lunch")) if self._known(agent) else None
            case 3:
                self._take(queues.unpause(agent, now)) if self._known(agent) else None
            case _:
                self._take(queues.ready(agent, now)) if self._known(agent) else None

    def _known(self, agent: str) -> bool:
        return any(agent == each.agent for each in self.queues.agents())

    def _calls_of(self, agent: str) -> None:
        calls = self.other_calls[agent]
        if calls and self.random.random() < 0.6:
            call = self.random.choice(sorted(calls))
            calls.remove(call)
            self._take(self.queues.agent_free(agent, call, self.now))
        elif len(calls) < 2:
            self.serial += 1
            calls.add(f"direct-{self.serial}")
            self._take(self.queues.agent_busy(agent, f"direct-{self.serial}", self.now))

    def _rare(self, agent: str) -> None:
        queues, now, random = self.queues, self.now, self.random
        queue = random.choice(("support", "sales", "billing"))
        match random.randrange(7):
            case 6:
                self._take(queues.reach(agent, random.random() < 0.7, now))
            case 0:
                self._take(queues.close(queue, now))
            case 1 | 2:
                self._take(queues.open(queue, now))
            case 3:
                if self.place:
                    self._take(queues.digit(random.choice(list(self.place)), random.choice("01"), now))
            case 4:
                # The same settings in other words: nobody is lost by a reload.
                self._take(queues.configure(self.settings, now, agents=self.agents, strategies=STRATEGIES))
            case _:
                waiting = [each.caller for each in queues.callers() if each.state in {"waiting", "offered"}]
                free = [each.agent for each in queues.agents() if each.state == "available"]
                pairs = [(c, a) for c in waiting for a in free if self.users[c] != a]
                if pairs:
                    self._take(queues.assign(*random.choice(pairs), now))

    def _pass(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.queues.next_deadline()) is not None and due <= until:
            # A stalled loop wakes late.
            self.now = max(self.now, due if self.random.random() < 0.8 else min(until, due + 3.0))
            self._take(self.queues.handle_timer(self.now))
            self.check()
        self.now = until

    def _take(self, outputs: list[Output]) -> None:
        for each in outputs:
            match each:
                case Joined(caller=caller, queue=queue):
                    assert caller not in self.place
                    self.place[caller] = f"queue {queue}"
                    self.joined += 1
                case Offer():
                    assert self.place[each.caller].startswith("queue ")
                    assert each.agent not in {offer.agent for offer in self.offers.values()}
                    assert self.users[each.caller] != each.agent
                    self.offers[each.number] = each
                case WithdrawOffer():
                    # One that failed by our own report is not withdrawn.
                    del self.offers[each.number]
                case Served(caller=caller, agent=agent):
                    (number,) = [
                        number
                        for number, offer in self.offers.items()
                        if (offer.caller, offer.agent) == (caller, agent)
                    ]
                    del self.offers[number]
                    self.place[caller] = f"agent {agent}"
                case Handled(caller=caller) | Abandoned(caller=caller):
                    del self.place[caller]
                    self.ended += 1
                case Overflow(caller=caller):
                    if caller in self.place:
                        del self.place[caller]
                        self.ended += 1
                case _:
                    pass

    def check(self) -> None:
        """The invariants."""
        queues = self.queues
        callers = {each.caller: each for each in queues.callers()}
        agents = {each.agent: each for each in queues.agents()}
        # Every caller is in exactly one place, the one that the outputs told of.
        assert len(callers) == len(queues.callers())
        assert set(callers) == set(self.place)
        for caller, view in callers.items():
            assert self.place[caller] == (
                f"agent {view.agents[0]}" if view.state == "served" else f"queue {view.queue}"
            )
        # Nobody is offered twice at once, and what is offered is what the outputs told of.
        offered = [offer.agent for offer in self.offers.values()]
        assert len(offered) == len(set(offered))
        for agent, of_agent in agents.items():
            mine = [offer.caller for offer in self.offers.values() if offer.agent == agent]
            assert mine == ([] if of_agent.offered is None else [of_agent.offered])
            # An agent is busy exactly when on as many calls as there may be.
            served = {caller for caller, place in self.place.items() if place == f"agent {agent}"}
            live = served | self.other_calls[agent]
            assert set(of_agent.calls) == live
            if not mine:
                assert (of_agent.state == "busy") == (len(live) >= self.agents[agent].max_calls)
        for view in callers.values():
            mine = [offer.agent for offer in self.offers.values() if offer.caller == view.caller]
            assert (view.state in {"offered", "connecting"}) == bool(mine)
        self._nobody_waits_in_vain()

    def _nobody_waits_in_vain(self) -> None:
        free = {each.agent for each in self.queues.agents() if each.state == "available"}
        settings = {each.name: each for each in self.settings}
        for view in self.queues.callers():
            if view.state != "waiting":
                continue
            for member in settings[view.queue].members:
                assert (
                    member.agent not in free
                    or member.agent == view.user
                    or any(member.skills.get(skill, 0) < level for skill, level in view.needs.items())
                )
