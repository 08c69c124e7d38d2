"""The rejected rows as CSV, one file per source file, for the people at the source who can mend them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from orchestration.extracts.feeds import DELETED, FEEDS
from orchestration.extracts.lake import Lake, Plan

_EVIDENCE = ("source_feed", "source_extract", "source_file", "source_row", "reason")
_FORMULA = re.compile(r"^[=+\-@\t\r]")
_PLAIN_NUMBER = re.compile(r"^[-+]?\d+([.,]\d+)?$")


def export_quarantine(lake: Lake, folder: Path, plan: Plan | None = None) -> tuple[Path, ...]:
    """Writes `<folder>/<extract>/<feed>--<source file>.csv` for every file with rejected rows; what was there goes.

    Args:
        lake: where the rejected rows lie.
        folder: the quarantine folder of the warehouse home; its files are for the owner alone (0600).
        plan: the night's plan; made from the ledger when it isn't given.

    Returns:
        The files written, in order.
    """
    writer = Lake(folder)
    if folder.exists():
        shutil.rmtree(folder)
    writer.make_folder(folder)
    return tuple(_export(lake.root / path, writer) for path in (plan or lake.plan()).rejected)


def _export(rejected: Path, writer: Lake) -> Path:
    records = _records(rejected)
    first = next(records)
    feed, extract = first["source_feed"], first["source_extract"]
    content = [*(column.lake_name for column in FEEDS[feed].lake_columns), DELETED.name, "withheld"]
    target: Path = writer.root / extract / f"{feed}--{first['source_file']}-{rejected.stem[-8:]}.csv"
    with writer.writing(target) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as opened:
        rows = csv.DictWriter(opened, [*_EVIDENCE, *content])
        rows.writeheader()
        rows.writerow(_harmless(first))
        rows.writerows(_harmless(record) for record in records)
    return target


def _records(rejected: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(rejected) as opened:
        for batch in opened.iter_batches():
            for row in batch.to_pylist():
                yield {name: row[name] for name in _EVIDENCE} | json.loads(row["content"])


def _harmless(record: dict[str, Any]) -> dict[str, Any]:
    """Cells that a spreadsheet would run as a formula are written as text."""
    return {name: _as_text(value) for name, value in record.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value) and not _PLAIN_NUMBER.match(value):
        return f"'{value}"
    return value
