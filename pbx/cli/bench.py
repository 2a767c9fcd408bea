"""`pbx bench`: what a call and a packet cost in CPU time, what two thousand calls leave behind, and what
300 calls a second for a minute do to the service.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pbx.cli.output import print_json
from pbx.errors import OperatorError

if TYPE_CHECKING:
    from benchmarks.subject import Subject

# Port pairs: for 800 calls at once (more ports in a row are rarely free beside other services), for 400 calls
# that talk, for the leak search, to try.
_SIGNALLING_PAIRS = 1600
_PACKET_PAIRS = 900
_LEAK_PAIRS = 800
_SMOKE_PAIRS = 100
_LEAK_CALLS, _LEAK_RATE, _LEAK_ROUNDS, _LEAK_PATIENCE_S = 2000, 100, 3, 40.0
# What lingers of a call lingers 32 s.
_WARM_S = 34.0
_RAMP_S = 10.0
_TALK_S = 10.0
_SOAK_RATE, _SOAK_S, _SOAK_PATIENCE_S = 300, 60.0, 40.0
_SMOKE_PATIENCE_S = 5.0
_SRTP_CALLS, _DELAY_CALLS, _SMOKE_CALLS = 200, 100, 10


@click.command()
@click.option("--seconds", type=click.FloatRange(1, 600), default=42.0, help="How long a run of calls takes.")
@click.option("--repeat", type=click.IntRange(1, 20), default=3, help="Runs; the median counts.")
@click.option("--rates", default="", metavar="N,N…", help="Calls a second, instead of 50,100,300.")
@click.option("--calls", "numbers", default="", metavar="N,N…", help="Calls that talk, instead of 200,400.")
@click.option(
    "--ramp", "wants_ramp", is_flag=True, help="Find the highest rate without a failed or resent call."
)
@click.option("--no-signalling", is_flag=True, help="Leave out the cost of calls.")
@click.option("--no-packets", is_flag=True, help="Leave out the cost of packets.")
@click.option("--no-dialplan", is_flag=True, help="Leave out decisions, loading and plugins that sleep.")
@click.option("--leaks", is_flag=True, help="Only see what 2,000 calls leave behind, three times over.")
@click.option(
    "--soak",
    is_flag=True,
    help="Only 300 calls a second (or the first of --rates) for 60 s: none failed, memory flat.",
)
@click.option("--smoke", is_flag=True, help="Everything, so briefly that only its working is shown.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def bench(
    seconds: float,
    repeat: int,
    rates: str,
    numbers: str,
    wants_ramp: bool,
    no_signalling: bool,
    no_packets: bool,
    no_dialplan: bool,
    leaks: bool,
    soak: bool,
    smoke: bool,
    as_json: bool,
) -> None:
    """Measure calls and packets on this machine, against a service that is started for it.

    Figures are CPU time of the service's process, never time on the clock. SIPp places and answers the
    calls. Exit code 0 when there are figures, 1 when --leaks or --soak found something, or something cannot
    be run.
    """
    try:
        import benchmarks.signalling
    except ModuleNotFoundError as error:
        if error.name != "benchmarks":
            raise
        raise OperatorError("the benchmarks are not here", "run in a checkout of the source") from None
    from benchmarks import machine
    from benchmarks.packets import CALLS
    from benchmarks.subject import running
    from pbx.cli.interop.actors import find_sipp

    find_sipp()
    say = _Table(quiet=as_json)
    result: dict[str, Any] = {"machine": _machine()}
    say.text(f"{result['machine']['python']}; reference loop {result['machine']['reference_ms']:.3f} ms")
    if machine.cores()[1] is None:
        say.text("there is one core only: the load disturbs what it measures")
    chosen_rates = _whole_numbers("--rates", rates, benchmarks.signalling.RATES, 1000)
    chosen_calls = _whole_numbers("--calls", numbers, CALLS, 400)
    if smoke:
        with running(_SMOKE_PAIRS, short_timers=True) as subject:
            result["signalling"] = _signalling(say, subject, [50], 1.0, 0.0, 1)
            result["packets"] = _packets(say, subject, [10], 0.5, 1, beside=False)
            result["media"] = _media(say, 0.5, 1, smoke=True)
            result["leaks"] = _leaks(say, subject, 20, 1, _SMOKE_PATIENCE_S)
            result["soak"] = _soak(say, subject, 30, 1.0, 0.0, _SMOKE_PATIENCE_S)
        result["dialplan"] = _dialplan(say, brief=True)
    elif leaks:
        with running(_LEAK_PAIRS) as subject:
            result["leaks"] = _leaks(say, subject, _LEAK_CALLS, _LEAK_ROUNDS, _LEAK_PATIENCE_S)
    elif soak:
        with running(_SIGNALLING_PAIRS) as subject:
            rate = chosen_rates[0] if rates else _SOAK_RATE
            result["soak"] = _soak(say, subject, rate, _SOAK_S, _WARM_S, _SOAK_PATIENCE_S)
    else:
        if not no_dialplan:
            result["dialplan"] = _dialplan(say, brief=False)
        if not no_signalling:
            with running(_SIGNALLING_PAIRS) as subject:
                result["signalling"] = _signalling(say, subject, chosen_rates, seconds, _WARM_S, repeat)
        if wants_ramp:
            with running(_SIGNALLING_PAIRS) as subject:
                result["ramp"] = _ramp(say, subject)
        if not no_packets:
            with running(_PACKET_PAIRS) as subject:
                result["packets"] = _packets(
                    say, subject, chosen_calls, min(seconds, _TALK_S), repeat, beside=True
                )
            result["media"] = _media(say, min(seconds, _TALK_S), repeat, smoke=False)
    if as_json:
        print_json(result)
    if not smoke and not all(result[what]["passed"] for what in ("leaks", "soak") if what in result):
        sys.exit(1)


class _Table:
    """Says headings and rows as they come, or nothing when the result is printed as JSON."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def text(self, line: str) -> None:
        """Print one line."""
        if not self._quiet:
            click.echo(line)

    def head(self, title: str, columns: str) -> None:
        """Begin a table."""
        self.text(f"\n{title}\n{columns}")


