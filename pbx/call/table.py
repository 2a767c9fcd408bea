"""The life of a call as a table: what happens in each state on each input, and the state after it.

A pair that is not here cannot change a call: a late answer of a branch that was given up, a second CANCEL,
an offer while the call ends. `Call` drops those by this rule, and no other code changes the state.
"""

from typing import Literal

State = Literal[
    "deciding",  # a plan is awaited; the caller may have been answered, or hear early media
    "dialling",  # somebody rings
    "playing",  # the caller hears sounds, after which a plan is awaited
    "collecting",  # the caller chooses in a menu
    "waiting",  # the caller hears sounds until another plan comes
    "conferring",  # the caller is in a room
    "echoing",  # the caller hears itself
    "attending",  # a plugin talks with the caller
    "talking",  # the caller and one other leg hear each other
    "ending",
    "ended",
]

Input = Literal[
    "dial",  # the decision: ring somebody
    "play",  # the decision: let the caller hear sounds
    "collect",  # the decision: let the caller choose by digits
    "wait",  # the decision: answer, and another decision will come
    "join",  # the decision: bring the caller into a room
    "echo",  # the decision: answer and send back what is heard
    "attend",  # the decision: let a plugin talk with the caller
    "left",  # the plugin that talked with the caller does not any more
    "refuse",  # the decision: a final code
    "progressed",  # a branch rings or sends early media
    "answered",  # a branch answered, and its answer fits our offer
    "connected",  # somebody who was summoned and answered is to have the waiting caller
    "branch-refused",  # a branch failed, others of its group still ring
    "group-refused",  # the last branch of its group failed, another group is left
    "all-refused",  # the last branch of the last group failed
    "group-timeout",  # nobody of the group answered in time, another group is left
    "all-timeout",  # nobody of the last group answered in time
    "played",  # the sounds of the plan are over
    "digit",  # the caller pressed a key
    "digits-due",  # no further digit came in time
    "stopped",  # a branch refused with a code that ends the search
    "exhausted",  # no media ports for what the plan needs
    "caller-cancelled",  # CANCEL, answered with 487 by the session
    "caller-ended",  # BYE, no ACK, or a failure of the caller's dialog
    "callee-ended",  # BYE or a failure of the answered branch's dialog
    "acknowledged",  # the caller's ACK, which may carry the answer to a late offer
    "unanswerable",  # the caller's answer to our late offer is none
    "offered",  # either side sent an offer within the call
    "offer-accepted",  # the other side took the offer we passed on
    "offer-refused",  # the other side refused it
    "hang-up",  # an operator, a limit or the service's drain ends the call
    "over",  # the last leg of the call is gone
]

Action = Literal[
    "ring_group", "ring_next_group", "pass_progress", "connect", "drop_branch", "ask_again",
    "ask_after_timeout", "play", "ask_after_sounds", "collect", "await_digits", "take_digit",
    "ask_after_digits", "hold_on", "resume", "tell_ringing", "pick_up", "tell_digit",
    "attend", "hear_digit", "ask_after_talk",
    "join_room", "enter_room", "pass_digit", "answer_echo", "refuse_caller",
    "refuse_exhausted", "release_branches", "release_other", "release_all", "complete_late_offer",
    "relay_offer", "relay_answer", "relay_refusal", "finish",
]  # fmt: skip

