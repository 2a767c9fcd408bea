import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread, Timer
from typing import Self

import pytest

from pbx.cli.interop import ports
from pbx.cli.interop.ports import SipPort, free_media_ports, is_free
from pbx.cli.interop.runner import counter_faults
from pbx.cli.interop.service import (
    GAUGES,
    REGISTRATIONS,
    Numbers,
    Service,
    Snapshot,
    fetch_numbers,
    merged,
    tail,
)
from pbx.errors import OperatorError

TEXT = """\
# HELP pbx_calls_active Calls
# TYPE pbx_calls_active gauge
pbx_calls_active 0.0
pbx_call_failures_total{direction="in",trunk="",cause="busy"} 2.0
pbx_call_failures_total{direction="out",trunk="",cause="busy"} 3.0
pbx_call_failures_total{direction="in",trunk="a \\"b\\"",cause="timeout"} 5.0
"""
CLEAN = "".join(f"{gauge} 0\n" for gauge in GAUGES)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ("pbx_calls_active", 0),
        ("pbx_call_failures_total", 10),
        ('pbx_call_failures_total{cause="busy"}', 5),
        ('pbx_call_failures_total{direction="in", cause="busy"}', 2),
        ('pbx_call_failures_total{cause="none"}', None),
        ("pbx_call_failures", None),
        ("not a name at all", None),
    ],
)
def test_series_are_found_and_summed(wanted: str, value: float | None) -> None:
    assert Numbers(TEXT).value(wanted) == value


def test_counters_that_did_not_change_as_expected() -> None:
    before, after = Numbers("pbx_a_total 4\n"), Numbers("pbx_a_total 6\npbx_b_total 1\n")
    right = {"pbx_a_total": (2, 2), "pbx_b_total": (1, 3), "pbx_c_total": (0, 0)}
    assert counter_faults(right, before, after) == []
    assert counter_faults({"pbx_a_total": (1, 1)}, before, after) == ["pbx_a_total changed by 2, not by 1"]
    assert counter_faults({"pbx_b_total": (2, 3)}, before, after) == [
        "pbx_b_total changed by 1, not by 2 to 3"
    ]
    assert counter_faults({"pbx_c_total": (1, 1)}, before, after) == ["/metrics has no pbx_c_total"]


def test_settings_are_laid_over_each_other() -> None:
    base = {"sip": {"t1": "50ms", "t2": "1s"}, "listen": [1, 2], "domain": "a"}
    over = {"sip": {"t1": "500ms"}, "listen": [3], "media": {"relay": False}}
    assert merged(base, over) == {
        "sip": {"t1": "500ms", "t2": "1s"},
        "listen": [3],
        "domain": "a",
        "media": {"relay": False},
    }
    assert base["listen"] == [1, 2]


def test_the_media_ports_are_a_free_even_range() -> None:
    first, last = map(int, free_media_ports(16).split("-"))
    assert (first % 2, last - first) == (0, 15)
    assert all(is_free("127.0.0.1", port) for port in range(first, last + 1))


