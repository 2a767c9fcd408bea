"""pbx.yaml as typed, frozen settings; `{}` beside a dialplan.yaml is a whole configuration."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr, model_validator

from pbx.config.values import (
    AddressValue,
    CodecName,
    HostName,
    HostPortValue,
    Listener,
    ListenerValue,
    NetworkValue,
    PathValue,
    PortRange,
    PortRangeValue,
    Reading,
    Secret,
    StoreLocation,
    StoreValue,
    TrunkName,
    UserName,
    environment,
)
from pbx.dialplan.plugins import load_plugins
from pbx.dialplan.scope import KnownNames
from pbx.documents import (
    Count,
    Document,
    Duration,
    Flag,
    Shape,
    ShapeError,
    Size,
    Text,
    Whole,
    load,
    validate,
)
from pbx.errors import DocumentError, OperatorError, Place, Problem

if TYPE_CHECKING:
    from pbx.media.sounds import SoundLibrary

DEFAULT_FILE = Path("pbx.yaml")
_EVERY_ADDRESS = "0.0.0.0"  # noqa: S104  # phones call from anywhere; http stays on this machine

Algorithm = Literal["md5", "sha-256"]
_HEX_DIGITS: Mapping[Algorithm, int] = {"md5": 32, "sha-256": 64}


def _hexadecimal(digits: int) -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        if text and not re.fullmatch(f"[0-9A-Fa-f]{{{digits}}}", text):
            raise ShapeError(f"expected {digits} hexadecimal digits: the digest of name:realm:password")
        return SecretStr(text.lower())

    return AfterValidator(check)


class Ha1(Shape):
    """Digests of name:realm:password instead of the password (RFC 7616 §3.4.2); the realm is the domain."""

    md5: Annotated[Secret, _hexadecimal(_HEX_DIGITS["md5"])] | None = Field(
        None, description="MD5, 32 hexadecimal digits."
    )
    sha_256: Annotated[Secret, _hexadecimal(_HEX_DIGITS["sha-256"])] | None = Field(
        None, alias="sha-256", description="SHA-256, 64 hexadecimal digits."
    )

    def of(self, algorithm: Algorithm) -> str | None:
        """The digest for `algorithm`, or None."""
        secret = self.md5 if algorithm == "md5" else self.sha_256
        return None if secret is None else secret.get_secret_value()


Srtp = Literal["off", "optional", "required"]
_SRTP = (
    "SRTP of this {whose}, instead of the service's: off; optional: offered with RTP/AVP (RFC 8643), and "
    "taken when offered; required: RTP/SAVP or nothing (488)."
)


class User(Shape):
    """Somebody with a phone."""

    name: Text = Field("", max_length=100, description="The name that callees see.")
    password: Secret | None = Field(None, description="env:NAME, file:PATH or the password itself.")
    ha1: Ha1 | None = Field(None, description="Digests instead of a password.")
    caller_id: Text = Field("", max_length=64, description="The number that trunks see for this user.")
    digest: tuple[Algorithm, ...] | None = Field(
        None,
        min_length=1,
        description="The algorithms to challenge this user with, instead of the service's.",
    )

    srtp: Srtp | None = Field(None, description=_SRTP.format(whose="user"))

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.password is None) == (self.ha1 is None):
            found = "neither password nor ha1" if self.password is None else "both password and ha1"
            raise ShapeError(f"found {found}, expected one of them")
        return self


class Registration(Shape):
    """How we register at a trunk."""

    username: Text = Field(min_length=1, description="The name the trunk knows us by.")
    password: Secret = Field(description="env:NAME, file:PATH or the password itself.")
    expires: Duration = Field(3600.0, ge=60, description="The lifetime to ask for.")


class Inbound(Shape):
    """How calls from a trunk are known."""

    addresses: tuple[NetworkValue, ...] = Field(
        min_length=1, description="Addresses and networks that its calls come from."
    )


class Trunk(Shape):
    """A peer that calls are routed to, and that calls come from."""

    host: HostPortValue = Field(description="Its host, or host:port.")
    transport: Literal["udp", "tcp"] = Field("udp", description="The transport of our requests to it.")
    register_: Registration | None = Field(
        None, alias="register", description="When it wants us to register."
    )
    inbound: Inbound | None = Field(None, description="When calls come from it.")
    srtp: Srtp | None = Field(None, description=_SRTP.format(whose="trunk"))


class Sip(Shape):
    """Timers and bounds of SIP signalling (RFC 3261 §17)."""

    t1: Duration = Field(0.5, gt=0, description="The round-trip estimate, T1.")
    t2: Duration = Field(4.0, gt=0, description="The longest interval between retransmissions, T2.")
    t4: Duration = Field(5.0, ge=0, description="How long a message may stay in the network, T4.")
    timer_c: Duration = Field(180.0, gt=0, description="How long an INVITE may ring without news, timer C.")
    max_transactions: Count = Field(
        100_000, description="Transactions at once; beyond, 503 with Retry-After."
    )
    max_connections: Count = Field(1000, description="TCP connections at once.")
    max_connections_per_source: Count = Field(
        200, description="TCP connections at once that one address may open (IPv6: one /64)."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.t1 > self.t2:
            raise ShapeError(f"found t1 {self.t1:g} s above t2 {self.t2:g} s, expected t1 at most t2")
        return self


class Media(Shape):
    """The media plane."""

    ports: PortRangeValue = Field(PortRange(20000, 29999), description="UDP ports for RTP and RTCP.")
    threads: Whole = Field(1, ge=1, le=64, description="Media threads, at most one for each core.")
    pool: Count = Field(64, description="Port pairs that are bound before they are needed.")
    rtp_timeout: Duration = Field(
        60.0,
        description="How long neither RTP nor RTCP may come from a leg that talks and is not on hold; 0s for "
        "ever.",
    )
    on_rtp_timeout: Literal["hangup", "flag"] = Field(
        "hangup", description="What follows: hangup ends the call, flag notes it in log, record and metrics."
    )
    srtp: Srtp = Field(
        "optional",
        description="SRTP with keys in SDP (RFC 4568): off; optional: taken when a peer offers it; required: "
        "RTP/SAVP or nothing (488).",
    )
    transcode: Flag = Field(
        True, description="Whether legs without a common codec are joined by decoding and encoding."
    )
    relay: Flag = Field(True, description="false relays no packet: only for tests that must then fail.")


class Directories(Shape):
    """Where the service keeps things; relative to this file's directory."""

    state: PathValue = Field(Path("var"), validate_default=True, description="Control socket, caches, state.")
    sounds: PathValue = Field(Path("sounds"), validate_default=True, description="Sounds to play.")
    recordings: PathValue = Field(
        Path("var/recordings"), validate_default=True, description="Recorded calls."
    )


