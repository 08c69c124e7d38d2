from pathlib import Path

import duckdb
import pandas as pd
import pytest

from benchmarks.bare_duckdb import run_script
from benchmarks.measure import BenchmarkError
from benchmarks.readers import named_queries
from benchmarks.statistics_peer import agreement
from synthetic_emr import write_reference_extract


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference_extract(tmp_path_factory.mktemp("extracts"))


def test_the_plain_script_keeps_every_row_with_its_evidence(extract: Path, tmp_path: Path) -> None:
    run_script(extract, tmp_path, "1GB")

    lake, source = tmp_path / "lake_lab_results.parquet", extract / "lab_results.csv"
    (kept,) = duckdb.sql(f"select count(*), max(source_row), any_value(source_file) from '{lake}'").fetchall()
    known = f"patient_id in (select patient_id from read_csv('{extract / 'patients.csv'}', all_varchar = true))"
    of_known = f"select count(*) from read_csv('{source}', all_varchar = true) where {known}"
    ((delivered,),) = duckdb.sql(of_known).fetchall()
    assert kept == (delivered, delivered, "lab_results.csv")


def test_the_plain_script_writes_the_marts(extract: Path, tmp_path: Path) -> None:
    run_script(extract, tmp_path, "1GB")

    assert duckdb.sql(f"select count(*), count(wbc) from '{tmp_path / 'patients.parquet'}'").fetchall() == [(39, 39)]
    outcomes = f"select count(*), count(time_days) from '{tmp_path / 'outcomes.parquet'}' where endpoint = 'OS'"
    assert duckdb.sql(outcomes).fetchall() == [(39, 39)]


def test_queries_are_found_by_name() -> None:
    text = "-- A header.\n\n-- name: one\nselect 1;\n\n-- name: two\nselect\n  2;\n"

    assert named_queries(text) == {"one": "select 1", "two": "select\n  2"}


def figures(value: float, statistic: str = "coefficient") -> pd.DataFrame:
    keys = {"table": "cox_models", "outcome": "OS", "factor": "age", "level": "univariate", "statistic": statistic}
    return pd.DataFrame([{**keys, "value": value}])


def test_figures_that_differ_in_the_sixth_digit_miss_the_goal() -> None:
    near, far = (agreement(figures(ours), figures(0.5), 39) for ours in (0.5 + 4e-7, 0.5 + 6e-7))

    assert (near.meets_goal, near.extra["differing"]) == (True, 0)
    assert (far.meets_goal, far.extra["differing"]) == (False, 1)
    assert "cox_models OS age univariate coefficient" in far.note


def test_nothing_in_common_is_an_error_and_not_an_agreement() -> None:
    with pytest.raises(BenchmarkError, match="no figure in common"):
        agreement(figures(1.0), figures(1.0, "std_error"), 39)
