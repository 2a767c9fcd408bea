"""The machines and shorthands that the tests of transactions share."""

from pbx.sip.flow import Flow
from pbx.sip.outputs import (
    Output,
    Transmit,
)
from pbx.sip.timers import Timers
from pbx.sip.transaction import ClientTransaction, ServerTransaction
from tests.sip.wire import UDP, outgoing, request

TIMERS = Timers()
USER = object()


def client(method: str = "INVITE", flow: Flow = UDP, fallback: Flow | None = None) -> ClientTransaction:
    made = outgoing(method, more=(("Route", "<sip:edge.example;lr>"), ("Route", "<sip:core.example;lr>")))
    made.put_via("SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKours")
    return ClientTransaction(made, flow, USER, TIMERS, branch="z9hG4bKours", fallback=fallback)


def server(method: str = "INVITE", flow: Flow = UDP) -> ServerTransaction:
    port = 5060 if flow.reliable else 0
    return ServerTransaction(request(method), flow, TIMERS, reply_flow=flow, return_port=port)


def kinds(outputs: list[Output]) -> list[type[Output]]:
    return [type(output) for output in outputs]


def sent(outputs: list[Output]) -> bytes:
    (output,) = [output for output in outputs if isinstance(output, Transmit)]
    return output.data


def times(outputs: list[tuple[float, Output]]) -> list[float]:
    return [when for when, output in outputs if isinstance(output, Transmit)]
