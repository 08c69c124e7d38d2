"""Parquet exports: every mart and analysis table, the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb

from warehouse.tables import list_tables, quote

# A name that stands in both belongs to the published numbers; the mart is then exported as `marts__<table>.parquet`.
EXPORTED_SCHEMAS = ("analysis", "marts")
# Writes the exports of a database into an existing folder; returns the path by export name.
Exporter = Callable[[duckdb.DuckDBPyConnection, Path], dict[str, Path]]


def export_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
    """Write `<table>.parquet` for every table of the exported schemas.

    Rows are sorted by all columns, so that the bytes depend on the rows alone and not on threads or on the order in
    which they were made.

    Args:
        connection: a connection whose own database holds the tables.
        folder: an existing folder.

    Returns:
        Path by export name.
    """
    written: dict[str, Path] = {}
    for schema in EXPORTED_SCHEMAS:
        for _, table in list_tables(connection, (schema,)):
            name = f"{schema}__{table}" if table in written else table
            written[name] = folder / f"{name}.parquet"
            export_table(connection, schema, table, written[name])
    return written


def export_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str, path: Path) -> None:
    """Write one table as Parquet, sorted by all its columns."""
    source = f"{quote(schema)}.{quote(table)}"
    target = str(path).replace("'", "''")
    connection.execute(
        f"copy (select * from {source} order by all nulls last) "  # noqa: S608
        f"to '{target}' (format parquet, compression zstd)"
    )
