"""Parquet exports: every mart and analysis table, the same bytes for the same rows."""

from __future__ import annotations

from pathlib import Path

import duckdb

from warehouse.errors import WarehouseError
from warehouse.tables import list_tables, quote

EXPORTED_SCHEMAS = ("marts", "analysis")


def export_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
    """Write `<table>.parquet` for every table of the exported schemas.

    Rows are sorted by all columns, so that the bytes depend on the rows alone and not on threads or on the order in
    which they were made.

    Args:
        connection: a connection whose own database holds the tables.
        folder: an existing folder.

    Returns:
        Path by table name.

    Raises:
        WarehouseError: two schemas hold a table of the same name.
    """
    written: dict[str, Path] = {}
    for schema, table in list_tables(connection, EXPORTED_SCHEMAS):
        if table in written:
            raise WarehouseError(
                f"The table name '{table}' stands in two of the schemas {', '.join(EXPORTED_SCHEMAS)}; "
                "exports are named by table alone, so rename one of them."
            )
        written[table] = folder / f"{table}.parquet"
        export_table(connection, schema, table, written[table])
    return written


def export_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str, path: Path) -> None:
    """Write one table as Parquet, sorted by all its columns."""
    source = f"{quote(schema)}.{quote(table)}"
    target = str(path).replace("'", "''")
    connection.execute(
        f"copy (select * from {source} order by all nulls last) "  # noqa: S608
        f"to '{target}' (format parquet, compression zstd)"
    )
