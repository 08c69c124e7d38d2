"""Dagster's run and event storage in SQLite, with connections that stay open.

Dagster's own SQLite storage opens and closes a database for each event. Closing the last connection makes SQLite
checkpoint and sync, and a new engine compiles each statement anew: about 12 ms an event, 6 to 12 s for a night of a
thousand events. With one open connection per database it is 2 ms. The event of an asset, which holds the lineage of
all its columns, is made into text once, not twice; each table that is made from the asset asks for that event, and the
process that stored it does not read it back from the text. Which tables and columns the index has is asked once, not
with each event of an asset or a check, and events that Dagster hands over together are stored in one transaction. All
else, the schema included, is Dagster's.

Databases are made by one process at a time: a webserver and a daemon that meet a new home in the same moment would both
write the schema's version, and two versions are an error for every later start.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as db
from dagster._core.event_api import EventLogRecord
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._time import datetime_from_timestamp
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from dagster import AssetKey
    from dagster._core.events.log import EventLogEntry
    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection, Engine

BUSY_TIMEOUT_SECONDS = 60
_SCHEMA_LOCK = "schema.lock"


@contextmanager
def _alone_with_the_schema(base_dir: str) -> Iterator[None]:
    Path(base_dir).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(Path(base_dir) / _SCHEMA_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_engine(url: str) -> Engine:
    engine = db.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=-1,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @db.event.listens_for(engine, "connect")
    def _sync_at_checkpoints_only(connection: Any, _record: Any) -> None:
        # In WAL mode NORMAL can't corrupt the database; a power cut may lose the last events of a run that it ended.
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def _record_text(event: str, event_id: int) -> str:
    """What Dagster's `serialize_value` makes of the record of an event, from the event's own text."""
    return f'{{"__class__": "EventLogRecord", "event_log_entry": {event}, "storage_id": {event_id}}}'


def _is_kept_by_the_index(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in (*ASSET_EVENTS, *ASSET_CHECK_EVENTS)


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, one open connection per database file."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._last_text: tuple[EventLogEntry | None, str] = (None, "")
        self._joined: dict[str, Connection] = {}  # open transactions, by shard; only who holds the lock looks here
        self._last_records: dict[str, tuple[str, EventLogRecord]] = {}  # by asset, beside the text in the index
        self._known_tables: set[str] = set()
        self._complete_migrations: set[str] = set()
        self._asset_key_columns: dict[str, bool] = {}
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # a batch stores each of its events

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard in self._joined:
                yield self._joined[shard]
                return
            if shard not in self._engines:
                self._engines[shard] = _open_engine(self.conn_string_for_shard(shard))
            engine = self._engines[shard]
            if shard not in self._initialized_dbs:
                with _alone_with_the_schema(self._base_dir):
                    self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _event_to_row(self, event: EventLogEntry) -> dict[str, Any]:
        row = super()._event_to_row(event)
        self._last_text = (event, row["event"])
        return row

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if not self._asset_key_columns.get(column_name):
            self._asset_key_columns[column_name] = super()._has_asset_key_col_on_connection(conn, column_name)
        return self._asset_key_columns[column_name]

    def _get_asset_entry_values(
        self, event: EventLogEntry, event_id: int, has_asset_key_index_cols: bool
    ) -> dict[str, Any]:
        written, text = self._last_text
        happened = event.dagster_event
        if written is not event or happened is None or not happened.is_step_materialization:
            return super()._get_asset_entry_values(event, event_id, has_asset_key_index_cols)
        values: dict[str, Any] = {
            "last_materialization": self._remember(event, event_id, text),
            "last_run_id": event.run_id,
        }
        if has_asset_key_index_cols:
            values["last_materialization_timestamp"] = datetime_from_timestamp(event.timestamp)
        return values

    def _remember(self, event: EventLogEntry, event_id: int, event_text: str) -> str:
        text = _record_text(event_text, event_id)
        if event.dagster_event is not None and event.dagster_event.asset_key is not None:
            record = EventLogRecord(storage_id=event_id, event_log_entry=event)
            self._last_records[event.dagster_event.asset_key.to_string()] = (text, record)
        return text

    def _get_latest_materialization_records(
        self, raw_asset_rows: Sequence[Mapping[str, Any]]
    ) -> Mapping[AssetKey, EventLogRecord | None]:
        known: dict[AssetKey, EventLogRecord | None] = {}
        others: list[Mapping[str, Any]] = []
        for row in raw_asset_rows:
            text, record = self._last_records.get(row["asset_key"], (None, None))
            key = record and record.asset_key
            # Another process may have stored a later one, or an asset may have been wiped, which its details tell.
            if key is None or text != row["last_materialization"] or row["asset_details"]:
                others.append(row)
            else:
                known[key] = record
        return {**known, **super()._get_latest_materialization_records(others)} if others else known

    def store_event(self, event: EventLogEntry) -> None:
        """Store one event, what the index keeps of it in one transaction: a check's evaluation took three."""
        if self._joined or not _is_kept_by_the_index(event):
            super().store_event(event)
            return
        with self._together({event.run_id, INDEX_SHARD_NAME}):
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events that Dagster hands over together in one transaction per database."""
        with self._together({event.run_id for event in events} | {INDEX_SHARD_NAME}):
            super().store_event_batch(events)

    @contextmanager
    def _together(self, shards: set[str]) -> Iterator[None]:
        with self._db_lock, ExitStack() as transactions:
            self._joined = {shard: transactions.enter_context(self._connect(shard)) for shard in sorted(shards)}
            try:
                yield
            finally:
                self._joined = {}

    def has_secondary_index(self, name: str) -> bool:
        """Say whether a migration of the index is complete; none is ever undone. Asked with each check's target."""
        if name not in self._complete_migrations and super().has_secondary_index(name):
            self._complete_migrations.add(name)
        return name in self._complete_migrations

    def has_table(self, table_name: str) -> bool:
        """Say whether the index has a table; nothing removes one."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    def dispose(self) -> None:
        """Close every connection; the last one to close checkpoints its database."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


class PooledSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with the pooled event log; named in dagster.yaml."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        with _alone_with_the_schema(base_dir):
            super().__init__(base_dir, inst_data)
            self._event_log_storage = PooledSqliteEventLogStorage(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> PooledSqliteStorage:
        """Build from dagster.yaml's `config`."""
        return cls(inst_data=inst_data, **config_value)
