"""What every reader hands on: the header, then chunks of text columns with every source row accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MAX_CELL_BYTES = 131_068
"""The longest text Excel can hold (32,767 characters of up to four bytes); a longer cell is a broken row."""

MAX_COLUMNS = 2_000
"""Wider than any export seen; a wider header is a file that isn't a table."""

NUL_BYTE = "broken line: NUL byte"
"""Why a row is set aside that holds a NUL, in whatever format: neither Parquet's readers nor XML take one."""

MAX_LINE = 16 << 20
"""Bytes of delimited text, characters of JSON Lines; a longer line is a file that isn't a table."""


@dataclass(frozen=True)
class BrokenRow:
    """A row that can't be split into the header's cells; its text is not kept, for no cell of it can be attributed."""

    row: int
    reason: str


@dataclass(frozen=True)
class Chunk:
    """A run of source rows: `columns` by header name (those asked for), `rows` their numbers within the chunk (from 1).

    `total` counts every row of the run, so that len(rows) + len(broken) == total.
    """

    columns: dict[str, pa.DictionaryArray]
    rows: npt.NDArray[np.int64]
    broken: tuple[BrokenRow, ...]
    total: int


@dataclass(frozen=True)
class SourceTable:
    """An opened file: its header and a function that reads the columns asked for as lazily built chunks.

    Each item of the iterator is a function that does one chunk's work, so that chunks can be built side by side.
    `nested` columns hold lists or objects: they may be there, but not be asked for.
    """

    header: tuple[str, ...]
    chunks: Callable[[tuple[str, ...]], Iterator[Callable[[], Chunk]]]
    count_rows: Callable[[], int]
    nested: frozenset[str] = frozenset()


class UnreadableFileError(Exception):
    """A file can't be read at all; says why without repeating any of its content."""


def no_line_end() -> UnreadableFileError:
    """What to raise where a line is longer than `MAX_LINE`."""
    return UnreadableFileError(f"it has no line end within {MAX_LINE >> 20} MB; that is no table")


def refuse_nested(nested: Iterable[str], wanted: Iterable[str]) -> None:
    """UnreadableFileError when a wanted column holds lists or objects: it has no text."""
    both = sorted({*nested} & {*wanted})
    if both:
        raise UnreadableFileError(f"its column {both[0]!r} is nested; flatten it at the source")
