"""Deliveries as hospitals make them, through real ingestion and real models to the marts; one patient per trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from orchestration.extracts import Lake, load_profile
from study import Study
from tests.cohort import run_dbt

from .conftest import Night

pytestmark = pytest.mark.slow

NAMES = ("split", "deleted", "late", "repeated", "renamed", "transplanted")
STUDY = Study.model_validate({"study": {"name": "deliveries", "data_cutoff": "2018-07-30"}, "cohort": {}})
EVENTS = "patient_id,event_id,term,grade,grading_scale,started_on,phase,deleted\n"
LABS = "patient_id,collected_at,specimen,loinc,test_name,value,unit\n"


def patients(*names: str) -> str:
    return "patient_id,sex,birth_date\n" + "".join(f"HOSP-{name},F,1990-01-01\n" for name in names)


def infusions(*names: str) -> str:
    rows = (f"HOSP-{name},HOSP-{name}-1,2018-01-10,1,1,CD19,5e6\n" for name in names)
    return "patient_id,infusion_id,infused_at,course,fraction,target,cells_per_kg\n" + "".join(rows)


def crs(name: str, grade: str, deleted: str = "") -> str:
    return f"HOSP-{name},HOSP-{name}-crs,CRS,{grade},Lee2014,2018-01-12,cart,{deleted}\n"


def write_deliveries(night: Night) -> None:
    """Two snapshots and three deltas."""
    night.deliver("2018-06-01", patients__csv=patients(*NAMES, "gone"), cart_infusions__csv=infusions(*NAMES, "gone"))
    night.manifest("2018-06-01", {})
    night.deliver(
        "2018-07-01",
        patients__csv=patients(*NAMES),
        cart_infusions__csv=infusions(*NAMES),
        adverse_events__csv=EVENTS
        + "".join(crs(*of) for of in (("deleted", "4"), ("late", "2"), ("repeated", "3")))
        + crs("stranger", "2")
        + crs("stranger no more", "2"),
        marrow_assessments__csv="patient_id,sampled_on,blast_percent,surgeon\nHOSP-renamed,2018-01-08,60,Dr Quuxley\n",
        procedures__csv="patient_id,procedure,performed_on\nHOSP-transplanted,allo_hsct,2018-02-10\n",
    )
    night.write("2018-07-01", "lab_results-0001.csv", LABS + "HOSP-split,2018-01-05,blood,6690-2,WBC,10,10*9/L\n")
    night.write("2018-07-01", "lab_results-0002.csv", LABS + "HOSP-split,2018-01-09,blood,6690-2,WBC,45,10*9/L\n")
    night.manifest("2018-07-01", {})
    later = {
        "2018-07-02": {
            "adverse_events.csv": EVENTS
            + crs("late", "5")
            + "HOSP-late,HOSP-late-n,neurotoxicity,2,CTCAE5,2018-01-13,cart,\n",
            "follow_ups.csv": "patient_id,visited_on,vital_status,death_on\nHOSP-repeated,2018-03-01,dead,2018-03-01\n",
        },
        "2018-07-03": {"adverse_events.csv": EVENTS + crs("deleted", "", "true") + crs("stranger no more", "", "true")},
        "2018-07-04": {
            "adverse_events.csv": EVENTS + crs("late", "1"),
            "marrow_assessments.csv": "patient_id,sampled_on,blast_percnt\nHOSP-renamed,2018-02-10,1\n",
        },
    }
    for day, files in later.items():
        for name, content in files.items():
            night.write(day, name, content)
        night.manifest(day, {}, mode="delta")


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The lake after seven arrivals: newest first, one late, two again, and a snapshot of last month at the end."""
    root = tmp_path_factory.mktemp("deliveries")
    night = Night(root / "extracts", Lake(root / "lake"), load_profile("canonical"))
    write_deliveries(night)
    for day in ("07-04", "07-01", "07-03", "07-02", "07-02", "07-01", "06-01"):
        night.ingest_all(f"2018-{day}")
    night.lake.write_plan()
    return night


@pytest.fixture(scope="module")
def warehouse(delivered: Night) -> Iterator[duckdb.DuckDBPyConnection]:
    database = delivered.lake.root.parent / "warehouse.duckdb"
    command = ["build", "--resource-type", "model", "--resource-type", "seed"]
    run_dbt(command, STUDY, lake=delivered.lake.root, database=database)
    with duckdb.connect(str(database), read_only=True) as connection:
        yield connection


def of_patients(warehouse: duckdb.DuckDBPyConnection, night: Night, column: str) -> dict[str, Any]:
    names = {night.pseudonymiser.patient_key(f"HOSP-{name}"): name for name in (*NAMES, "gone")}
    rows = warehouse.execute(f"select patient_key, {column} from marts.patients").fetchall()
    return {names[key]: value for key, value in rows}


