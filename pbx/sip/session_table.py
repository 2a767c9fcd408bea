"""The life of an INVITE session and of its offer/answer exchanges, as two literal tables.

Nothing outside these tables decides a next state. A cell that is absent has a rule, named once for each
input in `ABSENT` and `OFFER_ABSENT`; tests walk every cell, the absent ones too.
"""

from enum import StrEnum, unique
from typing import Final


@unique
class State(StrEnum):
    """Where a session is (RFC 3261 §13, §15)."""

    IDLE = "idle"  # outgoing, not started
    CALLING = "calling"  # our INVITE is out
    CHALLENGED = "challenged"  # it got 401 or 407; the owner may send it again
    CANCELLING = "cancelling"  # it is being cancelled; its final response is awaited
    ANSWERED = "answered"  # its 2xx carried an offer: the ACK waits for our answer
    RECEIVED = "received"  # the peer's INVITE has no tagged response yet
    RINGING = "ringing"  # it has
    ACCEPTED = "accepted"  # our 2xx is not acknowledged yet
    LEAVING = "leaving"  # the same, and a BYE follows the ACK (§15)
    ESTABLISHED = "established"
    ENDING = "ending"  # our BYE is out, asked for by the owner
    CLEARING = "clearing"  # our BYE is out, and the owner has heard the outcome already
    ENDED = "ended"


@unique
class Input(StrEnum):
    """What a session is asked to do, hears, or is due to do."""

    START = "start"
    RETRY = "retry"
    TRY = "try"
    RING = "ring"
    ACCEPT = "accept"
    REFUSE = "refuse"
    CANCEL = "cancel"
    ACKNOWLEDGE = "acknowledge"
    OFFER = "offer"
    BYE = "bye"
    END = "end"
    GOT_PROVISIONAL = "got provisional"
    GOT_2XX = "got 2xx"  # the first, or that one again
    GOT_2XX_OFFER = "got 2xx with an offer"  # an INVITE without an offer was answered with one
    GOT_OTHER_2XX = "got 2xx of another dialog"  # from another branch of a forked INVITE
    GOT_CHALLENGE = "got 401 or 407"
    GOT_FAILURE = "got 3xx-6xx"
    INVITE_FAILED = "invite failed"  # no answer at all, or the transport's fault
    GOT_CANCEL = "got CANCEL"
    GOT_ACK = "got ACK"
    GOT_BYE = "got BYE"
    GOT_REQUEST = "got request"  # any other request within a dialog
    UNDELIVERED = "undelivered"  # our response to the INVITE found no way back
    BYE_DONE = "bye done"  # any final response to our BYE, or none
    DIALOG_GONE = "dialog gone"  # 481, 408 or nothing came back for a request of ours (§12.2.1.2)
    RING_AGAIN = "ring again"  # a minute passed since the last provisional response (§13.3.1.1)
    RESEND_DUE = "resend due"  # our 2xx is due again (§13.3.1.4)
    ACK_LATE = "ack late"  # 64*T1 passed without the ACK


@unique
class Action(StrEnum):
    """What is done on the way to the next state."""

    ACK_AGAIN = "ack again"
    ACKNOWLEDGE = "acknowledge"
    ACKNOWLEDGE_AND_BYE = "acknowledge and bye"
    ACKNOWLEDGED = "acknowledged"
    ACCEPT = "accept"
    ANSWERED = "answered"
    ANSWERED_WITH_OFFER = "answered with an offer"
    BYE_BEFORE_ANSWER = "bye before answer"
    BYE_GONE = "bye gone"
    BYE_NO_ACK = "bye no ack"
    CANCEL = "cancel"
    CANCELLED = "cancelled"
    CHALLENGED = "challenged"
    CLEAR_CANCELLED = "clear cancelled"
    CLEAR_FORK = "clear fork"
    CLOSE = "close"
    CLOSED_BY_PEER = "closed by peer"
    DROP_EARLY = "drop early"
    ENDED = "ended"
    ENDED_BY_PEER = "ended by peer"
    LEAVE = "leave"
    LOST = "lost"
    NOTHING = "nothing"
    PROGRESS = "progress"
    REFUSE = "refuse"
    REFUSE_CANCELLED = "refuse cancelled"
    REFUSED = "refused"
    RESEND = "resend"
    RING = "ring"
    RING_AGAIN = "ring again"
    SEND_BYE = "send bye"
    SEND_INVITE_AGAIN = "send invite again"
    SEND_INVITE = "send invite"
    SEND_OFFER = "send offer"
    SERVE = "serve"
    TRY = "try"


