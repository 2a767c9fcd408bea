"""What happens to a caller and to an agent in each state on each input. What is not here changes nothing."""

from typing import Literal

from pbx.queues.values import AgentState, CallerState

CallerInput = Literal[
    "offer",  # an agent was found, or one more
    "picked-up",  # an agent took the phone off the hook
    "connected",  # an agent answered and hears the caller
    "offer-lost",  # an offer failed or was withdrawn, others still ring
    "offers-lost",  # the last one did
    "hang-up",  # the caller's call is over
    "call-ended",  # the agent's side of the conversation is over, or the caller was moved elsewhere
    "exit",  # the caller pressed the exit digit
    "dismiss",  # the queue closed or nobody is left to serve it, or an operator says so
    "timeout",  # the maximum wait is over
    "announce",  # it is time to tell the position
    "prompt",  # it is time to play a prompt
    "relax",  # any agent will do from now on
]

CallerAction = Literal[
    "ring", "ring_too", "keep_one", "put_through", "drop_offer", "wait_again", "abandon", "end_service",
    "leave", "overflow", "announce", "postpone", "prompt", "take_anyone",
]  # fmt: skip

CALLER: dict[tuple[CallerState, CallerInput], tuple[CallerAction, CallerState | Literal["gone"]]] = {
    ("waiting", "offer"): ("ring", "offered"),
    ("waiting", "hang-up"): ("abandon", "gone"),
    ("waiting", "exit"): ("leave", "gone"),
    ("waiting", "dismiss"): ("overflow", "gone"),
    ("waiting", "timeout"): ("overflow", "gone"),
    ("waiting", "announce"): ("announce", "waiting"),
    ("waiting", "prompt"): ("prompt", "waiting"),
    ("waiting", "relax"): ("take_anyone", "waiting"),
    ("offered", "offer"): ("ring_too", "offered"),
    ("offered", "picked-up"): ("keep_one", "connecting"),
    ("offered", "connected"): ("put_through", "served"),
    ("offered", "offer-lost"): ("drop_offer", "offered"),
    ("offered", "offers-lost"): ("wait_again", "waiting"),
    ("offered", "hang-up"): ("abandon", "gone"),
    ("offered", "exit"): ("leave", "gone"),
    ("offered", "dismiss"): ("overflow", "gone"),
    ("offered", "timeout"): ("overflow", "gone"),
    ("offered", "announce"): ("postpone", "offered"),
    ("offered", "prompt"): ("postpone", "offered"),
    ("offered", "relax"): ("take_anyone", "offered"),
    ("connecting", "connected"): ("put_through", "served"),
    ("connecting", "offers-lost"): ("wait_again", "waiting"),
    ("connecting", "hang-up"): ("abandon", "gone"),
    ("connecting", "announce"): ("postpone", "connecting"),
    ("connecting", "prompt"): ("postpone", "connecting"),
    ("connecting", "relax"): ("take_anyone", "connecting"),
    ("served", "hang-up"): ("end_service", "gone"),
    ("served", "call-ended"): ("end_service", "gone"),
}

# Why an input changes nothing in every state that has no cell for it.
CALLER_ABSENT: dict[CallerInput, str] = {
    "offer": "a caller who has been picked up, or is served, needs nobody more",
    "picked-up": "only an agent who rings for the caller can pick up",
    "connected": "only an agent who rings for the caller can be put through",
    "offer-lost": "a caller who is not offered, or was picked up, has no offer to lose but the last",
    "offers-lost": "a caller without offers has none to lose",
    "hang-up": "has a cell in every state",
    "call-ended": "only a conversation has an agent's side",
    "exit": "a digit belongs to the conversation once somebody has picked up",
    "dismiss": "who has been picked up is served, whatever happens to the queue",
    "timeout": "who has been picked up is served; if that fails, the time that is over is looked at again",
    "announce": "nobody is told of a wait that is over",
    "prompt": "nobody is told of a wait that is over",
    "relax": "the wait is over",
}

AgentInput = Literal[
    "log-in",
    "log-out",
    "pause",
    "unpause",
    "ready",  # the agent cuts wrap-up or rest short
    "offer",  # a caller was found
    "picked-up",
    "connected",
    "failed",  # no answer, declined, phone in use, not reachable
    "withdrawn",  # the caller went, or somebody else was quicker
    "reached",  # there is a phone to ring (again)
    "lost",  # there is none any more
    "call-began",  # a live call that no offer made
    "call-ended",  # one of the agent's live calls is over, served ones included
    "wrapped-up",  # the time for wrap-up is over
    "rested",  # the rest is over
]

