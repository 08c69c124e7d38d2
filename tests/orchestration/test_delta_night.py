"""A night after a small delta builds the changed patients alone, and makes the warehouse that a whole build makes."""

from __future__ import annotations

import csv
import dataclasses
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.delta_night import (
    NIGHTS_BEFORE_WHOLE,
    NightFacts,
    Slice,
    delivers_otherwise,
    empty_among,
    find_changed_patients,
    is_gone,
    models_of,
    why_whole,
)
from orchestration.extracts.feeds import FEEDS, Kind
from orchestration.manifest import ensure_manifest
from tests.night import ROOT, Night, run_refresh, study_of_few_figures
from warehouse import WarehouseHome
from warehouse.tables import list_tables

FIRST, SECOND, THIRD = "2018-07-30", "2018-08-15", "2018-08-20"
PATIENTS = 200
Row = dict[str, str]

FACTS = NightFacts(
    code_version="1",
    study_sha256="study",
    key_id="key",
    data_cutoff=date(2018, 7, 30),
    files={"patients": frozenset({"raw/patients/a"})},
    delivered=frozenset({"patients"}),
    deltas=0,
)
NEW_FILES = {"patients": frozenset({"raw/patients/a", "raw/patients/b"})}


@pytest.mark.parametrize(
    ("changes", "rows", "reason"),
    [
        ({}, 10, None),
        ({}, 9, "fewer than 10 rows"),
        ({"code_version": "2"}, 10, "code"),
        ({"study_sha256": "other"}, 10, "study file"),
        ({"key_id": "other"}, 10, "key"),
        ({"data_cutoff": date(2018, 7, 29)}, 10, "cut-off"),
        ({"data_cutoff": date(2018, 7, 31)}, 10, None),
        ({"files": FACTS.files}, 10, "nothing"),
        ({"files": FACTS.files, "data_cutoff": date(2018, 7, 31)}, 10, None),
    ],
)
def test_a_night_is_built_whole_when_more_than_rows_changed(
    changes: dict[str, object], rows: int, reason: str | None
) -> None:
    tonight = dataclasses.replace(FACTS, **{"files": NEW_FILES, **changes})
    said = why_whole(FACTS, tonight, rows, from_rows=10)
    assert said is None if reason is None else said is not None and reason in said


def test_the_first_night_is_built_whole() -> None:
    assert why_whole(None, FACTS, 10, from_rows=10) is not None


def test_deltas_in_a_row_are_bounded() -> None:
    last = dataclasses.replace(FACTS, deltas=NIGHTS_BEFORE_WHOLE - 1)
    tonight = dataclasses.replace(FACTS, files=NEW_FILES)
    assert why_whole(last, tonight, 10, 10) is None
    assert why_whole(dataclasses.replace(last, deltas=NIGHTS_BEFORE_WHOLE), tonight, 10, 10) is not None


def test_every_table_without_a_patient_is_about_the_cohort() -> None:
    """A new model that numbers or counts patients must say so; this list makes one think of it."""
    models = models_of(json.loads(ensure_manifest().read_text(encoding="utf-8")))
    assert {name for _, name in models.by_cohort} == {
        "cohort_flow",
        "extracts",
        "ignored_rows",
        "int_lab_bounds",
        "int_lab_files",
        "int_time_zero",
        "rejected_rows",
    }
    assert {name for _, name in models.work} == {
        "int_clinical_events",
        "int_graded_labs",
        "int_neutrophil_days",
        "int_worst_labs",
    }
    assert models.empty_by_patient == {("quality", "ignored_rows")}


def test_a_table_is_taken_for_empty_only_where_it_has_no_row(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("create table one as select 1 as n; create table none as select 1 as n limit 0")
    assert empty_among(tmp_path / "a.duckdb", [("main", "one"), ("main", "none")]) == {("main", "none")}


LAST_CUTOFF = date(2018, 7, 30)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2018-07-31", True),
        ("2018-07-31T08:00", True),
        ("2018-07-30T23:30:00-05:00", True),  # a day later where the clock is set by Greenwich
        ("2018-07", True),  # imputed on the 15th, or at the cut-off
        ("2018", True),
        ("2019", True),
        ("2018-7-31", True),
        ("2018-07-29", False),
        ("2018-06", False),
        ("2017", False),
        (None, False),
    ],
)
def test_patients_with_a_date_beyond_the_old_cutoff_are_built_anew_when_it_moves(
    tmp_path: Path, text: str | None, found: bool
) -> None:
    home = lake_of(tmp_path, {"follow_ups": [("late", text)]})
    tonight = dataclasses.replace(FACTS, files={"follow_ups": frozenset({"raw/follow_ups.parquet"})})
    last = dataclasses.replace(tonight, data_cutoff=LAST_CUTOFF)
    moved = dataclasses.replace(tonight, data_cutoff=date(2018, 8, 15))
    changed, known = find_changed_patients(home, Slice(tmp_path / "slice"), last, moved, "1GB")
    assert (changed, known) == (int(found), 1)


