"""What the reactor asks of the loop: one record at a time, between batches of packets.

A command for a leg that is no longer of its generation does nothing.
"""

from typing import Any, Final

from pbx.media.layout import (
    ACKNOWLEDGED,
    ACTIVATE,
    ACTIVE,
    ADOPT,
    BACKLOG,
    BRIDGE,
    CLOSE,
    CLOSING,
    COMMAND_BYTES,
    COMMAND_PIPE,
    COMMANDS,
    CONFIGURE,
    ECHO,
    EPOLL,
    EVENT_SIGNAL,
    FREE,
    NOBODY,
    OPEN,
    PACKET,
    PAYLOAD_TYPES,
    RELEASE,
    SECURE,
    SIGNALLED,
    UNBRIDGE,
    Array,
    Tables,
)
from pbx.media.libc import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLLIN,
    EVENT_TAG,
    EVENT_WORDS,
    MSG_DONTWAIT,
    compiled,
    connect,
    epoll_ctl,
    monotonic,
    read,
    recv,
)
from pbx.media.proof import copy_address, forget_source
from pbx.media.reception import same_address
from pbx.media.relay import begin, end
from pbx.media.srtp import secure

# More than a socket's default receive buffer can hold of the smallest datagrams.
DRAIN_BOUND: Final = 1024


@compiled
def watch(tables: Tables, operation: int, descriptor: int, tag: int) -> None:
    """Have epoll report a descriptor with a tag, or no longer."""
    words = tables.ready
    for at in range(EVENT_WORDS):
        words[at] = 0
    words[0] = EPOLLIN
    words[EVENT_TAG] = tag
    epoll_ctl(tables.control[EPOLL], operation, descriptor, words.ctypes.data)


@compiled
def drain(tables: Tables, descriptor: int) -> None:
    """Throw away what a socket has queued."""
    for _ in range(DRAIN_BOUND):
        if recv(descriptor, tables.packet.ctypes.data, PACKET, MSG_DONTWAIT) < 0:
            break


@compiled
def disconnect(tables: Tables, leg: Any) -> None:
    """Let a leg's socket hear everyone again (`connect` to AF_UNSPEC)."""
    if leg.connected != 0:
        sender = tables.sender
        sender[:] = 0
        connect(leg.rtp_descriptor, sender.ctypes.data, leg.address_length)
        leg.connected = 0
        leg.settled = 0


@compiled
def enlist(tables: Tables, row: int) -> None:
    """Serve a row: its two sockets are watched, and it is looked at when the leg table is gone through."""
    leg = tables.legs[row]
    control = tables.control
    leg.active_index = control[ACTIVE]
    tables.active[control[ACTIVE]] = row
    control[ACTIVE] += 1
    watch(tables, EPOLL_CTL_ADD, leg.rtp_descriptor, 2 * row)
    watch(tables, EPOLL_CTL_ADD, leg.rtcp_descriptor, 2 * row + 1)


@compiled
def strike(tables: Tables, row: int) -> None:
    """Serve a row no longer."""
    leg = tables.legs[row]
    control = tables.control
    watch(tables, EPOLL_CTL_DEL, leg.rtp_descriptor, 0)
    watch(tables, EPOLL_CTL_DEL, leg.rtcp_descriptor, 0)
    control[ACTIVE] -= 1
    last = tables.active[control[ACTIVE]]
    tables.active[leg.active_index] = last
    tables.legs[last].active_index = leg.active_index


@compiled
def detach(tables: Tables, row: int) -> None:
    """End the bridge or echo of a leg, on both sides."""
    leg = tables.legs[row]
    peer = leg.peer
    if peer == NOBODY:
        return
    leg.peer = NOBODY
    leg.interrupted = 1
    other = tables.legs[peer]
    if other.peer == row:
        other.peer = NOBODY
        other.interrupted = 1


