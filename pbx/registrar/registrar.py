"""The registrar (RFC 3261 §10.3), with Path (RFC 3327) and instances and flows (RFC 5626).

A request changes all of its contacts or none. Nothing here knows whether the sender may register this
user: that has been decided, by authentication, before `receive` is called.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pbx.deadlines import Deadlines
from pbx.errors import PeerError
from pbx.registrar.binding import (
    Binding,
    BindingAdded,
    BindingEvent,
    BindingRefreshed,
    BindingRemoved,
    RegisterReply,
    RegistrarLimits,
    RemovalCause,
)
from pbx.sip.flow import Flow
from pbx.sip.grammar import print_parameters, unquote
from pbx.sip.headers import NameAddr
from pbx.sip.message import Request

SUPPORTED = ("path",)

# §10.3 step 7: shorter than this may be refused, if it is also shorter than the registrar's own minimum.
_NEVER_TOO_BRIEF = 3600
# §10.2.1.1: what a malformed expires parameter stands for.
_MALFORMED_EXPIRES = 3600

# What one binding may make us remember; a longer Contact or Path is answered 400, the rest is cut.
_MAX_CONTACT_CHARACTERS = 1024
_MAX_PATH_CHARACTERS = 2048
_MAX_CALL_ID_CHARACTERS = 256
_MAX_USER_AGENT_CHARACTERS = 128
_MAX_REG_ID = 2**31 - 1

_RETRY_AFTER = 60

# A user's bindings by their key.
_Bindings = dict[str, Binding]


class Registrar:
    """The bindings of all users. Pure: times are monotonic seconds, outputs are returned."""

    __slots__ = ("_by_connection", "_by_user", "_count", "_deadlines", "_limits")

    def __init__(self, limits: RegistrarLimits) -> None:
        self._limits = limits
        self._by_user: dict[str, _Bindings] = {}
        self._by_connection: dict[Flow, set[tuple[str, str]]] = {}
        self._deadlines: Deadlines[tuple[str, str]] = Deadlines()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def bindings(self, user: str, now: float) -> list[Binding]:
        """The user's bindings that are alive, the most preferred (`q`) first."""
        bound = self._by_user.get(user)
        if bound is None:
            return []
        alive = [binding for binding in bound.values() if binding.expires_at > now]
        if len(alive) > 1:
            alive.sort(key=lambda binding: -binding.q)
        return alive

    def all_bindings(self, now: float) -> Iterator[Binding]:
        """Every binding that is alive, user by user."""
        for user in self._by_user:
            yield from self.bindings(user, now)

    def next_deadline(self) -> float | None:
        """When the next binding expires, or None."""
        return self._deadlines.next()

    def handle_timer(self, now: float) -> list[BindingEvent]:
        """Remove what has expired."""
        events: list[BindingEvent] = []
        for (user, key), _ in self._deadlines.expire(now):
            binding = self._by_user[user][key]
            self._remove(binding)
            events.append(BindingRemoved(binding, "expired"))
        return events

    def receive(self, user: str, request: Request, flow: Flow, now: float) -> RegisterReply:
        """Carry out one REGISTER of an authenticated `user` that came by `flow`.

        Never raises: whatever is wrong with the request is in the reply. The reply to a fault has the
        events of bindings that expired meanwhile, if any, and no others.
        """
        events = self.handle_timer(now)
        try:
            unsupported = [tag for tag in request.all("require") if tag.lower() not in SUPPORTED]
            if unsupported:
                # Option tags are tokens; anything else is not worth repeating.
                shown = ", ".join(
                    tag for tag in unsupported if tag.replace("-", "").isalnum() and tag.isascii()
                )
                return RegisterReply(420, [("Unsupported", shown)] if shown else [], events)
            reply = self._register(user, request, flow, now)
        except PeerError as error:
            return RegisterReply(error.status, [], events, error.reason)
        reply.events = events + reply.events
        return reply

    def _register(self, user: str, request: Request, flow: Flow, now: float) -> RegisterReply:
        before = self._by_user.get(user, {})
        contacts = request.all("contact")
        call_id = request.call_id[:_MAX_CALL_ID_CHARACTERS]
        cseq = request.cseq.number
        if "*" in contacts:
            if len(contacts) != 1 or request.expires != 0:
                raise PeerError(400, "Contact * Needs Expires 0 And No Other Contact")
            after: _Bindings = {}
            for binding in before.values():
                _check_order(binding, call_id, cseq)
            changes: list[tuple[Binding | None, Binding | None]] = [(old, None) for old in before.values()]
        else:
            path = _path(request)
            after = dict(before)
            changes = []
            for new, lifetime in [
                self._read(user, each, request, flow, path, now) for each in request.contacts
            ]:
                if 0 < lifetime < min(self._limits.min_expires, _NEVER_TOO_BRIEF):
                    return RegisterReply(423, [("Min-Expires", str(self._limits.min_expires))], [])
                matched = [binding for binding in after.values() if new.replaces(binding)]
                for old in matched:
                    if before.get(old.key) is old:
                        _check_order(old, call_id, cseq)
                    del after[old.key]
                    changes.append((old, None))
                if lifetime:
                    if matched:
                        changes[-1] = (matched[-1], new)
                    else:
                        changes.append((None, new))
                    after[new.key] = new
        refusal = self._over_bounds(len(before), len(after))
        if refusal is not None:
            return refusal
        events = [event for old, new in changes if (event := self._commit(old, new)) is not None]
        return RegisterReply(200, self._answer(user, request, now), events)

    def _over_bounds(self, before: int, after: int) -> RegisterReply | None:
        if after <= before:
            return None
        if after > self._limits.max_contacts:
            # The user's own doing: sending the same again would change nothing, so no Retry-After.
            return RegisterReply(403, [], [], "Too Many Contacts")
        if self._count - before + after > self._limits.max_bindings:
            return RegisterReply(503, [("Retry-After", str(_RETRY_AFTER))], [])
        return None

    def _read(
        self, user: str, contact: NameAddr, request: Request, flow: Flow, path: tuple[str, ...], now: float
    ) -> tuple[Binding, int]:
        """The binding that one Contact asks for, and its lifetime in seconds (0: remove it)."""
        uri = contact.uri
        parameters = {name: value for name, value in contact.parameters.items() if name != "expires"}
        text = print_parameters(parameters)
        if uri.scheme not in {"sip", "sips"} or not uri.host or not text.isascii():
            raise PeerError(400, "Unusable Contact")
        if len(str(uri)) + len(text) > _MAX_CONTACT_CHARACTERS:
            raise PeerError(400, "Contact Too Long")
        instance = unquote(parameters.get("+sip.instance") or "")
        reg_id = parameters.get("reg-id") or ""
        number = int(reg_id) if instance and reg_id.isdigit() and len(reg_id) <= 10 else 0
        lifetime = self._lifetime(contact, request)
        binding = Binding(
            user=user,
            contact=uri,
            flow=flow,
            expires_at=now + lifetime,
            call_id=request.call_id[:_MAX_CALL_ID_CHARACTERS],
            cseq=request.cseq.number,
            q=contact.q,
            parameters=text,
            instance=instance,
            reg_id=number if number <= _MAX_REG_ID else 0,
            path=path,
            user_agent=_printable(request.get("user-agent") or ""),
        )
        return binding, lifetime

    def _lifetime(self, contact: NameAddr, request: Request) -> int:
        """Seconds: the Contact's own, else the Expires header's, else the default (§10.3 step 7)."""
        if "expires" not in contact.parameters:
            header = request.expires
            asked = self._limits.default_expires if header is None else header
        else:
            try:
                own = contact.expires
            except PeerError:
                own = None
            asked = _MALFORMED_EXPIRES if own is None else own
        return min(asked, self._limits.max_expires)

    def _answer(self, user: str, request: Request, now: float) -> list[tuple[str, str]]:
        headers = [
            (
                "Contact",
                f"<{binding.contact}>{binding.parameters};expires={max(1, round(binding.expires_at - now))}",
            )
            for binding in self.bindings(user, now)
        ]
        if request.has("path") and any(tag.lower() == "path" for tag in request.all("supported")):
            headers += [("Path", value) for value in request.all("path")]
        return headers

    def _commit(self, old: Binding | None, new: Binding | None) -> BindingEvent | None:
        if old is not None:
            self._remove(old)
            if new is None:
                return BindingRemoved(old, "removed")
            self._insert(new)
            return BindingRefreshed(new, old)
        if new is None:
            return None
        self._insert(new)
        return BindingAdded(new)

    def _insert(self, binding: Binding) -> None:
        place = (binding.user, binding.key)
        self._by_user.setdefault(binding.user, {})[binding.key] = binding
        self._deadlines.set(place, binding.expires_at)
        if binding.flow.connection:
            self._by_connection.setdefault(binding.flow, set()).add(place)
        self._count += 1

    def _remove(self, binding: Binding) -> None:
        place = (binding.user, binding.key)
        bound = self._by_user[binding.user]
        del bound[binding.key]
        if not bound:
            del self._by_user[binding.user]
        self._deadlines.cancel(place)
        places = self._by_connection.get(binding.flow)
        if places is not None:
            places.discard(place)
            if not places:
                del self._by_connection[binding.flow]
        self._count -= 1

    def flow_closed(self, flow: Flow, now: float) -> list[BindingEvent]:
        """A connection is gone: its bindings wait for a new one, or go (see Binding.without_connection)."""
        events = self.handle_timer(now)
        for user, key in sorted(self._by_connection.get(flow, ())):
            binding = self._by_user[user][key]
            self._remove(binding)
            left = binding.without_connection()
            if left is None:
                events.append(BindingRemoved(binding, "flow-closed"))
            else:
                self._insert(left)
                events.append(BindingRefreshed(left, binding))
        return events

    def remove_user(self, user: str) -> list[BindingEvent]:
        """Drop all bindings of a user who is no longer one of ours, or whom an operator puts out."""
        return self._drop(list(self._by_user.get(user, {}).values()), "dropped")

    def _drop(self, bindings: Iterable[Binding], cause: RemovalCause) -> list[BindingEvent]:
        events: list[BindingEvent] = []
        for binding in bindings:
            self._remove(binding)
            events.append(BindingRemoved(binding, cause))
        return events

    def restore(self, bindings: Iterable[Binding], now: float) -> list[BindingEvent]:
        """Take up what was kept from an earlier run, within today's limits.

        The connections of that run are gone. Returned is the removal of each one that is not taken up.
        """
        events: list[BindingEvent] = []
        longest = now + self._limits.max_expires
        for kept in bindings:
            left = kept.without_connection() if kept.expires_at > now else None
            bound = self._by_user.get(kept.user, {})
            if (
                left is None
                or left.key in bound
                or len(bound) >= self._limits.max_contacts
                or self._count >= self._limits.max_bindings
            ):
                events.append(BindingRemoved(kept, "expired" if kept.expires_at <= now else "dropped"))
                continue
            # A wall clock that was set back must not keep a binding alive for ever.
            self._insert(replace(left, expires_at=min(left.expires_at, longest)))
        return events


def _check_order(binding: Binding, call_id: str, cseq: int) -> None:
    """§10.3 steps 6 and 7: within a Call-ID only a higher CSeq may change a binding."""
    if binding.call_id == call_id and cseq <= binding.cseq:
        raise PeerError(500, "Request Out Of Order")


def _path(request: Request) -> tuple[str, ...]:
    """The Path values (RFC 3327 §5.3), each a proper address."""
    if not request.has("path"):
        return ()
    values = tuple(request.all("path"))
    for value in values:
        NameAddr.parse(value, "Path")
    if sum(map(len, values)) > _MAX_PATH_CHARACTERS or not all(value.isascii() for value in values):
        raise PeerError(400, "Path Too Long")
    return values


def _printable(text: str) -> str:
    """What a User-Agent says of itself, as far as it can be shown anywhere."""
    cut = text[:_MAX_USER_AGENT_CHARACTERS]
    return "".join(character if " " <= character <= "~" else "?" for character in cut)
