"""A hospital that delivers visits alone: what can't be computed says so, and nothing else fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cohort import BuiltCohort, Cohort


@pytest.fixture(scope="module")
def visits_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltCohort]:
    cohort = Cohort()
    cohort.patient("alive").follow_up(100)
    cohort.patient("relapsed and died").follow_up(70, disease_status="relapse", relapse=60).died(90)
    built = cohort.build(tmp_path_factory.mktemp("few"), select=("+outcomes", "+patients", "+adverse_events"))
    yield built
    built.close()


@pytest.mark.parametrize("endpoint", ["CR", "MRD_NEGATIVE_CR", "MRD_POSITIVE_CR"])
def test_response_is_not_evaluable_and_not_achieved(visits_alone: BuiltCohort, endpoint: str) -> None:
    assert visits_alone.achieved("alive", endpoint) == (False, "not_evaluable")


@pytest.mark.parametrize("endpoint", ["HSCT_BRIDGE", "SEVERE_CRS"])
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
    assert patient["complete_remission"] is False
    assert patient["response_evaluable"] is False


def test_no_adverse_event_is_invented(visits_alone: BuiltCohort) -> None:
    assert visits_alone.query("select * from marts.adverse_events") == []
