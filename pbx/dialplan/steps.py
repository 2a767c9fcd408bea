"""One step of a chain, or one ending of a rule, from the file to a handler."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from pbx.dialplan.decisions import Outcome, Rule
from pbx.dialplan.handler import Ending, Handler
from pbx.dialplan.handlers import NOT_YET, registry
from pbx.dialplan.scope import Scope
from pbx.documents import nearest, shown
from pbx.documents.shapes import explained, known_keys, listed, unknown_key
from pbx.errors import Problem


def compile_step(
    scope: Scope,
    step: Any,
    *,
    endings: bool = False,
    also: Collection[str] = (),
    rule: Rule | None = None,
    why: str = "",
) -> Handler | None:
    """The handler that `step`, which stands at `scope`, describes; None after reporting problems.

    With `endings`, only handlers that always decide are accepted. `also` are keys beside the handler's name
    that somebody else reads.
    """
    if isinstance(step, str):
        step = {step: None}
    if not isinstance(step, dict) or not step:
        wanted = "an ending" if endings else "a handler"
        scope.problem(f"expected {wanted}, for example: {'{reject: 403}' if endings else 'reject: 403'}")
        return None
    name = _handler_name(scope, step, endings, also)
    if name is None:
        return None
    kind = _handlers(scope)[name]
    beside = [key for key in step if key != name and key not in also]
    values, shorthand = _options(scope, kind, step[name], {key: step[key] for key in beside})
    if values is None:
        return None
    inner = scope.options(name, shorthand, beside)
    try:
        options = kind.Options.model_validate(values)
    except ValidationError as error:
        scope.build.problems.extend(_problems(error, kind, inner, also if beside else ()))
        return None
    handler = kind(options)
    if isinstance(handler, Ending) and why:
        handler.rule, handler.why = rule, why
    before = len(scope.build.problems)
    handler.bind(inner)
    return handler if len(scope.build.problems) == before else None


def compile_endings(
    steps: Mapping[Any, Any], scope: Scope, *location: str, why: str = "", rule: Rule | None = None
) -> dict[Outcome, Ending]:
    """What follows outcomes, which stand at `location`; what is wrong is reported and left out."""
    found: dict[Outcome, Ending] = {}
    for outcome, step in steps.items():
        words = f"{why}, on {outcome}"
        ending = compile_step(scope.at(*location, outcome), step, endings=True, rule=rule, why=words)
        if isinstance(ending, Ending):
            found[outcome] = ending
    return found


def _handlers(scope: Scope) -> Mapping[str, type[Handler]]:
    """The handlers there are: the built-in ones and the plugins."""
    plugins = scope.build.known.plugins
    return registry() if plugins is None else plugins.handlers


def ending_names() -> list[str]:
    """The handlers that may end a rule."""
    return [name for name, kind in registry().items() if issubclass(kind, Ending)]


def _handler_name(scope: Scope, step: Mapping[str, Any], endings: bool, also: Collection[str]) -> str | None:
    known = _handlers(scope)
    names = [key for key in step if (key in known or key in NOT_YET) and key not in also]
    if len(names) > 1:
        owners = [name for name in names if name in known and _owns(known[name], names)]
        if len(owners) != 1:
            place = scope.key_place(names[1])
            message = f"found both {names[0]} and {names[1]}, expected one"
            scope.build.problems.append(Problem(place, message))
            return None
        names = owners
    if not names:
        _report_no_handler(scope, step, endings, also)
        return None
    name = names[0]
    place = scope.key_place(name)
    if name not in known:
        message = f"{name} is not available yet, expected one of {_listing(scope, endings)}"
        scope.build.problems.append(Problem(place, message))
        return None
    if endings and not issubclass(known[name], Ending):
        message = f"{name} does not end a call, expected one of {_listing(scope, endings)}"
        scope.build.problems.append(Problem(place, message))
        return None
    return name


def _owns(kind: type[Handler], names: Collection[str]) -> bool:
    fields = kind.Options.model_fields
    return all(name == kind.name or name in fields for name in names)


def _report_no_handler(scope: Scope, step: Mapping[str, Any], endings: bool, also: Collection[str]) -> None:
    strangers = [key for key in step if key not in also]
    if not strangers:
        message = f"nothing says what to do with the call, expected one of {_listing(scope, endings)}"
        scope.problem(message)
        return
    candidates = ending_names() if endings else list(_handlers(scope))
    best = max(strangers, key=lambda key: bool(nearest(key, candidates)))
    noun = "ending" if endings else "handler"
    suggestion = nearest(best, [*candidates, *(also if endings else ())])
    expected = "" if suggestion else f", expected one of {_listing(scope, endings)}"
    message = f"found {shown(best)}, which is no {noun}{expected}"
    scope.build.problems.append(Problem(scope.key_place(best), message, suggestion))


def _listing(scope: Scope, endings: bool) -> str:
    return ", ".join(sorted(ending_names() if endings else _handlers(scope)))


def _options(
    scope: Scope, kind: type[Handler], value: Any, beside: dict[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """The handler's options as one mapping, and the option that its bare value stood for."""
    if value is None:
        return beside, ""
    if isinstance(value, dict):
        twice = [key for key in beside if key in value]
        if twice:
            message = f"{twice[0]} is said twice, beside {kind.name} and inside it"
            scope.build.problems.append(Problem(scope.key_place(twice[0]), message))
            return None, ""
        return {**value, **beside}, ""
    shorthand = kind.Options.shorthand
    if not shorthand:
        message = f"{kind.name} takes a mapping of options, or nothing"
        scope.problem(message, kind.name)
        return None, ""
    if shorthand in beside:
        message = f"{shorthand} is said twice, as the value of {kind.name} and beside it"
        scope.build.problems.append(Problem(scope.key_place(shorthand), message))
        return None, ""
    return {shorthand: value, **beside}, shorthand


def _problems(
    error: ValidationError, kind: type[Handler], scope: Scope, also: Collection[str]
) -> list[Problem]:
    problems = []
    for details in listed(error):
        location = details["loc"]
        if details["type"] == "extra_forbidden":
            keys = known_keys(kind.Options, location[:-1])
            if len(location) == 1:
                keys |= set(also)
            message, suggestion = unknown_key(str(location[-1]), keys)
            problems.append(Problem(scope.key_place(*location), message, suggestion))
            continue
        message, suggestion = explained(details)
        if details["type"] == "missing":
            if len(location) == 1:
                message = f"{kind.name} needs the option {location[0]}"
            place = scope.key_place(*location[:-1])
        elif location and location[-1] == "[key]":
            place = scope.key_place(*location[:-1])
        else:
            place = scope.place(*location)
        problems.append(Problem(place, message, suggestion))
    return problems
