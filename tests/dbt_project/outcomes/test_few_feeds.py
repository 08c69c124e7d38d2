"""A hospital that delivers visits alone: what can't be computed says so, and nothing else fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cohort import BuiltCohort, Cohort

pytestmark = pytest.mark.slow  # four builds


@pytest.fixture(scope="module")
def visits_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltCohort]:
    cohort = Cohort()
    cohort.patient("alive").follow_up(100)
    cohort.patient("relapsed and died").follow_up(70, disease_status="relapse", relapse=60).died(90)
    built = cohort.build(tmp_path_factory.mktemp("few"), select=("+outcomes", "+patients", "+adverse_events"))
    yield built
    built.close()


ENDPOINTS = ["CR", "MRD_NEGATIVE_CR", "MRD_POSITIVE_CR", "HSCT_BRIDGE", "SEVERE_CRS"]


@pytest.fixture(scope="module")
def every_feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltCohort]:
    """The same hospital, which delivers every feed of another patient, and nothing but a visit of this one."""
    cohort = Cohort()
    cohort.patient("alive").follow_up(100)
    cohort.patient("in remission").marrow(14, 1).follow_up(100)
    (
        cohort.patient("told of")
        .prior_therapy(1, -300, -200, "relapse")
        .marrow(-3, 40)
        .marrow(14, 1)
        .mrd(14, 0.001)
        .extramedullary(-3, "absent")
        .gene("PAX5")
        .lab(0, "leukocytes", 4)
        .lab(5, "neutrophils", 0.3)
        .vital(3, "temperature", 39)
        .medication("fludarabine", -4, purpose="lymphodepletion")
        .medication("tocilizumab", 4)
        .adverse_event("CRS", 3, grade=3)
        .stay(4, 6)
        .hsct(50)
        .follow_up(100)
    )
    built = cohort.build(tmp_path_factory.mktemp("every"), select=("+outcomes", "+patients"))
    yield built
    built.close()


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("CR", "not_evaluable"),
        ("MRD_NEGATIVE_CR", "not_evaluable"),
        ("MRD_POSITIVE_CR", "not_evaluable"),
        ("HSCT_BRIDGE", "not_bridged"),
        ("SEVERE_CRS", "no_severe_crs"),
    ],
)
def test_where_the_feed_is_delivered_no_row_means_no(every_feed: BuiltCohort, endpoint: str, kind: str) -> None:
    assert every_feed.achieved("alive", endpoint) == (False, kind)


def test_flags_of_a_patient_of_whom_the_feeds_say_nothing(every_feed: BuiltCohort) -> None:
    patient = every_feed.one("marts.patients", "alive")
    no = {
        "prior_chemotherapies": 0,
        "complete_remission": False,
        "mrd_negative": False,
        "bridged_to_hsct": False,
        "crs_grade": 0,
        "severe_crs": False,
        "neurotoxicity": False,
        "infection": False,
        "icu_admission": False,
        "glucocorticoids": False,
        "tocilizumab": False,
    }
    measured = ("refractory", "relapsed", "marrow_blast_percent", "extramedullary_disease", "cns_leukemia", "bcr_abl1")
    measured += ("sh2b3", "pax5", "wbc", "lymphodepletion_regimen", "flu_cy", "hematologic_toxicity_grade")
    expected = {**no, **dict.fromkeys(measured), "subsequent_therapy": None}
    assert {flag: patient[flag] for flag in expected} == expected


def test_a_remission_without_later_therapy_says_so(every_feed: BuiltCohort) -> None:
    patient = every_feed.one("marts.patients", "in remission")
    assert patient["subsequent_therapy"] == "no further therapy until relapse"
    assert every_feed.achieved("in remission", "MRD_POSITIVE_CR") == (True, "mrd_positive")


@pytest.fixture(scope="module")
def marrow_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltCohort]:
    """A hospital without MRD results, procedures and medications."""
    cohort = Cohort()
    cohort.patient("in remission").marrow(14, 1).follow_up(100)
    cohort.patient("never assessed").follow_up(100)
    built = cohort.build(tmp_path_factory.mktemp("marrow"), select=("+outcomes", "+patients"))
    yield built
    built.close()


def test_without_mrd_results_nobody_is_mrd_positive(marrow_alone: BuiltCohort) -> None:
    assert marrow_alone.achieved("in remission", "CR") == (True, "complete_remission")
    assert marrow_alone.achieved("never assessed", "CR") == (False, "not_evaluable")
    for endpoint in ("MRD_NEGATIVE_CR", "MRD_POSITIVE_CR"):
        assert marrow_alone.achieved("in remission", endpoint) == (None, "not_computable")
        assert marrow_alone.achieved("never assessed", endpoint) == (None, "not_computable")
    patient = marrow_alone.one("marts.patients", "in remission")
    assert (patient["mrd_negative"], patient["best_response"]) == (None, "CR")


def test_without_procedures_and_drugs_no_later_therapy_is_not_told(marrow_alone: BuiltCohort) -> None:
    assert marrow_alone.one("marts.patients", "in remission")["subsequent_therapy"] is None


def test_sites_outside_the_marrow_alone_assess_response(tmp_path: Path) -> None:
    cohort = Cohort()
    cohort.patient("in remission").extramedullary(14, "absent").follow_up(100)
    with closing(cohort.build(tmp_path, select=("+outcomes", "+patients"))) as built:
        assert built.achieved("in remission", "CR") == (True, "complete_remission")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_no_feed_tells_is_not_computable(visits_alone: BuiltCohort, endpoint: str) -> None:
    assert visits_alone.achieved("alive", endpoint) == (None, "not_computable")


def test_survival_and_relapse_come_from_the_visits(visits_alone: BuiltCohort) -> None:
    assert visits_alone.time_to("alive", "EFS") == (100, False, "censored")
    assert visits_alone.time_to("relapsed and died", "EFS") == (60, True, "relapse")
    assert visits_alone.time_to("relapsed and died", "OS") == (90, True, "death")
    assert visits_alone.time_to("relapsed and died", "NON_RELAPSE_MORTALITY") == (60, False, "relapse")


def test_flags_without_a_feed_are_unknown(visits_alone: BuiltCohort) -> None:
    patient = visits_alone.one("marts.patients", "alive")
    flags = (
        "prior_chemotherapies",
        "refractory",
        "relapsed",
        "marrow_blast_percent",
        "extramedullary_disease",
        "cns_leukemia",
        "bcr_abl1",
        "sh2b3",
        "pax5",
        "wbc",
        "lymphodepletion_regimen",
        "flu_cy",
        "complete_remission",
        "mrd_negative",
        "bridged_to_hsct",
        "crs_grade",
        "severe_crs",
        "hematologic_toxicity_grade",
        "neurotoxicity",
        "infection",
        "icu_admission",
        "glucocorticoids",
        "tocilizumab",
        "subsequent_therapy",
    )
    assert {flag: patient[flag] for flag in flags} == dict.fromkeys(flags)
    assert patient["response_evaluable"] is False


def test_no_adverse_event_is_invented(visits_alone: BuiltCohort) -> None:
    assert visits_alone.query("select * from marts.adverse_events") == []
