"""Readers: one per format, all handing on the same chunks of text columns."""

from __future__ import annotations

from pathlib import Path

from orchestration.extracts.profiles import ReadOptions
from orchestration.extracts.readers.base import BrokenRow, Chunk, SourceTable, UnreadableFileError, refuse_nested
from orchestration.extracts.readers.delimited import Dialect, open_delimited
from orchestration.extracts.readers.tabular import open_excel, open_jsonl, open_parquet

FORMATS = (".csv.gz", ".csv", ".tsv", ".txt.gz", ".txt", ".parquet", ".jsonl", ".ndjson", ".xlsx")
"""File endings that are read, longest first."""

__all__ = [
    "FORMATS",
    "BrokenRow",
    "Chunk",
    "Dialect",
    "SourceTable",
    "UnreadableFileError",
    "file_format",
    "open_table",
    "refuse_nested",
]


def file_format(name: str) -> str | None:
    """The format that a file name ends with, in lower case; None for any other file."""
    return next((ending for ending in FORMATS if name.lower().endswith(ending)), None)


def open_table(path: Path, options: ReadOptions) -> SourceTable:
    """Opens a file by its ending; UnreadableFileError when its content can't be what the ending says."""
    ending = file_format(path.name)
    if ending == ".parquet":
        return open_parquet(path)
    if ending in {".jsonl", ".ndjson"}:
        return open_jsonl(path, flatten=options.flatten)
    if ending == ".xlsx":
        return open_excel(path, options.sheet, options.header_row)
    dialect = Dialect(
        delimiter=options.delimiter or ("\t" if ending == ".tsv" else ","),
        quote=options.quote,
        encoding=options.encoding,
        compressed=(ending or "").endswith(".gz"),
        header_row=options.header_row,
        skip_lines=options.skip_lines,
    )
    return open_delimited(path, dialect)