@compiled
def activate(tables: Tables, row: int, now: int) -> None:
    """A row that the reactor has filled in becomes a leg; what strangers sent to its ports before is gone."""
    leg = tables.legs[row]
    drain(tables, leg.rtp_descriptor)
    drain(tables, leg.rtcp_descriptor)
    leg.heard_at = now
    leg.stream_at = now
    leg.state = OPEN
    enlist(tables, row)


@compiled
def configure(tables: Tables, row: int, command: Any, now: int) -> None:
    """Take over addresses, directions and payload types; a new remote address has to prove itself."""
    leg = tables.legs[row]
    places = tables.addresses[row]
    if command.has_remote != 0 and (
        leg.configured == 0 or not same_address(command.remote, places[SIGNALLED], leg.address_length)
    ):
        copy_address(places[SIGNALLED], command.remote)
        disconnect(tables, leg)
        forget_source(leg, places, now)
        leg.configured = 1
    if command.receive != 0 and leg.receive == 0:
        leg.heard_at = now
        leg.silent = 0
    leg.receive = command.receive
    leg.send = command.send
    for payload_type in range(PAYLOAD_TYPES):
        tables.payload_map[row, payload_type] = command.payload_map[payload_type]
        tables.clock_rates[row, payload_type] = command.clock_rates[payload_type]


@compiled
def join(tables: Tables, row: int, other_row: int) -> None:
    """Bridge two legs, or echo one to itself; legs that are so already are left alone."""
    leg = tables.legs[row]
    other = tables.legs[other_row]
    if leg.peer == other_row and other.peer == row:
        return
    detach(tables, row)
    detach(tables, other_row)
    leg.peer = other_row
    other.peer = row


@compiled
def close(tables: Tables, row: int, now: int) -> None:
    """A leg ends; its sockets stay watched until late packets have stopped coming."""
    leg = tables.legs[row]
    detach(tables, row)
    leg.state = CLOSING
    leg.closed_at = now
    leg.heard_at = now


@compiled
def free(tables: Tables, row: int) -> None:
    """The end of a leg's quarantine: its pair of sockets is as good as new."""
    leg = tables.legs[row]
    disconnect(tables, leg)
    strike(tables, row)
    drain(tables, leg.rtp_descriptor)
    drain(tables, leg.rtcp_descriptor)
    leg.state = FREE


@compiled
def obey(tables: Tables, command: Any, now: int) -> None:
    """Do what one command says, if the leg is still the one that it means."""
    row = command.row
    operation = command.operation
    leg = tables.legs[row]
    if leg.generation != command.generation:
        return
    begin(leg)
    if operation == ACTIVATE:
        activate(tables, row, now)
    elif operation == ADOPT:
        enlist(tables, row)
    elif operation == RELEASE and leg.state != FREE:
        detach(tables, row)
        strike(tables, row)
    elif leg.state == OPEN:
        if operation == CONFIGURE:
            configure(tables, row, command, now)
        elif operation == SECURE:
            secure(leg, command.srtp_receive, command.srtp_send)
        elif operation == BRIDGE:
            other = tables.legs[command.other_row]
            if other.generation == command.other_generation and other.state == OPEN:
                join(tables, row, command.other_row)
        elif operation == ECHO:
            join(tables, row, row)
        elif operation == UNBRIDGE:
            detach(tables, row)
        elif operation == CLOSE:
            close(tables, row, now)
    end(leg)


@compiled
def take_commands(tables: Tables) -> bool:
    """Everything that the pipe holds; True when the reactor has closed it: the loop is to end."""
    control = tables.control
    commands: Array = tables.commands
    while True:
        length = read(control[COMMAND_PIPE], commands.ctypes.data, COMMANDS * COMMAND_BYTES)
        if length == 0:
            return True
        if length < 0:
            return False
        now = monotonic(tables.words)
        for at in range(length // COMMAND_BYTES):
            obey(tables, commands[at], now)
            control[ACKNOWLEDGED] += 1
        if control[BACKLOG] != 0:
            control[EVENT_SIGNAL] = 1
