"""What a plugin gave, checked before anything acts on it: a wrong decision costs its own call only."""

from collections.abc import Collection, Mapping
from math import isfinite
from typing import assert_never, get_args

from pbx.dialplan.call import Call, Caller, CallerId
from pbx.dialplan.decisions import (
    DECISIONS,
    OUTCOMES,
    Answer,
    Conference,
    Continue,
    Decision,
    Defer,
    Dial,
    Echo,
    Goto,
    Hangup,
    Include,
    Menu,
    Mode,
    Outcome,
    Play,
    Queue,
    Redirect,
    Reject,
    Talk,
    Voicemail,
)
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.targets import Target, TrunkTarget, UriTarget, UserTarget, is_sip_uri
from pbx.documents import nearest, shown

MAX_TARGETS = 100
MAX_CONTACTS = 20
MAX_SOUNDS = 50
MAX_CHOICES = 200
MAX_COMPLETE = 20_000
MAX_DEPTH = 8
LONGEST_DEFER_S = 300.0

# Plugins of this interface may name every outcome there is; one that never comes is never followed.
_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_MODES: tuple[Mode, ...] = get_args(Mode)
_TEXT = 256
_LONGEST_RING_S = 24 * 3600.0


Names = Collection[str] | None
"""The names there are; None when nobody knows."""


class WrongDecision(ValueError):
    """Says what is wrong with a decision."""


def checked(given: object, call: Call, known: KnownNames, chains: Names) -> Decision:
    """`given` as a decision about `call` that can be carried out; raises WrongDecision."""
    return _checked(given, call, known, chains, MAX_DEPTH)


def _checked(given: object, call: Call, known: KnownNames, chains: Names, depth: int) -> Decision:
    # A subclass could say anything about itself, and nothing that acts on decisions looks for one.
    if not isinstance(given, DECISIONS) or type(given) not in DECISIONS:
        kind = "nothing" if given is None else f"a value of type {type(given).__name__}"
        raise WrongDecision(f"it gave {kind}, expected a decision such as Continue() or Reject(486)")
    if not depth:
        raise WrongDecision(f"its decisions are nested more than {MAX_DEPTH} deep")
    if not isinstance(given.reason, str):
        raise WrongDecision(f"its reason is {_kind(given.reason)}, expected text")
    match given:
        case Continue():
            _check_call(given.call, call)
        case Goto() | Include():
            _check_name(given.chain, chains, "chain")
            _check_call(given.call, call)
        case Dial():
            _check_dial(given, known)
            _check_on(given.on, call, known, chains, depth)
        case Queue():
            _check_text(given.name, "the name of its queue")
            _check_whole(given.priority, -100, 100, "its priority")
            _check_on(given.on, call, known, chains, depth)
        case Play():
            _check_sounds(given.sounds, known, "its sounds")
            _check_whole(given.times, 1, 100, "its times")
        case Menu():
            _check_menu(given, call, known, chains, depth)
        case Voicemail():
            _check_text(given.mailbox, "its mailbox")
        case Conference():
            _check_text(given.room, "its room")
            _check_sounds(given.announce, known, "its announcement", empty=True)
        case Redirect():
            _check_redirect(given)
        case Reject():
            _check_reject(given)
        case Defer():
            _check_seconds(given.deadline, LONGEST_DEFER_S, "its deadline")
            _checked(given.otherwise, call, known, chains, depth - 1)
        case Answer() | Echo() | Talk() | Hangup():
            pass
        case _:
            assert_never(given)
    return given


def _kind(value: object) -> str:
    return "nothing" if value is None else f"of type {type(value).__name__}"


def _check_text(value: object, what: str, *, empty: bool = False) -> None:
    if not isinstance(value, str):
        raise WrongDecision(f"{what} is {_kind(value)}, expected text")
    if not value and not empty:
        raise WrongDecision(f"{what} is empty")
    if len(value) > _TEXT or not value.isprintable():
        raise WrongDecision(f"{what} is {shown(value)}, expected at most {_TEXT} printable characters")


def _check_name(value: object, known: Names, kind: str) -> None:
    _check_text(value, f"the name of its {kind}")
    if known is not None and value not in known:
        guess = nearest(str(value), sorted(known))
        hint = f" (did you mean {guess}?)" if guess else ""
        raise WrongDecision(f"there is no {kind} {shown(str(value))}{hint}")


def _check_seconds(value: object, most: float, what: str) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WrongDecision(f"{what} is {_kind(value)}, expected seconds")
    if not isfinite(value) or not 0 < value <= most:
        raise WrongDecision(f"{what} is {value} s, expected more than 0 and at most {most:g}")