def _country_of_tones(name: str) -> str:
    # It loads numpy, for which a verb that only reads a configuration should not wait.
    from pbx.media.tones import TONES

    if name not in TONES:
        raise ShapeError(f"found {name}, expected one of {', '.join(sorted(TONES))}")
    return name


class Sounds(Shape):
    """What callers hear of the service itself."""

    language: Literal["en"] = Field("en", description="The language of the built-in prompts.")
    country: Annotated[Text, AfterValidator(_country_of_tones)] = Field(
        "gb", description="Whose ringing and busy tones callers hear."
    )
    hold_music: Text | None = Field(
        None,
        description="What whoever is put on hold hears, such as default; left out: what the holder sends.",
    )


class Registrar(Shape):
    """What phones that register are granted (RFC 3261 §10.3)."""

    min_expires: Duration = Field(60.0, ge=1, description="A shorter lifetime is answered 423.")
    default_expires: Duration = Field(3600.0, ge=1, description="The lifetime when a phone asks for none.")
    max_expires: Duration = Field(3600.0, ge=1, description="A longer lifetime is shortened to this.")
    max_contacts: Count = Field(10, description="Contacts of one user.")
    max_bindings: Count = Field(100_000, description="Contacts of all users together.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min_expires <= self.default_expires <= self.max_expires:
            raise ShapeError("expected min_expires at most default_expires at most max_expires")
        return self


class Policy(Shape):
    """What of one leg the other may see."""

    final_codes: Literal["pass", "hide"] = Field(
        "pass",
        description="pass: a callee's final code reaches the caller; hide: only the kind of failure does.",
    )


class Limits(Shape):
    """Bounds of the whole service."""

    calls: Count = Field(2000, description="Calls at once; beyond, 503 with Retry-After.")


# A WAV file counts in 32 bits.
_LARGEST_RECORDING_MIB = 4095


def _of_a_file(octets: int) -> int:
    if not 1 << 10 <= octets <= _LARGEST_RECORDING_MIB << 20:
        raise ShapeError(f"expected a size from 1KiB to {_LARGEST_RECORDING_MIB}MiB")
    return octets


class Recordings(Shape):
    """Recordings of calls."""

    max_size: Annotated[Size, AfterValidator(_of_a_file)] = Field(
        1 << 30,
        description="The largest file: a recording that reaches it ends, and the call goes on.",
    )


class Records(Shape):
    """How long the records of finished calls are kept."""

    keep: Duration = Field(30 * 86400.0, ge=60, description="How long after its end a call is kept.")
    max: Count = Field(1_000_000, description="How many calls are kept; the oldest go first.")


def _empty() -> Any:
    return {}


class Settings(Shape):
    """The configuration of the service, pbx.yaml."""

    domain: HostName = Field("pbx.local", description="Our SIP domain, and the realm of our challenges.")
    listen: tuple[ListenerValue, ...] = Field(
        (
            Listener("udp", _EVERY_ADDRESS, 5060),
            Listener("tcp", _EVERY_ADDRESS, 5060),
            Listener("http", "127.0.0.1", 8088),
        ),
        min_length=1,
        description="udp:ADDRESS:PORT and tcp:ADDRESS:PORT for SIP; http:ADDRESS:PORT for API and metrics.",
    )
    external_address: AddressValue | None = Field(
        None, description="The address that SDP and Contact show, when behind a NAT."
    )
    media: Media = Field(default_factory=Media, description="The media plane.")
    sounds: Sounds = Field(default_factory=Sounds, description="What callers hear of the service.")
    directories: Directories = Field(
        default_factory=_empty, validate_default=True, description="Where the service keeps things."
    )
    store: StoreValue = Field(
        StoreLocation("sqlite", Path("var/pbx.db")),
        validate_default=True,
        description="What has to survive a restart: sqlite:PATH.",
    )
    dialplan: PathValue = Field(
        Path("dialplan.yaml"),
        validate_default=True,
        description="The dialplan; relative to this file's directory.",
    )
    plugins: tuple[PathValue, ...] = Field((), description="Directories with plugins.")
    users: dict[UserName, User] = Field(
        default_factory=dict, description="Users by the name they register as."
    )
    trunks: dict[TrunkName, Trunk] = Field(default_factory=dict, description="Trunks by name.")
    digest: tuple[Algorithm, ...] = Field(
        ("md5",), min_length=1, description="Challenge algorithms, the most wanted first (RFC 7616 §3.7)."
    )
    sip: Sip = Field(default_factory=Sip, description="Timers and bounds of SIP.")
    registrar: Registrar = Field(
        default_factory=Registrar, description="What registering phones are granted."
    )
    ring: Duration = Field(60.0, gt=0, description="How long a dial rings when the dialplan does not say.")
    codecs: tuple[CodecName, ...] | None = Field(
        None, min_length=1, description="The only codecs that pass, such as [PCMA, PCMU]; any when left out."
    )
    policy: Policy = Field(default_factory=Policy, description="What of one leg the other may see.")
    limits: Limits = Field(default_factory=Limits, description="Bounds of the whole service.")
    recordings: Recordings = Field(default_factory=Recordings, description="Recordings of calls.")
    records: Records = Field(default_factory=Records, description="How long finished calls are kept.")
    watch: Flag = Field(False, description="Reload the dialplan as soon as one of its files changes.")
    drain: Duration = Field(10.0, description="How long calls may go on after SIGTERM.")

    _path: Path = PrivateAttr(default=DEFAULT_FILE)
    _plugin_places: tuple[Place, ...] = PrivateAttr(default=())
    _known: KnownNames | None = PrivateAttr(default=None)
    _library: "SoundLibrary | None" = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not any(listener.scheme in ("udp", "tcp") for listener in self.listen):
            raise ShapeError("listen has no udp or tcp, expected at least one of them")
        for name, user in self.users.items():
            for algorithm in user.digest or self.digest:
                if user.ha1 is not None and user.ha1.of(algorithm) is None:
                    raise ShapeError(f"user {name} has no ha1 for {algorithm}, which digest asks for")
        return self

    @property
    def path(self) -> Path:
        """The file that these settings were read from."""
        return self._path

    @property
    def known(self) -> KnownNames:
        """Users, trunks and sounds, to check a dialplan with, and the plugins, loaded when first asked.

        Raises DocumentError when there is something wrong with a plugin.
        """
        if self._known is None:
            missing = [
                Problem(place, f"there is no directory {directory}; make it, or take it out")
                for place, directory in zip(self._plugin_places, self.plugins, strict=False)
                if not directory.is_dir()
            ]
            if missing:
                raise DocumentError(tuple(missing))
            plugins = load_plugins(self.plugins)
            self._known = KnownNames(frozenset(self.users), frozenset(self.trunks), plugins)
        # Sounds are files, which come and go between two reloads.
        return replace(self._known, sounds=self.library.names(), music=self.library.music_names())

    @property
    def library(self) -> "SoundLibrary":
        """The sounds: those in the directory of sounds, and those built in."""
        from pbx.media.sounds import SoundLibrary, default_cache

        if self._library is None:
            self._library = SoundLibrary(
                [self.directories.sounds],
                default_cache(),
                language=self.sounds.language,
                country=self.sounds.country,
            )
        return self._library

    @classmethod
    def load(cls, path: Path, *, secrets: bool = True) -> "Settings":
        """Read the configuration at `path`; without `secrets`, those in `env:` and `file:` stay empty.

        Raises OperatorError when the file cannot be read, DocumentError with every problem that was found.
        """
        if path == DEFAULT_FILE and not path.exists():
            raise OperatorError(
                f"there is no {path} here", "name a --config, or go to the directory that has one"
            )
        return cls.from_document(load(path), path, environment(), secrets=secrets)

    @classmethod
    def from_document(
        cls, document: Document, path: Path, variables: Mapping[str, str], *, secrets: bool = True
    ) -> "Settings":
        """Settings from a document that was read from `path`; raises DocumentError."""
        problems: list[Problem] = []
        value = {} if document.value is None else document.value
        reading = Reading(path.parent, variables, secrets)
        settings = validate(cls, value, document, problems, context=reading)
        if settings is None:
            if isinstance(value, dict) and value.keys() & {"entry", "chains"}:
                message = "found a dialplan, expected a configuration, which names it under `dialplan`"
                raise DocumentError((Problem(document.place(()), message),))
            ordered = sorted(problems, key=lambda problem: (problem.place.line, problem.place.column))
            raise DocumentError(tuple(ordered))
        settings._path = path
        settings._plugin_places = tuple(
            document.place(("plugins", index)) for index in range(len(settings.plugins))
        )
        return settings


def config_json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of pbx.yaml."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
