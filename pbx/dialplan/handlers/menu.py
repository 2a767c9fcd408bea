"""`menu: {prompt: welcome, choices: {"1": {dial: user/1001}}}`: let the caller choose by digits."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Continue, Decision, Menu, Rule
from pbx.dialplan.handler import Ending
from pbx.dialplan.languages import Element, Language
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.scope import Build, Scope
from pbx.dialplan.steps import compile_step
from pbx.documents import Duration, Flag, Text, Whole, shown

_Ending = Annotated[Any, WithJsonSchema({"$comment": "ending"})]
_KEYS = "0123456789*#"
_CHOICE = re.compile(r"[0-9*#XZN]*[0-9*#XZN.]")
_CLASSES = {"X": "0123456789", "Z": "123456789", "N": "23456789"}
_SAMPLES = {"X": "5", "Z": "5", "N": "5", ".": "5"}
_WILD = re.compile(r"[XZN.]")
_LONGEST = 20
# With more strings to look at than this, the caller's pause ends the input instead.
_MAX_STRINGS = 20_000


@dataclass(frozen=True, slots=True)
class Choice:
    """What follows some digits; with `wild` the call goes on as one to them."""

    text: str
    language: Language
    ending: Ending
    rule: Rule

    @property
    def sample(self) -> str:
        """Digits that are this choice."""
        return "".join(_SAMPLES.get(each, each) for each in self.text)

    @property
    def wild(self) -> bool:
        """Whether the digits are an extension and not a key of the menu."""
        return _WILD.search(self.text) is not None


class MenuHandler(Ending):
    """Play a prompt and wait for digits; without a valid choice the next handler is asked in the end."""

    name = "menu"
    ends: ClassVar[bool] = False

    class Options(Ending.Options):
        """What is played, what may be chosen, and how long the caller has."""

        shorthand: ClassVar[str] = ""

        name: Text = Field("", description="What tests and reports call the menu; the chain when left out.")
        prompt: OneOrMany = Field(description="The sound, or several, that say what may be chosen.")
        choices: dict[str, _Ending] = Field(
            min_length=1,
            description="What follows which digits, the first that fits: 1, 12, * and # as they are; X is "
            "0-9, Z 1-9, N 2-9, a . at the end one or more of any. With those the call goes on as one to the "
            'digits: {"1XXX": {dial: user}}.',
        )
        timeout: _Ending = Field(None, description="What follows when no digits came in time.")
        invalid: _Ending = Field(None, description="What follows when the digits are no choice.")
        retries: Whole = Field(
            2, ge=0, le=20, description="How often the caller is asked again before timeout or invalid."
        )
        invalid_prompt: OneOrMany | None = Field(
            None, description="What is played first after a wrong choice."
        )
        timeout_prompt: OneOrMany | None = Field(None, description="What is played first after no choice.")
        first: Duration = Field(
            5.0, gt=0, le=300, description="How long after the prompt the first digit may take."
        )
        between: Duration = Field(
            3.0, gt=0, le=60, description="How long each digit after the first may take."
        )
        terminator: Text | None = Field(
            None, description="The key that ends the input: # unless a choice has it, and none when empty."
        )
        barge: Flag = Field(True, description="Whether a digit ends the prompt.")

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile the choices, and find out after which digits nothing can follow."""
        options = self.options
        self._name = options.name or scope.chain
        for key in ("prompt", "invalid_prompt", "timeout_prompt"):
            for index, sound in enumerate(getattr(options, key) or ()):
                scope.check_sound(sound, key, index)
        self.choices: list[Choice] = []
        for number, (text, step) in enumerate(options.choices.items(), 1):
            self._bind_choice(text, step, number, scope)
        self._endings: dict[str, Ending] = {}
        for number, key in enumerate(("timeout", "invalid"), len(options.choices) + 1):
            if key in options.model_fields_set:
                ending = self._ending(getattr(options, key), scope, number, key)
                if ending is not None:
                    self._endings[key] = ending
        self._bind_terminator(scope)
        place = scope.place()
        self._key = str(place)
        scope.build.menus[self._key] = self
        self._menu = self._compiled(scope.build)

    def decide(self, call: Call) -> Decision:  # noqa: ARG002  # the prompt is the same for every call
        """Ask the caller."""
        return self._menu

    def saw(self, call: Call) -> str:
        """Who is asked."""
        return f"from {call.caller.number}, the first time"

    def branches(self) -> tuple[tuple[str, Rule], ...]:
        """The choices, and what follows when there is none."""
        found = [(each.ending.why, each.rule) for each in self.choices]
        return (
            *found,
            *((each.why, each.rule) for each in self._endings.values() if each.rule is not None),
        )

    def endings(self) -> Iterable[Ending]:
        """What may follow."""
        return (*(each.ending for each in self.choices), *self._endings.values())

    def settles(self) -> bool:
        """See Ending: when what follows no choice is said too."""
        said = {"timeout", "invalid"} <= self._endings.keys()
        return said and all(each.settles() for each in self.endings())

    def choose(self, call: Call, digits: str, menu: Menu) -> tuple[Decision, Call]:
        """What follows `digits` ("" when none came) that `menu` asked for, and the call it is about."""
        for choice in self.choices:
            if digits and choice.language.matches(digits):
                call = call.naming({"digits": digits})
                call = call.dialling(digits) if choice.wild else call
                return choice.ending.decide(call), call
        what = "invalid" if digits else "timeout"
        if menu.attempt <= self.options.retries:
            first = self.options.invalid_prompt if digits else self.options.timeout_prompt
            reason = f"{what}, asked again ({menu.attempt} of {self.options.retries})"
            again = replace(self._menu, prompt=(*(first or ()), *self._menu.prompt), reason=reason)
            return replace(again, attempt=menu.attempt + 1), call
        ending = self._endings.get(what)
        if ending is None:
            return Continue(f"{what}, and the menu does not say what follows"), call
        return ending.decide(call), call

    def _bind_choice(self, text: str, step: Any, number: int, scope: Scope) -> None:
        if not _CHOICE.fullmatch(text) or len(text) > _LONGEST:
            place = scope.key_place("choices", text)
            message = f"found the choice {shown(text)}, expected digits, *, #, X, Z, N, and . at the end only"
            scope.report(place, message)
            return
        ending = self._ending(step, scope, number, "choices", text)
        if ending is not None and ending.rule is not None:
            self.choices.append(Choice(text, _language(text), ending, ending.rule))

    def _ending(self, step: Any, scope: Scope, number: int, *location: str) -> Ending | None:
        rule = Rule(number, scope.key_place(*location))
        why = f"menu {self._name}, {location[-1]}"
        ending = compile_step(scope.at(*location), step, endings=True, rule=rule, why=why)
        return ending if isinstance(ending, Ending) else None

    def _bind_terminator(self, scope: Scope) -> None:
        given = self.options.terminator
        used = {key for each in self.options.choices for key in each}
        if given is None:
            self._terminator = "" if "#" in used else "#"
            return
        self._terminator = given
        if given and given not in _KEYS:
            scope.problem(f"found {shown(given)}, expected one key of a telephone", "terminator")
        elif given and given in used:
            scope.problem(f"{given} ends the input, so that no choice can have it", "terminator")

    def _compiled(self, build: Build) -> Menu:
        options = self.options
        longest = max((_length(each.text) for each in self.choices), default=1)
        keys = _KEYS.replace(self._terminator, "") if self._terminator else _KEYS
        complete = _complete([each.language for each in self.choices], keys, longest, build)
        return Menu(
            self._name,
            options.prompt,
            longest,
            options.first,
            options.between,
            self._terminator,
            options.barge,
            complete,
            key=self._key,
            reason=self.why,
            rule=self.rule,
        )


