"""Runs an ASGI application on uvicorn inside the loop that is running already (Twisted's asyncio reactor).

uvicorn gets sockets that are bound beforehand, so that a port in use is one line for a person; it installs
no signal handlers and no logging, and when it has stopped no task of it is left.
"""

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from pbx.errors import MisuseError, OperatorError, PortInUse

_BACKLOG = 128
_MAX_HEADER_OCTETS = 16 * 1024
_MAX_REQUESTS_AT_ONCE = 256
_KEEP_ALIVE_SECONDS = 5
_STOP_SECONDS = 2
_CONNECT_SECONDS = 1.0
# sockaddr_un has 108 octets, the last one a zero.
_MAX_SOCKET_PATH = 107


class _Uvicorn(uvicorn.Server):
    """uvicorn without signal handlers, that says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the service."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets)
        self.ready.set()


class HttpServer:
    """One application on one TCP address, or on one Unix socket that only our own user may open."""

    def __init__(self, app: ASGIApp, *, host: str = "", port: int = 0, path: Path | None = None) -> None:
        """Either `host` (an address or a name) and `port` (0: any free one), or `path`."""
        if (path is None) == (not host):
            raise MisuseError("an HTTP server has either a host or a path")
        self._app = app
        self._host = host
        self._port = port
        self._path = path
        self._bound: tuple[str, int] | None = None
        self._inode: tuple[int, int] | None = None
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and real port. Raises MisuseError when this is a Unix socket, or before `start`."""
        if self._bound is None:
            raise MisuseError("this HTTP server has no address")
        return self._bound

    @property
    def port(self) -> int:
        """The real port, see `address`."""
        return self.address[1]

    async def start(self) -> None:
        """Listen; when this returns, requests are answered. Raises PortInUse or OperatorError."""
        if self._task is not None:
            raise MisuseError("this HTTP server has been started")
        listening = self._listen_tcp() if self._path is None else self._listen_unix(self._path)
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            # Its notices ("Started server process") are about uvicorn, not about us.
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            limit_concurrency=_MAX_REQUESTS_AT_ONCE,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_STOP_SECONDS,
            h11_max_incomplete_event_size=_MAX_HEADER_OCTETS,
        )
        self._server = server = _Uvicorn(config)
        self._task = task = asyncio.get_running_loop().create_task(server.serve([listening]), name="http")
        ready = asyncio.get_running_loop().create_task(server.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not server.ready.is_set():
            ready.cancel()
            listening.close()
            self._task = None
            self._unlink()
            await task
            raise OperatorError("the HTTP server did not start", "its log says why")

    async def stop(self) -> None:
        """Stop accepting, let requests end (2 seconds), close everything; a second time is no error."""
        task, server = self._task, self._server
        if task is None or server is None:
            return
        self._task = None
        server.should_exit = True
        # The path goes first: who connects from now on is told at once that nobody is there.
        self._unlink()
        await task
        left = [each for each in server.server_state.tasks if not each.done()]
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._bound = None

    def _listen_tcp(self) -> socket.socket:
        where = f"http:{self._host}:{self._port}"
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except (OSError, UnicodeError) as error:
            raise OperatorError(
                f"cannot listen on {where}", "the host is neither an address nor a known name"
            ) from error
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except (OSError, OverflowError) as error:
            listening.close()
            number = error.errno if isinstance(error, OSError) else None
            if number == errno.EADDRINUSE:
                raise PortInUse(
                    f"{where} is in use", "stop the other program, or choose another port under `listen`"
                ) from error
            if number == errno.EACCES:
                advice = "ports below 1024 need a privilege; choose another port under `listen`"
            elif number == errno.EADDRNOTAVAIL:
                advice = "this machine has no such address; correct it under `listen`"
            else:
                advice = str(error)
            raise OperatorError(f"cannot listen on {where}", advice) from error
        listening.setblocking(False)
        bound = listening.getsockname()
        self._bound = (bound[0], bound[1])
        return listening

    def _listen_unix(self, path: Path) -> socket.socket:
        if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
            raise OperatorError(
                f"the path of the control socket {path} is too long",
                f"the system allows {_MAX_SOCKET_PATH} octets; choose a shorter state directory",
            )
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._clear(path)
            # On Linux the file inherits this mode at once, so there is no moment in which others may connect.
            with contextlib.suppress(OSError):
                os.fchmod(listening.fileno(), 0o600)
            listening.bind(os.fspath(path))
            path.chmod(0o600)
            found = path.stat()
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            if error.errno == errno.EADDRINUSE:
                raise _in_use(path) from error
            raise OperatorError(
                f"cannot create the control socket {path}",
                f"the directory must exist and be writable ({error.strerror})",
            ) from error
        except OperatorError:
            listening.close()
            raise
        listening.setblocking(False)
        self._inode = (found.st_dev, found.st_ino)
        return listening

    @staticmethod
    def _clear(path: Path) -> None:
        """Remove the socket that a dead process left. Raises PortInUse when somebody answers on it."""
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise OperatorError(
                f"{path} is in the way of the control socket", "it is no socket; move it away"
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_CONNECT_SECONDS)
            try:
                probe.connect(os.fspath(path))
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)
                return
            except (TimeoutError, BlockingIOError):
                # Its queue is full: somebody is there.
                pass
        raise _in_use(path)

    def _unlink(self) -> None:
        """Remove our socket file, unless somebody has put another one in its place."""
        if self._path is None or self._inode is None:
            return
        with contextlib.suppress(OSError):
            found = self._path.lstat()
            if (found.st_dev, found.st_ino) == self._inode:
                self._path.unlink()
        self._inode = None


def _in_use(path: Path) -> PortInUse:
    return PortInUse(
        f"the control socket {path} is in use",
        "another pbx runs here; stop it, or use another state directory",
    )
