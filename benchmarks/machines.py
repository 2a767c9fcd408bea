"""What the machines alone cost: a whole PBX in memory, given the messages of many calls again.

No sockets, no threads, a media plane that opens nothing: what is left is the Python between a datagram and
those that follow from it. `python -m benchmarks.machines` prints CPU milliseconds a call, the least of many
runs; `--gap-ms 5` lets so much time go by before each message, as between the messages of a live service, and
shows what cold caches add. With `--profile`: calls and time by function.
"""

import argparse
import cProfile
import gc
import pstats
import re
import time
from collections.abc import Sequence

from benchmarks import machine
from pbx.cli.interop.clock import pause
from pbx.media.values import LegId, LegStatistics
from pbx.service.conductor import Conductor
from pbx.sip.flow import Flow
from pbx.sip.outputs import Transmit
from tests.call.media import FakeMedia
from tests.service.house import OURS, House

_PEER = "198.51.100.7"
_CALLER = Flow("udp", OURS, (_PEER, 6060))
_CALLEE = Flow("udp", OURS, (_PEER, 6070))
_RULES = "\n".join(f"        - {{to: 1{digit}XX, reject: 404}}" for digit in range(9))
_DIALPLAN = f"""
timezone: UTC
entry: [{{from: trunk/carrier, chain: outside}}]
chains:
  outside:
    - routing:
{_RULES}
        - {{to: 6XXX, dial: "sip:callee@{_PEER}:6070", ring: 30s}}
"""
_SDP = f"""v=0
o=bench 1 1 IN IP4 {_PEER}
s=-
c=IN IP4 {_PEER}
t=0 0
m=audio 9 RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
"""
_RATE = 300.0
_LINGERS_S = 34.0
# Less than what a retransmission waits for.
_BETWEEN_S = 0.0005

Step = tuple[bytes, Flow, float]
_line = re.compile(rb"^(Via|Record-Route|From|To|Call-ID|CSeq|Contact): (.*)\r$", re.MULTILINE).findall


class _Bare(FakeMedia):
    """Gives out ports and remembers nothing, so that the fake's own costs are not charged to the machines."""

    _totals = LegStatistics()

    def configure(self, leg: LegId, **_: object) -> None:
        """Nothing."""

    def close(self, leg: LegId) -> LegStatistics:
        """The row is free; the totals are those of a leg that heard nothing."""
        self.rows.pop(leg, None)
        return self._totals


class _Peers:
    """Both ends of every call; `steps` are the messages that they said, in order, and when."""

    def __init__(self, house: House, core: Conductor) -> None:
        self._house = house
        self._core = core
        self.steps: list[Step] = []

    def call(self, number: int) -> None:
        """One call from INVITE to BYE."""
        house = self._house
        ours, call_id = f"sip:6000@{OURS[0]}:{OURS[1]}", f"{number}-4242@{_PEER}"
        from_ = f'"Bench" <sip:bench@{_PEER}:6060>;tag=4242c{number}'
        shared = [("From", from_), ("Call-ID", call_id), ("Contact", f"<sip:bench@{_PEER}:6060>")]
        house.now = max(house.now, 1000.0 + number / _RATE)
        sent = self._request("INVITE", ours, number, 1, [*shared, ("To", f"<{ours}>")], _SDP)
        invite = next(each for each in sent if each.data.startswith(b"INVITE "))
        self._respond(invite, 180, number, "")
        sent = self._respond(invite, 200, number, _SDP)
        answer = next(each for each in sent if each.data.startswith(b"SIP/2.0 200"))
        fields = {name.decode(): value.decode() for name, value in _line(answer.data)}
        target = fields["Contact"].strip("<>")
        to = ("To", fields["To"])
        self._request("ACK", target, number, 1, [*shared, to], "")
        sent = self._request("BYE", target, number, 2, [*shared, to], "")
        self._respond(next(each for each in sent if each.data.startswith(b"BYE ")), 200, number, "")

    def _request(
        self, method: str, uri: str, number: int, cseq: int, headers: Sequence[tuple[str, str]], body: str
    ) -> list[Transmit]:
        lines = [f"{method} {uri} SIP/2.0"]
        lines.append(f"Via: SIP/2.0/UDP {_PEER}:6060;branch=z9hG4bK-4242-{number}-{method};rport")
        lines.append("Max-Forwards: 70")
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append(f"CSeq: {cseq} {method}")
        if method == "INVITE":
            lines += ["Allow: INVITE, ACK, CANCEL, BYE, OPTIONS", "User-Agent: bench-caller"]
        return self._say(lines, body, _CALLER)

    def _respond(self, request: Transmit, status: int, number: int, body: str) -> list[Transmit]:
        lines = [f"SIP/2.0 {status} {'Ringing' if status == 180 else 'OK'}"]
        for name, value in _line(request.data):
            text = value.decode()
            if name == b"To" and ";tag=" not in text:
                text += f";tag=4242d{number}"
            if name != b"Contact":
                lines.append(f"{name.decode()}: {text}")
        lines.append(f"Contact: <sip:callee@{_PEER}:6070>")
        return self._say(lines, body, _CALLEE)

    def _say(self, lines: list[str], body: str, flow: Flow) -> list[Transmit]:
        octets = body.replace("\n", "\r\n").encode()
        if octets:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(octets)}\r\n\r\n")
        step = ("\r\n".join(lines).encode() + octets, flow, self._house.now)
        self._house.now += _BETWEEN_S
        self.steps.append(step)
        return give(self._house, self._core, step)


