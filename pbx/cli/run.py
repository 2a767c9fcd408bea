"""`pbx run`: the service, from a shell or a supervisor."""

import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pbx.config.settings import DEFAULT_FILE, Settings
from pbx.errors import OperatorError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure


@click.command()
@click.option(
    "--config",
    metavar="FILE",
    default=DEFAULT_FILE,
    type=click.Path(path_type=Path),
    help="The configuration; without one, ./pbx.yaml is used, and written at the first start.",
)
@click.option(
    "--ready-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the real addresses there as JSON, when calls are taken.",
)
@click.option("--watch", is_flag=True, help="Reload the dialplan as soon as one of its files changes.")
def run(config: Path, ready_file: Path | None, watch: bool) -> None:
    """Run the service. SIGTERM and SIGINT drain it (a second one stops at once), SIGHUP reloads the dialplan.

    The ready file has {"sip": {"udp": "ADDRESS:PORT", "tcp": …}, "http": "ADDRESS:PORT", "pid": N} with the
    first listener of each transport, and in "listeners" all of them, as "TRANSPORT:ADDRESS:PORT".
    """
    from twisted.internet import asyncioreactor

    asyncioreactor.install()  # type: ignore[no-untyped-call]  # Twisted left it untyped
    from twisted.internet import reactor as installed  # noqa: TID251  # this verb is what installs it

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    first_start = not config.exists() and config == DEFAULT_FILE
    if first_start:
        from pbx.config.first_start import write_first_configuration
        from pbx.ids import Ids

        write_first_configuration(Path(), Ids(os.urandom))
    settings = Settings.load(config)
    status = _Process(settings, installed, ready_file, show_passwords=first_start, watch=watch).run()
    sys.exit(status)


class _Process:
    """The process around a service: signals, the greeting, the exit status."""

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        ready_file: Path | None,
        *,
        show_passwords: bool,
        watch: bool,
    ) -> None:
        from pbx.service.clock import Clock
        from pbx.service.service import Service

        self._settings = settings
        self._reactor = reactor
        self._ready_file = ready_file
        self._show_passwords = show_passwords
        self._status = 0
        self._stopping = False
        self._starting: Deferred[None] | None = None
        self._draining: Deferred[None] | None = None
        self._service: Service = Service(
            settings,
            reactor,
            clock=Clock(reactor.seconds, lambda: datetime.now(UTC)),
            progress=lambda line: click.echo(f"pbx: {line}"),
            failed=self._fail,
            watch=watch,
        )

    def run(self) -> int:
        """Until a signal or a failure ends it; the exit status."""
        # The loop itself has to run: uvicorn's tasks are made in it.
        self._reactor.callLater(0, self._begin)
        self._reactor.run(installSignalHandlers=False)
        return self._status

    def _begin(self) -> None:
        from twisted.internet.defer import Deferred

        self._starting = Deferred.fromCoroutine(self._start()).addErrback(self._broke)

    async def _start(self) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            await self._service.start()
            if self._stopping:
                return
            self._greet()
            if self._ready_file is not None:
                _write_atomically(self._ready_file, json.dumps(self._addresses()))
        except OperatorError as error:
            self._fail(str(error))

    def _broke(self, failure: "Failure") -> None:
        """A fault of our own during the start; the traceback is for whoever mends it."""
        logging.getLogger("pbx").critical("the start failed\n%s", failure.getTraceback())
        self._fail("the start failed; the log says where")

    def _asked_to_stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._end(self._drain_and_stop())
        elif self._draining is not None:
            self._draining.cancel()

    async def _drain_and_stop(self) -> None:
        from twisted.internet.defer import CancelledError, Deferred

        if self._starting is not None:
            # What is half begun cannot be ended; a start takes no longer than compiling does.
            await self._starting
        calls = len(self._service.switch.calls)
        if calls:
            what = "1 call" if calls == 1 else f"{calls} calls"
            click.echo(f"pbx: draining {what}, for {self._settings.drain:g} s at most")
        self._draining = Deferred.fromCoroutine(self._service.drain(self._settings.drain))
        with contextlib.suppress(CancelledError):
            await self._draining
        await self._service.stop()

    def _end(self, ending: Coroutine["Deferred[None]", Any, None]) -> None:
        """Leave the reactor when `ending` is done, however it went."""
        from twisted.internet.defer import Deferred

        def ended(failure: "Failure | None") -> None:
            if failure is not None:
                self._status = 1
                logging.getLogger("pbx").critical("the end failed\n%s", failure.getTraceback())
            self._reactor.stop()

        Deferred.fromCoroutine(ending).addBoth(ended)

    def _reload(self) -> None:
        from twisted.internet.defer import Deferred

        reloaded = Deferred.fromCoroutine(self._load_again())
        reloaded.addErrback(lambda failure: logging.getLogger("pbx").error(failure.getTraceback()))

    async def _load_again(self) -> None:
        try:
            click.echo(f"pbx: {await self._service.reload()}")
        except OperatorError as error:
            click.echo(f"{error}\npbx: the dialplan was not changed", err=True)

    def _fail(self, message: str) -> None:
        click.echo(f"pbx: {message}", err=True)
        self._status = 1
        if not self._stopping:
            self._stopping = True
            self._end(self._service.stop())

    def _addresses(self) -> dict[str, Any]:
        first: dict[str, str] = {}
        for transport, where in self._listening():
            first.setdefault(transport, where)
        http = first.pop("http", "")
        listeners = [f"{transport}:{where}" for transport, where in self._listening()]
        return {"sip": first, "http": http, "listeners": listeners, "pid": os.getpid()}

    def _listening(self) -> Iterator[tuple[str, str]]:
        for listener in self._service.reports.listeners:
            host = f"[{listener.host}]" if ":" in listener.host else listener.host
            yield listener.transport, f"{host}:{listener.port}"

    def _greet(self) -> None:
        """Say what to do next."""
        settings = self._settings
        addresses = self._addresses()
        lines = [f"pbx is ready: SIP domain {settings.domain}"]
        lines += [
            f"  listens on   {transport}:{where}"
            for transport, where in self._listening()
            if transport != "http"
        ]
        if settings.users:
            lines.append("  register a phone at one of these addresses, as")
        for name, user in list(settings.users.items())[:5]:
            secret = f"the password in {settings.path}"
            if self._show_passwords and user.password is not None:
                secret = f"password {user.password.get_secret_value()}"
            lines.append(f"    {name} ({user.name or name}), {secret}")
        extensions = self._service.router.generation.extensions("users")
        if extensions:
            lines.append("  and dial")
            lines += [f"    {', '.join(one.patterns):<8} {one.about}" for one in extensions]
        if addresses["http"]:
            lines.append(
                f"  what goes on  http://{addresses['http']}/api/status and /metrics, or `pbx calls`"
            )
        click.echo("\n".join(lines))


def _write_atomically(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise OperatorError(f"{path} cannot be written ({reason})", "name another --ready-file") from None
