"""Tables of a DuckDB file: listing, quoting, writing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

_INCOMING = "incoming_table"


def quote(identifier: str) -> str:
    """Return an SQL identifier in double quotes."""
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'


def list_tables(connection: duckdb.DuckDBPyConnection, schemas: tuple[str, ...] | None = None) -> list[tuple[str, str]]:
    """Return (schema, table) of every base table in the connection's own database, sorted.

    Args:
        connection: an open connection.
        schemas: only these schemas; None for all.
    """
    rows = connection.execute(
        """
        select schema_name, table_name
        from duckdb_tables()
        where database_name = current_database() and not internal and not temporary
        order by schema_name, table_name
        """
    ).fetchall()
    return [(schema, table) for schema, table in rows if schemas is None or schema in schemas]


def table_exists(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    """Say whether a base table of that name exists."""
    return (schema, name) in list_tables(connection, (schema,))


def write_table(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    name: str,
    data: Any,
    types: Mapping[str, str] | None = None,
) -> int:
    """Replace a table by the given rows, in one statement.

    Args:
        connection: a build connection.
        schema: created when it is missing.
        name: table name.
        data: a pandas data frame or an Arrow table; the column order is kept.
        types: SQL type by column. A column that is empty tonight has no type of its own, so give the types of every
            table whose columns may be all NULL.

    Returns:
        Number of rows written.

    Raises:
        duckdb.Error: a value doesn't fit its type.
    """
    chosen = types or {}
    columns = [str(column) for column in (data.column_names if hasattr(data, "column_names") else data.columns)]
    selected = ", ".join(
        f"{quote(column)}::{chosen[column]} as {quote(column)}" if column in chosen else quote(column)
        for column in columns
    )
    connection.execute(f"create schema if not exists {quote(schema)}")
    connection.register(_INCOMING, data)
    try:
        target = f"{quote(schema)}.{quote(name)}"
        statement = f"create or replace table {target} as select {selected} from {_INCOMING}"  # noqa: S608
        # fetchall, because a result that is not read to its end keeps the connection busy
        ((written,),) = connection.execute(statement).fetchall()
    finally:
        connection.unregister(_INCOMING)
    return int(written)
