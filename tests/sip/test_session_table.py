"""Every cell of the session's tables, the absent ones too."""

import pytest

from pbx.errors import MisuseError
from pbx.sip.dialog import Dialog
from pbx.sip.message import Request, respond
from pbx.sip.session import InviteSession
from pbx.sip.session_events import SendRequest, SessionOutput
from pbx.sip.session_machine import _ACTIONS, Cue
from pbx.sip.session_messages import Identity
from pbx.sip.session_offers import Acks, Exchange
from pbx.sip.session_table import (
    ABSENT,
    OFFER_ABSENT,
    OFFERS,
    SESSION,
    Absent,
    Action,
    Input,
    OfferAction,
    OfferInput,
    OfferState,
    State,
)
from tests.sip.sessions import (
    ANSWER,
    OFFER,
    TIMERS,
    client,
    final,
    ids,
    in_state,
    peer_request,
    server,
    words,
)

S = State
In = Input

# What comes out of each cell. The next states are the table's own; `test_states` pins the ways through it.
EXPECTED: dict[tuple[State, Input], str] = {
    (S.IDLE, In.START): "INVITE",
    (S.IDLE, In.END): "",
    (S.CALLING, In.CANCEL): "CANCEL",
    (S.CALLING, In.END): "CANCEL",
    (S.CALLING, In.GOT_PROVISIONAL): "Progressed 180",
    (S.CALLING, In.GOT_2XX): "DialogClosed ACK Answered",
    (S.CALLING, In.GOT_2XX_OFFER): "DialogClosed Answered",
    (S.CALLING, In.GOT_CHALLENGE): "Refused 401 DialogClosed DialogClosed",
    (S.CALLING, In.GOT_FAILURE): "Refused 486 DialogClosed DialogClosed",
    (S.CALLING, In.INVITE_FAILED): "Refused 408 DialogClosed DialogClosed",
    (S.CALLING, In.GOT_BYE): "200 DialogClosed",
    (S.CALLING, In.GOT_REQUEST): "200",
    (S.CHALLENGED, In.RETRY): "INVITE",
    (S.CHALLENGED, In.END): "",
    (S.CANCELLING, In.GOT_2XX): "DialogClosed ACK BYE Cancelled",
    (S.CANCELLING, In.GOT_2XX_OFFER): "DialogClosed ACK BYE Cancelled",
    (S.CANCELLING, In.GOT_CHALLENGE): "Cancelled DialogClosed DialogClosed",
    (S.CANCELLING, In.GOT_FAILURE): "Cancelled DialogClosed DialogClosed",
    (S.CANCELLING, In.INVITE_FAILED): "Cancelled DialogClosed DialogClosed",
    (S.CANCELLING, In.GOT_BYE): "200 DialogClosed",
    (S.CANCELLING, In.END): "",
    (S.ANSWERED, In.ACKNOWLEDGE): "ACK",
    (S.ANSWERED, In.BYE): "ACK BYE",
    (S.ANSWERED, In.END): "ACK BYE",
    (S.ANSWERED, In.GOT_BYE): "200 Ended bye DialogClosed",
    (S.ANSWERED, In.GOT_OTHER_2XX): "ACK BYE",
    (S.ANSWERED, In.GOT_REQUEST): "200",
    (S.RECEIVED, In.TRY): "100",
    (S.RECEIVED, In.RING): "DialogOpened 180",
    (S.RECEIVED, In.ACCEPT): "DialogOpened 200",
    (S.RECEIVED, In.REFUSE): "486",
    (S.RECEIVED, In.END): "486",
    (S.RECEIVED, In.GOT_CANCEL): "487 Cancelled",
    (S.RECEIVED, In.UNDELIVERED): "500 Ended error",
    (S.RINGING, In.RING): "180",
    (S.RINGING, In.RING_AGAIN): "180",
    (S.RINGING, In.ACCEPT): "200",
    (S.RINGING, In.REFUSE): "486 DialogClosed",
    (S.RINGING, In.END): "486 DialogClosed",
    (S.RINGING, In.GOT_CANCEL): "487 Cancelled DialogClosed",
    (S.RINGING, In.GOT_BYE): "200 487 Ended bye DialogClosed",
    (S.RINGING, In.GOT_REQUEST): "200",
    (S.RINGING, In.UNDELIVERED): "500 Ended error DialogClosed",
    (S.ACCEPTED, In.GOT_ACK): "Acknowledged",
    (S.ACCEPTED, In.RESEND_DUE): "200",
    (S.ACCEPTED, In.ACK_LATE): "BYE Ended no-ack",
    (S.ACCEPTED, In.BYE): "",
    (S.ACCEPTED, In.END): "",
    (S.ACCEPTED, In.GOT_BYE): "200 Ended bye DialogClosed",
    (S.ACCEPTED, In.GOT_REQUEST): "200",
    (S.LEAVING, In.GOT_ACK): "BYE",
    (S.LEAVING, In.RESEND_DUE): "200",
    (S.LEAVING, In.ACK_LATE): "BYE",
    (S.LEAVING, In.GOT_BYE): "200 Ended bye DialogClosed",
    (S.LEAVING, In.END): "",
    (S.ESTABLISHED, In.OFFER): "INVITE",
    (S.ESTABLISHED, In.BYE): "BYE",
    (S.ESTABLISHED, In.END): "BYE",
    (S.ESTABLISHED, In.GOT_BYE): "200 Ended bye DialogClosed",
    (S.ESTABLISHED, In.GOT_REQUEST): "200",
    (S.ESTABLISHED, In.GOT_2XX): "ACK",
    (S.ESTABLISHED, In.GOT_OTHER_2XX): "ACK BYE",
    (S.ESTABLISHED, In.RESEND_DUE): "200",
    (S.ESTABLISHED, In.ACK_LATE): "BYE Ended no-ack",
    (S.ESTABLISHED, In.DIALOG_GONE): "BYE Ended gone",
    (S.ENDING, In.BYE_DONE): "Ended bye DialogClosed",
    (S.ENDING, In.GOT_BYE): "200 Ended bye DialogClosed",
    (S.ENDING, In.GOT_2XX): "ACK",
    (S.ENDING, In.GOT_OTHER_2XX): "ACK BYE",
    (S.ENDING, In.END): "",
    (S.CLEARING, In.BYE_DONE): "DialogClosed",
    (S.CLEARING, In.GOT_BYE): "200 DialogClosed",
    (S.CLEARING, In.GOT_2XX): "ACK",
    (S.CLEARING, In.GOT_OTHER_2XX): "ACK BYE",
    (S.CLEARING, In.END): "",
    (S.ENDED, In.GOT_2XX): "ACK",
    (S.ENDED, In.GOT_OTHER_2XX): "ACK BYE",
    (S.ENDED, In.END): "",
}