def test_patients_of_files_that_came_or_went_are_built_anew(tmp_path: Path) -> None:
    home = lake_of(
        tmp_path, {"follow_ups": [("went", None)], "procedures": [("came", None)], "encounters": [("x", None)]}
    )
    stays = {"encounters": frozenset({"raw/encounters.parquet"})}
    last = dataclasses.replace(
        FACTS, files={**stays, "procedures": frozenset(), "follow_ups": frozenset({"raw/follow_ups.parquet"})}
    )
    tonight = dataclasses.replace(
        FACTS, files={**stays, "procedures": frozenset({"raw/procedures.parquet"}), "follow_ups": frozenset()}
    )
    slice_ = Slice(tmp_path / "slice")
    for _ in range(2):  # a second time: a night that failed is gone on with
        assert find_changed_patients(home, slice_, last, tonight, "1GB")[0] == 2
    assert set(duckdb.read_parquet(str(slice_.patients)).fetchall()) == {("went",), ("came",)}


def test_a_lake_file_that_is_gone_is_noticed(tmp_path: Path) -> None:
    home = lake_of(tmp_path, {"follow_ups": [("a", None)]})
    there = dataclasses.replace(FACTS, files={"follow_ups": frozenset({"raw/follow_ups.parquet"})})
    assert not is_gone(home, there)
    assert is_gone(home, dataclasses.replace(there, files={"follow_ups": frozenset({"raw/pruned.parquet"})}))


@pytest.mark.parametrize(
    ("before", "counts_now", "lies_in_slice", "reason"),
    [
        (True, True, True, None),
        (False, False, False, None),
        (True, False, False, None),  # none of the changed patients has such a row: others still have theirs
        (False, True, True, "first time"),
        (True, False, True, "last row"),
        (True, False, None, "last row"),  # the plan reads no file of the feed any more
    ],
)
def test_a_feed_that_begins_or_may_have_ceased_is_noticed(
    tmp_path: Path, before: bool, counts_now: bool, lies_in_slice: bool | None, reason: str | None
) -> None:
    slice_ = Slice(tmp_path)
    with duckdb.connect(str(slice_.unpublished)) as connection:
        connection.execute("create schema staging")
        for feed in FEEDS:
            rows = "where true" if feed == "encounters" and counts_now else "where false"
            connection.execute(f"create view staging.stg_emr__{feed} as select 'x' as patient_key {rows}")
        file = slice_.lake / "raw" / "encounters" / "slice" / "rows.parquet"
        file.parent.mkdir(parents=True)
        if lies_in_slice is not None:
            connection.execute(f"copy (select 'x' as patient_key where {lies_in_slice}) to '{file}' (format parquet)")
    said = delivers_otherwise(slice_, frozenset({"encounters"} if before else ()))
    assert said is None if reason is None else said is not None and reason in said


def lake_of(root: Path, rows: dict[str, list[tuple[str, str | None]]]) -> WarehouseHome:
    """A home with one lake file a feed (patient and one date), and a published warehouse of one patient."""
    home = WarehouseHome(root / "home")
    (home.lake / "raw").mkdir(parents=True)
    with duckdb.connect(str(home.database)) as published:
        published.execute("create schema marts; create table marts.patients as select 'late' as patient_key")
    for feed, patients in rows.items():
        dates = [column.lake_name for column in FEEDS[feed].lake_columns if column.kind in (Kind.DATE, Kind.DATETIME)]
        table = pa.table(
            {
                "patient_key": [key for key, _ in patients],
                **{name: pa.array([None] * len(patients), pa.string()) for name in dates[1:]},
                dates[0]: pa.array([text for _, text in patients], pa.string()),
            }
        )
        pq.write_table(table, home.lake / "raw" / f"{feed}.parquet")
    return home


