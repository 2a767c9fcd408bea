"""`pbx queues`: who waits and who serves; agents, supervisors and what they may do."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from pbx.cli.control import ask, config_option, plain, table, tell
from pbx.cli.output import print_json
from pbx.cli.simulate import simulate


@click.group(invoke_without_command=True)
@click.option("--intervals", is_flag=True, help="Show what was counted by quarter of an hour.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer as JSON.")
@config_option
@click.pass_context
def queues(context: click.Context, config: Path, as_json: bool, intervals: bool) -> None:
    """Show the queues of a running service: who waits and how long, who serves, what was counted."""
    if context.invoked_subcommand is not None:
        return
    value = ask(config, "/api/queues")
    if as_json:
        print_json(value)
    else:
        _show(value, intervals=intervals)


queues.add_command(simulate)


def _show(value: Any, *, intervals: bool) -> None:
    rows = [
        [
            each["name"] + (" (closed)" if each["closed"] else ""),
            str(each["waiting"]),
            _seconds(each["longest_wait_s"]),
            f"{each['free']}/{each['agents']}",
            *_counted(each["total"]),
        ]
        for each in value["queues"]
    ]
    table(["queue", "waiting", "longest", "free", *_COUNTED], rows, len(rows))
    if intervals:
        for each in value["queues"]:
            rows = [
                [interval["started_at"][:16].replace("T", " "), *_counted(interval["tally"])]
                for interval in each["intervals"]
            ]
            click.echo(f"\n{each['name']}")
            table(["from", *_COUNTED], rows, len(rows))
    callers = [
        [
            caller["call"],
            caller["queue"],
            str(caller["position"] or ""),
            caller["state"],
            _seconds(caller["waited_s"]),
            caller["number"],
            ", ".join(caller["agents"]),
        ]
        for each in value["queues"]
        for caller in each["callers"]
    ]
    if callers:
        click.echo()
        table(["call", "queue", "place", "state", "since", "from", "agents"], callers, len(callers))
    click.echo()
    agents = [
        [
            each["agent"],
            _state(each),
            str(each["answered"]),
            ", ".join(each["queues"]),
            ", ".join(each["calls"]),
        ]
        for each in value["agents"]
    ]
    table(["agent", "state", "answered", "queues", "calls"], agents, len(agents))


_COUNTED = ("joined", "answered", "abandoned", "overflowed", "mean wait", "mean talk", "in time")


def _counted(tally: Any) -> list[str]:
    level = tally["service_level"]
    return [
        str(tally["joined"]),
        str(tally["answered"]),
        str(tally["abandoned"]),
        str(sum(tally["overflowed"].values()) + sum(tally["refused"].values())),
        _seconds(tally["mean_wait_s"]),
        _seconds(tally["mean_handle_s"]),
        "" if level is None else f"{level:.0%}",
    ]


def _state(agent: Any) -> str:
    """What an agent does, with the reason of a break; who is logged in and still offline has no phone on."""
    if agent["state"] == "offline" and agent["logged_in"]:
        return "offline (no phone is registered)"
    return f"{agent['state']} ({agent['paused']})" if agent["paused"] else str(agent["state"])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} s"


def _do(config: Path, path: str, done: str = "", **query: str) -> None:
    """Have the service change something, and say what became of it: its answer, or `done`."""
    value = tell(config, path, **query)
    if isinstance(value, dict) and "state" in value:
        click.echo(plain(f"agent {value['agent']} is {_state(value)}"))
    else:
        click.echo(plain(done))


def _agent_verb(change: str, what: str) -> None:
    @queues.command(change, help=what)
    @click.argument("agent")
    @config_option
    def verb(agent: str, config: Path) -> None:
        _do(config, f"/api/agents/{quote(agent)}/{change}")


_agent_verb("log-in", "Have an agent take calls.")
_agent_verb("log-out", "Have an agent take no more calls; the one under way goes on.")
_agent_verb("unpause", "End an agent's break.")
_agent_verb("ready", "Cut an agent's wrap-up short.")


@queues.command()
@click.argument("agent")
@click.argument("why", default="")
@config_option
def pause(agent: str, why: str, config: Path) -> None:
    """Give an agent a break, for a reason that is shown."""
    _do(config, f"/api/agents/{quote(agent)}/pause", why=why)


def _queue_verb(state: str, what: str, became: str) -> None:
    @queues.command(state, help=what)
    @click.argument("queue")
    @config_option
    def verb(queue: str, config: Path) -> None:
        _do(config, f"/api/queues/{quote(queue, safe='')}/{state}", f"queue {queue} is {became}")


_queue_verb("open", "Open a queue again.", "open")
_queue_verb("close", "Close a queue: what that means for callers, its settings say.", "closed")


@queues.command()
@click.argument("call")
@click.argument("agent")
@config_option
def assign(call: str, agent: str, config: Path) -> None:
    """Offer a waiting caller to an agent, of whatever queue."""
    _do(
        config, f"/api/assign/{quote(call, safe='')}", f"call {call} is offered to agent {agent}", agent=agent
    )


def _part(part: str, what: str) -> None:
    @queues.command(part, help=what)
    @click.argument("agent")
    @click.option("--as", "user", required=True, metavar="USER", help="The user whose phone is called.")
    @config_option
    def verb(agent: str, user: str, config: Path) -> None:
        _do(config, f"/api/supervise/{part}", f"user {user} is called", agent=agent, user=user)


_part("listen", "Hear both sides of an agent's conversation.")
_part("whisper", "Hear both, and be heard by the agent alone.")
_part("barge", "Hear both, and be heard by both.")
_part("take-over", "Have the caller in the agent's place.")


@queues.command()
@click.argument("agent")
@click.option("--stop", is_flag=True, help="Record no more.")
@config_option
def record(agent: str, stop: bool, config: Path) -> None:
    """Record an agent's conversation from now on."""
    done = f"the conversation of agent {agent} is recorded{' no more' if stop else ''}"
    _do(config, "/api/record", done, agent=agent, on="false" if stop else "true")
