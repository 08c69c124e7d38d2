"""The marts suite on a small build: sound, and with one thing broken at a time."""

from __future__ import annotations

import pytest

from expectations import CheckResult, declared_checks
from tests.expectations.conftest import Judge


def not_passed(results: dict[str, CheckResult]) -> dict[str, int | None]:
    return {
        name: result.failing_rows
        for name, result in results.items()
        if result.status not in ("passed", "not_applicable")
    }


def test_a_sound_build_passes(judge_marts: Judge) -> None:
    results = judge_marts()
    assert not_passed(results) == {}
    assert results["age_range"].status == "passed"
    assert results["age_median_plausible"].status == "passed"
    assert results["patients_row_drop"].status == "not_applicable"
    assert results["neurotoxicity_onset_within_60_days"].status == "not_applicable"
    assert sorted(results) == sorted(spec.name for spec in declared_checks() if spec.suite == "marts")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("update marts.patients set age_years = 101 where age_years < 23", {"age_range": 3}),
        ("update marts.patients set age_years = -1 where age_years < 21", {"age_range": 1}),
        ("update marts.patients set age_years = 100 where age_years < 21", {}),
        ("update marts.patients set included = false, age_years = 300 where age_years < 23", {}),
        ("update marts.patients set age_years = null where age_years < 30", {"age_years_known": 10}),
        ("update marts.patients set age_years = null", {}),
        ("update marts.patients set wbc = 10500 where age_years = 20", {"baseline_leukocytes_range": 1}),
        ("update marts.patients set cells_per_kg = 2.5", {"dose_range": 40}),
        ("update marts.patients set included = false", {"cohort_not_empty": 40, "cohort_share_plausible": 40}),
        ("update marts.patients set infusion_date = '2018-08-01' where age_years = 20", {"infusion_before_cutoff": 1}),
        ("update marts.patients set crs_grade = 6 where age_years = 20", {"crs_grade_range": 1}),
        ("update marts.adverse_events set worst_grade = 6", {"worst_grade_range": 40}),
        ("update marts.response_assessments set study_day = 0", {"assessment_after_infusion": 40}),
        ("update marts.response_assessments set marrow_blast_percent = 100.5", {"assessment_blasts_percentage": 40}),
        ("update marts.outcomes set time_days = 36526 where endpoint = 'OS'", {"outcome_time_range": 40}),
        ("update marts.outcomes set time_days = null where endpoint = 'OS'", {"outcome_time_present": 40}),
        ("update marts.outcomes set evidence = []", {"outcome_evidence_present": 80}),
        ("update marts.outcomes set event_date = '2018-07-31' where kind = 'binary'", {"outcome_not_after_cutoff": 40}),
        ("update marts.outcomes set achieved = true where endpoint = 'CR'", {"remission_rate_plausible": 40}),
        ("insert into quality.rejected_values select 'patients', 'sex' from range(3)", {"values_readable": 3}),
    ],
)
def test_what_is_broken_is_seen_and_counted(judge_marts: Judge, change: str, seen: dict[str, int]) -> None:
    assert not_passed(judge_marts(change)) == seen


def test_outcomes_without_an_answer_are_counted(judge_marts: Judge) -> None:
    results = judge_marts("update marts.outcomes set achieved = null where endpoint = 'CR'")
    assert not_passed(results) == {"outcome_answer_present": 40}
    assert results["remission_rate_plausible"].status == "not_applicable"


def test_a_missing_mart_is_an_error_of_every_check_on_it(judge_marts: Judge) -> None:
    results = judge_marts("drop table marts.response_assessments")
    broken = {name for name, result in results.items() if result.status == "error"}
    assert broken == {
        spec.name
        for spec in declared_checks()
        if spec.suite == "marts" and spec.frame in ("response_assessments", "drift")
    }
    assert "response_assessments" in results["assessment_after_infusion"].message


def test_row_counts_are_compared_with_the_last_published_warehouse(judge_marts: Judge) -> None:
    before = {"marts.patients": 81, "marts.events": 44, "marts.outcomes": 80, "analysis.rates": 500}
    results = judge_marts(published_rows=before)
    assert not_passed(results) == {"patients_row_drop": 41, "patients_halved": 41}
    assert results["events_row_drop"].status == "passed"
    assert results["adverse_events_row_drop"].status == "not_applicable"
    mixed = judge_marts(published_rows={"marts.patients": 13})
    assert mixed["patients_jump"].status == "not_applicable"


def test_a_small_earlier_warehouse_never_stops_the_night(judge_marts: Judge) -> None:
    results = judge_marts("delete from marts.patients where age_years > 20", published_rows={"marts.patients": 19})
    assert results["patients_halved"].status == "not_applicable"


def test_without_a_study_cutoff_the_newest_extract_counts(judge_marts: Judge) -> None:
    assert (
        judge_marts("update quality.extracts set extract = '2018-01-01'")["infusion_before_cutoff"].failing_rows == 40
    )
