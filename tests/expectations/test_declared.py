"""thresholds.csv: complete, quick to read, and its page current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from expectations import ExpectationsError, declared_checks
from expectations.catalogue import CATALOGUE, catalogue, frame_header
from expectations.declared import COLUMNS, FRAMES, THRESHOLDS

LINE = {
    "bound": "age_range",
    "suite": "marts",
    "schema": "marts",
    "table": "patients",
    "frame": "patients",
    "column": "age_years",
    "subset": "included=1",
    "expectation": "expect_column_values_to_be_between",
    "min": "0",
    "max": "100",
    "min_rows": "",
    "severity": "error",
    "kahn": "plausibility",
    "reason": "why",
    "action": "what",
}


def write(path: Path, *lines: dict[str, str]) -> Path:
    rows = [",".join(COLUMNS), *(",".join(line[column] for column in COLUMNS) for line in lines)]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_docs_page_is_current() -> None:
    assert CATALOGUE.read_text(encoding="utf-8") == catalogue(declared_checks())


def test_every_frame_is_used_and_states_its_grain() -> None:
    used = {f"{spec.suite}/{spec.frame}.sql" for spec in declared_checks()}
    assert used == {str(path.relative_to(FRAMES)) for path in FRAMES.rglob("*.sql")}
    assert [spec.name for spec in declared_checks() if "One row" not in frame_header(spec)] == []


def test_only_a_delivery_that_is_mostly_broken_stops_the_night_before_dbt() -> None:
    stopping = [spec.name for spec in declared_checks() if spec.suite == "raw" and spec.severity == "error"]
    assert stopping == ["patients_mostly_rejected", "cart_infusions_mostly_rejected"]


def test_declaring_does_not_load_great_expectations_or_pandas() -> None:
    script = (
        "import sys, expectations; expectations.declared_checks();"
        "print([name for name in ('great_expectations', 'pandas', 'dagster') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=THRESHOLDS.parents[1]
    )
    assert done.stdout.strip() == "[]"


def test_a_good_line_becomes_a_check(tmp_path: Path) -> None:
    (spec,) = declared_checks(write(tmp_path / "t.csv", LINE))
    assert spec.label == "age_years where included is 1"
    assert spec.bounds == "0 to 100"
    assert (spec.name, spec.asset_table, spec.minimum, spec.maximum) == ("age_range", "patients", 0.0, 100.0)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("severity", "fatal", "line 2: severity is 'fatal', allowed: error, warn"),
        ("kahn", "nice", "line 2: kahn is 'nice'"),
        ("min", "zero", "line 2: min is 'zero', not a number"),
        ("frame", "nowhere", r"no frame marts/nowhere\.sql"),
        ("bound", "Age", "the bound 'Age' must be lower-case"),
        ("action", "", "needs a reason and an action"),
        ("subset", "included", "must read column=value"),
        ("expectation", "expect_miracles", "expectation is 'expect_miracles'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, column: str, value: str, message: str) -> None:
    with pytest.raises(ExpectationsError, match=message):
        declared_checks(write(tmp_path / "t.csv", {**LINE, column: value}))


def test_a_bound_needs_a_side_and_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(ExpectationsError, match="give min, max or both"):
        declared_checks(write(tmp_path / "a.csv", {**LINE, "min": "", "max": ""}))
    with pytest.raises(ExpectationsError, match="'age_range' stands twice"):
        declared_checks(write(tmp_path / "b.csv", LINE, LINE))
    (tmp_path / "c.csv").write_text("bound,min\n")
    with pytest.raises(ExpectationsError, match="the columns must be"):
        declared_checks(tmp_path / "c.csv")


def test_every_check_says_in_words_what_it_measures() -> None:
    told = {spec.name: spec.measure for spec in declared_checks()}
    assert [name for name, words in told.items() if " where " in words or "{" in words] == []
    assert [name for name, words in told.items() if len(words.split()) == 1 and "_" in words] == []


def test_words_of_a_check_that_stops_the_night() -> None:
    (halved,) = [spec for spec in declared_checks() if spec.name == "patients_halved"]
    assert f"{halved.measure}: {halved.bounds}" == (
        "rows of patients tonight, against the last published night: at least 50%"
    )
