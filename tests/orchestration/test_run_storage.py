"""Dagster's event log as this house stores it: faster, and the same to every reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.event_api import EventLogRecord
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import deserialize_value

from orchestration.run_storage import PooledSqliteEventLogStorage

RUN = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[PooledSqliteEventLogStorage]:
    opened = PooledSqliteEventLogStorage(str(tmp_path))
    yield opened
    opened.dispose()


def materialised(table: str, timestamp: float, **metadata: Any) -> EventLogEntry:
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        user_message='said "so" \n — ä',
        level=10,
        run_id=RUN,
        timestamp=timestamp,
        dagster_event=DagsterEvent(
            event_type_value="ASSET_MATERIALIZATION",
            job_name="nightly",
            event_specific_data=StepMaterializationData(dg.AssetMaterialization(["marts", table], metadata=metadata)),
        ),
    )


def test_the_last_materialisation_is_stored_as_dagster_does(storage: PooledSqliteEventLogStorage) -> None:
    event = materialised(
        "patients",
        1532937600.25,
        **{
            "dagster/row_count": 39,
            "dagster/column_lineage": dg.TableColumnLineage({"sex": [dg.TableColumnDep(dg.AssetKey("raw"), "sex")]}),
        },
    )
    storage.store_event(event)
    ours = storage._get_asset_entry_values(event, 7, True)
    dagsters = SqliteEventLogStorage._get_asset_entry_values(storage, event, 7, True)
    assert ours == dagsters
    assert deserialize_value(ours["last_materialization"], EventLogRecord).event_log_entry == event


def test_each_table_keeps_its_own_last_event(storage: PooledSqliteEventLogStorage) -> None:
    for timestamp, rows in ((1532937600.0, 38), (1533024000.0, 39)):
        for table in ("patients", "outcomes"):
            storage.store_event(materialised(table, timestamp, rows=rows))
    records = storage.get_asset_records([dg.AssetKey(["marts", "patients"]), dg.AssetKey(["marts", "outcomes"])])
    entries = {record.asset_entry.asset_key.path[-1]: record.asset_entry.last_materialization for record in records}
    found = {
        table: event.asset_materialization.metadata["rows"].value
        for table, event in entries.items()
        if event is not None and event.asset_materialization is not None
    }
    assert found == {"patients": 39, "outcomes": 39}


def last_records(storage: SqliteEventLogStorage) -> dict[str, EventLogRecord | None]:
    """The record of each asset's last materialisation, as whoever makes the next table asks for it."""
    return {
        record.asset_entry.asset_key.path[-1]: record.asset_entry.last_materialization_record
        for record in storage.get_asset_records()
    }


def last_moments(storage: SqliteEventLogStorage) -> dict[str, float]:
    return {table: record.timestamp for table, record in last_records(storage).items() if record is not None}


def test_a_record_that_is_not_read_back_is_the_one_that_was_stored(storage: PooledSqliteEventLogStorage) -> None:
    for timestamp, table in ((1.0, "patients"), (2.0, "outcomes"), (3.0, "patients")):
        storage.store_event(materialised(table, timestamp, rows=int(timestamp)))
    elsewhere = SqliteEventLogStorage(storage._base_dir)
    assert last_records(storage) == last_records(elsewhere)
    elsewhere.dispose()


def test_what_another_process_stored_or_wiped_is_seen(storage: PooledSqliteEventLogStorage) -> None:
    for table in ("patients", "outcomes", "events"):
        storage.store_event(materialised(table, 1.0))
    other = PooledSqliteEventLogStorage(storage._base_dir)
    other.store_event(materialised("patients", 2.0))
    other.wipe_asset(dg.AssetKey(["marts", "outcomes"]))
    other.dispose()
    assert last_moments(storage) == {"patients": 2.0, "events": 1.0}
    after_the_wipe = 4_000_000_000.0
    storage.store_event(materialised("outcomes", after_the_wipe))
    assert last_moments(storage) == {"patients": 2.0, "events": 1.0, "outcomes": after_the_wipe}


def test_an_event_that_was_not_the_last_written_is_still_itself(storage: PooledSqliteEventLogStorage) -> None:
    first, second = materialised("patients", 1532937600.0, rows=1), materialised("outcomes", 1532937600.0, rows=2)
    storage.store_event(first)
    storage.store_event(second)
    text = storage._get_asset_entry_values(first, 1, True)["last_materialization"]
    record = deserialize_value(text, EventLogRecord)
    assert record.event_log_entry == first


def test_events_handed_over_together_are_stored_as_one_by_one(tmp_path: Path) -> None:
    def stored(folder: Path, together: bool) -> list[tuple[Any, ...]]:
        storage = PooledSqliteEventLogStorage(str(folder))
        events = [materialised("patients", 1.0), materialised("outcomes", 2.0), materialised("patients", 3.0)]
        if together:
            storage.store_event_batch(events)
        else:
            for event in events:
                storage.store_event(event)
        logs = [(record.storage_id, record.event_log_entry) for record in storage.get_records_for_run(RUN).records]
        keys = sorted(key.to_user_string() for key in storage.all_asset_keys())
        storage.dispose()
        return [*logs, *[(key,) for key in keys]]

    one_by_one = stored(tmp_path / "each", together=False)
    assert stored(tmp_path / "batch", together=True) == one_by_one
    assert len(one_by_one) == 3 + 2


def test_a_batch_that_fails_leaves_nothing_half_stored(storage: PooledSqliteEventLogStorage) -> None:
    broken = materialised("outcomes", 2.0)._replace(timestamp="no time")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        storage.store_event_batch([materialised("patients", 1.0), broken])
    assert not storage.get_records_for_run(RUN).records
    storage.store_event(materialised("patients", 1.0))
    assert len(storage.get_records_for_run(RUN).records) == 1
