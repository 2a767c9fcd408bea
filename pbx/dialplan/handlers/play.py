"""`play: closed`: play a sound to the caller, then ask the next handler."""

from typing import ClassVar

from pydantic import Field

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Play
from pbx.dialplan.handler import Ending
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.scope import Scope
from pbx.documents import Flag, Whole


class PlayHandler(Ending):
    """Play sounds; in a rule or after an outcome too, the chain then goes on with its next handler."""

    name = "play"
    ends: ClassVar[bool] = False

    class Options(Ending.Options):
        """What is played, and how."""

        shorthand: ClassVar[str] = "sounds"

        sounds: OneOrMany = Field(description="The name of a sound, or several, played one after another.")
        early: Flag = Field(False, description="Whether it is played without answering the call (183).")
        times: Whole = Field(1, ge=1, le=100, description="How often it is played.")

    options: Options

    def bind(self, scope: Scope) -> None:
        """Check that there are such sounds."""
        for index, sound in enumerate(self.options.sounds):
            scope.check_sound(sound, "sounds", index)
        options = self.options
        self._play = Play(options.sounds, options.early, self.why, self.rule, times=options.times)

    def decide(self, call: Call) -> Decision:  # noqa: ARG002  # it is the same for every call
        """Play."""
        return self._play
