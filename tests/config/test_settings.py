"""pbx.yaml: defaults, every mistake with its place, secrets, and the file of a first start."""

import os
import stat
from ipaddress import ip_network
from pathlib import Path

import pytest

from pbx.config import Settings
from pbx.config.first_start import write_first_configuration
from pbx.config.settings import config_json_schema
from pbx.config.values import HostPort, Listener, PortRange, StoreLocation
from pbx.dialplan.compiler import load_dialplan
from pbx.documents import loads
from pbx.errors import DocumentError, OperatorError
from pbx.ids import Ids
from tests.dialplan.calls import pairs


def settings(text: str, variables: dict[str, str] | None = None, *, secrets: bool = True) -> Settings:
    document = loads(text, "pbx.yaml")
    return Settings.from_document(document, Path("/srv/pbx/pbx.yaml"), variables or {}, secrets=secrets)


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        settings(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("text", ["", "{}"])
def test_nothing_is_a_whole_configuration(text: str) -> None:
    found = settings(text)
    assert found.domain == "pbx.local"
    assert [str(listener) for listener in found.listen] == [
        "udp:0.0.0.0:5060",
        "tcp:0.0.0.0:5060",
        "http:127.0.0.1:8088",
    ]
    assert found.dialplan == Path("/srv/pbx/dialplan.yaml")
    assert found.directories.state == Path("/srv/pbx/var")
    assert found.store == StoreLocation("sqlite", Path("/srv/pbx/var/pbx.db"))
    assert found.path == Path("/srv/pbx/pbx.yaml")
    assert (found.ring, found.digest, found.policy.final_codes) == (60.0, ("md5",), "pass")
    assert (found.sip.t1, found.sip.t2, found.sip.t4, found.sip.timer_c) == (0.5, 4.0, 5.0, 180.0)


def test_the_configuration_of_the_contract() -> None:
    found = settings(
        """
domain: PBX.example
listen:
  - udp:0.0.0.0:5060
  - tcp:[::]:0
  - http:127.0.0.1:8088
external_address: 203.0.113.7
media: {ports: 20000-29999, threads: 1}
directories: {state: var/, sounds: /sounds, recordings: var/recordings/}
store: sqlite:var/pbx.db
dialplan: dialplans/office.yaml
plugins: [plugins/]
users:
  "1001": {name: Alice, password: env:ALICE_PASSWORD, caller_id: "+31201234501"}
  1002: {name: Bob, ha1: {md5: 5F4DCC3B5AA765D61D8327DEB882CF99}}
trunks:
  carrier:
    host: sip.carrier.example:5070
    register: {username: acme, password: literal}
    inbound: {addresses: [198.51.100.0/24]}
digest: [md5]
sip: {t1: 50ms, t2: 400ms, t4: 500ms}
ring: 30s
codecs: [pcma, telephone-event]
policy: {final_codes: hide}
""",
        {"ALICE_PASSWORD": "secret"},
    )
    assert found.domain == "pbx.example"
    assert found.listen[1] == Listener("tcp", "::", 0)
    assert found.media.ports == PortRange(20000, 29999)
    assert found.directories.sounds == Path("/sounds")
    assert found.plugins == (Path("/srv/pbx/plugins"),)
    alice, bob = found.users["1001"], found.users["1002"]
    assert alice.password is not None
    assert alice.password.get_secret_value() == "secret"
    assert bob.ha1 is not None
    assert bob.ha1.of("md5") == "5f4dcc3b5aa765d61d8327deb882cf99"
    trunk = found.trunks["carrier"]
    assert trunk.host == HostPort("sip.carrier.example", 5070)
    assert trunk.register_ is not None
    assert trunk.inbound is not None
    assert trunk.inbound.addresses == (ip_network("198.51.100.0/24"),)
    assert found.codecs == ("PCMA", "TELEPHONE-EVENT")
    assert frozenset(found.users) == frozenset({"1001", "1002"})
    assert frozenset(found.trunks) == frozenset({"carrier"})
    assert "secret" not in repr(found)
    assert "5f4dcc" not in repr(found)


# ⏎ is a new line.
MISTAKES = r"""
domian: x
    pbx.yaml:1:1: unknown key 'domian' (did you mean domain?)
domain: a b
    pbx.yaml:1:9: found 'a b', expected a domain
listen: [tls:0.0.0.0:5061]
    pbx.yaml:1:10: tls is not available yet, expected one of udp, tcp, http
listen: [htp:127.0.0.1:80]
    (did you mean http:127.0.0.1:80?)
listen: [udp:0.0.0.0]
    found the port '', expected a number from 0 to 65535
listen: [udp:0.0.0.0:70000]
    found the port '70000'
listen: [udp:host:5060]
    found the address 'host', expected one such as 0.0.0.0
listen: ['udp:[::1:5060']
    expected an IPv6 address in brackets
listen: [5060]
    expected where to listen, such as udp:0.0.0.0:5060
listen: []
    pbx.yaml:1:9: found nothing, expected at least one
listen: [http:127.0.0.1:80]
    listen has no udp or tcp
external_address: pbx.example
    found 'pbx.example', expected an IP address
media: {ports: 20000}
    pbx.yaml:1:16: found '20000', expected a range of ports such as 20000-29999
media: {ports: 20001-20002}
    expected at least one even port and the odd one after it
media: {ports: 80-90}
    expected a number from 1024 to 65535
media: {threads: 0}
    found 0, expected at least 1
media: {relay: no}
    found 'no', expected true or false
store: postgres:x
    found 'postgres:x', expected sqlite:PATH
dialplan: 7
    expected a path
users: {10 1: {password: x}}
    pbx.yaml:1:9: found '10 1', expected a user such as 1001
users: {a/b: {password: x}}
    expected a user such as 1001
users: {1001: {name: x}}
    found neither password nor ha1, expected one of them
users: {1001: {password: x, ha1: {md5: 5f4dcc3b5aa765d61d8327deb882cf99}}}
    found both password and ha1
users: {1001: {ha1: {md5: xyz}}}
    expected 32 hexadecimal digits
users: {1001: {ha1: {md4: xyz}}}
    unknown key 'md4' (did you mean md5?)
users: {1001: {pasword: x}}
    pbx.yaml:1:16: unknown key 'pasword' (did you mean password?)
users: {1001: {password: 'env:'}}
    found 'env:', expected env:NAME
digest: [md6]
    pbx.yaml:1:10: found 'md6', expected md5 or sha-256 (did you mean md5?)
digest: [sha-256]⏎users: {1: {ha1: {md5: 5f4dcc3b5aa765d61d8327deb882cf99}}}
    user 1 has no ha1 for sha-256, which digest asks for
trunks: {c: {}}
    the key 'host' is missing
trunks: {c: {host: a b}}
    found the host 'a b'
trunks: {c: {host: 'a:0'}}
    found the port '0', expected a number from 1 to 65535
trunks: {c: {host: a, inbound: {addresses: [x]}}}
    expected an address or network
trunks: {a/b: {host: a}}
    expected a name of letters, digits
media: {on_rtp_timeout: hang-up}
    found 'hang-up', expected hangup or flag (did you mean hangup?)
recordings: {max_size: 5}
    expected a size such as 64KiB, 500MiB or 1GiB
recordings: {max_size: 5GB}
    found '5GB', expected a size such as 64KiB, 500MiB or 1GiB
recordings: {max_size: 4GiB}
    expected a size from 1KiB to 4095MiB
sip: {t1: 5}
    found 5 without a unit, expected a duration such as 5s
sip: {t1: 5s}
    found t1 5 s above t2 4 s
registrar: {min_expires: 2h}
    expected min_expires at most default_expires at most max_expires
policy: {final_codes: hid}
    found 'hid', expected pass or hide (did you mean hide?)
codecs: ['a b']
    expected a codec such as PCMA
limits: {calls: many}
    found 'many', expected a whole number
[]
    found a list, expected a mapping
"""


@pytest.mark.parametrize(("text", "problem"), pairs(MISTAKES))
def test_mistakes(text: str, problem: str) -> None:
    found = problems(text.replace("⏎", "\n"))
    assert len(found) == 1, found
    assert problem in found[0]


def test_secrets(tmp_path: Path) -> None:
    path = tmp_path / "pbx.yaml"
    (tmp_path / "alice").write_text("from a file\n")
    path.write_text("users: {1001: {password: file:alice}, 1002: {password: 0042}}")
    found = Settings.load(path)
    passwords = [user.password.get_secret_value() for user in found.users.values() if user.password]
    assert passwords == ["from a file", "0042"]


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("env:NOT_SET", "the environment variable NOT_SET is not set or empty; give it a value"),
        ("file:nowhere", "nowhere cannot be read (no such file or directory); put the secret there"),
    ],
)  # fmt: skip
def test_a_missing_secret_is_one_line_that_says_what_to_do(secret: str, problem: str) -> None:
    (found,) = problems(f"users: {{1001: {{password: '{secret}'}}}}")
    assert found.startswith("pbx.yaml:1:26: the secret is missing: ")
    assert problem in found
    assert "\n" not in found


