"""A cohort made for one question: named patients with a row or three each, built by the project's own SQL.

``Cohort`` collects the rows, ``build`` writes them as a lake (no ingestion) and runs dbt in this process, and
``BuiltCohort`` answers questions by a patient's name. Days count from the first infusion (0), as in the marts; where a
test is about the text of a date, pass the text instead of a day. Only what the SQL needs is filled in.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.extracts.feeds import FEEDS
from study import Study

DBT_PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
INFUSION = dt.date(2017, 3, 1)
CUTOFF = dt.date(2020, 12, 31)
EXTRACT = "2021-01-05"
LOINC = {
    "leukocytes": ("6690-2", "10*9/L"),
    "neutrophils": ("751-8", "10*9/L"),
    "platelets": ("777-3", "10*9/L"),
    "haemoglobin": ("718-7", "g/L"),
    "lymphocytes": ("731-0", "10*9/L"),
    "alt": ("1742-6", "U/L"),
    "ast": ("1920-8", "U/L"),
    "bilirubin": ("1975-2", "umol/L"),
    "circulating_blasts": ("26446-6", "%"),
}

Day = int | str
Row = dict[str, str | None]


def patient_key(name: str) -> str:
    """Return the key under which the warehouse knows the patient of that name: 64 hex digits, as from ingestion."""
    return hashlib.sha256(name.encode()).hexdigest()


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes`` laid over it, section by section."""
    result = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if nested else value
    return result


