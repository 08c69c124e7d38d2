"""The marts against an independent derivation, for patients that nobody prepared."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from orchestration.extracts.feeds import FEEDS
from study import Study
from synthetic_emr.scale import write_scaled_extract
from tests.cohort import CUTOFF, BuiltCohort, patient_key, run_dbt, write_lake
from tests.dbt_project.conftest import lake_rows
from tests.dbt_project.independent.derivation import Row, Verdicts, derive
from tests.dbt_project.independent.lives import random_cohort

YES_NO = ("CR", "MRD_NEGATIVE_CR", "MRD_POSITIVE_CR", "HSCT_BRIDGE")
TIMES = (
    "EFS",
    "OS",
    "RFS",
    "DOR",
    "RELAPSE",
    "NON_RELAPSE_MORTALITY",
    "TIME_TO_CR",
    "TIME_TO_MRD_NEGATIVE",
    "FOLLOW_UP",
)


def in_the_marts(built: BuiltCohort) -> dict[str, Verdicts]:
    """What the warehouse says of each included patient, by key, in the words of the derivation."""
    found: dict[str, Verdicts] = {}
    for key, day_of_cr, day_of_mrd in built.connection.execute(
        """
        select patient_key, complete_remission_date - infusion_date, mrd_negative_date - infusion_date
        from marts.patients where included
        """
    ).fetchall():
        found[key] = {"CR day": day_of_cr, "MRD_NEGATIVE_CR day": day_of_mrd, **dict.fromkeys(TIMES)}
    for key, endpoint, achieved, days, event, kind in built.connection.execute(
        "select patient_key, endpoint, achieved, time_days, event, event_kind from marts.outcomes"
    ).fetchall():
        if endpoint in YES_NO:
            found[key][endpoint] = (achieved, kind)
        elif endpoint in TIMES:
            found[key][endpoint] = (days, event, kind)
    for name, sql in (
        (
            "neutrophil grade",
            "select patient_key, worst_grade from marts.lab_toxicity where analyte = 'neutrophils' and version = 5",
        ),
        ("Lee grade", "select patient_key, lee2014_grade from marts.crs_grading"),
        ("ICAHT early", "select patient_key, early_grade from marts.icaht"),
    ):
        grades = dict(built.connection.execute(sql).fetchall())
        for key, verdicts in found.items():
            verdicts[name] = grades.get(key)
    return found


def differences(found: dict[str, Verdicts], derived: dict[str, Verdicts]) -> list[str]:
    """Every figure of every patient on which the two disagree."""
    return [
        f"{key[:8]} {what}: marts {found[key].get(what)}, derivation {verdict}"
        for key in sorted(derived)
        for what, verdict in derived[key].items()
        if found[key].get(what) != verdict
    ]


SELECTED = ("+outcomes", "+patients", "+lab_toxicity", "+crs_grading", "+icaht")


@pytest.mark.slow
def test_random_lives(tmp_path: Path) -> None:
    cohort = random_cohort(600, seed=1)
    with closing(cohort.build(tmp_path, select=SELECTED)) as built:
        found = in_the_marts(built)
    keys = {name: patient_key(name) for name in cohort.patients}
    derived = {key: derive(cohort.patients[name].rows, CUTOFF) for name, key in keys.items() if key in found}
    assert len(derived) > 500
    assert differences(found, derived) == []


@pytest.mark.slow
def test_resampled_patients(tmp_path: Path, paper_study: Study) -> None:
    extract = write_scaled_extract(tmp_path / "extracts", patients=300, file_format="csv", seed=7)
    rows = {feed: lake_rows(extract, feed) for feed in FEEDS}
    write_lake(tmp_path / "lake", rows, extract=extract.name)
    command = ["build", "--resource-type", "model", "--resource-type", "seed", "--select", *SELECTED]
    run_dbt(command, paper_study, lake=tmp_path / "lake", database=tmp_path / "warehouse.duckdb")
    charts: dict[str, dict[str, list[Row]]] = defaultdict(lambda: {feed: [] for feed in FEEDS})
    for feed, of_feed in rows.items():
        for row in of_feed:
            charts[str(row["patient_key"])][feed].append(row)
    with closing(BuiltCohort(tmp_path / "warehouse.duckdb", tmp_path / "lake", ())) as built:
        found = in_the_marts(built)
    derived = {key: derive(charts[key], dt.date(2018, 7, 30)) for key in found}
    assert len(derived) == 300
    assert differences(found, derived) == []


def test_a_difference_is_told() -> None:
    found: dict[str, Verdicts] = {"0123456789": {"EFS": (30, True, "relapse"), "Lee grade": 2}}
    derived: dict[str, Verdicts] = {"0123456789": {"EFS": (31, True, "relapse"), "Lee grade": 2, "ICAHT early": None}}
    expected = ["01234567 EFS: marts (30, True, 'relapse'), derivation (31, True, 'relapse')"]
    assert differences(found, derived) == expected