_FINAL = {In.GOT_CHALLENGE: 401, In.GOT_FAILURE: 486, In.INVITE_FAILED: 408}


def cue(session: InviteSession, what: Input) -> Cue:
    """An input with all that could come along."""
    request = peer_request(session, "BYE" if what is In.GOT_BYE else "OPTIONS")
    tag = "b3" if what is In.GOT_OTHER_2XX else "b1"
    status = _FINAL.get(what, 180 if what in {In.GOT_PROVISIONAL, In.RING} else 486)
    response = final(session, status if what in {*_FINAL, In.GOT_PROVISIONAL} else 200, tag=tag)
    found = (
        Dialog.from_response(session.request, response) if what in {In.GOT_2XX, In.GOT_2XX_OFFER} else None
    )
    dialog = found or next(iter(session._dialogs.values()), None)
    return Cue(
        60.0,
        transaction=server(request),
        request=request,
        response=response,
        dialog=dialog,
        status=status,
        body=ANSWER,
        headers=[("authorization", "Digest x")] if what is In.RETRY else (),
        cause="gone",
    )


def prepared(state: State, what: Input) -> InviteSession:
    session = in_state(state)
    if state is S.ESTABLISHED and what in {In.RESEND_DUE, In.ACK_LATE}:
        # Here the 2xx is the one to a re-INVITE.
        request = peer_request(session, "INVITE", body=OFFER)
        session.receive_request(server(request), request, 0.0)
        session.answer(ANSWER, 0.0)
    return session


