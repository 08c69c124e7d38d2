"""The raw suite on small lakes: each case breaks one thing and names the check that must see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from expectations import CheckResult, ExpectationsError, declared_checks, run_raw_checks
from expectations.frame_queries import DATED_BY, HISTORY_COLUMNS, READ_NUMBER
from tests.dbt_project.rendered_macros import rendered_macros
from tests.expectations.conftest import Files, Judge, LakePlan

SOUND = {
    "patients": "select md5(i::varchar) as patient_key, 'F' as sex, '1990-01-02' as birth_date from range(30) t(i)",
    "cart_infusions": """
        select md5(i::varchar) as patient_key, '2018-01-02' as infused_at, '1000000' as cells_per_kg,
            '1' as course, '1' as fraction
        from range(30) t(i)""",
    "lab_results": """
        select md5(i::varchar) as patient_key, '2018-01-02T10:00' as collected_at, '718-7' as loinc,
            (90 + i)::varchar as value, 'g/L' as unit
        from range(30) t(i)""",
    "follow_ups": """
        select md5(i::varchar) as patient_key, '2018-03-02' as visited_on, 'alive' as vital_status,
            null::varchar as death_on, 'remission' as disease_status, null::varchar as relapse_on
        from range(30) t(i)""",
    "ledger": "select 'patients' as feed, '2018-07-30' as extract, 30 as rows, 30 as accepted, 0 as rejected",
}


def not_passed(results: dict[str, CheckResult]) -> dict[str, int | None]:
    return {
        name: result.failing_rows
        for name, result in results.items()
        if result.status not in ("passed", "not_applicable")
    }


def test_a_sound_lake_passes_and_missing_feeds_do_not_apply(judge_lake: Judge) -> None:
    results = judge_lake(**SOUND)
    assert not_passed(results) == {}
    assert results["lab_haemoglobin_plausible"].status == "passed"
    assert results["lab_haemoglobin_plausible"].judged_rows == 30
    assert results["lab_platelets_plausible"].status == "not_applicable"
    assert results["vital_temperature_plausible"].status == "not_applicable"
    assert results["vital_temperature_plausible"].passed is None
    assert sorted(results) == sorted(spec.name for spec in declared_checks() if spec.suite == "raw")


def test_an_empty_lake_passes_nothing(judge_lake: Judge) -> None:
    assert {result.status for result in judge_lake().values()} == {"not_applicable"}


def test_an_empty_table_is_not_a_pass(judge_lake: Judge) -> None:
    results = judge_lake(patients=SOUND["patients"] + " where false")
    assert results["birth_year_plausible"].status == "not_applicable"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("feed", "select", "seen"),
    [
        ("patients", "select replace(columns(*), '1990', '0090') from ({patients})", {"birth_year_plausible": 30}),
        (
            "lab_results",
            "select * replace (if(value = '95', '9.5', value) as value) from ({lab_results})",
            {"lab_haemoglobin_plausible": 1},
        ),
        (
            "lab_results",
            "select * replace (null::varchar as unit) from ({lab_results})",
            {"lab_unit_recorded": 30},
        ),
        (
            "lab_results",
            "select * replace (if(value < '92', '2018-07-31', collected_at) as collected_at) from ({lab_results})",
            {"lab_results_not_after_extract": 22},
        ),
        ("lab_results", "select * from ({lab_results}) limit 20", {"lab_results_cover_infused": 10}),
        (
            "cart_infusions",
            "select * replace ('1.5' as cells_per_kg) from ({cart_infusions})",
            {"cart_dose_plausible": 30},
        ),
        (
            "follow_ups",
            "select * replace ('dead' as vital_status, '2018-01-01' as death_on) from ({follow_ups}) limit 29",
            {"cart_infusions_not_after_death": 0, "follow_ups_not_after_death": 29},
        ),
        (
            "follow_ups",
            "select * replace ('dead' as vital_status, 'relapse' as disease_status) from ({follow_ups})",
            {"death_dated": 30, "relapse_dated": 30},
        ),
    ],
)
def test_what_is_broken_is_seen_and_counted(judge_lake: Judge, feed: str, select: str, seen: dict[str, int]) -> None:
    results = judge_lake(**{**SOUND, feed: select.format(**SOUND)})
    expected = {name: count for name, count in seen.items() if count}
    assert not_passed(results) == expected
    assert all(results[name].failing_rows == count for name, count in seen.items())
    assert all(results[name].action for name in seen)


# Feeds with a number that staging reads: its column, what else their frames read, and a check that 1e9 fails.
NUMBERS = {
    "lab_results": ("value", "'718-7' as loinc, 'g/L' as unit", "lab_haemoglobin_plausible"),
    "vital_signs": ("value", "'systolic_bp' as sign", "vital_systolic_bp_plausible"),
    "marrow_assessments": ("blast_percent", "'smear' as method", "marrow_blasts_percentage"),
    "mrd_results": ("value_percent", "'flow' as method, null::varchar as result", "mrd_value_percentage"),
    "medications": ("dose", "'mg' as dose_unit, null::varchar as ended_at", "dose_positive"),
    "cart_infusions": ("cells_per_kg", "'1' as course, '1' as fraction", "cart_dose_plausible"),
}


@pytest.mark.parametrize("feed", NUMBERS)
def test_what_staging_reads_as_no_number_is_no_number_to_the_checks(judge_lake: Judge, feed: str) -> None:
    column, others, check = NUMBERS[feed]
    select = f"""
        select md5(i::varchar) as patient_key, '2018-01-02' as {DATED_BY[feed]}, {others},
            coalesce(['Infinity', '-inf', 'nan', '1_000'][i + 1], '1e9') as {column}
        from range(30) t(i)"""
    results = judge_lake(**{feed: select})
    assert (results[check].judged_rows, results[check].failing_rows) == (26, 26)
    assert [name for name, result in results.items() if result.status == "error"] == []


def test_the_checks_read_numbers_by_the_rule_of_staging() -> None:
    rule = str(rendered_macros("readers.sql").read_number("text"))
    assert READ_NUMBER.split(" as\n")[1].split() == rule.split()


def test_rejected_shares_are_judged_on_the_newest_delivery(judge_lake: Judge) -> None:
    ledger = """
        select * from (values
            ('patients', '2018-07-29', 30, 0, 30), ('patients', '2018-07-30', 30, 12, 18),
            ('lab_results', '2018-07-30', 100, 99, 1), ('cart_infusions', '2018-07-30', 4, 0, 4)
        ) as t(feed, extract, rows, accepted, rejected)"""
    results = judge_lake(ledger=ledger)
    assert not_passed(results) == {
        "patients_rejected_share": 18,
        "patients_mostly_rejected": 18,
        "cart_infusions_rejected_share": 4,
    }
    assert results["lab_results_rejected_share"].status == "passed"
    assert results["cart_infusions_mostly_rejected"].status == "not_applicable"


def history(feed: str = "lab_results", **known: Any) -> dict[str, Any]:
    """A feed of the system `his` that came in the newest extract, with what the test changes."""
    nothing = dict.fromkeys(HISTORY_COLUMNS)
    given = {"source_system": "his", "last_extract": "2018-07-30", "snapshots_missed": 0, "quiet_days": 0, **known}
    return {**nothing, "feed": feed, **given}


def snapshots(before: int, now: int) -> dict[str, Any]:
    sizes = {"rows_before": before, "rows_now": now, "extract_before": "2018-07-29", "extract_now": "2018-07-30"}
    return history(**sizes, shrunk_by=max(0.0, 1 - now / before))


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [
        (1000, 1100, "passed"),
        (1000, 900, "passed"),
        (1000, 899, "failed"),
        (1000, 0, "failed"),
        (10, 9, "passed"),
        (10, 8, "failed"),
        (9, 0, "not_applicable"),
    ],
)
def test_a_feed_may_shrink_by_a_tenth_and_no_more(judge_lake: Judge, before: int, now: int, status: str) -> None:
    result = judge_lake(histories=[snapshots(before, now)])["lab_results_not_shrunk"]
    assert result.status == status
    assert result.severity == "warn"


def test_what_shrank_is_told_with_both_figures_and_what_to_do(judge_lake: Judge) -> None:
    results = judge_lake(histories=[snapshots(1000, 700), history("patients")])
    assert not_passed(results) == {"lab_results_not_shrunk": 300}
    result = results["lab_results_not_shrunk"]
    assert result.message == (
        "lab_results of his: 700 rows in the snapshot of 2018-07-30 after 1,000 in that of 2018-07-29, 30.0% fewer. "
        "Allowed: at most 10%."
    )
    assert "delivered again" in result.action
    assert results["patients_not_shrunk"].status == "not_applicable"  # there is but one snapshot of it


@pytest.mark.parametrize(("missed", "status"), [(0, "passed"), (1, "failed"), (3, "failed")])
def test_a_snapshot_may_lack_no_feed_that_came_before(judge_lake: Judge, missed: int, status: str) -> None:
    since = {"last_extract": "2018-07-27", "missing_since": "2018-07-28"} if missed else {}
    result = judge_lake(histories=[history(snapshots_missed=missed, **since)])["lab_results_still_delivered"]
    assert (result.status, result.severity) == (status, "warn")
    if missed == 3:
        assert (
            "lab_results of his came last on 2018-07-27; it is missing since 2018-07-28, from 3 snap" in result.message
        )
        assert "Put the feed back" in result.action


@pytest.mark.parametrize(("feed", "days", "status"), [
    ("lab_results", 30, "passed"), ("lab_results", 31, "failed"),
    ("follow_ups", 90, "passed"), ("follow_ups", 91, "failed"),
    ("patients", 180, "passed"), ("patients", 181, "failed"),
])  # fmt: skip
def test_a_feed_of_deltas_may_be_silent_for_its_stated_days(
    judge_lake: Judge, feed: str, days: int, status: str
) -> None:
    result = judge_lake(histories=[history(feed, quiet_days=days, last_extract="2018-01-01")])[f"{feed}_not_silent"]
    assert (result.status, result.severity) == (status, "warn")
    assert (f"no delta has held it since, for {days} days" in result.message) == (status == "failed")


def test_of_two_systems_the_one_that_stopped_is_named(judge_lake: Judge) -> None:
    stopped = history(
        source_system="pathology", snapshots_missed=1, last_extract="2018-07-29", missing_since="2018-07-30"
    )
    result = judge_lake(histories=[history(), stopped])["lab_results_still_delivered"]
    assert (result.status, result.failing_rows, result.judged_rows) == ("failed", 1, 2)
    assert "pathology" in result.message
    assert "his" not in result.message.split()


def test_a_damaged_frame_is_an_error_of_the_check_not_of_the_data(judge_lake: Judge) -> None:
    results = judge_lake(patients="select 'x' as patient_key, '1990-01-02' as birth_date")
    assert results["birth_year_plausible"].status == "error"
    assert results["birth_year_plausible"].passed is False
    assert "could not run" in results["birth_year_plausible"].message
    assert results["birth_year_plausible"].failing_rows is None


def test_messages_hold_counts_and_no_values(judge_lake: Judge, tmp_path: Path) -> None:
    feed = "select * replace (if(value = '95', '7.654321', value) as value) from ({lab_results})".format(**SOUND)
    pages = tmp_path / "pages"
    results = judge_lake(pages=pages, **{**SOUND, "lab_results": feed})
    assert results["lab_haemoglobin_plausible"].message.startswith("1 of 30 rows (3.3%) fail")
    assert "7.654" not in repr(results)
    assert "7.654" not in (pages / "raw.json").read_text()


def test_the_frames_keep_to_the_memory_limit(judge_lake: Judge) -> None:
    results = judge_lake(memory_limit="300KB", **SOUND)
    assert "could not run: Out of Memory Error" in results["birth_year_plausible"].message


def test_an_unreadable_lake_file_is_named(judge_lake: Judge, tmp_path: Path) -> None:
    judge_lake(patients=SOUND["patients"])
    (tmp_path / "patients.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(ExpectationsError, match="lake is damaged: a file of patients can't be read"):
        run_raw_checks(LakePlan({"patients": Files(["patients.parquet"])}), tmp_path)