class Patient:
    """Rows of one patient; every method adds one and returns the patient, so that a life reads as one sentence."""

    def __init__(self, name: str, infused_on: dt.date) -> None:
        self.name = name
        self.infused_on = infused_on
        self.rows: dict[str, list[Row]] = {feed: [] for feed in FEEDS}

    def date(self, day: Day | None) -> str | None:
        """Return the ISO date of a study day; text passes as it stands."""
        if isinstance(day, int):
            return (self.infused_on + dt.timedelta(days=day)).isoformat()
        return day

    def moment(self, day: Day | None, time: str | None) -> str | None:
        """Return an ISO date, with the time where one is known."""
        date = self.date(day)
        return f"{date}T{time}" if date and time else date

    def add(self, feed: str, **columns: object) -> Self:
        """Add a row to any feed; a column that is left out is missing."""
        unknown = set(columns) - {column.lake_name for column in FEEDS[feed].lake_columns} - {"deleted"}
        if unknown:
            raise ValueError(f"feed {feed} has no column {sorted(unknown)}")
        texts = {column: None if value is None else str(value) for column, value in columns.items()}
        self.rows[feed].append({"patient_key": patient_key(self.name), **texts})
        return self

    def infusion(
        self,
        day: Day = 0,
        *,
        course: int | None = 1,
        fraction: int | None = 1,
        target: str = "CD19",
        cells_per_kg: float | None = 1e6,
        time: str | None = None,
    ) -> Self:
        """Infuse CAR-T cells."""
        number = f"{self.name}-{len(self.rows['cart_infusions']) + 1}"
        return self.add(
            "cart_infusions",
            infusion_id=number,
            infused_at=self.moment(day, time),
            course=course,
            fraction=fraction,
            target=target,
            cells_per_kg=cells_per_kg,
        )

    def marrow(self, day: Day, blasts: float | str | None) -> Self:
        """Take marrow; ``blasts`` in percent."""
        return self.add("marrow_assessments", sampled_on=self.date(day), blast_percent=blasts, method="aspirate")

    def mrd(
        self,
        day: Day,
        value: float | str | None = None,
        *,
        result: str | None = None,
        method: str = "flow",
        target: str | None = None,
    ) -> Self:
        """Look for minimal residual disease; ``value`` in percent."""
        return self.add(
            "mrd_results",
            sampled_on=self.date(day),
            method=method,
            target=target,
            value_percent=value,
            result=result,
        )

    def extramedullary(self, day: Day, finding: str, site: str = "cns") -> Self:
        """Look at a site outside the marrow: present or absent."""
        return self.add(
            "extramedullary_assessments", assessed_on=self.date(day), site=site, method="imaging", finding=finding
        )

    def lab(
        self,
        day: Day,
        test: str,
        value: float | str | None,
        *,
        unit: str | None = None,
        time: str | None = None,
        specimen: str | None = "blood",
    ) -> Self:
        """Draw blood for one test (a name of ``LOINC`` or a code)."""
        loinc, usual_unit = LOINC.get(test, (test, None))
        return self.add(
            "lab_results",
            collected_at=self.moment(day, time),
            specimen=specimen,
            loinc=loinc,
            test_name=test,
            value=value,
            unit=usual_unit if unit is None else unit or None,
        )

    def blood_blasts(self, day: Day, percent: float | str, **more: Any) -> Self:
        """Count blasts in blood, in percent."""
        return self.lab(day, "circulating_blasts", percent, **more)

    def vital(self, day: Day, sign: str, value: float | str, *, time: str = "08:00", unit: str | None = None) -> Self:
        """Measure a vital sign."""
        return self.add("vital_signs", measured_at=self.moment(day, time), sign=sign, value=value, unit=unit)

    def medication(
        self,
        drug: str,
        day: Day,
        *,
        until: Day | None = None,
        purpose: str | None = "crs_treatment",
        dose: float | None = None,
        dose_unit: str | None = None,
        time: str | None = "08:00",
    ) -> Self:
        """Give a drug from ``day`` until ``until`` (the same day where left out)."""
        return self.add(
            "medications",
            drug=drug,
            started_at=self.moment(day, time),
            ended_at=self.moment(day if until is None else until, time),
            dose=dose,
            dose_unit=dose_unit,
            purpose=purpose,
        )

    def adverse_event(
        self,
        term: str,
        day: Day | None,
        *,
        grade: int | None = None,
        until: Day | None = None,
        scale: str | None = None,
        phase: str | None = "cart",
        event_id: str | None = None,
        parent: str | None = None,
    ) -> Self:
        """Record an adverse event; a symptom names its parent's ``event_id``."""
        number = event_id or f"event {len(self.rows['adverse_events']) + 1}"
        return self.add(
            "adverse_events",
            event_id=number,
            parent_event_id=parent,
            term=term,
            grade=grade,
            grading_scale=scale,
            started_on=self.date(day),
            ended_on=self.date(until),
            phase=phase,
        )

    def stay(self, day: Day, until: Day | None, *, care_unit: str = "icu") -> Self:
        """Admit to a ward or the intensive care unit; without ``until`` the patient is still there."""
        number = f"stay {len(self.rows['encounters']) + 1}"
        return self.add(
            "encounters",
            encounter_id=number,
            care_unit=care_unit,
            admitted_at=self.date(day),
            discharged_at=self.date(until),
        )

    def procedure(self, name: str, day: Day, detail: str | None = None) -> Self:
        """Do a procedure."""
        return self.add("procedures", procedure=name, performed_on=self.date(day), detail=detail)

    def hsct(self, day: Day) -> Self:
        """Transplant allogeneic stem cells."""
        return self.procedure("allo_hsct", day)

    def follow_up(
        self,
        day: Day,
        *,
        vital_status: str | None = "alive",
        disease_status: str | None = "not_assessed",
        relapse: Day | None = None,
        relapse_site: str | None = None,
        death: Day | None = None,
        cause: str | None = None,
    ) -> Self:
        """Visit."""
        return self.add(
            "follow_ups",
            visited_on=self.date(day),
            vital_status=vital_status,
            death_on=self.date(death),
            cause_of_death=cause,
            disease_status=disease_status,
            relapse_on=self.date(relapse),
            relapse_site=relapse_site,
        )

    def died(self, day: Day, *, visit: Day | None = None, cause: str | None = "leukemia") -> Self:
        """Die; reported at a visit of the same day where no other is named."""
        return self.follow_up(
            day if visit is None else visit, vital_status="dead", disease_status=None, death=day, cause=cause
        )

    def diagnosis(self, day: Day, code: str = "C91.0", immunophenotype: str | None = "CD19+") -> Self:
        """Diagnose."""
        return self.add(
            "diagnoses",
            diagnosed_on=self.date(day),
            code_system="ICD-10",
            code=code,
            immunophenotype=immunophenotype,
        )

    def prior_therapy(
        self, line: int, start: Day, end: Day | None, outcome: str | None, phase: str = "induction"
    ) -> Self:
        """Treat before the infusion."""
        return self.add(
            "prior_therapies",
            line=line,
            phase=phase,
            regimen="VDLP",
            started_on=self.date(start),
            ended_on=self.date(end),
            outcome=outcome,
        )

    def gene(self, gene: str, result: str = "positive", *, kind: str = "mutation", day: Day = -10) -> Self:
        """Find or exclude a fusion or mutation."""
        return self.add("molecular_findings", sampled_on=self.date(day), kind=kind, gene=gene, result=result)


