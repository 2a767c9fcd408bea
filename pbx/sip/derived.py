"""The requests made from an INVITE: its CANCEL (RFC 3261 §9.1) and the ACK of a refusal (§17.1.1.3)."""

from collections.abc import Iterable

from pbx.sip.message import Request, Response


def cancel_of(invite: Request, headers: Iterable[tuple[str, str]] = ()) -> Request:
    """The CANCEL of an INVITE as it was sent: the same single Via, so the same branch, and the same Route.

    `headers` are added, such as a Reason (RFC 3326).
    """
    return Request.make("CANCEL", invite.uri, [*_common(invite, "CANCEL", invite.get("to") or ""), *headers])


def ack_of(invite: Request, response: Response) -> Request:
    """The ACK of a final response other than 2xx: as the INVITE, but To as the response has it."""
    return Request.make("ACK", invite.uri, _common(invite, "ACK", response.get("to") or ""))


def _common(invite: Request, method: str, to: str) -> list[tuple[str, str]]:
    return [
        ("via", invite.get("via") or ""),
        *[("route", line) for line in invite.lines("route")],
        ("max-forwards", "70"),
        ("from", invite.get("from") or ""),
        ("to", to),
        ("call-id", invite.get("call-id") or ""),
        ("cseq", f"{invite.cseq.number} {method}"),
    ]
