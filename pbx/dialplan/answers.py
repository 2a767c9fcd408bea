"""Decisions that a web service gives as JSON, read into the values that handlers give.

One of: `{"continue": true}`, with `set` (variables) and `caller_name`; `{"dial": "user/1001"}` or a list,
with `ring` (seconds), `mode` and `on` (outcome → decision); `{"queue": NAME, "priority": 5}`;
`{"play": SOUND}`; `{"conference": ROOM}`; `{"redirect": URI}`; `{"goto": CHAIN}`; `{"reject": 486}`;
`{"hangup": true}`. Each may have a `reason`. What comes out is checked as a plugin's decision is before
anything acts on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import (
    Conference,
    Continue,
    Decision,
    Dial,
    Goto,
    Hangup,
    Play,
    Queue,
    Redirect,
    Reject,
)
from pbx.dialplan.placeholders import BUILT_IN, NAME
from pbx.documents import nearest, shown

MAX_DEPTH = 8
MAX_VARIABLES = 50

_Reader = Callable[[Any, Mapping[str, Any], Call, int], Decision]


def decision_from(answer: object, call: Call, depth: int = MAX_DEPTH) -> Decision:
    """The decision about `call` in `answer`; raises ValueError that says what was expected."""
    if not depth:
        raise ValueError(f"its answer is nested more than {MAX_DEPTH} deep")
    if not isinstance(answer, Mapping):
        raise ValueError('its answer is no object, expected one such as {"dial": "user/1001"}')
    kinds = [kind for kind in _READERS if kind in answer]
    if len(kinds) != 1:
        found = " and ".join(kinds) or ", ".join(shown(str(key)) for key in list(answer)[:5]) or "nothing"
        guesses = [guess for key in answer if (guess := nearest(str(key), _READERS))]
        hint = f" (did you mean {guesses[0]}?)" if guesses and not kinds else ""
        raise ValueError(f"its answer has {found}, expected one of {', '.join(_READERS)}{hint}")
    reader, allowed = _READERS[kinds[0]]
    strangers = [key for key in answer if key not in (kinds[0], "reason", *allowed)]
    if strangers:
        raise ValueError(f"its answer has {shown(str(strangers[0]))}, which {kinds[0]} does not take")
    decision = reader(answer[kinds[0]], answer, call, depth)
    reason = answer.get("reason", "")
    if not isinstance(reason, str):
        raise ValueError("its reason is no text")
    return replace(decision, reason=" ".join(reason.split())[:200]) if reason else decision


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"its {what} is {shown(str(value))}, expected a text")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(_text(each, what) for each in values)


def _number(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"its {what} is {shown(str(value))}, expected a number")
    return float(value)


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"its {what} is {shown(str(value))}, expected a whole number")
    return value


def _true(value: Any, what: str) -> None:
    if value is not True and value != {}:
        raise ValueError(f"its {what} is {shown(str(value))}, expected true")


def _continue(value: Any, answer: Mapping[str, Any], call: Call, _depth: int) -> Decision:
    _true(value, "continue")
    variables = answer.get("set", {})
    if not isinstance(variables, Mapping) or len(variables) > MAX_VARIABLES:
        raise ValueError(f"its set is no object of at most {MAX_VARIABLES} texts")
    for name, text in variables.items():
        if not isinstance(text, str) or not NAME.fullmatch(str(name)) or name in BUILT_IN:
            raise ValueError(f"it sets {shown(str(name))}, expected names of variables with texts")
    changed = call.naming(variables) if variables else call
    if "caller_name" in answer:
        caller = replace(call.caller, name=_text(answer["caller_name"], "caller_name"))
        changed = changed.changed(caller=caller)
    return Continue("", changed) if changed is not call else Continue()


def _dial(value: Any, answer: Mapping[str, Any], call: Call, depth: int) -> Decision:
    on = answer.get("on", {})
    if not isinstance(on, Mapping):
        raise ValueError("its on is no object of outcomes")
    follows: dict[Any, Decision] = {
        outcome: decision_from(each, call, depth - 1) for outcome, each in on.items()
    }
    mode = answer.get("mode", "parallel")
    return Dial(list(_texts(value, "dial")), ring=_number(answer.get("ring"), "ring"), mode=mode, on=follows)


def _queue(value: Any, answer: Mapping[str, Any], _call: Call, _depth: int) -> Decision:
    return Queue(_text(value, "queue"), priority=_whole(answer.get("priority", 0), "priority"))


def _play(value: Any, answer: Mapping[str, Any], _call: Call, _depth: int) -> Decision:
    return Play(_texts(value, "play"), answer.get("early", False) is True)


def _reject(value: Any, _answer: Mapping[str, Any], _call: Call, _depth: int) -> Decision:
    return Reject(_whole(value, "reject"))


def _redirect(value: Any, _answer: Mapping[str, Any], _call: Call, _depth: int) -> Decision:
    return Redirect(_texts(value, "redirect"))


def _conference(value: Any, _answer: Mapping[str, Any], _call: Call, _depth: int) -> Decision:
    return Conference(_text(value, "conference"))


def _goto(value: Any, _answer: Mapping[str, Any], call: Call, _depth: int) -> Decision:
    return Goto(_text(value, "goto"), "", call)


def _hangup(value: Any, _answer: Mapping[str, Any], _call: Call, _depth: int) -> Decision:
    _true(value, "hangup")
    return Hangup()


_READERS: dict[str, tuple[_Reader, tuple[str, ...]]] = {
    "continue": (_continue, ("set", "caller_name")),
    "dial": (_dial, ("ring", "mode", "on")),
    "queue": (_queue, ("priority",)),
    "play": (_play, ("early",)),
    "conference": (_conference, ()),
    "redirect": (_redirect, ()),
    "goto": (_goto, ()),
    "reject": (_reject, ()),
    "hangup": (_hangup, ()),
}
