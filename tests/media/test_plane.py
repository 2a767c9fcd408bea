import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pbx.errors import MisuseError, OperatorError, PeerError, ResourcesExhausted
from pbx.media import cache, layout
from pbx.media.commands import command
from pbx.media.plane import MediaPlane
from pbx.media.ports import PortPool, pairs_in
from pbx.media.values import LegStatistics, MediaStopped
from tests.media.support import (
    Phones,
    bridged,
    configure,
    free_pairs,
    free_range,
    leg_for,
    looked_at,
    media_thread,
    new_plane,
    next_event,
    obeyed,
    pause,
    wait_until,
)

pytestmark = pytest.mark.network


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_nothing_is_known_of_the_loudness_of_a_leg_that_is_not_open(plane: MediaPlane) -> None:
    leg, _ = plane.open()
    assert plane.envelope(leg).end == 0
    plane.close(leg)
    assert len(plane.envelope(leg).powers) == 0


def test_ports_are_even_and_in_the_range(plane: MediaPlane) -> None:
    opened = [plane.open()[1] for _ in range(10)]
    assert len(set(opened)) == 10
    assert all(port % 2 == 0 for port in opened)
    assert plane.ports_in_use == 10
    assert plane.ports_total == 32


def test_exhaustion_says_when_to_try_again_and_ends_with_a_release() -> None:
    plane = new_plane(ports=free_range(4), pool=2)
    try:
        legs = [plane.open()[0] for _ in range(4)]
        with pytest.raises(ResourcesExhausted) as refused:
            plane.open()
        assert refused.value.retry_after >= 1
        plane.close(legs[1])
        assert plane.ports_in_use == 3
        obeyed(plane)

        def reopened() -> bool:
            try:
                plane.open()
            except ResourcesExhausted:
                return False
            return True

        wait_until(reopened)
        assert plane.ports_in_use == 4
    finally:
        plane.stop()


def test_pairs_that_other_programs_hold_are_skipped() -> None:
    ports = free_range(4)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as even,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as odd,
    ):
        even.bind(("0.0.0.0", ports.start))
        odd.bind(("0.0.0.0", ports.start + 3))
        plane = new_plane(ports=ports)
        try:
            opened = {plane.open()[1] for _ in range(2)}
            assert opened == {ports.start + 4, ports.start + 6}
            with pytest.raises(ResourcesExhausted):
                plane.open()
            even.close()
            assert plane.open()[1] == ports.start
        finally:
            plane.stop()


def test_an_odd_range_is_counted_in_whole_pairs() -> None:
    assert pairs_in(range(20001, 20006)) == 2
    assert pairs_in(range(20000, 20001)) == 0
    pool = PortPool(range(1, 1), 4)
    assert pool.take(4) is None


