"""`make sql`: a read-only SQL shell on the published warehouse.

Statements end with a semicolon; Ctrl-D or `exit` leaves. The shell keeps the night it was opened on, even when a
refresh publishes the next one meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import duckdb

from warehouse.connection import connect_read_only
from warehouse.errors import WarehouseError
from warehouse.home import WarehouseHome
from warehouse.versions import current_version

PROMPT, CONTINUATION = "cart> ", "   -> "
_TABLES = """
    select schema_name || '.' || table_name as table_name, estimated_size as rows
    from duckdb_tables()
    where not internal
    order by schema_name, table_name
"""


def statements(lines: Iterator[str]) -> Iterator[str]:
    """Yield one SQL statement after the other; a semicolon inside quotes or a comment ends none."""
    pending = ""
    for line in lines:
        if not pending.strip() and line.strip().lower() in ("exit", "quit", ".exit", ".quit"):
            return
        pending += line
        if ";" in line and _is_complete(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending


def _is_complete(text: str) -> bool:
    """A text is complete when a further statement after it is one statement more."""
    try:
        complete = len(duckdb.extract_statements(text))
        return complete > 0 and len(duckdb.extract_statements(text + "\nselect 1")) == complete + 1
    except duckdb.Error:
        return text.rstrip().endswith(";")


def run(connection: duckdb.DuckDBPyConnection, lines: Iterator[str], write: Callable[[str], object]) -> int:
    """Run every statement and write its result or its error; returns the number of statements that failed."""
    failed = 0
    for statement in statements(lines):
        try:
            answer = connection.sql(statement)
            write(f"{answer}\n" if answer is not None else "done\n")
        except duckdb.Error as error:
            failed += 1
            write(f"{error}\n")
    return failed


def _typed_lines(stream: TextIO) -> Iterator[str]:
    """Yield lines; with a prompt and line editing when a person types."""
    if not stream.isatty():
        yield from stream
        return
    import readline  # noqa: F401 its import alone gives `input` line editing and a history

    prompt = PROMPT
    while True:
        try:
            line = input(prompt)
        except (EOFError, KeyboardInterrupt):
            return
        prompt = PROMPT if line.rstrip().endswith(";") or not line.strip() else CONTINUATION
        yield line + "\n"


def main(arguments: list[str], stdin: TextIO = sys.stdin) -> int:
    """Open the shell on the warehouse home given as the only argument; returns the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m warehouse.shell WAREHOUSE_HOME\n")
        return 2
    home = WarehouseHome(Path(arguments[0]))
    try:
        connection = connect_read_only(home.database)
    except WarehouseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with connection:
        if stdin.isatty():
            version = current_version(home)
            sys.stdout.write(f"{version.name if version else home.database} (read-only)\n{connection.sql(_TABLES)}\n")
        failed = run(connection, _typed_lines(stdin), sys.stdout.write)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
