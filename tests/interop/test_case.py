from pathlib import Path

import pytest

from pbx.cli.interop.case import find_suite
from pbx.cli.interop.scenario import fill
from pbx.errors import DocumentError, OperatorError

CONFIG = 'domain: pbx.test\nusers:\n  "1001": {password: x}\n  "1002": {password: y}\n'
CASE = """\
summary: a case
intent: to be read
phones:
  alice: {user: "1001"}
  bob: {user: 1002, transport: tcp}
steps:
  - {bob: callee.xml}
  - {alice: {scenario: caller.xml, to: 0600, with: {colour: blue}}}
hears:
  alice: {early: [bob]}
counters: {pbx_a_total: 1, pbx_b_total: [2, 3]}
"""


def write(directory: Path, case: str = CASE) -> Path:
    (directory / "mine").mkdir()
    (directory / "common").mkdir()
    (directory / "pbx.yaml").write_text(CONFIG)
    (directory / "dialplan.yaml").write_text("{}")
    (directory / "common" / "callee.xml").write_text("<scenario/>")
    (directory / "common" / "part.xml").write_text("<send/>\n")
    (directory / "mine" / "caller.xml").write_text('<scenario>\n<include file="part.xml"/>\n</scenario>')
    (directory / "mine" / "case.yaml").write_text(case)
    return directory


def problems(directory: Path, case: str) -> list[str]:
    write(directory, case)
    with pytest.raises(DocumentError) as caught:
        find_suite(directory)
    return [f"{each.place.line}:{each.place.column} {each.message}" for each in caught.value.problems]


def test_the_values_of_a_case_stand_anywhere_in_its_scenario() -> None:
    text = '<pause milliseconds="[stays]"/><recv/>[stays] [sdp]'
    assert fill(text, {"stays": "900"}) == '<pause milliseconds="900"/><recv/>900 [sdp]'


def test_a_case_is_read(tmp_path: Path) -> None:
    case = find_suite(write(tmp_path)).cases["mine"]
    assert case.has_audio
    assert case.dialplan == tmp_path / "dialplan.yaml"
    assert case.scenarios == {
        "callee.xml": "<scenario/>",
        "caller.xml": "<scenario>\n<send/>\n</scenario>",
    }
    turn = case.shape.steps[1]["alice"]
    # Numbers are text as written, leading zeros and all.
    assert (turn.to, turn.keys) == ("0600", {"colour": "blue"})
    assert case.shape.phones["bob"].transport == "tcp"
    assert case.shape.counters == {"pbx_a_total": (1, 1), "pbx_b_total": (2, 3)}


def test_a_case_has_a_dialplan_of_its_own_before_the_common_one(tmp_path: Path) -> None:
    write(tmp_path, CASE + "dialplan: other.yaml\n")
    (tmp_path / "mine" / "other.yaml").write_text("{}")
    assert find_suite(tmp_path).cases["mine"].dialplan == tmp_path / "mine" / "other.yaml"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('user: "1001"', 'user: "1009"'), "4:17 '1009' is not a user of the configuration"),
        (("{bob: callee", "{bib: callee"), "7:11 'bib' is not a phone"),
        (("callee.xml", "called.xml"), "7:11 there is no file 'called.xml'"),
        (("early: [bob]", "early: [carol]"), "10:19 'carol' is not a phone"),
        (("  alice: {early", "  alicia: {early"), "10:11 'alicia' is not a phone"),
        (("summary:", "summery:"), "1:1 unknown key 'summery'"),
        (("{early:", "{late:"), "10:11 unknown key 'late'"),
        (("tcp", "sctp"), "5:32 found 'sctp', expected udp or tcp"),
        (("pbx_a_total: 1", "pbx_a_total: one"), "11:25 found 'one'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    found = problems(tmp_path, CASE.replace(*change))
    assert any(each.startswith(expected) for each in found), found


def test_what_a_scenario_includes_has_to_be_there(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "common" / "part.xml").unlink()
    with pytest.raises(DocumentError, match=r"cannot include 'part\.xml': it is not there"):
        find_suite(tmp_path)


def test_scenarios_that_include_each_other_are_told(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "common" / "part.xml").write_text('<include file="caller.xml"/>')
    with pytest.raises(DocumentError, match="its includes go round in a circle"):
        find_suite(tmp_path)


def test_directories_without_cases(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no such file"):
        find_suite(tmp_path)
    (tmp_path / "pbx.yaml").write_text(CONFIG)
    with pytest.raises(OperatorError, match="has no cases"):
        find_suite(tmp_path)


def test_cases_are_chosen_by_name(tmp_path: Path) -> None:
    suite = find_suite(write(tmp_path))
    assert suite.select(()) == suite.select(("mine",)) == [suite.cases["mine"]]
    with pytest.raises(OperatorError, match="did you mean mine"):
        suite.select(("mime",))


def test_the_suite_of_this_project() -> None:
    cases = find_suite().cases
    assert {
        "basic-call",
        "early-media",
        "busy",
        "cancel",
        "no-answer",
        "bye-from-callee",
        "register",
        "wrong-password",
    } <= set(cases)
    assert {name for name, case in cases.items() if case.has_audio} >= {"basic-call", "early-media"}
    for case in cases.values():
        assert case.shape.counters, f"{case.name} checks no counter"
        assert "\n" not in case.shape.summary


def test_the_example_in_the_readme_is_a_case(tmp_path: Path) -> None:
    readme = (find_suite().directory / "README.md").read_text()
    example = readme.split("```yaml\n")[1].split("```")[0]
    case = find_suite(write(tmp_path, example)).cases["mine"]
    assert case.shape.hears is not None
    assert case.shape.hears["alice"].answered == ("alice",)
