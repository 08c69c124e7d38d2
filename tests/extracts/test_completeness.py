"""Histories of feeds: what a night must know to say that a feed shrank, stopped coming or fell silent."""

from __future__ import annotations

import pytest

from orchestration.extracts import FeedHistory, feed_histories, history_records

from .conftest import Night

HEADER = "patient_id,sampled_on\n"


def _rows(count: int) -> str:
    return "".join(f"HOSP-0001,2018-01-{day:02d}\n" for day in range(1, count + 1))


def _histories(night: Night) -> dict[str, FeedHistory]:
    return {history.feed: history for history in feed_histories(night.lake)}


def test_shrinking_missing_and_rejected_are_told(night: Night) -> None:
    night.deliver("2018-07-01", marrow_assessments__csv=HEADER + _rows(10), follow_ups__csv="patient_id,visited_on\n")
    night.deliver("2018-07-02", marrow_assessments__csv=HEADER + _rows(7) + ",2018-01-01\n")
    night.deliver("2018-07-03")
    for day in ("2018-07-03", "2018-07-01", "2018-07-02"):
        night.ingest_all(day)
    histories = _histories(night)
    marrow = histories["marrow_assessments"]
    assert [(each.extract, each.rows, each.rejected) for each in marrow.deliveries] == [
        ("2018-07-01", 10, 0),
        ("2018-07-02", 8, 1),
    ]
    assert marrow.shrunk_by == pytest.approx(0.2)
    assert (marrow.missing_since, marrow.snapshots_missed, marrow.quiet_days) == ("2018-07-03", 1, 0)
    assert (histories["follow_ups"].missing_since, histories["follow_ups"].snapshots_missed) == ("2018-07-02", 2)
    patients = histories["patients"]
    assert (patients.shrunk_by, patients.missing_since, patients.snapshots_missed) == (0.0, None, 0)
    labs = histories["lab_results"]
    assert (labs.deliveries, labs.missing_since, labs.shrunk_by) == ((), None, None)


def test_systems_have_histories_of_their_own(night: Night) -> None:
    night.deliver("2018-07-01", marrow_assessments__csv=HEADER + _rows(3))
    night.manifest("2018-07-01", {}, source_system="pathology")
    night.deliver("2018-07-02")
    night.manifest("2018-07-02", {}, source_system="his")
    for day in ("2018-07-01", "2018-07-02"):
        night.ingest_all(day)
    found = {(each.source_system, each.feed): each for each in feed_histories(night.lake)}
    assert found["pathology", "marrow_assessments"].missing_since is None
    assert found["his", "marrow_assessments"].deliveries == ()


@pytest.mark.parametrize(("newest", "quiet"), [("2018-07-01", 0), ("2018-07-02", 1), ("2018-07-31", 30)])
def test_quiet_days_run_from_the_last_delivery_to_the_newest_delta(night: Night, newest: str, quiet: int) -> None:
    night.deliver("2018-07-01", marrow_assessments__csv=HEADER + _rows(3))
    night.manifest("2018-07-01", {})
    night.deliver(newest)
    if newest != "2018-07-01":
        night.manifest(newest, {}, mode="delta")
    for day in sorted({"2018-07-01", newest}):
        night.ingest_all(day)
    marrow = _histories(night)["marrow_assessments"]
    assert (marrow.quiet_days, marrow.snapshots_missed) == (quiet, 0)


def test_a_header_alone_says_that_the_feed_still_comes(night: Night) -> None:
    night.deliver("2018-07-01", marrow_assessments__csv=HEADER + _rows(3))
    night.deliver("2018-07-02", marrow_assessments__csv=HEADER)
    for day in ("2018-07-01", "2018-07-02"):
        night.ingest_all(day)
    marrow = _histories(night)["marrow_assessments"]
    assert (marrow.snapshots_missed, marrow.missing_since, marrow.shrunk_by) == (0, None, 1.0)


def test_the_snapshot_delivered_again_is_judged_as_it_stands_now(night: Night) -> None:
    night.deliver("2018-07-01", marrow_assessments__csv=HEADER + _rows(10))
    night.deliver("2018-07-02", marrow_assessments__csv=HEADER + _rows(4))
    for day in ("2018-07-01", "2018-07-02"):
        night.ingest_all(day)
    assert _histories(night)["marrow_assessments"].shrunk_by == pytest.approx(0.6)
    night.write("2018-07-02", "marrow_assessments.csv", HEADER + _rows(10))
    night.ingest_all("2018-07-02")
    assert _histories(night)["marrow_assessments"].shrunk_by == 0.0


def test_only_delivered_feeds_have_a_record(night: Night) -> None:
    night.deliver("2018-07-01")
    night.ingest_all("2018-07-01")
    records = history_records(feed_histories(night.lake))
    assert [record["feed"] for record in records] == ["patients", "cart_infusions"]
    assert {record["shrunk_by"] for record in records} == {None}
