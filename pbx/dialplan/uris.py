"""SIP URIs and dial targets in a dialplan, with placeholders."""

from dataclasses import dataclass
from typing import Literal

from pbx.dialplan.call import Call
from pbx.dialplan.placeholders import Template
from pbx.dialplan.scope import Scope
from pbx.dialplan.targets import (
    FORMS,
    Target,
    TrunkTarget,
    UriTarget,
    UserTarget,
    escaped_user,
    is_sip_uri,
)
from pbx.documents import nearest, shown

_CALLED = Template("{to}", None, ((False, "to"),))


@dataclass(frozen=True, slots=True)
class UriTemplate:
    """A SIP URI; placeholders stand in the user part and what they put there is escaped."""

    text: Template

    def expand(self, call: Call) -> str:
        """The URI for `call`; empty when what stands before the @ is."""
        found = self.text.expand(call, escaped_user)
        return "" if self.text.literal is None and ":@" in found else found


def compile_uri(text: str, scope: Scope, *location: str | int) -> UriTemplate | None:
    """A SIP URI with placeholders, or None after reporting why it is none."""
    template = scope.template(text, *location)
    if template is None:
        return None
    user, _, host = text.rpartition("@")
    if "{" in host or (not user and "{" in text):
        scope.problem(f"found {shown(text)}, expected placeholders only before the @", *location)
        return None
    plain = "".join(piece if written else "0" for written, piece in template.parts)
    if not is_sip_uri(plain):
        scope.problem(f"found {shown(text)}, expected a SIP URI such as sip:alice@example.com", *location)
        return None
    return UriTemplate(template)


@dataclass(frozen=True, slots=True)
class TargetTemplate:
    """A target of `dial`; `constant` is the target itself when it is the same for every call."""

    kind: Literal["user", "trunk", "uri"]
    trunk: str
    text: Template
    constant: Target | None

    def expand(self, call: Call) -> Target | None:
        """The target for `call`; None when what it is made of is empty."""
        if self.constant is not None:
            return self.constant
        if self.kind == "uri":
            found = UriTemplate(self.text).expand(call)
            return UriTarget(found) if found else None
        text = call.called if self.text is _CALLED else self.text.expand(call)
        if not text:
            return None
        return UserTarget(text) if self.kind == "user" else TrunkTarget(self.trunk, text)


def compile_target(text: str, scope: Scope, *location: str | int) -> TargetTemplate | None:
    """A target with placeholders, or None after reporting why it is none."""
    if text.startswith(("sip:", "sips:")):
        uri = compile_uri(text, scope, *location)
        if uri is None:
            return None
        constant = UriTarget(text) if uri.text.literal is not None else None
        return TargetTemplate("uri", "", uri.text, constant)
    kind, slash, rest = text.partition("/")
    if kind == "user" and bool(slash) == bool(rest):
        return _user(rest, scope, location)
    if kind == "trunk" and rest and not rest.startswith("/"):
        return _trunk(rest, scope, location)
    _report(text, kind, slash + rest, scope, location)
    return None


def _user(name: str, scope: Scope, location: tuple[str | int, ...]) -> TargetTemplate | None:
    if not name:
        return TargetTemplate("user", "", _CALLED, None)
    template = scope.template(name, *location)
    if template is None:
        return None
    if template.literal is None:
        return TargetTemplate("user", "", template, None)
    scope.check_user(name, *location)
    return TargetTemplate("user", "", template, UserTarget(name))


def _trunk(rest: str, scope: Scope, location: tuple[str | int, ...]) -> TargetTemplate | None:
    name, slash, number = rest.partition("/")
    if "{" in name:
        scope.problem(
            f"found {shown('trunk/' + rest)}, expected the trunk's name without placeholders", *location
        )
        return None
    if slash and not number:
        scope.problem(f"found {shown('trunk/' + rest)}, expected a number after the last /", *location)
        return None
    scope.check_trunk(name, *location)
    if not number:
        return TargetTemplate("trunk", name, _CALLED, None)
    template = scope.template(number, *location)
    if template is None:
        return None
    constant = TrunkTarget(name, number) if template.literal is not None else None
    return TargetTemplate("trunk", name, template, constant)


def _report(text: str, kind: str, rest: str, scope: Scope, location: tuple[str | int, ...]) -> None:
    known = scope.build.known
    guess = nearest(kind, ("user", "trunk"))
    if text in (known.users or ()) or (not rest and text.isdigit()):
        suggestion = f"user/{text}"
    elif text in (known.trunks or ()):
        suggestion = f"trunk/{text}"
    elif guess and kind != guess:
        suggestion = guess + rest
    else:
        suggestion = ""
    scope.problem(f"found {shown(text)}, expected {FORMS}", *location, suggestion=suggestion)
