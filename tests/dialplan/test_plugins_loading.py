"""Plugins are found in directories and in installed packages; what is wrong with one is said, not raised."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from pbx.config.settings import Settings
from pbx.dialplan import plugins as module
from pbx.dialplan.generation import decide_now
from pbx.dialplan.handlers import registry
from pbx.dialplan.plugins import load_plugins
from pbx.dialplan.schema import dialplan_json_schema
from pbx.documents import loads
from pbx.errors import DocumentError
from tests.dialplan.calls import call, generation
from tests.dialplan.plugin_files import faults, known, loaded, write

GOOD = """
from pbx import Call, Dial, Handler


class Good(Handler):
    \"\"\"Everybody to one user.\"\"\"

    name = "good"

    class Options(Handler.Options):
        user: str = "1001"
        wait: bool

    def decide(self, call: Call) -> Dial:
        return Dial(f"user/{self.options.user}", reason="good")
"""


class TestDirectory:
    def test_a_file_with_a_handler_is_a_plugin(self, tmp_path: Path) -> None:
        found = load_plugins([write(tmp_path, {"good.py": GOOD})], installed=False)
        assert list(found.found) == ["good"]
        assert found.found["good"].place.line == 5
        assert list(found.handlers) == sorted([*registry(), "good"])

    def test_a_package_with_modules_of_its_own_is_a_plugin(self, tmp_path: Path) -> None:
        init = "from .inner import Good\n"
        directory = write(tmp_path, {"bundle/__init__.py": init, "bundle/inner.py": GOOD})
        assert list(load_plugins([directory], installed=False).found) == ["good"]

    def test_what_starts_with_an_underscore_or_is_no_python_is_passed_over(self, tmp_path: Path) -> None:
        files = {"_shared.py": "1/0", "notes.txt": "hello", ".hidden.py": "1/0", "data/rates.csv": "1,2"}
        assert not load_plugins([write(tmp_path, files)], installed=False).found

    def test_bases_may_start_with_an_underscore(self, tmp_path: Path) -> None:
        text = "from pbx import Handler, Continue\n\n\nclass _Base(Handler):\n    def decide(self, call):\n"
        text += '        return Continue()\n\n\nclass Mine(_Base):\n    name = "mine"\n'
        assert list(load_plugins([write(tmp_path, {"a.py": text})], installed=False).found) == ["mine"]

    def test_two_files_of_one_name_are_two_modules(self, tmp_path: Path) -> None:
        other = GOOD.replace('"good"', '"other"')
        first, second = write(tmp_path / "a", {"x.py": GOOD}), write(tmp_path / "b", {"x.py": other})
        found = load_plugins([first, second], installed=False).found
        assert {name: plugin.kind.name for name, plugin in found.items()} == {
            "good": "good",
            "other": "other",
        }
        assert found["good"].source.module != found["other"].source.module

    def test_a_module_that_fails_leaves_nothing_behind(self, tmp_path: Path) -> None:
        faults(write(tmp_path, {"broken_one.py": "1/0\n"}))
        assert "pbx_plugin_broken_one" not in sys.modules


MISTAKES = {
    "syntax": (
        "x = 1\ndef broken(:\n",
        "p.py:2:12: this is not Python: invalid syntax; mend it, or move it away",
    ),
    "import": (
        "import os\nimport frobnicate.inner\n",
        (
            "p.py:2:1: No module named 'frobnicate'; install frobnicate where pbx is installed, "
            "or move the plugin away"
        ),
    ),
    "raise": (
        "\n\nraise RuntimeError('what\\nnow')\n",
        "p.py:3:1: the plugin cannot be loaded: RuntimeError: what now",
    ),
    "exit": ("import sys\nsys.exit(3)\n", "p.py:2:1: the plugin cannot be loaded: SystemExit: 3"),
    "nothing": (
        "x = 1\n",
        (
            "p.py:1:1: there is no plugin here: expected a class that extends pbx.Handler or pbx.Strategy "
            "and has a name; a file that is none may start with _"
        ),
    ),
    "no name": (
        "from pbx import Handler\n\nclass Mine(Handler):\n    def decide(self, call): ...\n",
        'p.py:3:1: Mine has no name; write name = "…" in it, as dialplans shall call it',
    ),
    "bad name": (
        "from pbx import Handler\nclass Mine(Handler):\n    name = 'My plugin'\n",
        "p.py:2:1: Mine has the name 'My plugin', expected small letters, digits, - and _",
    ),
    "a built-in's name": (
        "from pbx import Handler\nclass Mine(Handler):\n    name = 'dial'\n",
        "p.py:2:1: dial is a name of pbx itself; give Mine another one",
    ),
    "a newer interface": (
        "from pbx import Handler\nclass Mine(Handler):\n    name = 'mine'\n    interface = 2\n",
        (
            "p.py:2:1: Mine is written for version 2 of the plugin interface, this pbx has 1; "
            "install a newer pbx"
        ),
    ),
    "no interface": (
        "from pbx import Handler\nclass Mine(Handler):\n    name = 'mine'\n    interface = 0\n",
        (
            "p.py:2:1: Mine is written for version 0 of the plugin interface, this pbx has 1; "
            "install a newer plugin"
        ),
    ),
    "no decide": (
        "from pbx import Handler\nclass Mine(Handler):\n    name = 'mine'\n",
        "p.py:2:1: Mine has no decide; write def decide(self, call), or async def",
    ),
    "other arguments": (
        "from pbx import Handler\nclass Mine(Handler):\n    name = 'mine'\n    def decide(self): ...\n",
        "p.py:2:1: decide of Mine takes other arguments, expected def decide(self, call)",
    ),
    "foreign options": (
        (
            "from pbx import Handler\nclass Mine(Handler):\n    name = 'mine'\n    class Options: ...\n"
            "    def decide(self, call): ...\n"
        ),
        "p.py:2:1: Options of Mine does not extend Handler.Options",
    ),
    "a step's option": (
        (
            "from pbx import Handler\nclass Mine(Handler):\n    name = 'mine'\n"
            "    class Options(Handler.Options):\n        timeout: int = 3\n    def decide(self, call): ...\n"
        ),
        "p.py:2:1: the option timeout of Mine has a meaning for every step already; give it another name",
    ),
    "a shorthand for nothing": (
        (
            "from pbx import Handler\nfrom typing import ClassVar\nclass Mine(Handler):\n    name = 'mine'\n"
            "    class Options(Handler.Options):\n        shorthand: ClassVar[str] = 'file'\n"
            "    def decide(self, call): ...\n"
        ),
        "p.py:3:1: the shorthand of Mine is 'file', which is none of its options",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, mistake: str) -> None:
    text, expected = MISTAKES[mistake]
    assert faults(write(tmp_path, {"p.py": text})) == [expected]


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    files = {"a.py": "1/0\n", "b.py": "(", "good.py": GOOD, "again.py": GOOD}
    found = faults(write(tmp_path, files))
    assert found == [
        "a.py:1:1: the plugin cannot be loaded: ZeroDivisionError: division by zero",
        "b.py:1:1: this is not Python: '(' was never closed; mend it, or move it away",
        "good.py:5:1: there is a plugin good at again.py:5:1 already; give one another name",
    ]


class TestEntryPoints:
    @pytest.fixture(autouse=True)
    def _package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path, {"acme_routing.py": GOOD, "acme_broken.py": "import frobnicate\n"})
        monkeypatch.syspath_prepend(str(tmp_path))

    def _install(self, monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
        points = EntryPoints(EntryPoint(f"p{i}", value, module.GROUP) for i, value in enumerate(values))
        monkeypatch.setattr(module, "entry_points", lambda group: points.select(group=group))

    @pytest.mark.parametrize("value", ["acme_routing:Good", "acme_routing"])
    def test_a_class_or_a_module_may_be_named(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        self._install(monkeypatch, value)
        assert list(load_plugins().found) == ["good"]

    def test_what_is_wrong_is_said(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self._install(monkeypatch, "acme_broken", "acme_routing:GOOD", "acme_routing:Handler.__doc__")
        with pytest.raises(DocumentError) as caught:
            load_plugins()
        assert [str(each).replace(f"{tmp_path}/", "") for each in caught.value.problems] == [
            (
                "acme_broken.py:1:1: No module named 'frobnicate'; "
                "install frobnicate where pbx is installed, "
                "or move the plugin away"
            ),
            (
                "entry point p1 = acme_routing:GOOD:1:1: the plugin cannot be loaded: AttributeError: "
                "module 'acme_routing' has no attribute 'GOOD'"
            ),
        ] + [str(each) for each in caught.value.problems[2:]]
        assert "expected a module or a class that extends pbx.Handler" in str(caught.value.problems[2])


class TestOptions:
    def test_are_checked_where_they_stand(self, tmp_path: Path) -> None:
        plugins = load_plugins([write(tmp_path, {"good.py": GOOD})], installed=False)
        chains = "  main:\n    - good: {user: [1], wiat: true}\n      timeout: 2 minutes\n"
        with pytest.raises(DocumentError) as caught:
            generation(chains, known=known(plugins))
        assert [str(problem) for problem in caught.value.problems] == [
            "d.yaml:4:7: good needs the option wait",
            "d.yaml:4:20: found a list, expected text",
            "d.yaml:4:25: unknown key 'wiat' (did you mean wait?)",
            "d.yaml:5:16: found '2 minutes', expected a duration such as 500ms, 20s, 5m or 1h",
        ]

    def test_on_error_is_an_ending(self, tmp_path: Path) -> None:
        plugins = load_plugins([write(tmp_path, {"good.py": GOOD})], installed=False)
        chains = (
            "  main:\n    - good: {wait: true}\n      on_error: {goto: nihgt}\n  night:\n    - reject: 480\n"
        )
        with pytest.raises(DocumentError) as caught:
            generation(chains, known=known(plugins))
        problem = "d.yaml:5:24: there is no chain 'nihgt' (did you mean night?)"
        assert [str(problem) for problem in caught.value.problems] == [problem]

    def test_an_unknown_handler_is_compared_with_plugins_too(self, tmp_path: Path) -> None:
        plugins = load_plugins([write(tmp_path, {"good.py": GOOD})], installed=False)
        with pytest.raises(
            DocumentError, match=r"found 'goood', which is no handler \(did you mean good\?\)"
        ):
            generation("  main:\n    - goood: {}\n", known=known(plugins))

    def test_are_in_the_schema(self, tmp_path: Path) -> None:
        plugins = load_plugins([write(tmp_path, {"good.py": GOOD})], installed=False)
        definition = dialplan_json_schema(plugins.handlers)["$defs"]["good"]
        assert set(definition["properties"]) == {"user", "wait", "timeout", "on_error", "isolate"}
        assert definition["required"] == ["wait"]
        assert {"$ref": "#/$defs/ending"} in definition["properties"]["on_error"]["anyOf"]
        assert definition["description"] == "Everybody to one user."

    def test_a_path_is_relative_to_the_dialplan(self, tmp_path: Path) -> None:
        plugins = loaded(
            tmp_path / "plugins",
            """
