"""The conductor: decisions at once and decisions that take time, and faults of our own."""

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pbx.errors import PeerError
from pbx.media.values import SourceEnded, SourceId
from pbx.registrar.binding import BindingAdded, BindingEvent
from pbx.service.conductor import GATHERING_S, Conductor
from pbx.sip.flow import Flow
from pbx.sip.framing import FramingError
from pbx.sip.malformed import MalformedMessage
from pbx.sip.outputs import Transmit
from tests.service.house import DIALPLAN, House
from tests.service.phone import Phone

BY_NAME = '        - {to: "701", dial: "sip:a@name.example"}\n        - {to: "702", play: "1"}\n'
NAMED = DIALPLAN.replace("  public:", BY_NAME + "  public:")
THERE = ("203.0.113.9", 5060)


class Conducted(House):
    """A house whose messages pass through a conductor, and whose names are resolved when a test says so."""

    def __init__(self) -> None:
        super().__init__(dialplan=NAMED)
        self.waiting: list[Deferred[dict[str, str]]] = []
        self.router._resolve = self._held
        self.late: list[Transmit] = []
        self.changes: list[BindingEvent] = []
        self.held: list[bool] = []
        self.conductor = Conductor(
            self.switch,
            self.router,
            self.metrics,
            lambda: self.now,
            self._send,
            self._changed,
            self.held.append,
        )

    def _held(self, names: set[str]) -> "Deferred[dict[str, str]]":
        answer: Deferred[dict[str, str]] = Deferred()
        self.waiting.append(answer)
        return answer

    def _send(self, outputs: Sequence[Transmit]) -> None:
        self.late += outputs
        self.carry_out(list(outputs))

    def _changed(self, events: Sequence[BindingEvent], now: float) -> None:
        assert now == self.now
        self.changes += events

    def receive(self, data: bytes, flow: Flow) -> None:
        self.carry_out(list(self.conductor.receive(data, flow, self.now)))


@pytest.fixture
def house() -> Conducted:
    return Conducted()


@pytest.fixture
def alice(house: Conducted) -> Phone:
    phone = Phone(house, "1001", "192.0.2.11")
    phone.register()
    return phone


def test_bindings_that_change_are_told(house: Conducted, alice: Phone) -> None:
    (event,) = house.changes
    assert isinstance(event, BindingAdded)
    assert event.binding.user == "1001"


def test_what_is_decided_at_once_happens_at_once(house: Conducted, alice: Phone) -> None:
    alice.invite("601").acknowledge_refusal()
    assert alice.responses()[-1] == 486
    assert house.late == []
    house.assert_nothing_left()


def test_what_takes_time_happens_when_it_is_there(house: Conducted, alice: Phone) -> None:
    call = alice.invite("701")
    assert alice.responses() == [401, 100]
    house.waiting[0].callback({"name.example": THERE[0]})
    (sent,) = house.late
    assert sent.flow.remote == THERE
    assert sent.data.startswith(b"INVITE sip:a@name.example SIP/2.0\r\n")
    call.cancel()
    call.acknowledge_refusal()
    assert alice.responses()[-1] == 487
    house.advance(64)
    house.assert_nothing_left()


def test_a_name_without_an_address_is_480(house: Conducted, alice: Phone) -> None:
    call = alice.invite("701")
    house.waiting[0].callback({})
    assert alice.responses()[-1] == 480
    call.acknowledge_refusal()
    house.assert_nothing_left()


def test_a_caller_that_gave_up_meanwhile(house: Conducted, alice: Phone) -> None:
    call = alice.invite("701")
    call.cancel()
    assert alice.responses()[-1] == 487
    call.acknowledge_refusal()
    house.waiting[0].callback({"name.example": THERE[0]})
    assert house.late == []
    house.assert_nothing_left()
    assert house.conductor.faults == 0


