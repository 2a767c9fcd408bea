"""`pbx run` as a process: what operators are told, signals, the ready file, the end."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pbx.cli.interop.clock import wait_until
from pbx.cli.interop.ports import free_media_ports
from pbx.sip.message import Request
from tests.service.wire import Caller

pytestmark = pytest.mark.network

DIALPLAN = """\
timezone: UTC
entry: [{from: anyone, chain: public}]
chains:
  public:
    - routing:
        - {to: "600", echo: {}}
        - {to: "601", reject: 486}
"""
# A first start compiles the media loop.
START_S = 120.0
STOP_S = 20.0


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a configuration that works."""
    configure(tmp_path)
    (tmp_path / "dialplan.yaml").write_text(DIALPLAN)
    return tmp_path


def configure(directory: Path, **changes: str) -> None:
    lines = {
        "domain": "pbx.example",
        "listen": '["udp:127.0.0.1:0", "http:127.0.0.1:0"]',
        "directories": "{state: state}",
        "store": "sqlite:state/pbx.db",
        "media": f"{{ports: {free_media_ports(16)}}}",
        "drain": "1s",
        **changes,
    }
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    (directory / "pbx.yaml").write_text(text)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pbx.cli", *arguments]


def refused(directory: Path, *arguments: str) -> str:
    """What `pbx run` says on stderr when it does not start, which it must end by itself, with 1."""
    result = subprocess.run(
        command("run", "--config", "pbx.yaml", *arguments),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
    )
    assert (result.returncode, "Traceback" in result.stderr) == (1, False), result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    assert wait_until(lambda: bool(condition()), seconds)


