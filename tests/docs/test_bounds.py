"""docs/bounds.md names the bounds there are, with the numbers and answers of the code."""

from pathlib import Path

from pbx.media import mixtables
from pbx.net import endpoint, tcp
from pbx.service.overload import LATE_S
from pbx.service.reports import BOUNDS
from pbx.sip import limits

ROWS = {
    row.split("|")[1].strip(" `"): row
    for row in Path(__file__, "../../../docs/bounds.md").resolve().read_text(encoding="utf-8").splitlines()
    if row.startswith("| `")
}


def test_each_bound_has_a_row() -> None:
    assert set(ROWS) == set(BOUNDS)
    assert set(limits.BOUND_OF_PHRASE.values()) <= set(BOUNDS)


def test_the_answers_are_those_of_the_code() -> None:
    for phrase, bound in limits.BOUND_OF_PHRASE.items():
        assert phrase in ROWS[bound]


def test_the_numbers_are_those_of_the_code() -> None:
    said = {
        "header-octets": f"{limits.MAX_HEADER_SECTION // 1024} KiB",
        "header-lines": f" {limits.MAX_HEADER_LINES} ",
        "body-octets": f"{limits.MAX_BODY // 1024} KiB",
        "message-octets": f"{limits.MAX_MESSAGE // 1024} KiB",
        "unread-octets": f"{tcp.MAX_UNSENT_BYTES >> 20} MiB",
        "slow-messages": f"{tcp.MESSAGE_S:g} s",
        "lateness": f" {LATE_S:g} s",
        "media-bridges": f" {mixtables.MOST_BRIDGES}",
        "media-sinks": f" {mixtables.SINKS} ",
        "media-sources": f" {mixtables.SOURCES} ",
        "waiting-messages": f" {endpoint.MAX_WAITING} ",
    }
    for bound, number in said.items():
        assert number in ROWS[bound]
