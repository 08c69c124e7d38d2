"""The whole night again, and from shuffled rows: the same inputs give byte-equal exports."""

from __future__ import annotations

import csv
import random
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.night import Night, run_refresh

pytestmark = pytest.mark.slow


def exports(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((home / "exports").glob("*.parquet"))}


def figures(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((home / "report" / "figures").iterdir())}


def test_a_second_night_on_the_same_extract_changes_nothing(
    tmp_path: Path, published_night: Night, reference_extracts: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(published_night.home, home, symlinks=True)
    before, drawn = exports(home), figures(home)
    again = run_refresh(home, reference_extracts)
    assert again.status == 0, again.stderr
    assert len(before) > 20
    assert exports(home) == before
    assert len(drawn) > 80
    assert figures(home) == drawn
    assert len(list((home / "versions").iterdir())) == 2
    with duckdb.connect(str((home / "warehouse.duckdb").resolve()), read_only=True) as connection:
        assert connection.execute("select count(*) from quality.extracts").fetchall() == [(15,)]


def shuffled(source: Path, target: Path) -> None:
    """The same extract with every file's rows in another order, and no manifest (its hashes no longer hold)."""
    target.mkdir(parents=True)
    generator = random.Random(7)
    for path in source.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
        generator.shuffle(rows)
        with (target / path.name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])


def rows_without_row_numbers(path: Path) -> str:
    """SQL for an export's rows; evidence names rows of the source, which have other numbers after shuffling."""
    columns = [row[0] for row in duckdb.sql(f"describe from '{path}'").fetchall()]
    kept = [f'"{column}"' for column in columns if "evidence" not in column and column != "source_row"]
    return f"select {', '.join(kept)} from '{path}'"


def test_the_order_of_rows_decides_nothing(tmp_path: Path, published_night: Night, reference_extracts: Path) -> None:
    shuffled(reference_extracts / "2018-07-30", tmp_path / "extracts" / "2018-07-30")
    night = run_refresh(tmp_path / "home", tmp_path / "extracts")
    assert night.status == 0, night.stderr
    ours, theirs = exports(night.home), exports(published_night.home)
    assert ours.keys() == theirs.keys()
    for name in ours:
        left, right = (rows_without_row_numbers(home / "exports" / name) for home in (night.home, published_night.home))
        assert duckdb.sql(f"({left}) except all ({right})").fetchall() == [], name
        assert duckdb.sql(f"({right}) except all ({left})").fetchall() == [], name
