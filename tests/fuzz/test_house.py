"""The whole PBX in memory under mutated messages, in the middle of calls.

`Switch.receive` is called directly, so whatever is raised past it is seen; every message that is sent is
read by two parsers; and when time has passed nothing is left over.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pbx.errors import PeerError
from pbx.sip.flow import Flow
from pbx.sip.message import Request, parse, validate_request, validate_response
from tests.fuzz.mutations import Mutation, mutations, renewed
from tests.fuzz.oracle import check
from tests.service import house as houses
from tests.service.house import DIALPLAN, House
from tests.service.phone import Dialogue, Phone
from tests.torture.media import StrictMedia
from tests.torture.wire import Stream

# Strangers may do what users may, so that a mutated INVITE is not stopped by its credentials.
OPEN: Final = DIALPLAN.replace("public}", "internal}")
CALLED: Final = ("1002", "1003", "600", "601", "602", "603", "604", "700", "0123", "")
ANSWERS: Final = (100, 180, 183, 200, 302, 404, 486, 491, 503, 603)
# What the phones of the tests raise themselves when they expected something else to have been heard.
NOT_HEARD: Final = (AssertionError, IndexError, StopIteration, AttributeError, PeerError)


class Telephony(RuleBasedStateMachine):
    """Three phones that behave, and somebody who repeats what was said with changes."""

    def __init__(self) -> None:
        super().__init__()
        with patch.object(houses, "FakeMedia", StrictMedia):
            self.house = House(dialplan=OPEN, tcp=True)
        self.said: list[tuple[bytes, Flow]] = []
        self.fault: BaseException | None = None
        self.checked = 0
        self.serial = 0
        self.calls: list[Dialogue] = []
        self.stranger = Flow("udp", houses.OURS, ("203.0.113.66", 45066))
        receive = self.house.receive

        def watched(data: bytes, flow: Flow) -> None:
            self.said.append((data, flow))
            try:
                receive(data, flow)
            except BaseException as error:
                self.fault = error
                raise

        self.house.receive = watched  # type: ignore[method-assign]

    def guarded(self, act: Callable[[], object]) -> None:
        """Let a phone do something; what it expected and did not hear is no fault, what the PBX raised is."""
        with suppress(*NOT_HEARD):
            act()
        if self.fault is not None:
            raise self.fault

    @initialize(stage=st.sampled_from(["nothing", "ringing", "answered", "up", "up"]))
    def begin(self, stage: str) -> None:
        """Everybody registers, and a call may have got somewhere already."""
        self.alice, self.bob, self.carol = (
            Phone(self.house, name, f"192.0.2.{number}", rtp_port=40000 + number)
            for name, number in (("1001", 11), ("1002", 12), ("1003", 13))
        )
        self.phones = (self.alice, self.bob, self.carol)
        self.bob.register()
        self.carol.register()
        self.trunk = Phone(self.house, "carrier", "198.51.100.7")
        self.there = Phone(self.house, "there", "203.0.113.9", 5070)
        self.ringing = (self.bob, self.carol, self.trunk, self.there)
        if stage != "nothing":
            call = self.alice.invite("1002")
            self.calls.append(call)
            if stage == "ringing":
                self.bob.answer_last(180)
            else:
                self.bob.answer_last(200, body=self.bob.sdp())
            if stage == "up":
                call.ack()

    # -- phones that behave ----------------------------------------------------------------------------------

    @rule(called=st.sampled_from(CALLED), sdp=st.booleans(), caller=st.integers(0, 1))
    def invite(self, called: str, sdp: bool, caller: int) -> None:
        def act() -> None:
            phone = (self.alice, self.trunk)[caller]
            self.calls.append(phone.invite(called, body=None if sdp else "", authenticate=True))

        self.guarded(act)

    @rule(phone=st.integers(0, 3), status=st.sampled_from(ANSWERS), sdp=st.booleans())
    def answer(self, phone: int, status: int, sdp: bool) -> None:
        def act() -> None:
            one = self.ringing[phone]
            one.answer_last(status, body=one.sdp() if sdp else "")

        self.guarded(act)

    @rule(
        phone=st.integers(0, 3),
        method=st.sampled_from(["BYE", "UPDATE", "CANCEL"]),
        status=st.sampled_from(ANSWERS),
    )
    def answer_other(self, phone: int, method: str, status: int) -> None:
        self.guarded(lambda: self.ringing[phone].answer_last(status, method))

    @rule(which=st.integers(0, 3), sdp=st.booleans())
    def acknowledge(self, which: int, sdp: bool) -> None:
        self.guarded(lambda: self._call(which).ack(self.alice.sdp() if sdp else ""))

    @rule(
        which=st.integers(0, 3),
        method=st.sampled_from(["BYE", "INVITE", "UPDATE", "INFO", "OPTIONS"]),
        direction=st.sampled_from(["sendrecv", "sendonly", "inactive", ""]),
    )
    def request(self, which: int, method: str, direction: str) -> None:
        def act() -> None:
            body = self.alice.sdp(direction=direction, version=2) if direction else ""
            self._call(which).request(method, body=body)

        self.guarded(act)

    @rule(phone=st.integers(0, 3), method=st.sampled_from(["BYE", "INVITE"]))
    def callee_asks(self, phone: int, method: str) -> None:
        def act() -> None:
            one = self.ringing[phone]
            dialogue = Dialogue.answered(one, one.requests("INVITE")[-1])
            dialogue.request(method, body=one.sdp(direction="sendonly") if method == "INVITE" else "")

        self.guarded(act)

    @rule(which=st.integers(0, 3))
    def cancel(self, which: int) -> None:
        self.guarded(lambda: self._call(which).cancel())

    def _call(self, which: int) -> Dialogue:
        return self.calls[-1 - which]

    # -- somebody who does not -------------------------------------------------------------------------------

    @rule(
        back=st.integers(0, 12),
        changes=st.lists(mutations, min_size=1, max_size=3),
        new=st.booleans(),
        by=st.sampled_from(["same", "stranger", "stream"]),
    )
    def repeat_with_changes(self, back: int, changes: list[Mutation], new: bool, by: str) -> None:
        if not self.said:
            return
        data, flow = self.said[-1 - back % len(self.said)]
        if new:
            self.serial += 1
            data = renewed(data, self.serial)
        for change in changes:
            data = change(data)
        if by == "stream":
            peer = Stream(self.house, Flow("tcp", houses.OURS, ("203.0.113.66", 45066), self.serial + 100))
            self.guarded(lambda: peer.send(data))
            if self.serial % 2:
                self.guarded(peer.close)
        else:
            self.guarded(lambda: self.house.receive(data, flow if by == "same" else self.stranger))

    @rule(back=st.integers(0, 12))
    def repeat(self, back: int) -> None:
        if self.said:
            data, flow = self.said[-1 - back % len(self.said)]
            self.guarded(lambda: self.house.receive(data, flow))

    @rule(phone=st.integers(0, 3), back=st.integers(0, 5), changes=st.lists(mutations, max_size=2))
    def echo_back(self, phone: int, back: int, changes: list[Mutation]) -> None:
        """What we sent comes back to us: our own requests, our own responses."""
        if not self.house.sent:
            return
        output = self.house.sent[-1 - back % len(self.house.sent)]
        data = output.data
        for change in changes:
            data = change(data)
        self.guarded(lambda: self.house.receive(data, self.ringing[phone].flow))

    @rule(phone=st.integers(0, 3))
    def unreachable(self, phone: int) -> None:
        flow = self.ringing[phone].flow
        self.house.carry_out(self.house.switch.transport_failed(flow, self.house.now))

    @rule(seconds=st.sampled_from([0.1, 0.6, 5.0, 33.0, 70.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.house.advance(seconds)

    # -- what holds ------------------------------------------------------------------------------------------

    @invariant()
    def everything_sent_can_be_read(self) -> None:
        for output in self.house.sent[self.checked :]:
            check(output.data)
        self.checked = len(self.house.sent)

    @invariant()
    def the_books_agree(self) -> None:
        switch = self.house.switch
        assert switch.legs == sum(len(call.legs) for call in switch.calls.values())
        owned = {leg for call in switch.calls.values() for leg in call.legs}
        assert {id(leg) for leg in switch.dialogs.values()} <= {id(leg) for leg in owned}
        rows = {leg.audio.row for leg in owned if leg.audio.row is not None}
        assert set(self.house.media.rows) == rows

    def teardown(self) -> None:
        if self.fault is not None:
            return
        self.house.advance(1)
        for call_id in list(self.house.switch.calls):
            self.house.carry_out(self.house.switch.hang_up(call_id, self.house.now))
        self.house.advance(250)
        self.house.assert_nothing_left()
        self.everything_sent_can_be_read()


Telephony.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTelephony = Telephony.TestCase


def test_what_is_repeated_is_valid_to_begin_with() -> None:
    """The mutations begin with messages that the parser takes, else they would find nothing behind it."""
    machine = Telephony()
    machine.begin("up")
    for data, _ in machine.said:
        message = parse(renewed(data, 7))
        if isinstance(message, Request):
            validate_request(message)
        else:
            validate_response(message)
    assert machine.house.switch.calls
    machine.teardown()