TABLE: dict[tuple[State, Input], tuple[Action, State]] = {
    ("deciding", "dial"): ("ring_group", "dialling"),
    ("deciding", "play"): ("play", "playing"),
    ("deciding", "collect"): ("collect", "collecting"),
    ("deciding", "wait"): ("hold_on", "waiting"),
    ("deciding", "join"): ("join_room", "conferring"),
    ("deciding", "echo"): ("answer_echo", "echoing"),
    ("deciding", "attend"): ("attend", "attending"),
    ("deciding", "acknowledged"): ("complete_late_offer", "deciding"),
    ("deciding", "unanswerable"): ("release_all", "ending"),
    ("deciding", "offered"): ("relay_offer", "deciding"),
    ("deciding", "refuse"): ("refuse_caller", "ending"),
    ("deciding", "caller-cancelled"): ("release_branches", "ending"),
    ("deciding", "caller-ended"): ("release_branches", "ending"),
    ("deciding", "hang-up"): ("release_all", "ending"),
    ("dialling", "progressed"): ("pass_progress", "dialling"),
    ("dialling", "answered"): ("connect", "talking"),
    ("dialling", "branch-refused"): ("drop_branch", "dialling"),
    ("dialling", "group-refused"): ("ring_next_group", "dialling"),
    ("dialling", "all-refused"): ("ask_again", "deciding"),
    ("dialling", "stopped"): ("ask_again", "deciding"),
    ("dialling", "group-timeout"): ("ring_next_group", "dialling"),
    ("dialling", "all-timeout"): ("ask_after_timeout", "deciding"),
    ("dialling", "acknowledged"): ("complete_late_offer", "dialling"),
    ("dialling", "unanswerable"): ("release_all", "ending"),
    ("dialling", "offered"): ("relay_offer", "dialling"),
    ("dialling", "exhausted"): ("refuse_exhausted", "ending"),
    ("dialling", "caller-cancelled"): ("release_branches", "ending"),
    ("dialling", "caller-ended"): ("release_branches", "ending"),
    ("dialling", "hang-up"): ("release_all", "ending"),
    ("playing", "played"): ("ask_after_sounds", "deciding"),
    ("playing", "exhausted"): ("refuse_exhausted", "ending"),
    ("playing", "refuse"): ("refuse_caller", "ending"),
    ("playing", "acknowledged"): ("complete_late_offer", "playing"),
    ("playing", "unanswerable"): ("release_all", "ending"),
    ("playing", "offered"): ("relay_offer", "playing"),
    ("playing", "caller-ended"): ("release_branches", "ending"),
    ("playing", "caller-cancelled"): ("release_branches", "ending"),
    ("playing", "hang-up"): ("release_all", "ending"),
    ("collecting", "played"): ("await_digits", "collecting"),
    ("collecting", "digit"): ("take_digit", "collecting"),
    ("collecting", "digits-due"): ("ask_after_digits", "deciding"),
    ("collecting", "exhausted"): ("refuse_exhausted", "ending"),
    ("collecting", "refuse"): ("refuse_caller", "ending"),
    ("collecting", "acknowledged"): ("complete_late_offer", "collecting"),
    ("collecting", "unanswerable"): ("release_all", "ending"),
    ("collecting", "offered"): ("relay_offer", "collecting"),
    ("collecting", "caller-ended"): ("release_branches", "ending"),
    ("collecting", "caller-cancelled"): ("release_branches", "ending"),
    ("collecting", "hang-up"): ("release_all", "ending"),
    ("waiting", "dial"): ("ring_group", "dialling"),
    ("waiting", "play"): ("play", "playing"),
    ("waiting", "collect"): ("collect", "collecting"),
    ("waiting", "wait"): ("hold_on", "waiting"),
    ("waiting", "join"): ("join_room", "conferring"),
    ("waiting", "echo"): ("answer_echo", "echoing"),
    ("waiting", "attend"): ("attend", "attending"),
    ("waiting", "played"): ("resume", "waiting"),
    ("waiting", "digit"): ("tell_digit", "waiting"),
    ("waiting", "progressed"): ("tell_ringing", "waiting"),
    ("waiting", "answered"): ("pick_up", "waiting"),
    ("waiting", "connected"): ("connect", "talking"),
    ("waiting", "exhausted"): ("refuse_exhausted", "ending"),
    ("waiting", "refuse"): ("refuse_caller", "ending"),
    ("waiting", "acknowledged"): ("complete_late_offer", "waiting"),
    ("waiting", "unanswerable"): ("release_all", "ending"),
    ("waiting", "offered"): ("relay_offer", "waiting"),
    ("waiting", "caller-ended"): ("release_branches", "ending"),
    ("waiting", "caller-cancelled"): ("release_branches", "ending"),
    ("waiting", "hang-up"): ("release_all", "ending"),
    ("conferring", "played"): ("enter_room", "conferring"),
    ("conferring", "exhausted"): ("refuse_exhausted", "ending"),
    ("conferring", "refuse"): ("refuse_caller", "ending"),
    ("conferring", "acknowledged"): ("complete_late_offer", "conferring"),
    ("conferring", "unanswerable"): ("release_all", "ending"),
    ("conferring", "offered"): ("relay_offer", "conferring"),
    ("conferring", "caller-ended"): ("release_branches", "ending"),
    ("conferring", "caller-cancelled"): ("release_branches", "ending"),
    ("conferring", "hang-up"): ("release_all", "ending"),
    ("talking", "digit"): ("pass_digit", "talking"),
    ("talking", "answered"): ("pick_up", "talking"),
    ("talking", "acknowledged"): ("complete_late_offer", "talking"),
    ("talking", "unanswerable"): ("release_all", "ending"),
    ("talking", "offered"): ("relay_offer", "talking"),
    ("talking", "offer-accepted"): ("relay_answer", "talking"),
    ("talking", "offer-refused"): ("relay_refusal", "talking"),
    ("talking", "caller-ended"): ("release_other", "ending"),
    ("talking", "callee-ended"): ("release_other", "ending"),
    ("talking", "caller-cancelled"): ("release_other", "ending"),
    ("talking", "hang-up"): ("release_all", "ending"),
    ("echoing", "acknowledged"): ("complete_late_offer", "echoing"),
    ("echoing", "unanswerable"): ("release_all", "ending"),
    ("echoing", "exhausted"): ("refuse_exhausted", "ending"),
    ("echoing", "refuse"): ("refuse_caller", "ending"),
    ("echoing", "offered"): ("relay_offer", "echoing"),
    ("echoing", "caller-ended"): ("release_branches", "ending"),
    ("echoing", "caller-cancelled"): ("release_branches", "ending"),
    ("echoing", "hang-up"): ("release_all", "ending"),
    ("attending", "left"): ("ask_after_talk", "deciding"),
    ("attending", "digit"): ("hear_digit", "attending"),
    ("attending", "acknowledged"): ("complete_late_offer", "attending"),
    ("attending", "unanswerable"): ("release_all", "ending"),
    ("attending", "exhausted"): ("refuse_exhausted", "ending"),
    ("attending", "refuse"): ("refuse_caller", "ending"),
    ("attending", "offered"): ("relay_offer", "attending"),
    ("attending", "caller-ended"): ("release_branches", "ending"),
    ("attending", "caller-cancelled"): ("release_branches", "ending"),
    ("attending", "hang-up"): ("release_all", "ending"),
    ("ending", "over"): ("finish", "ended"),
}

