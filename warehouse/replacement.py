"""Last night's warehouse as tonight's beginning: a copy in which the rows of some patients are replaced."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from warehouse.connection import connect_build, remove_database
from warehouse.tables import list_tables, quote

Table = tuple[str, str]
"""Schema and name."""


def begin_with(published: Path, build: Path, kept: Iterable[Table], memory_limit: str | None = None) -> None:
    """Make the build database a copy of a published one that holds the kept tables alone.

    Args:
        published: a published database; it is read, never changed.
        build: the build database, made anew.
        kept: what the night goes on with; every other table is for the night to make.
        memory_limit: DuckDB memory limit.
    """
    remove_database(build)
    shutil.copyfile(published, build)
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
