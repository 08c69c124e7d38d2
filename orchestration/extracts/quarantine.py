"""Rejected rows and unreadable values as CSV, by source file, for the people at the source who can mend them.

`<extract>/<feed>--<source file>.rows.csv` holds rows that could not be used at all, `….values.csv` cells that could not
be read in rows that otherwise could. The report names both paths.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from orchestration.extracts.feeds import DELETED, FEEDS
from orchestration.extracts.lake import Lake, Plan

_EVIDENCE = ("source_feed", "source_extract", "source_file", "source_row")
_BATCH = 10_000
_FORMULA = re.compile(r"^[=+\-@\t\r]")
_PLAIN_NUMBER = re.compile(r"^[-+]?\d+([.,]\d+)?$")
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {"temp_directory": ""}
"""Nothing may spill to disk outside the warehouse home."""

_REJECTED_ROWS = """
    select feed, cast(extract as varchar), file, "row", reason, content from quality.rejected_rows order by all
"""
_REJECTED_IN_LAKE = """
    select source_feed, source_extract, source_file, source_row, reason, content
    from read_parquet($files) order by all
"""
_REJECTED_VALUES = """
    select feed, cast(extract as varchar), file, "row", "column", text, reason, patient_key
    from quality.rejected_values order by all
"""

Record = dict[str, Any]


def export_quarantine(
    lake: Lake, folder: Path, plan: Plan | None = None, warehouse: Path | None = None
) -> tuple[Path, ...]:
    """Writes the CSV files of every source file with rejected rows or values; what was in the folder goes.

    Args:
        lake: where the rows that ingestion rejected lie.
        folder: the quarantine folder of the warehouse home; its files are for the owner alone (0600).
        plan: the night's plan; made from the ledger when it isn't given.
        warehouse: the published warehouse, which knows in addition the rows of unknown patients and the unreadable
            values. Without it only what ingestion rejected is written.

    Returns:
        The files written, in order.
    """
    writer = Lake(folder)
    if folder.exists():
        shutil.rmtree(folder)
    writer.make_folder(folder)
    if warehouse is not None:
        with duckdb.connect(str(warehouse), read_only=True, config=_SETTINGS) as connection:
            rows = _write(writer, "rows", _rows(connection.execute(_REJECTED_ROWS)), _content_columns)
            values = _write(writer, "values", _values(connection.execute(_REJECTED_VALUES)), _value_columns)
        return tuple(sorted(rows + values))
    files = [str(lake.root / path) for path in (plan or lake.plan()).rejected]
    if not files:
        return ()
    with duckdb.connect(":memory:", config=_SETTINGS) as connection:
        found = connection.execute(_REJECTED_IN_LAKE, {"files": files})
        return tuple(_write(writer, "rows", _rows(found), _content_columns))


def _content_columns(feed: str) -> Sequence[str]:
    return ("reason", *(column.lake_name for column in FEEDS[feed].lake_columns), DELETED.name, "withheld")


def _value_columns(feed: str) -> Sequence[str]:
    del feed
    return ("column", "text", "reason", "patient_key")


def _rows(found: duckdb.DuckDBPyConnection) -> Iterator[Record]:
    for *evidence, reason, content in _fetched(found):
        yield dict(zip(_EVIDENCE, evidence, strict=True)) | {"reason": reason} | json.loads(content)


def _values(found: duckdb.DuckDBPyConnection) -> Iterator[Record]:
    names = (*_EVIDENCE, *_value_columns(""))
    for row in _fetched(found):
        yield dict(zip(names, row, strict=True))


def _fetched(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := found.fetchmany(_BATCH):
        yield from batch


def _write(
    writer: Lake, kind: str, records: Iterable[Record], columns_of: Callable[[str], Sequence[str]]
) -> list[Path]:
    """One file per source file; the records come ordered by it."""
    written = []
    by_file = groupby(records, key=lambda record: tuple(record[name] for name in _EVIDENCE[:3]))
    for (feed, extract, file), own in by_file:
        target = writer.root / extract / f"{feed}--{file}.{kind}.csv"
        with writer.writing(target) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as opened:
            lines = csv.DictWriter(opened, [*_EVIDENCE, *columns_of(feed)])
            lines.writeheader()
            lines.writerows(_harmless(record) for record in own)
        written.append(target)
    return written


def _harmless(record: Mapping[str, Any]) -> Record:
    """Cells that a spreadsheet would run as a formula are written as text."""
    return {name: _as_text(value) for name, value in record.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value) and not _PLAIN_NUMBER.match(value):
        return f"'{value}"
    return value