class Running:
    """A `pbx run` that takes calls."""

    def __init__(self, directory: Path, process: "subprocess.Popen[bytes]") -> None:
        self.directory = directory
        self.process = process
        self.ready: dict[str, Any] = {}

    def wait_until_ready(self) -> None:
        file = self.directory / "ready.json"
        wait_for(lambda: file.exists() or self.process.poll() is not None, START_S)
        assert self.process.poll() is None, self.stderr()
        self.ready = json.loads(file.read_text())

    def caller(self) -> Caller:
        host, _, port = self.ready["sip"]["udp"].rpartition(":")
        return Caller((host, int(port)))

    def stdout(self) -> str:
        return (self.directory / "stdout").read_text()

    def stderr(self) -> str:
        return (self.directory / "stderr").read_text()

    def ends(self) -> int:
        """Its exit status."""
        return self.process.wait(STOP_S)

    def verb(self, *arguments: str) -> Any:
        """The JSON that a verb on the control socket prints."""
        result = subprocess.run(
            command(*arguments, "--json"),
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return json.loads(result.stdout)


@contextmanager
def started(directory: Path) -> Iterator[Running]:
    with (directory / "stdout").open("wb") as stdout, (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            command("run", "--config", "pbx.yaml", "--ready-file", "ready.json"),
            cwd=directory,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            yield Running(directory, process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


class TestRefusals:
    @pytest.mark.parametrize("scheme", ["udp", "tcp", "http"])
    def test_a_port_in_use(self, here: Path, scheme: str) -> None:
        kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if scheme != "udp":
                taken.listen()
            where = f"{scheme}:127.0.0.1:{taken.getsockname()[1]}"
            configure(here, listen=f'["udp:127.0.0.1:0", "{where}"]')
            line = refused(here)
        assert (
            line == f"pbx: {where} is in use: stop the other program, or choose another port under `listen`"
        )

    def test_an_address_that_is_not_ours(self, here: Path) -> None:
        configure(here, listen='["udp:192.0.2.1:5060"]')
        assert refused(here) == (
            "pbx: cannot listen on udp:192.0.2.1:5060: "
            "this machine has no such address; correct it under `listen`"
        )

    def test_no_configuration(self, tmp_path: Path) -> None:
        result = subprocess.run(
            command("run", "--config", "other.yaml"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_S,
        )
        assert result.returncode == 1
        assert result.stderr == "pbx: other.yaml: there is no such file: check the path\n"

    def test_an_unreadable_configuration(self, here: Path) -> None:
        (here / "pbx.yaml").unlink()
        (here / "pbx.yaml").mkdir()
        assert refused(here) == "pbx: pbx.yaml cannot be read: is a directory"

    def test_a_configuration_with_a_mistake(self, here: Path) -> None:
        configure(here, domian="x")
        assert refused(here) == "pbx.yaml:7:1: unknown key 'domian' (did you mean domain?)"

    def test_a_secret_that_is_missing(self, here: Path) -> None:
        configure(here, users='{"1001": {password: "env:PBX_TEST_SECRET_THAT_IS_NOT_SET"}}')
        line = refused(here)
        assert line.startswith("pbx.yaml:7:")
        assert "PBX_TEST_SECRET_THAT_IS_NOT_SET is not set or empty; give it a value" in line

    def test_a_dialplan_with_a_mistake(self, here: Path) -> None:
        (here / "dialplan.yaml").write_text(DIALPLAN.replace("echo", "ehco"))
        assert refused(here) == "dialplan.yaml:6:23: found 'ehco', which is no ending (did you mean echo?)"

    def test_no_dialplan(self, here: Path) -> None:
        (here / "dialplan.yaml").unlink()
        assert refused(here) == "pbx: dialplan.yaml: there is no such file: check the path"

    def test_a_state_directory_that_cannot_be_made(self, here: Path) -> None:
        (here / "state").write_text("in the way")
        assert refused(here) == (
            "pbx: the directory state cannot be made (file exists): name another one under `directories`"
        )

    def test_a_state_directory_that_cannot_be_written(self, here: Path) -> None:
        # Nobody may create files there, not even root.
        configure(here, directories="{state: /proc/self/fdinfo}")
        line = refused(here)
        assert line.startswith("pbx: cannot create the control socket /proc/self/fdinfo/pbx.sock: ")
        assert "must exist and be writable" in line

    def test_a_store_that_cannot_be_written(self, here: Path) -> None:
        configure(here, store="sqlite:/proc/self/fdinfo/pbx.db")
        assert refused(here).startswith("pbx: the database /proc/self/fdinfo/pbx.db cannot be used: ")

    def test_a_ready_file_that_cannot_be_written(self, here: Path) -> None:
        line = refused(here, "--ready-file", "nowhere/ready.json")
        assert line == (
            "pbx: nowhere/ready.json cannot be written (no such file or directory): name another --ready-file"
        )

    def test_a_second_one_beside_the_first(self, here: Path) -> None:
        with started(here) as first:
            first.wait_until_ready()
            line = refused(here)
            assert "another pbx runs here" in line
            assert first.verb("status")["state"] == "running"


def test_a_life_with_every_signal(here: Path) -> None:
    plan = here / "dialplan.yaml"
    with started(here) as pbx:
        pbx.wait_until_ready()
        assert pbx.ready["pid"] == pbx.process.pid
        assert "pbx is ready: SIP domain pbx.example" in pbx.stdout()
        assert f"listens on   udp:{pbx.ready['sip']['udp']}" in pbx.stdout()
        with pbx.caller() as talking, pbx.caller() as other:
            talking.invite("600")
            assert talking.final().status == 200
            other.invite("601")
            assert other.final().status == 486

            # SIGHUP: a good dialplan is taken; the call that goes on does not notice.
            plan.write_text(DIALPLAN.replace("486", "603"))
            pbx.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "is generation 2 now" in pbx.stdout())
            other.invite("601")
            assert other.final().status == 603

            # A bad one is refused with its place; the one before goes on.
            plan.write_text(DIALPLAN.replace("486", "99"))
            pbx.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "the dialplan was not changed" in pbx.stderr())
            assert "dialplan.yaml:7:" in pbx.stderr()
            other.invite("601")
            assert other.final().status == 603
            status = pbx.verb("status")
            assert (status["generation"], status["calls"], status["state"]) == (2, 1, "running")
            (call,) = pbx.verb("calls")["calls"]
            assert (call["state"], call["called"]) == ("answered", "600")

            # SIGTERM: new calls are refused, the one that goes on is ended when the drain is over.
            pbx.process.send_signal(signal.SIGTERM)
            wait_for(lambda: "draining 1 call," in pbx.stdout())
            other.invite("600")
            refusal = other.final()
            assert (refusal.status, refusal.get("retry-after")) == (503, "5")
            bye = talking.hear()
            assert isinstance(bye, Request)
            assert bye.method == "BYE"
            talking.answer(bye)
        assert pbx.ends() == 0
        assert "Traceback" not in pbx.stderr()
        assert not (here / "state" / "pbx.sock").exists()


def test_a_second_signal_ends_the_drain(here: Path) -> None:
    configure(here, drain="10m")
    with started(here) as pbx:
        pbx.wait_until_ready()
        with pbx.caller() as talking:
            talking.invite("600")
            assert talking.final().status == 200
            pbx.process.send_signal(signal.SIGINT)
            wait_for(lambda: "draining 1 call," in pbx.stdout())
            pbx.process.send_signal(signal.SIGINT)
            bye = talking.hear()
            assert isinstance(bye, Request)
            assert bye.method == "BYE"
            assert pbx.ends() == 0
        assert "Traceback" not in pbx.stderr()
        assert not (here / "state" / "pbx.sock").exists()


def test_a_signal_during_the_start_is_heeded_when_it_is_over(here: Path) -> None:
    with started(here) as pbx:
        wait_for((here / "state" / "pbx.sock").exists, START_S)
        pbx.process.send_signal(signal.SIGTERM)
        assert pbx.process.wait(START_S) == 0
        assert "Traceback" not in pbx.stderr()
        assert not (here / "state" / "pbx.sock").exists()


def test_a_first_start_writes_a_configuration_that_works(tmp_path: Path) -> None:
    # The ports that it writes may be taken on this machine; what counts is that the file is one.
    with subprocess.Popen(
        command("run"), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
    ) as process:
        try:
            wait_for((tmp_path / "pbx.yaml").exists, START_S)
        finally:
            process.send_signal(signal.SIGKILL)
    result = subprocess.run(
        command("check"), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "pbx.yaml").stat().st_mode & 0o777 == 0o600
