"""What a workbook's own XML tells before its reader is let at it: how far the sheet reaches, and cells without a value.

The reader lays a sheet out whole, so that one cell at the far end of an otherwise empty sheet would ask for hundreds of
gigabytes. And it shows an error (`#DIV/0!`) and a formula that was never calculated as empty cells: they are read here,
as the text that they are, for nothing is to be lost. The XML is read as a stream of rows; nothing in it is expanded.
"""

from __future__ import annotations

import html
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestration.extracts.readers.base import UnreadableFileError

MOST_CELLS = 25_000_000
"""Rows times columns of a sheet, empty cells counted: a million rows of 25 columns."""

_BLOCK_BYTES = 4 << 20
_MOST_ROW_BYTES = 64 << 20
_SHEET = re.compile(r"<(?:\w+:)?sheet\b([^>]*)>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\b([^>]*)>")
_ATTRIBUTE = re.compile(r"([\w:]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_COLUMN = re.compile(rb"<c\b[^>]*?\br=[\"']([A-Z]{1,3})\d")
_ROW = re.compile(rb"<row\b[^>]*?\br=[\"'](\d{1,9})")
_CELL = re.compile(rb"<c\b([^>]*?)(?:/>|>(.*?)</c>)", re.DOTALL)
_REFERENCE = re.compile(rb"\br=[\"']([A-Z]{1,3})(\d{1,9})")
_VALUE = re.compile(rb"<v\b[^>]*>([^<]+)</v>")
_FORMULA = re.compile(rb"<f\b[^>]*?(?:/>|>([^<]*)</f>)")
_UNTOLD_FORMULA = "=(formula without a stored result)"


@dataclass
class SheetSurvey:
    """How many rows and columns a sheet spans, and the texts of cells (row, column from 0) that have no value."""

    rows: int = 0
    columns: int = 0
    texts: dict[tuple[int, int], str] = field(default_factory=dict)


def survey(path: Path, sheet: str | None) -> SheetSurvey:
    """Looks through one sheet (the first unless named); UnreadableFileError when it spans too many cells."""
    found = SheetSurvey()
    try:
        with zipfile.ZipFile(path) as archive:
            for member in _members(archive, sheet):
                for part in _parts(archive, member):
                    _look_through(part, found)
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, NotImplementedError, RuntimeError, EOFError, zlib.error):
        raise UnreadableFileError("it is not a readable Excel workbook; have it delivered again") from None
    if found.rows * found.columns > MOST_CELLS:
        raise UnreadableFileError(
            f"its sheet spans {found.rows:,} rows and {found.columns:,} columns, more than {MOST_CELLS:,} cells; "
            "clear what stands far outside of the table, or deliver it as CSV"
        )
    return found


def _members(archive: zipfile.ZipFile, sheet: str | None) -> list[str]:
    """The sheet's file in the archive; every sheet's where the workbook doesn't say which is which."""
    every = [name for name in archive.namelist() if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name)]
    try:
        workbook = archive.read("xl/workbook.xml").decode("utf-8", "replace")
        relations = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    except KeyError:
        return every
    targets = {each.get("Id"): each.get("Target", "") for each in map(_attributes, _RELATION.findall(relations))}
    for own in map(_attributes, _SHEET.findall(workbook)):
        if sheet is None or own.get("name") == sheet:
            key = next((value for name, value in own.items() if name.endswith(":id")), None)
            target = targets.get(key, "")
            member = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            return [member] if member in archive.namelist() else every
    return every


def _attributes(text: str) -> Mapping[str, str]:
    return {name: html.unescape(double or single) for name, double, single in _ATTRIBUTE.findall(text)}


def _parts(archive: zipfile.ZipFile, member: str) -> Iterator[bytes]:
    """The sheet's XML in pieces that end at the end of a row."""
    carried = b""
    with archive.open(member) as opened:
        while block := opened.read(_BLOCK_BYTES):
            data = carried + block
            cut = data.rfind(b"</row>")
            if cut < 0 and len(data) > _MOST_ROW_BYTES:
                raise UnreadableFileError(f"a row of its sheet takes more than {_MOST_ROW_BYTES >> 20} MB")
            if cut >= 0:
                yield data[:cut]
            carried = data[max(cut, 0) :]
    yield carried


def _look_through(part: bytes, found: SheetSurvey) -> None:
    rows = _ROW.findall(part)
    if rows:
        found.rows = max(found.rows, max(map(int, set(rows))))
    found.columns = max([found.columns, *map(_column_number, set(_COLUMN.findall(part)))])
    if b"<f" not in part and b't="e"' not in part and b"t='e'" not in part:
        return
    for attributes, body in _CELL.findall(part):
        text = _text_without_value(attributes, body)
        place = _REFERENCE.search(attributes)
        if text is not None and place is not None:
            found.rows = max(found.rows, int(place.group(2)))
            found.texts[int(place.group(2)) - 1, _column_number(place.group(1)) - 1] = text


def _text_without_value(attributes: bytes, body: bytes) -> str | None:
    """An error as its text, a formula that was never calculated as its own; None for every other cell."""
    value = _VALUE.search(body)
    if re.search(rb"\bt=[\"']e[\"']", attributes):
        return _plain(value.group(1)) if value else None
    formula = _FORMULA.search(body)
    # A result that is the empty text (t="str") is a result.
    if formula is None or value is not None or re.search(rb"\bt=[\"']str[\"']", attributes):
        return None
    return f"={_plain(formula.group(1))}" if formula.group(1) else _UNTOLD_FORMULA


def _plain(content: bytes) -> str:
    return html.unescape(content.decode("utf-8", "replace"))


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
