"""The quick merging of two lists of evidence gives what the plain one gives, for every kind of pair."""

from __future__ import annotations

from itertools import combinations, product

import duckdb
import jinja2
import pytest

from orchestration.settings import DBT_PROJECT_DIR

ROWS = [
    ("labs", "2018-07-30", "labs.csv", 1),
    ("labs", "2018-07-30", "labs.csv", 2),
    ("marrow", "2018-07-30", "m.csv", 1),
    ("marrow", "2018-07-31", "m.csv", 1),
]
LISTS = [None, *(list(chosen) for size in range(5) for chosen in combinations(ROWS, size))]
"""No list, and every list of four rows that is in order and holds a row once: 17."""


@pytest.fixture(scope="module")
def merged() -> tuple[str, str]:
    """The SQL of the quick and of the plain merging of columns `one` and `other`."""
    text = (DBT_PROJECT_DIR / "macros" / "clinical.sql").read_text(encoding="utf-8")
    macros = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False).from_string(text).module
    quick = macros.merge_sorted_evidence("one", "other")  # type: ignore[attr-defined]
    return str(quick), str(macros.merge_evidence(["one", "other"]))  # type: ignore[attr-defined]


def test_every_pair_becomes_the_list_that_plain_merging_makes(merged: tuple[str, str]) -> None:
    assert len(LISTS) == 17
    kind = "struct(feed varchar, extract date, file varchar, row integer)[]"
    with duckdb.connect() as connection:
        connection.execute(f"create table pairs (one {kind}, other {kind})")
        named = [
            None if rows is None else [dict(zip(("feed", "extract", "file", "row"), row, strict=True)) for row in rows]
            for rows in LISTS
        ]
        connection.executemany("insert into pairs values (?, ?)", list(product(named, named)))
        quick, plain = merged
        pairs = connection.execute(f"select one, other, {quick}, {plain} from pairs").fetchall()
    assert len(pairs) == 17 * 17
    assert [(one, other, made) for one, other, made, expected in pairs if made != expected] == []