def chosen(menu: Menu, call: Call, digits: str) -> tuple[Decision, Call]:
    """What follows `digits` in a menu that brought its choices itself, and the call it is about."""
    for text, decision in menu.choices.items():
        if digits and _CHOICE.fullmatch(text) and _language(text).matches(digits):
            call = call.naming({"digits": digits})
            return decision, call.dialling(digits) if _WILD.search(text) else call
    what = "invalid" if digits else "timeout"
    following = menu.choices.get(what)
    return (
        Continue(f"{what}, and the menu does not say what follows") if following is None else following
    ), call


def _language(text: str) -> Language:
    elements: list[Element] = [
        (frozenset(_CLASSES.get(each, each)), False) for each in text.removesuffix(".")
    ]
    if text.endswith("."):
        elements += [(None, False), (None, True)]
    return Language(elements, text)


def _length(text: str) -> int:
    return _LONGEST if text.endswith(".") else len(text)


def _complete(languages: list[Language], keys: str, longest: int, build: Build) -> frozenset[str]:
    """The strings shorter than `longest` after which no choice can follow, each as short as can be."""
    found: set[str] = set()
    waiting = deque([("", tuple((language, language.start) for language in languages))])
    looked = 0
    while waiting and looked < _MAX_STRINGS and build.menu_steps > 0:
        text, alive = waiting.popleft()
        looked += len(keys)
        build.menu_steps -= len(keys) * len(alive)
        if len(text) + 1 >= longest:
            continue
        for key in keys:
            steps = ((language, language.step(state, key)) for language, state in alive)
            following = tuple((language, state) for language, state in steps if state)
            if any(_goes_on(language, state) for language, state in following):
                waiting.append((text + key, following))
            else:
                found.add(text + key)
    return frozenset(found)


def _goes_on(language: Language, state: int) -> bool:
    """Whether something longer can match."""
    return state != 1 << len(language.elements)
