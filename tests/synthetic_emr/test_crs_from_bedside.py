"""CRS symptoms and grades as vital signs and treatment show them, against the recorded ones."""

from __future__ import annotations

import pytest

from synthetic_emr import write_reference_extract
from tests.synthetic_emr.derivation import SYMPTOMS, Chart, charts

PRESSORS = {"noradrenaline", "vasopressin", "dopamine", "adrenaline"}


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chart]:
    return charts(write_reference_extract(tmp_path_factory.mktemp("reference")))


def signs_in_crs(chart: Chart, sign: str) -> list[float]:
    crs = chart.rows("adverse_events", term="CRS").iloc[0]
    rows = chart.rows("vital_signs", sign=sign)
    during = [
        row for row in rows.itertuples() if crs["started_on"] <= row.measured_at[:10] <= (crs["ended_on"] or "9999")
    ]
    return [float(row.value) for row in during]


def recorded_symptoms(chart: Chart) -> set[str]:
    return set(chart.rows("adverse_events", phase="cart")["term"]) & set(SYMPTOMS)


def lee_2014_grade(chart: Chart) -> int:
    """Fever 1; fluids, a low-dose pressor or little oxygen 2; high dose, several or much oxygen 3; ventilation 4."""
    if any(chart.rows("follow_ups")["cause_of_death"] == "CRS grade V"):
        return 5
    if {"mechanical_ventilation", "noninvasive_ventilation"} & set(chart.rows("procedures")["procedure"]):
        return 4
    drugs = chart.rows("medications", purpose="crs_treatment")
    pressors = drugs[drugs["drug"].isin(PRESSORS)]
    oxygen = max(signs_in_crs(chart, "oxygen_flow"), default=0)
    high_dose = (pressors["drug"] == "noradrenaline") & (pressors["dose"].astype(float) >= 20)
    if pressors["drug"].nunique() > 1 or high_dose.any() or oxygen >= 6:
        return 3
    hypotension = min(signs_in_crs(chart, "systolic_bp")) < 90
    if hypotension or len(pressors) or oxygen > 0:
        return 2
    return int(max(signs_in_crs(chart, "temperature")) >= 38)


@pytest.mark.slow
def test_vital_signs_show_every_recorded_symptom_and_no_other(patients: dict[str, Chart]) -> None:
    with_crs = {key: chart for key, chart in patients.items() if len(chart.rows("adverse_events", term="CRS"))}
    assert len(with_crs) == 38
    for key, chart in with_crs.items():
        shown = {
            "fever": max(signs_in_crs(chart, "temperature")) >= 38.0,
            "hypotension": min(signs_in_crs(chart, "systolic_bp")) < 90,
            "hypoxemia": min(signs_in_crs(chart, "spo2")) < 90,
        }
        recorded = recorded_symptoms(chart)
        assert {symptom for symptom, seen in shown.items() if seen} == recorded & set(shown), key


def test_grades_by_lee_agree_with_the_recorded_ones_but_for_the_papers_own_contradictions(
    patients: dict[str, Chart],
) -> None:
    disagreements = {}
    for key, chart in patients.items():
        crs = chart.rows("adverse_events", term="CRS")
        if len(crs) and lee_2014_grade(chart) != int(crs["grade"].iloc[0]):
            disagreements[key] = (int(crs["grade"].iloc[0]), lee_2014_grade(chart), "fever" in recorded_symptoms(chart))
    # Grade 1 with hypotension (misprint list B7), grade 1 without fever, grade 4 without ventilation.
    assert all(
        (recorded == 1 and (derived == 2 or not fever)) or (recorded, derived) == (4, 3)
        for recorded, derived, fever in disagreements.values()
    )
    assert 0 < len(disagreements) <= 15
