"""Marts multiplied: as many patients more, keys of the same shape that still join, everything else as it was."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from benchmarks.multiplied_marts import main


@pytest.fixture
def multiplied(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    small = tmp_path / "small.duckdb"
    with duckdb.connect(small) as connection:
        connection.execute("create schema marts; create schema analysis; create schema intermediate")
        connection.execute(
            "create table marts.patients as select sha256(i::varchar) as patient_key, i as age from range(4) t(i)"
        )
        connection.execute(
            "create table marts.outcomes as select patient_key, e as endpoint, age from marts.patients, range(2) t(e)"
        )
        connection.execute("create table analysis.rates as select 1 as n")
        connection.execute("create table intermediate.int_labs as select patient_key from marts.patients")
    target = tmp_path / "large.duckdb"
    main([str(small), str(target), "3"])
    return duckdb.connect(target, read_only=True)


def test_each_patient_stands_there_as_often_as_asked(multiplied: duckdb.DuckDBPyConnection) -> None:
    found = multiplied.execute(
        "select age, count(*), count(distinct patient_key) from marts.patients group by age order by age"
    )
    assert found.fetchall() == [(age, 3, 3) for age in range(4)]
    keys = "select bool_and(regexp_full_match(patient_key, '[0-9a-f]{64}')) from marts.patients"
    assert multiplied.execute(keys).fetchall() == [(True,)]


def test_copies_keep_their_outcomes(multiplied: duckdb.DuckDBPyConnection) -> None:
    joined = multiplied.execute(
        "select count(*), bool_and(o.age = p.age) from marts.outcomes as o join marts.patients as p using (patient_key)"
    )
    assert joined.fetchall() == [(24, True)]


def test_tables_without_patients_are_copied_once_and_intermediate_ones_not(
    multiplied: duckdb.DuckDBPyConnection,
) -> None:
    tables = multiplied.execute("select schema_name || '.' || table_name from duckdb_tables() order by 1").fetchall()
    assert [name for (name,) in tables] == ["analysis.rates", "marts.outcomes", "marts.patients"]
    assert multiplied.execute("select count(*) from analysis.rates").fetchall() == [(1,)]
