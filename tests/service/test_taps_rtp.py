"""A whole service with plugins that hear and talk, by real RTP: who hears which tone, and what is left."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from pbx.media.companding import LINEAR_TO_ULAW, ULAW_TO_LINEAR
from pbx.service.service import Service
from pbx.sip.message import Request, Response
from tests.media.spectrum import strength
from tests.media.talk import Samples, tone
from tests.reactor import in_reactor, pause, the_reactor, until
from tests.service.test_service import START_S, address, heard, service, settings
from tests.service.wire import SDP, Caller

pytestmark = pytest.mark.network

PLUGIN = """
import time
import numpy as np
from pbx import Continue, Handler, Talk, Tap

HEARD = {"caller": [], "callee": []}
LOG = []

class Ear(Handler):
    name = "ear"
    def decide(self, call):
        return Continue()
    def tap(self, call):
        return Ears()

class Ears(Tap):
    sides = "both"
    def hear(self, side, samples):
        HEARD[side].append(samples)
        if self.line.call.called == "slow":
            time.sleep(0.3)
        elif self.line.call.called == "broken":
            raise LookupError("broken")
    def ended(self):
        LOG.append("ended")

class Bot(Handler):
    name = "bot"
    async def decide(self, call):
        return Talk()
    async def tap(self, call):
        return Speaks()

class Speaks(Tap):
    rate = 16000
    async def began(self):
        at = np.arange(16000 * 5)
        self.line.say(np.rint(6000 * np.sin(2 * np.pi * 1000 * at / 16000)).astype(np.int16))
    async def hear(self, side, samples):
        HEARD[side].append(samples)
    async def ended(self):
        LOG.append("ended")
"""
DIALPLAN = """
timezone: UTC
entry: [{{from: anyone, chain: public}}]
chains:
  public:
    - routing: [{{to: bot, goto: bot}}]
    - ear: {{}}
    - routing: [{{to: "*", dial: "sip:callee@127.0.0.1:{port}"}}]
  bot: [{{bot: {{}}}}]
