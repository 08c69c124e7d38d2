"""Histories of feeds: what a night must know to say that a feed shrank or stopped coming."""

from __future__ import annotations

import pytest

from orchestration.extracts import feed_histories

from .conftest import Night

HEADER = "patient_id,sampled_on\n"


def _rows(count: int) -> str:
    return "".join(f"HOSP-0001,2018-01-{day:02d}\n" for day in range(1, count + 1))


def test_shrinking_missing_and_rejected_are_told(night: Night) -> None:
    night.deliver("2018-07-01", marrow_assessments__csv=HEADER + _rows(10), follow_ups__csv="patient_id,visited_on\n")
    night.deliver("2018-07-02", marrow_assessments__csv=HEADER + _rows(7) + ",2018-01-01\n")
    night.deliver("2018-07-03")
    for day in ("2018-07-03", "2018-07-01", "2018-07-02"):
        night.ingest_all(day)
    histories = {history.feed: history for history in feed_histories(night.lake)}
    marrow = histories["marrow_assessments"]
    assert [(each.extract, each.rows, each.rejected) for each in marrow.deliveries] == [
        ("2018-07-01", 10, 0),
        ("2018-07-02", 8, 1),
    ]
    assert marrow.shrunk_by == pytest.approx(0.2)
    assert marrow.missing_since == "2018-07-03"
    assert histories["follow_ups"].missing_since == "2018-07-02"
    assert (histories["patients"].shrunk_by, histories["patients"].missing_since) == (0.0, None)
    assert (histories["lab_results"].deliveries, histories["lab_results"].missing_since) == ((), None)