AgentAction = Literal[
    "come_in", "go", "take_break", "come_back", "be_ready", "ring", "hold_offer", "serve", "lose_offer",
    "give_back", "be_reached", "be_lost", "begin_call", "end_call", "end_wrap_up", "end_rest",
]  # fmt: skip

# An agent's state is not kept: it follows from what is known (an offer, live calls, logged in, paused, what
# time runs; the first of these that applies), so it cannot stick. The table says what an input does to that.
# Of an agent who is busy, or has picked up, the rest stays true beneath: one may log out while talking.
AGENT: dict[tuple[AgentState, AgentInput], AgentAction] = {
    ("offline", "log-in"): "come_in",
    ("offline", "log-out"): "go",
    ("offline", "pause"): "take_break",
    ("offline", "unpause"): "come_back",
    ("offline", "ready"): "be_ready",
    ("offline", "reached"): "be_reached",
    ("offline", "lost"): "be_lost",
    ("offline", "wrapped-up"): "end_wrap_up",
    ("offline", "rested"): "end_rest",
    ("offline", "call-began"): "begin_call",
    ("offline", "call-ended"): "end_call",
    ("paused", "log-out"): "go",
    ("paused", "pause"): "take_break",
    ("paused", "unpause"): "come_back",
    ("paused", "lost"): "be_lost",
    ("paused", "call-began"): "begin_call",
    ("paused", "call-ended"): "end_call",
    ("paused", "wrapped-up"): "end_wrap_up",
    ("paused", "rested"): "end_rest",
    ("available", "log-out"): "go",
    ("available", "pause"): "take_break",
    ("available", "offer"): "ring",
    ("available", "lost"): "be_lost",
    ("available", "call-began"): "begin_call",
    ("available", "call-ended"): "end_call",
    ("offered", "log-in"): "come_in",
    ("offered", "log-out"): "go",
    ("offered", "pause"): "take_break",
    ("offered", "unpause"): "come_back",
    ("offered", "picked-up"): "hold_offer",
    ("offered", "connected"): "serve",
    ("offered", "failed"): "lose_offer",
    ("offered", "withdrawn"): "give_back",
    ("offered", "lost"): "be_lost",
    ("offered", "call-began"): "begin_call",
    ("offered", "reached"): "be_reached",
    ("offered", "call-ended"): "end_call",
    ("busy", "log-in"): "come_in",
    ("busy", "log-out"): "go",
    ("busy", "pause"): "take_break",
    ("busy", "unpause"): "come_back",
    ("busy", "ready"): "be_ready",
    ("busy", "lost"): "be_lost",
    ("busy", "call-began"): "begin_call",
    ("busy", "reached"): "be_reached",
    ("busy", "call-ended"): "end_call",
    ("busy", "wrapped-up"): "end_wrap_up",
    ("busy", "rested"): "end_rest",
    ("wrap-up", "log-out"): "go",
    ("wrap-up", "pause"): "take_break",
    ("wrap-up", "ready"): "be_ready",
    ("wrap-up", "lost"): "be_lost",
    ("wrap-up", "call-began"): "begin_call",
    ("wrap-up", "call-ended"): "end_call",
    ("wrap-up", "wrapped-up"): "end_wrap_up",
    ("wrap-up", "rested"): "end_rest",
    ("resting", "log-out"): "go",
    ("resting", "pause"): "take_break",
    ("resting", "ready"): "be_ready",
    ("resting", "lost"): "be_lost",
    ("resting", "call-began"): "begin_call",
    ("resting", "call-ended"): "end_call",
    ("resting", "rested"): "end_rest",
}

# Why an input changes nothing in every state that has no cell for it.
AGENT_ABSENT: dict[AgentInput, str] = {
    "log-in": "the agent is logged in",
    "log-out": "has a cell in every state",
    "pause": "has a cell in every state",
    "unpause": "only a break can end",
    "ready": "there is nothing to cut short",
    "offer": "only who is available is offered a caller",
    "picked-up": "nothing rings",
    "connected": "nothing rings",
    "failed": "nothing rings",
    "withdrawn": "nothing rings",
    "reached": "who is in this state has a phone to ring",
    "lost": "has a cell in every state",
    "call-began": "has a cell in every state",
    "call-ended": "has a cell in every state",
    "wrapped-up": "the time stopped with logging out, or the agent was not offered a caller while it ran",
    "rested": "the time stopped with logging out, or the agent was not offered a caller while it ran",
}
