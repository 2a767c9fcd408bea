"""A call is made, sent keys, played a sound and ended by the verbs, in a service that runs."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pbx.sip.message import Request
from tests.cli.test_run import Running, configure, started, wait_for
from tests.service.wire import Caller

pytestmark = pytest.mark.network

KEYS = 101


class Phone(Caller):
    """Takes what rings; its RTP is a socket of its own."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0))
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.settimeout(10)

    def close(self) -> None:
        super().close()
        self.rtp.close()

    @property
    def uri(self) -> str:
        return f"sip:phone@127.0.0.1:{self.line.getsockname()[1]}"

    def request(self, method: str) -> Request:
        """The next request of this method."""
        while True:
            heard = self.hear()
            if isinstance(heard, Request) and heard.method == method:
                return heard

    def take(self) -> None:
        """Answer the INVITE that comes, and hear its ACK."""
        invite = self.request("INVITE")
        body = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp.getsockname()[1]} RTP/AVP 0 {KEYS}\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=rtpmap:{KEYS} telephone-event/8000\r\n"
        )
        self.say(invite, 200, body)
        assert self.request("ACK").call_id == invite.call_id

    def say(self, invite: Request, status: int, body: str = "") -> None:
        """Respond to an INVITE."""
        vias = "".join(f"Via: {via}\r\n" for via in invite.all("via"))
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.line.sendto(
            (
                f"SIP/2.0 {status} So\r\n{vias}From: {invite.get('from')}\r\nTo: {invite.get('to')};tag=t\r\n"
                f"Call-ID: {invite.call_id}\r\nCSeq: {invite.get('cseq')}\r\nContact: <{self.uri}>\r\n"
                f"{content}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            self.pbx,
        )

    def next_payload_type(self) -> int:
        """Of the next RTP packet."""
        while True:
            packet = self.rtp.recv(2048)
            if packet[1] < 192 or packet[1] > 223:  # not RTCP
                return packet[1] & 0x7F


@pytest.fixture
def phones(tmp_path: Path) -> Iterator[tuple[Phone, Phone]]:
    with ExitStack() as stack:
        first, second = Phone(), Phone()
        stack.callback(first.close)
        stack.callback(second.close)
        configure(tmp_path)
        (tmp_path / "dialplan.yaml").write_text(
            "timezone: UTC\nentry: [{from: anyone, chain: public}]\n"
            f'chains: {{public: [{{routing: [{{to: "602", dial: "{second.uri}"}}]}}]}}\n'
        )
        yield first, second


def connected(running: Running, first: Phone, second: Phone) -> str:
    """A call that was made for the first, who talks with the second."""
    host, _, port = running.ready["sip"]["udp"].rpartition(":")
    first.pbx = second.pbx = (host, int(port))
    made = running.verb("originate", first.uri, "602")
    assert (made["rings"], made["called"]) == (first.uri, "602")
    first.take()
    second.take()
    (call,) = running.verb("calls")["calls"]
    assert (call["id"], call["state"]) == (made["id"], "answered")
    assert [leg["direction"] for leg in call["legs"]] == ["out", "out"]
    return str(made["id"])


def test_a_call_from_its_making_to_its_end(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    first, second = phones
    with started(tmp_path) as running:
        running.wait_until_ready()
        call_id = connected(running, first, second)
        # Nobody says anything: what comes is what the operator sends.
        assert running.verb("dtmf", call_id, "5")["peer"] == "uri"
        assert second.next_payload_type() == KEYS
        assert running.verb("play", call_id, "tone.busy")["seconds"] > 0
        assert first.next_payload_type() == 0
        assert running.verb("hangup", call_id)["state"] == "ending"
        for phone in phones:
            phone.answer(phone.request("BYE"))
        wait_for(lambda: not running.verb("calls")["calls"])
        why = running.verb("why", call_id)
        kinds = [note["kind"] for note in why["call"]["notes"]]
        assert kinds == ["originated", "digits-sent", "sound-played", "hung-up"]
        assert why["routing"]["decided"][0]["verdict"]["path"][0]["chain"] == "public"
        running.process.terminate()
        assert running.ends() == 0
        assert "Traceback" not in running.stderr()


def test_nobody_to_be_rung(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    first, _ = phones
    with started(tmp_path) as running:
        running.wait_until_ready()
        host, _, port = running.ready["sip"]["udp"].rpartition(":")
        first.pbx = (host, int(port))
        running.verb("originate", first.uri, "602", "--ring", "1", "--show", "4711")
        invite = first.request("INVITE")
        assert invite.from_.uri.username == "4711"
        first.say(invite, 180)
        assert first.request("CANCEL").call_id == invite.call_id
        first.say(invite, 487)
        wait_for(lambda: not running.verb("calls")["calls"])