@unique
class Absent(StrEnum):
    """The rule for a cell that is not in a table."""

    MISUSE = "our own code may not ask for this now: MisuseError"
    NO_DIALOG = "there is no such dialog (any more): 481 (RFC 3261 §12.2.2)"
    IGNORED = "too late or too early to matter: no output"


_S = State
_I = Input
_A = Action

SESSION: Final[dict[tuple[State, Input], tuple[Action, State]]] = {
    # Outgoing
    (_S.IDLE, _I.START): (_A.SEND_INVITE, _S.CALLING),
    (_S.IDLE, _I.END): (_A.CLOSE, _S.ENDED),
    (_S.CALLING, _I.CANCEL): (_A.CANCEL, _S.CANCELLING),
    (_S.CALLING, _I.END): (_A.CANCEL, _S.CANCELLING),
    (_S.CALLING, _I.GOT_PROVISIONAL): (_A.PROGRESS, _S.CALLING),
    (_S.CALLING, _I.GOT_2XX): (_A.ANSWERED, _S.ESTABLISHED),
    (_S.CALLING, _I.GOT_2XX_OFFER): (_A.ANSWERED_WITH_OFFER, _S.ANSWERED),
    (_S.CALLING, _I.GOT_CHALLENGE): (_A.CHALLENGED, _S.CHALLENGED),
    (_S.CALLING, _I.GOT_FAILURE): (_A.REFUSED, _S.ENDED),
    (_S.CALLING, _I.INVITE_FAILED): (_A.REFUSED, _S.ENDED),
    (_S.CALLING, _I.GOT_BYE): (_A.DROP_EARLY, _S.CALLING),
    (_S.CALLING, _I.GOT_REQUEST): (_A.SERVE, _S.CALLING),
    (_S.CHALLENGED, _I.RETRY): (_A.SEND_INVITE_AGAIN, _S.CALLING),
    (_S.CHALLENGED, _I.END): (_A.CLOSE, _S.ENDED),
    (_S.CANCELLING, _I.GOT_2XX): (_A.CLEAR_CANCELLED, _S.CLEARING),
    (_S.CANCELLING, _I.GOT_2XX_OFFER): (_A.CLEAR_CANCELLED, _S.CLEARING),
    (_S.CANCELLING, _I.GOT_CHALLENGE): (_A.CANCELLED, _S.ENDED),
    (_S.CANCELLING, _I.GOT_FAILURE): (_A.CANCELLED, _S.ENDED),
    (_S.CANCELLING, _I.INVITE_FAILED): (_A.CANCELLED, _S.ENDED),
    (_S.CANCELLING, _I.GOT_BYE): (_A.DROP_EARLY, _S.CANCELLING),
    (_S.CANCELLING, _I.END): (_A.NOTHING, _S.CANCELLING),
    (_S.ANSWERED, _I.ACKNOWLEDGE): (_A.ACKNOWLEDGE, _S.ESTABLISHED),
    (_S.ANSWERED, _I.BYE): (_A.ACKNOWLEDGE_AND_BYE, _S.ENDING),
    (_S.ANSWERED, _I.END): (_A.ACKNOWLEDGE_AND_BYE, _S.ENDING),
    (_S.ANSWERED, _I.GOT_BYE): (_A.ENDED_BY_PEER, _S.ENDED),
    (_S.ANSWERED, _I.GOT_OTHER_2XX): (_A.CLEAR_FORK, _S.ANSWERED),
    (_S.ANSWERED, _I.GOT_REQUEST): (_A.SERVE, _S.ANSWERED),
    # Incoming
    (_S.RECEIVED, _I.TRY): (_A.TRY, _S.RECEIVED),
    (_S.RECEIVED, _I.RING): (_A.RING, _S.RINGING),
    (_S.RECEIVED, _I.ACCEPT): (_A.ACCEPT, _S.ACCEPTED),
    (_S.RECEIVED, _I.REFUSE): (_A.REFUSE, _S.ENDED),
    (_S.RECEIVED, _I.END): (_A.REFUSE, _S.ENDED),
    (_S.RECEIVED, _I.GOT_CANCEL): (_A.REFUSE_CANCELLED, _S.ENDED),
    (_S.RECEIVED, _I.UNDELIVERED): (_A.LOST, _S.ENDED),
    (_S.RINGING, _I.RING): (_A.RING, _S.RINGING),
    (_S.RINGING, _I.RING_AGAIN): (_A.RING_AGAIN, _S.RINGING),
    (_S.RINGING, _I.ACCEPT): (_A.ACCEPT, _S.ACCEPTED),
    (_S.RINGING, _I.REFUSE): (_A.REFUSE, _S.ENDED),
    (_S.RINGING, _I.END): (_A.REFUSE, _S.ENDED),
    (_S.RINGING, _I.GOT_CANCEL): (_A.REFUSE_CANCELLED, _S.ENDED),
    (_S.RINGING, _I.GOT_BYE): (_A.BYE_BEFORE_ANSWER, _S.ENDED),
    (_S.RINGING, _I.GOT_REQUEST): (_A.SERVE, _S.RINGING),
    (_S.RINGING, _I.UNDELIVERED): (_A.LOST, _S.ENDED),
    (_S.ACCEPTED, _I.GOT_ACK): (_A.ACKNOWLEDGED, _S.ESTABLISHED),
    (_S.ACCEPTED, _I.RESEND_DUE): (_A.RESEND, _S.ACCEPTED),
    (_S.ACCEPTED, _I.ACK_LATE): (_A.BYE_NO_ACK, _S.CLEARING),
    (_S.ACCEPTED, _I.BYE): (_A.LEAVE, _S.LEAVING),
    (_S.ACCEPTED, _I.END): (_A.LEAVE, _S.LEAVING),
    (_S.ACCEPTED, _I.GOT_BYE): (_A.ENDED_BY_PEER, _S.ENDED),
    (_S.ACCEPTED, _I.GOT_REQUEST): (_A.SERVE, _S.ACCEPTED),
    (_S.LEAVING, _I.GOT_ACK): (_A.SEND_BYE, _S.ENDING),
    (_S.LEAVING, _I.RESEND_DUE): (_A.RESEND, _S.LEAVING),
    (_S.LEAVING, _I.ACK_LATE): (_A.SEND_BYE, _S.ENDING),
    (_S.LEAVING, _I.GOT_BYE): (_A.ENDED_BY_PEER, _S.ENDED),
    (_S.LEAVING, _I.END): (_A.NOTHING, _S.LEAVING),
    # Both
    (_S.ESTABLISHED, _I.OFFER): (_A.SEND_OFFER, _S.ESTABLISHED),
    (_S.ESTABLISHED, _I.BYE): (_A.SEND_BYE, _S.ENDING),
    (_S.ESTABLISHED, _I.END): (_A.SEND_BYE, _S.ENDING),
    (_S.ESTABLISHED, _I.GOT_BYE): (_A.ENDED_BY_PEER, _S.ENDED),
    (_S.ESTABLISHED, _I.GOT_REQUEST): (_A.SERVE, _S.ESTABLISHED),
    (_S.ESTABLISHED, _I.GOT_2XX): (_A.ACK_AGAIN, _S.ESTABLISHED),
    (_S.ESTABLISHED, _I.GOT_OTHER_2XX): (_A.CLEAR_FORK, _S.ESTABLISHED),
    (_S.ESTABLISHED, _I.RESEND_DUE): (_A.RESEND, _S.ESTABLISHED),
    (_S.ESTABLISHED, _I.ACK_LATE): (_A.BYE_NO_ACK, _S.CLEARING),
    (_S.ESTABLISHED, _I.DIALOG_GONE): (_A.BYE_GONE, _S.CLEARING),
    (_S.ENDING, _I.BYE_DONE): (_A.ENDED, _S.ENDED),
    (_S.ENDING, _I.GOT_BYE): (_A.ENDED_BY_PEER, _S.ENDED),
    (_S.ENDING, _I.GOT_2XX): (_A.ACK_AGAIN, _S.ENDING),
    (_S.ENDING, _I.GOT_OTHER_2XX): (_A.CLEAR_FORK, _S.ENDING),
    (_S.ENDING, _I.END): (_A.NOTHING, _S.ENDING),
    (_S.CLEARING, _I.BYE_DONE): (_A.CLOSE, _S.ENDED),
    (_S.CLEARING, _I.GOT_BYE): (_A.CLOSED_BY_PEER, _S.ENDED),
    (_S.CLEARING, _I.GOT_2XX): (_A.ACK_AGAIN, _S.CLEARING),
    (_S.CLEARING, _I.GOT_OTHER_2XX): (_A.CLEAR_FORK, _S.CLEARING),
    (_S.CLEARING, _I.END): (_A.NOTHING, _S.CLEARING),
    (_S.ENDED, _I.GOT_2XX): (_A.ACK_AGAIN, _S.ENDED),
    (_S.ENDED, _I.GOT_OTHER_2XX): (_A.CLEAR_FORK, _S.ENDED),
    (_S.ENDED, _I.END): (_A.NOTHING, _S.ENDED),
}

