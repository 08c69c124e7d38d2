"""The studies under which the named patients live: the paper's, and two that turn every switch and threshold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cohort import BuiltCohort, Cohort, made_once
from tests.dbt_project.patients import adverse_events, events, outcomes, response, time
from tests.dbt_project.patients.case import Case, RowsOf, case, no_endpoint, no_row, row, time_to, yes_no

PAPER: Mapping[str, Any] = {}

# Lee, ELN, CTCAE 6, censored at transplant, and every threshold of the study file moved by one notch.
OTHER: Mapping[str, Any] = {
    "rules": {"response": "eln", "crs": "lee2014", "ctcae": 6},
    "response": {
        "marrow_blasts_below_percent": 8,
        "mrd_negative_below_percent": 0.1,
        "window_days": 60,
        "treatment_failure_day": 35,
    },
    "hsct": {"bridging_window_days": 100, "censor_at_hsct": True},
    "severe_crs_grade": 2,
    "baseline_window_days": 10,
    "hematologic_toxicity_window_days": 20,
}

THIRD: Mapping[str, Any] = {"rules": {"response": "cibmtr", "crs": "astct2019"}}


def _recovered(patient: Any, day: int) -> Any:
    return patient.marrow(day, 1).lab(day, "neutrophils", 2).lab(day, "platelets", 200)


_MARROW_AND_COUNTS = RowsOf("marrow_assessments", "lab_results", "lab_results")

OTHER_CASES: list[Case] = [
    case(
        "thresholds: 8% of blasts are no remission",
        lambda p: p.marrow(14, 8).lab(14, "neutrophils", 2).lab(14, "platelets", 200).follow_up(100),
        yes_no("CR", False, "no_remission"),
    ),
    case(
        "thresholds: 7% of blasts are a remission, and no relapse on the same day",
        lambda p: p.marrow(14, 7).lab(14, "neutrophils", 2).lab(14, "platelets", 200).follow_up(100),
        yes_no("CR", True, "complete_remission"),
        time_to("EFS", 100, "censored"),
    ),
    case(
        "thresholds: 0.05% is MRD negative",
        lambda p: _recovered(p, 14).mrd(14, 0.05).follow_up(100),
        yes_no("MRD_NEGATIVE_CR", True, "mrd_negative"),
    ),
    case(
        "thresholds: remission on day 60",
        lambda p: _recovered(p, 60).follow_up(100),
        yes_no("CR", True, "complete_remission"),
    ),
    case(
        "thresholds: remission on day 61",
        lambda p: _recovered(p, 61).follow_up(100),
        yes_no("CR", False, "no_remission"),
    ),
    case(
        "thresholds: failure on day 35",
        lambda p: p.marrow(34, 9).marrow(35, 9).follow_up(100),
        time_to("EFS", 35, "treatment_failure"),
    ),
    case(
        "thresholds: transplant on day 100", lambda p: p.hsct(100).follow_up(200), yes_no("HSCT_BRIDGE", True, "hsct")
    ),
    case(
        "thresholds: neutrophils of day 21",
        lambda p: p.lab(21, "neutrophils", 0.3).lab(20, "neutrophils", 0.9).follow_up(60),
        row("marts.patients", hematologic_toxicity_grade=2),
    ),
    case(
        "CTCAE 6 decides",
        lambda p: p.lab(5, "neutrophils", 0.3).follow_up(60),
        row("marts.patients", hematologic_toxicity_grade=3),
        row("marts.adverse_events", {"term": "hematologic toxicity"}, grading_scale="CTCAE6", worst_grade=3),
        row("marts.lab_toxicity", {"version": 6}, chosen=True),
    ),
    case(
        "ELN decides: without recovery no remission",
        lambda p: p.marrow(14, 1).follow_up(100),
        yes_no("CR", False, "no_remission"),
        row("marts.response_assessments", response="MLFS", rule_set="eln", complete_remission=False),
        row("marts.patients", best_response="MLFS"),
        time_to("EFS", 14, "treatment_failure"),
    ),
    case(
        "ELN decides: a remission shows the counts of its own day",
        lambda p: _recovered(p, 14).marrow(28, 1).lab(28, "neutrophils", 2).follow_up(100),
        row("marts.response_assessments", {"study_day": 14}, response="CR", evidence=_MARROW_AND_COUNTS),
        row("marts.response_assessments", {"study_day": 28}, evidence=RowsOf("marrow_assessments", "lab_results")),
        row("intermediate.int_first_complete_remission", study_day=14, evidence=_MARROW_AND_COUNTS),
    ),
    case(
        "Lee decides",
        lambda p: (
            p.adverse_event("CRS", 3, grade=4).vital(3, "temperature", 39).vital(5, "systolic_bp", 80).follow_up(60)
        ),
        row("marts.patients", crs_grade=2, severe_crs=True),
        row("marts.adverse_events", {"term": "CRS"}, worst_grade=2, grading_scale="Lee2014", first_study_day=3),
    ),
    case(
        "Lee decides: no fever, no CRS",
        lambda p: p.adverse_event("CRS", 3, grade=4).vital(3, "temperature", 37).follow_up(60),
        row("marts.patients", crs_grade=0),
        no_row("marts.adverse_events", term="CRS"),
    ),
    case(
        "Lee decides: fever alone, counted from the patient's own infusion",
        lambda p: p.vital(3, "temperature", 39).follow_up(60),
        row("marts.adverse_events", {"term": "CRS"}, worst_grade=1, first_study_day=3),
        infused_on=dt.date(2016, 6, 1),
    ),
    case(
        "transplant ends the time at risk",
        lambda p: _recovered(p, 14).hsct(50).follow_up(200),
        time_to("EFS", 50, "censored"),
        time_to("RFS", 36, "censored"),
        time_to("DOR", 36, "censored"),
        time_to("OS", 200, "censored"),
        time_to("RELAPSE", 200, "censored"),
    ),
    case(
        "relapse before the transplant counts",
        lambda p: _recovered(p, 14).marrow(40, 50).hsct(50).follow_up(200),
        time_to("EFS", 40, "relapse"),
    ),
    case(
        "relapse on the day of the transplant counts",
        lambda p: _recovered(p, 14).marrow(50, 50).hsct(50).follow_up(200),
        time_to("EFS", 50, "relapse"),
        time_to("RFS", 36, "relapse"),
    ),
    case(
        "relapse after the transplant is not seen",
        lambda p: _recovered(p, 14).hsct(50).marrow(51, 50).died(90),
        time_to("EFS", 50, "censored"),
        time_to("RELAPSE", 51, "relapse"),
        time_to("OS", 90, "death"),
    ),
    case(
        "remission after the transplant: no time at risk",
        lambda p: _recovered(p.marrow(14, 30).hsct(20), 40).follow_up(200),
        time_to("RFS", 0, "censored"),
    ),
]

THIRD_CASES: list[Case] = [
    case(
        "CIBMTR decides: a remission of three weeks is none",
        lambda p: p.marrow(14, 1).marrow(35, 50).follow_up(100),
        yes_no("CR", False, "no_remission"),
        row("marts.patients", best_response="CR not held"),
        time_to("EFS", 35, "treatment_failure"),
        no_endpoint("RFS"),
    ),
    case(
        "CIBMTR decides: one of four weeks is",
        lambda p: p.marrow(14, 1).marrow(42, 50).follow_up(100),
        time_to("EFS", 42, "relapse"),
    ),
    case(
        "ASTCT decides",
        lambda p: (
            p.vital(3, "temperature", 39).medication("noradrenaline", 5, dose=5, dose_unit="ug/min").follow_up(60)
        ),
        row("marts.patients", crs_grade=3, severe_crs=True),
        row("marts.adverse_events", {"term": "CRS"}, worst_grade=3, grading_scale="ASTCT2019"),
    ),
    case(
        "ASTCT decides: no fever, no CRS",
        lambda p: p.adverse_event("CRS", 3, grade=4).vital(3, "temperature", 37).follow_up(60),
        row("marts.patients", crs_grade=0),
        yes_no("SEVERE_CRS", False, "no_severe_crs"),
    ),
]

PAPER_CASES: list[Case] = [*response.CASES, *outcomes.CASES, *adverse_events.CASES, *events.CASES, *time.CASES]


def built_once(folder: Path, name: str, study: Mapping[str, Any], cases: list[Case]) -> BuiltCohort:
    """Return the warehouse of these patients, built by whichever worker of the session comes first."""
    home = made_once(folder / name, lambda home: cohort_of(study, cases).build(home).close())
    return BuiltCohort(home / "warehouse.duckdb", home / "lake", [one.name for one in cases])


def cohort_of(study: Mapping[str, Any], cases: list[Case]) -> Cohort:
    """Return a cohort of all these patients under one study."""
    cohort = Cohort(study)
    for one in cases:
        one.life(cohort.patient(one.name, **one.patient))
    return cohort