def give(house: House, core: Conductor, step: Step) -> list[Transmit]:
    """Give one message to the core as the endpoint does, after what was due before it."""
    data, flow, now = step
    house.now = now
    due = core.next_deadline()
    if due is not None and due <= now:
        core.handle_timer(now)
    return list(core.receive(data, flow, now))


def made() -> tuple[House, Conductor]:
    """A PBX in memory; every one makes the same identifiers in the same order."""
    house = House(dialplan=_DIALPLAN, max_calls=10_000, ports=10_000, max_transactions=1_000_000)
    house.switch.shared.media = house.switch._media = _Bare(10_000)
    core = Conductor(
        house.switch, house.router, house.metrics, lambda: house.now, lambda _: None, lambda _, __: None
    )
    return house, core


def recorded(calls: int) -> list[Step]:
    """The messages of so many calls, as the ends of a PBX made by `made` say them."""
    house, core = made()
    peers = _Peers(house, core)
    for number in range(calls):
        peers.call(number)
    if core.faults or len(peers.steps) != 6 * calls:
        raise AssertionError("the PBX in memory did not carry its calls")
    return peers.steps


def cost_ms(steps: Sequence[Step], warm: int, gap_s: float = 0.0) -> float:
    """CPU milliseconds of a call, after the first `warm` calls; `gap_s` goes by before each message."""
    house, core = made()
    gc.collect()
    gc.freeze()
    for step in steps[: 6 * warm]:
        give(house, core, step)
    used = 0
    for step in steps[6 * warm :]:
        if gap_s:
            pause(gap_s)
        start = time.thread_time_ns()
        give(house, core, step)
        used += time.thread_time_ns() - start
    gc.unfreeze()
    return used / 1e6 / (len(steps) / 6 - warm)


def main() -> None:
    """Print the cost, or the profile."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=120)
    options.add_argument("--repeat", type=int, default=20)
    options.add_argument("--gap-ms", type=float, default=0.0)
    options.add_argument("--profile", choices=["tottime", "cumtime"])
    options.add_argument("--lines", type=int, default=60)
    chosen = options.parse_args()
    gc.set_threshold(10_000, 250, 100)
    steps = recorded(chosen.calls)
    if chosen.profile:
        house, core = made()
        with cProfile.Profile() as profile:
            for step in steps:
                give(house, core, step)
        table = pstats.Stats(profile)
        print(f"{table.total_calls / chosen.calls:.0f} function calls a call")  # type: ignore[attr-defined]
        table.sort_stats(chosen.profile).print_stats(chosen.lines)
        return
    gap_s = chosen.gap_ms / 1000
    found = [
        (cost_ms(steps, chosen.calls // 5, gap_s), machine.reference_ms(None)) for _ in range(chosen.repeat)
    ]
    cost = min(each for each, _ in found)
    loops = cost / min(loop for _, loop in found)
    print(f"{cost:.3f} ms a call, {loops:.3f} reference loops")


if __name__ == "__main__":
    main()