ABSENT: Final[dict[Input, Absent]] = {
    _I.START: Absent.MISUSE,
    _I.RETRY: Absent.MISUSE,
    _I.TRY: Absent.MISUSE,
    _I.RING: Absent.MISUSE,
    _I.ACCEPT: Absent.MISUSE,
    _I.REFUSE: Absent.MISUSE,
    _I.CANCEL: Absent.MISUSE,
    _I.ACKNOWLEDGE: Absent.MISUSE,
    _I.OFFER: Absent.MISUSE,
    _I.BYE: Absent.MISUSE,
    _I.END: Absent.MISUSE,  # every state has the cell: `end` is never refused
    _I.GOT_PROVISIONAL: Absent.IGNORED,
    _I.GOT_2XX: Absent.IGNORED,
    _I.GOT_2XX_OFFER: Absent.IGNORED,
    _I.GOT_OTHER_2XX: Absent.IGNORED,
    _I.GOT_CHALLENGE: Absent.IGNORED,
    _I.GOT_FAILURE: Absent.IGNORED,
    _I.INVITE_FAILED: Absent.IGNORED,
    _I.GOT_CANCEL: Absent.IGNORED,  # a CANCEL has no effect on a request that was answered (§9.2)
    _I.GOT_ACK: Absent.IGNORED,
    _I.GOT_BYE: Absent.NO_DIALOG,
    _I.GOT_REQUEST: Absent.NO_DIALOG,
    _I.UNDELIVERED: Absent.IGNORED,  # a lost 2xx is sent again until 64*T1; a lost refusal ends as it was
    _I.BYE_DONE: Absent.IGNORED,
    _I.DIALOG_GONE: Absent.IGNORED,
    _I.RING_AGAIN: Absent.IGNORED,
    _I.RESEND_DUE: Absent.IGNORED,
    _I.ACK_LATE: Absent.IGNORED,
}


