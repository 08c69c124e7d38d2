"""Small data frames for Great Expectations, aggregated by DuckDB from the lake or from the build.

Each SQL file in `frames/` makes one frame: distinct values with `rows`, the number of source rows behind each, so that
a hundred million rows are scanned once and never held. Where a share is judged, `population` holds its denominator.
A frame may carry `sentence`: what a person is told of a row that fails, without any patient's value.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pandas as pd

from expectations.declared import FRAMES
from expectations.errors import ExpectationsError

# The date that places a feed's row in time, by the extract contract.
DATED_BY = {
    "diagnoses": "diagnosed_on",
    "prior_therapies": "started_on",
    "lab_results": "collected_at",
    "vital_signs": "measured_at",
    "marrow_assessments": "sampled_on",
    "mrd_results": "sampled_on",
    "extramedullary_assessments": "assessed_on",
    "molecular_findings": "sampled_on",
    "medications": "started_at",
    "cart_infusions": "infused_at",
    "adverse_events": "started_on",
    "encounters": "admitted_at",
    "procedures": "performed_on",
    "follow_ups": "visited_on",
}


# What ingestion tells of a feed's deliveries; the types are DuckDB's.
HISTORY_COLUMNS = {
    "feed": "varchar",
    "source_system": "varchar",
    "shrunk_by": "double",
    "extract_before": "varchar",
    "rows_before": "bigint",
    "extract_now": "varchar",
    "rows_now": "bigint",
    "last_extract": "varchar",
    "missing_since": "varchar",
    "snapshots_missed": "bigint",
    "quiet_days": "bigint",
}

# As staging reads a number (the macro of that name in dbt_project/macros/readers.sql): DuckDB alone also reads nan, inf
# and 1_000, and an infinite value, whose order of magnitude can't be had, stops a whole frame.
READ_NUMBER = """
create macro read_number(text) as
    case when not contains(text, '_') and isfinite(try_cast(text as double)) then try_cast(text as double) end
"""


class FeedFiles(Protocol):
    """The lake files of one feed, relative to the lake."""

    @property
    def files(self) -> Sequence[str]:
        """Paths."""


class LakePlan(Protocol):
    """What tonight's staging reads; made by ingestion."""

    @property
    def feeds(self) -> Mapping[str, FeedFiles]:
        """Files by feed."""

    @property
    def ledger(self) -> Sequence[str]:
        """Ledger files."""

    @property
    def newest_extract(self) -> str | None:
        """ISO date."""


@dataclass(frozen=True)
class Frame:
    """One judged frame.

    Attributes:
        name: stem of its SQL file.
        rows: the frame; None when there was nothing to make it from, or it could not be made.
        problem: why it could not be made; None when it could.
    """

    name: str
    rows: pd.DataFrame | None
    problem: str | None = None


def raw_frames(
    plan: LakePlan,
    lake_root: Path,
    names: Iterable[str],
    threads: int = 2,
    histories: Sequence[Mapping[str, Any]] = (),
    memory_limit: str | None = None,
) -> dict[str, Frame]:
    """Return the frames of the raw suite.

    Args:
        plan: files of every feed, relative to `lake_root`.
        lake_root: the lake's folder.
        names: frames wanted.
        threads: DuckDB threads.
        histories: one record per delivered feed and source system, see `HISTORY_COLUMNS`.
        memory_limit: DuckDB size such as `4GB`; None leaves DuckDB's own limit (80% of the memory).
    """
    # Spilled rows are patients' data: they go into the warehouse home, never into the working or the system's folder.
    with tempfile.TemporaryDirectory(prefix=".checks-", dir=lake_root.parent) as spill, duckdb.connect() as connection:
        connection.execute(f"set threads = {int(threads)}")
        connection.execute("set temp_directory = ?", [spill])
        connection.execute(READ_NUMBER)
        delivered = _lay_feed_views(connection, plan, lake_root)
        _lay_histories(connection, histories)
        # After the views, which read the files' footers alone: want of memory there would pass for a damaged lake.
        if memory_limit is not None:
            connection.execute("set memory_limit = ?", [memory_limit])
        newest = plan.newest_extract or "9999-12-31"
        connection.execute(f"set variable newest_extract = date '{dt.date.fromisoformat(newest)}'")
        return {name: _frame(connection, "raw", name, _is_delivered(name, delivered)) for name in names}


