"""Exports: the bytes are a function of the rows, whatever the threads, the order of making and the sorting key."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from warehouse.exports import GRAINS, ROW_GROUP_ROWS, every_column_optional, export_table, export_tables

MARTS = Path(__file__).parents[2] / "dbt_project" / "models" / "marts"
# More than two row groups of DuckDB, so that several threads have something to do.
MANY = 300_000


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema marts")
    return connection


def make_outcomes(connection: duckdb.DuckDBPyConnection, order: str, rows: int = MANY) -> None:
    connection.execute(
        f"""
        create or replace table marts.outcomes as
        select md5((i // 10)::varchar) as patient_key, 'E' || i % 10 as endpoint, i % 97 as time_days,
            [{{'feed': 'labs', 'row': i}}, {{'feed': 'labs', 'row': i + 1}}] as evidence
        from range({rows}) as numbers (i)
        order by {order}
        """
    )


def exported(connection: duckdb.DuckDBPyConnection, path: Path, table: str = "outcomes") -> bytes:
    export_table(connection, "marts", table, path)
    return path.read_bytes()


def sorted_by_all(connection: duckdb.DuckDBPyConnection, path: Path, table: str = "outcomes") -> bytes:
    with every_column_optional(connection):
        connection.execute(
            f"copy (select * from marts.{table} order by all nulls last) to '{path}' (format parquet, compression zstd)"
        )
    return path.read_bytes()


@pytest.mark.slow
def test_bytes_do_not_depend_on_order_or_threads(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    make_outcomes(connection, "i")
    connection.execute("set threads = 1")
    first = exported(connection, tmp_path / "a.parquet")
    make_outcomes(connection, "hash(i)")
    connection.execute("set threads = 2")
    assert exported(connection, tmp_path / "b.parquet") == first
    assert first == sorted_by_all(connection, tmp_path / "all.parquet")


def test_bytes_do_not_remember_a_cell_that_was_empty_once(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    make_outcomes(connection, "i", 100)
    first = exported(connection, tmp_path / "a.parquet")
    connection.execute("update marts.outcomes set time_days = null where patient_key = md5('3') and endpoint = 'E1'")
    connection.execute("update marts.outcomes set time_days = 31 where patient_key = md5('3') and endpoint = 'E1'")
    assert exported(connection, tmp_path / "b.parquet") == first


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, MANY - 2])
def test_key_that_is_none_falls_back_on_all_columns(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, place: int
) -> None:
    make_outcomes(connection, "hash(i)")
    repeated = f"select * from marts.outcomes order by patient_key, endpoint limit 1 offset {place}"
    connection.execute(
        f"insert into marts.outcomes select * replace (time_days - 1 as time_days) from ({repeated}) as twin"
    )
    assert exported(connection, tmp_path / "a.parquet") == sorted_by_all(connection, tmp_path / "all.parquet")


def test_tables_written_beside_each_other_are_the_same_files(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """DuckDB's setting for columns that may be empty is the database's: one thread must not take it from another."""
    connection.execute("create schema analysis")
    for number in range(100):
        connection.execute(f"create table analysis.rates_{number} as select {number} as n, 'CR' as endpoint")

    def files(name: str, at_once: int) -> dict[str, bytes]:
        folder = tmp_path / name
        folder.mkdir()
        return {key: path.read_bytes() for key, path in export_tables(connection, folder, at_once=at_once).items()}

    alone = files("alone", 1)
    assert len(alone) == 100
    assert all(files(f"beside-{turn}", 2) == alone for turn in range(5))
    assert all(pq.ParquetFile(path).schema.column(0).max_definition_level for path in (tmp_path / "alone").iterdir())


def test_unknown_keys_are_compared_too(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    connection.execute("create table marts.icaht as select * from (values (null, 2), (null, 1)) as v (patient_key, n)")
    export_table(connection, "marts", "icaht", tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").column("n").to_pylist() == [1, 2]


def test_columns_in_another_place_are_no_key(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    connection.execute("create table marts.icaht as select * from (values (2, 'a'), (1, 'b')) as v (n, patient_key)")
    export_table(connection, "marts", "icaht", tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").column("n").to_pylist() == [1, 2]


def copied_as_it_lies(connection: duckdb.DuckDBPyConnection, path: Path) -> bytes:
    with every_column_optional(connection):
        connection.execute(
            f"copy marts.outcomes to '{path}' (format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS})"
        )
    return path.read_bytes()


def test_table_stored_in_order_is_the_same_file(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    make_outcomes(connection, "patient_key, endpoint")
    expected = sorted_by_all(connection, tmp_path / "all.parquet")
    assert copied_as_it_lies(connection, tmp_path / "as_it_lies.parquet") == expected
    assert exported(connection, tmp_path / "a.parquet") == expected


@pytest.mark.slow
def test_rows_replaced_in_an_ordered_table_leave_no_trace(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    make_outcomes(connection, "patient_key, endpoint")
    expected = exported(connection, tmp_path / "a.parquet")
    connection.execute("create table replaced as select * from marts.outcomes where patient_key like '0%'")
    connection.execute("delete from marts.outcomes where patient_key like '0%'")
    without = exported(connection, tmp_path / "without.parquet")
    assert without == sorted_by_all(connection, tmp_path / "all.parquet")
    assert without != copied_as_it_lies(connection, tmp_path / "as_it_lies.parquet")
    connection.execute("insert into marts.outcomes select * from replaced")
    assert exported(connection, tmp_path / "b.parquet") == expected


@pytest.mark.slow
def test_table_filled_in_pieces_is_cut_like_any_other(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    make_outcomes(connection, "patient_key, endpoint")
    connection.execute("alter table marts.outcomes rename to whole")
    connection.execute("create table marts.outcomes as select * from marts.whole limit 0")
    for offset, rows in ((0, 100_000), (100_000, 1_000), (101_000, MANY)):
        connection.execute(f"insert into marts.outcomes select * from marts.whole limit {rows} offset {offset}")
    expected = sorted_by_all(connection, tmp_path / "all.parquet")
    assert copied_as_it_lies(connection, tmp_path / "as_it_lies.parquet") != expected
    assert exported(connection, tmp_path / "a.parquet") == expected


def test_unknown_values_are_last_in_a_stored_order(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    values = "(values ('a', 1, null), ('a', null, 1), (null, 1, 1)) as v (patient_key, grade, value)"
    connection.execute(f"create table marts.events as select * from {values}")
    assert exported(connection, tmp_path / "a.parquet", "events") == sorted_by_all(
        connection, tmp_path / "all.parquet", "events"
    )
    connection.execute(f"create or replace table marts.events as select * from {values} order by all nulls first")
    assert exported(connection, tmp_path / "b.parquet", "events") == (tmp_path / "a.parquet").read_bytes()


def test_marts_are_stored_in_the_order_of_their_keys() -> None:
    for table, keys in GRAINS.items():
        sql = (MARTS / f"{table}.sql").read_text()
        ordered = sql.rsplit("order by", 1)[-1]
        assert tuple(column.strip().split(".")[-1] for column in ordered.split(",")) == keys, table


def test_empty_table_is_exported(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    make_outcomes(connection, "i", rows=0)
    export_table(connection, "marts", "outcomes", tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0


def test_keys_are_those_that_dbt_holds_to_be_unique() -> None:
    declared: dict[str, tuple[str, ...]] = {}
    for path in MARTS.glob("*.yml"):
        for model in (yaml.safe_load(path.read_text()) or {}).get("models", []):
            for test in model.get("data_tests", []):
                if isinstance(test, dict) and "one_row_per" in test:
                    declared[model["name"]] = tuple(test["one_row_per"]["arguments"]["columns"])
            for column in model.get("columns", []):
                if {"type": "unique"} in column.get("constraints", []):
                    declared.setdefault(model["name"], (column["name"],))
    assert {table: declared.get(table) for table in GRAINS} == dict(GRAINS)