@unique
class OfferState(StrEnum):
    """Whose offer is open in a dialog; at most one is (RFC 3264 §4, RFC 6337)."""

    FIRST_SENT = "first sent"  # the offer of our first INVITE, or of our 2xx to a first INVITE without one
    FIRST_RECEIVED = "first received"  # the peer's, likewise
    STABLE = "stable"
    OFFERED = "offered"  # our re-INVITE is out
    WAITING = "waiting"  # it met 491 and is sent again when its timer fires (§14.1)
    ASKED = "asked"  # the peer's re-INVITE waits for the owner
    ASKED_UPDATE = "asked update"  # the peer's UPDATE waits for the owner (RFC 3311)
    REPLIED = "replied"  # our 2xx to a re-INVITE is not acknowledged; it carried the answer
    PROPOSED = "proposed"  # the same; it carried an offer, the ACK brings the answer
    CLOSED = "closed"  # the session is over


@unique
class OfferInput(StrEnum):
    """What moves an exchange."""

    SETTLE = "settle"  # the first offer has its answer
    TURN = "turn"  # the first INVITE had no offer: the 2xx has it
    OFFER = "offer"
    ANSWER = "answer"
    PROPOSE = "propose"  # answer a re-INVITE that had no offer with ours
    REFUSE = "refuse"
    GOT_INVITE = "got INVITE"
    GOT_UPDATE = "got UPDATE with an offer"
    GOT_2XX = "got 2xx"
    GOT_GLARE = "got 491"
    GOT_REFUSAL = "got refusal"
    GOT_ACK = "got ACK"
    GOT_CANCEL = "got CANCEL"
    RETRY_DUE = "retry due"
    CLOSE = "close"