"""
FRAMES = 60


class Voice:
    """A phone's RTP: it says a tone and remembers what it hears, in µ-law."""

    def __init__(self) -> None:
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.bind(("127.0.0.1", 0))
        self.line.setblocking(False)
        self.port: int = self.line.getsockname()[1]
        self.peer = ("127.0.0.1", 0)
        self.payloads: list[bytes] = []

    @property
    def sdp(self) -> str:
        return SDP.replace("40000", str(self.port))

    def learn(self, message: Request | Response) -> None:
        """Where to send to, from the description of a message."""
        port = next(line for line in message.body.decode().splitlines() if line.startswith("m=audio"))
        self.peer = ("127.0.0.1", int(port.split()[1]))

    async def talk(self, frequency: float, others: "list[Voice]", frames: int = FRAMES) -> None:
        """Say a tone while the others, in `others`, say theirs: a multiple of it each."""
        voices = [self, *others]
        codes = [
            LINEAR_TO_ULAW[tone(frequency * (at + 1), 1.0).astype(np.int64) & 0xFFFF].astype(np.uint8)
            for at in range(len(voices))
        ]
        due = the_reactor().seconds()
        for number in range(frames):
            for voice, said in zip(voices, codes, strict=True):
                start = number * 160 % 8000
                header = bytes((0x80, 0)) + number.to_bytes(2, "big") + (number * 160).to_bytes(4, "big")
                payload = said[start : start + 160].tobytes()
                voice.line.sendto(header + voice.port.to_bytes(4, "big") + payload, voice.peer)
            due += 0.02
            await pause(max(0.0, due - the_reactor().seconds()))
            for voice in voices:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        voice.payloads.append(voice.line.recv(2048)[12:])

    def heard(self) -> Samples:
        """The second half of it, when it has come to rest."""
        octets = np.frombuffer(b"".join(self.payloads[len(self.payloads) // 2 :]), np.uint8)
        return np.asarray(ULAW_TO_LINEAR[octets], np.int16)


@contextlib.asynccontextmanager
async def tapped(directory: Path, port: int) -> AsyncIterator[Service]:
    (directory / "plugins").mkdir()
    (directory / "plugins" / "ears.py").write_text(PLUGIN)
    (directory / "dialplan.yaml").write_text(DIALPLAN.format(port=port))
    made = service(settings(directory, plugins="[plugins/]", dialplan="dialplan.yaml"))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def remembered(of: Service) -> tuple[dict[str, list[Samples]], list[str]]:
    """What the plugin's module remembers."""
    kind = of._settings.known.plugins.found["ear"].kind  # type: ignore[union-attr]  # they were loaded
    names = kind.decide.__globals__
    return names["HEARD"], names["LOG"]


def clear(samples: list[Samples]) -> Samples:
    """What was heard once the tones had come."""
    return np.concatenate(samples[len(samples) // 2 :])


async def until_nothing_is_left(of: Service, log: list[str], threads: set[str]) -> None:
    await until(lambda: not of.switch.calls and not of.taps.active)
    assert log == ["ended"]
    plugins = of._settings.known.plugins
    assert plugins is not None
    await until(lambda: not any(plugins.host.tapping().values()))
    matrix = of.media._matrix
    await until(lambda: not matrix._sinks and not matrix._sources and of.media.ports_in_use == 0)
    await until(lambda: not [each for each in threads_now() - threads if "tap" in each])


def hears_only(samples: Samples, own: float, other: float, rate: int = 8000) -> bool:
    """Whether one of two tones is there, and the other is not.

    By pieces of 100 ms: a phone whose clock is late on a busy machine is heard with gaps now and then.
    """
    size = rate // 10
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    there, not_there = (
        float(np.median([strength(piece, rate, each) for piece in pieces])) for each in (own, other)
    )
    return there > 2000 and not_there < there / 20


def threads_now() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


@in_reactor(START_S)
async def test_a_bot_hears_exactly_the_caller_and_is_heard_exactly(tmp_path: Path) -> None:
    async with tapped(tmp_path, 9) as ours:
        threads = threads_now()
        listening, log = remembered(ours)
        voice = Voice()
        with Caller(address(ours, "udp")) as caller, contextlib.closing(voice.line):
            caller.invite("bot", voice.sdp)
            answer = await final_with(caller, voice)
            await voice.talk(440, [])
            assert hears_only(clear(listening["caller"]), 440, 1000, rate=16000)
            assert hears_only(voice.heard(), 1000, 440)
            assert all(len(each) == 320 for each in listening["caller"])
            assert len(listening["caller"]) > FRAMES // 2
            caller._send("BYE", "bot", "2 BYE", f"To: {answer.get('to')}\r\n")
            await until_nothing_is_left(ours, log, threads)
            page = ours.metrics.render()[0].decode()
        assert 'pbx_plugin_frames_total{cause="said",handler="bot"}' in page
        assert 'pbx_plugin_taps_active{handler="bot"} 0.0' in page


async def final_with(caller: Caller, voice: Voice) -> Response:
    while True:
        message = await heard(caller)
        if isinstance(message, Response) and message.status >= 200:
            caller.acknowledge(message)
            assert message.status == 200
            voice.learn(message)
            return message


@pytest.mark.parametrize(
    ("called", "metric"),
    [
        ("fine", 'frames_total{cause="heard"'),
        ("slow", 'frames_total{cause="lost"'),
        ("broken", 'failures_total{cause="exception"'),
    ],
)
@in_reactor(START_S)
async def test_two_who_talk_are_overheard_and_never_feel_it(tmp_path: Path, called: str, metric: str) -> None:
    alice, bob = Voice(), Voice()
    with contextlib.closing(alice.line), contextlib.closing(bob.line), Caller(("", 0)) as callee:
        async with tapped(tmp_path, callee.line.getsockname()[1]) as ours:
            threads = threads_now()
            listening, log = remembered(ours)
            with Caller(address(ours, "udp")) as caller:
                callee.pbx = caller.pbx
                caller.invite(called, alice.sdp)
                invite = await heard(callee)
                assert isinstance(invite, Request)
                bob.learn(invite)
                callee.answer_with(invite, bob.sdp)
                answer = await final_with(caller, alice)
                await alice.talk(440, [bob], frames=2 * FRAMES if called == "slow" else FRAMES)
                assert hears_only(alice.heard(), 880, 440)
                assert hears_only(bob.heard(), 440, 880)
                if called == "fine":
                    assert hears_only(clear(listening["caller"]), 440, 880)
                    assert hears_only(clear(listening["callee"]), 880, 440)
                caller._send("BYE", called, "2 BYE", f"To: {answer.get('to')}\r\n")
                bye = await heard(callee)
                while isinstance(bye, Request) and bye.method != "BYE":
                    bye = await heard(callee)
                assert isinstance(bye, Request)
                callee.answer(bye)
                await until_nothing_is_left(ours, log, threads)
            page = ours.metrics.render()[0].decode()
            (line,) = (each for each in page.splitlines() if each.startswith(f"pbx_plugin_{metric}"))
            assert float(line.split()[-1]) >= 5
