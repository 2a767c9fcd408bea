"""The top Via: what a server writes into it, where the response goes, what a client puts (RFC 3261 §18)."""

from typing import Final

from pbx.sip.flow import Flow
from pbx.sip.grammar import print_parameters
from pbx.sip.headers import Via
from pbx.sip.message import Request

DEFAULT_PORT: Final = 5060


def receive_by(flow: Flow, request: Request, via: Via) -> Flow:
    """Write where `request` came from into its top Via; give the flow of its responses (§18.2.1, §18.2.2).

    `received` is written when the source differs from the sent-by host, and always with `rport`, which is
    filled in only when it was asked for (RFC 3581 §4). What a stranger wrote there itself is overwritten.
    Responses go back along `flow`, except that without rport a datagram goes to the port of sent-by.
    An maddr is not followed: nobody may have us send to a third address.
    """
    host, port = flow.remote
    host = host.partition("%")[
        0
    ]  # the zone of a link-local address is this machine's own affair (RFC 4007 §11.2)
    parameters = via.parameters
    asked = "rport" in parameters
    if asked or via.host != host or "received" in parameters:
        as_sent = request.first["via"]
        if as_sent.endswith(";rport") and "received" not in parameters and "," not in as_sent:
            hop = f"{as_sent}={port};received={host}"
        else:
            written = {**parameters, "received": host}
            if asked:
                written["rport"] = str(port)
            hop = f"{via.protocol}/{via.transport} {via.sent_by}{print_parameters(written)}"
        request.replace_top("via", hop)
    if asked or flow.reliable or (back := via.port or DEFAULT_PORT) == port:
        return flow
    return Flow(flow.transport, flow.local, (host, back))


def return_port(flow: Flow, via: Via) -> int:
    """The port for a new stream to where `flow`, once closed, came from (§18.2.2); 0 for datagrams."""
    return (via.port or DEFAULT_PORT) if flow.reliable else 0


def own_via(flow: Flow, sent_by: str, branch: str) -> str:
    """The Via of a request of ours by `flow` (§18.1.1); asks for rport on datagrams (RFC 3581 §3)."""
    if flow.reliable:
        return f"SIP/2.0/{flow.transport.upper()} {sent_by};branch={branch}"
    return f"SIP/2.0/UDP {sent_by};branch={branch};rport"
