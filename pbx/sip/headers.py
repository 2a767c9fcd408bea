"""Values of the structured headers: NameAddr, Via, CSeq. `parse` and `str` are inverses."""

import re
from dataclasses import dataclass, field
from typing import Final

from pbx.remembered import Remembered
from pbx.sip.grammar import (
    HOST,
    METHODS,
    TOKEN,
    WORD,
    WS,
    Parameters,
    malformed,
    parse_number,
    parse_parameters,
    print_parameters,
    quote,
    unescape_quoted,
)
from pbx.sip.limits import MAX_CSEQ, MAX_SECONDS
from pbx.sip.uri import Uri, parse_host, parse_port, print_host

# An unquoted display name is tokens and spaces; characters beyond ASCII are accepted, phones send them.
_DISPLAY: Final = rf"[{WORD} \t\x80-\U0010ffff]*+"
_name_addr: Final = re.compile(
    rf"{WS}(?:\"((?:[^\"\\]++|\\.)*+)\"{WS}|({_DISPLAY}))<([^<>\"]++)>{WS}(?:;tag=({TOKEN}){WS})?(;.*+)?",
    re.DOTALL,
).fullmatch
# §20.10: a URI with a comma, semicolon or question mark must stand in <>, so what follows a semicolon here
# belongs to the header, and a comma or question mark is a fault.
_addr_spec: Final = re.compile(
    rf"{WS}([^ \t;<>,?\"]++){WS}(?:;tag=({TOKEN}){WS})?(;.*+)?", re.DOTALL
).fullmatch
_hop: Final = re.compile(
    rf"{WS}({TOKEN}){WS}/{WS}({TOKEN}){WS}/{WS}({TOKEN})[ \t]++({HOST}){WS}(?::{WS}([0-9]{{1,5}}){WS})?"
).fullmatch
# What nearly every Via says after its first semicolon; what else there is goes the general way.
_usual_parameters: Final = re.compile(
    rf"branch=({TOKEN})(?:(;rport)(?:=([0-9]++))?)?(?:;received=([0-9A-Fa-f.:]++))?"
).fullmatch
_cseq: Final = re.compile(rf"{WS}([0-9]++)[ \t]++({TOKEN}){WS}").fullmatch
_qvalue: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?").fullmatch


@dataclass(slots=True)
class NameAddr:
    """`"display" <uri>;parameters` as in From, To, Contact, Route (§20.10, §20.20, §20.39).

    `display` is unquoted text, "" when there is none. Parameter names are in lower case, values as written
    (quotes included). Treat it as immutable.
    """

    display: str
    uri: Uri
    parameters: Parameters = field(default_factory=dict)
    tag: str | None = field(init=False, repr=False, compare=False)
    """The tag of a From or To (§19.3)."""

    def __post_init__(self) -> None:
        self.tag = self.parameters.get("tag")

    @classmethod
    def parse(cls, text: str, what: str = "address") -> "NameAddr":
        """Read a name-addr or addr-spec with its parameters. Raises PeerError 400 that names `what`."""
        return ADDRESSES[text, what]

    @classmethod
    def _parse(cls, text: str, what: str) -> "NameAddr":
        match = _name_addr(text)
        if match is not None:
            quoted, display, uri, tag, rest = match.groups()
            if quoted is not None:
                display = unescape_quoted(quoted) if "\\" in quoted else quoted
            elif display:
                display = display.strip(" \t")
        else:
            match = _addr_spec(text)
            if match is None:
                raise malformed(what)
            display = ""
            uri, tag, rest = match.groups()
        parameters: Parameters
        if rest is None:
            parameters = {} if tag is None else {"tag": tag}
        else:
            parameters = parse_parameters(rest if tag is None else f";tag={tag}{rest}", what)
        return cls(display, Uri.parse(uri), parameters)

    def __str__(self) -> str:
        parameters = print_parameters(self.parameters) if self.parameters else ""
        return (
            f"{quote(self.display)} <{self.uri}>{parameters}" if self.display else f"<{self.uri}>{parameters}"
        )

    @property
    def expires(self) -> int | None:
        """A Contact's lifetime in seconds (§20.10), None when not given. Raises PeerError 400."""
        value = self.parameters.get("expires")
        return None if value is None else parse_number(value, MAX_SECONDS, "expires parameter")

    @property
    def q(self) -> float:
        """A Contact's preference, 0 to 1; 1 when not given (§20.10). Raises PeerError 400."""
        value = self.parameters.get("q", "1")
        if value is None or _qvalue(value) is None:
            raise malformed("q parameter")
        return float(value)


