"""A packed number is in the order of its parts, gives each of them back, and refuses what does not fit."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any

import duckdb
import pytest

from tests.dbt_project.rendered_macros import rendered_macros

WINDOW = {"baseline_window_days": 30, "hematologic_toxicity_window_days": 45}
DAYS = (-30, -1, 0, 1, 45)
VALUES = (-1e9, -2.5, -0.0, 0.0, 5e-324, 0.1, 0.30000000000000004, 1.0, 120.0, 1.7e308)
COMPARATORS = (None, "<", "<=", ">", ">=")
# 75 days take 7 bits, which leaves 23 for the number of a file.
MOST_FILES = 2**23 - 1
PLACES = ((1, 1), (1, 2), (2, 1), (MOST_FILES, 2**32 - 1))
ONE = "cast(1 as double)"


class _RefusedError(Exception):
    """What dbt makes of `exceptions.raise_compiler_error`."""


class _Exceptions:
    @staticmethod
    def raise_compiler_error(text: str) -> None:
        raise _RefusedError(text)


def macros_in_study(window: dict[str, int]) -> Any:
    """The macros of clinical.sql and packed.sql, by name, under a study with that window."""
    return rendered_macros("clinical.sql", "packed.sql", study=window.get, execute=True, exceptions=_Exceptions)


@pytest.fixture(scope="module")
def macros() -> Any:
    return macros_in_study(WINDOW)


@pytest.fixture(scope="module")
def readings() -> duckdb.DuckDBPyConnection:
    """Every combination of value, comparator, day, file and row as the table `readings`."""
    connection = duckdb.connect()
    connection.execute(
        "create table readings"
        " (value double, comparator varchar, study_day integer, file_number integer, source_row bigint)"
    )
    rows = [(*reading, *place) for *reading, place in product(VALUES, COMPARATORS, DAYS, PLACES)]
    connection.executemany("insert into readings values (?, ?, ?, ?, ?)", rows)
    return connection


COLUMNS = ("value", "comparator", "study_day", "file_number", "source_row")
# What min() and max() of a struct with these fields chose before readings were packed.
LOW = """struct_pack(o := coalesce(comparator in ('>', '>='), false), v := value, c := comparator is distinct from '<',
    d := study_day, f := file_number, r := source_row)"""
HIGH = """struct_pack(o := not coalesce(comparator in ('<', '<='), false), v := value,
    c := comparator is not distinct from '>', d := -study_day, f := file_number, r := source_row)"""


@pytest.mark.parametrize(("packing", "parts"), [("packed_low", LOW), ("packed_high", HIGH)])
def test_readings_are_in_the_order_of_their_parts(
    macros: Any, readings: duckdb.DuckDBPyConnection, packing: str, parts: str
) -> None:
    packed = getattr(macros, packing)(*COLUMNS)
    found = readings.execute(
        f"select count(*), count(distinct packed), count(*) filter (where by_packed <> by_parts) from ("
        f"select packed, rank() over (order by packed) as by_packed, rank() over (order by parts) as by_parts"
        f" from (select {packed} as packed, {parts} as parts from readings))"
    ).fetchone()
    # 0 and -0 are one value; "<=" stands as no comparator does in a low reading, and so on: fewer numbers than rows
    assert found is not None
    assert found[0] == len(VALUES) * len(COMPARATORS) * len(DAYS) * len(PLACES)
    assert 0 < found[1] < found[0]
    assert found[2] == 0


@pytest.mark.parametrize(("packing", "is_low"), [("packed_low", "true"), ("packed_high", "false")])
def test_a_reading_gives_its_parts_back(
    macros: Any, readings: duckdb.DuckDBPyConnection, packing: str, is_low: str
) -> None:
    part = macros.graded_part("packed")
    moved = "comparator is distinct from '<'" if is_low == "true" else "comparator is not distinct from '>'"
    opened = "('>', '>=')" if is_low == "true" else "('<', '<=')"
    wrong = readings.execute(
        f"select * from (select {getattr(macros, packing)(*COLUMNS)} as packed, * from readings) where"
        f" {macros.value_of_part(part)} is distinct from value"
        f" or {macros.comparator_of_part(part)} is distinct from ({moved})"
        f" or {macros.is_open_part(part, is_low)} is distinct from coalesce(comparator in {opened}, false)"
        f" or {macros.packed_study_day('packed', is_low)} is distinct from study_day"
        f" or {macros.packed_file_number('packed')} is distinct from file_number"
        f" or {macros.packed_source_row('packed')} is distinct from source_row"
    ).fetchall()
    assert wrong == []


@pytest.mark.parametrize("reading", [(ONE, "'<'", "-31", "1", "1"), (ONE, "'<'", "0", "1", "4294967296")])
def test_a_day_before_the_window_and_a_row_beyond_32_bits_are_refused(macros: Any, reading: tuple[str, ...]) -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.ConversionException, match="out of range"):
        connection.execute(f"select {macros.packed_low(*reading)}").fetchall()


def test_a_file_too_many_is_refused_with_what_to_do(macros: Any) -> None:
    with duckdb.connect() as connection:
        fits = f"select {macros.packable_file_number(str(MOST_FILES))}"
        assert connection.execute(fits).fetchone() == (MOST_FILES,)
        with pytest.raises(duckdb.InvalidInputException, match="more than 8388607 lab files: deliver them in fewer"):
            connection.execute(f"select {macros.packable_file_number(str(MOST_FILES + 1))}").fetchall()


@pytest.mark.parametrize(("last_day", "most_files"), [(33, 2**24 - 1), (34, 2**23 - 1), (2**20 - 31, 2**10 - 1)])
def test_a_longer_window_leaves_room_for_fewer_files(last_day: int, most_files: int) -> None:
    macros = macros_in_study({"baseline_window_days": 30, "hematologic_toxicity_window_days": last_day})
    packed = macros.packed_low(ONE, "null", str(last_day), str(most_files), "1")
    day, file = macros.packed_study_day(f"({packed})", "true"), macros.packed_file_number(f"({packed})")
    with duckdb.connect() as connection:
        assert connection.execute(f"select {day}, {file}").fetchone() == (last_day, most_files)


def test_a_window_that_leaves_no_room_is_refused_by_name() -> None:
    macros = macros_in_study({"baseline_window_days": 30, "hematologic_toxicity_window_days": 2**20 - 30})
    with pytest.raises(
        _RefusedError, match=r"baseline_window_days and hematologic_toxicity_window_days .* 1048576 days"
    ):
        macros.packed_low(ONE, "null", "0", "1", "1")


def test_endings_are_in_the_order_of_their_parts_and_give_them_back(macros: Any) -> None:
    days = [date(1, 1, 1), date(1899, 12, 31), *(date(2018, 7, 30) + timedelta(day) for day in range(3))]
    rows = list(product((False, True), days, (0, 1, 2, 9, 255)))
    packed = macros.packed_ending("last", "day", "priority")
    with duckdb.connect() as connection:
        connection.execute("create table endings (last boolean, day date, priority integer)")
        connection.executemany("insert into endings values (?, ?, ?)", rows)
        back = connection.execute(
            f"select last, {macros.packed_ended_on('packed')}, {macros.packed_priority('packed')}"
            f" from (select *, {packed} as packed from endings) order by packed"
        ).fetchall()
    assert back == sorted(rows)


@pytest.mark.parametrize("ending", [("false", "date '0001-12-31 (BC)'", "1"), ("false", "date '2018-07-30'", "256")])
def test_an_ending_that_does_not_fit_is_refused(macros: Any, ending: tuple[str, str, str]) -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.ConversionException, match="out of range"):
        connection.execute(f"select {macros.packed_ending(*ending)}").fetchall()