@unique
class OfferAction(StrEnum):
    """What is done on the way to the next state of an exchange."""

    ACCEPTED = "accepted"
    ACK_ONLY = "ack only"
    ACKNOWLEDGED = "acknowledged"
    ANSWER = "answer"
    ANSWER_UPDATE = "answer update"
    ASK = "ask"
    ASK_INSTEAD = "ask instead"
    BUSY = "busy"
    FORGET = "forget"
    GLARE = "glare"
    NOTHING = "nothing"
    PROPOSAL_ANSWERED = "proposal answered"
    REFUSE = "refuse"
    REFUSE_CLOSING = "refuse closing"
    REFUSED = "refused"
    SEND = "send"
    WAIT = "wait"
    WITHDRAWN = "withdrawn"


_O = OfferState
_J = OfferInput
_B = OfferAction

OFFERS: Final[dict[tuple[OfferState, OfferInput], tuple[OfferAction, OfferState]]] = {
    (_O.FIRST_SENT, _J.SETTLE): (_B.NOTHING, _O.STABLE),
    (_O.FIRST_SENT, _J.TURN): (_B.NOTHING, _O.FIRST_RECEIVED),
    (_O.FIRST_SENT, _J.GOT_INVITE): (_B.GLARE, _O.FIRST_SENT),
    (_O.FIRST_SENT, _J.GOT_UPDATE): (_B.GLARE, _O.FIRST_SENT),
    (_O.FIRST_SENT, _J.CLOSE): (_B.FORGET, _O.CLOSED),
    (_O.FIRST_RECEIVED, _J.SETTLE): (_B.NOTHING, _O.STABLE),
    (_O.FIRST_RECEIVED, _J.TURN): (_B.NOTHING, _O.FIRST_SENT),
    (_O.FIRST_RECEIVED, _J.GOT_INVITE): (_B.BUSY, _O.FIRST_RECEIVED),
    (_O.FIRST_RECEIVED, _J.GOT_UPDATE): (_B.BUSY, _O.FIRST_RECEIVED),
    (_O.FIRST_RECEIVED, _J.CLOSE): (_B.FORGET, _O.CLOSED),
    (_O.STABLE, _J.OFFER): (_B.SEND, _O.OFFERED),
    (_O.STABLE, _J.GOT_INVITE): (_B.ASK, _O.ASKED),
    (_O.STABLE, _J.GOT_UPDATE): (_B.ASK, _O.ASKED_UPDATE),
    (_O.STABLE, _J.CLOSE): (_B.FORGET, _O.CLOSED),
    (_O.OFFERED, _J.GOT_2XX): (_B.ACCEPTED, _O.STABLE),
    (_O.OFFERED, _J.GOT_GLARE): (_B.WAIT, _O.WAITING),
    (_O.OFFERED, _J.GOT_REFUSAL): (_B.REFUSED, _O.STABLE),
    (_O.OFFERED, _J.GOT_INVITE): (_B.GLARE, _O.OFFERED),
    (_O.OFFERED, _J.GOT_UPDATE): (_B.GLARE, _O.OFFERED),
    (_O.OFFERED, _J.CLOSE): (_B.FORGET, _O.CLOSED),
    (_O.WAITING, _J.RETRY_DUE): (_B.SEND, _O.OFFERED),
    (_O.WAITING, _J.GOT_INVITE): (_B.ASK_INSTEAD, _O.ASKED),
    (_O.WAITING, _J.GOT_UPDATE): (_B.ASK_INSTEAD, _O.ASKED_UPDATE),
    (_O.WAITING, _J.CLOSE): (_B.FORGET, _O.CLOSED),
    (_O.ASKED, _J.ANSWER): (_B.ANSWER, _O.REPLIED),
    (_O.ASKED, _J.PROPOSE): (_B.ANSWER, _O.PROPOSED),
    (_O.ASKED, _J.REFUSE): (_B.REFUSE, _O.STABLE),
    (_O.ASKED, _J.GOT_CANCEL): (_B.WITHDRAWN, _O.STABLE),
    (_O.ASKED, _J.GOT_INVITE): (_B.BUSY, _O.ASKED),
    (_O.ASKED, _J.GOT_UPDATE): (_B.BUSY, _O.ASKED),
    (_O.ASKED, _J.CLOSE): (_B.REFUSE_CLOSING, _O.CLOSED),
    (_O.ASKED_UPDATE, _J.ANSWER): (_B.ANSWER_UPDATE, _O.STABLE),
    (_O.ASKED_UPDATE, _J.REFUSE): (_B.REFUSE, _O.STABLE),
    (_O.ASKED_UPDATE, _J.GOT_INVITE): (_B.BUSY, _O.ASKED_UPDATE),
    (_O.ASKED_UPDATE, _J.GOT_UPDATE): (_B.BUSY, _O.ASKED_UPDATE),
    (_O.ASKED_UPDATE, _J.CLOSE): (_B.REFUSE_CLOSING, _O.CLOSED),
    (_O.REPLIED, _J.GOT_ACK): (_B.ACKNOWLEDGED, _O.STABLE),
    (_O.REPLIED, _J.GOT_INVITE): (_B.ASK, _O.ASKED),  # it proves that our 2xx arrived: the ACK was lost
    (_O.REPLIED, _J.GOT_UPDATE): (_B.BUSY, _O.REPLIED),
    (_O.REPLIED, _J.CLOSE): (_B.FORGET, _O.CLOSED),
    (_O.PROPOSED, _J.GOT_ACK): (_B.PROPOSAL_ANSWERED, _O.STABLE),
    (_O.PROPOSED, _J.GOT_INVITE): (_B.GLARE, _O.PROPOSED),
    (_O.PROPOSED, _J.GOT_UPDATE): (_B.GLARE, _O.PROPOSED),
    (_O.PROPOSED, _J.CLOSE): (_B.FORGET, _O.CLOSED),
    (_O.CLOSED, _J.GOT_2XX): (_B.ACK_ONLY, _O.CLOSED),
    (_O.CLOSED, _J.CLOSE): (_B.NOTHING, _O.CLOSED),
}

OFFER_ABSENT: Final[dict[OfferInput, Absent]] = {
    _J.SETTLE: Absent.IGNORED,
    _J.TURN: Absent.IGNORED,
    _J.OFFER: Absent.MISUSE,
    _J.ANSWER: Absent.MISUSE,
    _J.PROPOSE: Absent.MISUSE,
    _J.REFUSE: Absent.MISUSE,
    _J.GOT_INVITE: Absent.NO_DIALOG,
    _J.GOT_UPDATE: Absent.NO_DIALOG,
    _J.GOT_2XX: Absent.IGNORED,
    _J.GOT_GLARE: Absent.IGNORED,
    _J.GOT_REFUSAL: Absent.IGNORED,
    _J.GOT_ACK: Absent.IGNORED,
    _J.GOT_CANCEL: Absent.IGNORED,
    _J.RETRY_DUE: Absent.IGNORED,
    _J.CLOSE: Absent.IGNORED,  # every state has the cell
}