def _machine() -> dict[str, Any]:
    from benchmarks import machine

    core, load_core = machine.cores()
    return {
        "python": machine.python_build(),
        "service_core": core,
        "load_core": load_core,
        "reference_ms": round(machine.reference_ms(core), 4),
    }


def _signalling(
    say: _Table, subject: "Subject", rates: Sequence[int], seconds: float, warm: float, repeat: int
) -> list[dict[str, Any]]:
    from benchmarks import signalling

    say.head("CPU of a call, INVITE with SDP to BYE, both legs with open ports", signalling.HEADER)
    found = signalling.measure(subject, rates, seconds=seconds, warm=warm, repeat=repeat, say=say.text)
    _refuse_faults(subject.faults())
    return [rate.to_json() for rate in found]


def _dialplan(say: _Table, *, brief: bool) -> dict[str, Any]:
    from benchmarks import blocking_plugins, dialplan

    say.head("The dialplan: CPU of a decision, of loading and of tests", "figure, and what is aimed at")
    found = dialplan.measure(brief=brief)
    for line in found.lines():
        say.text(line)
    say.head("Calls beside a plugin that sleeps for 10 s in blocking code", "longest time to a decision")
    delays = blocking_plugins.measure()
    for each in delays:
        say.text(blocking_plugins.row(each))
    return {**found.to_json(), "blocking_plugins": [asdict(each) for each in delays]}


def _ramp(say: _Table, subject: "Subject") -> dict[str, Any]:
    from benchmarks import signalling

    say.head("Highest rate at which no call fails and nothing is sent again", signalling.HEADER)
    highest, runs = signalling.ramp(subject, seconds=_RAMP_S, say=say.text)
    _refuse_faults(subject.faults())
    say.text(f"highest clean rate: {highest} calls a second" if highest else "no rate was clean")
    return {"highest_clean_rate": highest, "rates": [rate.to_json() for rate in runs]}


def _packets(
    say: _Table, subject: "Subject", numbers: Sequence[int], seconds: float, repeat: int, *, beside: bool
) -> list[dict[str, Any]]:
    from benchmarks import packets

    say.head("CPU of a relayed packet in µs, G.711 at 20 ms", packets.HEADER)
    found = packets.measure(subject, numbers, seconds=seconds, repeat=repeat, beside=beside, say=say.text)
    _refuse_faults(subject.faults())
    return [each.to_json() for each in found]


def _media(say: _Table, seconds: float, repeat: int, *, smoke: bool) -> dict[str, Any]:
    """What a media thread does with more than a relay, and how soon; in processes of their own."""
    from benchmarks import delays, mixing, packets, srtp

    length = ("--seconds", str(seconds))
    say.head("CPU of the media thread for each packet that comes in, in µs", mixing.HEADER)
    only = ("--only", mixing.SMOKE) if smoke else ()
    scenes = packets.told_by("benchmarks.mixing", *length, "--repeat", str(repeat), *only)
    for scene in scenes:
        say.text(mixing.Found(**scene).line())
    calls = _SMOKE_CALLS if smoke else _SRTP_CALLS
    say.text(f"\nWhat SRTP adds to a relayed packet, {calls} calls, in µs of CPU")
    secured = packets.told_by("benchmarks.srtp", *length, "--repeat", str(repeat), "--calls", str(calls))
    for line in srtp.lines(secured):
        say.text(line)
    calls = _SMOKE_CALLS if smoke else _DELAY_CALLS
    say.text(f"\nDelay that is added, {calls} calls")
    found = packets.told_by("benchmarks.delays", *length, "--calls", str(calls))
    for line in delays.lines(found):
        say.text(line)
    return {"scenes": scenes, "srtp": secured, "delays": found}


def _leaks(say: _Table, subject: "Subject", calls: int, rounds: int, patience: float) -> dict[str, Any]:
    from benchmarks import leaks

    title = f"What {calls} calls at {_LEAK_RATE} a second leave behind, {patience:g} s after the last BYE"
    say.head(title, leaks.HEADER)
    verdict = leaks.search(
        subject, calls=calls, rate=_LEAK_RATE, rounds=rounds, patience=patience, say=say.text
    )
    for what, met in verdict.checks().items():
        say.text(f"{'pass' if met else 'FAIL'}  {what}")
    return verdict.to_json()


def _soak(
    say: _Table, subject: "Subject", rate: int, seconds: float, warm: float, patience: float
) -> dict[str, Any]:
    from benchmarks import soak

    say.head(f"{rate} calls a second for {seconds:g} s, after {warm:g} s of the same", soak.HEADER)
    verdict = soak.soak(subject, rate=rate, seconds=seconds, warm=warm, patience=patience, say=say.text)
    for what, met in verdict.checks().items():
        say.text(f"{'pass' if met else 'FAIL'}  {what}")
    return verdict.to_json()


def _refuse_faults(faults: str) -> None:
    """Figures of a service that broke are no figures."""
    if faults:
        raise OperatorError(f"the service met with errors, so its figures mean nothing\n{faults}")


def _whole_numbers(option: str, text: str, usual: Sequence[int], most: int) -> Sequence[int]:
    if not text:
        return usual
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 < number <= most for number in numbers):
        raise click.BadParameter(
            f"{text!r} is not a list of whole numbers from 1 to {most}", param_hint=option
        )
    return numbers
