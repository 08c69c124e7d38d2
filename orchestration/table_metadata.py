"""What a person wants to see on an asset's page: rows, columns and their origins, first rows (keys, no identifiers)."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from warehouse import connect_read_only, quote

PREVIEW_ROWS = 5
PREVIEWED_SCHEMAS = ("marts", "analysis", "quality")
WHO_IS_STUDIED = ("marts.patients", "included")  # almost every figure is of these, and every feed decides it
_HIDDEN = ("content", "text")  # verbatim cells of the source: masked, but not for a page that everybody opens


def describe_tables(database: Path) -> dict[str, dict[str, Any]]:
    """Return Dagster metadata by `schema.table` for every table and view of a closed DuckDB file."""
    with connect_read_only(database) as connection:
        columns = _columns(connection)
        counts = _row_counts(connection)
        described: dict[str, dict[str, Any]] = {}
        for (schema, table), names in columns.items():
            name = f"{schema}.{table}"
            metadata: dict[str, Any] = {"dagster/column_schema": _table_schema(names)}
            if name in counts:
                metadata["dagster/row_count"] = counts[name]
            if name in counts and schema in PREVIEWED_SCHEMAS:
                metadata["preview"] = dg.MetadataValue.md(preview(connection, schema, table))
            described[name] = metadata
    return described


def describe_analysis_table(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    origins: Mapping[str, Iterable[tuple[str, str]]],
    raw_columns: Callable[[str, str], frozenset[str]],
) -> dict[str, Any]:
    """Return Dagster metadata of a table of schema `analysis` that was just written.

    Args:
        connection: to the database that holds it.
        table: its name.
        origins: column to the `(schema.table, column)` pairs that it is made of.
        raw_columns: the columns of raw feeds behind such a pair.
    """
    described = connection.execute(f"describe analysis.{quote(table)}").fetchall()
    columns = [dg.TableColumn(name, kind, _made_of(origins.get(name, ()))) for name, kind, *_ in described]
    return {
        "dagster/column_schema": dg.TableSchema(columns),
        "column origins": dg.MetadataValue.md(_grouped_origins(origins, raw_columns)),
        "preview": dg.MetadataValue.md(preview(connection, "analysis", table)),
        **column_lineage(origins),
    }


def column_lineage(origins: Mapping[str, Iterable[Iterable[str]]]) -> dict[str, Any]:
    """Return Dagster's metadata of column lineage; nothing where no column is made of any."""
    deps = {column: [_dep(*pair) for pair in pairs] for column, pairs in origins.items() if pairs}
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)} if deps else {}


@functools.cache  # the same few hundred columns are named thousands of times
def _dep(table: str, column: str) -> dg.TableColumnDep:
    return dg.TableColumnDep(asset_key=dg.AssetKey(table.split(".")), column_name=column)


def _grouped_origins(
    origins: Mapping[str, Iterable[tuple[str, str]]], raw_columns: Callable[[str, str], frozenset[str]]
) -> str:
    """A Markdown table of the columns that are made of the same, of what, and of which columns of the raw feeds."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for column, pairs in origins.items():
        groups.setdefault(tuple(pairs), []).append(column)
    lines = ["| columns | made of | raw columns (who is studied apart) |", "| --- | --- | --- |"]
    for pairs, columns in groups.items():
        telling = [pair for pair in pairs if pair != WHO_IS_STUDIED] or pairs
        raw = frozenset[str]().union(*(raw_columns(*pair) for pair in telling))
        lines.append(f"| {', '.join(columns)} | {_made_of(pairs)} | {', '.join(sorted(raw))} |")
    return "\n".join(lines)


def _made_of(pairs: Iterable[tuple[str, str]]) -> str:
    return (
        ", ".join(".".join(pair) for pair in pairs)
        or "no column of the marts: named by the study file, the method or the paper"
    )


def _table_schema(columns: Iterable[tuple[str, str]]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns])


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
