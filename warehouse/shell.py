"""`make sql`: a read-only SQL shell on the published warehouse; also takes statements from standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb

from warehouse.connection import connect_read_only
from warehouse.errors import WarehouseError
from warehouse.home import WarehouseHome

_PROMPT, _CONTINUED = "cart> ", "  ... "


def statements(interactive: bool) -> Iterator[str]:
    """Yield statements ended by a semicolon; the last one may go without."""
    pending = ""
    while True:
        try:
            line = input((_CONTINUED if pending else _PROMPT) if interactive else "")
        except EOFError:
            break
        pending = f"{pending}\n{line}" if pending else line
        if pending.strip() in ("exit", "quit", ".exit", ".quit"):
            return
        if pending.rstrip().endswith(";"):
            yield pending
            pending = ""
    if pending.strip():
        yield pending


def run(connection: duckdb.DuckDBPyConnection, statement: str) -> bool:
    """Run one statement and print its result; returns False after printing the error of a bad one."""
    try:
        result = connection.sql(statement)
    except duckdb.Error as error:
        sys.stderr.write(f"{error}\n")
        return False
    if result is not None:
        result.show(max_width=200)
    return True


def main() -> int:
    """Open the shell on the warehouse home given as argument; exit status 1 when a statement from standard input failed, 2 when nothing is published."""
    home = WarehouseHome(Path(sys.argv[1] if len(sys.argv) > 1 else "var").expanduser().resolve())
    interactive = sys.stdin.isatty()
    try:
        connection = connect_read_only(home.database)
    except WarehouseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if interactive:
        with suppress(ImportError):
            import readline  # noqa: F401  # line editing and history for input()
        sys.stdout.write(
            "Read-only. Schemas: marts, analysis, quality. Try `from marts.outcomes limit 5;`; leave with Ctrl-D.\n"
        )
    with connection:
        succeeded = [run(connection, statement) for statement in statements(interactive)]
    return 0 if interactive or all(succeeded) else 1


if __name__ == "__main__":
    sys.exit(main())
