"""Customers in a CRM go straight to their account manager.

    - vip: {database: crm.db}
      timeout: 500ms

The CRM is a SQLite database with a table of customers; which table and columns, the options say. It is only
read, and a new connection sees what was written since. A caller whose number is in it rings the manager
first; when the manager does not answer, the call goes where `otherwise` says, else it ends as usual.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pbx import Call, Continue, Decision, Dial, Goto, Handler, Outcome
from pbx.dialplan.decisions import OUTCOMES
from pbx.documents import Duration, Text
from pbx.errors import OperatorError


class Vip(Handler):
    """Customers in the CRM go straight to their account manager."""

    name = "vip"

    class Options(Handler.Options):
        """Where the customers are."""

        shorthand: ClassVar[str] = "database"

        database: Path = Field(description="The SQLite file; relative to the dialplan.")
        table: Text = Field("customers", description="The table of customers.")
        number: Text = Field("number", description="Its column with the customer's number, as +31201234567.")
        manager: Text = Field("manager", description="Its column with the manager: a user's name.")
        ring: Duration | None = Field(None, description="How long the manager's phones ring.")
        otherwise: Text = Field("", description="The chain for calls that the manager does not answer.")

    options: Options

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        table, number, manager = map(_quoted, (options.table, options.number, options.manager))
        # The names are quoted identifiers from the dialplan; the caller's number is a parameter.
        self._query = f"SELECT {manager} FROM {table} WHERE {number} = ?"  # noqa: S608
        if not options.database.is_file():
            raise OperatorError(f"there is no database {options.database}", "name the CRM's SQLite file")
        try:
            self._lookup("")
        except sqlite3.Error as error:
            raise OperatorError(
                f"the customers in {options.database} cannot be read: {error}",
                "check table, number and manager",
            ) from None

    def decide(self, call: Call) -> Decision:
        """Dial the manager of a customer."""
        manager = self._lookup(call.caller.number)
        if not manager:
            return Continue("not a customer")
        options = self.options
        on: dict[Outcome, Decision] = {}
        if options.otherwise:
            on = {outcome: Goto(options.otherwise) for outcome in OUTCOMES}
        return Dial(f"user/{manager}", ring=options.ring, on=on, reason=f"a customer of {manager}")

    def _lookup(self, number: str) -> str:
        # A connection belongs to one thread, and decisions come in several.
        uri = f"{self.options.database.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.5)) as connection:
            row = connection.execute(self._query, (number,)).fetchone()
        return "" if row is None or row[0] is None else str(row[0])


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