def _check_whole(value: object, least: int, most: int, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        found = value if isinstance(value, int) else _kind(value)
        raise WrongDecision(f"{what} is {found}, expected a whole number from {least} to {most}")


def _check_call(changed: object, call: Call) -> None:
    """A plugin may change what is dialled, presented and remembered, never who somebody is."""
    if changed is None or changed is call:
        return
    if not isinstance(changed, Call):
        raise WrongDecision(f"its call is {_kind(changed)}, expected a Call")
    for name in ("id", "source", "user", "trunk", "at"):
        if getattr(changed, name) != getattr(call, name):
            raise WrongDecision(f"its call has another {name}, which nothing may change")
    caller = changed.caller
    if not isinstance(caller, Caller):
        raise WrongDecision(f"the caller of its call is {_kind(caller)}, expected a Caller")
    if caller.user != call.caller.user:
        raise WrongDecision("its call has another user as caller, which nothing may change")
    _check_text(caller.number, "the caller's number", empty=True)
    _check_text(caller.name, "the caller's name", empty=True)
    _check_text(changed.called, "the number called")
    if (changed.sent_headers, changed.record) != (call.sent_headers, call.record):
        raise WrongDecision(
            "its call has other headers to send or another recording, which set and record do"
        )
    shown_ = changed.shown
    if shown_ is not None:
        if not isinstance(shown_, CallerId):
            raise WrongDecision(f"its caller id is {_kind(shown_)}, expected a CallerId")
        _check_text(shown_.number, "the number of its caller id", empty=True)
        _check_text(shown_.name, "the name of its caller id", empty=True)
    if changed.headers is not call.headers and changed.headers != call.headers:
        raise WrongDecision("its call has other headers, which nothing may change")
    if not isinstance(changed.variables, Mapping):
        raise WrongDecision(f"the variables of its call are {_kind(changed.variables)}, expected a mapping")
    for name, value in changed.variables.items():
        _check_text(name, "the name of a variable")
        _check_text(value, f"the variable {name}", empty=True)


def _check_dial(dial: Dial, known: KnownNames) -> None:
    targets: object = dial.targets
    if not isinstance(targets, tuple) or not 0 < len(targets) <= MAX_TARGETS:
        raise WrongDecision(f"it dials no targets or too many, expected 1 to {MAX_TARGETS}")
    for target in targets:
        _check_target(target, known)
    if dial.ring is not None:
        _check_seconds(dial.ring, _LONGEST_RING_S, "its ring time")
    if dial.mode not in _MODES:
        raise WrongDecision(f"its mode is {shown(str(dial.mode))}, expected {' or '.join(_MODES)}")
    if len(dial.rings) > len(targets):
        raise WrongDecision("it has more ring times than targets")
    for ring in dial.rings:
        if ring is not None:
            _check_seconds(ring, _LONGEST_RING_S, "a ring time")
    for each in dial.stop:
        if each not in OUTCOMES and not (isinstance(each, int) and 300 <= each <= 699):
            raise WrongDecision(f"it stops at {shown(str(each))}, expected final codes or outcomes")


def _check_sounds(sounds: object, known: KnownNames, what: str, *, empty: bool = False) -> None:
    if not isinstance(sounds, tuple) or len(sounds) > MAX_SOUNDS or (not sounds and not empty):
        raise WrongDecision(f"{what} are none or too many, expected 1 to {MAX_SOUNDS}")
    for sound in sounds:
        _check_name(sound, known.sounds, "sound")


def _check_menu(menu: Menu, call: Call, known: KnownNames, chains: Names, depth: int) -> None:
    _check_text(menu.name, "its name")
    _check_sounds(menu.prompt, known, "its prompt", empty=True)
    _check_whole(menu.max_digits, 1, 64, "its max_digits")
    _check_whole(menu.attempt, 1, 100, "its attempt")
    _check_seconds(menu.first_s, 300.0, "its time for the first digit")
    _check_seconds(menu.between_s, 60.0, "its time between digits")
    terminator: object = menu.terminator
    if not isinstance(terminator, str) or terminator not in ("", *"0123456789*#"):
        raise WrongDecision("its terminator is no key of a telephone")
    complete: object = menu.complete
    if not isinstance(complete, frozenset) or len(complete) > MAX_COMPLETE:
        raise WrongDecision(f"its complete strings are {_kind(menu.complete)}, or too many")
    choices: object = menu.choices
    if not isinstance(choices, Mapping) or len(choices) > MAX_CHOICES:
        raise WrongDecision(f"its choices are {_kind(menu.choices)}, or too many")
    for text, decision in menu.choices.items():
        _check_text(text, "a choice")
        if isinstance(decision, Defer | Talk):
            raise WrongDecision(f"{type(decision).__name__} cannot follow a choice")
        _checked(decision, call, known, chains, depth - 1)


def _check_target(target: Target, known: KnownNames) -> None:
    match target:
        case UserTarget(user):
            if user != "":
                _check_name(user, known.users, "user")
        case TrunkTarget(trunk, number):
            _check_name(trunk, known.trunks, "trunk")
            _check_text(number, "the number for its trunk", empty=True)
        case UriTarget(uri):
            _check_uri(uri)
        case _:
            raise WrongDecision(f"a target is {_kind(target)}, expected text such as user/1001")


def _check_uri(uri: object) -> None:
    _check_text(uri, "a URI")
    if not is_sip_uri(str(uri)):
        raise WrongDecision(f"found {shown(str(uri))}, expected a SIP URI such as sip:alice@example.com")


def _check_on(on: object, call: Call, known: KnownNames, chains: Names, depth: int) -> None:
    if not isinstance(on, Mapping):
        raise WrongDecision(f"its outcomes are {_kind(on)}, expected a mapping")
    for outcome, decision in on.items():
        if outcome not in _OUTCOMES:
            raise WrongDecision(f"found the outcome {shown(str(outcome))}, expected {', '.join(_OUTCOMES)}")
        if isinstance(decision, Continue | Defer | Talk):
            raise WrongDecision(f"{type(decision).__name__} cannot follow an outcome")
        _checked(decision, call, known, chains, depth - 1)


def _check_redirect(redirect: Redirect) -> None:
    contacts: object = redirect.contacts
    if not isinstance(contacts, tuple) or not 0 < len(contacts) <= MAX_CONTACTS:
        raise WrongDecision(f"its contacts are {_kind(contacts)}, expected a tuple of 1 to {MAX_CONTACTS}")
    for contact in contacts:
        _check_uri(contact)
    _check_whole(redirect.code, 300, 399, "its code")


def _check_reject(reject: Reject) -> None:
    _check_whole(reject.code, 400, 699, "its code")
    _check_text(reject.phrase, "its phrase", empty=True)
    if reject.retry_after is not None:
        _check_whole(reject.retry_after, 0, 86400, "its retry_after")
