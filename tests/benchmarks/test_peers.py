import re
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from benchmarks.bare_duckdb import run_script
from benchmarks.measure import BenchmarkError
from benchmarks.readers import named_queries
from benchmarks.statistics_peer import agreement
from orchestration.extracts.pseudonymise import Pseudonymiser
from synthetic_emr import write_reference_extract

ROOT = Path(__file__).resolve().parents[2]
KEY = bytes.fromhex("c0ffee" * 10 + "d00d")


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference_extract(tmp_path_factory.mktemp("extracts"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script needs of a home that a refresh has filled: stored tables, an export, files of both formats."""
    home = tmp_path_factory.mktemp("home")
    for folder in ("build", "interchange/adam", "interchange/cbioportal"):
        (home / folder).mkdir(parents=True)
    with duckdb.connect(home / "warehouse.duckdb") as connection:
        connection.execute("create schema marts; create schema intermediate")
        connection.execute(
            "create table marts.outcomes as select 'k' || i as patient_key, [i] as evidence from range(9) t(i)"
        )
        connection.execute("create table intermediate.int_deaths as select 'k1' as patient_key")
    with duckdb.connect(home / "build" / "unpublished.duckdb") as connection:
        connection.execute("create schema intermediate; create table intermediate.int_graded_labs as select 1 as value")
    duckdb.sql(f"copy (select 7 as AVAL) to '{home}/interchange/adam/adtte.parquet'")
    (home / "interchange" / "cbioportal" / "data_clinical_patient.txt").write_text('#A\tB\nx\t\n"y\tz\n')
    return home


@pytest.fixture(scope="module")
def bare(extract: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bare")
    run_script(extract, home, out, "1GB")
    return out


def test_the_plain_script_keeps_every_row_with_its_evidence(extract: Path, bare: Path) -> None:
    lake, source = bare / "lake" / "lab_results.parquet", extract / "lab_results.csv"
    (kept,) = duckdb.sql(f"select count(*), max(source_row), any_value(source_file) from '{lake}'").fetchall()
    known = f"patient_id in (select patient_id from read_csv('{extract / 'patients.csv'}', all_varchar = true))"
    of_known = f"select count(*) from read_csv('{source}', all_varchar = true) where {known}"
    ((delivered,),) = duckdb.sql(of_known).fetchall()
    assert kept == (delivered, delivered, "lab_results.csv")


def test_the_plain_script_says_what_each_part_took(bare: Path) -> None:
    lines = (bare / "spent.txt").read_text(encoding="utf-8").splitlines()
    assert [line[:3] for line in lines] == ["1. ", "2. ", "3. ", "4. ", "5. ", "6. "]
    assert all(re.search(r": \d+\.\d s, \d+\.\d s of processor$", line) for line in lines)


def test_the_plain_script_keys_ids_as_ingestion_does(extract: Path, bare: Path) -> None:
    pseudonymiser = Pseudonymiser(KEY)
    events = duckdb.sql(f"select patient_id, event_id from '{extract / 'adverse_events.csv'}'").fetchall()
    expected = {(pseudonymiser.patient_key(str(p)), pseudonymiser.keyed_hash("event", str(e))) for p, e in events}
    found = duckdb.sql(f"select patient_key, event_id from '{bare / 'lake' / 'adverse_events.parquet'}'").fetchall()
    assert len(expected) > 50
    assert set(found) == expected


def test_the_plain_script_types_what_it_reads(bare: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{bare / 'bare.duckdb'}' as bare (read_only)")
        connection.execute("use bare")
        connection.execute("set variable out = ?", [str(bare)])
        (counts,) = connection.execute("select count(*), count(collected_at), count(value) from lab_results").fetchall()
    rows, dated, valued = counts
    assert rows > 1000
    assert dated == rows
    assert rows - 5 < valued < rows  # '<5' is a number here, '未查' is none


def test_the_plain_script_writes_what_the_refresh_stored(home: Path, bare: Path) -> None:
    outcomes = f"select patient_key, evidence from '{bare / 'exports' / 'marts__outcomes.parquet'}'"
    assert duckdb.sql(outcomes).fetchall() == [(f"k{i}", [i]) for i in range(9)]
    with duckdb.connect(bare / "bare.duckdb", read_only=True) as connection:
        stored = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'main' order by all"
        ).fetchall()
    assert stored == [("intermediate.int_deaths",), ("intermediate.int_graded_labs",), ("marts.outcomes",)]
    assert duckdb.sql(f"from '{bare / 'adam' / 'adtte.parquet'}'").fetchall() == [(7,)]
    text = Path("cbioportal") / "data_clinical_patient.txt"
    assert (bare / text).read_text() == (home / "interchange" / text).read_text()


def test_the_readings_are_of_tables_that_dbt_makes() -> None:
    named = re.findall(r"^-- (\w+)\nselect max", (ROOT / "benchmarks" / "bare_duckdb.sql").read_text(), re.MULTILINE)
    made = {path.stem for path in (ROOT / "dbt_project" / "models").rglob("*.sql")}
    assert len(named) > 90
    assert set(named) <= made


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
