"""`routing: [rules]`: the first rule that fits the number called, the caller and the rest decides."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Continue, Decision, Rule
from pbx.dialplan.handler import Ending, Handler
from pbx.dialplan.handlers.conditions import Conditions, compile_conditions
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.patterns import Pattern, Test
from pbx.dialplan.rule_index import MIN_RULES, RuleIndex
from pbx.dialplan.scope import Scope
from pbx.dialplan.steps import compile_step, ending_names
from pbx.documents import Shape, Text, Whole, shown, validate

Hold = Callable[[Call], bool]

_WHEN = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "additionalProperties": {"enum": ["open", "closed", "holiday"]}},
    ]
}
_NO_RULE = Continue("no rule fits")


class RuleShape(Shape):
    """When a rule fits, and how it rewrites the number; what it does stands beside it, as an ending."""

    to: OneOrMany | None = Field(
        None,
        description="Patterns for the number called: X 0-9, Z 1-9, N 2-9, . one or more of anything, "
        "* at the end anything at all; /a regular expression/; or a name.",
    )
    from_: OneOrMany | None = Field(None, alias="from", description="Patterns for the caller's number.")
    source: OneOrMany | None = Field(
        None, description="Where the call comes from: users, anyone, trunk or trunk/NAME."
    )
    header: dict[str, OneOrMany] = Field(
        default_factory=dict, description="Patterns for headers of the INVITE, by name."
    )
    when: Annotated[Any, WithJsonSchema(_WHEN)] = Field(
        None, description="A calendar in which somebody is there, or {office: closed}, {office: holiday}."
    )
    at: OneOrMany | None = Field(
        None, description='Days and hours by the clock on the wall: "mon-fri 09:00-17:00", "22:00-02:00".'
    )
    e164: Text | None = Field(
        None,
        description="The country in whose way the number is written; it becomes +… after strip and prefix.",
    )
    strip: Whole = Field(
        0, ge=0, le=64, description="How many characters to take off the front of the number."
    )
    prefix: Text = Field("", max_length=64, description="What to put before the number, after strip.")
    about: Text = Field("", max_length=200, description="What the rule is for, in a few words.")


_CONDITIONS = frozenset(field.alias or name for name, field in RuleShape.model_fields.items())


@dataclass(slots=True)
class CompiledRule:
    """A rule as it decides; without patterns, `to` and `from_` take every number."""

    to: tuple[Pattern, ...]
    from_: tuple[Pattern, ...]
    ending: Ending
    rule: Rule
    strip: int
    prefix: str
    captures: tuple[tuple[bool, Pattern], ...]
    conditions: Conditions | None = None
    country: str = ""

    @property
    def changes(self) -> bool:
        """Whether the rule's ending sees another call than came."""
        return bool(self.strip or self.prefix or self.captures or self.country)

    def changed(self, call: Call) -> Call:
        """The call as the rule's ending sees it: rewritten, with the groups of its expression."""
        for called, pattern in self.captures:
            text = call.called if called else call.caller.number
            if pattern.groups is not None and pattern.test(text):
                groups = pattern.groups(text)
                call = call.naming({str(number): group for number, group in enumerate(groups, 1)})
                break
        number = self.prefix + call.called[self.strip :]
        return call.dialling(international(number, self.country) if self.country else number)


@dataclass(frozen=True, slots=True)
class Extension:
    """A rule that says what it is for."""

    patterns: tuple[str, ...]
    about: str