class Hospital:
    """What the hospital delivers: a snapshot of synthetic patients, then deltas."""

    def __init__(self, root: Path) -> None:
        self.root = root
        command = ["-m", "synthetic_emr", "scale", "--patients", str(PATIENTS), "--labs-per-patient", "20"]
        subprocess.run(
            [sys.executable, *command, "--format", "csv", "--out", str(root)], cwd=ROOT, check=True, capture_output=True
        )
        self.base = {path.stem: list(_read(path)) for path in sorted((root / FIRST).glob("*.csv"))}

    def of(self, feed: str, patient: int) -> list[Row]:
        """Copies of one patient's rows of a feed."""
        return [dict(row) for row in self.base[feed] if row["patient_id"] == f"SYN-{patient:07d}"]

    def change_snapshot(self, feed: str, change: Callable[[list[Row]], None]) -> None:
        change(self.base[feed])
        path = self.root / FIRST / f"{feed}.csv"
        _write(path, self.base[feed])
        manifest = self.root / FIRST / "manifest.json"
        manifest.unlink(missing_ok=True)

    def deliver(self, day: str, rows: dict[str, list[Row]]) -> None:
        """Deliver a delta."""
        folder = self.root / day
        folder.mkdir()
        for feed, changed in rows.items():
            _write(folder / f"{feed}.csv", changed)
        manifest = {"source_system": "synthetic", "extract_date": day, "mode": "delta"}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, rows: list[Row]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def deleted(row: Row) -> Row:
    return row | {"deleted": "true"}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    """Patients 1 to 8 change in the delta; 20 and 21 have dates that count only when the open cut-off moves.

    Patient 30 has two days of death before and after. Events of patients 4 and 31 stand twice in the snapshot.
    Patient 1's units are unknown until the delta mends them, and with the delta patient 7 has a CRS that begins late.
    One more, and they were too many for a delta night.
    """
    hospital = Hospital(tmp_path_factory.mktemp("delta") / "extracts")

    def visits(rows: list[Row]) -> None:
        late = dict(hospital.of("follow_ups", 20)[-1])
        rows.append(late | {"visited_on": "2018-08-10", "vital_status": "dead", "death_on": "2018-08-09"})
        rows.append(dict(hospital.of("follow_ups", 21)[-1]) | {"visited_on": "2018-08", "vital_status": "alive"})

        death = dict(hospital.of("follow_ups", 30)[-1]) | {"vital_status": "dead"}
        rows += [death | {"visited_on": day, "death_on": day} for day in ("2018-07-01", "2018-07-02")]

    def units(rows: list[Row]) -> None:
        rows[:] = [row | {"unit": "furlong"} if row["patient_id"] == "SYN-0000001" else row for row in rows]

    def repeats(rows: list[Row]) -> None:
        rows += [*hospital.of("adverse_events", 4), *hospital.of("adverse_events", 31)]

    known_units = hospital.of("lab_results", 1)
    hospital.change_snapshot("follow_ups", visits)
    hospital.change_snapshot("lab_results", units)
    hospital.change_snapshot("adverse_events", repeats)
    infused = hospital.of("cart_infusions", 7)[0]["infused_at"][:10]
    late = (date.fromisoformat(infused) + timedelta(days=60)).isoformat()
    syndrome = next(row for row in hospital.base["adverse_events"] if row["term"] == "CRS")
    newcomer = [row | {"patient_id": "SYN-9000001"} for row in hospital.of("patients", 9)]
    hospital.deliver(
        SECOND,
        {
            "patients": [*newcomer, *(deleted(row) for row in hospital.of("patients", 3))],
            "cart_infusions": [
                *(
                    row | {"patient_id": "SYN-9000001", "infusion_id": f"N-{number}"}
                    for number, row in enumerate(hospital.of("cart_infusions", 9))
                ),
                *(row | {"infused_at": "2018-05-01T09:00"} for row in hospital.of("cart_infusions", 4)[:1]),
            ],
            "lab_results": [row | {"value": "0.05"} for row in known_units],
            "adverse_events": [
                syndrome | {"patient_id": "SYN-0000007", "event_id": "late", "parent_event_id": "", "started_on": late}
            ],
            "marrow_assessments": [deleted(row) for row in hospital.of("marrow_assessments", 2)],
            "follow_ups": [
                *(row | {"patient_id": "SYN-9000001"} for row in hospital.of("follow_ups", 9)),
                *(deleted(row) for row in hospital.of("follow_ups", 5)),
                *(row | {"patient_id": "SYN-8888888"} for row in hospital.of("follow_ups", 6)),  # nobody knows them
                *(row | {"visited_on": "soon"} for row in hospital.of("follow_ups", 7)),
            ],
        },
    )
    return hospital


