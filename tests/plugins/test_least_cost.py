"""The plugin `least-cost`: the cheapest trunk by the longest prefix."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pbx.testing
from pbx import Continue, Dial, TrunkTarget
from pbx.dialplan.plugins import load_plugins
from pbx.errors import DocumentError, OperatorError
from plugins.least_cost import LeastCost, read_rates
from tests.dialplan.calls import generation
from tests.dialplan.plugin_files import known
from tests.plugins.test_vip import PLUGINS

RATES = """\
prefix,trunk,price
+31,alpha,0.02
+31,beta,0.03
+31,gamma,0.01
+316,alpha,0.10
+316,beta,0.08
+4930,beta,0.005
"""


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(RATES)
    return path


def trunks(number: str, *names: str) -> Dial:
    return Dial([TrunkTarget(name, number) for name in names], mode="in-turn")


@pytest.mark.parametrize(
    ("number", "names"),
    [
        ("+31201234567", ("gamma", "alpha", "beta")),
        ("+31612345678", ("gamma", "beta", "alpha")),
        ("+49301234567", ("beta",)),
        ("+4930", ("beta",)),
    ],
)
def test_the_longest_prefix_of_each_trunk_counts(rates: Path, number: str, names: tuple[str, ...]) -> None:
    handler = pbx.testing.make(LeastCost, rates=str(rates))
    assert pbx.testing.decide(handler, pbx.testing.call(to=number)) == trunks(number, *names)


@pytest.mark.parametrize("number", ["+44201234567", "+493", "600", "alice"])
def test_a_number_without_a_rate_is_passed_on(rates: Path, number: str) -> None:
    handler = pbx.testing.make(LeastCost, rates=str(rates))
    assert pbx.testing.decide(handler, pbx.testing.call(to=number)) == Continue()


def test_the_reason_names_prices_and_prefixes(rates: Path) -> None:
    handler = pbx.testing.make(LeastCost, rates=str(rates), trunks=2)
    decision = pbx.testing.decide(handler, pbx.testing.call(to="+31612345678"))
    assert decision == trunks("+31612345678", "gamma", "beta")
    assert decision.reason == "gamma at 0.01 (+31), beta at 0.08 (+316)"


def test_a_prefix_may_be_put_before_the_number(rates: Path) -> None:
    handler = pbx.testing.make(LeastCost, rates=str(rates), prefix="+49", ring="15s")
    expected = Dial([TrunkTarget("beta", "+49301234567")], mode="in-turn", ring=15.0)
    assert pbx.testing.decide(handler, pbx.testing.call(to="301234567")) == expected


@given(
    st.dictionaries(
        st.tuples(st.text("0123", min_size=1, max_size=4), st.sampled_from("abc")),
        st.integers(0, 99),
        min_size=1,
    ),
    st.text("0123", min_size=1, max_size=6),
)
def test_it_agrees_with_the_slow_way(table: dict[tuple[str, str], int], number: str) -> None:
    handler = LeastCost.__new__(LeastCost)
    handler.options = LeastCost.Options.model_construct(rates=Path(), trunks=3, ring=None, prefix="")
    from decimal import Decimal

    handler._rates = {}
    for (prefix, trunk), price in table.items():
        handler._rates.setdefault(prefix, {})[trunk] = Decimal(price)
    handler._longest = 4
    best: dict[str, tuple[int, int]] = {}
    for (prefix, trunk), price in table.items():
        if number.startswith(prefix) and len(prefix) > best.get(trunk, (0, 0))[0]:
            best[trunk] = (len(prefix), price)
    decision = handler.decide(pbx.testing.call(to=number))
    found = (
        [target.trunk for target in decision.targets if isinstance(target, TrunkTarget)]
        if isinstance(decision, Dial)
        else []
    )
    assert [best[trunk][1] for trunk in found] == sorted(price for _, price in best.values())
    assert set(found) == set(best)


MISTAKES = {
    "prefix,trunk\n+31,a\n": "rates.csv:1:1: the header has no price, expected prefix, trunk, price",
    "": "rates.csv:1:1: the header has no prefix and no trunk and no price, expected prefix, trunk, price",
    "prefix,trunk,price\n+31,a,0.1\n+3x,a,0.1\n": (
        "rates.csv:3:1: found the prefix '+3x', expected digits, with or without a +"
    ),
    "prefix,trunk,price\n+31,a,free\n": (
        "rates.csv:2:1: found the price 'free', expected a number such as 0.015"
    ),
    "prefix,trunk,price\n+31,a,-1\n": "rates.csv:2:1: found the price '-1', expected a number such as 0.015",
    "prefix,trunk,price\n+31,a,nan\n": (
        "rates.csv:2:1: found the price 'nan', expected a number such as 0.015"
    ),
    "prefix,trunk,price\n+31\n": "rates.csv:2:1: found no trunk, expected the name of one",
    "prefix,trunk,price\n+31,a,1\n\n+31,a,2\n": ("rates.csv:4:1: there is a price of a for +31 already"),
    "prefix,trunk,price\n": "there are no rates in rates.csv: add lines below its header",
    'prefix,trunk,price\n+31,"a"b,1\n': "the rates in rates.csv are not CSV: ',' expected after '\"'",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_table_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(OperatorError) as caught:
        read_rates(path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == MISTAKES[text]


def test_columns_may_come_in_any_order_with_others(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("\ufeffcomment, Price ,TRUNK,prefix\nNL, 0.5 , a ,31\n", encoding="utf-8")
    assert {prefix: list(by) for prefix, by in read_rates(path).items()} == {"31": ["a"]}


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        OperatorError, match=r"cannot be read .no such file or directory.: put the file there"
    ):
        read_rates(tmp_path / "rates.csv")
    (tmp_path / "rates.csv").write_bytes(b"prefix,trunk,price\n+31,\xff,1\n")
    with pytest.raises(OperatorError, match="are not UTF-8 text: save them as UTF-8"):
        read_rates(tmp_path / "rates.csv")


def test_every_wrong_line_is_a_problem_of_the_dialplan(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("prefix,trunk,price\nx,a,1\n+31,a,x\n")
    plugins = load_plugins([PLUGINS], installed=False)
    with pytest.raises(DocumentError) as caught:
        generation(f"  main:\n    - least-cost: {path}\n", known=known(plugins))
    assert [problem.place.line for problem in caught.value.problems] == [2, 3]
    assert {problem.place.file for problem in caught.value.problems} == {str(path)}
