"""Where a `dial` can go: a user's bindings, a number over a trunk, or a SIP URI."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from pbx.dialplan.call import Call

# user, unreserved and the escapes of RFC 3261 §25.1 that need none.
_USER_UNRESERVED = "&=+$,;?/-_.!~*'()"
_URI = re.compile(
    r"sips?:"
    r"(?:[A-Za-z0-9%&=+$,;?/\-_.!~*'()]+@)?"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])"
    r"(?::([0-9]{1,5}))?"
    r"(?:;[A-Za-z0-9%\-_.!~*'()\[\]/:&+$=]+)*"
)
FORMS = "user, user/NAME, trunk/NAME, trunk/NAME/NUMBER or sip:USER@HOST"


@dataclass(frozen=True, slots=True)
class UserTarget:
    """All bindings of one user; an empty `user` stands for the user that was called."""

    user: str = ""

    def __str__(self) -> str:
        return f"user/{self.user}" if self.user else "user"


@dataclass(frozen=True, slots=True)
class TrunkTarget:
    """A number over a trunk; an empty `number` stands for the number that was called.

    The number is raw: whoever writes it into a URI escapes it with `escaped_user`.
    """

    trunk: str
    number: str = ""

    def __str__(self) -> str:
        return f"trunk/{self.trunk}/{self.number}" if self.number else f"trunk/{self.trunk}"


@dataclass(frozen=True, slots=True)
class UriTarget:
    """A SIP or SIPS URI as text."""

    uri: str

    def __str__(self) -> str:
        return self.uri


Target = UserTarget | TrunkTarget | UriTarget


def complete(target: Target, call: Call) -> Target:
    """`target` with what it leaves out taken from `call`."""
    if isinstance(target, UserTarget) and not target.user:
        return UserTarget(call.called)
    if isinstance(target, TrunkTarget) and not target.number:
        return TrunkTarget(target.trunk, call.called)
    return target


def escaped_user(text: str) -> str:
    """`text` as the user part of a URI (RFC 3261 §25.1); nothing in it can end the user part."""
    if text.isalnum() and text.isascii():
        return text
    return quote(text, safe=_USER_UNRESERVED, errors="surrogateescape")


def is_sip_uri(text: str) -> bool:
    """Whether `text` has the form of a SIP or SIPS URI without headers (RFC 3261 §19.1.1)."""
    match = _URI.fullmatch(text)
    return match is not None and 0 < int(match[1] or 1) < 65536


def parse_target(text: str) -> Target:
    """Read one target; raises ValueError that says what was expected."""
    if text == "user":
        return UserTarget()
    kind, _, rest = text.partition("/")
    if kind == "user" and rest:
        return UserTarget(rest)
    if kind == "trunk" and rest:
        trunk, _, number = rest.partition("/")
        if trunk:
            return TrunkTarget(trunk, number)
    if text.startswith(("sip:", "sips:")):
        if is_sip_uri(text):
            return UriTarget(text)
        raise ValueError(f"found {text!r}, expected a SIP URI such as sip:alice@example.com")
    raise ValueError(f"found {text!r}, expected {FORMS}")


def parse_targets(targets: "str | Target | Iterable[str | Target]") -> tuple[Target, ...]:
    """Targets from what a plugin may write: one or several, as text or as values."""
    if isinstance(targets, str):
        return (parse_target(targets),)
    if isinstance(targets, Target):
        return (targets,)
    return tuple(parse_target(target) if isinstance(target, str) else target for target in targets)