def mart_frames(
    connection: duckdb.DuckDBPyConnection,
    names: Iterable[str],
    data_cutoff: dt.date | None,
    published_rows: Mapping[str, int] | None,
) -> dict[str, Frame]:
    """Return the frames of the marts suite.

    Args:
        connection: a connection to the build.
        names: frames wanted.
        data_cutoff: the study's; None for the newest extract's date.
        published_rows: row counts by `schema.table` of the last published warehouse; None when there is none.
    """
    cutoff = data_cutoff or _newest_extract(connection)
    as_sql = f"date '{cutoff}'" if cutoff else "null::date"
    connection.execute(f"set variable data_cutoff = {as_sql}")
    connection.execute("create or replace temp table published_rows (name varchar, rows bigint)")
    for table, rows in (published_rows or {}).items():
        schema, _, name = table.partition(".")
        if schema == "marts":
            connection.execute("insert into published_rows values (?, ?)", [name, rows])
    try:
        return {name: _frame(connection, "marts", name, True) for name in names}
    finally:
        connection.execute("drop table published_rows")


def _frame(connection: duckdb.DuckDBPyConnection, suite: str, name: str, delivered: bool) -> Frame:
    if not delivered:
        return Frame(name, None)
    sql = (FRAMES / suite / f"{name}.sql").read_text(encoding="utf-8")
    try:
        return Frame(name, connection.execute(sql).df())
    except duckdb.Error as error:
        return Frame(name, None, str(error).splitlines()[0])


def _is_delivered(frame: str, delivered: set[str]) -> bool:
    """A frame named after a feed needs that feed; the others take what is there."""
    return frame in delivered or frame not in {"patients", *DATED_BY}


def _lay_feed_views(connection: duckdb.DuckDBPyConnection, plan: LakePlan, lake_root: Path) -> set[str]:
    """Make one view per delivered feed, `ledger`, and the views across feeds; return the delivered feeds."""
    delivered = {feed for feed, planned in plan.feeds.items() if planned.files}
    for feed in sorted(delivered):
        _view_of_files(connection, feed, [lake_root / path for path in plan.feeds[feed].files])
    for needed in {"cart_infusions", "follow_ups"} - delivered:
        connection.execute(
            f"create view {needed} as select null::varchar as patient_key, null::varchar as death_on where false"
        )
    if plan.ledger:
        _view_of_files(connection, "ledger", [lake_root / path for path in plan.ledger])
    else:
        connection.execute(
            "create view ledger as select '' as feed, '' as extract, 0 as rows, 0 as rejected where false"
        )
    _union_view(
        connection,
        "patients_by_feed",
        (
            # the feed's name outside: with it among what is made distinct this takes twice as long
            f"select '{feed}' as feed, patient_key from (select distinct patient_key from {feed})"  # noqa: S608
            for feed in sorted(delivered)
        ),
        "select '' as feed, '' as patient_key where false",
    )
    _union_view(
        connection,
        "dated_rows",
        (
            f"select '{feed}' as feed, patient_key, {column} as dated_at from {feed}"  # noqa: S608
            for feed, column in DATED_BY.items()
            if feed in delivered
        ),
        "select '' as feed, '' as patient_key, '' as dated_at where false",
    )
    _union_view(
        connection,
        "last_days",
        (
            f"select '{feed}' as feed, patient_key, left(max({column}), 10) as day, count({column}) as rows "  # noqa: S608
            f"from {feed} group by patient_key"
            for feed, column in DATED_BY.items()
            if feed in delivered
        ),
        "select '' as feed, '' as patient_key, '' as day, 0 as rows where false",
    )
    return delivered


def _lay_histories(connection: duckdb.DuckDBPyConnection, histories: Sequence[Mapping[str, Any]]) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in HISTORY_COLUMNS.items())
    connection.execute(f"create table feed_histories ({columns})")
    rows = [[history[name] for name in HISTORY_COLUMNS] for history in histories]
    if rows:
        places = ", ".join("?" for _ in HISTORY_COLUMNS)
        connection.executemany(f"insert into feed_histories values ({places})", rows)  # noqa: S608


def _view_of_files(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path]) -> None:
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    try:
        connection.execute(f"create view {name} as select * from read_parquet([{files}])")  # noqa: S608
    except duckdb.Error as error:
        raise ExpectationsError(
            f"The lake is damaged: a file of {name} can't be read ({str(error).splitlines()[0]}). "
            "Take it from the backup; or delete its row under lake/ledger and refresh with its extract still in place."
        ) from None


def _union_view(connection: duckdb.DuckDBPyConnection, name: str, parts: Iterator[str], empty: str) -> None:
    connection.execute(f"create view {name} as {' union all '.join(parts) or empty}")


def _newest_extract(connection: duckdb.DuckDBPyConnection) -> dt.date | None:
    try:
        ((newest,),) = connection.execute("select max(extract) from quality.extracts").fetchall()
    except duckdb.Error:
        return None
    return newest if isinstance(newest, dt.date) else None
