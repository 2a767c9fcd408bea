"""`pbx queues simulate`: a day of a queue on a virtual clock, as it is and with other settings."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from random import Random  # noqa: TID251 -- seeded by the operator, so that a day can be run again
from typing import TYPE_CHECKING, Any

import click

from pbx.cli.control import table
from pbx.cli.output import print_json
from pbx.errors import OperatorError

if TYPE_CHECKING:
    from pbx.queues import QueueSettings, Strategy
    from pbx.queues.simulation import SimulatedCaller, Simulation


@click.command()
@click.argument("queue")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration; ./pbx.yaml if there.",
)
@click.option("--dialplan", metavar="FILE", type=click.Path(path_type=Path), help="This dialplan instead.")
@click.option(
    "--calls", default=1000, show_default=True, type=click.IntRange(1, 1_000_000), help="How many call."
)
@click.option(
    "--hours", default=10.0, show_default=True, type=click.FloatRange(0.1, 240), help="Within how long."
)
@click.option("--handle", default=180.0, show_default=True, help="The mean conversation, in seconds.")
@click.option("--patience", default=0.0, help="The mean patience, in seconds; for ever when left out.")
@click.option("--answer", default=4.0, show_default=True, help="How long agents take to pick up, in seconds.")
@click.option(
    "--history",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Calls as they happened instead: CSV with the columns at, handle and patience, in seconds.",
)
@click.option("--strategy", help="Compare with this strategy.")
@click.option("--more", default=0, type=click.IntRange(-1000, 1000), help="Compare with so many more agents.")
@click.option("--seed", default=1, show_default=True, help="The same seed is the same day.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate(
    queue: str,
    config: Path | None,
    dialplan: Path | None,
    calls: int,
    hours: float,
    handle: float,
    patience: float,
    answer: float,
    history: Path | None,
    strategy: str | None,
    more: int,
    seed: int,
    as_json: bool,
) -> None:
    """Simulate a queue: who waits how long, who gives up, as it is and with other agents or strategy.

    Callers come at random moments, talk and lose patience exponentially around the means, unless --history
    says what happened. All agents are logged in. Nobody is called, and no service has to run.
    """
    from pbx.queues.simulation import modelled
    from pbx.queues.simulation import simulate as run

    settings, strategies = _settings(queue, config, dialplan)
    random = Random(seed)  # noqa: S311 -- a model
    callers = (
        _history(history)
        if history is not None
        else modelled(
            random.random,
            callers=calls,
            over_s=hours * 3600,
            handle_s=handle,
            patience_s=patience or inf,
            needs=settings.needs,
        )
    )
    trials = {"as it is": settings}
    if more or strategy:
        words = [f"{more:+} agents"] if more else []
        words += [strategy] if strategy else []
        trials[", ".join(words)] = _changed(settings, more, strategy, strategies)
    results = {
        name: (
            trial,
            run(
                trial,
                callers,
                Random(seed).randrange,  # noqa: S311 -- a model
                answer_s=answer,
                strategies=strategies,
            ),
        )
        for name, trial in trials.items()
    }
    if as_json:
        print_json({name: _figures(*result) for name, result in results.items()})
        return
    rows = []
    for name, result in results.items():
        figures = _figures(*result)
        rows.append([name, *(_text(key, figures[key]) for key in _COLUMNS)])
    table(["", *_COLUMNS.values()], rows, len(rows))


_COLUMNS = {
    "agents": "agents",
    "callers": "callers",
    "answered": "answered",
    "abandoned": "gave up",
    "overflowed": "overflowed",
    "mean_wait_s": "mean wait",
    "longest_wait_s": "longest",
    "service_level": "in time",
    "occupancy": "occupied",
}


def _text(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key in {"service_level", "occupancy"}:
        return f"{value:.1%}"
    return f"{value:.1f} s" if key.endswith("_s") else str(value)


def _figures(settings: "QueueSettings", result: "Simulation") -> dict[str, Any]:
    tally = result.tally
    agents = len(settings.members)
    busy_s = tally.handle_s + tally.handled * settings.wrap_up_s
    return {
        "agents": agents,
        "callers": tally.joined + sum(tally.refused.values()),
        "answered": tally.answered,
        "abandoned": tally.abandoned,
        "overflowed": sum(tally.overflowed.values()) + sum(tally.refused.values()),
        "mean_wait_s": tally.mean_wait_s,
        "longest_wait_s": tally.longest_wait_s,
        "mean_patience_s": tally.mean_patience_s,
        "service_level": tally.service_level,
        "occupancy": busy_s / (agents * result.ended_at) if result.ended_at else None,
    }


def _changed(
    settings: "QueueSettings", more: int, strategy: str | None, strategies: "Mapping[str, Strategy]"
) -> "QueueSettings":
    from pbx.queues import STRATEGIES, Member

    if strategy is not None and strategy not in {*STRATEGIES, *strategies}:
        known = ", ".join((*STRATEGIES, *strategies))
        raise OperatorError(f"there is no strategy {strategy}", f"known are {known}")
    members = settings.members
    if more < 0:
        if -more >= len(members):
            raise OperatorError(f"the queue has {len(members)} agents", "one has to stay")
        members = members[:more]
    extra = tuple(Member(f"extra-{number}", 0, dict(settings.needs)) for number in range(1, more + 1))
    return replace(settings, members=members + extra, strategy=strategy or settings.strategy)


def _settings(
    queue: str, config: Path | None, dialplan: Path | None
) -> "tuple[QueueSettings, Mapping[str, Strategy]]":
    """The queue's settings, and the strategies that plugins bring."""
    from pbx.cli.explain import settings_of
    from pbx.dialplan.compiler import load_dialplan
    from pbx.dialplan.queue_settings import queue_settings

    found = settings_of(config, dialplan)
    path = dialplan or (found.dialplan if found else Path())
    generation = load_dialplan(path, found.known if found else None)
    plan = generation.queues.get(queue)
    if plan is None:
        known = ", ".join(generation.queues)
        raise OperatorError(f"there is no queue {queue}", f"{path} has {known}" if known else "")
    plugins = generation.known.plugins
    return queue_settings(plan), {} if plugins is None else plugins.strategies


def _history(file: Path) -> "list[SimulatedCaller]":
    from pbx.queues.simulation import SimulatedCaller

    try:
        with file.open(newline="", encoding="utf-8") as opened:
            return [
                SimulatedCaller(
                    f"caller-{number}",
                    float(row["at"]),
                    float(row["handle"]),
                    float(row.get("patience") or inf),
                )
                for number, row in enumerate(csv.DictReader(opened), 1)
            ]
    except OSError as error:
        raise OperatorError(f"{file} cannot be read", error.strerror or "") from None
    except (KeyError, TypeError, ValueError):
        raise OperatorError(
            f"{file} is no history of calls", "a line at,handle,patience, then three numbers for each call"
        ) from None