def test_a_decision_that_breaks_refuses_the_call(
    house: Conducted, alice: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    call = alice.invite("701")
    house.waiting[0].errback(ValueError("ours"))
    assert alice.responses()[-1] == 500
    assert house.conductor.faults == 1
    assert "ValueError: ours" in caplog.text
    call.acknowledge_refusal()
    house.assert_nothing_left()


def test_a_decision_that_breaks_at_once_refuses_the_call(
    house: Conducted, alice: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(names: set[str]) -> Any:
        raise ValueError("ours")

    house.router._resolve = broken
    call = alice.invite("701")
    assert alice.responses()[-1] == 500
    assert house.conductor.faults == 1
    call.acknowledge_refusal()
    house.assert_nothing_left()


def test_a_fault_of_our_own_costs_one_message(
    house: Conducted, alice: Phone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(house.switch, "receive", lambda *_: 1 / 0)
        before = len(house.sent)
        alice.invite("601", authenticate=False)
        assert len(house.sent) == before
    assert house.conductor.faults == 1
    assert "ZeroDivisionError" in caplog.text
    alice.invite("601").acknowledge_refusal()
    assert alice.responses()[-1] == 486


def test_a_plan_that_breaks_ends_the_call(
    house: Conducted, alice: Phone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(house.switch, "route", lambda *_: 1 / 0)
    call = alice.invite("600")
    assert alice.responses()[-1] == 480
    assert house.conductor.faults == 1
    call.acknowledge_refusal()
    house.assert_nothing_left()


@pytest.mark.parametrize("entry", ["transport_failed", "flow_closed", "handle_timer"])
def test_faults_elsewhere_do_not_reach_the_reactor(
    house: Conducted, entry: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(house.switch, entry, lambda *_: 1 / 0)
    flow = (Flow("udp", ("192.0.2.1", 5060), THERE),) if entry != "handle_timer" else ()
    assert getattr(house.conductor, entry)(*flow, house.now) == []
    assert house.conductor.faults == 1


def test_a_stream_that_cannot_be_read_is_answered_if_it_can_be(house: Conducted) -> None:
    flow = Flow("tcp", ("192.0.2.1", 5060), THERE, 1)
    error = FramingError(MalformedMessage(400, "Missing Content-Length", None))
    assert house.conductor.receive_unframed(error, flow, house.now) == []
    assert isinstance(error.fault, PeerError)
    assert house.conductor.faults == 0


def test_hang_up(house: Conducted, alice: Phone) -> None:
    call = alice.invite("600")
    call.ack()
    (name,) = house.switch.calls
    house.conductor.hang_up(name)
    assert alice.methods() == ["BYE"]
    alice.answer_last(200, "BYE")
    house.conductor.hang_up(name)
    house.conductor.hang_up("nobody")
    assert house.conductor.faults == 0
    house.assert_nothing_left()


def test_timers_pass_through(house: Conducted, alice: Phone) -> None:
    alice.invite("601").acknowledge_refusal()
    due = house.conductor.next_deadline()
    assert due is not None
    assert due == house.switch.next_deadline()
    house.now = due
    house.conductor.handle_timer(due)
    later = house.conductor.next_deadline()
    assert later is None or later > due


def test_lateness_is_measured(house: Conducted) -> None:
    house.conductor.woke(0.25)
    text = house.metrics.render()[0].decode()
    line = next(line for line in text.splitlines() if "late" in line and "_sum" in line)
    assert float(line.split()[-1]) == 0.25


def test_what_is_ordered_of_the_media_plane_is_let_go_when_all_is_served(
    house: Conducted, alice: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders gather while messages come and go when all are served, after a fault of our own too."""
    house.conductor.served()
    house.held.clear()
    alice.invite("600")
    alice.invite("600")
    assert house.held == [True]
    house.conductor.served()
    house.conductor.served()
    assert house.held == [True, False]

    def broken(*_: object) -> None:
        assert house.held[-1] is True
        raise RuntimeError("a fault")

    monkeypatch.setattr(house.switch, "receive", broken)
    alice.invite("600")
    assert house.conductor.faults == 1
    house.conductor.served()
    assert house.held == [True, False, True, False]


def test_the_media_plane_does_not_wait_for_ever_while_messages_come(house: Conducted, alice: Phone) -> None:
    house.conductor.served()
    house.held.clear()
    for _ in range(3):
        alice.invite("600")
        house.now += 0.6 * GATHERING_S
    assert house.held == [True, False, True]


def test_what_the_media_plane_says_reaches_the_call(house: Conducted, alice: Phone) -> None:
    call = alice.invite("702")
    call.ack()
    (source,) = house.media.sources
    house.conductor.media_happened(SourceEnded(SourceId(999, 1)))
    assert house.media.sources
    house.conductor.media_happened(SourceEnded(source))
    assert not house.media.sources
    assert alice.methods() == ["BYE"], "the chain has run out"
    assert house.conductor.faults == 0
    alice.answer_last(200, "BYE")
    house.assert_nothing_left()
