import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from pbx.cli.interop.report import line, summary, to_json, write_junit
from pbx.cli.interop.runner import Outcome

GOOD = Outcome("basic-call", "two phones talk", 3.25)
BAD = Outcome(
    "busy",
    "a busy phone",
    1.5,
    ("bob: SIPp <failed>", "alice heard nothing"),
    {"/tmp/x/1-bob.errors": "unexpected \x1b[31mBYE\x00", "/tmp/x/1-bob.messages": ""},
    Path("/tmp/x"),
)
SKIPPED = Outcome("ipv6", "over IPv6", 0.0, skipped="the host has no IPv6")


def test_lines_for_people() -> None:
    assert line(GOOD) == "basic-call               passed    3.2 s  two phones talk"
    assert line(SKIPPED).splitlines() == [
        "ipv6                     skipped   0.0 s  over IPv6",
        "    not run: the host has no IPv6",
    ]
    assert line(BAD).splitlines() == [
        "busy                     FAILED    1.5 s  a busy phone",
        "    bob: SIPp <failed>",
        "    alice heard nothing",
        "    the end of /tmp/x/1-bob.errors:",
        "      | unexpected \\x1b[31mBYE\\x00",
        "    files: /tmp/x",
    ]


def test_a_case_that_a_stall_spoilt_says_how_often_it_was_played() -> None:
    again = replace(GOOD, tries=2, spoilt=("alice heard nothing",))
    assert line(again).splitlines()[1:] == ["    played 2 times", "    before: alice heard nothing"]
    assert (
        line(replace(BAD, tries=3, stalled_s=0.54)).splitlines()[3]
        == "    played 3 times; the machine stood still for 0.54 s"
    )


def test_the_closing_line() -> None:
    assert summary([GOOD, BAD, GOOD]) == "2 passed, 1 failed"
    assert summary([GOOD, SKIPPED]) == "1 passed, 0 failed, 1 skipped"
    assert summary([]) == "0 passed, 0 failed"


def test_junit(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "sipp.xml"
    write_junit([GOOD, BAD, SKIPPED], path)
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("time")) == ("3", "1", "4.750")
    assert suite.get("skipped") == "1"
    good, bad, skipped = suite.findall("testcase")
    assert (good.get("name"), good.get("time"), len(good)) == ("basic-call", "3.250", 0)
    assert [each.tag for each in skipped] == ["skipped"]
    failure, output = bad.find("failure"), bad.find("system-out")
    assert failure is not None
    assert output is not None
    assert failure.get("message") == "bob: SIPp <failed>"
    assert failure.text == "bob: SIPp <failed>\nalice heard nothing"
    # Control characters cannot be in XML at all.
    assert output.text == "/tmp/x/1-bob.errors:\nunexpected \ufffd[31mBYE\ufffd"


def test_json() -> None:
    told = json.loads(json.dumps(to_json([GOOD, BAD, SKIPPED])))
    assert (told["passed"], told["failed"], told["skipped"]) == (1, 1, 1)
    assert told["cases"][0] == {
        "name": "basic-call",
        "summary": "two phones talk",
        "passed": True,
        "skipped": "",
        "seconds": 3.25,
        "tries": 1,
        "spoilt": [],
        "faults": [],
        "directory": None,
    }
    assert told["cases"][1]["directory"] == "/tmp/x"
