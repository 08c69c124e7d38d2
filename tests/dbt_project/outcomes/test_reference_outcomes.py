"""On the reference extract marts of response, outcomes and adverse events equal the synthetic cohort's own columns."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest

from tests.cohort import BuiltCohort
from tests.dbt_project.conftest import REFERENCE_COHORT

with REFERENCE_COHORT.open(encoding="utf-8", newline="") as cohort_file:
    COHORT = {row["patient_id"]: row for row in csv.DictReader(cohort_file)}

Row = dict[str, str]


def flag(text: str) -> bool:
    """Read a 0/1 column."""
    return {"0": False, "1": True}[text]


def whole(text: str) -> int | None:
    """Read a whole number; empty is None."""
    return int(text) if text else None


def every(built: BuiltCohort, sql: str) -> dict[str, tuple[Any, ...]]:
    """Return what a query says of each patient, by name; the first column is patient_key."""
    rows = built.query(sql)
    return {row["patient"]: tuple(value for column, value in row.items() if column != "patient") for row in rows}


BINARY: dict[str, tuple[Callable[[Row], bool], str]] = {
    "CR": (lambda row: flag(row["cr"]), "cr_date"),
    "MRD_NEGATIVE_CR": (lambda row: flag(row["cr_mrd_negative"]), "mrd_negative_date"),
    "HSCT_BRIDGE": (lambda row: flag(row["hsct"]), "hsct_date"),
}


@pytest.mark.parametrize("endpoint", BINARY)
def test_yes_no_endpoints_and_their_dates(reference: BuiltCohort, endpoint: str) -> None:
    achieved, date_column = BINARY[endpoint]
    found = every(
        reference,
        f"select patient_key, achieved, cast(event_date as varchar) from marts.outcomes where endpoint = '{endpoint}'",
    )
    assert found == {name: (achieved(row), row[date_column] or None) for name, row in COHORT.items()}


def test_mrd_positive_remission_and_severe_crs(reference: BuiltCohort) -> None:
    found = every(
        reference,
        """
        select patient_key, bool_or(achieved) filter (where endpoint = 'MRD_POSITIVE_CR'),
            bool_or(achieved) filter (where endpoint = 'SEVERE_CRS')
        from marts.outcomes group by patient_key
        """,
    )
    assert found == {
        name: (flag(row["cr"]) and not flag(row["cr_mrd_negative"]), flag(row["crs_severe"]))
        for name, row in COHORT.items()
    }


def _from_remission(row: Row) -> tuple[int, bool, str]:
    kind = row["efs_event_type"].replace(" ", "_")
    return (int(row["efs_days"]) - int(row["cr_day"]), flag(row["efs_event"]), kind)


def _competing(row: Row, own: str) -> tuple[int, bool, str]:
    kind = row["efs_event_type"].replace(" ", "_")
    return (int(row["efs_days"]), kind == own, kind)


def _reached(row: Row, day: str, kind: str) -> tuple[int, bool, str]:
    return (int(row[day]), True, kind) if row[day] else (int(row["followup_days"]), False, "censored")


TIMES: dict[str, Callable[[Row], tuple[int, bool, str] | None]] = {
    "EFS": lambda row: (int(row["efs_days"]), flag(row["efs_event"]), row["efs_event_type"].replace(" ", "_")),
    "OS": lambda row: (int(row["os_days"]), flag(row["os_event"]), "death" if flag(row["os_event"]) else "censored"),
    "RFS": lambda row: _from_remission(row) if flag(row["cr"]) else None,
    "DOR": lambda row: _from_remission(row) if flag(row["cr"]) else None,
    "TIME_TO_CR": lambda row: _reached(row, "cr_day", "complete_remission"),
    "TIME_TO_MRD_NEGATIVE": lambda row: _reached(row, "mrd_negative_day", "mrd_negative"),
    "RELAPSE": lambda row: _competing(row, "relapse"),
    "NON_RELAPSE_MORTALITY": lambda row: _competing(row, "death"),
    "FOLLOW_UP": lambda row: (
        int(row["followup_days"]),
        not flag(row["os_event"]),
        "death" if flag(row["os_event"]) else "last_contact",
    ),
}


@pytest.mark.parametrize("endpoint", TIMES)
def test_times_to_event(reference: BuiltCohort, endpoint: str) -> None:
    found = every(
        reference,
        f"select patient_key, time_days, event, event_kind from marts.outcomes where endpoint = '{endpoint}'",
    )
    expected = {name: TIMES[endpoint](row) for name, row in COHORT.items()}
    assert found == {name: times for name, times in expected.items() if times is not None}


@pytest.mark.parametrize(
    ("endpoint", "column"), [("EFS", "efs_months"), ("OS", "os_months"), ("FOLLOW_UP", "followup_months")]
)
def test_months(reference: BuiltCohort, endpoint: str, column: str) -> None:
    found = every(reference, f"select patient_key, time_months from marts.outcomes where endpoint = '{endpoint}'")
    assert found == {name: (pytest.approx(float(row[column]), abs=5e-5),) for name, row in COHORT.items()}


PATIENT_COLUMNS: dict[str, Callable[[Row], Any]] = {
    "complete_remission": lambda row: flag(row["cr"]),
    "mrd_negative": lambda row: flag(row["cr_mrd_negative"]),
    "bridged_to_hsct": lambda row: flag(row["hsct"]),
    "subsequent_therapy": lambda row: row["subsequent_therapy"],
    "crs_grade": lambda row: int(row["crs_grade"]),
    "severe_crs": lambda row: flag(row["crs_severe"]),
    "hematologic_toxicity_grade": lambda row: int(row["hematologic_toxicity_grade"]),
    "neurotoxicity": lambda row: flag(row["neurotoxicity"]),
    "infection": lambda row: flag(row["infection"]),
    "icu_admission": lambda row: flag(row["icu"]),
    "glucocorticoids": lambda row: flag(row["glucocorticoids"]),
    "tocilizumab": lambda row: flag(row["tocilizumab"]),
    "best_response": lambda row: {
        "negative": "MRD-negative CR",
        "positive": "MRD-positive CR",
        "no remission": "no remission",
    }[row["mrd_best"]],
}


@pytest.mark.parametrize("column", PATIENT_COLUMNS)
def test_response_and_toxicity_columns_of_patients(reference: BuiltCohort, column: str) -> None:
    found = every(reference, f"select patient_key, {column} from marts.patients")
    assert found == {name: (PATIENT_COLUMNS[column](row),) for name, row in COHORT.items()}


EVENT_DAYS: dict[str, str] = {
    "relapse": "relapse_day",
    "treatment_failure": "treatment_failure_day",
    "death": "death_day",
    "complete_remission": "cr_day",
    "mrd_negative": "mrd_negative_day",
}


@pytest.mark.parametrize("event_type", EVENT_DAYS)
def test_days_of_events(reference: BuiltCohort, event_type: str) -> None:
    found = every(reference, f"select patient_key, study_day from marts.events where event_type = '{event_type}'")
    column = EVENT_DAYS[event_type]
    assert found == {name: (int(row[column]),) for name, row in COHORT.items() if row[column]}


def test_causes_of_death_and_transplants(reference: BuiltCohort) -> None:
    causes = every(reference, "select patient_key, detail from marts.events where event_type = 'death'")
    assert causes == {name: (row["death_cause"],) for name, row in COHORT.items() if row["death_cause"]}
    transplants = every(
        reference,
        "select patient_key, study_day from marts.events where event_type = 'allo_hsct' and study_day > 0",
    )
    assert transplants == {name: (int(row["hsct_day"]),) for name, row in COHORT.items() if row["hsct_day"]}


TERMS: dict[tuple[str, str], str] = {
    ("cart", "CRS"): "crs",
    ("cart", "fever"): "crs_fever",
    ("cart", "hypotension"): "crs_hypotension",
    ("cart", "hypoxemia"): "crs_hypoxemia",
    ("cart", "capillary leak syndrome"): "crs_capillary_leak",
    ("cart", "hepatic injury"): "crs_hepatic_injury",
    ("cart", "heart injury"): "crs_heart_injury",
    ("cart", "neurotoxicity"): "neurotoxicity",
    ("cart", "infection"): "infection",
    ("hsct", "GVHD"): "hsct_gvhd",
    ("hsct", "erythra"): "hsct_erythra",
    ("hsct", "gastrointestinal reactions"): "hsct_gastrointestinal",
    ("hsct", "hepatic injury"): "hsct_hepatic_injury",
    ("hsct", "hemorrhagic cystitis"): "hsct_hemorrhagic_cystitis",
    ("hsct", "hepatic veno-occlusive disease"): "hsct_hepatic_vod",
    ("hsct", "infection"): "hsct_infection",
}
ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4}
GRADES: dict[tuple[str, str], Callable[[Row], int | None]] = {
    ("cart", "CRS"): lambda row: whole(row["crs_grade"]),
    ("cart", "hepatic injury"): lambda row: 1 + "ABC".index(row["crs_hepatic_injury_class"]),
    ("cart", "heart injury"): lambda row: ROMAN[row["crs_heart_injury_grade"]],
    ("cart", "hematologic toxicity"): lambda row: whole(row["hematologic_toxicity_grade"]),
    ("hsct", "GVHD"): lambda row: ROMAN[row["hsct_gvhd_grade"]],
}


def graded(reference: BuiltCohort, phase: str, term: str) -> dict[str, tuple[Any, ...]]:
    """Return the worst grade of a term in a phase, by patient."""
    return every(
        reference,
        f"select patient_key, worst_grade from marts.adverse_events where phase = '{phase}' and term = '{term}'",
    )


@pytest.mark.parametrize(("phase", "term"), TERMS)
def test_who_had_which_adverse_event(reference: BuiltCohort, phase: str, term: str) -> None:
    column = TERMS[phase, term]
    assert set(graded(reference, phase, term)) == {name for name, row in COHORT.items() if row[column] == "1"}


@pytest.mark.parametrize(("phase", "term"), GRADES)
def test_grades_of_adverse_events(reference: BuiltCohort, phase: str, term: str) -> None:
    found = graded(reference, phase, term)
    assert found
    assert found == {name: (GRADES[phase, term](COHORT[name]),) for name in found}


def test_no_other_term_is_invented(reference: BuiltCohort) -> None:
    terms = reference.query("select distinct phase, term from marts.adverse_events")
    assert {(row["phase"], row["term"]) for row in terms} == set(TERMS) | set(GRADES)


def test_symptoms_of_crs_name_it(reference: BuiltCohort) -> None:
    symptoms = reference.query(
        "select distinct term, parent_term from marts.adverse_events where parent_term is not null"
    )
    assert {row["parent_term"] for row in symptoms} == {"CRS"}
    assert {row["term"] for row in symptoms} == {
        term for (phase, term), column in TERMS.items() if phase == "cart" and column.startswith("crs_")
    }
