"""CSV and TSV, plain or gzipped, as a stream: blocks of whole lines go to Arrow, odd ones to an exact parser.

A block without quotes, or whose quotes all stand where they should, has one record per line and Arrow splits it. Every
other block (line breaks inside quotes, stray or unbalanced quotes, NUL bytes, blank lines) is split record by record.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from orchestration.extracts.columns import TEXT_DICTIONARY, text_column
from orchestration.extracts.readers.base import (
    MAX_COLUMNS,
    MAX_LINE,
    NUL_BYTE,
    BrokenRow,
    Chunk,
    SourceTable,
    UnreadableFileError,
    no_line_end,
)

# What is looked through at once: of 16 MB a count takes twice to three times as long, each array being new memory.
BLOCK_BYTES = 4 << 20
_HEADER_WITHIN = 1 << 20  # bytes; a whole block made into lines, three times a night for each file, takes seconds
_MAX_RECORD_LINES = 200
_LINE_FEED, _CARRIAGE_RETURN = b"\n\r"
_BOMB_RATIO = 500
_BOMB_BYTES = 256 << 20
_OTHER_FORMATS = {
    b"PK\x03\x04": "an Excel or zip file",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls)",
}

Cells = list[str]


@dataclass(frozen=True)
class Dialect:
    """How cells are separated: one ASCII character each."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    compressed: bool = False
    header_row: int = 1
    skip_lines: str | None = None


@dataclass(frozen=True)
class _Parsed:
    """Records of a block in order, and how many of its lines they took up."""

    records: list[Cells | BrokenRow]
    lines_used: int


def open_delimited(path: Path, dialect: Dialect) -> SourceTable:
    """Reads the header; UnreadableFileError when there is none or the bytes aren't delimited text."""
    _refuse_other_formats(path, dialect)
    header, header_bytes = _read_header(path, dialect)
    return SourceTable(
        header=header,
        chunks=partial(_chunks, path, dialect, header, header_bytes),
        count_rows=partial(_count_rows, path, dialect, header, header_bytes),
    )


def _refuse_other_formats(path: Path, dialect: Dialect) -> None:
    with path.open("rb") as raw:
        start = raw.read(4)
    if not start:
        raise UnreadableFileError(
            "it is empty (0 bytes) and has no header; an export without rows still has its header"
        )
    for magic, what in _OTHER_FORMATS.items():
        if start.startswith(magic) and not (dialect.compressed and magic == b"\x1f\x8b"):
            raise UnreadableFileError(f"its name says delimited text but it is {what}; give it the right ending")
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and not dialect.encoding.lower().startswith("utf-16"):
        raise UnreadableFileError("it is UTF-16 text; set encoding: utf-16 in the source profile")


