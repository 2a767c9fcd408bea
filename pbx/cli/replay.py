"""`pbx replay`: recorded calls, decided again under a candidate dialplan."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pbx.cli.control import plain
from pbx.cli.output import print_json
from pbx.cli.records import configuration, opened, since_epoch
from pbx.config.settings import DEFAULT_FILE

_FILE = click.Path(path_type=Path)
# So many questions that nobody recorded an answer to are named.
_NAMED = 5


@dataclass(slots=True)
class _Class:
    """Calls that differ alike; the witness is the first of them."""

    source: str
    after: str
    was: str
    would_be: str
    witness: str
    caller: str
    called: str
    epoch: float
    calls: int = 0


@click.command()
@click.option("--since", default="24h", metavar="TIME", help="How far back: 30m, 24h, 7d or a time; 24h.")
@click.option(
    "--config", "candidate", metavar="NEW", required=True, type=_FILE, help="A dialplan or a configuration."
)
@click.option(
    "--records",
    metavar="FILE",
    default=DEFAULT_FILE,
    type=_FILE,
    help="The configuration whose store has the calls, and whose users and trunks a dialplan is for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def replay(since: str, candidate: Path, records: Path, as_json: bool) -> None:
    """Decide recorded calls again under the dialplan in NEW, and show those that would go elsewhere.

    Each call is decided on what its handlers saw and were told then: the time, facts such as registrations
    and calls under way, and the answers of plugins and web services. What really happened (busy, the digits
    that were chosen) is followed as long as the two agree. A call that rests on an answer nobody recorded is
    counted as unknown.

    Calls that differ alike are one line, with their number and a witness for `pbx why`.

    Exit code 0 when every call goes the same way, 1 when some differ.

    With --json: {"calls", "same", "different", "unknown", "classes": [{"calls", "source", "after", "was",
    "would_be", "witness": {"call", "from", "to", "at"}}], "unanswered": {QUESTION: CALLS}}.
    """
    from pbx.config.candidates import load_candidate
    from pbx.store.calls import routings_since

    epoch = since_epoch(since)
    settings = configuration(records)
    generation = load_candidate(candidate, settings.known)
    with opened(settings) as store:
        compared = _compare(generation, routings_since(store, epoch))
    classes, unknown, same = compared
    different = sum(each.calls for each in classes)
    calls = same + different + sum(unknown.values())
    if as_json:
        print_json(
            {
                "calls": calls,
                "same": same,
                "different": different,
                "unknown": sum(unknown.values()),
                "classes": [_class_json(each) for each in classes],
                "unanswered": dict(unknown.most_common()),
            }
        )
    else:
        for line in _lines(classes, unknown):
            click.echo(plain(line))
        click.echo(f"{calls} calls: {same} the same, {different} different, {sum(unknown.values())} unknown")
    raise SystemExit(1 if different else 0)


def _compare(
    generation: Any, routings: Iterable[tuple[str, float, dict[str, Any]]]
) -> tuple[list[_Class], Counter[str], int]:
    from pbx.service.redeciding import Redecider, Unknown, steps_from

    redecider = Redecider(generation)
    classes: dict[tuple[str, str, str, str], _Class] = {}
    unknown: Counter[str] = Counter()
    same = 0
    for call_id, started, routing in routings:
        try:
            found = redecider.compare(steps_from(routing))
        except Unknown as question:
            unknown[str(question)] += 1
            continue
        if found is None:
            same += 1
            continue
        call = found.call
        key = (call.source, found.outcome, found.was, found.would_be)
        if key not in classes:
            classes[key] = _Class(*key, call_id, call.caller.number, call.called, started)
        classes[key].calls += 1
    return sorted(classes.values(), key=lambda each: -each.calls), unknown, same


def _lines(classes: Iterable[_Class], unknown: Counter[str]) -> Iterable[str]:
    for each in classes:
        after = f", after {each.after}" if each.after else ""
        at = datetime.fromtimestamp(each.epoch, UTC).astimezone()
        many = f"{each.calls} call{'' if each.calls == 1 else 's'}"
        yield f"{many} from {each.source}{after}: {each.was} → {each.would_be}"
        whose = f"from {each.caller or 'nobody'} to {each.called}"
        yield f"    such as {each.witness} {whose}, {at:%Y-%m-%d %H:%M:%S}"
    for question, calls in unknown.most_common(_NAMED):
        yield f"unknown for {calls} call{'' if calls == 1 else 's'}: nobody recorded {question}"
    if len(unknown) > _NAMED:
        yield f"and {len(unknown) - _NAMED} more that nobody recorded"


def _class_json(each: _Class) -> dict[str, Any]:
    return {
        "calls": each.calls,
        "source": each.source,
        "after": each.after,
        "was": each.was,
        "would_be": each.would_be,
        "witness": {
            "call": each.witness,
            "from": each.caller,
            "to": each.called,
            "at": datetime.fromtimestamp(each.epoch, UTC).isoformat(),
        },
    }
