"""Files that are made to cost time or memory are judged in a second of CPU and within 256 MiB."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dialplan.calls import problems

HEAD = "entry: [{from: anyone, chain: a}]\n"
CPU_S = 3.0
"""Three times the second that is aimed at, for machines that are slower or busy."""
EXTRA_BYTES = 256 * 1024 * 1024

# Judges every file that is named, in a process that may not grow by more than EXTRA_BYTES.
JUDGE = f"""
import json, resource, sys
from pathlib import Path
from time import process_time
from pbx.dialplan.check import check_file
import pbx.dialplan.lint, phonenumbers, re2, recurring_ical_events
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + {EXTRA_BYTES}, -1))
for name in sys.argv[1:]:
    resource.setrlimit(resource.RLIMIT_CPU, (int(process_time()) + 10, -1))
    began = process_time()
    found = check_file(Path(name))
    print(json.dumps([name, process_time() - began, [str(each) for each in found[:3]], len(found)]))
"""


def of_rules(*rules: str) -> str:
    return HEAD + "chains:\n  a:\n    - routing:\n" + "".join(f"        - {rule}\n" for rule in rules)


def laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, here in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{here}: &{here} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


MANY_CALENDARS = "calendars:\n" + "".join(
    f"  c{number}: {{open: {{daily: '{number % 24:02}:00-{(number + 1) % 24:02}:{number % 60:02}'}}}}\n"
    for number in range(200)
)
FILES = {
    "billion laughs": (laughs(), "more than 150000 values, aliases expanded"),
    "a tag": ("a: !!python/object/apply:os.system ['touch HERE']", "tags (!) are not read here"),
    "a tag of its own": (HEAD + "chains: {a: [!evil {reject: 403}]}", "tags (!) are not read here"),
    "10 MB of text": (HEAD + "# " + "x" * 10_000_000, "larger than 4 MiB"),
    "4 MB of values": ("- a\n" * 1_000_000, "more than 150000 values"),
    "4 MB in one value": (HEAD + "chains: {a: [echo]}\ntimezone: " + "x" * 4_000_000, "no time zone"),
    "a million brackets": ("[" * 1_000_000, "nested deeper than 50 levels"),
    "deep endings": (
        HEAD + "chains: {a: [" + "{dial: user/1, on: {busy: " * 30 + "echo" + "}}" * 30 + "]}",
        "nested deeper than 50 levels",
    ),
    "a greedy expression": (of_rules("{to: '/(a+)+$/', echo: }"), ""),
    "an expression that explodes": (
        of_rules("{to: '/((a{1,100}){1,100}){1,100}/', echo: }"),
        "cannot be read",
    ),
    "expressions that are too large": (
        of_rules(*(f"{{to: '/(a{{1,99}}){{1,10}}{number}/', echo: }}" for number in range(5000))),
        "the regular expressions are too large together",
    ),
    "patterns that are entangled": (
        of_rules(*(f"{{to: .{i % 10}.X.Z.{i // 10 % 10}.N.{i // 100}, echo: }}" for i in range(1000))),
        "",
    ),
    "mistakes without end": (HEAD + "chains:\n  a:\n" + "    - ecko\n" * 50_000, "found 'ecko', which is no"),
    "one key again and again": ("a: 1\n" * 60_000, "is here twice"),
    "a chain of chains": (
        HEAD
        + "chains:\n  a: [goto: c1]\n"
        + "".join(f"  c{i}: [goto: c{i + 1}]\n" for i in range(1, 3000))
        + "  c3000: [goto: a]\n",
        "passes more than 32 chains",
    ),
    "includes that double": (
        HEAD
        + "chains:\n  a: [include: c0]\n"
        + "".join(f"  c{i}: [{{include: c{i + 1}}}, {{include: c{i + 1}}}]\n" for i in range(500))
        + "  c500: [echo]\n",
        "",
    ),
    "a queue that leads to itself": (
        HEAD + "queues: {q: {agents: ['1'], on: {full: {queue: q}}}}\nchains: {a: [queue: q]}",
        "this leads in a circle (q → q)",
    ),
    "menus with every extension": (
        HEAD
        + "chains:\n  a:\n"
        + "".join(f"    - menu: {{prompt: p, choices: {{{'X' * 19}{i % 10}: echo}}}}\n" for i in range(200)),
        "",
    ),
    "calendars and a circle": (
        HEAD
        + MANY_CALENDARS
        + "chains:\n  a:\n"
        + "".join(f"    - {{hours: c{i}, closed: {{goto: b}}}}\n" for i in range(200))
        + "  b:\n    - routing:\n"
        + "".join(f"        - {{to: '9{i}', goto: a}}\n" for i in range(500)),
        "",
    ),
    "calendars and emergencies": (
        HEAD
        + MANY_CALENDARS
        + f"emergency: [{', '.join(map(str, range(1000)))}]\nchains:\n  a:\n"
        + "".join(f"    - {{hours: c{i}, closed: {{dial: user/1}}}}\n" for i in range(200))
        + "    - dial: user/1\n",
        "",
    ),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float, list[str], int]]:
    """What is said of each file, and in how many seconds of CPU."""
    directory = tmp_path_factory.mktemp("hostile")
    paths = {}
    for number, (name, (text, _)) in enumerate(FILES.items()):
        path = directory / f"{number}.yaml"
        path.write_text(text.replace("HERE", str(directory / "done")))
        paths[str(path)] = name
    ran = subprocess.run(
        [sys.executable, "-c", JUDGE, *paths], capture_output=True, text=True, timeout=300, check=False
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    found = {paths[name]: (seconds, said, count) for name, seconds, said, count in lines}
    assert list(found) == list(FILES), ran.stderr[-2000:]
    assert not (directory / "done").exists()
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file(judged: dict[str, tuple[float, list[str], int]], name: str) -> None:
    seconds, said, count = judged[name]
    words = FILES[name][1]
    assert seconds < CPU_S
    assert any(words in line for line in said) if words else True, said
    assert count <= 101


def test_files_that_include_each_other_are_read_once(tmp_path: Path) -> None:
    from pbx.dialplan.check import check_file

    for number in range(120):
        names = ", ".join(f"{other}.yaml" for other in range(number + 1, min(number + 4, 120)))
        (tmp_path / f"{number}.yaml").write_text(f"include: [{names}]\nchains: {{c{number}: [echo]}}\n")
    (tmp_path / "main.yaml").write_text(HEAD + "include: 0.yaml\nchains: {a: [echo]}\n")
    found = [str(each) for each in check_file(tmp_path / "main.yaml")]
    assert len(found) == 1
    assert "a dialplan has at most 100 files, 8 MiB and 150000 values" in found[0]


def test_files_are_too_large_together(tmp_path: Path) -> None:
    from pbx.dialplan.check import check_file

    (tmp_path / "big.yaml").write_text("lists: {l: [" + "1, " * 149_000 + "1]}\n")
    (tmp_path / "other.yaml").write_text("lists: {m: [" + "1, " * 5000 + "1]}\n")
    (tmp_path / "more.yaml").write_text("lists: {n: [1]}\n")
    (tmp_path / "main.yaml").write_text(
        HEAD + "include: [big.yaml, other.yaml, more.yaml]\nchains: {a: [echo]}\n"
    )
    found = [str(each) for each in check_file(tmp_path / "main.yaml")]
    assert len(found) == 1
    assert found[0].startswith(f"{tmp_path}/main.yaml:2:33: a dialplan has at most 100 files")


def test_an_include_of_itself(tmp_path: Path) -> None:
    from pbx.dialplan.check import check_file

    (tmp_path / "main.yaml").write_text(HEAD + "include: main.yaml\nchains: {a: [echo]}\n")
    (found,) = check_file(tmp_path / "main.yaml")
    assert "this include leads in a circle (main.yaml → main.yaml): take it out" in str(found)


def test_a_list_has_so_many_patterns(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("".join(f"{number}X1\n" for number in range(10_050)))
    text = f"{HEAD}lists: {{l: [{{file: {tmp_path}/l.txt}}]}}\nchains: {{a: [blacklist: l, echo]}}\n"
    found = problems(text)
    assert len(found) == 50
    assert "l.txt:10001:1: a list has at most 10000 patterns that are not prefixes" in found[0]


def queues(count: int) -> str:
    """Queues that each lead on to the next when nobody comes."""
    listed = [
        f"q{number}: {{agents: ['1001'], on: {{timeout: {{queue: q{number + 1}}}}}}}"
        for number in range(count - 1)
    ]
    last = f"q{count - 1}: {{agents: ['1001']}}"
    return f"{HEAD}queues: {{{', '.join([*listed, last])}}}\nchains: {{a: [queue: q0]}}\n"


def test_queues_may_follow_each_other_and_end() -> None:
    assert problems(queues(3)) == []
    (found, *_) = problems(queues(4))
    assert "this leads over more than 3 queues (q0 → q1 → q2 → q3): lead on to a chain with goto" in found
