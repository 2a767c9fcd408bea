"""Runs cases: a PBX, SIPp in each phone's hand, an ear at each phone, and a look at what is left behind."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

from pbx.cli.interop.actors import Actor, Phone
from pbx.cli.interop.agreement import disagreements
from pbx.cli.interop.audio import RATE, faults
from pbx.cli.interop.case import Case, EarsShape, Suite
from pbx.cli.interop.clock import now, pause, wait_until
from pbx.cli.interop.ends import CODECS, AudioEnd, AudioThread, sound_of, stream_faults
from pbx.cli.interop.ports import IPV6, SipPort, has_ipv6
from pbx.cli.interop.scenario import fill
from pbx.cli.interop.service import Numbers, Service, Snapshot, merged, tail
from pbx.cli.interop.trace import Talk, Window, phases
from pbx.cli.interop.waves import read_wav, write_tone
from pbx.errors import OperatorError, PbxError

# How long a finished case may take to be forgotten by the PBX: with the suite's short timers the last
# transaction is gone after some 4 s, and a busy machine takes longer over everything.
LEFTOVER_SECONDS = 20.0
# Sound this close to the start or the end of a phase is not judged: messages and packets cross.
_GUARD_SECONDS = 0.25
# A phase in which something must be heard has to last this long without its guards.
_LEAST_SECONDS = 0.8
# When one phone's scenario has failed, the others get this long to notice before they are stopped.
_GRACE_SECONDS = 3.0
_LINGER_SECONDS = 0.3
# A case that failed while its phones had to wait for the machine is played again, so often in all.
_TRIES = 3
# Finished calls are written by a thread of their own.
_RECORD_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: against a PBX of our own, or `target` with its /metrics at `metrics` (each HOST:PORT)."""

    target: str = ""
    metrics: str = ""
    relay: bool = True
    keep: bool = False
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case; `traces` has the last lines of what SIPp and the PBX wrote, by file.

    `skipped` says why it could not be run here; then it has neither passed nor failed. `stalled_s` is the
    longest that the machine kept the phones from speaking, in the last of its `tries`; `spoilt` are the
    faults of those before.
    """

    case: str
    summary: str
    seconds: float
    faults: tuple[str, ...] = ()
    traces: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    skipped: str = ""
    stalled_s: float = 0.0
    tries: int = 1
    spoilt: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it ran and nothing was wrong."""
        return not self.faults and not self.skipped


@dataclass(slots=True)
class _Run:
    """One case under way."""

    case: Case
    directory: Path
    phones: dict[str, Phone]
    ends: dict[str, AudioEnd]
    talks: dict[str, Talk]
    actors: list[Actor] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    over_at: float = 0.0
    log_from: int = 0
    stalls: list[Window] = field(default_factory=list)
    began_epoch: float = field(default_factory=lambda: datetime.now(UTC).timestamp())

    def fail_for_good(self, faults: list[str]) -> None:
        """Add faults that no stall of the machine explains: with them the case is not played again."""
        self.faults += [fault for fault in faults if fault not in self.faults]
        if faults:
            self.stalls.clear()


