"""Bound sockets, made before the reactor gets them, so that a fault is one line for a person."""

import contextlib
import errno
import socket

from pbx.errors import OperatorError, PortInUse
from pbx.net.addresses import family_of
from pbx.sip.flow import Transport

# A stalled event loop finds its datagrams here: at 300 calls a second a second's worth is about 3 MB.
_UDP_BUFFER_BYTES = 8 << 20
_BACKLOG = 128
# Have the kernel say when each datagram came (socket(7)); Python has no name for it. Linux's number.
SO_TIMESTAMPNS = 35
_WISHES = {
    socket.SO_RCVBUF: _UDP_BUFFER_BYTES,
    socket.SO_SNDBUF: _UDP_BUFFER_BYTES,
    SO_TIMESTAMPNS: 1,
}


def bind(transport: Transport, host: str, port: int) -> socket.socket:
    """A socket that is bound to an IP address, and listens when it is a stream's; port 0 is any free one.

    A socket of IPv6 takes no IPv4, so that `[::]` stands beside `0.0.0.0` on the same port and no peer is
    ever called `::ffff:192.0.2.1`. Raises PortInUse or OperatorError.
    """
    six = family_of(host) == 6
    where = f"{transport}:[{host}]:{port}" if six else f"{transport}:{host}:{port}"
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    bound = None
    try:
        # Resolves nothing; it turns a zone into its number.
        address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)[0][4]
        bound = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
        if six:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if transport == "udp":
            for option, value in _WISHES.items():
                # A kernel that does not know one serves without: less room, or nobody knows what is late.
                with contextlib.suppress(OSError):
                    bound.setsockopt(socket.SOL_SOCKET, option, value)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        if transport == "tcp":
            bound.listen(_BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise _explained(error, where) from None
    return bound


def _explained(error: OSError, where: str) -> OperatorError:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(
            f"{where} is in use", "stop the other program, or choose another port under `listen`"
        )
    message = f"cannot listen on {where}"
    if error.errno == errno.EACCES:
        hint = "ports below 1024 need a privilege; choose another port under `listen`"
    elif error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        hint = "this machine has no such address; correct it under `listen`"
    elif error.errno == errno.EAFNOSUPPORT:
        hint = "this machine does not speak IPv6; take it out of `listen`"
    else:
        hint = (error.strerror or "unknown reason").lower()
    return OperatorError(message, hint)
