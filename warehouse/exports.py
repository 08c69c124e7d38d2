"""Parquet exports: every mart and analysis table, the same bytes for the same rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from warehouse.side_by_side import AT_ONCE, side_by_side
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
_GUESSES_EMPTY: Final = "statistics_propagation"  # DuckDB's name of the optimizer
ROW_GROUP_ROWS: Final = 122_880  # fixed, so that the bytes don't depend on DuckDB's default
# Writes the exports of a database into an existing folder; returns the path by export name.
Exporter = Callable[[duckdb.DuckDBPyConnection, Path], dict[str, Path]]
# Writes one table (schema, name) of a database to a path.
TableExporter = Callable[[duckdb.DuckDBPyConnection, str, str, Path], None]


def export_tables(
    connection: duckdb.DuckDBPyConnection, folder: Path, export: TableExporter | None = None, at_once: int = AT_ONCE
) -> dict[str, Path]:
    """Write `<table>.parquet` for every table of the exported schemas.

    Rows stand in the order of all columns, so that the bytes depend on the rows alone and not on threads or on the
    order in which they were made.

    Args:
        connection: a connection whose own database holds the tables.
        folder: an existing folder.
        export: writes one table; by default `export_table`.
        at_once: how many tables at a time.

    Returns:
        Path by export name.
    """
    written: dict[str, Path] = {}
    works: list[tuple[str, str, Path]] = []
    for schema in EXPORTED_SCHEMAS:
        for _, table in list_tables(connection, (schema,)):
            name = f"{schema}__{table}" if table in written else table
            written[name] = folder / f"{name}.parquet"
            works.append((schema, table, written[name]))

    def write(work: tuple[str, str, Path]) -> None:
        with connection.cursor() as own:
            (export or export_table)(own, *work)

    with every_column_optional(connection):  # around all of them: it holds for every cursor of the database
        deque(side_by_side(write, works, at_once), maxlen=0)
    return written


def export_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str, path: Path) -> None:
    """Write one table as Parquet, in the order of all its columns.

    Where the leading columns tell one row from another, sorting by them is enough. Whether they do is seen in the file
    just written, whose equal rows would be neighbours; if they don't, it is written again, sorted by all columns.
    A table that is stored in this order, as dbt makes the marts, is copied as it lies: at a million patients half
    the cost of sorting it.
    """
    source = f"{quote(schema)}.{quote(table)}"
    columns = _columns(connection, source)
    grain = GRAINS.get(table, ()) if schema == GRAIN_SCHEMA else ()
    if columns[: len(grain)] != grain:
        grain = ()
    if _is_stored_in_order(connection, source, grain or columns, strictly=bool(grain)):
        _write(connection, source, None, path)
        if _has_even_row_groups(connection, path):
            return
    if grain:
        _write(connection, source, ", ".join(f"{quote(column)} nulls last" for column in grain), path)
        if not _has_equal_neighbours(connection, path, grain):
            return
    _write(connection, source, "all nulls last", path)


def _is_stored_in_order(
    connection: duckdb.DuckDBPyConnection, source: str, columns: tuple[str, ...], strictly: bool
) -> bool:
    """True where the rows lie in the order of these columns and none was deleted between them.

    A window without order runs along the table. Rows are compared as the sort compares them: NULL is last.
    """
    row = f"row({', '.join(quote(column) for column in columns)})"
    after = ">" if strictly else ">="
    (found,) = connection.execute(
        f"""
        select coalesce(bool_and(in_order), true) and coalesce(max(place) = count(*) - 1, true)
        from (select rowid as place, {row} {after} lag({row}) over () as in_order from {source})
        """  # noqa: S608
    ).fetchall()
    return bool(found[0])


def _has_even_row_groups(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """True where the file is cut as a sorted one would be: by number of rows, not as the table happened to grow."""
    (found,) = connection.execute(
        f"""
        select coalesce(bool_and(number = last or rows = {ROW_GROUP_ROWS}), true)
        from (
            select row_group_id as number, max(row_group_id) over () as last, any_value(row_group_num_rows) as rows
            from parquet_metadata('{_text(path)}')
            group by row_group_id
        )
        """  # noqa: S608
    ).fetchall()
    return bool(found[0])


def _columns(connection: duckdb.DuckDBPyConnection, source: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(f"describe {source}").fetchall())


def _write(connection: duckdb.DuckDBPyConnection, source: str, order: str | None, path: Path) -> None:
    ordered = f"order by {order}" if order else ""
    with every_column_optional(connection):
        connection.execute(
            f"copy (select * from {source} {ordered}) to '{_text(path)}' "  # noqa: S608
            f"(format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS})"
        )


@contextmanager
def every_column_optional(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB write Parquet columns as ones that may be empty, whatever is known of them.

    Else a column is written as never empty where the table's statistics say so. They remember an empty cell that has
    long been replaced, so that the bytes would tell how a table was made.

    The setting is the whole database's, and off for a moment while it is set anew: so a block inside another, in a
    thread of its own perhaps, leaves it alone.
    """
    ((before,),) = connection.execute("select current_setting('disabled_optimizers')").fetchall()
    if _GUESSES_EMPTY in str(before).split(","):
        yield
        return
    connection.execute(f"set disabled_optimizers = '{_GUESSES_EMPTY}'")
    try:
        yield
    finally:
        connection.execute("set disabled_optimizers = ?", [before])


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
