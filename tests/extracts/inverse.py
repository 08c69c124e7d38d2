"""Writes contract rows the way a source system would: its profile read backwards."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from orchestration.extracts import FEEDS, Kind, SourceProfile
from orchestration.extracts.profiles import ColumnProfile


def write_through(profile: SourceProfile, extract: Mapping[str, Sequence[Mapping[str, str]]], folder: Path) -> None:
    """One CSV file per feed under the first file pattern, headers, values and dates as the profile expects them."""
    folder.mkdir(parents=True)
    for table in profile.tables:
        rows = extract[table.feed]
        names = [
            name for name in (column.name for column in FEEDS[table.feed].columns) if any(name in row for row in rows)
        ]
        columns = {name: (table.columns or {}).get(name) for name in names}
        header = [name if column is None else column.source[0] for name, column in columns.items()]
        with (folder / f"{table.files[0]}.csv").open("w", encoding=profile.read.encoding, newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(header)
            for row in rows:
                writer.writerow(
                    [_written(profile, table.feed, name, columns[name], row.get(name, "")) for name in names]
                )


def _written(profile: SourceProfile, feed: str, name: str, column: ColumnProfile | None, text: str) -> str:
    if column is None or not text:
        return text
    if FEEDS[feed].column(name).kind in {Kind.DATE, Kind.DATETIME}:
        return _written_date(profile, text)
    return {value: own for own, value in column.values.items()}.get(text, text)


def _written_date(profile: SourceProfile, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    form = profile.dates[1] if len(text) > 10 else profile.dates[0]
    return (
        form.replace("%Y", f"{moment.year}")
        .replace("%m", f"{moment.month}")
        .replace("%d", f"{moment.day}")
        .replace("%H:%M:%S", f"{moment:%H:%M:%S}")
    )
