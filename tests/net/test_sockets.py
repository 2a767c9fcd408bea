"""Listening sockets on kernels and in containers that allow less."""

import socket

import pytest

from pbx.net.sockets import bind

pytestmark = pytest.mark.network


class Grudging(socket.socket):
    """A socket whose kernel refuses every wish at the level of sockets."""

    def setsockopt(self, level: int, *rest: object) -> None:
        assert level == socket.SOL_SOCKET
        raise OSError(92, "Protocol not available")


def test_a_kernel_that_grants_no_wish_is_listened_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", Grudging)
    with bind("udp", "127.0.0.1", 0) as bound:
        assert isinstance(bound, Grudging)
        assert bound.getsockname()[1]


def test_less_room_than_was_asked_for_will_do() -> None:
    """The kernel gives as much as net.core.rmem_max allows and says nothing."""
    with bind("udp", "127.0.0.1", 0) as bound:
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 0
