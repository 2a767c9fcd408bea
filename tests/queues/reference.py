"""A queue as somebody would explain it on a blackboard: slow, whole, and written without a look at the other.

Time goes from one moment to the next at which anything is due, and at each everybody is looked at. It imports
nothing of the product, which an import contract sees to.
"""

from dataclasses import dataclass, field

NEVER = float("inf")


@dataclass
class Person:
    """An agent: when free again, since when free, how many callers taken."""

    name: str
    penalty: int
    skills: dict[str, int]
    place: int
    talks_with: str = ""
    is_rung_for: str = ""
    away_until: float = 0.0
    free_since: float = 0.0
    taken: int = 0


@dataclass
class Guest:
    """A caller, and what became of it."""

    name: str
    comes_at: float
    talk_s: float
    patience_s: float
    priority: int
    needs: dict[str, int]
    number: int
    fate: str = ""
    waited_s: float = 0.0
    agent: str = ""
    talks_until: float = NEVER
    picked_up_at: float = NEVER
    inside: bool = False


@dataclass
class Rules:
    """The settings that matter here."""

    strategy: str
    people: list[tuple[str, int, dict[str, int]]]
    capacity: int = 100
    max_wait_s: float = NEVER
    wrap_up_s: float = 0.0
    ageing_s: float = NEVER
    answer_s: float = 0.0


@dataclass
class Blackboard:
    """Runs guests through rules; `fates` has a line for each: name, what, how long, who, until when."""

    rules: Rules
    guests: list[Guest]
    people: list[Person] = field(default_factory=list)
    last_rung: int = -1

    def run(self) -> dict[str, tuple[str, float, str, float]]:
        """The fate of each guest."""
        self.people = [
            Person(name, penalty, skills, place)
            for place, (name, penalty, skills) in enumerate(self.rules.people)
        ]
        now = 0.0
        while True:
            moments = [moment for moment in self._moments() if moment >= now]
            if not moments:
                break
            now = min(moments)
            self._at(now)
        return {
            each.name: (each.fate, each.waited_s, each.agent, each.talks_until if each.agent else 0.0)
            for each in self.guests
        }

    def _moments(self) -> list[float]:
        moments = [each.away_until for each in self.people if each.away_until]
        for guest in self.guests:
            if guest.fate == "" and not guest.inside:
                moments.append(guest.comes_at)
            elif guest.inside:
                moments += [guest.comes_at + guest.patience_s, guest.comes_at + self.rules.max_wait_s]
                moments.append(guest.picked_up_at)
            elif guest.agent and any(each.talks_with == guest.name for each in self.people):
                moments.append(guest.talks_until)
        return [moment for moment in moments if moment < NEVER]

    def _at(self, now: float) -> None:
        for guest in self.guests:
            if guest.agent and guest.talks_until == now:
                self._ends(guest, now)
                self._match(now)
        for guest in self.guests:
            if guest.inside and guest.picked_up_at == now:
                self._begins(guest, now)
                self._match(now)
        for guest in self.guests:
            if guest.inside and guest.comes_at + guest.patience_s == now:
                self._goes(guest, "abandoned", now)
                self._match(now)
        for guest in self.guests:
            if not guest.fate and not guest.inside and guest.comes_at == now:
                if sum(each.inside for each in self.guests) >= self.rules.capacity:
                    guest.fate = "full"
                else:
                    guest.inside = True
                self._match(now)
        for person in self.people:
            if person.away_until and person.away_until == now:
                person.away_until, person.free_since = 0.0, now
                self._match(now)
        for guest in self.guests:
            if guest.inside and guest.comes_at + self.rules.max_wait_s == now:
                self._goes(guest, "timeout", now)
                self._match(now)

    def _ends(self, guest: Guest, now: float) -> None:
        (person,) = [each for each in self.people if each.talks_with == guest.name]
        person.talks_with = ""
        person.free_since = now
        if self.rules.wrap_up_s:
            person.away_until = now + self.rules.wrap_up_s

    def _begins(self, guest: Guest, now: float) -> None:
        (person,) = [each for each in self.people if each.is_rung_for == guest.name]
        person.is_rung_for, person.talks_with = "", guest.name
        person.taken += 1
        guest.inside, guest.fate, guest.agent = False, "answered", person.name
        guest.waited_s = now - guest.comes_at
        guest.talks_until = now + guest.talk_s

    def _goes(self, guest: Guest, fate: str, now: float) -> None:
        guest.inside, guest.fate, guest.waited_s = False, fate, now - guest.comes_at
        for person in self.people:
            if person.is_rung_for == guest.name:
                person.is_rung_for = ""

    def _match(self, now: float) -> None:
        """Bring together until no free person could be rung for a guest for whom nobody rings."""
        while True:
            waiting = sorted(
                (each for each in self.guests if each.inside and each.picked_up_at == NEVER),
                key=self._turn,
            )
            for guest in waiting:
                able = [each for each in self.people if self._can(each, guest)]
                if able:
                    person = self._choose(able)
                    person.is_rung_for = guest.name
                    self.last_rung = person.place
                    guest.picked_up_at = now + self.rules.answer_s
                    if not self.rules.answer_s:
                        self._begins(guest, now)
                    break
            else:
                return

    def _turn(self, guest: Guest) -> tuple[float, float, int]:
        if self.rules.ageing_s == NEVER:
            return (-guest.priority, guest.comes_at, guest.number)
        return (0, guest.comes_at - guest.priority * self.rules.ageing_s, guest.number)

    @staticmethod
    def _can(person: Person, guest: Guest) -> bool:
        idle = not person.talks_with and not person.is_rung_for and not person.away_until
        return idle and all(person.skills.get(skill, 0) >= level for skill, level in guest.needs.items())

    def _choose(self, able: list[Person]) -> Person:
        easiest = min(each.penalty for each in able)
        able = [each for each in able if each.penalty == easiest]
        strategy = self.rules.strategy
        if strategy == "longest-idle":
            return min(able, key=lambda each: (each.free_since, each.place))
        if strategy == "fewest-calls":
            return min(able, key=lambda each: (each.taken, each.free_since, each.place))
        if strategy == "round-robin":
            able = [each for each in able if each.place > self.last_rung] or able
        return min(able, key=lambda each: each.place)
