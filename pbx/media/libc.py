"""The C library as compiled code calls it: by name, so that what calls it can be kept on disk.

Pointers are plain addresses (`array.ctypes.data`). Every call is non-blocking by flag except `epoll_wait`.
"""

import platform
import sys
from collections.abc import Callable
from typing import Any, Final, cast

from llvmlite import ir  # type: ignore[import-untyped]  # llvmlite has no stubs
from numba import types
from numba.extending import intrinsic

from pbx.media.compiling import compiled
from pbx.media.layout import Array

_int = types.int32
_size = types.intp
_address = types.uintp


def _external(name: str, result: Any, *arguments: Any) -> Any:
    return types.ExternalFunction(name, result(*arguments))


epoll_wait = _external("epoll_wait", _int, _int, _address, _int, _int)
epoll_ctl = _external("epoll_ctl", _int, _int, _int, _int, _address)
recv = _external("recv", _size, _int, _address, _size, _int)
recvfrom = _external("recvfrom", _size, _int, _address, _size, _int, _address, _address)
send = _external("send", _size, _int, _address, _size, _int)
sendto = _external("sendto", _size, _int, _address, _size, _int, _address, _int)
connect = _external("connect", _int, _int, _address, _int)
read = _external("read", _size, _int, _address, _size)
write = _external("write", _size, _int, _address, _size)
clock_gettime = _external("clock_gettime", _int, _int, _address)

MSG_TRUNC: Final = 0x20
MSG_DONTWAIT: Final = 0x40
MSG_NOSIGNAL: Final = 0x4000
EPOLL_CTL_ADD: Final = 1
EPOLL_CTL_DEL: Final = 2
EPOLLIN: Final = 1
EINTR: Final = 4
EAGAIN: Final = 11
ECONNREFUSED: Final = 111
CLOCK_REALTIME: Final = 0
CLOCK_MONOTONIC: Final = 1
CLOCK_THREAD_CPUTIME_ID: Final = 3

# struct epoll_event in 32-bit words: packed on x86, padded elsewhere; the tag is the low word of its data.
_PACKED = platform.machine() in {"x86_64", "AMD64", "i686", "i386"}
EVENT_WORDS: Final = 3 if _PACKED else 4
EVENT_TAG: Final = (1 if _PACKED else 2) + (0 if sys.byteorder == "little" else 1)


def _fence(_typing_context: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("acq_rel")
        return context.get_dummy_value()

    return types.void(), generate


def _errno(_typing_context: Any) -> Any:
    def generate(_context: Any, builder: ir.IRBuilder, _signature: Any, _arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32).as_pointer(), ())
        location = builder.module.globals.get("__errno_location")
        if location is None:
            location = ir.Function(builder.module, kind, "__errno_location")
        return builder.load(builder.call(location, ()))

    return types.int32(), generate


# The error number of the last call, read in the thread that made it.
errno: Callable[[], int] = cast("Any", intrinsic)(_errno)

# Keeps what was stored before it from being seen after what is stored behind it.
fence: Callable[[], None] = cast("Any", intrinsic)(_fence)


@compiled
def monotonic(words: Array) -> int:
    """Microseconds of the monotonic clock; `words` is scratch of two 64-bit words."""
    clock_gettime(CLOCK_MONOTONIC, words.ctypes.data)
    return int(words[0] * 1_000_000 + words[1] // 1_000)


@compiled
def thread_clock(words: Array) -> int:
    """Microseconds of CPU that this thread has used."""
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, words.ctypes.data)
    return int(words[0] * 1_000_000 + words[1] // 1_000)


@compiled
def wall_clock(words: Array) -> int:
    """Microseconds since 1970."""
    clock_gettime(CLOCK_REALTIME, words.ctypes.data)
    return int(words[0] * 1_000_000 + words[1] // 1_000)
