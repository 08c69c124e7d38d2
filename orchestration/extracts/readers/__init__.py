"""Readers: one per format, all handing on the same chunks of text columns."""

from __future__ import annotations

from pathlib import Path

from orchestration.extracts.readers.base import BrokenRow, Chunk, SourceTable, UnreadableFileError
from orchestration.extracts.readers.delimited import Dialect, open_delimited
from orchestration.extracts.readers.tabular import open_excel, open_jsonl, open_parquet

FORMATS = (".csv.gz", ".csv", ".tsv", ".parquet", ".jsonl", ".xlsx")
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
]


def file_format(name: str) -> str | None:
    """The format that a file name ends with, in lower case; None for any other file."""
    return next((ending for ending in FORMATS if name.lower().endswith(ending)), None)


def open_table(path: Path, *, encoding: str = "utf-8", delimiter: str | None = None, quote: str = '"') -> SourceTable:
    """Opens a file by its ending; UnreadableFileError when its content can't be what the ending says."""
    ending = file_format(path.name)
    if ending == ".parquet":
        return open_parquet(path)
    if ending == ".jsonl":
        return open_jsonl(path)
    if ending == ".xlsx":
        return open_excel(path)
    separator = delimiter or ("\t" if ending == ".tsv" else ",")
    return open_delimited(path, Dialect(separator, quote, encoding, compressed=ending == ".csv.gz"))