class Cohort:
    """Named patients under one study. No eligibility criterion applies unless ``study`` says so."""

    def __init__(self, study: Mapping[str, Any] | None = None) -> None:
        base = {"study": {"name": "test cohort", "data_cutoff": CUTOFF}, "published": None, "cohort": {}}
        self.study = Study.model_validate(merged(base, study or {}))
        self.patients: dict[str, Patient] = {}

    def patient(
        self,
        name: str,
        *,
        sex: str | None = "F",
        birth_date: str | None = "1990-01-01",
        infused_on: dt.date = INFUSION,
        infused: bool = True,
    ) -> Patient:
        """Add a patient, infused on day 0 unless ``infused`` is False."""
        if name in self.patients:
            raise ValueError(f"there is already a patient called {name!r}")
        patient = Patient(name, infused_on).add("patients", sex=sex, birth_date=birth_date)
        self.patients[name] = patient
        return patient.infusion() if infused else patient

    def write_lake(self, lake: Path) -> None:
        """Write the patients' rows as a lake with one file per feed that has rows."""
        write_lake(
            lake,
            {feed: [row for patient in self.patients.values() for row in patient.rows[feed]] for feed in FEEDS},
        )

    def build(self, folder: Path, *, select: Sequence[str] = ("*",)) -> BuiltCohort:
        """Write the lake under ``folder``, run the selected dbt models on it and return the answers.

        Raises:
            RuntimeError: if a model fails, with dbt's own message.
        """
        self.write_lake(folder / "lake")
        command = ["build", "--resource-type", "model", "--resource-type", "seed"]
        run_dbt([*command, "--select", *select], self.study, lake=folder / "lake", database=folder / "warehouse.duckdb")
        return BuiltCohort(folder / "warehouse.duckdb", folder / "lake", tuple(self.patients))


class BuiltCohort:
    """A warehouse built from named patients; answers speak of patients by name."""

    def __init__(self, database: Path, lake: Path, names: Sequence[str]) -> None:
        self.lake = lake
        self.names = {patient_key(name): name for name in names}
        self.connection = connect(database)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query as mappings, with ``patient`` (the name) where there is a ``patient_key``."""
        cursor = self.connection.execute(sql, list(parameters))
        columns = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]
        for row in rows:
            if "patient_key" in row:
                row["patient"] = self.names.get(row.pop("patient_key"))
        return rows

    def one(self, table: str, name: str, **where: object) -> dict[str, Any]:
        """Return the only row of a table for a patient (and further equalities); AssertionError if it isn't one."""
        rows = self.rows(table, name, **where)
        if len(rows) != 1:
            raise AssertionError(f"{table} has {len(rows)} rows for {name!r} with {where}, not one")
        return rows[0]

    def rows(self, table: str, name: str, **where: object) -> list[dict[str, Any]]:
        """Return a patient's rows of a table, in the order of its columns."""
        self._require_patient(name)
        conditions = "".join(f' and "{column}" = ?' for column in where)
        return self.query(
            f"select * from {table} where patient_key = ?{conditions} order by all",
            [patient_key(name), *where.values()],
        )

    def outcome(self, name: str, endpoint: str) -> dict[str, Any]:
        """Return a patient's row of marts.outcomes."""
        return self.one("marts.outcomes", name, endpoint=endpoint)

    def time_to(self, name: str, endpoint: str) -> tuple[int, bool, str]:
        """Return (time in days, event, kind) of a time-to-event endpoint."""
        row = self.outcome(name, endpoint)
        return row["time_days"], row["event"], row["event_kind"]

    def achieved(self, name: str, endpoint: str) -> tuple[bool | None, str]:
        """Return (achieved, kind) of a yes/no endpoint."""
        row = self.outcome(name, endpoint)
        return row["achieved"], row["event_kind"]

    def evidence_feeds(self, name: str, endpoint: str) -> list[str]:
        """Return the feeds of an outcome's evidence, in order."""
        return sorted({entry["feed"] for entry in self.outcome(name, endpoint)["evidence"]})

    def close(self) -> None:
        """Close the warehouse."""
        self.connection.close()

    def _require_patient(self, name: str) -> None:
        if name not in self.names.values():
            raise KeyError(f"the cohort has no patient {name!r}")


