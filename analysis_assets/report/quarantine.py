"""Rejected rows and values for the people at the source: per file what to mend, and how it went from night to night.

While small counts are hidden no row number, no text and no curve is shown, and no total from which a hidden count
could be had by subtraction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis_assets.report import queries
from analysis_assets.report.context import Record, ReportContext
from analysis_assets.report.records import shown
from analysis_assets.report.suppression import HIDDEN
from analysis_assets.tables import Cell, Column, DisplayTable, Row, number_text

LISTED_FILES: Final = 40
LISTED_NIGHTS: Final = 30
_SHOWN_TEXT: Final = 40
_SHOWN_CELLS: Final = 6

# What to do about a reason, by its beginning. The reasons are made by ingestion and by the staging models.
_ACTIONS: Final = (
    ("no key", "Fill in the key column, or leave the row out of the export."),
    ("no such patient", "Deliver the patient in patients, or correct the patient's id in the row."),
    ("duplicate key", "Keep the one row that is right; all rows with the key were set aside."),
    ("broken line", "Export the line anew: quote cells that hold the delimiter, a quote or a line break."),
    ("cell too long", "Find out what got into the cell; shorten it or leave it out."),
    ("deleted is neither", "Write true or false into the column deleted."),
    ("not one of", "Use one of these codes, or map this one in the source profile."),
    ("not a date", "Correct the date, or name its format in the source profile."),
    ("not a whole number", "Correct the number."),
    ("not a number", "Correct the number, or name the text in the source profile as a code for missing."),
)


def files(context: ReportContext) -> DisplayTable:
    """Files that tonight reads with something to mend in them, and where their rows lie as CSV."""
    guard = context.guard
    table = DisplayTable(
        "quarantine_files", "Files with rows or values to mend",
        (Column("Extract", "left"), Column("Rows"), Column("Rejected rows"), Column("Share"),
         Column("Unreadable values"), Column("CSV under the warehouse home", "left")),
        heading="File", sql="select * from quality.extracts where rejected > 0;\nselect * from quality.rejected_values",
        empty="Nothing that this night reads had to be rejected.",
    )  # fmt: skip
    found = context.rows(queries.QUARANTINE_FILES, [LISTED_FILES])
    for record in found:
        rejected, values = int(record["n_rejected"]), int(record["n_values"])
        hidden = guard.small(rejected)
        share = HIDDEN if hidden else _percent(rejected, int(record["n_rows"]))
        cells = (
            shown(record["extract"]), shown(int(record["n_rows"])),
            guard.text(rejected, shown(rejected), hidden), share,
            guard.text(values, shown(values), guard.small(values)), _csv_files(record),
        )  # fmt: skip
        table.rows.append(Row(Cell(str(record["file"])), tuple(Cell(cell) for cell in cells), str(record["feed"])))
    table.rows.sort(key=lambda row: row.group)  # stable: within a feed the worst file stays first
    remarks = ["Rejected rows are not in the warehouse; unreadable values are empty in rows that are."]
    if found and int(found[0]["n_files"]) > len(found):
        remarks.append(f"The {len(found)} files with most rejected rows of {shown(int(found[0]['n_files']))}.")
    table.remarks = (*remarks, guard.remark) if guard.active else tuple(remarks)
    return table


def _csv_files(record: Record) -> str:
    base = f"quarantine/{shown(record['extract'])}/{record['feed']}--{record['file']}"
    kinds = (("rows", record["n_rejected"]), ("values", record["n_values"]))
    return ", ".join(f"{base}.{kind}.csv" for kind, count in kinds if count)


def reasons(context: ReportContext) -> DisplayTable:
    """Why, how often and where in each of those files, with an example and what to do."""
    guard = context.guard
    table = DisplayTable(
        "quarantine_reasons", "What to mend, file by file",
        (Column("What", "left"), Column("How many"), Column("First source rows", "left"), Column("Example", "left"),
         Column("What to do", "left")),
        heading="Reason", sql="select * from quality.rejected_rows;\nselect * from quality.rejected_values",
        remarks=("Source row 1 is the first row after the header. Examples leave out every id, and cut long texts.",
                 *((guard.remark,) if guard.active else ())),
    )  # fmt: skip
    listed = {int(r["place"]): r for r in context.rows(queries.QUARANTINE_FILES, [LISTED_FILES])}
    found = context.rows(queries.QUARANTINE_REASONS, [LISTED_FILES])
    for record, hidden in zip(found, _hidden_reasons(context, found), strict=True):
        file = listed[int(record["place"])]
        column, count = str(record["column_name"]), int(record["n"])
        rows = "–" if guard.active else ", ".join(shown(int(row)) for row in record["first_rows"])
        cells = (
            f"cells of {column}" if column else "whole rows", guard.text(count, shown(count), hidden), rows,
            "–" if guard.active else _example(str(record["kind"]), record["example"]),
            action_for(str(record["reason"])),
        )  # fmt: skip
        group = f"{file['feed']} · {shown(file['extract'])} · {file['file']}"
        table.rows.append(Row(Cell(str(record["reason"])), tuple(Cell(cell) for cell in cells), group))
    return table


def _hidden_reasons(context: ReportContext, found: Sequence[Record]) -> list[bool]:
    """Which counts are hidden: the reasons of a file are a partition of its rejected rows, or of its values."""
    flags: dict[int, bool] = {}
    for part in {(record["place"], record["kind"]) for record in found}:
        own = [i for i, record in enumerate(found) if (record["place"], record["kind"]) == part]
        flags |= dict(zip(own, context.guard.hidden([int(found[i]["n"]) for i in own]), strict=True))
    return [flags[i] for i in range(len(found))]


def action_for(reason: str) -> str:
    """What the person at the source should do about a reason."""
    return next((action for start, action in _ACTIONS if reason.startswith(start)), "Compare the row with its source.")


def _example(kind: str, example: Any) -> str:
    if example is None:
        return "–"
    if kind == "values":
        return f"“{_cut(str(example))}”"
    content = json.loads(str(example))
    told = {name: value for name, value in content.items() if value is not None and not _is_id(name)}
    cells = [f"{name}: {_cut(str(value))}" for name, value in told.items()]
    more = f" and {len(cells) - _SHOWN_CELLS} more" if len(cells) > _SHOWN_CELLS else ""
    return ("; ".join(cells[:_SHOWN_CELLS]) + more) or "–"


def _is_id(name: str) -> bool:
    return name == "patient_key" or name.endswith("_id")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}…"


# --- from night to night -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trend:
    """Rejected and delivered rows of a feed (or of all), night by night, oldest first."""

    label: str
    nights: tuple[str, ...]
    rows: tuple[int, ...]
    rejected: tuple[int, ...]


def rejected_by_night(context: ReportContext) -> DisplayTable:
    """Rows and rejected rows of the newest nights, by feed where a feed had any."""
    guard = context.guard
    found = context.rows(queries.REJECTED_BY_NIGHT)
    nights = sorted({shown(record["extract"]) for record in found})
    counts = {(shown(r["extract"]), str(r["feed"])): (int(r["n_rows"]), int(r["n_rejected"])) for r in found}
    listed = nights[-LISTED_NIGHTS:][::-1]
    feeds = [feed for feed in dict.fromkeys(str(record["feed"]) for record in found)
             if any(counts.get((night, feed), (0, 0))[1] for night in listed)]  # fmt: skip
    remarks = ["Night: the date of the extract. Of an extract that was delivered again, its newest delivery."]
    if len(nights) > len(listed):
        remarks.append(f"The newest {len(listed)} of {shown(len(nights))} nights.")
    table = DisplayTable(
        "rejected_by_night", "Night by night",
        (Column("Rows"), Column("Rejected"), Column("Share"),
         *(Column(feed, spanner="Rejected rows by feed") for feed in feeds)),
        heading="Night", sql="select extract, feed, sum(rows), sum(rejected) from quality.extracts group by all",
        remarks=(*remarks, guard.remark) if guard.active else tuple(remarks),
    )  # fmt: skip
    for night in listed:
        own = {feed: count for (on, feed), count in counts.items() if on == night}
        rows, rejected = sum(n for n, _ in own.values()), sum(n for _, n in own.values())
        untold = any(guard.small(n) for _, n in own.values())  # a total would tell the small count that it holds
        total = guard.text(rejected, shown(rejected), untold or guard.small(rejected)) if not untold else HIDDEN
        cells = [shown(rows), total, HIDDEN if untold else _percent(rejected, rows)]
        for feed in feeds:
            delivered, n = own.get(feed, (0, 0))
            told = "–" if feed not in own else f"{shown(n)} ({_percent(n, delivered)})" if n else "0"
            cells.append(guard.text(n, told, guard.small(n)))
        table.rows.append(Row(Cell(night), tuple(Cell(cell) for cell in cells)))
    return table


def trends(context: ReportContext) -> list[Trend]:
    """The share of rejected rows over all nights: of all feeds together, then of each feed that ever had any.

    None where none ever had, and none while small counts are hidden.
    """
    if context.guard.active:
        return []
    found = context.rows(queries.REJECTED_BY_NIGHT)
    feeds = dict.fromkeys(str(record["feed"]) for record in found if int(record["n_rejected"]))
    if not feeds:
        return []
    parts = [("All feeds", found)] + [(feed, [r for r in found if r["feed"] == feed]) for feed in feeds]
    return [_trend(label, records) for label, records in parts]


def _trend(label: str, found: Iterable[Record]) -> Trend:
    nights: dict[str, tuple[int, int]] = {}
    for record in found:
        rows, rejected = nights.get(shown(record["extract"]), (0, 0))
        nights[shown(record["extract"])] = (rows + int(record["n_rows"]), rejected + int(record["n_rejected"]))
    return Trend(label, tuple(nights), tuple(n for n, _ in nights.values()), tuple(n for _, n in nights.values()))


def _percent(part: int, whole: int) -> str:
    return "–" if not whole else f"{number_text(100 * part / whole, 1)}%"