# Why an input changes nothing in every state that has no cell for it.
ABSENT: dict[Input, str] = {
    "dial": "a plan is for a call that waits for one; it came too late",
    "play": "a plan is for a call that waits for one; it came too late",
    "collect": "a plan is for a call that waits for one; it came too late",
    "wait": "a plan is for a call that waits for one; it came too late",
    "join": "a plan is for a call that waits for one; it came too late",
    "echo": "a plan is for a call that waits for one; it came too late",
    "attend": "a plan is for a call that waits for one; it came too late",
    "left": "only a plugin that talks with the caller can leave it",
    "refuse": "a plan is for a call that waits for one; it came too late",
    "progressed": "only a branch that still rings has progress to tell",
    "answered": "the session of a branch that was given up acknowledges and ends a late answer by itself",
    "connected": "only a caller who waits can be put through",
    "branch-refused": "only branches that still ring count",
    "group-refused": "only branches that still ring count",
    "all-refused": "only branches that still ring count",
    "group-timeout": "the ring time runs only while branches ring",
    "all-timeout": "the ring time runs only while branches ring",
    "stopped": "only branches that still ring count",
    "played": "only sounds that something waits for",
    "digit": "only a menu, a queue or a plugin takes digits, and two that talk have them passed on",
    "digits-due": "only a menu waits for digits",
    "exhausted": "ports are taken only for a plan",
    "caller-cancelled": "a call ends once",
    "caller-ended": "a call ends once",
    "callee-ended": "only an answered branch has a call to end",
    "acknowledged": "an ACK without an open offer says nothing new",
    "unanswerable": "the offer that was open went with the call",
    "offered": "offers within a call need two sides that talk; the session refuses the others",
    "offer-accepted": "the asker is gone",
    "offer-refused": "the asker is gone",
    "hang-up": "a call ends once",
    "over": "a call is over once, after it has begun to end",
}
