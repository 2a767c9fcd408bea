"""Twenty callers and three agents over real RTP: who hears what, who is served when, and who may not wait."""

import json
import subprocess
from functools import partial
from pathlib import Path
from time import perf_counter

import pytest

from pbx.cli.interop.clock import wait_until
from pbx.cli.interop.ports import free_media_ports
from pbx.media.values import Sound
from pbx.media.wav import write_wav
from pbx.testing import Supervisor
from tests.cli.floor import Floor, Phone, tone
from tests.cli.test_run import command, configure, started

pytestmark = pytest.mark.network

MUSIC, POSITION = 1500, 2000
AGENTS = {f"a{number}": 400 + 100 * number for number in range(3)}
CALLER, SUPERVISOR = 1000, 1200
WRAP_UP_S = 1.0
TALK_S = 1.0


def wav(path: Path, frequency: int, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, Sound(tone(frequency, seconds), 8000))


def until(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    assert wait_until(lambda: bool(condition()), seconds)


def pause(seconds: float) -> None:
    end = perf_counter() + seconds
    wait_until(lambda: perf_counter() >= end, seconds + 1)


def hear_now(tones: set[int], expected: dict[Phone, set[int]]) -> bool:
    """Whether each of these phones has heard exactly its tones for most of a second."""
    now = perf_counter()
    return all(phone.hears(tones, now - 0.8, now) == heard for phone, heard in expected.items())


def simulated(directory: Path) -> dict[str, int]:
    ran = subprocess.run(
        command("queues", "simulate", "support", "--since", "1h", "--json"),
        cwd=directory,
        capture_output=True,
        check=False,
        timeout=30,
    )
    found: dict[str, int] = {"callers": 0}
    if ran.returncode == 0:
        found = json.loads(ran.stdout)["as it is"]
    return found


def test_twenty_callers_and_three_agents(tmp_path: Path) -> None:
    configure(
        tmp_path,
        directories="{state: state, sounds: sounds}",
        media=f"{{ports: {free_media_ports(96)}}}",
        users='{"9001": {password: secret}}',
    )
    wav(tmp_path / "sounds/music/hold/one.wav", MUSIC, 5.0)
    wav(tmp_path / "sounds/queue.next.wav", POSITION, 0.6)
    wav(tmp_path / "sounds/queue.position.wav", POSITION, 0.4)
    floor = Floor()
    pbx = ("127.0.0.1", 9)
    agents = [floor.add(Phone(pbx, name, frequency)) for name, frequency in AGENTS.items()]
    callers = [floor.add(Phone(pbx, f"c{number:02}", CALLER)) for number in range(20)]
    boss = floor.add(Phone(pbx, "boss", SUPERVISOR))
    listed = ", ".join(f"'{agent.uri}'" for agent in agents)
    (tmp_path / "dialplan.yaml").write_text(
        "timezone: UTC\nentry: [{from: users, chain: public}, {from: anyone, chain: public}]\n"
        "chains: {public: [{queue: {name: support, on: {full: {reject: 486}}}}]}\nqueues:\n"
        f"  support: {{agents: [{listed}], capacity: 12, wrap_up: 1s, music: hold,\n"
        "    announcements: {first: 2s, every: 600s, wait: false}}\n"
    )
    with started(tmp_path) as running, floor:
        running.wait_until_ready()
        host, _, port = running.ready["sip"]["udp"].rpartition(":")
        for phone in floor.phones:
            phone.pbx = (host, int(port))
        boss.register("9001", "secret")
        until(lambda: boss.when("registered 200"))
        began = perf_counter()
        for caller in callers:
            caller.call("700")
            pause(0.02)
        until(lambda: all(caller.when("got 200") or caller.when("got 486") for caller in callers))
        refused = [caller.name for caller in callers if caller.when("got 486")]
        assert refused == [f"c{number:02}" for number in range(15, 20)], "three served, twelve wait"
        until(lambda: all(agent.from_whom for agent in agents))
        # Music, and once the position, while nobody is free.
        pause(max(0.0, began + 4.5 - perf_counter()))
        now = perf_counter()
        tones = {MUSIC, POSITION, CALLER, SUPERVISOR, *AGENTS.values()}
        last = callers[14]
        assert last.hears(tones, began + 0.8, began + 1.8) == {MUSIC}
        assert last.hears(tones, began, now) == {MUSIC, POSITION}
        assert last.hears(tones, now - 0.8, now) == {MUSIC}, "and music again"
        assert agents[0].hears(tones, now - 0.8, now) == {CALLER}
        first = next(each for each in callers if each.name == agents[0].from_whom[0])
        assert first.hears(tones, now - 0.8, now) == {agents[0].frequency}
        # A supervisor hears both, then is heard by the agent alone.
        listen = partial(
            subprocess.run,
            command("queues", "listen", agents[0].uri, "--as", "9001"),
            cwd=tmp_path,
            check=True,
            timeout=30,
        )
        whisper = partial(Supervisor("9001", tmp_path / "pbx.yaml").whisper, agents[0].uri)
        for begin, heard_by_agent in ((listen, {CALLER}), (whisper, {CALLER, SUPERVISOR})):
            begin()
            until(lambda: boss.from_whom)
            until(partial(hear_now, tones, {boss: {CALLER, agents[0].frequency}, agents[0]: heard_by_agent}))
            now = perf_counter()
            assert first.hears(tones, now - 0.8, now) == {agents[0].frequency}
        # All are served in the order in which they came.
        for turn in range(15):
            agent = min(agents, key=lambda each: each.when("answered")[-1] if each.talks_to else now * 2)
            until(lambda agent=agent: agent.talks_to is not None)
            agent.hang_up()
            if turn < 12:
                count = turn + 4
                until(lambda count=count: sum(len(each.from_whom) for each in agents) >= count)
        served = sorted(
            (at, name)
            for agent in agents
            for at, name in zip(agent.when("answered"), agent.from_whom, strict=True)
        )
        assert [name for _, name in served] == [f"c{number:02}" for number in range(15)]
        for agent in agents:
            for ended, answered in zip(agent.when("hung up"), agent.when("answered")[1:], strict=False):
                assert answered - ended >= WRAP_UP_S - 0.02, "wrap-up is kept"
        (queue,) = running.verb("queues")["queues"]
        assert (queue["total"]["joined"], queue["total"]["answered"]) == (15, 15)
        assert queue["total"]["refused"] == {"full": 5}
        until(lambda: running.verb("status")["calls"] == 0)
        # The same callers can be simulated from the store.
        until(lambda: simulated(tmp_path)["callers"] == 20)
