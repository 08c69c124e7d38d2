"""Dagster's run and event storage in SQLite, with connections that stay open.

Dagster's own SQLite storage opens and closes a database for each event. Closing the last connection makes SQLite
checkpoint and sync, and a new engine compiles each statement anew: about 12 ms an event, 6 to 12 s for a night of a
thousand events. With one open connection per database it is 2 ms. Everything else, the schema included, is Dagster's.

Databases are made by one process at a time: a webserver and a daemon that meet a new home in the same moment would both
write the schema's version, and two versions are an error for every later start.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as db
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
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


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, one open connection per database file."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._engines:
                self._engines[shard] = _open_engine(self.conn_string_for_shard(shard))
            engine = self._engines[shard]
            if shard not in self._initialized_dbs:
                with _alone_with_the_schema(self._base_dir):
                    self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

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