def test_our_ports_are_not_those_that_the_kernel_gives_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever range it has here."""
    kernels = range(30_000, 50_000)
    monkeypatch.setattr(ports, "_ephemeral", lambda: kernels)
    for _ in range(20):
        least, most = map(int, free_media_ports().split("-"))
        assert least not in kernels
        assert most not in kernels
        port = SipPort("127.0.0.1", "udp")
        assert port.number not in kernels
        port.close()


def test_a_kernel_that_gives_away_every_port_leaves_some_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_ephemeral", lambda: range(1024, 65_536))
    least, most = map(int, free_media_ports(16).split("-"))
    assert most - least == 15


@pytest.mark.parametrize(
    ("transport", "used", "guarded"),
    [
        ("udp", socket.SOCK_DGRAM, socket.SOCK_STREAM),
        ("tcp", socket.SOCK_STREAM, socket.SOCK_DGRAM),
    ],
)
def test_a_sip_port_is_kept_from_others_and_free_for_its_own_transport(
    transport: str, used: socket.SocketKind, guarded: socket.SocketKind
) -> None:
    port = SipPort("127.0.0.1", transport)
    assert is_free("127.0.0.1", port.number, used)
    assert not is_free("127.0.0.1", port.number, guarded)
    port.close()
    assert is_free("127.0.0.1", port.number, guarded)


def test_a_phone_calls_the_listener_of_its_transport_and_family() -> None:
    service = Service(["udp:127.0.0.1:5060", "tcp:127.0.0.1:5062", "udp:[::1]:5064"], None)
    assert service.target("udp", "127.0.0.1") == "127.0.0.1:5060"
    assert service.target("tcp", "127.0.0.1") == "127.0.0.1:5062"
    assert service.target("udp", "::1") == "[::1]:5064"
    assert service.target("tcp", "::1") is None


class _Page:
    """A web server with one page of metrics."""

    def __init__(self, text: str, status: int = 200) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(page.text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self.text = text
        page = self
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.mark.network
def test_leftovers_are_told_from_the_metrics() -> None:
    before = Snapshot(Numbers(CLEAN + f"{REGISTRATIONS} 1\n"), {}, 0, 0)
    with _Page(CLEAN + f"{REGISTRATIONS} 1\n") as page:
        service = Service([], page.address)
        assert service.leftovers(before, 0) == []
        assert service.leftovers(before, 1) == [f"{REGISTRATIONS} is -1 off what the case expects"]
        page.text = CLEAN.replace("pbx_legs_active 0", "pbx_legs_active 2") + f"{REGISTRATIONS} 2\n"
        assert service.leftovers(before, 1) == ["pbx_legs_active is 2"]
        page.text = CLEAN.replace("pbx_dialogs_active 0\n", "") + f"{REGISTRATIONS} 1\npbx_tasks_active 1\n"
        assert service.leftovers(before, 0) == [
            "/metrics has no pbx_dialogs_active",
            "pbx_tasks_active is +1",
        ]


# Says when it is ready, then opens a file and starts a thread when it is told to.
_LEAKY = """
import sys, threading
print("ready", flush=True)
sys.stdin.readline()
file = open("/dev/null")
threading.Thread(target=threading.Event().wait, daemon=True).start()
print("leaked", flush=True)
sys.stdin.readline()
"""


@pytest.mark.network
def test_descriptors_and_threads_that_are_left_are_told() -> None:
    command = [sys.executable, "-c", _LEAKY]
    with (
        _Page(CLEAN) as page,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        service = Service([], page.address)
        service.pid = child.pid
        before = service.snapshot()
        assert service.leftovers(before, 0) == []
        child.stdin.write("\n")
        assert child.stdout.readline() == "leaked\n"
        assert service.leftovers(before, 0) == ["1 more descriptors: /dev/null", "1 more threads"]
        child.stdin.write("\n")


@pytest.mark.network
def test_a_clean_service_is_not_waited_for_and_a_leak_is_told_in_the_end() -> None:
    dirty = CLEAN.replace("pbx_legs_active 0", "pbx_legs_active 2")
    with _Page(dirty) as page:
        service = Service([], page.address)
        before = Snapshot(Numbers(CLEAN), {}, 0, 0)
        assert service.left_after(before, 0, 0.0) == ["pbx_legs_active is 2"]
        cleaning = Timer(0.1, setattr, (page, "text", CLEAN))
        cleaning.start()
        assert service.left_after(before, 0, 600.0) == []
        cleaning.join()


@pytest.mark.network
def test_metrics_that_cannot_be_read() -> None:
    with _Page("", 500) as page, pytest.raises(OperatorError, match="answers 500"):
        fetch_numbers(page.address)
    with pytest.raises(OperatorError, match="does not answer"):
        fetch_numbers(page.address)


def test_trouble_in_the_log_counts_from_where_the_case_began(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Traceback (most recent call last)\n")
    service = Service([], None, log)
    size = log.stat().st_size
    assert service.trouble(0) == ["Traceback (most recent call last)"]
    with log.open("a") as file:
        file.write("all is well\n[-] Unhandled error in Deferred:\n")
    assert service.trouble(size) == ["[-] Unhandled error in Deferred:"]


def test_the_tail_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("".join(f"{number}\n" for number in range(30)))
    assert tail(tmp_path / "a", 3) == "27\n28\n29"
    assert tail(tmp_path / "b") == ""


def test_a_pbx_that_does_not_start_is_said_in_a_message(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="the PBX did not start"):
        Service.start({"no-such-key": 1, "dialplan": "nowhere.yaml"}, tmp_path / "pbx")
