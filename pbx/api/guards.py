"""What is refused before the application sees it, as plain ASGI: large bodies, and other sites' names."""

import json
import re
from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pbx.api.errors import ApiError

_TOO_LARGE = "the body is too large"

# A name, or an address with brackets or without, and a port.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:]+))(?::[0-9]{0,5})?")

# What clients on the control socket call us; any name would do there, this one reads well in a log.
SOCKET_HOST = "pbx"


async def _refuse(send: Send, status: int, error: str, hint: str) -> None:
    body = json.dumps({"error": error, "hint": hint}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # What is left of the request is not read.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, name: bytes) -> bytes | None:
    for own, value in scope["headers"]:
        if own == name:
            return bytes(value)
    return None


class BodyLimit:
    """Refuses (413) a request whose body is, or says it is, longer than `limit` octets."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._advice = f"send at most {limit} octets"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = _header(scope, b"content-length")
        if length is not None and (not length.isdigit() or int(length[:20]) > self._limit):
            await _refuse(send, 413, _TOO_LARGE, self._advice)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                # The application was reading, so it has not answered yet: its error handler does.
                raise ApiError(413, _TOO_LARGE, self._advice)
            return message

        await self._app(scope, counted, send)


class HostCheck:
    """Refuses (421) a request that asks for us by a name that is not ours.

    A web page elsewhere can have its own name resolve to our address, and would then be allowed by a
    browser to read what we say (DNS rebinding). Addresses and localhost cannot be had that way.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts | {"localhost", SOCKET_HOST}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] == "http" and not self._ours(_header(scope, b"host")):
            await _refuse(send, 421, "this host name is not ours", "ask by the address, or by the domain")
            return
        await self._app(scope, receive, send)

    def _ours(self, host: bytes | None) -> bool:
        if host is None:
            # HTTP/1.0; no browser sends that.
            return True
        found = _HOST.fullmatch(host.decode("latin-1").lower())
        if found is None:
            return False
        name = found[1] or found[2]
        if name.rstrip(".") in self._hosts:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True
