"""Parquet exports: every mart and analysis table, the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import duckdb

from warehouse.tables import list_tables, quote

# A name that stands in both belongs to the published numbers; the mart is then exported as `marts__<table>.parquet`.
EXPORTED_SCHEMAS = ("analysis", "marts")
# The leading columns that one row of a mart is told by (each held by a blocking dbt test). Sorting by them gives what
# sorting by all columns gives, without sort keys that hold every row's list of evidence.
GRAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "patients": ("patient_key",),
    "response_assessments": ("patient_key", "assessed_on"),
    "response_by_rule": ("patient_key", "rule_set"),
    "adverse_events": ("patient_key", "phase", "term"),
    "outcomes": ("patient_key", "endpoint"),
    "crs_grading": ("patient_key",),
    "lab_toxicity": ("patient_key", "analyte", "version"),
    "icaht": ("patient_key",),
    "cell_persistence": ("patient_key", "measure"),
    "outcome_date_sensitivity": ("patient_key", "endpoint"),
}
GRAIN_SCHEMA: Final = "marts"
# Writes the exports of a database into an existing folder; returns the path by export name.
Exporter = Callable[[duckdb.DuckDBPyConnection, Path], dict[str, Path]]


def export_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
    """Write `<table>.parquet` for every table of the exported schemas.

    Rows stand in the order of all columns, so that the bytes depend on the rows alone and not on threads or on the
    order in which they were made.

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
    """Write one table as Parquet, in the order of all its columns.

    Where the leading columns tell one row from another, sorting by them is enough. Whether they do is seen in the file
    just written, whose equal rows would be neighbours; if they don't, it is written again, sorted by all columns.
    """
    source = f"{quote(schema)}.{quote(table)}"
    grain = GRAINS.get(table, ()) if schema == GRAIN_SCHEMA else ()
    if grain and _columns(connection, source)[: len(grain)] == grain:
        _write(connection, source, ", ".join(f"{quote(column)} nulls last" for column in grain), path)
        if not _has_equal_neighbours(connection, path, grain):
            return
    _write(connection, source, "all nulls last", path)


def _columns(connection: duckdb.DuckDBPyConnection, source: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(f"describe {source}").fetchall())


def _write(connection: duckdb.DuckDBPyConnection, source: str, order: str, path: Path) -> None:
    connection.execute(
        f"copy (select * from {source} order by {order}) to '{_text(path)}' (format parquet, compression zstd)"  # noqa: S608
    )


def _has_equal_neighbours(connection: duckdb.DuckDBPyConnection, path: Path, columns: tuple[str, ...]) -> bool:
    same = " and ".join(f"{quote(name)} is not distinct from lag({quote(name)}) over ()" for name in columns)
    # A window without order runs along the file; the first row has no neighbour before it.
    (row,) = connection.execute(
        f"""
        select coalesce(bool_or(same), false)
        from (select row_number() over () > 1 and {same} as same from read_parquet('{_text(path)}'))
        """  # noqa: S608
    ).fetchall()
    return bool(row[0])


def _text(path: Path) -> str:
    return str(path).replace("'", "''")
