"""The service: settings become machines and edges, wired to each other; started, drained, stopped."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from pbx.api.app import create_app
from pbx.api.calls import add_calls
from pbx.api.dialplans import add_dialplans
from pbx.api.models import ListenerReport
from pbx.api.queues import add_queues
from pbx.api.recordings import add_recordings
from pbx.api.server import HttpServer
from pbx.call.causes import POLICIES
from pbx.call.quality_events import QualityLimits
from pbx.call.record import CallRecord
from pbx.call.settings import DEFAULT_FORMATS, CallSettings
from pbx.config.candidates import load_candidate
from pbx.config.settings import Settings
from pbx.config.settings import User as UserSettings
from pbx.dialplan.plugins import Plugins
from pbx.errors import OperatorError
from pbx.ids import Ids
from pbx.media.plane import MediaPlane
from pbx.media.recorder import RecordingStopped
from pbx.media.values import DigitHeard, MediaStopped, Sound, SourceEnded, SourceProven
from pbx.metrics.metrics import Metrics
from pbx.net.addresses import Routes
from pbx.net.endpoint import Endpoint
from pbx.net.resolver import Resolver
from pbx.registrar.binding import Binding, BindingEvent, BindingRemoved, RegistrarLimits
from pbx.registrar.registrar import Registrar
from pbx.service.admission import Admission, Trunk, User
from pbx.service.call_control import CallControl
from pbx.service.clock import Clock
from pbx.service.collecting import Collecting
from pbx.service.conductor import Conductor
from pbx.service.counting import Counting
from pbx.service.destinations import DEFAULT_PORT, Destinations
from pbx.service.dialplans import Dialplans
from pbx.service.generations import Change, Generations, Loader, T
from pbx.service.ledger import CallBook
from pbx.service.network import OwnAddress
from pbx.service.originations import Originations
from pbx.service.plugins import PluginLife
from pbx.service.queues import CallCentre
from pbx.service.recording_control import CallRecordings
from pbx.service.recordings import Recordings
from pbx.service.reports import VERSION, Reports
from pbx.service.router import Router
from pbx.service.screening import DIALOG_ALLOW, PRODUCT
from pbx.service.shadow import Shadowing
from pbx.service.switch import Switch
from pbx.service.taps import CallTaps
from pbx.service.watching import Watcher
from pbx.sip.authentication import Authenticator
from pbx.sip.digest import Algorithm, Ha1
from pbx.sip.timers import Timers
from pbx.sip.transactions import TransactionLayer
from pbx.store.database import Store
from pbx.store.entries import Decided
from pbx.store.generations import GenerationStore
from pbx.store.journal import BindingJournal

log = logging.getLogger("pbx")

CONTROL_SOCKET = "pbx.sock"

_ALGORITHMS: dict[str, Algorithm] = {"md5": "MD5", "sha-256": "SHA-256"}
_DRAIN_STEP_S = 0.2
# For resolving names, reading sounds, compiling dialplans and writing records.
_THREADS = 4
# Whoever compiles a dialplan in a thread gives way so soon: the reactor takes the lock anew at each message.
_SWITCH_INTERVAL_S = 0.0005


@implementer(IReadDescriptor)
class _MediaEvents:
    """The media plane's event descriptor, as the reactor watches it."""

    def __init__(self, descriptor: int, read: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._read = read

    def fileno(self) -> int:
        """The eventfd."""
        return self._descriptor

    def doRead(self) -> None:
        """Something happened."""
        self._read()

    def connectionLost(self, reason: object) -> None:
        """The reactor lets go of it."""

    def logPrefix(self) -> str:
        """Names it in the reactor's log."""
        return "media"


class Service:
    """One PBX. `await start()` returns when calls are taken; `await stop()` when nothing is left."""

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = os.urandom,
        progress: Callable[[str], None] = log.info,
        failed: Callable[[str], None] = log.critical,
        watch: bool = False,
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._clock = clock
        self._progress = progress
        self._failed = failed
        self.generations = Generations(
            Loader(settings.dialplan, lambda: settings.known),
            GenerationStore(settings.directories.state / "generations"),
            lambda: clock.wall().timestamp(),
        )
        _make_directory(settings.directories.state, "directories")
        ids = Ids(random_bytes)
        users = {name: User(user.name, user.caller_id, user.srtp) for name, user in settings.users.items()}
        trunks = {name: _trunk(name, settings) for name in settings.trunks}
        self.metrics = Metrics(trunks)
        self.sounds = settings.library
        hold = settings.sounds.hold_music
        self.endpoint = Endpoint(
            reactor,
            _routes(settings),
            settings.sip.max_connections,
            settings.sip.max_connections_per_source,
            wall=lambda: clock.wall().timestamp(),
        )
        own = OwnAddress(self.endpoint)
        sip = settings.sip
        timers = Timers(sip.t1, sip.t2, sip.t4, sip.timer_c)
        self.media = MediaPlane(
            ports=settings.media.ports.ports,
            threads=settings.media.threads,
            pool=settings.media.pool,
            relay=settings.media.relay,
            progress=progress,
        )
        self.recordings = Recordings(
            self.media,
            settings.directories.recordings,
            reactor.callFromThread,
            self._recording_stopped,
            max_octets=settings.recordings.max_size,
        )
        self.recordings.observe(self.metrics)
        limits = settings.registrar
        self.registrar = Registrar(
            RegistrarLimits(
                int(limits.min_expires),
                int(limits.max_expires),
                int(limits.default_expires),
                limits.max_contacts,
                limits.max_bindings,
            )
        )
        secrets = {name: _ha1(name, user, settings.domain) for name, user in settings.users.items()}
        authenticator = Authenticator(
            settings.domain,
            secrets.get,
            ids,
            random_bytes(32),
            algorithms=[_ALGORITHMS[name] for name in settings.digest],
        )
        self.metrics.observe("pbx_nonces_active", lambda: authenticator.nonces_remembered)
        self.switch = Switch(
            layer=TransactionLayer(
                timers, ids, max_transactions=settings.sip.max_transactions, sent_by=own.sent_by
            ),
            registrar=self.registrar,
            admission=Admission(
                settings.domain,
                users,
                list(trunks.values()),
                authenticator,
                self.endpoint,
                {
                    name: [_ALGORITHMS[each] for each in user.digest]
                    for name, user in settings.users.items()
                    if user.digest
                },
            ),
            network=self.endpoint,
            own=own,
            media=self.media,
            recorder=self.recordings,
            settings=CallSettings(
                timers,
                DIALOG_ALLOW,
                PRODUCT,
                POLICIES[settings.policy.final_codes],
                DEFAULT_FORMATS,
                settings.codecs,
                settings.media.transcode,
                ringback=[self.sounds.find("tone.ringback")],
                hold_music=None if hold is None else self.sounds.music_each_time(hold, ids.below),
                # Offering SRTP to everybody is not what a service does that merely takes it.
                srtp="accepted" if settings.media.srtp == "optional" else settings.media.srtp,
                quality=QualityLimits(rtp_timeout_s=settings.media.rtp_timeout),
                on_rtp_timeout=settings.media.on_rtp_timeout,
            ),
            ids=ids,
            observer=Counting(self.metrics),
            wall_clock=clock.wall,
            max_calls=settings.limits.calls,
        )
        self._call_recordings = CallRecordings(self.recordings, self.switch.calls, clock.now)
        destinations = Destinations(
            settings.domain, users, trunks, self.registrar, self.endpoint, own, settings.ring
        )
        self._resolver = Resolver(reactor, reachable=self.endpoint.reaches)
        self.router = Router(
            self.generations.first, destinations, self._resolver.resolve, self._find_sound, self.switch.live
        )
        self.queues = CallCentre(
            self.switch,
            destinations,
            self._resolver.resolve,
            self.sounds.find,
            lambda name: self.sounds.music(name, lambda _: 0).sounds,
            clock,
            ids,
        )
        self.router.serve_queues(self.queues.desk)
        plugins = settings.known.plugins or Plugins()
        self.plugins = PluginLife(reactor, plugins, self.metrics, self.router.used)
        self.book = CallBook(settings, reactor, self.router, clock)
        self.shadowing = Shadowing(
            lambda file: load_candidate(file, settings.known),
            self.router,
            self._in_thread,
            reactor.callLater,
            lambda: clock.wall().timestamp(),
        )
        self.dialplans = Dialplans(self.generations, self.book, self.switch, self.shadowing)
        self.conductor = Conductor(
            self.switch,
            self.router,
            self.metrics,
            clock.now,
            self.endpoint.carry_out,
            self._bindings_changed,
            self.media.hold,
            self._call_ended,
            self.queues.desk,
        )
        self.queues.conductor = self.conductor
        self.taps = CallTaps(self.media, reactor.callFromThread, self.conductor.tell)
        self.switch.shared.taps = self.taps
        self.router.serve_taps(self.taps)
        self.call_control = CallControl(
            self.switch,
            self.conductor,
            Originations(users, trunks, destinations, self._resolver.resolve, clock.now, clock.wall),
            self.media,
            self._find_sound,
            clock.now,
            settings.ring,
        )
        self.reports = Reports(settings.domain, self.switch, self.router, self.media, self.endpoint, clock)
        self.reports.observe(self.metrics)
        self.book.observe(self.metrics)
        self.queues.observe(self.metrics)
        self.generations.observe(self.metrics)
        self.shadowing.observe(self.metrics)
        self._journal: BindingJournal | None = None
        self._store: Store | None = None
        self._servers: list[HttpServer] = []
        self._media_events: _MediaEvents | None = None
        self._watcher: Watcher | None = None
        if watch or settings.watch:
            self._watcher = Watcher(lambda: self.generations.files, self._file_changed, reactor.callLater)
        self._collecting: Collecting | None = None
        self._switch_interval_s = sys.getswitchinterval()

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind, compile what has to be compiled, restore bindings, and take calls. Raises OperatorError."""
        settings = self._settings
        for listener in settings.listen:
            if listener.scheme != "http":
                host, port = self.endpoint.listen(listener.scheme, listener.host, listener.port)
                self._listens(listener.scheme, host, port)
        await self._start_http()
        self.media.start()
        # As many threads as are ever wanted at once, from the beginning: later ones are leaks.
        self._reactor.getThreadPool().adjustPoolsize(minthreads=_THREADS)
        self._media_events = _MediaEvents(self.media.event_descriptor, self._media_happened)
        self._reactor.addReader(self._media_events)
        self.recordings.start()
        self.taps.start()
        self._restore()
        await self.plugins.start(self.generations.first)
        self.generations.begin(self.router, self.plugins, self._in_thread)
        if self._watcher is not None:
            self._watcher.start()
        self.endpoint.attach(self.conductor)
        self._collecting = Collecting(self._reactor, self.switch.layer.__len__)
        self._collecting.start()
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self.reports.state = "running"

    async def _start_http(self) -> None:
        settings = self._settings
        hosts = [settings.domain, settings.external_address or ""]
        control = settings.directories.state / CONTROL_SOCKET
        page = create_app(self.reports, self.metrics, version=VERSION, hosts=hosts)
        full = create_app(self.reports, self.metrics, version=VERSION, hosts=hosts)
        add_calls(full, self.call_control)
        add_dialplans(page, self.dialplans)
        add_dialplans(full, self.dialplans, self.dialplans)
        add_queues(page, self.queues)
        add_queues(full, self.queues, self.queues)
        add_recordings(full, self._call_recordings)
        servers = [HttpServer(full, path=control)]
        servers += [
            HttpServer(page, host=listener.host, port=listener.port)
            for listener in settings.listen
            if listener.scheme == "http"
        ]
        for server in servers:
            await _deferred(server.start())
            self._servers.append(server)
            if server is not servers[0]:
                self._listens("http", *server.address)

    def _listens(self, scheme: str, host: str, port: int) -> None:
        self.reports.listeners.append(ListenerReport(transport=scheme, host=host, port=port))

    def _restore(self) -> None:
        """Take back the bindings of the last run, for the users and listeners there are now."""
        location = self._settings.store
        _make_directory(location.path.parent, "store")
        self._store = Store(location.path)
        self._journal = BindingJournal(self._store, self._reactor, failed=_store_failed)
        now, epoch = self._clock.now(), self._clock.wall().timestamp()
        kept: list[Binding] = []
        gone: list[BindingEvent] = []
        for binding in self._journal.load(now, epoch):
            flow = self.endpoint.flow_to(binding.flow.transport, binding.flow.remote)
            if binding.user in self._settings.users and flow is not None:
                kept.append(replace(binding, flow=flow))
            else:
                gone.append(BindingRemoved(binding, "dropped"))
        self._journal.record([*gone, *self.registrar.restore(kept, now)], now, epoch)
        self.book.open(_store_failed)
        self.queues.open(Store(location.path), self._reactor, _store_failed)

    async def drain(self, seconds: float) -> None:
        """Take no new calls, and wait until those that go on have ended, for `seconds` at most.

        Those that go on after that are hung up, and so they are when the wait is cancelled: a phone that
        heard no BYE would talk to nobody.
        """
        self.switch.draining = True
        self.reports.state = "draining"
        self.queues.drain()
        until = self._clock.now() + seconds
        try:
            while self.switch.calls and self._clock.now() < until:
                await self._pause(_DRAIN_STEP_S)
        finally:
            for call_id in list(self.switch.calls):
                self.conductor.hang_up(call_id)
        if self.switch.calls:
            await self._pause(_DRAIN_STEP_S)

    async def stop(self) -> None:
        """Close everything, in the order that lets nothing be asked of what is closed."""
        self._resolver.stop()
        self.book.cut_short(self.switch)
        if self._watcher is not None:
            self._watcher.stop()
        self.shadowing.end()
        try:
            servers, self._servers = self._servers, []
            for server in servers:
                await _deferred(server.stop())
            await self.endpoint.stop()
            self.taps.stop()
            await self.plugins.stop()
        finally:
            await self._stop_rest()

    async def _stop_rest(self) -> None:
        events, self._media_events = self._media_events, None
        journal, self._journal = self._journal, None
        store, self._store = self._store, None
        try:
            if events is not None:
                self._reactor.removeReader(events)
                self.recordings.stop()
                self.media.stop()
        finally:
            if journal is not None:
                await journal.stop()
            await self.book.stop()
            await self.queues.stop()
            if store is not None:
                store.close()
            if self._collecting is not None:
                self._collecting.stop()
                sys.setswitchinterval(self._switch_interval_s)

    async def reload(self) -> Change:
        """Load the dialplan anew; running calls keep theirs. With OperatorError nothing has changed."""
        return await self.generations.reload()

    async def _find_sound(self, name: str) -> Sound:
        """A sound may have to be read from a disk, or spoken."""
        return await self._in_thread(lambda: self.sounds.find(name))

    def _in_thread(self, function: Callable[[], T]) -> Deferred[T]:
        """Reading, compiling and testing a large dialplan takes a while: calls go on beside it."""
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function)

    def _file_changed(self) -> None:
        """A file of the dialplan is another one."""
        Deferred.fromCoroutine(self._reload_watched()).addErrback(
            lambda failure: log.error("%s", failure.getTraceback())
        )

    async def _reload_watched(self) -> None:
        try:
            log.info("%s", await self.reload())
        except OperatorError as error:
            log.error("%s\nthe dialplan was not changed", error)

    def _pause(self, seconds: float) -> Deferred[None]:
        done: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, done.callback, None)
        return done

    # -- what happens ----------------------------------------------------------------------------------------

    def _bindings_changed(self, events: Sequence[BindingEvent], now: float) -> None:
        for event in events:
            match event:
                case BindingRemoved(_, cause):
                    self.metrics.registration(cause)
                case _:
                    self.metrics.registration(type(event).__name__.removeprefix("Binding").lower())
        if self._journal is not None:
            self._journal.record(events, now, self._clock.wall().timestamp())

    def _call_ended(self, record: CallRecord, generation: int, decided: Sequence[Decided]) -> None:
        """The last leg of a call is gone."""
        self.recordings.forget(record.id)
        self.book.ended(record, generation, decided)

    def _recording_stopped(self, call_id: str, stopped: RecordingStopped) -> None:
        """A recording ended before its call."""
        self._call_recordings.stopped(call_id, stopped)

    def _media_happened(self) -> None:
        for event in self.media.events():
            match event:
                case MediaStopped(reason):
                    self._failed(f"the media thread ended: {reason}")
                case SourceEnded() | DigitHeard():
                    self.conductor.media_happened(event)
                case SourceProven():
                    pass


def _routes(settings: Settings) -> Routes:
    return Routes(settings.external_address)


def _trunk(name: str, settings: Settings) -> Trunk:
    trunk = settings.trunks[name]
    addresses = () if trunk.inbound is None else trunk.inbound.addresses
    return Trunk(
        name, trunk.host.host, trunk.host.port or DEFAULT_PORT, trunk.transport, addresses, trunk.srtp
    )


def _ha1(name: str, user: UserSettings, realm: str) -> Ha1:
    if user.password is not None:
        return Ha1.from_password(name, realm, user.password.get_secret_value())
    assert user.ha1 is not None  # the settings demand one of the two
    return Ha1(md5=user.ha1.of("md5") or "", sha_256=user.ha1.of("sha-256") or "")


def _make_directory(path: Path, key: str) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise OperatorError(
            f"the directory {path} cannot be made ({reason})", f"name another one under `{key}`"
        ) from None


def _deferred(coroutine: Any) -> Deferred[Any]:
    """A coroutine of asyncio's world as something to await in Twisted's."""
    return Deferred.fromFuture(asyncio.ensure_future(coroutine))


def _store_failed(error: OperatorError) -> None:
    log.error("%s", error)
