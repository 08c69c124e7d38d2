"""`make sql`: a read-only SQL shell on the published warehouse.

Statements end with a semicolon; Ctrl-D or `exit` leaves. The shell keeps the night it was opened on, even when a
refresh publishes the next one meanwhile. The other kept nights are there too, as databases `night_<sequence number>`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import duckdb

from warehouse.connection import attach_read_only, close_to_files, connect_read_only
from warehouse.errors import WarehouseError
from warehouse.home import WarehouseHome
from warehouse.versions import current_version, list_versions

PROMPT, CONTINUATION = "cart> ", "   -> "
_OPENED = "select path from duckdb_databases() where database_name = current_database()"
_NO_FILES = (
    "This shell opens no file and writes none: it answers from the published warehouse and the other kept nights "
    "(listed by 'show databases;'). To keep what it shows, long answers in part: "
    "'make sql <query.sql >answer.txt'. Whole tables lie as Parquet under exports/. To write other rows to a file open "
    "warehouse.duckdb read-only with a DuckDB client, in Python: "
    "duckdb.connect(path, read_only=True).sql(query).write_csv(file).\n"
)
_TABLES = """
    select schema_name || '.' || table_name as table_name, estimated_size as rows
    from duckdb_tables()
    where not internal and database_name = current_database()
    order by schema_name, table_name
"""


def statements(lines: Iterator[str]) -> Iterator[str]:
    """Yield whole statements, those of one line together; a semicolon inside quotes or a comment ends none."""
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


def _to_its_semicolon(statement: str) -> str:
    """Return one statement without what stands behind it: DuckDB's relations refuse a comment there."""
    text = statement.encode()  # tokens are counted in bytes
    ends = (start for start, _ in duckdb.tokenize(statement) if text[start : start + 1] == b";")
    return text[: next(ends, len(text))].decode()


def run(connection: duckdb.DuckDBPyConnection, lines: Iterator[str], write: Callable[[str], object]) -> int:
    """Run every statement and write its result or its error; returns the number of statements that failed."""
    failed = 0
    for text in statements(lines):
        try:
            single = [_to_its_semicolon(statement.query) for statement in duckdb.extract_statements(text)]
        except duckdb.Error as error:
            failed += 1
            write(f"{error}\n")
            continue
        failed += sum(not _ran(connection, statement, write) for statement in single)
    return failed


def _ran(connection: duckdb.DuckDBPyConnection, statement: str, write: Callable[[str], object]) -> bool:
    try:
        answer = connection.sql(statement)
        write(f"{answer}\n" if answer is not None else "done\n")
    except duckdb.PermissionException:
        write(_NO_FILES)
    except duckdb.Error as error:
        write(f"{error}\n")
    else:
        return True
    return False


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


def _attach_other_nights(connection: duckdb.DuckDBPyConnection, home: WarehouseHome) -> None:
    """Attach what as-of queries ask for; a night that can't be opened is named, and the others are still there."""
    ((opened,),) = connection.execute(_OPENED).fetchall()
    for version in list_versions(home):
        if version.database.resolve() == Path(opened):
            continue
        try:
            attach_read_only(connection, version.database, f"night_{version.sequence}")
        except WarehouseError as error:
            sys.stderr.write(f"{error}\n")


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
        _attach_other_nights(connection, home)
        close_to_files(connection)
        if stdin.isatty():
            version = current_version(home)
            sys.stdout.write(f"{version.name if version else home.database} (read-only)\n{connection.sql(_TABLES)}\n")
        failed = run(connection, _typed_lines(stdin), sys.stdout.write)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
