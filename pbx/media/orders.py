"""What the reactor asks of the loop: one record at a time, between batches of packets.

A command for a leg that is no longer of its generation does nothing.
"""

from typing import Any, Final

from pbx.media.bridges import (
    close_bridge,
    drop_gains,
    enter,
    is_part,
    leave,
    set_gain,
    settle_bridge,
    settle_part,
)
from pbx.media.compiling import compiled
from pbx.media.kernels.g722 import g722_reset
from pbx.media.layout import (
    ACKNOWLEDGED,
    ACTIVATE,
    ACTIVE,
    ADOPT,
    BACKLOG,
    BRIDGE,
    CLOSE,
    CLOSE_BRIDGE,
    CLOSING,
    COMMAND_BYTES,
    COMMAND_PIPE,
    COMMANDS,
    CONFIGURE,
    DETECT,
    DIGIT,
    ECHO,
    EPOLL,
    EVENT_SIGNAL,
    FREE,
    GAIN,
    JOIN,
    LEAVE,
    MUTE,
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
    connect,
    epoll_ctl,
    monotonic,
    read,
    recv,
)
from pbx.media.mixtables import (
    CLOSED,
    DECODE,
    DETECTOR_STATE,
    DIGITS,
    DIGITS_WAITING,
    ENCODER,
    G722_STATE,
    Mix,
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
def configure(tables: Tables, mix: Mix, row: int, command: Any, now: int) -> None:
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
    leg.receive = command.receive
    leg.send = command.send
    for payload_type in range(PAYLOAD_TYPES):
        tables.payload_map[row, payload_type] = command.payload_map[payload_type]
        tables.clock_rates[row, payload_type] = command.clock_rates[payload_type]
        mix.stores[row].octets[DECODE + payload_type] = command.decode[payload_type]
    part = mix.parts[row]
    part.audio = command.audio
    if part.codec_out != command.codec:
        g722_reset(mix.stores[row].states[ENCODER : ENCODER + G722_STATE])
        part.plain = 0
    part.codec_out = command.codec
    part.type_out = command.payload_type
    part.rate_out = tables.clock_rates[row, command.payload_type]
    part.event_type = command.event_type
    part.packet_ms = command.packet_ms
    part.outgoing = 0
    if part.bridge >= 0:
        mix.bridges[part.bridge].must_mix = 0


@compiled
def bridge_legs(tables: Tables, mix: Mix, command: Any, now: int) -> None:
    """Two legs hear each other, in a bridge made for the pair."""
    row, other_row = command.row, command.other_row
    enter(tables, mix, command.bridge, command.bridge_generation, row, 1, now)
    enter(tables, mix, command.bridge, command.bridge_generation, other_row, 1, now)
    settle_bridge(tables, mix, command.bridge, now)


@compiled
def echo(tables: Tables, mix: Mix, row: int, now: int) -> None:
    """A leg hears itself; if it does so already, nothing happens."""
    leg = tables.legs[row]
    if leg.peer != row:
        leave(tables, mix, row, now)
        leg.peer = row


@compiled
def close(tables: Tables, mix: Mix, row: int, now: int) -> None:
    """A leg ends; its sockets stay watched until late packets have stopped coming."""
    leg = tables.legs[row]
    leave(tables, mix, row, now)
    drop_gains(mix, row, -1, 0)
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
def queue_digit(mix: Mix, row: int, code: int, duration_ms: int) -> None:
    """A digit waits for those before it; one too many is not sent."""
    part = mix.parts[row]
    if part.digit_tail - part.digit_head < DIGITS_WAITING:
        place = 2 * (part.digit_tail % DIGITS_WAITING)
        mix.stores[row].queue[place] = code
        mix.stores[row].queue[place + 1] = duration_ms
        part.digit_tail += 1
        mix.scratch[0].marks[DIGITS] = 1


@compiled
def obey_of_part(tables: Tables, mix: Mix, command: Any, now: int) -> None:
    """What a command says of a member of the matrix, if both it and the bridge are still those meant."""
    row = command.row
    operation = command.operation
    part = mix.parts[row]
    bridge = command.bridge
    if operation == JOIN:
        enter(tables, mix, bridge, command.bridge_generation, row, 0, now)
        settle_bridge(tables, mix, bridge, now)
    elif operation == LEAVE:
        leave(tables, mix, row, now)
        drop_gains(mix, row, -1, 0)
    elif operation == GAIN:
        if is_part(tables, mix, command.other_row, command.other_generation):
            set_gain(mix, command.bridge_generation, command.other_row, row, command.value)
            settle_part(tables, mix, row, now)
    elif operation == MUTE:
        part.muted = command.value
        settle_part(tables, mix, row, now)
    elif operation == DETECT:
        part.detect = command.value
        detector = mix.stores[row].detector
        for at in range(DETECTOR_STATE):
            detector[at] = 0.0
        settle_part(tables, mix, row, now)
    elif operation == DIGIT:
        queue_digit(mix, row, command.value, command.duration_ms)


@compiled
def obey_of_leg(tables: Tables, mix: Mix, command: Any, now: int) -> None:
    """What a command says of a leg, if it is still the one that is meant."""
    row = command.row
    operation = command.operation
    leg = tables.legs[row]
    if leg.generation != command.generation:
        return
    if operation == ACTIVATE:
        begin(leg)
        activate(tables, row, now)
        end(leg)
    elif operation == ADOPT:
        begin(leg)
        enlist(tables, row)
        end(leg)
    elif operation == RELEASE and leg.state != FREE:
        leave(tables, mix, row, now)
        begin(leg)
        strike(tables, row)
        end(leg)
    elif leg.state == OPEN:
        if operation == CONFIGURE:
            begin(leg)
            configure(tables, mix, row, command, now)
            end(leg)
            settle_part(tables, mix, row, now)
        elif operation == SECURE:
            begin(leg)
            secure(leg, command.srtp_receive, command.srtp_send)
            end(leg)
        elif operation == BRIDGE:
            other = tables.legs[command.other_row]
            if other.generation == command.other_generation and other.state == OPEN:
                bridge_legs(tables, mix, command, now)
        elif operation == ECHO:
            echo(tables, mix, row, now)
        elif operation == UNBRIDGE:
            leave(tables, mix, row, now)
        elif operation == CLOSE:
            close(tables, mix, row, now)


@compiled
def obey(tables: Tables, mix: Mix, command: Any, now: int) -> None:
    """Do what one command says."""
    if command.operation == CLOSE_BRIDGE:
        bridge = mix.bridges[command.bridge]
        if bridge.generation == command.bridge_generation and bridge.state != CLOSED:
            close_bridge(tables, mix, command.bridge)
    elif JOIN <= command.operation <= DETECT:
        if is_part(tables, mix, command.row, command.generation):
            obey_of_part(tables, mix, command, now)
    else:
        obey_of_leg(tables, mix, command, now)


@compiled
def take_commands(tables: Tables, mix: Mix) -> bool:
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
            obey(tables, mix, commands[at], now)
            control[ACKNOWLEDGED] += 1
        if control[BACKLOG] != 0:
            control[EVENT_SIGNAL] = 1
