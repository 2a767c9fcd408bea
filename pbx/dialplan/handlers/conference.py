"""`conference: "{to}"`: join a room, in which everybody hears everybody else."""

from typing import ClassVar

from pydantic import Field

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Conference, Decision, Reject
from pbx.dialplan.handler import Ending
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.scope import Scope
from pbx.documents import Flag, Text

_LONGEST = 64


class ConferenceHandler(Ending):
    """Join a room; who comes first opens it."""

    name = "conference"

    class Options(Ending.Options):
        """Which room, and how it is joined."""

        shorthand: ClassVar[str] = "room"

        room: Text = Field(description="The room's name, with placeholders.")
        muted: Flag = Field(False, description="Whether the caller only listens.")
        announce: OneOrMany | None = Field(None, description="Sounds that the caller hears first.")

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile the name."""
        self._room = scope.template(self.options.room, "room")
        for index, sound in enumerate(self.options.announce or ()):
            scope.check_sound(sound, "announce", index)

    def decide(self, call: Call) -> Decision:
        """Join the room."""
        assert self._room is not None
        room = self._room.expand(call)
        if not room or len(room) > _LONGEST or not room.isprintable():
            return Reject(484, f"{self.why}, but {room[:_LONGEST]!r} is no name of a room", rule=self.rule)
        options = self.options
        return Conference(room, self.why, self.rule, options.muted, options.announce or ())
