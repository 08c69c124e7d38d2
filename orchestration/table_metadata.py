"""What a person wants to see on an asset's page: rows, columns and the first rows (keys only, no identifiers)."""

from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from warehouse import connect_read_only, quote

PREVIEW_ROWS = 5
PREVIEWED_SCHEMAS = ("marts", "analysis", "quality")
_HIDDEN = ("content", "text")  # verbatim cells of the source: masked, but not for a page that everybody opens


def describe_tables(database: Path) -> dict[str, dict[str, Any]]:
    """Return Dagster metadata by `schema.table` for every table and view of a closed DuckDB file."""
    with connect_read_only(database) as connection:
        columns = _columns(connection)
        counts = _row_counts(connection)
        described: dict[str, dict[str, Any]] = {}
        for (schema, table), names in columns.items():
            name = f"{schema}.{table}"
            metadata: dict[str, Any] = {
                "dagster/column_schema": dg.TableSchema([dg.TableColumn(column, kind) for column, kind in names])
            }
            if name in counts:
                metadata["dagster/row_count"] = counts[name]
            if name in counts and schema in PREVIEWED_SCHEMAS:
                metadata["preview"] = dg.MetadataValue.md(preview(connection, schema, table))
            described[name] = metadata
    return described


def preview(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> str:
    """Return the first rows as a Markdown table."""
    result = connection.execute(f"select * from {quote(schema)}.{quote(table)} limit {PREVIEW_ROWS}")  # noqa: S608
    names = [column[0] for column in result.description or []]
    shown = [position for position, name in enumerate(names) if name not in _HIDDEN]
    lines = ["| " + " | ".join(names[position] for position in shown) + " |", "| " + " --- |" * len(shown)]
    lines += ["| " + " | ".join(_cell(row[position]) for position in shown) + " |" for row in result.fetchall()]
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return (text if len(text) <= 40 else text[:37] + "...").replace("|", "\\|").replace("\n", " ")


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], list[tuple[str, str]]]:
    rows = connection.execute(
        """
        select schema_name, table_name, column_name, data_type
        from duckdb_columns()
        where database_name = current_database() and not internal
        order by schema_name, table_name, column_index
        """
    ).fetchall()
    columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for schema, table, column, kind in rows:
        columns.setdefault((schema, table), []).append((column, kind))
    return columns


def _row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Row counts of tables (views on the lake would be scanned), from DuckDB's catalogue."""
    rows = connection.execute(
        """
        select schema_name || '.' || table_name, estimated_size
        from duckdb_tables()
        where database_name = current_database() and not internal
        """
    ).fetchall()
    return {str(name): int(count) for name, count in rows}
