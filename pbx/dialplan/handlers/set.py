"""`set: {caller_name: Shop}`: change what the handlers after it, and the callee, see of the call."""

import re

from pydantic import Field

from pbx.dialplan.call import Call, Caller, CallerId
from pbx.dialplan.decisions import Continue, Decision
from pbx.dialplan.handler import Handler
from pbx.dialplan.placeholders import BUILT_IN, NAME, Template
from pbx.dialplan.scope import Scope
from pbx.documents import Flag, Text, nearest, shown

HEADERS = ("alert-info", "call-info", "organization", "priority", "reply-to", "subject", "user-to-user")
"""The headers besides those that begin with X- that a dialplan may send: none that SIP itself acts on."""

_HEADER = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
_LONGEST = 256


class SetHandler(Handler):
    """Set what is presented and sent, and variables for placeholders; then the next handler is asked."""

    name = "set"

    class Options(Handler.Options):
        """What to set."""

        caller_number: Text | None = Field(
            None, description="The caller's number from here on, for the handlers that follow too."
        )
        caller_name: Text | None = Field(None, description="The caller's name from here on.")
        caller_id: Text | None = Field(
            None, description="The number that whoever is called is shown; the caller stays who they are."
        )
        caller_id_name: Text | None = Field(None, description="The name that whoever is called is shown.")
        anonymous: Flag = Field(False, description="Whether whoever is called is shown no number and name.")
        headers: dict[str, Text] = Field(
            default_factory=dict,
            description=f"Headers of the INVITE to whoever is called: X-…, or one of {', '.join(HEADERS)}.",
        )
        variables: dict[str, Text] = Field(
            default_factory=dict, description="Names for placeholders: {NAME} is the text given here."
        )

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile the texts."""
        options = self.options
        self._number = _template(options.caller_number, scope, "caller_number")
        self._name = _template(options.caller_name, scope, "caller_name")
        self._id = _template(options.caller_id, scope, "caller_id")
        self._id_name = _template(options.caller_id_name, scope, "caller_id_name")
        self._shows = self._id is not None or self._id_name is not None or options.anonymous
        self._variables: dict[str, Template] = {}
        for name, text in options.variables.items():
            if name in BUILT_IN or not NAME.fullmatch(name):
                message = f"found the name {shown(name)}, expected one such as manager that is not built in"
                scope.problem(message, "variables", name)
            template = scope.template(text, "variables", name)
            if template is not None:
                self._variables[name] = template
        self._headers = self._bind_headers(scope)
        said = [
            key.replace("_", " ") for key in options.model_fields_set if key not in ("headers", "variables")
        ]
        self._reason = "set " + ", ".join([*sorted(said), *self._variables, *self._headers])
        if not options.model_fields_set:
            scope.problem("set sets nothing, expected caller_number, caller_name, caller_id or variables")

    @property
    def changes_caller(self) -> bool:
        """Whether the handlers that follow see another number."""
        return self._number is not None

    def decide(self, call: Call) -> Decision:
        """Go on with the changed call."""
        caller, shows, headers = call.caller, call.shown, call.sent_headers
        if self._number is not None:
            caller = Caller(self._number.expand(call), caller.name, caller.user)
        if self._name is not None:
            caller = Caller(caller.number, self._name.expand(call), caller.user)
        if self._shows:
            before = shows or CallerId()
            shows = CallerId(
                before.number if self._id is None else safe_text(self._id.expand(call)),
                before.name if self._id_name is None else safe_text(self._id_name.expand(call)),
                self.options.anonymous,
            )
        if self._headers:
            added = tuple((name, safe_text(text.expand(call))) for name, text in self._headers.items())
            names = {name.lower() for name in self._headers}
            headers = (*(each for each in headers if each[0].lower() not in names), *added)
        variables = call.variables
        if self._variables:
            named = {name: template.expand(call) for name, template in self._variables.items()}
            variables = {**variables, **named}
        changed = call.changed(caller=caller, shown=shows, sent_headers=headers, variables=variables)
        return Continue(self._reason, changed)

    def _bind_headers(self, scope: Scope) -> dict[str, Template]:
        found: dict[str, Template] = {}
        for name, text in self.options.headers.items():
            lower = name.lower()
            if not _HEADER.fullmatch(name) or not (lower.startswith("x-") or lower in HEADERS):
                guess = nearest(lower, HEADERS) or (f"X-{name}" if _HEADER.fullmatch(name) else "")
                message = f"a dialplan cannot send the header {shown(name)}, expected X-… or one of"
                scope.report(scope.key_place("headers", name), f"{message} {', '.join(HEADERS)}", guess)
                continue
            template = scope.template(text, "headers", name)
            if template is not None:
                found[name] = template
        return found


def safe_text(text: str) -> str:
    """`text` for a header: without control characters and what is not Unicode, of 256 characters at most."""
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST:
        return text.strip()
    kept = "".join(each for each in text if each.isprintable())
    return kept.encode("utf-8", "ignore").decode("utf-8")[:_LONGEST].strip()


def _template(text: str | None, scope: Scope, option: str) -> Template | None:
    return None if text is None else scope.template(text, option)
