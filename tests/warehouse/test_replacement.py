"""Last night's warehouse as tonight's beginning, and the rows of some patients replaced in it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from warehouse.replacement import copy_published, keep_alone, replace_patients
from warehouse.tables import list_tables

MARTS = ("marts", "outcomes")


def database(path: Path, *statements: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        for statement in ("create schema marts", "create schema analysis", *statements):
            connection.execute(statement)
    return path


def rows(path: Path, table: str = "marts.outcomes") -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(f"select * from {table} order by all").fetchall()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return database(
        tmp_path / "published.duckdb",
        "create table marts.outcomes (patient_key varchar, days integer)",
        "insert into marts.outcomes values ('a', 1), ('a', 2), ('b', 3), ('c', 4)",
        "create table marts.cohort_flow as select 1 as step",
        "create table analysis.km_curves as select 1 as time",
    )


def patients(path: Path, *keys: str) -> Path:
    with duckdb.connect() as connection:
        listed = ", ".join(f"('{key}')" for key in keys)
        connection.execute(f"copy (select * from (values {listed}) as t (patient_key)) to '{path}' (format parquet)")
    return path


def test_only_what_is_kept_is_taken_over(published: Path, tmp_path: Path) -> None:
    before = published.read_bytes()
    copy_published(published, tmp_path / "build.duckdb")
    keep_alone(tmp_path / "build.duckdb", [MARTS])
    with duckdb.connect(str(tmp_path / "build.duckdb"), read_only=True) as build:
        assert list_tables(build) == [MARTS]
    assert rows(tmp_path / "build.duckdb") == [("a", 1), ("a", 2), ("b", 3), ("c", 4)]
    assert published.read_bytes() == before


def test_the_log_of_a_killed_build_is_not_applied_to_the_copy(published: Path, tmp_path: Path) -> None:
    build = tmp_path / "build.duckdb"
    (tmp_path / "build.duckdb.wal").write_bytes(b"what a killed process left")
    copy_published(published, build)
    assert rows(build) == [("a", 1), ("a", 2), ("b", 3), ("c", 4)]


def test_rows_of_the_named_patients_are_replaced_and_no_others(published: Path, tmp_path: Path) -> None:
    """a has other rows, b has none any more, d is new; what else stands in the rebuilt file's tables is theirs too."""
    rebuilt = database(
        tmp_path / "rebuilt.duckdb",
        "create table marts.outcomes as select * from (values (9, 'a'), (8, 'd')) as t (days, patient_key)",
    )
    named = patients(tmp_path / "patients.parquet", "a", "b", "d")
    replace_patients(published, rebuilt, named, [MARTS])
    assert rows(published) == [("a", 9), ("c", 4), ("d", 8)]


def test_all_tables_change_or_none(published: Path, tmp_path: Path) -> None:
    rebuilt = database(
        tmp_path / "rebuilt.duckdb", "create table marts.outcomes as select 'a' as patient_key, 9 as days"
    )
    named = patients(tmp_path / "patients.parquet", "a")
    with pytest.raises(duckdb.Error):
        replace_patients(published, rebuilt, named, [MARTS, ("marts", "missing")])
    assert rows(published) == [("a", 1), ("a", 2), ("b", 3), ("c", 4)]
