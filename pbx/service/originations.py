"""Calls that we make for somebody: where they are rung, and as whose call it is decided then."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pbx.call.plan import Destination
from pbx.dialplan.call import Call, Caller
from pbx.dialplan.decisions import Dial
from pbx.dialplan.queue_settings import agent_name, target_of
from pbx.dialplan.targets import Target, TrunkTarget, UriTarget, UserTarget, parse_target
from pbx.errors import OperatorError, PeerError
from pbx.service.admission import User
from pbx.service.destinations import Addresses, Destinations, Dialled
from pbx.sip.uri import Uri

Resolve = Callable[[set[str]], Awaitable[Addresses]]

_HOPS = 70


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is rung first (`label`, at these destinations), and the call that the dialplan decides then."""

    label: str
    destinations: Sequence[Destination]
    routed: Call


class Originations:
    """Finds the phones of whoever is to be a caller."""

    def __init__(
        self,
        users: Mapping[str, User],
        trunks: Mapping[str, object],
        destinations: Destinations,
        resolve: Resolve,
        now: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        self._users = users
        self._trunks = trunks
        self._destinations = destinations
        self._resolve = resolve
        self._now = now
        self._wall = wall

    async def origin(self, whom: str, called: str, shown: str) -> Origin:
        """Where `whom` (a user, or a target of a dial) is rung to be connected with `called`.

        They are shown `shown`, or without it whom they will talk with. Raises OperatorError.
        """
        if not called.isprintable():
            raise OperatorError(
                f"{called!r} is nothing that can be dialled", "leave out what cannot be printed"
            )
        target = self._target(whom)
        routed = self._routed(target, called)
        known = None if shown else self._users.get(called)
        presented = Caller(
            shown or called, "" if known is None else known.name, None if known is None else called
        )
        dial = Dial(str(target))
        names = self._destinations.host_names(dial)
        addresses = await self._resolve(names) if names else {}
        ringing = Call("", presented, routed.caller.number, routed.source, self._wall())
        plan = self._destinations.plan(dial, Dialled(ringing, _HOPS, ()), addresses, self._now())
        found = plan.groups[0] if plan.groups else ()
        if not found:
            if isinstance(target, UserTarget):
                raise OperatorError(
                    f"user {target.user} has no phone that is registered",
                    "`pbx registrations` shows who has one",
                )
            raise OperatorError(
                f"{target} cannot be reached: its host has no address",
                "correct the name, or see that this machine resolves it",
            )
        return Origin(str(target), found, routed)

    def _target(self, whom: str) -> Target:
        try:
            target = parse_target(target_of(agent_name(whom)))
        except ValueError as error:
            raise OperatorError(str(error)) from None
        match target:
            case UserTarget(user) if user not in self._users:
                raise OperatorError(f"there is no user {user}", "`users` in the configuration has them")
            case TrunkTarget(trunk) if trunk not in self._trunks:
                raise OperatorError(
                    f"there is no trunk {trunk}", "the configuration lists them under `trunks`"
                )
            case TrunkTarget(trunk, number) if not number:
                raise OperatorError(f"trunk/{trunk} says no number to call", f"write trunk/{trunk}/NUMBER")
            case _:
                return target

    def _routed(self, target: Target, called: str) -> Call:
        """The call as if whoever answers had made it: the same `entry` of the dialplan takes it."""
        at = self._wall()
        match target:
            case UserTarget(user):
                return Call("", Caller(user, self._users[user].name, user), called, "users", at, user)
            case TrunkTarget(trunk, number):
                return Call("", Caller(number), called, f"trunk/{trunk}", at, trunk=trunk)
            case UriTarget(text):
                try:
                    number = Uri.parse(text).username
                except PeerError:
                    raise OperatorError(
                        f"found {text!r}, expected a SIP URI", "write sip:NAME@HOST"
                    ) from None
                return Call("", Caller(number), called, "anyone", at)
