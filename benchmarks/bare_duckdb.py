"""Runs bare_duckdb.sql, then writes the tables and files of a finished refresh once more.

`python -m benchmarks.bare_duckdb EXTRACT HOME OUT [MEMORY_LIMIT]`: HOME is the warehouse home that a refresh of
EXTRACT has filled. Its tables and files are written again with nothing decided, checked or computed; the statements
that its catalogue gives are left in OUT/bare_tables.sql, what each part took in OUT/spent.txt.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

_SCRIPT = Path(__file__).with_name("bare_duckdb.sql")
_TABLES = "bare_tables.sql"
_SPENT = "spent.txt"
_HEADING = "-- ----"
_END = (f"{_HEADING} 6. the end", "checkpoint bare;")
_READERS = {
    "csv": "select *, row_number() over () as source_row "
    "from read_csv(getvariable('extract') || '/' || name || '*.csv', "
    "all_varchar = true, header = true, filename = true)",
    "parquet": "select *, file_row_number + 1 as source_row "
    "from read_parquet(getvariable('extract') || '/' || name || '*.parquet', filename = true, file_row_number = true)",
}
_KEY = bytes.fromhex("c0ffee" * 10 + "d00d")  # protects nothing: the patients are invented
_BLOCK_BYTES = 64  # of SHA-256
_PUBLISHED_SINCE = "v1.2.0"  # the format that the warehouse is written in, for older clients


def run_script(extract: Path, home: Path, out: Path, memory_limit: str) -> None:
    """Write the bare lake, warehouse and files of `extract` into the existing, empty folder `out`.

    Args:
        extract: the folder of one extract.
        home: the warehouse home that a refresh has filled from it.
        out: an existing, empty folder.
        memory_limit: DuckDB size, the same that the refresh had.
    """
    for folder in ("lake", "exports", "adam", "cbioportal"):
        (out / folder).mkdir()
    file_format = "parquet" if any(extract.glob("*.parquet")) else "csv"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{out}/bare.duckdb' as bare (storage_version '{_PUBLISHED_SINCE}')")
        connection.execute("use bare")
        connection.execute("set memory_limit = ?", [memory_limit])
        connection.execute("set threads = 2")
        connection.execute("set temp_directory = ?", [str(out / "tmp")])
        connection.execute("set enable_progress_bar = false")
        variables: dict[str, object] = {
            "extract": str(extract),
            "out": str(out),
            "day": extract.name,
            "inner_pad": _padded(0x36),
            "outer_pad": _padded(0x5C),
        }
        for name, value in variables.items():
            connection.execute(f"set variable {name} = ?", [value])
        connection.execute(f"create macro feed(name) as table {_READERS[file_format]}")
        macros, *parts = _parts(_SCRIPT.read_text(encoding="utf-8"))
        connection.execute(macros)
        spent = [_executed(connection, part) for part in parts]
        connection.execute(f"attach '{(home / 'warehouse.duckdb').resolve()}' as ours (read_only)")
        connection.execute(f"attach '{home / 'build' / 'unpublished.duckdb'}' as unpublished (read_only)")
        tables = "\n".join([*_tables(connection), *_exports(connection, out), *_files(home, out), *_END])
        (out / _TABLES).write_text(tables + "\n", encoding="utf-8")
        spent += [_executed(connection, part) for part in _parts(tables)]
    (out / _SPENT).write_text("".join(f"{line}\n" for line in spent), encoding="utf-8")


def _parts(script: str) -> list[str]:
    """The script cut before each heading."""
    return [part for part in re.split(rf"^(?={_HEADING})", script, flags=re.MULTILINE) if part.strip()]


def _executed(connection: duckdb.DuckDBPyConnection, part: str) -> str:
    """Execute a part of the script; return its heading and what it took."""
    began, used = time.perf_counter(), time.process_time()
    connection.execute(part)
    title = part.partition("\n")[0].removeprefix(_HEADING).strip("- ")
    return f"{title}: {time.perf_counter() - began:.1f} s, {time.process_time() - used:.1f} s of processor"


def _padded(pad: int) -> bytes:
    """The key as HMAC's inner or outer hash begins with it."""
    return bytes(byte ^ pad for byte in _KEY.ljust(_BLOCK_BYTES, b"\0"))


def _names(connection: duckdb.DuckDBPyConnection, database: str) -> list[tuple[str, str]]:
    return connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ? order by all", [database]
    ).fetchall()


def _tables(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Every table that the refresh stored: published ones and the work tables beside them."""
    yield f"{_HEADING} 4. tables"
    stored = [(database, *name) for database in ("ours", "unpublished") for name in _names(connection, database)]
    yield from (f'create schema if not exists "{schema}";' for schema in sorted({schema for _, schema, _ in stored}))
    yield from (
        f'create table "{schema}"."{table}" as select * from {database}."{schema}"."{table}";'
        for database, schema, table in stored
    )


def _exports(connection: duckdb.DuckDBPyConnection, out: Path) -> Iterator[str]:
    """Every mart and analysis table; they lie in the order that the exports promise, so nothing is sorted."""
    yield f"{_HEADING} 5. exports and files"
    yield from (
        f'copy "{schema}"."{table}" to \'{out}/exports/{schema}__{table}.parquet\' (compression zstd);'
        for schema, table in _names(connection, "ours")
        if schema in ("analysis", "marts")
    )


def _files(home: Path, out: Path) -> Iterator[str]:
    """ADaM and cBioPortal files, row by row as the refresh wrote them."""
    for path in sorted((home / "interchange" / "adam").glob("*.parquet")):
        yield f"copy (select * from read_parquet('{path}')) to '{out}/adam/{path.name}' (compression zstd);"
    text = "delimiter '\\t', header false, quote ''"
    for path in sorted((home / "interchange" / "cbioportal").glob("data_*.txt")):
        read = f"read_csv('{path}', delim = '\\t', header = false, quote = '', all_varchar = true, comment = '')"
        yield f"copy (select * from {read}) to '{out}/cbioportal/{path.name}' (format csv, {text});"


if __name__ == "__main__":
    run_script(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "4GB")
