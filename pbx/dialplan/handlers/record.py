"""`record: both`: have the call recorded once it is answered; the next handler is asked."""

import re
from typing import ClassVar, Literal

from pydantic import Field

from pbx.dialplan.call import Call, Record, Recorded
from pbx.dialplan.decisions import Continue, Decision
from pbx.dialplan.handler import Handler
from pbx.dialplan.placeholders import Template
from pbx.dialplan.scope import Scope
from pbx.documents import Text

_UNSAFE = re.compile(r"[^A-Za-z0-9+_-]+")
_LONGEST = 120


class RecordHandler(Handler):
    """Record the call from its answer on; nothing in a name leads out of the directory of recordings."""

    name = "record"

    class Options(Handler.Options):
        """What is recorded, and how the file is called."""

        shorthand: ClassVar[str] = "what"

        what: Recorded = Field(
            "both",
            description="caller, callee, both (left and right in one file) or mix (both in one voice).",
        )
        format: Literal["pcm", "ulaw", "alaw"] = Field("pcm", description="How the samples are written.")
        name: Text = Field(
            "{date}-{time}-{from}-{to}-{id}",
            max_length=200,
            description="The file's name without its ending, with placeholders, {date}, {time} and {id} "
            "among them; what no file should have in its name becomes an underscore.",
        )

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile the name."""
        self._name: Template | None = scope.template(self.options.name, "name", more=("date", "time", "id"))

    def decide(self, call: Call) -> Decision:
        """Go on with a call that is to be recorded."""
        assert self._name is not None
        written = call.at.isoformat()
        here = {
            "date": written[:10].replace("-", ""),
            "time": written[11:19].replace(":", ""),
            "id": call.id,
        }
        name = safe_name(self._name.expand(call, None, here))
        record = Record(self.options.what, self.options.format, name)
        return Continue(f"record {self.options.what} as {name}", call.changed(record=record))


def safe_name(text: str) -> str:
    """`text` as a file's name that is nothing else, of 120 characters at most."""
    safe = text if _UNSAFE.search(text) is None else _UNSAFE.sub("_", text)
    return safe[:_LONGEST].strip("_-") or "call"