def test_a_closed_leg_is_nobody(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = bridged(plane, alice, bob)
    alice.send()
    bob.hear()
    last = plane.close(a)
    assert last.received.packets == 1
    assert plane.close(a) == LegStatistics()
    assert plane.statistics(a) == LegStatistics()
    configure(plane, a, bob.address)
    plane.bridge(a, b)
    plane.echo(a)
    plane.unbridge(a)
    obeyed(plane)
    bob.send()
    wait_until(lambda: plane.statistics(b).dropped.unbridged == 1)
    assert alice.hears_nothing()


def test_stale_commands_do_not_reach_the_next_leg_on_the_row(phones: Phones) -> None:
    plane = new_plane(ports=free_range(1))
    try:
        alice = phones.new()
        old = leg_for(plane, alice)
        plane.close(old)
        wait_until(lambda: free_pairs(plane) == 1)
        new = leg_for(plane, alice)
        assert new.row == old.row
        assert new != old
        plane.echo(old)
        configure(plane, old, alice.address, receive=False)
        obeyed(plane)
        alice.send()
        wait_until(lambda: plane.statistics(new).dropped.unbridged == 1)
        assert alice.hears_nothing()
    finally:
        plane.stop()


def test_a_pair_rests_even_when_nothing_comes(phones: Phones) -> None:
    plane = new_plane(ports=free_range(1), quarantine=60.0)
    try:
        plane.close(leg_for(plane, phones.new()))
        obeyed(plane)
        looked_at(plane)
        assert free_pairs(plane) == 0
    finally:
        plane.stop()


def test_late_packets_of_an_old_call_do_not_reach_a_new_one(phones: Phones) -> None:
    plane = new_plane(ports=free_range(1), quarantine=0.3)
    try:
        alice, bob = phones.new(), phones.new()
        old = leg_for(plane, alice)
        alice.send()
        wait_until(lambda: plane.statistics(old).received.packets == 1)
        plane.close(old)
        obeyed(plane)
        # For longer than the quarantine: it begins anew with each packet.
        for _ in range(20):
            alice.send()
            pause(0.02)
        wait_until(lambda: plane.loop_statistics.discarded == 20)
        with pytest.raises(ResourcesExhausted):
            plane.open()
        wait_until(lambda: free_pairs(plane) == 1)
        alice.send()
        new = leg_for(plane, bob)
        bob.send()
        wait_until(lambda: plane.statistics(new).received.packets == 1)
        assert plane.statistics(new).source == bob.address
        assert plane.statistics(new).dropped.wrong_source == 0
    finally:
        plane.stop()


def test_nothing_is_left_after_many_legs_and_a_stop(phones: Phones) -> None:
    before = descriptors()
    plane = new_plane(ports=free_range(32), pool=32)
    held = descriptors()
    for _ in range(10):
        legs = [leg_for(plane, phone) for phone in (phones.new(), phones.new())]
        plane.bridge(*legs)
        for leg in legs:
            plane.close(leg)
        phones.close()
    wait_until(lambda: free_pairs(plane) == 32)
    assert plane.ports_in_use == 0
    assert descriptors() == held
    assert plane.canaries_stand()
    plane.stop()
    plane.stop()
    assert descriptors() == before


def test_many_commands_at_once_are_all_obeyed(plane: MediaPlane, phones: Phones) -> None:
    alice = phones.new()
    leg = leg_for(plane, alice)
    for number in range(5000):
        configure(plane, leg, alice.address, payload_map={0: number % 128})
    plane.echo(leg)
    wait_until(lambda: (plane.events() is not None) and plane._threads[0].is_up_to_date)
    alice.send()
    assert alice.hear().payload_type == 4999 % 128


def test_a_pipe_that_is_full_delays_commands_and_loses_none() -> None:
    """Commands that nobody reads yet wait, and the loop is asked to say when there is room again."""
    waiting = os.eventfd(0)
    thread = media_thread(waiting)
    try:
        for number in range(3000):
            thread.post(command(layout.CONFIGURE, number, 0))
        control = thread.tables.control
        assert control[layout.BACKLOG] == 1
        rows: list[int] = []
        while len(rows) < 3000:
            data = os.read(int(control[layout.COMMAND_PIPE]), layout.COMMANDS * layout.COMMAND_BYTES)
            rows.extend(np.frombuffer(data, layout.COMMAND)["row"].tolist())
            thread.flush()
        assert rows == list(range(3000))
        assert control[layout.BACKLOG] == 0
    finally:
        thread.stop(1.0)
        os.close(waiting)


def test_commands_that_are_held_go_together() -> None:
    """What one message leads to is one write, and one wake-up of the loop."""
    waiting = os.eventfd(0)
    thread = media_thread(waiting)
    reader = int(thread.tables.control[layout.COMMAND_PIPE])
    try:
        thread.held = True
        for number in range(3):
            thread.post(command(layout.CONFIGURE, number, 0))
        with pytest.raises(BlockingIOError):
            os.read(reader, layout.COMMAND_BYTES)
        thread.held = False
        thread.flush()
        data = os.read(reader, layout.COMMANDS * layout.COMMAND_BYTES)
        assert np.frombuffer(data, layout.COMMAND)["row"].tolist() == [0, 1, 2]
    finally:
        thread.stop(1.0)
        os.close(waiting)


def test_events_that_nobody_takes_do_not_stop_anything(plane: MediaPlane, phones: Phones) -> None:
    alice = phones.new()
    leg = leg_for(plane, alice)
    plane.echo(leg)
    obeyed(plane)
    control = plane._threads[0].tables.control
    control[0] += 4096
    alice.send()
    alice.hear()
    assert plane.loop_statistics.events_lost == 1
    control[0] -= 4096


def test_an_end_of_the_loop_is_said(plane: MediaPlane) -> None:
    os.close(plane._threads[0]._writer)
    event = next_event(plane, MediaStopped)
    assert event.reason
    reader, plane._threads[0]._writer = os.pipe()
    os.close(reader)


@pytest.mark.parametrize(
    "remote",
    [
        ("224.0.0.1", 4000),
        ("255.255.255.255", 4000),
        ("host.example", 4000),
        ("::1", 4000),
        ("1.2.3.4", 70000),
    ],
)
def test_addresses_that_no_leg_can_use_are_the_peers_fault(
    plane: MediaPlane, remote: tuple[str, int]
) -> None:
    leg, _ = plane.open()
    with pytest.raises(PeerError) as refused:
        configure(plane, leg, remote)
    assert refused.value.status == 488


def test_misuse_is_ours(plane: MediaPlane, phones: Phones) -> None:
    leg = leg_for(plane, phones.new())
    with pytest.raises(MisuseError):
        plane.bridge(leg, leg)
    with pytest.raises(MisuseError):
        configure(plane, leg, ("127.0.0.1", 4000), payload_map={128: 0})
    with pytest.raises(MisuseError):
        plane.start()
    with pytest.raises(MisuseError):
        MediaPlane(ports=range(20000, 20001))


def test_without_ipv6_only_ipv6_legs_are_refused(plane: MediaPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(family: int, port: int) -> socket.socket:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr("pbx.media.ports._bind", bind)
    with pytest.raises(OperatorError, match="IPv6 is not available"):
        plane.open(6)
    plane.open(4)


def test_when_descriptors_run_out_legs_are_refused_until_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plane = new_plane(pool=1)
    try:
        with monkeypatch.context() as patched:
            patched.setattr("pbx.media.ports._bind", _no_descriptors)
            plane.open()
            with pytest.raises(ResourcesExhausted):
                plane.open()
        plane.open()
    finally:
        plane.stop()


def _no_descriptors(family: int, port: int) -> socket.socket:
    raise OSError(24, "Too many open files")


def test_a_cache_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OperatorError, match="cannot keep compiled media code"):
        cache.prepare(blocked / "cache")
    assert cache.prepare() == cache.default_directory() / cache.digest()


def test_old_caches_are_forgotten(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number:020}").mkdir()
    (tmp_path / "notes").mkdir()
    chosen = cache.prepare(tmp_path)
    assert chosen.is_dir()
    assert not cache.is_filled(chosen)
    assert len(list(tmp_path.iterdir())) == 6
    assert cache.is_filled(cache.prepare())


def test_importing_the_package_and_its_values_is_cheap() -> None:
    program = (
        "import sys, pbx.media, pbx.media.values; sys.exit('numpy' in sys.modules or 'numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_lateness_is_counted_while_legs_are_open(plane: MediaPlane) -> None:
    assert sum(plane.loop_statistics.lateness) == 0
    plane.open()
    wait_until(lambda: sum(plane.loop_statistics.lateness) > 3)
    assert len(plane.loop_statistics.lateness) == len(plane.loop_statistics.bounds_ms) + 1


def test_the_cpu_between_ticks_is_counted_with_them(plane: MediaPlane) -> None:
    plane.open()
    wait_until(lambda: sum(plane.loop_statistics.work) > 3)
    found = plane.loop_statistics
    assert len(found.work) == len(found.work_bounds_ms) + 1
    # A leg that nobody talks to costs next to nothing, and never what the thread had used before.
    assert 0 < found.work_total_s < 0.02 * sum(found.work)
