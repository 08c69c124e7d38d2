"""The quick merging of two lists of evidence gives what the plain one gives, for every kind of pair."""

from __future__ import annotations

from datetime import date
from itertools import combinations, product
from typing import Any

import duckdb
import pytest

from tests.dbt_project.rendered_macros import rendered_macros

ROWS = [
    ("labs", "2018-07-30", "labs.csv", 1),
    ("labs", "2018-07-30", "labs.csv", 2),
    ("marrow", "2018-07-30", "m.csv", 1),
    ("marrow", "2018-07-31", "m.csv", 1),
]
LISTS = [None, *(list(chosen) for size in range(5) for chosen in combinations(ROWS, size))]
"""No list, and every list of four rows that is in order and holds a row once: 17."""
KIND = "struct(feed varchar, extract date, file varchar, row integer)[]"


@pytest.fixture(scope="module")
def macros() -> Any:
    """The macros of clinical.sql, by name."""
    return rendered_macros("clinical.sql")


@pytest.fixture(scope="module")
def merged(macros: Any) -> tuple[str, str]:
    """The SQL of the quick and of the plain merging of columns `one` and `other`."""
    return str(macros.merge_sorted_evidence("one", "other")), str(macros.merge_evidence(["one", "other"]))


def test_every_pair_becomes_the_list_that_plain_merging_makes(merged: tuple[str, str]) -> None:
    assert len(LISTS) == 17
    with duckdb.connect() as connection:
        connection.execute(f"create table pairs (one {KIND}, other {KIND})")
        named = [_named(rows) for rows in LISTS]
        connection.executemany("insert into pairs values (?, ?)", list(product(named, named)))
        quick, plain = merged
        pairs = connection.execute(f"select one, other, {quick}, {plain} from pairs").fetchall()
    assert len(pairs) == 17 * 17
    assert [(one, other, made) for one, other, made, expected in pairs if made != expected] == []


def test_a_list_keeps_each_row_once_and_in_order(macros: Any) -> None:
    lists = [list(chosen) for size in range(4) for chosen in product(ROWS[:3], repeat=size)]
    with duckdb.connect() as connection:
        connection.execute(f"create table lists (one {KIND})")
        connection.executemany("insert into lists values (?)", [[_named(rows)] for rows in [None, *lists]])
        made = connection.execute(f"select one, {macros.each_row_once('one')} from lists").fetchall()
    assert made[0] == (None, None)
    assert [once for _, once in made[1:]] == [_named(sorted(set(rows))) for rows in lists]


def test_files_are_named_by_their_numbers(macros: Any) -> None:
    """What was sorted by file number and row lies in the order of evidence; a row without a source is named by none."""
    rows = [*ROWS, (None, None, None, None)]
    with duckdb.connect() as connection:
        connection.execute(
            "create table found (source_feed varchar, source_extract date, source_file varchar, source_row integer)"
        )
        connection.executemany("insert into found values (?, ?, ?, ?)", rows[::-1])
        made = connection.execute(
            f"""
            with files as ({macros.numbered_files(["found"])}),
            gathered as (
                select
                    list_sort(list(struct_pack(file_number := files.file_number, source_row := found.source_row)))
                        as numbers
                from found inner join files on {macros.of_file("found")}
            )
            select {macros.named_evidence("numbers")} from gathered cross join ({macros.list_of_files()}) as named_files
            """
        ).fetchone()
    assert made == (_named(rows),)


def _named(rows: list[tuple[Any, ...]] | None) -> list[dict[str, Any]] | None:
    if rows is None:
        return None
    named = [dict(zip(("feed", "extract", "file", "row"), row, strict=True)) for row in rows]
    return [{**row, "extract": row["extract"] and date.fromisoformat(row["extract"])} for row in named]
