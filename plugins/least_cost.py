"""Calls go out by the cheapest trunk that serves their number.

    - least-cost: {rates: rates.csv}

The table is CSV with a header: `prefix`, `trunk` and `price` (a minute, in any currency). Of each trunk the
longest prefix that begins the number counts; the trunks are then tried in the order of their prices. A
number that no prefix begins is left to the next handler.
"""

import csv
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pbx import Call, Continue, Decision, Dial, Handler, TrunkTarget
from pbx.documents import Count, Duration, Text
from pbx.errors import DocumentError, OperatorError, Place, Problem

COLUMNS = ("prefix", "trunk", "price")
MAX_PROBLEMS = 20

Rates = dict[str, dict[str, Decimal]]
"""By prefix, what each trunk charges."""


class LeastCost(Handler):
    """Calls go out by the cheapest trunk that serves their number."""

    name = "least-cost"

    class Options(Handler.Options):
        """Where the rates are, and how they are used."""

        shorthand: ClassVar[str] = "rates"

        rates: Path = Field(
            description="The CSV file with prefix, trunk and price; relative to the dialplan."
        )
        trunks: Count = Field(3, description="How many trunks are tried, the cheapest first.")
        ring: Duration | None = Field(None, description="How long each of them may ring.")
        prefix: Text = Field("", description="Put before the number as dialled, to find it and to dial it.")

    options: Options

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._rates = read_rates(options.rates)
        self._longest = max(map(len, self._rates))

    def decide(self, call: Call) -> Decision:
        """Dial the number by the cheapest trunks."""
        number = self.options.prefix + call.called
        offers: dict[str, tuple[Decimal, str]] = {}
        for length in range(min(self._longest, len(number)), 0, -1):
            prefix = number[:length]
            for trunk, price in self._rates.get(prefix, {}).items():
                offers.setdefault(trunk, (price, prefix))
        if not offers:
            return Continue("no rate for this number")
        ordered = sorted(offers, key=lambda trunk: offers[trunk][0])[: self.options.trunks]
        reason = ", ".join(f"{trunk} at {offers[trunk][0]} ({offers[trunk][1]})" for trunk in ordered)
        targets = [TrunkTarget(trunk, number) for trunk in ordered]
        return Dial(targets, mode="in-turn", ring=self.options.ring, reason=reason)


def read_rates(path: Path) -> Rates:
    """The table in `path`; raises OperatorError, or DocumentError with the lines that are wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _table(path, stream)
    except OSError as error:
        words = (error.strerror or "unknown reason").lower()
        raise OperatorError(f"the rates in {path} cannot be read ({words})", "put the file there") from None
    except UnicodeDecodeError:
        raise OperatorError(f"the rates in {path} are not UTF-8 text", "save them as UTF-8") from None
    except csv.Error as error:
        raise OperatorError(f"the rates in {path} are not CSV: {error}") from None


def _table(path: Path, lines: Iterable[str]) -> Rates:
    reader = csv.DictReader(lines, strict=True)
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        message = f"the header has no {' and no '.join(missing)}, expected {', '.join(COLUMNS)}"
        raise DocumentError((Problem(Place(str(path), 1, 1), message),))
    reader.fieldnames = names
    rates: Rates = {}
    problems: list[Problem] = []
    for row in reader:
        prefix, trunk, text = ((row[name] or "").strip() for name in COLUMNS)
        fault = _fault(prefix, trunk, text) or (
            f"there is a price of {trunk} for {prefix} already" if trunk in rates.get(prefix, {}) else ""
        )
        if fault:
            problems.append(Problem(Place(str(path), reader.line_num, 1), fault))
            if len(problems) == MAX_PROBLEMS:
                break
        else:
            rates.setdefault(prefix, {})[trunk] = Decimal(text)
    if problems:
        raise DocumentError(tuple(problems))
    if not rates:
        raise OperatorError(f"there are no rates in {path}", "add lines below its header")
    return rates


def _fault(prefix: str, trunk: str, price: str) -> str:
    digits = prefix.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return f"found the prefix {prefix!r}, expected digits, with or without a +"
    if not trunk:
        return "found no trunk, expected the name of one"
    try:
        value = Decimal(price)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        return f"found the price {price!r}, expected a number such as 0.015"
    return ""