@dataclass(slots=True)
class Via:
    """One hop of the path a request took (§20.42). `transport` is in upper case; treat it as immutable."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = field(default_factory=dict)
    protocol: str = "SIP/2.0"

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read one via-parm. Raises PeerError 400."""
        hop, semicolon, rest = text.partition(";")
        protocol, transport, host, port = _HOPS[hop,]
        usual = _usual_parameters(rest)
        if usual is not None:
            branch, rport, number, received = usual.groups()
            parameters: Parameters = {"branch": branch}
            if rport is not None:
                parameters["rport"] = number
            if received is not None:
                parameters["received"] = received
        else:
            parameters = parse_parameters(f";{rest}", "Via") if semicolon else {}
        return cls(transport, host, port, parameters, protocol)

    def __str__(self) -> str:
        parameters = print_parameters(self.parameters) if self.parameters else ""
        return f"{self.protocol}/{self.transport} {self.sent_by}{parameters}"

    @property
    def sent_by(self) -> str:
        """`host` or `host:port`, as it is compared in §17.2.3 (IPv6 in brackets)."""
        host = print_host(self.host)
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def branch(self) -> str | None:
        """The branch parameter (§8.1.1.7)."""
        return self.parameters.get("branch")

    @property
    def received(self) -> str | None:
        """Where the request really came from (§18.2.1), an address without brackets."""
        value = self.parameters.get("received")
        return value.strip("[]") if value else None

    @property
    def has_rport(self) -> bool:
        """Whether the rport parameter is there, with or without a value (RFC 3581)."""
        return "rport" in self.parameters

    @property
    def rport(self) -> int | None:
        """The port filled in by the server (RFC 3581 §4); None when absent or empty. Raises PeerError 400."""
        value = self.parameters.get("rport")
        return None if value is None else parse_number(value, 65535, "rport parameter")

    @property
    def maddr(self) -> str | None:
        """The multicast or other address to answer to (§18.2.2)."""
        return self.parameters.get("maddr")

    @property
    def ttl(self) -> int | None:
        """Time to live of a multicast (§20.42), 0 to 255. Raises PeerError 400."""
        value = self.parameters.get("ttl")
        return None if value is None else parse_number(value, 255, "ttl parameter")


@dataclass(slots=True)
class CSeq:
    """A request's number and method (§20.16); the number is below 2**31 (§8.1.1.5); treat it as immutable."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Read a CSeq value. Raises PeerError 400."""
        return CSEQS[text,]

    @classmethod
    def _parse(cls, text: str) -> "CSeq":
        digits, _, method = text.partition(" ")
        if method in METHODS and len(digits) < 10 and digits.isascii() and digits.isdigit():
            return cls(int(digits), method)
        match = _cseq(text)
        if match is None:
            raise malformed("CSeq")
        return cls(parse_number(match[1], MAX_CSEQ, "CSeq"), match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def _parse_hop(text: str) -> tuple[str, str, str, int | None]:
    """Protocol, transport, host and port of a Via."""
    match = _hop(text)
    if match is None:
        raise malformed("Via")
    name, version, transport, host, port = match.groups()
    return (
        f"{name.upper()}/{version}",
        transport.upper(),
        parse_host(host),
        parse_port(port) if port else None,
    )


# The values of one call come again and again: in each of its messages, and in what answers them.
ADDRESSES: Final = Remembered(NameAddr._parse)
CSEQS: Final = Remembered(CSeq._parse)
_HOPS: Final = Remembered(_parse_hop)
