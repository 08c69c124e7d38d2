"""Writes feeds as files of the extract contract, byte for byte the same for the same rows, and the manifest."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from synthetic_emr.contract import FEEDS, Extract, Row

# The earliest moment that a zip archive can hold; real clocks would make every file differ.
_ARCHIVE_TIME = (1980, 1, 1, 0, 0, 0)


class SyntheticExtractError(ValueError):
    """The writer was asked for something that it can't write."""


@dataclass(frozen=True)
class WrittenFile:
    """One file as the manifest lists it."""

    feed: str
    path: str
    rows: int
    sha256: str


def sort_rows(extract: Extract, keys: Mapping[str, Sequence[str]]) -> None:
    """Order every feed by its key, in place; integers of a line number sort as numbers."""
    for feed, rows in extract.items():
        rows.sort(key=lambda row: [row.get(column, "").zfill(4) for column in keys[feed]])


def write_feed(folder: Path, feed: str, rows: Sequence[Row], file_format: str, columns: Sequence[str]) -> WrittenFile:
    """Write one feed into `folder` and describe the file.

    Raises:
        SyntheticExtractError: the format is none of the contract's.
    """
    writer = _WRITERS.get(file_format)
    if writer is None:
        raise SyntheticExtractError(f"{feed}: format {file_format!r} is unknown; use one of {', '.join(_WRITERS)}")
    path = folder / f"{feed}.{file_format}"
    path.write_bytes(writer(columns, rows))
    return describe(path, feed, len(rows))


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write rows as one plain CSV file with these columns, whatever its name."""
    path.write_bytes(_delimited(",")(columns, rows))


def describe(path: Path, feed: str, rows: int) -> WrittenFile:
    """Row count and checksum of a file; reads it in blocks, so that its size does not matter."""
    with path.open("rb") as content:
        return WrittenFile(feed, path.name, rows, hashlib.file_digest(content, "sha256").hexdigest())


def write_manifest(
    folder: Path, extract_date: date, mode: str, files: Sequence[WrittenFile], *, source_system: str = "synthetic"
) -> None:
    """`manifest.json` of an extract; unless told otherwise the source system says that the data are synthetic."""
    manifest = {
        "source_system": source_system,
        "extract_date": extract_date.isoformat(),
        "mode": mode,
        "files": [vars(file) for file in files],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def write_extract(
    folder: Path,
    extract: Extract,
    extract_date: date,
    *,
    mode: str = "snapshot",
    formats: str | Mapping[str, str] = "csv",
) -> Path:
    """Write every feed of `extract` and the manifest into `folder`.

    Args:
        folder: made if it is missing; files of the same names are replaced.
        extract: rows per feed; columns missing in a row are written empty.
        extract_date: the date in the manifest.
        mode: `snapshot` or `delta`; a delta may carry the column `deleted`.
        formats: one format for all feeds, or a format per feed (csv where none is given).

    Raises:
        SyntheticExtractError: unknown feed or format.
    """
    chosen = dict.fromkeys(FEEDS, formats) if isinstance(formats, str) else dict(formats)
    unknown = sorted(set(chosen) - set(FEEDS))
    if unknown:
        raise SyntheticExtractError(f"unknown feed {unknown[0]!r} in formats; feeds are {', '.join(FEEDS)}")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for feed, rows in extract.items():
        extra = ("deleted",) if any("deleted" in row for row in rows) else ()
        written.append(write_feed(folder, feed, rows, chosen.get(feed, "csv"), FEEDS[feed] + extra))
    write_manifest(folder, extract_date, mode, written)
    return folder


def read_extract(folder: Path) -> Extract:
    """The rows of an extract that was written here, as text: CSV or Parquet, a feed in one file or in several.

    Raises:
        SyntheticExtractError: the folder holds no file of any feed.
    """
    extract: Extract = {}
    for feed in FEEDS:
        paths = sorted([*folder.glob(f"{feed}.*"), *folder.glob(f"{feed}-*.*")])
        extract[feed] = [row for path in paths for row in _READERS.get(path.suffix, _no_rows)(path)]
    if not any(extract.values()):
        raise SyntheticExtractError(f"{folder} holds no feed as CSV or Parquet")
    return extract


def _rows_of_csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _rows_of_parquet(path: Path) -> list[Row]:
    import pyarrow.parquet as pq

    return [{name: value or "" for name, value in row.items()} for row in pq.read_table(path).to_pylist()]


def _no_rows(path: Path) -> list[Row]:
    raise SyntheticExtractError(f"{path.name} is neither CSV nor Parquet; write the extract in one of them first")


_READERS: Mapping[str, Callable[[Path], list[Row]]] = {".csv": _rows_of_csv, ".parquet": _rows_of_parquet}


def _table(columns: Sequence[str], rows: Sequence[Row]) -> list[list[str]]:
    return [list(columns)] + [[row.get(column, "") for column in columns] for row in rows]


def _delimited(delimiter: str) -> Callable[[Sequence[str], Sequence[Row]], bytes]:
    def write(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(_table(columns, rows))
        return text.getvalue().encode("utf-8")

    return write


def _gzipped(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    return gzip.compress(_delimited(",")(columns, rows), mtime=0)


def _json_lines(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    lines = [json.dumps({column: row.get(column) or None for column in columns}, ensure_ascii=False) for row in rows]
    return "".join(line + "\n" for line in lines).encode("utf-8")


def _parquet(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {column: pa.array([row.get(column) or None for row in rows], pa.string()) for column in columns}
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays), sink, compression="zstd")
    return sink.getvalue()


def _workbook(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    # A development dependency: only whoever asks for Excel files needs it.
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    book.properties.created = book.properties.modified = datetime(*_ARCHIVE_TIME)
    sheet = book.create_sheet("extract")
    for line in _table(columns, rows):
        sheet.append([cell or None for cell in line])
    saved = io.BytesIO()
    book.save(saved)
    return _with_fixed_times(saved)


def _with_fixed_times(archive: io.BytesIO) -> bytes:
    """The same zip archive without the clock: member times and the saved-at property."""
    fixed = io.BytesIO()
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            content = source.read(member)
            if member.filename == "docProps/core.xml":
                content = _without_saved_time(content)
            target.writestr(zipfile.ZipInfo(member.filename, _ARCHIVE_TIME), content, zipfile.ZIP_DEFLATED)
    return fixed.getvalue()


def _without_saved_time(properties: bytes) -> bytes:
    from xml.etree import ElementTree

    tree = ElementTree.fromstring(properties)  # noqa: S314 - written by ourselves a moment ago
    for element in tree:
        if element.tag.endswith("}modified"):
            element.text = "1980-01-01T00:00:00Z"
    return bytes(ElementTree.tostring(tree, encoding="utf-8", xml_declaration=True))


_WRITERS: dict[str, Callable[[Sequence[str], Sequence[Row]], Any]] = {
    "csv": _delimited(","),
    "csv.gz": _gzipped,
    "tsv": _delimited("\t"),
    "parquet": _parquet,
    "jsonl": _json_lines,
    "xlsx": _workbook,
}
FORMATS = tuple(_WRITERS)
