"""What other calls notice of a plugin that sleeps in blocking code: how late they are decided.

Run `python -m benchmarks.blocking_plugins`. While a plugin sleeps for 10 s, fifty calls to another number
come, one every 5 ms, and each is decided in the event loop's thread; the figure is the longest time from when
a call was due until it was decided, beside that of the same calls without the plugin.
"""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pbx.dialplan.call import Call, Caller
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.decisions import Echo
from pbx.dialplan.generation import Generation
from pbx.dialplan.plugins import load_plugins
from pbx.dialplan.scope import KnownNames
from pbx.documents import loads

CALLS = 50
BETWEEN_S = 0.005
AIM_MS = 50.0
WAYS = {
    "synchronous": ("def", "thread"),
    "inside async def": ("async def", "thread"),
    "synchronous, in a process": ("def", "process"),
}
_AT = datetime(2026, 11, 23, 10, tzinfo=UTC)

PLUGIN = """\
import time

from pbx import Call, Continue, Decision, Handler


class Sleeper(Handler):
    name = "sleeper"

    {kind} decide(self, call: Call) -> Decision:
        time.sleep(10)
        return Continue()
"""
PLAN = """\
entry: [{{from: anyone, chain: a}}]
chains:
  a:
    - routing: [{{to: "600", echo: {{}}}}]
    - {{sleeper: {{}}, timeout: 2s, isolate: {isolate}}}
    - reject: 480
"""


@dataclass(frozen=True, slots=True)
class Delay:
    """The worst of fifty calls, in milliseconds, without and with a plugin that sleeps."""

    way: str
    alone_ms: float
    beside_ms: float


def measure() -> list[Delay]:
    """Measure every way in which a plugin can sleep."""
    # In a thread of its own: whoever asks may have a loop that runs.
    with ThreadPoolExecutor(1) as pool:
        return [pool.submit(asyncio.run, _measured(way, *how)).result() for way, how in WAYS.items()]


async def _measured(way: str, kind: str, isolate: str) -> Delay:
    with TemporaryDirectory() as directory:
        (Path(directory) / "sleeper.py").write_text(PLUGIN.format(kind=kind), encoding="utf-8")
        plugins = load_plugins([Path(directory)], installed=False)
        plugins.host.waiting = _wait
        tree = compile_dialplan(
            loads(PLAN.format(isolate=isolate), "bench.yaml"), KnownNames(plugins=plugins)
        )
        for chain in tree.chains.values():
            for link in chain.links:
                await link.handler.start()
        alone = await _worst_ms(tree)
        asleep = [asyncio.ensure_future(tree.decide(_call("999"))) for _ in range(3)]
        await asyncio.sleep(0.3)
        beside = await _worst_ms(tree)
        if any(each.done() for each in asleep):
            raise SystemExit("the plugin of the benchmark did not sleep while the others were decided")
        for each in asleep:
            await each
        for chain in tree.chains.values():
            for link in chain.links:
                await link.handler.stop()
    return Delay(way, alone, beside)


async def _worst_ms(tree: Generation) -> float:
    loop = asyncio.get_running_loop()
    worst = 0.0
    due = loop.time()
    for _ in range(CALLS):
        due += BETWEEN_S
        await asyncio.sleep(max(0.0, due - loop.time()))
        verdict = await tree.decide(_call("600"))
        if verdict.decision != Echo():
            raise SystemExit(f"a call of the benchmark came to {verdict.decision}")
        worst = max(worst, loop.time() - due)
    return worst * 1000


async def _wait(future: "Future[Any]", seconds: float) -> Any:
    return await asyncio.wait_for(asyncio.wrap_future(future), seconds)


def _call(to: str) -> Call:
    return Call("bench", Caller("+31612345678"), to, "anyone", _AT)


def main() -> int:
    """Print the delays; 0 when none is longer than aimed at."""
    found = measure()
    for each in found:
        missed = "" if each.beside_ms <= AIM_MS else "   MISSED"
        print(f"{row(each)}{missed}")
    return 0 if all(each.beside_ms <= AIM_MS for each in found) else 1


def row(delay: Delay) -> str:
    """One line of the table."""
    return (
        f"{f'worst of {CALLS} calls beside a plugin that sleeps, {delay.way}':76}"
        f"{delay.beside_ms:8.1f} ms  without {delay.alone_ms:.1f} ms"
    )


if __name__ == "__main__":
    raise SystemExit(main())