class RoutingHandler(Handler):
    """Ordered rules; the first that fits decides, and when none does the next handler is asked."""

    name = "routing"

    class Options(Handler.Options):
        """The rules."""

        shorthand: ClassVar[str] = "rules"

        rules: list[Annotated[Any, WithJsonSchema({"$comment": "rule"})]] = Field(
            min_length=1, description="Rules in order: conditions, rewriting, and one ending each."
        )

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile the rules."""
        self._rules: list[tuple[Test | None, Test | None, Ending, CompiledRule | None, Hold | None]] = []
        self.rules: list[CompiledRule] = []
        self.extensions: list[Extension] = []
        for index, value in enumerate(self.options.rules):
            if scope.build.full:
                break
            rule = self._compile(value, index, scope)
            if rule is not None:
                self.rules.append(rule)
                changing = rule if rule.changes else None
                hold = None if rule.conditions is None else rule.conditions.hold
                self._rules.append((_test(rule.to), _test(rule.from_), rule.ending, changing, hold))
        self.reads_clock = any(rule.conditions is not None and rule.conditions.timed for rule in self.rules)
        self._index = RuleIndex([rule.to for rule in self.rules]) if len(self.rules) >= MIN_RULES else None

    def branches(self) -> tuple[tuple[str, Rule], ...]:
        """The rules."""
        return tuple((each.ending.why, each.rule) for each in self.rules)

    def endings(self) -> Iterable[Ending]:
        """What the rules come to."""
        return [rule.ending for rule in self.rules]

    def decide(self, call: Call) -> Decision:
        """Carry out the first rule that fits."""
        called, number = call.called, call.caller.number
        rules = self._rules
        if self._index is not None:
            rules = [rules[each] for each in self._index.candidates(called)]
        for to, from_, ending, rewriting, hold in rules:
            if (
                (to is None or to(called))
                and (from_ is None or from_(number))
                and (hold is None or hold(call))
            ):
                return ending.decide(call if rewriting is None else rewriting.changed(call))
        return _NO_RULE

    def _compile(self, value: Any, index: int, scope: Scope) -> CompiledRule | None:
        here = scope.at("rules", index)
        if not isinstance(value, dict):
            listing = ", ".join(ending_names())
            here.problem(f"expected a rule: a mapping with to or from, and one of {listing}")
            return None
        conditions = {key: each for key, each in value.items() if key in _CONDITIONS}
        build = scope.build
        shape = validate(RuleShape, conditions, build.document, build.problems, here.full(()))
        if shape is None:
            return None
        to = _patterns(shape.to, "to", here)
        from_ = _patterns(shape.from_, "from", here)
        captures = tuple(
            (called, pattern)
            for called, patterns in ((True, to), (False, from_))
            for pattern in patterns
            if pattern.group_count
        )
        groups = max((pattern.group_count for _, pattern in captures), default=0)
        others = compile_conditions(here, shape.source, shape.header, shape.when, shape.at)
        country = ""
        if shape.e164 is not None:
            country = _country(shape.e164, here)
        rule = Rule(index + 1, here.place())
        why = _why(index + 1, shape, others)
        inner = scope.at("rules", index, groups=groups)
        ending = compile_step(inner, value, endings=True, also=_CONDITIONS, rule=rule, why=why)
        if shape.about:
            self.extensions.append(Extension(shape.to or ("*",), shape.about))
        if not isinstance(ending, Ending):
            return None
        return CompiledRule(
            tuple(to), tuple(from_), ending, rule, shape.strip, shape.prefix, captures, others, country
        )


def _patterns(texts: tuple[str, ...] | None, key: str, scope: Scope) -> list[Pattern]:
    found = (scope.pattern(text, key, index) for index, text in enumerate(texts or ()))
    return [pattern for pattern in found if pattern is not None]


def _test(patterns: Sequence[Pattern]) -> Test | None:
    """One test for several patterns, of which one has to match; None when there is no condition."""
    if not patterns:
        return None
    if len(patterns) == 1:
        return patterns[0].test
    if all(pattern.kind == "exact" for pattern in patterns):
        return frozenset(pattern.text for pattern in patterns).__contains__
    tests = [pattern.test for pattern in patterns]
    return lambda text: any(test(text) for test in tests)


def _why(number: int, shape: RuleShape, others: Conditions | None) -> str:
    conditions = [
        f"{key} {' or '.join(patterns)}"
        for key, patterns in (("to", shape.to), ("from", shape.from_))
        if patterns is not None
    ]
    if others is not None:
        conditions.extend(others.words)
    return f"rule {number}, {', '.join(conditions) or 'any call'}"


def _country(text: str, scope: Scope) -> str:
    import phonenumbers

    if text in phonenumbers.SUPPORTED_REGIONS:
        return text
    guess = text.upper() if text.upper() in phonenumbers.SUPPORTED_REGIONS else ""
    message = f"found {shown(text)}, expected the two letters of a country such as NL"
    scope.problem(message, "e164", suggestion=guess)
    return ""


@lru_cache(maxsize=4096)
def international(number: str, country: str) -> str:
    """`number` as it is dialled in `country`, in international form; as it is when it is no such number."""
    import phonenumbers

    try:
        found = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_possible_number(found):
        return number
    return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164))
