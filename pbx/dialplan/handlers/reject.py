"""`reject: 403`: refuse the call with a final code."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from pbx.dialplan.decisions import Decision, Reject
from pbx.dialplan.handler import Settled
from pbx.documents import Duration, ShapeError, Text, Whole


def _printable(phrase: str) -> str:
    if phrase.isprintable():
        return phrase
    raise ShapeError("expected a phrase without control characters")


class RejectHandler(Settled):
    """Refuse the call."""

    name = "reject"

    class Options(Settled.Options):
        """What to refuse with."""

        shorthand: ClassVar[str] = "code"

        code: Whole = Field(ge=400, le=699, description="The final code, 400 to 699 (RFC 3261 §21.4).")
        phrase: Annotated[Text, AfterValidator(_printable)] = Field(
            "", max_length=100, description="The reason phrase; the usual one of the code when left out."
        )
        retry_after: Duration | None = Field(
            None, description="When the caller may try again, as Retry-After (RFC 3261 §20.33)."
        )

    options: Options

    def settle(self) -> Decision:
        """Refuse."""
        options = self.options
        retry_after = None if options.retry_after is None else max(1, round(options.retry_after))
        return Reject(options.code, self.why, options.phrase, retry_after, self.rule)
