"""Last night's warehouse as tonight's beginning: a copy in which the rows of some patients are replaced."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from warehouse.connection import connect_build, remove_database
from warehouse.tables import list_tables, quote

Table = tuple[str, str]
"""Schema and name."""


def copy_published(published: Path, build: Path) -> None:
    """Make the build database a copy of a published one, which is read, never changed."""
    remove_database(build)
    shutil.copyfile(published, build)


def keep_alone(build: Path, kept: Iterable[Table], memory_limit: str | None = None) -> None:
    """Drop every table but those that the night goes on with; all others are for the night to make.

    Args:
        build: the database that is changed.
        kept: tables that stay.
        memory_limit: DuckDB memory limit.
    """
    wanted = set(kept)
    with connect_build(build, memory_limit) as connection:
        for schema, table in list_tables(connection):
            if (schema, table) not in wanted:
                connection.execute(f"drop table {quote(schema)}.{quote(table)}")


def replace_patients(
    build: Path, rebuilt: Path, patients: Path, tables: Iterable[Table], memory_limit: str | None = None
) -> None:
    """Replace the rows of some patients by rows that were made anew; all tables change together or none does.

    Args:
        build: the database that is changed.
        rebuilt: the database that holds the same tables with the rows of these patients alone.
        patients: Parquet file with the column `patient_key`, one row per patient; a patient without rows in
            `rebuilt` is left without rows.
        tables: what is replaced; each has the column `patient_key`.
        memory_limit: DuckDB memory limit.

    Raises:
        duckdb.Error: a table is missing or has other columns.
    """
    with connect_build(build, memory_limit) as connection:
        connection.execute(f"attach '{_text(rebuilt)}' as rebuilt (read_only)")
        connection.execute(f"create temp table replaced as select patient_key from read_parquet('{_text(patients)}')")  # noqa: S608
        connection.execute("begin")
        for schema, table in tables:
            name = f"{quote(schema)}.{quote(table)}"
            connection.execute(f"delete from {name} where patient_key in (select patient_key from replaced)")  # noqa: S608
            connection.execute(f"insert into {name} by name select * from rebuilt.{name}")  # noqa: S608
        connection.execute("commit")
        connection.execute("detach rebuilt")
        connection.execute("checkpoint")


def _text(path: Path) -> str:
    return str(path).replace("'", "''")
