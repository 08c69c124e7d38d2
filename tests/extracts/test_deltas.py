"""Nightly deltas in any order, with repeats, are one snapshot: the lake and its plan know no order of arrival."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.extracts import Lake, check_delivery, load_profile
from orchestration.extracts import lake as lake_module

from .conftest import Night

FIRST_DAY = date(2018, 1, 1)
HEADER = "patient_id,sampled_on,blast_percent,deleted\n"
CANONICAL = load_profile("canonical")

state = st.dictionaries(st.integers(1, 4), st.integers(0, 3), max_size=4)
"""What the source holds one night: day of sampling → blast percent."""


def _row(key: int, value: object, deleted: str = "") -> str:
    return f"HOSP-0001,2017-01-{key:02d},{value},{deleted}\n"


def _delta(before: dict[int, int], after: dict[int, int]) -> str:
    changed = "".join(_row(key, value) for key, value in after.items() if before.get(key) != value)
    return changed + "".join(_row(key, "", "true") for key in before.keys() - after.keys())


def _current(night: Night) -> dict[str, Any]:
    """The feed as staging sees it: of every key the row of the newest extract, unless it was deleted there."""
    newest = {row["sampled_on"]: row for row in night.lake_rows("marrow_assessments")}
    return {key: row["blast_percent"] for key, row in newest.items() if row["deleted"] != "true"}


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    nights=st.lists(st.tuples(state, st.booleans()), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    repeats=st.integers(0, 3),
)
def test_any_order_of_arrival_gives_what_the_source_last_held(
    tmp_path_factory: pytest.TempPathFactory, nights: list[tuple[dict[int, int], bool]], order: Any, repeats: int
) -> None:
    root = tmp_path_factory.mktemp("nights")
    night = Night(root / "extracts", Lake(root / "lake"), CANONICAL)
    before: dict[int, int] = {}
    days = []
    for number, (held, as_snapshot) in enumerate(nights):
        day = (FIRST_DAY + timedelta(number)).isoformat()
        snapshot = as_snapshot or number == 0
        rows = "".join(_row(*item) for item in held.items()) if snapshot else _delta(before, held)
        night.deliver(day, marrow_assessments__csv=HEADER + rows)
        night.manifest(day, {}, mode="snapshot" if snapshot else "delta")
        days.append(day)
        before = held
    arrivals = days + days[:repeats]
    order.shuffle(arrivals)
    for day in arrivals:
        night.ingest("marrow_assessments", day)
    assert _current(night) == {f"2017-01-{key:02d}": str(value) for key, value in before.items()}


def test_a_late_delta_takes_its_place_in_time(night: Night) -> None:
    for day, mode, rows in (
        ("2018-01-01", "snapshot", _row(1, 90)),
        ("2018-01-03", "delta", _row(1, 3)),
    ):
        night.deliver(day, marrow_assessments__csv=HEADER + rows)
        night.manifest(day, {}, mode=mode)
        night.ingest("marrow_assessments", day)
    night.deliver("2018-01-02", marrow_assessments__csv=HEADER + _row(1, 50) + _row(2, 40))
    night.manifest("2018-01-02", {}, mode="delta")
    night.ingest("marrow_assessments", "2018-01-02")
    assert _current(night) == {"2017-01-01": "3", "2017-01-02": "40"}


def test_a_feed_that_stops_coming_keeps_its_last_snapshot(night: Night) -> None:
    night.deliver("2018-01-01", marrow_assessments__csv=HEADER + _row(1, 90))
    night.deliver("2018-01-02")
    for day in ("2018-01-01", "2018-01-02"):
        night.ingest_all(day)
    assert _current(night) == {"2017-01-01": "90"}
    plan = night.lake.write_plan()
    assert plan.newest_extract == "2018-01-02"
    assert plan.feeds["patients"].files[0].startswith("raw/patients/2018-01-02/")


def test_a_night_reads_the_ledger_of_its_own_extract_alone(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a thousand nights that are read in would read a million ledger rows."""
    days = [(FIRST_DAY + timedelta(number)).isoformat() for number in range(6)]
    for day in days:
        night.deliver(day)
        night.ingest_all(day)
    read: list[str] = []
    genuine = lake_module._read_ledger_row

    def watched(path: Path) -> Any:
        read.append(path.parent.name)
        return genuine(path)

    monkeypatch.setattr(lake_module, "_read_ledger_row", watched)
    again = Night(night.folder, Lake(night.lake.root), CANONICAL)
    check_delivery(again.extract(days[2]), CANONICAL, again.lake)
    again.ingest_all(days[2])
    assert read == [days[2]] * 2  # one row per feed, each read once
    again.lake.write_plan()
    assert len(read) == 2 * len(days)
    again.lake.write_plan()
    assert len(read) == 2 * len(days)


def test_a_ledger_row_that_changed_on_disk_is_read_again(night: Night) -> None:
    night.deliver("2018-01-01", marrow_assessments__csv=HEADER + _row(1, 90))
    night.ingest("marrow_assessments", "2018-01-01")
    night.write("2018-01-01", "marrow_assessments.csv", HEADER + _row(1, 3))
    night.ingest("marrow_assessments", "2018-01-01")
    assert _current(night) == {"2017-01-01": "3"}
    night.write("2018-01-01", "marrow_assessments.csv", HEADER + _row(1, 90))
    night.ingest("marrow_assessments", "2018-01-01")  # delivered before: its ledger row is written anew, as the newest
    assert _current(night) == {"2017-01-01": "90"}
