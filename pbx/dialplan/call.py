"""What a handler sees of a call: a frozen, picklable value without sockets or SIP messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

_VISUAL = re.compile(r"[-.() ]")
_WRITTEN_NUMBER = re.compile(r"\+?[0-9*#(][0-9*#\-.() ]*")
_LONG_ENOUGH = 7


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the number and name that are presented, and the user they were authenticated as."""

    number: str
    name: str = ""
    user: str | None = None


@dataclass(frozen=True, slots=True)
class CallerId:
    """What whoever is called is shown instead of the caller; `hidden` withholds it (RFC 3323)."""

    number: str = ""
    name: str = ""
    hidden: bool = False


Recorded = Literal["caller", "callee", "both", "mix"]
"""What of a call is recorded: one side, both beside each other (left and right), or both in one."""


AgentStep = Literal["log-in", "log-out", "pause", "unpause", "ready"]
"""What an `agent` step asks for the caller, who is an agent of queues."""


@dataclass(frozen=True, slots=True)
class Record:
    """The call is to be recorded once it is answered; `name` is safe as a file's name, without its ending."""

    what: Recorded
    format: Literal["pcm", "ulaw", "alaw"]
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the handlers of a chain see it.

    `called` is the number or user part as dialled; `source` is "trunk/NAME", "users" or "anyone";
    `user` is the caller when authenticated, `trunk` the trunk it came by; `headers` are those of the INVITE
    that a policy lets handlers see, by lower-case name; `at` is aware; `variables` holds what `set` named
    and, while a rule is carried out, the groups of its regular expression as "1", "2", …. `shown` is what
    `set` says that the callee is shown, None for the caller as they are; `sent_headers` go on the INVITEs of
    this call as they are, without CR and LF; `record` is what a `record` step asked for, `agent` what an
    `agent` step did.
    """

    id: str
    caller: Caller
    called: str
    source: str
    at: datetime
    user: str | None = None
    trunk: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    shown: CallerId | None = None
    sent_headers: tuple[tuple[str, str], ...] = ()
    record: Record | None = None
    agent: AgentStep | None = None

    def dialling(self, called: str) -> "Call":
        """The same call to another number."""
        return self if called == self.called else self.changed(called=called)

    def naming(self, variables: Mapping[str, str]) -> "Call":
        """The same call with more variables."""
        return self.changed(variables={**self.variables, **variables})

    def changed(
        self,
        *,
        caller: Caller | None = None,
        called: str | None = None,
        variables: Mapping[str, str] | None = None,
        shown: CallerId | None = None,
        sent_headers: tuple[tuple[str, str], ...] | None = None,
        record: Record | None = None,
        agent: AgentStep | None = None,
    ) -> "Call":
        """The same call with what is given instead; `dataclasses.replace` takes ten times as long."""
        return Call(
            self.id,
            self.caller if caller is None else caller,
            self.called if called is None else called,
            self.source,
            self.at,
            self.user,
            self.trunk,
            self.headers,
            self.variables if variables is None else variables,
            self.shown if shown is None else shown,
            self.sent_headers if sent_headers is None else sent_headers,
            self.record if record is None else record,
            self.agent if agent is None else agent,
        )


def normalised(number: str) -> str:
    """A telephone number without its visual separators (RFC 3966 §5.1.1): "+31 (20) 123-45" is "+312012345".

    Anything that is not clearly a telephone number (no plus and fewer than seven digits, or letters) is
    returned as it is, so that a user called "100-1" stays who they are.
    """
    if not _WRITTEN_NUMBER.fullmatch(number):
        return number
    plain = _VISUAL.sub("", number)
    return plain if plain.startswith("+") or len(plain) >= _LONG_ENOUGH else number