def events_of(warehouse: duckdb.DuckDBPyConnection, night: Night, name: str) -> list[tuple[Any, ...]]:
    return warehouse.execute(
        "select term, worst_grade from marts.adverse_events where patient_key = ? order by all",
        [night.pseudonymiser.patient_key(f"HOSP-{name}")],
    ).fetchall()


def test_a_feed_in_two_files_counts_whole(warehouse: duckdb.DuckDBPyConnection, delivered: Night) -> None:
    assert of_patients(warehouse, delivered, "wbc")["split"] == 45
    files = "select file, rows, accepted from quality.extracts where feed = 'lab_results' order by file"
    assert warehouse.execute(files).fetchall() == [("lab_results-0001.csv", 1, 1), ("lab_results-0002.csv", 1, 1)]


def test_what_a_delta_deletes_is_gone(warehouse: duckdb.DuckDBPyConnection, delivered: Night) -> None:
    assert events_of(warehouse, delivered, "deleted") == []
    assert of_patients(warehouse, delivered, "coalesce(crs_grade, 0)")["deleted"] == 0


def test_a_late_delta_adds_but_does_not_overrule_a_later_one(
    warehouse: duckdb.DuckDBPyConnection, delivered: Night
) -> None:
    assert events_of(warehouse, delivered, "late") == [("CRS", 1), ("neurotoxicity", 2)]


def test_what_comes_twice_counts_once(warehouse: duckdb.DuckDBPyConnection, delivered: Night) -> None:
    assert events_of(warehouse, delivered, "repeated") == [("CRS", 3)]
    deaths = "select count(*) from marts.events where event_type = 'death'"
    assert warehouse.execute(deaths).fetchall() == [(1,)]
    counted = "select extract::varchar, count(*), sum(rows) from quality.extracts group by all order by all"
    assert warehouse.execute(counted).fetchall() == [
        ("2018-06-01", 2, 14), ("2018-07-01", 7, 21), ("2018-07-02", 2, 3), ("2018-07-03", 1, 2), ("2018-07-04", 2, 2),
    ]  # fmt: skip


def test_an_old_snapshot_that_arrives_last_brings_nobody_back(
    warehouse: duckdb.DuckDBPyConnection, delivered: Night
) -> None:
    assert set(of_patients(warehouse, delivered, "true")) == set(NAMES)


def test_a_renamed_column_is_hinted_at_and_never_guessed(
    warehouse: duckdb.DuckDBPyConnection, delivered: Night
) -> None:
    assert of_patients(warehouse, delivered, "marrow_blast_percent")["renamed"] == 60
    (row,) = delivered.lake.ledger_rows("2018-07-04", "marrow_assessments")
    hint = {"note": "unknown column kept out", "column": "blast_percnt", "nearest": "blast_percent"}
    assert hint in json.loads(row.notes)
    assert (row.accepted, row.rejected) == (1, 0)
    after = "select marrow_blast_percent from marts.response_assessments where assessed_on = date '2018-02-10'"
    assert warehouse.execute(after).fetchall() in ([], [(None,)])


def test_a_new_column_is_reported_and_kept_out(delivered: Night) -> None:
    (row,) = delivered.lake.ledger_rows("2018-07-01", "marrow_assessments")
    assert {"note": "unknown column kept out", "column": "surgeon"} in json.loads(row.notes)
    assert b"Quuxley" not in delivered.lake_bytes()
    assert b"Quuxley" not in (delivered.lake.root.parent / "warehouse.duckdb").read_bytes()


def test_feeds_that_deltas_do_not_hold_stay(warehouse: duckdb.DuckDBPyConnection, delivered: Night) -> None:
    bridged = of_patients(warehouse, delivered, "bridged_to_hsct")
    assert {name for name, value in bridged.items() if value} == {"transplanted"}


def test_rows_of_nobody_are_rejected_until_their_source_deletes_them(
    warehouse: duckdb.DuckDBPyConnection, delivered: Night
) -> None:
    rows = warehouse.execute('select extract::varchar, "row", reason, content from quality.rejected_rows').fetchall()
    assert [row[:3] for row in rows] == [("2018-07-01", 4, "no such patient in the patients feed")]
    assert json.loads(rows[0][3])["patient_key"] == delivered.pseudonymiser.patient_key("HOSP-stranger")
    counts = "select rows, accepted, rejected from quality.extracts where feed = 'adverse_events' order by extract"
    assert warehouse.execute(counts).fetchall() == [(5, 4, 1), (2, 2, 0), (2, 2, 0), (1, 1, 0)]
