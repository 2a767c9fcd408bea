"""`hours: {calendar: office, closed: {goto: night}}`: whether somebody is there when the call comes."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from pbx.dialplan.calendars import state_now
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Continue, Decision, Rule
from pbx.dialplan.handler import Ending, Handler
from pbx.dialplan.scope import Scope
from pbx.dialplan.steps import compile_step
from pbx.documents import Text

_Ending = Annotated[Any, WithJsonSchema({"$comment": "ending"})]
_MOMENTS = ("open", "closed", "holiday")


class HoursHandler(Handler):
    """Ask a calendar; what is not said of open, closed and holidays lets the call go on."""

    name = "hours"
    reads_clock = True

    class Options(Handler.Options):
        """The calendar, and what follows."""

        shorthand: ClassVar[str] = "calendar"

        calendar: Text = Field(description="The name of a calendar under calendars:.")
        closed: _Ending = Field(None, description="What follows when nobody is there.")
        holiday: _Ending = Field(
            None, description="What follows on a holiday; as when closed if it is left out."
        )
        open: _Ending = Field(None, description="What follows when somebody is there.")

    options: Options

    def bind(self, scope: Scope) -> None:
        """Look the calendar up and compile the endings."""
        self._calendar = scope.calendar(self.options.calendar, "calendar")
        self._endings: dict[str, Ending] = {}
        given = [key for key in _MOMENTS if key in self.options.model_fields_set]
        if not given:
            scope.problem("hours changes nothing: say what follows with closed, holiday or open")
        for number, key in enumerate(given, 1):
            rule = Rule(number, scope.place(key))
            step = getattr(self.options, key)
            ending = compile_step(scope.at(key), step, endings=True, rule=rule, why=key)
            if isinstance(ending, Ending):
                self._endings[key] = ending

    def decide(self, call: Call) -> Decision:
        """Ask the calendar."""
        assert self._calendar is not None
        state = state_now(self._calendar, call.at)
        key = "open" if state.open else "holiday" if state.holiday else "closed"
        ending = self._endings.get(key)
        if ending is None and key == "holiday":
            ending = self._endings.get("closed")
        if ending is None:
            return Continue(state.reason)
        return replace(ending.decide(call), reason=f"{state.reason} ({self._calendar.name})")

    def saw(self, call: Call) -> str:
        """The calendar, and the time in its zone."""
        assert self._calendar is not None
        local = call.at.astimezone(self._calendar.zone)
        return f"calendar {self._calendar.name}, {local:%a %Y-%m-%d %H:%M %Z}"

    def endings(self) -> tuple[Ending, ...]:
        """What may follow."""
        return tuple(self._endings.values())

    def branches(self) -> tuple[tuple[str, Rule], ...]:
        """What may follow."""
        return tuple((key, each.rule) for key, each in self._endings.items() if each.rule is not None)