def test_every_cell_is_expected_here_and_nothing_else() -> None:
    assert set(EXPECTED) == set(SESSION)


@pytest.mark.parametrize(("state", "what"), list(SESSION), ids=str)
def test_cell(state: State, what: Input) -> None:
    session = prepared(state, what)
    outputs = session.take(what, cue(session, what))
    assert " ".join(words(outputs)) == EXPECTED[state, what]
    assert session.state is SESSION[state, what][1]


ABSENT_CELLS = [(state, what) for state in State for what in Input if (state, what) not in SESSION]


@pytest.mark.parametrize(("state", "what"), ABSENT_CELLS, ids=str)
def test_absent_cell(state: State, what: Input) -> None:
    session = in_state(state)
    match ABSENT[what]:
        case Absent.MISUSE:
            with pytest.raises(MisuseError, match=f"^{what} while the session is {state}$"):
                session.take(what, cue(session, what))
        case Absent.NO_DIALOG:
            assert words(session.take(what, cue(session, what))) == ["481"]
        case Absent.IGNORED:
            assert session.take(what, cue(session, what)) == []
    assert session.state is state


def test_rules_and_actions_are_complete() -> None:
    assert set(ABSENT) == set(Input)
    assert set(OFFER_ABSENT) == set(OfferInput)
    assert set(_ACTIONS) == set(Action)
    assert {action for action, _ in SESSION.values()} == set(Action)
    assert {action for action, _ in OFFERS.values()} == set(OfferAction)


def test_states() -> None:
    """The ways through the table, written down a second time: who may follow whom."""
    ways: dict[State, set[State]] = {}
    for (state, _), (_, new) in SESSION.items():
        if new is not state:
            ways.setdefault(state, set()).add(new)
    assert ways == {
        S.IDLE: {S.CALLING, S.ENDED},
        S.CALLING: {S.CANCELLING, S.ESTABLISHED, S.ANSWERED, S.CHALLENGED, S.ENDED},
        S.CHALLENGED: {S.CALLING, S.ENDED},
        S.CANCELLING: {S.CLEARING, S.ENDED},
        S.ANSWERED: {S.ESTABLISHED, S.ENDING, S.ENDED},
        S.RECEIVED: {S.RINGING, S.ACCEPTED, S.ENDED},
        S.RINGING: {S.ACCEPTED, S.ENDED},
        S.ACCEPTED: {S.ESTABLISHED, S.CLEARING, S.LEAVING, S.ENDED},
        S.LEAVING: {S.ENDING, S.ENDED},
        S.ESTABLISHED: {S.ENDING, S.CLEARING, S.ENDED},
        S.ENDING: {S.ENDED},
        S.CLEARING: {S.ENDED},
    }


@pytest.mark.parametrize("state", list(State), ids=str)
def test_end_is_never_refused_and_leads_out(state: State) -> None:
    """However a session stands, `end` and then what its peer owes brings it to its end."""
    session = in_state(state)
    session.end(0.0)
    for what in (In.GOT_FAILURE, In.GOT_ACK, In.BYE_DONE):
        if (session.state, what) in SESSION:
            session.take(what, cue(session, what))
    assert session.state is S.ENDED
    assert session.next_deadline() is None
    assert not session._dialogs


# The exchange of offers