def _raw_blocks(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """The file's bytes, decompressed, in blocks; refuses what inflates out of all proportion."""
    size, inflated = path.stat().st_size, 0
    with gzip.open(path, "rb") if dialect.compressed else path.open("rb") as opened:
        while True:
            try:
                block = opened.read(BLOCK_BYTES)
            except EOFError:
                raise UnreadableFileError("the gzip file is cut short; have it delivered again") from None
            except (zlib.error, gzip.BadGzipFile):
                raise UnreadableFileError("the gzip file is damaged; have it delivered again") from None
            if not block:
                return
            inflated += len(block)
            if dialect.compressed and inflated > max(_BOMB_BYTES, _BOMB_RATIO * size):
                raise UnreadableFileError(f"it inflates to more than {_BOMB_RATIO} times its size; that is no table")
            yield block


def _text_blocks(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """The file as valid UTF-8 without byte order mark, lone carriage returns of old exports made new lines."""
    decoder = codecs.getincrementaldecoder(dialect.encoding)("strict")
    lines, first, old_line_ends = 0, True, False
    for raw, final in _final_marked(_raw_blocks(path, dialect)):
        if dialect.encoding == "utf-8" and raw.isascii() and not decoder.getstate()[0]:
            text = raw
        else:
            try:
                text = decoder.decode(raw, final).encode()
            except UnicodeDecodeError as problem:
                line = lines + raw[: problem.start].count(b"\n") + 1
                raise UnreadableFileError(
                    f"line {line} is not {dialect.encoding.upper()} text; set the right encoding in the source profile"
                ) from None
        if first and text:
            text, first = text.removeprefix(codecs.BOM_UTF8), False
            old_line_ends = b"\r" in text and b"\n" not in text
        lines += _line_ends(text)
        yield text.replace(b"\r", b"\n") if old_line_ends else text


def _final_marked(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    for block in blocks:
        yield block, False
    yield b"", True


def _line_blocks(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """Blocks that end at a line end, the last one perhaps without it."""
    carried = b""
    for block in _text_blocks(path, dialect):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join((carried, memoryview(block)[:cut]))
            carried = block[cut:]
            continue
        carried += block
        if len(carried) > MAX_LINE:
            raise no_line_end()
    if carried:
        yield carried


def _read_header(path: Path, dialect: Dialect) -> tuple[tuple[str, ...], int]:
    """The header's names and the bytes it takes up in the UTF-8 text, blank lines before it included."""
    first = next(_line_blocks(path, dialect), b"")
    if len(first) > _HEADER_WITHIN:
        first = first[: first.rfind(b"\n", 0, _HEADER_WITHIN) + 1] or first
    lines = _lines(first)
    for number, line in enumerate(lines):
        if number < dialect.header_row - 1 or not line.strip():
            continue
        cells, used = _cells(lines, number, dialect)
        if cells is None or "\0" in line:
            raise UnreadableFileError("its header can't be read (unbalanced quotes or NUL bytes)")
        if len(cells) > MAX_COLUMNS:
            raise UnreadableFileError(
                f"its header has {len(cells):,} columns, more than {MAX_COLUMNS:,}; that is no feed"
            )
        taken = sum(len(each.encode()) for each in lines[: number + used])
        return tuple(cell.strip() for cell in cells), taken
    raise UnreadableFileError("it has no header")


def _blocks_of_rows(path: Path, dialect: Dialect, header_bytes: int) -> Iterator[bytes]:
    to_skip = header_bytes
    unwanted = re.compile(rf"(?m)^(?:{dialect.skip_lines})[^\n]*\n?".encode()) if dialect.skip_lines else None
    for block in _line_blocks(path, dialect):
        rest, to_skip = block[to_skip:], max(0, to_skip - len(block))
        if unwanted is not None:
            rest = unwanted.sub(b"", rest)
        if rest:
            yield rest


def _chunks(
    path: Path, dialect: Dialect, header: tuple[str, ...], header_bytes: int, wanted: tuple[str, ...]
) -> Iterator[Callable[[], Chunk]]:
    for part in _parts(path, dialect, header, header_bytes):
        if isinstance(part, bytes):
            yield partial(_split_by_arrow, part, dialect, header, wanted)
        else:
            yield partial(_chunk_of_records, part, header, wanted)


def _count_rows(path: Path, dialect: Dialect, header: tuple[str, ...], header_bytes: int) -> int:
    parts = _parts(path, dialect, header, header_bytes)
    return sum(_line_count(part) if isinstance(part, bytes) else len(part) for part in parts)


def _parts(
    path: Path, dialect: Dialect, header: tuple[str, ...], header_bytes: int
) -> Iterator[bytes | list[Cells | BrokenRow]]:
    """Blocks with one record per line as bytes, all others as records; an open quoted cell is carried over."""
    carried = b""
    for block in _blocks_of_rows(path, dialect, header_bytes):
        data = carried + block
        carried = b""
        if _one_record_per_line(data, dialect):
            yield data
            continue
        lines = _lines(data)
        parsed = _records(lines, dialect, len(header), final=False)
        carried = "".join(lines[parsed.lines_used :]).encode()
        yield parsed.records
    if carried:
        yield _records(_lines(carried), dialect, len(header), final=True).records


def _one_record_per_line(data: bytes, dialect: Dialect) -> bool:
    """True when every line is one record and every quote opens or closes a cell or is doubled inside one."""
    if b"\0" in data or data[:1] in (b"\n", b"\r"):
        return False
    # NumPy sees blank lines in a sixth of the time that `bytes` takes, and lets another thread work meanwhile.
    signs = np.frombuffer(data, np.uint8)
    line_ends = blank_lines = signs == _LINE_FEED
    if b"\r" in data:
        returns = signs == _CARRIAGE_RETURN
        if returns[-1] or (returns[:-1] & ~line_ends[1:]).any():
            return False
        blank_lines = line_ends | returns
    if (line_ends[:-1] & blank_lines[1:]).any():
        return False
    return dialect.quote.encode() not in data or _quotes_in_place(signs, line_ends, dialect)


def _quotes_in_place(signs: npt.NDArray[np.uint8], line_ends: npt.NDArray[np.bool_], dialect: Dialect) -> bool:
    quotes = np.flatnonzero(signs == ord(dialect.quote))
    opened, closed = quotes[::2], quotes[1::2]
    if len(opened) != len(closed) or (np.searchsorted(quotes, np.flatnonzero(line_ends)) % 2).any():
        return False
    neighbours = np.zeros(256, np.bool_)
    neighbours[[ord(sign) for sign in f"\n\r{dialect.delimiter}{dialect.quote}"]] = True
    before_open, after_close = opened - 1, closed + 1
    opened_well = neighbours[signs[before_open[before_open >= 0]]]
    closed_well = neighbours[signs[after_close[after_close < len(signs)]]]
    return bool(opened_well.all() and closed_well.all())


def _line_ends(data: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LINE_FEED))


def _line_count(data: bytes) -> int:
    return _line_ends(data) + (not data.endswith(b"\n"))


def _split_by_arrow(data: bytes, dialect: Dialect, header: tuple[str, ...], wanted: tuple[str, ...]) -> Chunk:
    """One record per line: ragged lines are set aside by Arrow, which tells their number."""
    broken: list[BrokenRow] = []

    def set_aside(row: arrow_csv.InvalidRow) -> str:
        broken.append(BrokenRow(row.number, _ragged(row.actual_columns, row.expected_columns)))
        return "skip"

    positions = [header.index(name) for name in wanted]
    names = [f"c{position}" for position in range(len(header))]
    parse_options = arrow_csv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char=dialect.quote if dialect.quote.encode() in data else False,
        invalid_row_handler=set_aside,
    )
    convert_options = arrow_csv.ConvertOptions(
        check_utf8=False,
        column_types={names[position]: TEXT_DICTIONARY for position in positions},
        include_columns=[names[position] for position in positions],
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    read_options = arrow_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names)
    try:
        table = arrow_csv.read_csv(pa.BufferReader(data), read_options, parse_options, convert_options)
    except pa.ArrowInvalid:  # its text quotes the line; the exact parser sets that line aside without it
        table = None
    total = _line_count(data)
    if table is None or table.num_rows + len(broken) != total:
        return _chunk_of_records(_records(_lines(data), dialect, len(header), final=True).records, header, wanted)
    columns = {
        name: table.column(names[position]).combine_chunks() for name, position in zip(wanted, positions, strict=True)
    }
    return Chunk(columns, _rows_left(total, broken), tuple(broken), total)


def _chunk_of_records(records: Sequence[Cells | BrokenRow], header: tuple[str, ...], wanted: tuple[str, ...]) -> Chunk:
    broken = tuple(
        BrokenRow(number, record.reason) for number, record in enumerate(records, 1) if isinstance(record, BrokenRow)
    )
    whole = [record for record in records if not isinstance(record, BrokenRow)]
    columns = {
        name: text_column([cells[position] or None for cells in whole])
        for name, position in ((name, header.index(name)) for name in wanted)
    }
    return Chunk(columns, _rows_left(len(records), broken), broken, len(records))


def _rows_left(total: int, broken: Sequence[BrokenRow]) -> npt.NDArray[np.int64]:
    rows = np.arange(1, total + 1, dtype=np.int64)
    return np.delete(rows, [row.row - 1 for row in broken]) if broken else rows


def _lines(data: bytes) -> list[str]:
    return list(io.StringIO(data.decode(), newline=""))


def _records(lines: Sequence[str], dialect: Dialect, width: int, *, final: bool) -> _Parsed:
    """Splits record by record. A quote that opens and never fits is the fault of its own line alone.

    Unless `final`, a record still open when the lines end (and short enough to be one) is left for the next block.
    """
    records: list[Cells | BrokenRow] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip("\r\n"):
            at += 1
            continue
        cells, used = _cells(lines, at, dialect)
        if cells is None and not final and len(lines) - at < _MAX_RECORD_LINES and used == len(lines) - at:
            break
        records.append(_judged(cells, used, width, lines[at]))
        at += used if cells is not None and len(cells) == width else 1
    return _Parsed(records, at)


def _judged(cells: Cells | None, used: int, width: int, line: str) -> Cells | BrokenRow:
    if "\0" in line:
        return BrokenRow(0, NUL_BYTE)
    if cells is None and len(line) > csv.field_size_limit():
        return BrokenRow(0, "broken line: cell too long")
    if cells is None or (used > 1 and len(cells) != width):
        return BrokenRow(0, "broken line: unbalanced quote")
    if len(cells) != width:
        return BrokenRow(0, _ragged(len(cells), width))
    if any("\0" in cell for cell in cells):
        return BrokenRow(0, NUL_BYTE)
    return cells


def _cells(lines: Sequence[str], start: int, dialect: Dialect) -> tuple[Cells | None, int]:
    """The record that begins on line `start` and the lines it spans; None when its quotes don't close."""
    taken = 0

    def feed() -> Iterator[str]:
        nonlocal taken
        for line in lines[start : start + _MAX_RECORD_LINES]:
            taken += 1
            yield line

    reader = csv.reader(feed(), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
    try:
        return next(reader), taken
    except (csv.Error, StopIteration):
        return None, taken


def _ragged(found: int, expected: int) -> str:
    return f"broken line: {found} cells instead of {expected}"
