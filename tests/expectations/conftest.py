"""A small lake and a small build, made of typed rows by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations import CheckResult, run_mart_checks, run_raw_checks
from study import Study


@dataclass(frozen=True)
class Files:
    files: Sequence[str] = ()


@dataclass(frozen=True)
class LakePlan:
    feeds: Mapping[str, Files] = field(default_factory=dict)
    ledger: Sequence[str] = ()
    newest_extract: str | None = "2018-07-30"


Judge = Callable[..., dict[str, CheckResult]]


@pytest.fixture
def judge_lake(tmp_path: Path) -> Judge:
    """Judge a lake that is given as one select statement per feed."""

    def judge(
        pages: Path | None = None,
        thresholds: Path | None = None,
        histories: Sequence[Mapping[str, Any]] = (),
        memory_limit: str | None = None,
        **feeds: str,
    ) -> dict[str, CheckResult]:
        planned = {name: Files() for name in ("vital_signs", "procedures")}
        for name, select in feeds.items():
            with duckdb.connect() as connection:
                connection.execute(f"copy ({select}) to '{tmp_path}/{name}.parquet' (format parquet)")
            planned[name] = Files([f"{name}.parquet"])
        ledger = planned.pop("ledger", Files()).files
        options: dict[str, Any] = {"memory_limit": memory_limit}
        options |= {} if thresholds is None else {"thresholds": thresholds}
        results = run_raw_checks(LakePlan(planned, ledger), tmp_path, pages, histories=histories, **options)
        return {result.check: result for result in results}

    return judge


_MARTS = """
create schema marts; create schema quality;
create table marts.patients as
    select md5(i::varchar) as patient_key, true as included, 20 + i % 50 as age_years, 'F' as sex,
        2 as prior_chemotherapies, true as refractory, false as relapsed, 40.0::double as marrow_blast_percent,
        false as extramedullary_disease, 10.5::double as wbc, true as flu_cy, 'CD19' as cart_target,
        1e6 as cells_per_kg,
        2 as crs_grade, 4 as hematologic_toxicity_grade, date '2018-01-02' as infusion_date
    from range(40) t(i);
create table marts.events as
    select patient_key, 'infusion' as event_type, infusion_date as event_date, null::integer as grade
    from marts.patients;
create table marts.response_assessments as
    select patient_key, 28 as study_day, 0.5::double as marrow_blast_percent, true as complete_remission,
        'negative' as mrd_status
    from marts.patients;
create table marts.adverse_events as
    select patient_key, 'cart' as phase, 'CRS' as term, 2 as worst_grade, 3 as first_study_day from marts.patients;
create table marts.outcomes as
    select patient_key, endpoint, if(endpoint = 'CR', 'binary', 'time_to_event') as kind,
        if(endpoint = 'CR', ascii(patient_key) % 2 = 0, null) as achieved, if(endpoint = 'CR', null, 100) as time_days,
        if(endpoint = 'CR', null, false) as event, infusion_date + 100 as event_date,
        [{'feed': 'follow_ups', 'row': 1}] as evidence
    from marts.patients cross join (values ('CR'), ('OS')) as e(endpoint);
create table quality.extracts as
    select 'patients' as feed, date '2018-07-30' as extract, 40 as rows, 40 as accepted, 0 as rejected;
create table quality.rejected_values (feed varchar, "column" varchar);
"""


@pytest.fixture
def judge_marts() -> Judge:
    """Judge a sound build after the given statements have changed it."""

    def judge(
        *changes: str,
        study: Study | None = None,
        published_rows: Mapping[str, int] | None = None,
        pages: Path | None = None,
    ) -> dict[str, CheckResult]:
        with duckdb.connect() as connection:
            connection.execute(_MARTS)
            for change in changes:
                connection.execute(change)
            results = run_mart_checks(connection, study or Study(), pages, published_rows)
        return {result.check: result for result in results}

    return judge