def unpublished(database: Path) -> Path:
    """Return the file beside a build file in which dbt keeps its views over the lake."""
    return database.with_name("unpublished.duckdb")


def connect(database: Path) -> duckdb.DuckDBPyConnection:
    """Open a build file for reading; the views over the lake are `unpublished.staging.<model>`."""
    connection = duckdb.connect(str(database), read_only=True)
    connection.execute(f"attach '{unpublished(database)}' as unpublished (read_only)")
    return connection


def copied_build(database: Path, folder: Path) -> Path:
    """Return a copy of a build file, with its views over the lake, that a test may change."""
    shutil.copy(unpublished(database), folder)
    return Path(shutil.copy(database, folder))


def write_lake(lake: Path, rows: Mapping[str, Sequence[Mapping[str, str | None]]], *, extract: str = EXTRACT) -> None:
    """Write lake Parquet, one file per feed that has rows, and the plan that staging reads.

    Rows hold ``patient_key`` and contract columns as text. No ledger: quality.extracts stays empty.
    """
    feeds: dict[str, dict[str, object]] = {}
    for name, feed in FEEDS.items():
        files: list[str] = []
        if rows.get(name):
            relative = f"raw/{name}/{extract}/{name}-00000000.parquet"
            _write_feed(lake / relative, [column.lake_name for column in feed.lake_columns], rows[name], extract)
            files.append(relative)
        feeds[name] = {"files": files, "deduplicate": False}
    plan = {"feeds": feeds, "ledger": [], "rejected": [], "newest_extract": extract}
    lake.mkdir(parents=True, exist_ok=True)
    (lake / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


def _write_feed(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str | None]], extract: str) -> None:
    texts = {column: pa.array([row.get(column) for row in rows], pa.string()) for column in [*columns, "deleted"]}
    count = len(rows)
    table = pa.table(
        {
            **texts,
            "source_extract": pa.array([extract] * count, pa.string()),
            "source_file": pa.array([f"{path.parent.parent.name}.csv"] * count, pa.string()),
            "source_row": pa.array(range(1, count + 1), pa.int64()),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Return a folder of the test session, filled by whichever worker comes first while the others wait."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed halfway
            make(folder)
            (folder / "done").touch()
    return folder


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for the time of a dbt call (dbt reads its paths from there)."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@cache
def _parsed_project() -> Any:
    """The parse that a night reads, too; it is the same for every study."""
    from orchestration.dbt_worker import read_parse
    from orchestration.manifest import prebuilt_parse

    return read_parse(prebuilt_parse())


def run_dbt(arguments: Sequence[str], study: Study, *, lake: Path, database: Path) -> Any:
    """Run one dbt command in this process, on the project as it was parsed for the nights; return dbt's own result.

    No log file: a line of it is cleaned of every environment variable, one processor second in eight of a small build.

    Raises:
        RuntimeError: if the command fails, with the messages of what failed.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    target = database.parent / "dbt_target"
    options = [
        "--quiet",
        "--no-write-json",
        *("--log-level-file", "none"),
        *("--project-dir", str(DBT_PROJECT)),
        *("--profiles-dir", str(DBT_PROJECT)),
        *("--vars", json.dumps({"study": study.as_dbt_variable()})),
    ]
    paths = {"CART_LAKE": lake, "CART_BUILD_DATABASE": database, "CART_UNPUBLISHED_DATABASE": unpublished(database)}
    with environment(**{name: str(path) for name, path in paths.items()}, DBT_TARGET_PATH=str(target)):
        result = dbtRunner(manifest=_parsed_project()).invoke([*arguments, *options])
        DuckDBConnectionManager.close_all_connections()
    if not result.success:
        raise RuntimeError(_failure_text(result))
    return result.result


def _failure_text(result: Any) -> str:
    failed = [
        f"{node.node.name}: {node.message}"
        for node in getattr(result.result, "results", None) or ()
        if node.status not in ("success", "pass", "skipped", "no-op")
    ]
    return "dbt failed: " + ("; ".join(failed) or str(result.exception))