class Mine(Handler):
    name = "mine"
    class Options(Handler.Options):
        file: Path
    def decide(self, call):
        return Reject(486, str(self.options.file))
""",
        )
        (tmp_path / "d.yaml").write_text(
            "entry: [{from: anyone, chain: a}]\nchains: {a: [mine: {file: x.db}]}"
        )
        from pbx.dialplan.compiler import load_dialplan

        tree = load_dialplan(tmp_path / "d.yaml", known(plugins))
        assert decide_now(tree.decide(call("1"))).decision.reason == str(tmp_path / "x.db")
        plugins.host.stop_blocking()


class TestMaking:
    BODY = """
class Mine(Handler):
    name = "mine"
    def __init__(self, options):
        raise {raised}
    def decide(self, call): ...
"""

    @pytest.mark.parametrize(
        ("raised", "expected"),
        [
            (
                "OperatorError('there is no rates.csv', 'make it')",
                "d.yaml:4:7: there is no rates.csv: make it",
            ),
            (
                "KeyError('x')",
                "d.yaml:4:7: the plugin mine cannot be made: it raised KeyError: 'x' (mine.py:14)",
            ),
        ],
    )
    def test_what_it_raises_is_said_at_the_step(self, tmp_path: Path, raised: str, expected: str) -> None:
        plugins = loaded(tmp_path, self.BODY.format(raised=raised))
        with pytest.raises(DocumentError) as caught:
            generation("  main:\n    - mine\n", known=known(plugins))
        assert str(caught.value).replace(f"{tmp_path}/", "") == expected


class TestSettings:
    def test_name_directories(self, tmp_path: Path) -> None:
        write(tmp_path, {"plugins/good.py": GOOD})
        document = loads("plugins: [plugins/]\n", "pbx.yaml")
        settings = Settings.from_document(document, tmp_path / "pbx.yaml", {})
        assert settings.known.plugins is not None
        assert "good" in settings.known.plugins.found
        assert settings.known.plugins is settings.known.plugins

    def test_a_directory_that_is_not_there_is_said_where_it_is_named(self, tmp_path: Path) -> None:
        document = loads("plugins:\n  - nowhere\n", "pbx.yaml")
        settings = Settings.from_document(document, tmp_path / "pbx.yaml", {})
        with pytest.raises(DocumentError) as caught:
            _ = settings.known
        expected = f"pbx.yaml:2:5: there is no directory {tmp_path}/nowhere; make it, or take it out"
        assert str(caught.value) == expected