class Runner:
    """Runs cases one after the other; cases with the same configuration share a PBX."""

    def __init__(self, suite: Suite, options: Options | None = None) -> None:
        self._suite = suite
        self._options = options or Options()
        self._directory = Path(mkdtemp(prefix="pbx-sipp-", dir=self._options.directory))
        self._services: dict[str, Service] = {}
        self._started = 0
        self._kept = self._options.keep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> list[Outcome]:
        """Stop every PBX that was started; remove the files unless a case failed or `keep` was asked for.

        Gives a failed outcome for each PBX that did not end well when it was asked to.
        """
        outcomes: list[Outcome] = []
        for service in self._services.values():
            began = now()
            code = service.stop()
            if code and service.log is not None:
                self._kept = True
                fault = f"the PBX ended with {code} when it was asked to stop"
                traces = {str(service.log): tail(service.log)}
                directory = service.log.parent
                outcome = Outcome("shutdown", "the PBX stops", now() - began, (fault,), traces, directory)
                outcomes.append(outcome)
        self._services.clear()
        if not self._kept:
            shutil.rmtree(self._directory, ignore_errors=True)
        return outcomes

    def run(self, case: Case) -> Outcome:
        """Run one case, again if the machine stood still meanwhile and it failed.

        Raises OperatorError when the machine or the configuration does not allow it.
        """
        outcome = self._once(case)
        while not outcome.passed and outcome.stalled_s and outcome.tries < _TRIES:
            spoilt = (*outcome.spoilt, *outcome.faults)
            outcome = replace(self._once(case), tries=outcome.tries + 1, spoilt=spoilt)
        self._kept = self._kept or not (outcome.passed or outcome.skipped)
        return outcome

    def _once(self, case: Case) -> Outcome:
        began = now()
        if (fault := self._bury()) is not None:
            return Outcome(case.name, case.shape.summary, 0.0, (fault,), directory=self._directory)
        if reason := self._missing(case):
            return Outcome(case.name, case.shape.summary, 0.0, skipped=reason)
        service = self._service(case)
        directory = self._directory / case.name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for recorded in self._recordings(case).glob("*"):
            recorded.unlink()
        before = service.snapshot()
        with ExitStack() as held:
            phones, ends = self._phones(case, held)
            run = _Run(case, directory, phones, ends, {name: Talk() for name in phones})
            run.log_from = before.log_size
            return self._play(run, service, before, began)

    def _play(self, run: _Run, service: Service, before: Snapshot, began: float) -> Outcome:
        try:
            self._act(run, service)
            self._judge_audio(run)
            self._judge_service(run, service, before)
        except OperatorError as error:
            if service.running:
                raise
            run.faults.append(f"the PBX ended during the case: {error}")
        finally:
            for actor in run.actors:
                actor.stop()
        return self._outcome(run, service, now() - began)

    def _missing(self, case: Case) -> str:
        """Why a case cannot be run on this machine, or against somebody else's PBX; empty when it can."""
        if not has_ipv6() and any(phone.address == IPV6 for phone in case.shape.phones.values()):
            return f"the host has no IPv6 loopback address ({IPV6})"
        if self._options.target:
            service = self._service(case)
            for name, phone in case.shape.phones.items():
                if service.target(phone.transport, phone.address) is None:
                    return f"{name} at {phone.address} cannot reach {self._options.target}"
        return ""

    def _bury(self) -> str | None:
        """What to say when a PBX has ended by itself since the last case; the next case gets a new one."""
        for key, service in self._services.items():
            if not service.running and service.log is not None:
                del self._services[key]
                return f"not run: the PBX had ended by itself ({service.stop()}); its log is {service.log}"
        return None

    def _service(self, case: Case) -> Service:
        if self._options.target:
            target = self._options.target
            return Service([f"udp:{target}", f"tcp:{target}"], self._options.metrics or None)
        config = merged(merged(self._suite.config, case.config), {"dialplan": str(case.dialplan)})
        if case.shape.sounds:
            config = merged(config, {"directories": {"sounds": str(self._sounds(case))}})
        if case.shape.recordings:
            config = merged(config, {"directories": {"recordings": str(self._recordings(case))}})
        if not self._options.relay:
            config = merged(config, {"media": {"relay": False}})
        key = json.dumps(config, sort_keys=True)
        service = self._services.get(key)
        if service is None:
            self._started += 1
            try:
                service = Service.start(config, self._directory / f"pbx-{self._started}")
            except PbxError:
                self._kept = True
                raise
            self._services[key] = service
        return service

    def _sounds(self, case: Case) -> Path:
        """A directory with the sounds of a case: each a tone of its own."""
        directory = self._directory / "sounds" / case.name
        directory.mkdir(parents=True, exist_ok=True)
        for name, seconds in case.shape.sounds.items():
            write_tone(directory / f"{name}.wav", case.tones[name], seconds)
        return directory

    def _recordings(self, case: Case) -> Path:
        return self._directory / "recordings" / case.name

    def _phones(self, case: Case, held: ExitStack) -> tuple[dict[str, Phone], dict[str, AudioEnd]]:
        config = merged(self._suite.config, case.config)
        phones: dict[str, Phone] = {}
        ends: dict[str, AudioEnd] = {}
        for name, shape in case.shape.phones.items():
            codec = CODECS[shape.codec]
            opened = AudioEnd.open(
                name,
                case.tones[name],
                shape.address,
                codec=codec,
                keys=shape.presses,
                keys_at=shape.presses_after // 20,
            )
            end = ends[name] = held.enter_context(closing(opened))
            port = held.enter_context(closing(SipPort(shape.address, shape.transport)))
            phones[name] = Phone(
                name,
                shape.user,
                shape.password or str(config["users"][shape.user].get("password", "")),
                str(config.get("domain", "")),
                shape.transport,
                shape.address,
                port.number,
                end.port,
                codec,
            )
        return phones, ends

    def _act(self, run: _Run, service: Service) -> None:
        """Play the steps; what SIPp finds wrong is added to the run's faults."""
        with AudioThread(list(run.ends.values())) as audio:
            for number in range(len(run.case.shape.steps)):
                self._step(run, service, number)
                if run.faults:
                    break
            run.over_at = now()
            pause(_LINGER_SECONDS)
        run.stalls = audio.stalls

    def _step(self, run: _Run, service: Service, number: int) -> None:
        step, seconds = run.case.shape.steps[number], float(run.case.shape.step_seconds)
        actors: list[Actor] = []
        for name, turn in step.items():
            phone = run.phones[name]
            actor = Actor.start(
                phone,
                fill(run.case.scenarios[turn.scenario], turn.keys),
                target=service.target(phone.transport, phone.address) or "",
                called=turn.to,
                directory=run.directory,
                label=f"{number + 1}-{name}",
                timeout=seconds,
                repeats=turn.repeats,
            )
            actors.append(actor)
            run.actors.append(actor)
            if not actor.wait_ready():
                run.faults.append(f"{name}: SIPp did not open its port")
        deadline = now() + seconds + 2
        failed = False
        while any(actor.running for actor in actors) and now() < deadline:
            self._follow(run, actors)
            if not failed and any(not actor.running and actor.fault() for actor in actors):
                failed, deadline = True, min(deadline, now() + _GRACE_SECONDS)
            pause(0.01)
        self._follow(run, actors)
        for actor in actors:
            if fault := actor.fault():
                run.faults.append(
                    f"{actor.phone.name}: {fault} in step {number + 1}, {step[actor.phone.name].scenario}"
                )
            actor.stop()

    def _follow(self, run: _Run, actors: list[Actor]) -> None:
        """Tell the audio ends where SIPp was told to send, and when to fall silent."""
        for actor in actors:
            name = actor.phone.name
            for message in actor.follow():
                run.ends[name].remote = run.talks[name].follow(message)

    def _judge_audio(self, run: _Run) -> None:
        hears = run.case.shape.hears
        if hears is None or run.faults:
            return
        for name, end in run.ends.items():
            found = phases(run.phones[name].messages, run.over_at)
            ears = hears.get(name, EarsShape())
            for phase, whom in ears.phases():
                if phase == "answered" and ears.changing:
                    continue
                for window in found.get(phase, ()):
                    run.faults += [
                        f"{name}, {phase}: {text}" for text in self._listen(run, end, window, whom)
                    ]
                if whom and phase not in found:
                    run.faults.append(f"{name}: the call never was {phase}")
            strays = [packet for packet in end.received if not _within(packet.at, found)]
            if strays:
                run.faults.append(f"{name}: {len(strays)} packets while there was nothing to hear")
            if end.malformed:
                run.faults.append(f"{name}: {end.malformed} packets that are not RTP")

    def _listen(self, run: _Run, end: AudioEnd, window: Window, whom: tuple[str, ...]) -> list[str]:
        """What is wrong with what an end heard, but for while the machine stood still and just after."""
        parts = [part.shrunk(_GUARD_SECONDS) for part in window.without(run.stalls)]
        if whom:
            longest = max((part.seconds for part in parts), default=0.0)
            if longest < _LEAST_SECONDS:
                return [f"lasted {longest:.1f} s, too short to hear anything"]
            parts = [part for part in parts if part.seconds >= _LEAST_SECONDS]
        return [fault for part in parts for fault in self._listen_to(run, end, part, whom)]

    def _listen_to(self, run: _Run, end: AudioEnd, window: Window, whom: tuple[str, ...]) -> list[str]:
        packets = [packet for packet in end.received if window.start <= packet.at < window.end]
        tones = run.case.tones
        expected = {name: tones[name] for name in whom}
        absent = {name: frequency for name, frequency in tones.items() if name not in whom}
        wrong: list[str] = []
        if whom:
            wrong += stream_faults(packets, window.seconds, run.talks[end.name].announced, end.codec)
        ours = {other.ssrc for other in run.ends.values()}
        if ours & {packet.ssrc for packet in packets}:
            wrong.append("the synchronisation source of another phone came through")
        return wrong + faults(sound_of(packets, end.codec), expected, absent)

    def _judge_service(self, run: _Run, service: Service, before: Snapshot) -> None:
        if run.faults or service.http is None:
            return
        shape = run.case.shape
        left = service.left_after(before, shape.registrations, LEFTOVER_SECONDS)
        run.faults += [f"left behind after {LEFTOVER_SECONDS:g} s: {what}" for what in left]
        self._judge_recordings(run)
        self._judge_decisions(run, service)
        numbers = service.numbers()
        run.faults += counter_faults(shape.counters, before.numbers, numbers)
        run.faults += [f"the PBX's log says: {line}" for line in service.trouble(before.log_size)]

    def _judge_decisions(self, run: _Run, service: Service) -> None:
        """See that every call was decided as `pbx explain` says, and that there were as many as expected."""
        config, expected = service.config, run.case.shape.explained
        if config is None:
            return
        found: tuple[int, list[str]] = (0, [])

        def written() -> bool:
            nonlocal found
            found = disagreements(config, run.began_epoch)
            return found[0] >= expected

        if not wait_until(written, _RECORD_SECONDS, 0.25):
            run.faults.append(f"{found[0]} calls were decided and recorded, {expected} were expected")
        run.faults += found[1]

    def _judge_recordings(self, run: _Run) -> None:
        tones = run.case.tones
        for pattern, shape in run.case.shape.recordings.items():
            found = sorted(self._recordings(run.case).glob(pattern))
            if len(found) != 1:
                run.faults.append(f"there are {len(found)} recordings {pattern!r}, where one was expected")
                continue
            sides = [shape.left] if shape.right is None else [shape.left, shape.right]
            heard = read_wav(found[0])
            if len(heard) != len(sides):
                run.faults.append(f"{found[0].name} has {len(heard)} sides, {len(sides)} were expected")
                continue
            for number, (sound, whom) in enumerate(zip(heard, sides, strict=True), 1):
                guard = round(_GUARD_SECONDS * RATE)
                expected = {name: tones[name] for name in whom}
                absent = {name: tones[name] for name in tones if name not in whom}
                wrong = faults(sound[guard:-guard], expected, absent)
                run.faults += [f"{found[0].name}, side {number}: {text}" for text in wrong]
            found[0].unlink()

    def _outcome(self, run: _Run, service: Service, seconds: float) -> Outcome:
        summary = run.case.shape.summary
        if not run.faults:
            keep = self._options.keep
            if not keep:
                shutil.rmtree(run.directory, ignore_errors=True)
            return Outcome(run.case.name, summary, seconds, directory=run.directory if keep else None)
        traces = {}
        for actor in run.actors:
            if actor.fault():
                traces.update({str(path): tail(path) for path in (actor.errors, actor.trace)})
        with suppress(OperatorError, OSError):
            (run.directory / "metrics").write_text(service.numbers().text, encoding="utf-8")
        if service.log is not None:
            traces[str(service.log)] = tail(service.log)
            # What a failed case has left must not fail the next one.
            run.fail_for_good(_ended(service, run.log_from))
            self._services = {key: each for key, each in self._services.items() if each is not service}
        return Outcome(
            run.case.name,
            summary,
            seconds,
            tuple(run.faults),
            traces,
            run.directory,
            stalled_s=max((stall.seconds for stall in run.stalls), default=0.0),
        )


