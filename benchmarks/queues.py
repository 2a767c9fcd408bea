"""What queues cost: an offer by the number of agents, and a call through a queue beside one that is dialled.

`python -m benchmarks.queues`. CPU time of this process, in memory: the machine alone for the curve, the whole
service without sockets for calls.
"""

import argparse
import json
import time

from pbx.queues import Member, Offer, Queues, QueueSettings

AGENTS = (10, 50, 100, 500, 1000, 5000)
# These need not look at all agents to choose one.
FLAT = ("longest-idle", "round-robin", "fewest-calls", "random", "in-order", "sticky")
# These do.
LOOKING = ("skills",)


def offering_us(strategy: str, agents: int, rounds: int) -> float:
    """CPU µs of one caller through a queue with so many agents: joined, offered, served, over."""
    settings = QueueSettings(
        "q", tuple(Member(f"{number:05}") for number in range(agents)), strategy=strategy, capacity=10_000
    )
    state = 1

    def draw(most: int) -> int:
        nonlocal state
        state = (state * 1103515245 + 12345) % 2**31
        return state % most

    queues = Queues([settings], draw)
    now = 0.0
    began = time.process_time()
    for turn in range(rounds):
        caller = f"c{turn}"
        now += 1.0
        outputs = queues.join(caller, "q", now, number="+31")
        offer = next(each for each in outputs if isinstance(each, Offer))
        queues.picked_up(offer.number, now)
        queues.connected(offer.number, now)
        queues.agent_free(offer.agent, caller, now + 0.5)
    return (time.process_time() - began) / rounds * 1e6


def curve(rounds: int) -> dict[str, dict[int, float]]:
    """µs by strategy and number of agents, the best of three; who looks at everyone runs a tenth of it."""
    return {
        strategy: {
            agents: round(
                min(
                    offering_us(strategy, agents, rounds if strategy in FLAT else rounds // 10 + 1)
                    for _ in range(3)
                ),
                1,
            )
            for agents in AGENTS
        }
        for strategy in (*FLAT, *LOOKING)
    }


def calls_us(calls: int) -> dict[str, float]:
    """CPU µs of a whole call: dialled, and through a queue of 100 agents of whom one is there."""
    from tests.service.house import House
    from tests.service.phone import Dialogue, Phone

    agents = ", ".join(["user/1002", *(f'"trunk/carrier/+316{number:08}"' for number in range(99))])
    dialplan = f"""
timezone: UTC
entry: [{{from: users, chain: internal}}]
queues:
  support: {{agents: [{agents}], strategy: in-order, music: "70"}}
  direct: {{agents: [{agents}], strategy: in-order, music: "70", direct: true}}
chains:
  internal:
    - routing:
        - {{to: "700", queue: support}}
        - {{to: "701", queue: direct}}
        - {{to: "1XXX", dial: user, ring: 20s}}
"""
    figures = {}
    for name, number in (("dialled", "1002"), ("queued", "700"), ("queued, straight to the agent", "701")):
        house = House(dialplan=dialplan)
        alice = Phone(house, "1001", "192.0.2.11", rtp_port=41000)
        bob = Phone(house, "1002", "192.0.2.12", rtp_port=42000)
        best = float("inf")
        for _ in range(3):
            # Bindings last an hour, and forty seconds pass with every call.
            alice.register()
            bob.register()
            began = time.process_time()
            for _ in range(calls):
                call = alice.invite(number)
                bob.answer_last(180)
                invite = bob.answer_last(200, body=bob.sdp())
                Dialogue.answered(bob, invite)
                call.ack()
                call.bye()
                bob.answer_last(200, "BYE")
                alice.heard.clear()
                bob.heard.clear()
                house.sent.clear()
                house.advance(40)
                house.ended.clear()
            best = min(best, (time.process_time() - began) / calls * 1e6)
        figures[name] = round(best, 1)
    return figures


def main() -> None:
    """Print the curve and the calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="just long enough to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    rounds, calls = (50, 5) if arguments.smoke else (300, 60)
    offering, calling = curve(rounds), calls_us(calls)
    if arguments.json:
        print(json.dumps({"offering_us": offering, "call_us": calling}))
        return
    print("µs of CPU for a caller through the machine, by the number of agents")
    print("strategy".ljust(16) + "".join(f"{agents:>9}" for agents in AGENTS))
    for strategy, figures in offering.items():
        print(strategy.ljust(16) + "".join(f"{each:>9}" for each in figures.values()))
    print("\nµs of CPU for a whole call, phones included, media aside")
    for name, figure in calling.items():
        print(f"{name:<32}{figure:>9}  {figure / calling['dialled']:.2f} times")


if __name__ == "__main__":
    main()
