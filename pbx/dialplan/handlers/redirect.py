"""`redirect: sip:alice@example.com`: answer with a 3xx and one or more Contact URIs."""

from typing import ClassVar, Literal

from pydantic import Field

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Redirect, Reject
from pbx.dialplan.handler import Ending
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.scope import Scope
from pbx.dialplan.uris import UriTemplate, compile_uri


class RedirectHandler(Ending):
    """Send the caller elsewhere."""

    name = "redirect"

    class Options(Ending.Options):
        """Where to send the caller."""

        shorthand: ClassVar[str] = "contacts"

        contacts: OneOrMany = Field(
            description="SIP URIs, in order of preference; placeholders before the @."
        )
        code: Literal[300, 301, 302, 305] = Field(302, description="The final code (RFC 3261 §21.3).")

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile the URIs."""
        found = (
            compile_uri(uri, scope, "contacts", index) for index, uri in enumerate(self.options.contacts)
        )
        self._contacts: tuple[UriTemplate, ...] = tuple(uri for uri in found if uri is not None)

    def decide(self, call: Call) -> Decision:
        """Redirect."""
        contacts = tuple([uri for template in self._contacts if (uri := template.expand(call))])
        if not contacts:
            return Reject(484, f"{self.why}, but there is nothing to put before the @", rule=self.rule)
        return Redirect(contacts, self.options.code, self.why, self.rule)