def _ended(service: Service, log_from: int) -> list[str]:
    """Stop a PBX with which a case failed; what it is to blame for, whatever the machine did."""
    running = service.running
    # One with calls that the case has left may have to be killed.
    code = service.stop()
    wrong = [f"the PBX's log says: {line}" for line in service.trouble(log_from)]
    return wrong if running else [*wrong, f"the PBX ended by itself ({code})"]


def counter_faults(expected: Mapping[str, tuple[int, int]], before: Numbers, after: Numbers) -> list[str]:
    """The counters that did not change by what the case expects."""
    wrong: list[str] = []
    for name, (least, most) in expected.items():
        counted = after.counted(name, before)
        if after.value(name) is None and least:
            wrong.append(f"/metrics has no {name}")
        elif not least <= counted <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            wrong.append(f"{name} changed by {counted:g}, not by {wanted}")
    return wrong


def _within(at: float, found: Mapping[str, list[Window]]) -> bool:
    return any(
        window.start - _GUARD_SECONDS <= at <= window.end + _GUARD_SECONDS
        for windows in found.values()
        for window in windows
    )


def run_all(suite: Suite, chosen: Sequence[Case], options: Options, jobs: int) -> Iterator[Outcome]:
    """Run the cases, `jobs` at a time; the outcomes come in the order of the cases, then those of shutdowns.

    Counters and leftovers are a whole PBX's, so cases that run at the same time have a runner each.
    """
    runners = [Runner(suite, options) for _ in range(min(jobs, len(chosen)))]
    idle = list(runners)

    def run(case: Case) -> Outcome:
        runner = idle.pop()
        try:
            return runner.run(case)
        finally:
            idle.append(runner)

    ended: list[Outcome] = []
    try:
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(run, chosen)
    finally:
        for runner in runners:
            ended += runner.close()
    yield from ended
