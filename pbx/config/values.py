"""The values of pbx.yaml that are more than text: listeners, port ranges, hosts, paths, secrets."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo, WithJsonSchema

from pbx.documents import ShapeError, Text, nearest, shown

_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_PORT = re.compile(r"[0-9]{1,5}")
_USER = re.compile(r"[A-Za-z0-9_.+*#~!$&'()=,-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,31}")
_SECRET_BYTES = 64 * 1024
_LAST_PORT = 65535

Scheme = Literal["udp", "tcp", "http"]
_SCHEMES: tuple[Scheme, ...] = ("udp", "tcp", "http")
_NOT_YET = ("tls", "ws", "wss", "https")


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the service listens; port 0 is one of the kernel's choice."""

    scheme: Scheme
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}:{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports from `first` to `last`, both included; RTP takes them in even and odd pairs."""

    first: int
    last: int

    @property
    def ports(self) -> range:
        """The ports as a range."""
        return range(self.first, self.last + 1)

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host name or address, and a port when one was written."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where the service keeps what has to survive a restart."""

    kind: Literal["sqlite"]
    path: Path

    def __str__(self) -> str:
        return f"{self.kind}:{self.path}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a configuration needs besides its text: the context of its validation.

    `base` is the directory of the file, which relative paths start from. Without `secrets`, `env:` and
    `file:` are not followed and every secret is empty: enough to check a file or to explain a call.
    """

    base: Path
    environment: Mapping[str, str]
    secrets: bool = True


def _split_host(text: str) -> tuple[str, str | None]:
    """Host without brackets, and what follows its colon."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ShapeError(f"found {shown(text)}, expected an IPv6 address in brackets such as [::1]:5060")
        return host, rest[1:] if rest else None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _port(text: str | None, lowest: int) -> int:
    if text is None or not _PORT.fullmatch(text) or not lowest <= int(text) <= _LAST_PORT:
        raise ShapeError(
            f"found the port {shown(text or '')}, expected a number from {lowest} to {_LAST_PORT}"
        )
    return int(text)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _listener(value: Any) -> Listener:
    if isinstance(value, Listener):
        return value
    if not isinstance(value, str):
        raise ShapeError("expected where to listen, such as udp:0.0.0.0:5060")
    scheme, _, rest = value.partition(":")
    if scheme in _NOT_YET:
        raise ShapeError(f"{scheme} is not available yet, expected one of {', '.join(_SCHEMES)}")
    for known in _SCHEMES:
        if scheme == known:
            host, port = _split_host(rest)
            if not _is_address(host):
                raise ShapeError(
                    f"found the address {shown(host)}, expected one such as 0.0.0.0 or 127.0.0.1"
                )
            return Listener(known, host, _port(port, 0))
    raise ShapeError(
        f"found {shown(value)}, expected udp:ADDRESS:PORT, tcp:ADDRESS:PORT or http:ADDRESS:PORT",
        nearest(scheme, _SCHEMES) + value[len(scheme) :] if nearest(scheme, _SCHEMES) else "",
    )


def _port_range(value: Any) -> PortRange:
    if isinstance(value, PortRange):
        return value
    first, dash, last = str(value).partition("-")
    if not isinstance(value, str) or not dash:
        raise ShapeError(f"found {shown(str(value))}, expected a range of ports such as 20000-29999")
    ports = PortRange(_port(first, 1024), _port(last, 1024))
    if ports.last < ports.first + (ports.first % 2) + 1:
        raise ShapeError(f"found {shown(value)}, expected at least one even port and the odd one after it")
    return ports


def _host_port(value: Any) -> HostPort:
    if isinstance(value, HostPort):
        return value
    if not isinstance(value, str) or not value:
        raise ShapeError("expected a host such as sip.example.com or sip.example.com:5060")
    host, port = (value, None) if value.count(":") > 1 and value[0] != "[" else _split_host(value)
    if not (_is_address(host) or _HOST.fullmatch(host)):
        raise ShapeError(f"found the host {shown(host)}, expected one such as sip.example.com or 192.0.2.1")
    return HostPort(host.lower(), None if port is None else _port(port, 1))


def _reading(info: ValidationInfo) -> Reading:
    context = info.context
    return context if isinstance(context, Reading) else Reading(Path(), {}, secrets=False)


def _path(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ShapeError("expected a path")
    return _reading(info).base / Path(value).expanduser()


def _store(value: Any, info: ValidationInfo) -> StoreLocation:
    if isinstance(value, StoreLocation):
        return StoreLocation(value.kind, _reading(info).base / value.path)
    kind, _, path = str(value).partition(":")
    if kind != "sqlite" or not path:
        raise ShapeError(f"found {shown(str(value))}, expected sqlite:PATH")
    return StoreLocation("sqlite", _reading(info).base / path)


def _secret(value: Any, info: ValidationInfo) -> SecretStr:
    if isinstance(value, SecretStr):
        return value
    if isinstance(value, bool | int | float):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise ShapeError("expected a secret: env:NAME, file:PATH or the secret itself")
    kind, _, name = value.partition(":")
    if kind not in ("env", "file"):
        return SecretStr(value)
    if not name:
        raise ShapeError(f"found {shown(value)}, expected {'env:NAME' if kind == 'env' else 'file:PATH'}")
    reading = _reading(info)
    if not reading.secrets:
        return SecretStr("")
    found = reading.environment.get(name, "") if kind == "env" else _secret_in(reading.base / name)
    if not found:
        what = f"the environment variable {name}" if kind == "env" else f"the file {name}"
        raise ShapeError(
            f"the secret is missing: {what} is not set or empty; give it a value and start again"
        )
    return SecretStr(found)


def _secret_in(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_SECRET_BYTES)
        return data.decode().rstrip("\r\n")
    except OSError as error:
        words = (error.strerror or "unknown reason").lower()
        raise ShapeError(
            f"the secret is missing: {path} cannot be read ({words}); put the secret there"
        ) from None
    except UnicodeDecodeError:
        raise ShapeError(f"the secret in {path} is not UTF-8 text") from None


def _matching(expression: re.Pattern[str], expected: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not expression.fullmatch(text):
            raise ShapeError(f"found {shown(text)}, expected {expected}")
        return text

    return check


def _network(value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(value if isinstance(value, str) else "", strict=False)
    except ValueError:
        message = f"found {shown(str(value))}, expected an address or network such as 198.51.100.0/24"
        raise ShapeError(message) from None


def _address(text: str) -> str:
    if not _is_address(text):
        raise ShapeError(f"found {shown(text)}, expected an IP address such as 203.0.113.7")
    return text


def _text_schema(*examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": list(examples)})


ListenerValue = Annotated[Listener, BeforeValidator(_listener), _text_schema("udp:0.0.0.0:5060")]
PortRangeValue = Annotated[PortRange, BeforeValidator(_port_range), _text_schema("20000-29999")]
HostPortValue = Annotated[HostPort, BeforeValidator(_host_port), _text_schema("sip.example.com:5060")]
StoreValue = Annotated[StoreLocation, BeforeValidator(_store), _text_schema("sqlite:var/pbx.db")]
PathValue = Annotated[Path, BeforeValidator(_path), _text_schema("var/")]
NetworkValue = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(_network), _text_schema("198.51.100.0/24")
]
Secret = Annotated[SecretStr, BeforeValidator(_secret), _text_schema("env:NAME", "file:PATH")]
"""A secret: `env:NAME`, `file:PATH`, or the secret itself; it is never shown in a message or a repr."""

AddressValue = Annotated[Text, AfterValidator(_address)]
HostName = Annotated[
    Text,
    AfterValidator(_matching(_HOST, "a domain such as pbx.example.com")),
    AfterValidator(str.lower),
]
UserName = Annotated[
    Text, AfterValidator(_matching(_USER, "a user such as 1001 or alice, without spaces, / or @"))
]
TrunkName = Annotated[
    Text, AfterValidator(_matching(_NAME, "a name of letters, digits, -, _ and ., without spaces"))
]
CodecName = Annotated[
    Text, AfterValidator(_matching(_TOKEN, "a codec such as PCMA")), AfterValidator(str.upper)
]


def environment() -> Mapping[str, str]:
    """The environment that `env:` secrets are read from."""
    return os.environ