Of = OfferState
J = OfferInput
OFFER_EXPECTED: dict[tuple[OfferState, OfferInput], str] = {
    (Of.FIRST_SENT, J.SETTLE): "",
    (Of.FIRST_SENT, J.TURN): "",
    (Of.FIRST_SENT, J.GOT_INVITE): "491",
    (Of.FIRST_SENT, J.GOT_UPDATE): "491",
    (Of.FIRST_SENT, J.CLOSE): "",
    (Of.FIRST_RECEIVED, J.SETTLE): "",
    (Of.FIRST_RECEIVED, J.TURN): "",
    (Of.FIRST_RECEIVED, J.GOT_INVITE): "500",
    (Of.FIRST_RECEIVED, J.GOT_UPDATE): "500",
    (Of.FIRST_RECEIVED, J.CLOSE): "",
    (Of.STABLE, J.OFFER): "INVITE",
    (Of.STABLE, J.GOT_INVITE): "100 Offered INVITE",
    (Of.STABLE, J.GOT_UPDATE): "Offered UPDATE",
    (Of.STABLE, J.CLOSE): "",
    (Of.OFFERED, J.GOT_2XX): "ACK OfferAccepted",
    (Of.OFFERED, J.GOT_GLARE): "",
    (Of.OFFERED, J.GOT_REFUSAL): "OfferRefused 488",
    (Of.OFFERED, J.GOT_INVITE): "491",
    (Of.OFFERED, J.GOT_UPDATE): "491",
    (Of.OFFERED, J.CLOSE): "",
    (Of.WAITING, J.RETRY_DUE): "INVITE",
    (Of.WAITING, J.GOT_INVITE): "OfferRefused 491 100 Offered INVITE",
    (Of.WAITING, J.GOT_UPDATE): "OfferRefused 491 Offered UPDATE",
    (Of.WAITING, J.CLOSE): "",
    (Of.ASKED, J.ANSWER): "200",
    (Of.ASKED, J.PROPOSE): "200",
    (Of.ASKED, J.REFUSE): "488",
    (Of.ASKED, J.GOT_CANCEL): "487 OfferWithdrawn",
    (Of.ASKED, J.GOT_INVITE): "500",
    (Of.ASKED, J.GOT_UPDATE): "500",
    (Of.ASKED, J.CLOSE): "487",
    (Of.ASKED_UPDATE, J.ANSWER): "200",
    (Of.ASKED_UPDATE, J.REFUSE): "488",
    (Of.ASKED_UPDATE, J.GOT_INVITE): "500",
    (Of.ASKED_UPDATE, J.GOT_UPDATE): "500",
    (Of.ASKED_UPDATE, J.CLOSE): "487",
    (Of.REPLIED, J.GOT_ACK): "",
    (Of.REPLIED, J.GOT_INVITE): "100 Offered INVITE",
    (Of.REPLIED, J.GOT_UPDATE): "500",
    (Of.REPLIED, J.CLOSE): "",
    (Of.PROPOSED, J.GOT_ACK): "OfferAccepted",
    (Of.PROPOSED, J.GOT_INVITE): "491",
    (Of.PROPOSED, J.GOT_UPDATE): "491",
    (Of.PROPOSED, J.CLOSE): "",
    (Of.CLOSED, J.GOT_2XX): "ACK",
    (Of.CLOSED, J.CLOSE): "",
}


