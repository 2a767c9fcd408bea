"""`set: {caller_name: Shop}`: change what the handlers after it, and the callee, see of the call."""

from dataclasses import replace

from pydantic import Field

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Continue, Decision
from pbx.dialplan.handler import Handler
from pbx.dialplan.placeholders import BUILT_IN, NAME, Template
from pbx.dialplan.scope import Scope
from pbx.documents import Text, shown


class SetHandler(Handler):
    """Set the caller's number and name, and variables for placeholders; then the next handler is asked."""

    name = "set"

    class Options(Handler.Options):
        """What to set."""

        caller_number: Text | None = Field(None, description="The number that is presented from here on.")
        caller_name: Text | None = Field(None, description="The name that is presented from here on.")
        variables: dict[str, Text] = Field(
            default_factory=dict, description="Names for placeholders: {NAME} is the text given here."
        )

    options: Options

    def bind(self, scope: Scope) -> None:
        """Compile the texts."""
        options = self.options
        self._number = _template(options.caller_number, scope, "caller_number")
        self._name = _template(options.caller_name, scope, "caller_name")
        self._variables: dict[str, Template] = {}
        for name, text in options.variables.items():
            if name in BUILT_IN or not NAME.fullmatch(name):
                message = f"found the name {shown(name)}, expected one such as manager that is not built in"
                scope.problem(message, "variables", name)
            template = scope.template(text, "variables", name)
            if template is not None:
                self._variables[name] = template
        texts = (("caller number", self._number), ("caller name", self._name), *self._variables.items())
        self._reason = "set " + ", ".join(name for name, template in texts if template is not None)
        if not options.model_fields_set:
            scope.problem("set sets nothing, expected caller_number, caller_name or variables")

    def decide(self, call: Call) -> Decision:
        """Go on with the changed call."""
        caller = call.caller
        if self._number is not None:
            caller = replace(caller, number=self._number.expand(call))
        if self._name is not None:
            caller = replace(caller, name=self._name.expand(call))
        variables = {name: template.expand(call) for name, template in self._variables.items()}
        return Continue(self._reason, replace(call, caller=caller).naming(variables))


def _template(text: str | None, scope: Scope, option: str) -> Template | None:
    return None if text is None else scope.template(text, option)
