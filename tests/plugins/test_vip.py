"""The plugin `vip`: customers of a SQLite CRM go to their manager."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pbx.testing
from pbx import Continue, Dial, Goto
from pbx.dialplan.decisions import OUTCOMES
from pbx.dialplan.explain import explain
from pbx.dialplan.plugins import load_plugins
from pbx.errors import DocumentError, OperatorError
from plugins.vip import Vip
from tests.dialplan.calls import call, generation
from tests.dialplan.plugin_files import known

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.fixture
def crm(tmp_path: Path) -> Path:
    path = tmp_path / "crm.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE customers (number TEXT, manager TEXT)")
        rows = [("+31612345678", "1001"), ("+31687654321", None)]
        database.executemany("INSERT INTO customers VALUES (?, ?)", rows)
    return path


def test_a_customer_goes_to_the_manager(crm: Path) -> None:
    vip = pbx.testing.make(Vip, database=str(crm), ring="20s")
    asked = pbx.testing.call(from_="+31 6 1234 5678")
    assert pbx.testing.decide(vip, asked) == Dial("user/1001", ring=20.0)


@pytest.mark.parametrize(
    "number", ["+31699999999", "", "anonymous", "+31687654321", "' OR '1'='1", '" OR 1=1 --']
)
def test_anybody_else_is_passed_on(crm: Path, number: str) -> None:
    vip = pbx.testing.make(Vip, database=str(crm))
    assert pbx.testing.decide(vip, pbx.testing.call(from_=number)) == Continue()


def test_what_the_manager_does_not_answer_goes_elsewhere(crm: Path) -> None:
    vip = pbx.testing.make(Vip, database=str(crm), otherwise="reception")
    expected = Dial("user/1001", on={outcome: Goto("reception") for outcome in OUTCOMES})
    assert pbx.testing.decide(vip, pbx.testing.call()) == expected
    with pytest.raises(pbx.testing.Failed, match="there is no chain 'reception'"):
        pbx.testing.decide(vip, pbx.testing.call(), chains=["night"])


def test_a_customer_added_later_is_known_at_once(crm: Path) -> None:
    vip = pbx.testing.make(Vip, database=str(crm))
    asked = pbx.testing.call(from_="+4930123456")
    with pbx.testing.running(vip) as running:
        assert running.decide(asked) == Continue()
        with closing(sqlite3.connect(crm)) as database, database:
            database.execute("INSERT INTO customers VALUES ('+4930123456', '1002')")
        assert running.decide(asked) == Dial("user/1002")


def test_other_tables_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "crm.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute('CREATE TABLE "key accounts" (phone TEXT, "account ""manager""" TEXT)')
        database.execute("""INSERT INTO "key accounts" VALUES ('+31612345678', '1003')""")
    names: dict[str, Any] = {"table": "key accounts", "number": "phone", "manager": 'account "manager"'}
    vip = pbx.testing.make(Vip, database=str(path), **names)
    assert pbx.testing.decide(vip, pbx.testing.call()) == Dial("user/1003")


def test_the_database_is_only_read(crm: Path) -> None:
    vip = pbx.testing.make(Vip, database=str(crm), table="customers")
    before = crm.read_bytes()
    pbx.testing.decide(vip, pbx.testing.call())
    assert crm.read_bytes() == before
    assert [path.name for path in crm.parent.iterdir()] == ["crm.db"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"database": "nowhere.db"}, "there is no database .*nowhere.db: name the CRM's SQLite file"),
        ({"table": "clients"}, "cannot be read: no such table: clients: check table, number and manager"),
        ({"database": "notes.txt"}, "cannot be read: file is not a database"),
        ({"database": 7}, "database: found 7, expected a path"),
        ({"databse": "x"}, "databse"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_loaded(crm: Path, options: dict[str, Any], expected: str) -> None:
    (crm.parent / "notes.txt").write_text("not a database, but long enough to be looked at " * 10)
    values = {"database": str(crm), **options}
    with pytest.raises(OperatorError, match=expected):
        pbx.testing.make(Vip, directory=crm.parent, **values)


def test_in_a_dialplan(crm: Path) -> None:
    plugins = load_plugins([PLUGINS], installed=False)
    chains = f"  main:\n    - vip: {crm}\n    - reject: 480\n"
    tree = generation(chains, known=known(plugins))
    assert explain(tree, call("1", from_="+31612345678")).decision == Dial("user/1001")
    plugins.host.stop_blocking()
    with pytest.raises(DocumentError, match=r"d.yaml:4:12: there is no database"):
        generation("  main:\n    - vip: nowhere.db\n", known=known(plugins))
