"""What a caller sends stays where the dialplan puts it: targets, files, URLs, headers, rooms, the store."""

import json
import re
import sqlite3
from urllib.parse import unquote_to_bytes, urlsplit

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pbx.dialplan.call import Call, Caller
from pbx.dialplan.decisions import Conference, Dial, Redirect, Reject
from pbx.dialplan.explain import explain, ladder
from pbx.dialplan.generation import Verdict
from pbx.dialplan.recorded import recorded
from pbx.dialplan.targets import TrunkTarget, UriTarget, UserTarget, is_sip_uri
from tests.dialplan.calls import KNOWN, NOON, generation

HOSTILE = st.text(max_size=30) | st.sampled_from(
    [
        "x@evil.example",
        "x@evil.example;transport=tcp",
        "1\r\nContact: <sip:evil@evil.example>\r\n",
        "../../../etc/passwd",
        "..\\..\\x.wav",
        "\x00",
        "%0d%0aInjected: 1",
        "{user}{to}",
        "a/b?c=d&to=evil#frag",
        "'; DROP TABLE call; --",
        '"><script>',
        "$(reboot)",
        "`reboot`",
        "\ud800\udfff",
        "\u202eevil",
        "\x1b[2J",
        "a" * 300,
    ]
)
TREE = generation(
    """\
  main:
    - record: {what: mix, name: "{from}/{name}-{to}-{id}"}
    - set:
        caller_id: "{from}"
        caller_id_name: "{name}"
        headers: {X-From: "{from} {name}", Subject: "{to}"}
        variables: {who: "{name}"}
    - routing:
        - {header: {x-to: uri}, dial: "sip:{to}@desk.example"}
        - {header: {x-to: name}, dial: "sip:{who}@desk.example"}
        - {header: {x-to: moved}, redirect: "sip:{from}@desk.example"}
        - {header: {x-to: user}, dial: "user/{name}"}
        - {header: {x-to: trunk}, dial: "trunk/carrier/{name}"}
        - {header: {x-to: room}, conference: "{name}"}
        - {header: {x-to: group}, from: "/(.*)/", dial: "sip:{1}@desk.example"}
    - http: {url: "https://crm.example/callers/{from}?name={name}&to={to}", headers: {X-Name: "{name}"}}
      id: crm
    - reject: 404
"""
)
FILE = re.compile(r"[A-Za-z0-9+][A-Za-z0-9+_-]{0,119}")


def asked(from_: str, name: str, to: str, where: str) -> Verdict:
    caller = Caller(from_, name)
    return explain(TREE, Call("id/../x", caller, to, "trunk/carrier", NOON, None, "carrier", {"x-to": where}))


def is_plain(text: str) -> bool:
    return all(each.isprintable() for each in text) and text.encode("utf-8", "strict") is not None


@settings(deadline=None, max_examples=150)
@given(
    HOSTILE,
    HOSTILE,
    HOSTILE,
    st.sampled_from(["uri", "name", "moved", "user", "trunk", "room", "group", "http"]),
)
@example("x@evil.example", "a;b", "1>;x=y", "uri")
def test_nothing_leaves_its_place(from_: str, name: str, to: str, where: str) -> None:
    verdict = asked(from_, name, to, where)
    left = verdict.call
    # A file has a name and nothing else.
    assert left.record is not None
    assert FILE.fullmatch(left.record.name)
    # What is shown and sent is one line of Unicode.
    assert left.shown is not None
    assert is_plain(left.shown.number)
    assert is_plain(left.shown.name)
    assert [header for header, _ in left.sent_headers] == ["X-From", "Subject"]
    assert all(is_plain(value) and len(value) <= 256 for _, value in left.sent_headers)
    decision = verdict.decision
    match decision:
        case Dial():
            for target in decision.targets:
                match target:
                    case UriTarget(uri):
                        assert is_sip_uri(uri)
                        assert uri.rpartition("@")[2] == "desk.example"
                        assert uri.count("@") <= 1
                    case UserTarget(user):
                        # Somebody who is in the configuration, or nobody.
                        assert user in (KNOWN.users or ())
                    case TrunkTarget(trunk):
                        assert trunk == "carrier"
        case Redirect(contacts):
            assert all(is_sip_uri(uri) and uri.endswith("@desk.example") for uri in contacts)
        case Conference(room):
            assert room.isprintable()
            assert len(room) <= 64
        case _:
            assert isinstance(decision, Reject)
    # What is told to people and kept for later is one line each, and JSON.
    assert all(line.isprintable() for line in ladder(TREE, verdict.call, verdict).split("\n"))
    json.loads(json.dumps(recorded(verdict)))


@settings(deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_a_url_has_its_host_path_and_query(from_: str, name: str, to: str) -> None:
    verdict = asked(from_, name, to, "nowhere")
    visit = next(each for each in verdict.path if each.handler == "crm")
    url = visit.saw.removeprefix("GET ")
    parts = urlsplit(url)
    assert url.isascii()
    assert url.isprintable()
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "crm.example", "")
    assert re.fullmatch(r"/callers/[^/]*", parts.path)
    keys = [pair.partition("=")[0] for pair in parts.query.split("&")]
    assert keys == ["name", "to"]
    written = from_.encode("utf-8", "replace")
    assert unquote_to_bytes(parts.path.removeprefix("/callers/")) == written


@settings(deadline=None)
@given(HOSTILE, HOSTILE)
def test_sql_has_them_as_values(from_: str, name: str) -> None:
    kept = json.dumps(recorded(asked(from_, name, "1", "nowhere")))
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE call (record TEXT)")
        database.execute("INSERT INTO call VALUES (?)", (kept,))
        ((back,),) = database.execute("SELECT record FROM call")
    kept_call = json.loads(back)["inputs"]["call"]
    # Two halves of a pair are one character in JSON.
    assert [kept_call["from"], kept_call["name"]] == json.loads(json.dumps([from_, name]))