def test_secrets_are_not_followed_when_they_are_not_needed() -> None:
    found = settings("users: {1: {password: env:NOT_SET}, 2: {ha1: {md5: file:x}}}", secrets=False)
    assert set(found.users) == {"1", "2"}


def test_the_first_configuration_works_and_is_never_overwritten(tmp_path: Path) -> None:
    path = write_first_configuration(tmp_path, Ids(os.urandom))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = Settings.load(path)
    assert [(key, user.name) for key, user in found.users.items()] == [("1001", "Alice"), ("1002", "Bob")]
    passwords = {user.password.get_secret_value() for user in found.users.values() if user.password}
    assert len(passwords) == 2
    assert min(map(len, passwords)) == 16
    assert load_dialplan(found.dialplan, found.known).entry_for("users") == "internal"
    before = path.read_bytes()
    with pytest.raises(OperatorError, match="never overwritten"):
        write_first_configuration(tmp_path, Ids(os.urandom))
    assert path.read_bytes() == before
    with pytest.raises(OperatorError, match="cannot be written"):
        write_first_configuration(tmp_path / "missing", Ids(os.urandom))


def test_the_first_configuration_prefers_the_dialplan_beside_it(tmp_path: Path) -> None:
    (tmp_path / "dialplans").mkdir()
    (tmp_path / "dialplans" / "demo.yaml").write_text("entry: []")
    path = write_first_configuration(tmp_path, Ids(os.urandom))
    assert "dialplan: dialplans/demo.yaml" in path.read_text()


def test_every_key_of_the_schema_is_described() -> None:
    schema = config_json_schema()
    shapes = [schema, *schema["$defs"].values()]
    undescribed = [
        (shape["title"], key)
        for shape in shapes
        for key, value in shape.get("properties", {}).items()
        if not value.get("description") and "$ref" not in value
    ]
    assert undescribed == []