@pytest.fixture(scope="module")
def open_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study without a fixed data cut-off: it moves with every extract."""
    return study_of_few_figures(tmp_path_factory.mktemp("study") / "study.yml", None)


@pytest.fixture(scope="module")
def delta_night(hospital: Hospital, open_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Night:
    root = tmp_path_factory.mktemp("nights")
    first = root / "first"
    first.mkdir()
    (first / FIRST).symlink_to(hospital.root / FIRST)
    settings = {"CART_STUDY": str(open_study), "CART_DELTA_FROM_ROWS": "1"}
    began = run_refresh(root / "home", first, **settings)
    assert began.status == 0, began.stderr
    night = run_refresh(root / "home", hospital.root, **settings)
    assert night.status == 0, night.stderr
    return night


@pytest.fixture(scope="module")
def whole_night(hospital: Hospital, open_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Night:
    home = tmp_path_factory.mktemp("whole") / "home"
    night = run_refresh(home, hospital.root, CART_STUDY=str(open_study))
    assert night.status == 0, night.stderr
    return night


def built(night: Night) -> dict[str, object]:
    content: dict[str, object] = json.loads((night.home / "current" / "night.json").read_text())["built"]
    return content


@pytest.mark.slow
def test_the_delta_night_has_every_row_of_a_whole_build(delta_night: Night, whole_night: Night) -> None:
    assert (built(delta_night)["deltas"], built(whole_night)["deltas"]) == (1, 0)
    differing: dict[str, int] = {}
    with duckdb.connect(str(delta_night.database.resolve()), read_only=True) as connection:
        connection.execute(f"attach '{whole_night.database.resolve()}' as whole (read_only)")
        tables = [table for table in list_tables(connection) if table != ("quality", "build")]
        assert len(tables) > 100
        for schema, table in tables:
            ours, theirs = (_rows_of(side, schema, table) for side in ("warehouse", "whole"))
            ((n,),) = connection.execute(
                f"select count(*) from (({ours} except all {theirs}) union all ({theirs} except all {ours}))"
            ).fetchall()
            differing |= {f"{schema}.{table}": n} if n else {}
    assert differing == {}


def _rows_of(side: str, schema: str, table: str) -> str:
    """All rows of a table, less the moment of loading and the checks that compare with the night before."""
    kept = "* exclude (loaded_at)" if table == "extracts" else "*"
    rows = f"select {kept} from {side}.{schema}.{table}"
    if table != "check_results":
        return rows
    first_night = f"select \"check\" from whole.{schema}.{table} where status = 'not_applicable'"
    return f'{rows} where "check" not in ({first_night})'


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["exports", "interchange/adam", "interchange/cbioportal"])
def test_its_files_are_byte_equal(delta_night: Night, whole_night: Night, folder: str) -> None:
    ours, theirs = (
        {path.name: path.read_bytes() for path in (night.home / folder).resolve().iterdir()}
        for night in (delta_night, whole_night)
    )
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def checked(database: Path, name: str) -> tuple[str, int]:
    """Status and number of failing rows of a check."""
    with duckdb.connect(str(database.resolve()), read_only=True) as connection:
        found = connection.execute(
            'select status, failing_rows from quality.check_results where "check" = ?', [name]
        ).fetchall()
    ((status, failing),) = found
    return str(status), int(failing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "before", "now"),
    [
        ("days_of_death_agree", "failed", "failed"),  # of a patient who did not change
        ("crs_begins_within_30_days", "passed", "failed"),  # of one who changed
        ("lab_units_are_known", "failed", "passed"),  # mended
        ("outcomes_agree", "passed", "passed"),
    ],
)
def test_a_test_that_finds_something_is_made_on_the_whole_warehouse(
    delta_night: Night, whole_night: Night, name: str, before: str, now: str
) -> None:
    first = min((delta_night.home / "versions").iterdir())
    assert checked(first / "warehouse.duckdb", name)[0] == before
    assert checked(delta_night.database, name)[0] == now
    assert checked(delta_night.database, name) == checked(whole_night.database, name)


@pytest.mark.slow
def test_dagster_is_told_the_same_of_every_check(delta_night: Night, whole_night: Night) -> None:
    ours, theirs = evaluated(delta_night), evaluated(whole_night)
    assert len(theirs) > 300
    differing = {check for check in ours.keys() | theirs.keys() if ours.get(check) != theirs.get(check)}
    assert differing == set()


def evaluated(night: Night) -> dict[tuple[str, str], list[tuple[bool, str]]]:
    """Verdicts and severity by table and check, as the last run told Dagster; each check is told once."""
    with sqlite3.connect(night.home / "dagster" / "history" / "runs" / "index.db") as connection:
        rows = connection.execute(
            "select event from event_logs where dagster_event_type = 'ASSET_CHECK_EVALUATION' "
            "and run_id = (select run_id from event_logs order by id desc limit 1)"
        ).fetchall()
    told: dict[tuple[str, str], list[tuple[bool, str]]] = {}
    for (text,) in rows:
        data = json.loads(text)["dagster_event"]["event_specific_data"]
        verdict = (bool(data["success"]), str(data["severity"]))
        told.setdefault(("/".join(data["asset_key"]["path"]), data["check_name"]), []).append(verdict)
    return told


@pytest.mark.slow
def test_most_tests_look_at_the_changed_patients_alone(delta_night: Night) -> None:
    made = json.loads((delta_night.home / "dbt_target" / "slice" / "run_results.json").read_text())["results"]
    assert sum(result["unique_id"].startswith("test.") for result in made) > 100
