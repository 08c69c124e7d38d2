"""One named patient for every way into and out of the study, under the paper's criteria."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from tests.cohort import BuiltCohort, Cohort, Patient

pytestmark = pytest.mark.slow  # a build

PAPER = {
    "cohort": {
        "infused_from": "2015-08-01",
        "infused_to": "2018-05-31",
        "diagnosis_prefixes": ["C91.0"],
        "immunophenotype": "CD19+",
        "excluded_diagnosis_prefixes": ["C81", "C83", "O'X"],
        "relapsed_or_refractory": True,
    }
}
DIAGNOSIS = "no diagnosis CD19+ C91.0"
WINDOW = "not infused from 2015-08-01 to 2018-05-31"
DISEASE = "neither relapsed nor refractory"

REASONS = {
    "relapsed": None,
    "refractory": None,
    "first day of the window": None,
    "last day of the window": None,
    "lymphoma after the infusion": None,
    "died on the day of infusion": None,
    "day before the window": WINDOW,
    "day after the window": WINDOW,
    "CD19 negative": DIAGNOSIS,
    "other leukaemia": DIAGNOSIS,
    "diagnosed after the infusion": DIAGNOSIS,
    "in first remission": DISEASE,
    "therapy unknown": DISEASE,
    "lymphoma before": "diagnosis C81, C83, O'X",
    "lost on the day": "no follow-up after the infusion",
    "infusion undated": f"no dated first CAR-T infusion; {DISEASE}; {WINDOW}; no follow-up after the infusion",
    "second course alone": f"no dated first CAR-T infusion; {DISEASE}; {WINDOW}; no follow-up after the infusion",
    "two reasons": f"{DIAGNOSIS}; diagnosis C81, C83, O'X",
}


def eligible(cohort: Cohort, name: str, infused_on: dt.date = dt.date(2017, 3, 1)) -> Patient:
    """Add a patient who fits in every respect, disease history and follow-up left open."""
    return cohort.patient(name, infused_on=infused_on).diagnosis(-400)


def relapsed(patient: Patient) -> Patient:
    """Give a history of relapse and a visit."""
    return patient.prior_therapy(1, -300, -250, "relapse").follow_up(100)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltCohort]:
    """All of them in one warehouse."""
    cohort = Cohort(PAPER)
    relapsed(eligible(cohort, "relapsed"))
    eligible(cohort, "refractory").prior_therapy(1, -300, -250, "no_remission").follow_up(100)
    relapsed(eligible(cohort, "first day of the window", dt.date(2015, 8, 1)))
    relapsed(eligible(cohort, "last day of the window", dt.date(2018, 5, 31)))
    relapsed(eligible(cohort, "day before the window", dt.date(2015, 7, 31)))
    relapsed(eligible(cohort, "day after the window", dt.date(2018, 6, 1)))
    relapsed(eligible(cohort, "lymphoma after the infusion")).diagnosis(1, "C83.3")
    eligible(cohort, "died on the day of infusion").prior_therapy(1, -300, -250, "relapse").died(0)
    relapsed(cohort.patient("CD19 negative").diagnosis(-400, immunophenotype="CD19-"))
    relapsed(cohort.patient("other leukaemia").diagnosis(-400, "C92.0"))
    relapsed(cohort.patient("diagnosed after the infusion").diagnosis(1))
    eligible(cohort, "in first remission").prior_therapy(1, -300, -250, "complete_remission").follow_up(100)
    eligible(cohort, "therapy unknown").follow_up(100)
    relapsed(eligible(cohort, "lymphoma before")).diagnosis(-500, "C81.9")
    eligible(cohort, "lost on the day").prior_therapy(1, -300, -250, "relapse")
    undated = cohort.patient("infusion undated", infused=False).diagnosis(-400)
    undated.add("cart_infusions", infusion_id="i", infused_at="31/02/2017", course=1, fraction=1).follow_up(100)
    cohort.patient("second course alone", infused=False).diagnosis(-400).infusion(course=2).follow_up(100)
    relapsed(cohort.patient("two reasons").diagnosis(-500, "C83.3"))
    warehouse = cohort.build(tmp_path_factory.mktemp("eligibility"))
    yield warehouse
    warehouse.close()


@pytest.mark.parametrize("name", REASONS)
def test_patient_is_in_or_out_for_these_reasons(built: BuiltCohort, name: str) -> None:
    patient = built.one("marts.patients", name)
    assert (patient["included"], patient["exclusion_reason"]) == (REASONS[name] is None, REASONS[name])


def test_the_flow_adds_up(built: BuiltCohort) -> None:
    flow = built.query("select criterion, n_excluded, n_remaining from marts.cohort_flow order by step")
    assert [(row["criterion"], row["n_excluded"], row["n_remaining"]) for row in flow] == [
        ("patients known", 0, 18),
        ("CAR-T infusion with a date", 2, 16),
        ("diagnosis CD19+ C91.0", 4, 12),
        ("relapsed or refractory", 2, 10),
        ("infused from 2015-08-01 to 2018-05-31", 2, 8),
        ("no diagnosis C81, C83, O'X", 1, 7),
        ("follow-up after the infusion", 1, 6),
    ]


def test_only_included_patients_have_outcomes(built: BuiltCohort) -> None:
    patients = {row["patient"] for row in built.query("select distinct patient_key from marts.outcomes")}
    assert patients == {name for name, reason in REASONS.items() if reason is None}