class Talk:
    """An exchange with a dialog and a session around it, driven by its own methods."""

    def __init__(self, state: OfferState, *, asks: bool = False) -> None:
        self.session = in_state(S.ESTABLISHED)
        assert self.session.dialog is not None
        self.dialog = self.session.dialog
        identity = Identity("<sip:pbx@192.0.2.1>", "INVITE", "pbx/1")
        own = state is not Of.FIRST_RECEIVED
        self.exchange = Exchange(identity, ids("x"), TIMERS, Acks(), own_call=own)
        self.cseq = 900
        self.invite: Request | None = None
        self.last: Request | None = None
        if state in {Of.FIRST_SENT, Of.FIRST_RECEIVED}:
            return
        self.exchange.settle()
        match state:
            case Of.OFFERED:
                self.give(J.OFFER)
            case Of.WAITING:
                self.give(J.OFFER)
                self.give(J.GOT_GLARE)
            case Of.ASKED:
                self.give(J.GOT_INVITE, asks=asks)
            case Of.ASKED_UPDATE:
                self.give(J.GOT_UPDATE)
            case Of.REPLIED:
                self.give(J.GOT_INVITE)
                self.give(J.ANSWER)
            case Of.PROPOSED:
                self.give(J.GOT_INVITE, asks=True)
                self.give(J.ANSWER)
            case Of.CLOSED:
                self.give(J.OFFER)
                self.give(J.CLOSE)
            case _:
                pass
        assert self.exchange.state is state

    def give(self, what: OfferInput, *, asks: bool = False) -> list[SessionOutput]:
        exchange = self.exchange
        match what:
            case J.SETTLE:
                exchange.settle()
            case J.TURN:
                exchange.turn()
            case J.OFFER:
                outputs = exchange.offer(self.dialog, OFFER, self.session)
                assert isinstance(outputs[0], SendRequest)
                self.invite = outputs[0].request
                client(self.invite)
                return outputs
            case J.ANSWER | J.PROPOSE:
                return exchange.answer(ANSWER, 0.0)
            case J.REFUSE:
                return exchange.refuse(488)
            case J.GOT_INVITE | J.GOT_UPDATE:
                self.cseq += 1
                method = "INVITE" if what is J.GOT_INVITE else "UPDATE"
                self.last = peer_request(self.session, method, self.cseq, b"" if asks else OFFER)
                return exchange.receive_request(self.dialog, server(self.last), self.last)
            case J.GOT_2XX | J.GOT_GLARE | J.GOT_REFUSAL:
                status = {J.GOT_2XX: 200, J.GOT_GLARE: 491, J.GOT_REFUSAL: 488}[what]
                request = self.invite
                if request is None:
                    request = self.dialog.make_request("INVITE", "<sip:pbx@192.0.2.1>")
                    client(request)
                response = respond(request, status, body=ANSWER, content_type="application/sdp")
                return exchange.receive_response(self.dialog, request, response, 0.0)
            case J.GOT_ACK:
                return exchange.receive_ack(peer_request(self.session, "ACK", self.cseq, ANSWER))
            case J.GOT_CANCEL:
                return exchange.receive_cancel()
            case J.RETRY_DUE:
                return exchange.handle_timer(10.0, self.session)
            case J.CLOSE:
                return exchange.close()
        return []


def test_every_cell_of_an_exchange_is_expected_here_and_nothing_else() -> None:
    assert set(OFFER_EXPECTED) == set(OFFERS)


@pytest.mark.parametrize(("state", "what"), list(OFFERS), ids=str)
def test_offer_cell(state: OfferState, what: OfferInput) -> None:
    talk = Talk(state, asks=what is J.PROPOSE)
    assert " ".join(words(talk.give(what))) == OFFER_EXPECTED[state, what]
    assert talk.exchange.state is OFFERS[state, what][1]


ABSENT_OFFER_CELLS = [
    (state, what) for state in OfferState for what in OfferInput if (state, what) not in OFFERS
]


@pytest.mark.parametrize(("state", "what"), ABSENT_OFFER_CELLS, ids=str)
def test_absent_offer_cell(state: OfferState, what: OfferInput) -> None:
    talk = Talk(state)
    match OFFER_ABSENT[what]:
        case Absent.MISUSE:
            if (state, what) == (Of.ASKED_UPDATE, J.PROPOSE):
                return  # an UPDATE without an offer asks for nothing: `answer` cannot mean it
            with pytest.raises(MisuseError, match=f"while the exchange is {state}$"):
                talk.give(what)
        case Absent.NO_DIALOG:
            assert words(talk.give(what)) == ["481"]
        case Absent.IGNORED:
            assert talk.give(what) == []
    assert talk.exchange.state is state
