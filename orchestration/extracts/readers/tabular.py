"""Parquet, JSON Lines and Excel: typed values become the text a person would have written in a CSV."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from python_calamine import load_workbook

from orchestration.extracts.columns import rows_where, text_column
from orchestration.extracts.readers.base import (
    MAX_COLUMNS,
    MAX_LINE,
    NUL_BYTE,
    BrokenRow,
    Chunk,
    SourceTable,
    UnreadableFileError,
    no_line_end,
    refuse_nested,
)
from orchestration.extracts.readers.workbook import survey

_PARQUET_ROWS = 250_000
_JSON_ROWS = 20_000
_BOMB_BYTES = 1 << 30
_BOMB_RATIO = 500
_EXACT_FLOAT = 2**53
_EVERY = "*"
_NO_DATE = " [no date]"

JsonRow = dict[str, str | None] | BrokenRow


def open_parquet(path: Path) -> SourceTable:
    """Reads the footer; UnreadableFileError when it is no Parquet file."""
    try:
        with pq.ParquetFile(path) as opened:
            schema, rows = opened.schema_arrow, opened.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError):
        raise UnreadableFileError("it is not a Parquet file, or is cut short; have it delivered again") from None
    if len(schema.names) > MAX_COLUMNS:
        raise UnreadableFileError(f"it has {len(schema.names):,} columns, more than {MAX_COLUMNS:,}; that is no feed")
    nested = frozenset(field.name for field in schema if pa.types.is_nested(field.type))
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    return SourceTable(
        header=tuple(schema.names),
        chunks=partial(_parquet_chunks, path, texts, nested),
        count_rows=partial(_count_parquet, path, texts, rows),
        nested=nested,
    )


def _count_parquet(path: Path, texts: Sequence[str], rows: int) -> int:
    """The footer's count, once every page has been read: a damaged one must not be found when half is in the lake."""
    found = sum(batch.num_rows for batch in _parquet_batches(path, texts, None))
    if found != rows:
        raise UnreadableFileError(f"the Parquet file says {rows} rows and holds {found}; have it delivered again")
    return rows


def _parquet_batches(path: Path, texts: Sequence[str], wanted: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, read_dictionary=list(texts)) as opened:
        try:
            for batch in opened.iter_batches(_PARQUET_ROWS, columns=None if wanted is None else list(wanted)):
                batch.validate(full=True)
                yield batch
        except (pa.ArrowException, OSError):
            raise UnreadableFileError("the Parquet file is damaged; have it delivered again") from None


def _parquet_chunks(
    path: Path, texts: Sequence[str], nested: frozenset[str], wanted: tuple[str, ...]
) -> Iterator[Callable[[], Chunk]]:
    refuse_nested(nested, wanted)
    for batch in _parquet_batches(path, texts, wanted):
        yield partial(_parquet_chunk, batch, wanted)


def _parquet_chunk(batch: pa.RecordBatch, wanted: tuple[str, ...]) -> Chunk:
    columns = {name: _as_text(batch.column(name)) for name in wanted}
    rows = np.arange(1, batch.num_rows + 1, dtype=np.int64)
    with_nul = np.zeros(batch.num_rows, np.bool_)
    for column in columns.values():
        if _may_hold_nul(column.dictionary):
            marks = pc.match_substring(column.dictionary, "\0").to_numpy(zero_copy_only=False)
            with_nul |= rows_where(column, marks.astype(np.bool_))
    if not with_nul.any():
        return Chunk(columns, rows, (), batch.num_rows)
    broken = tuple(BrokenRow(int(row), NUL_BYTE) for row in rows[with_nul])
    sound = pa.array(~with_nul)
    return Chunk({name: column.filter(sound) for name, column in columns.items()}, rows[~with_nul], broken, len(rows))


def _may_hold_nul(texts: pa.StringArray) -> bool:
    """True where the texts' bytes hold a zero; a look at each text takes ten times as long."""
    written = texts.buffers()[2]
    return bool(written) and not np.frombuffer(written, np.uint8).all()


def _as_text(values: pa.Array) -> pa.DictionaryArray:
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    if len(encoded.dictionary) > len(encoded):
        # A batch brings the texts of its whole row group so far: a column of ids would be hashed again and again.
        encoded = encoded.dictionary_decode().dictionary_encode()
    kind = encoded.dictionary.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
        texts = encoded.dictionary.cast(pa.string())
    else:
        texts = _texts_of_typed(encoded.dictionary)
    again = texts.dictionary_encode()
    if len(again.dictionary) == len(texts):
        return pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int32()), texts)
    return pa.DictionaryArray.from_arrays(again.indices.take(encoded.indices.cast(pa.int32())), again.dictionary)


def _texts_of_typed(values: pa.Array) -> pa.StringArray:
    try:
        return pa.array([_text(value) for value in values.to_pylist()], pa.string())
    except (OverflowError, ValueError):
        return pa.array([_text_beyond_python(value) for value in values], pa.string())


def _text_beyond_python(value: pa.Scalar) -> str | None:
    """A date that no calendar of ours has is kept as the number that it is stored as."""
    try:
        return _text(value.as_py())
    except (OverflowError, ValueError):
        return f"{value.value} ({value.type}){_NO_DATE}"


def _text(value: Any) -> str | None:
    """A typed value as text: whole floats without `.0`, times as ISO 8601, midnight of an untimed cell as a date."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT_FLOAT else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def open_jsonl(path: Path, *, flatten: bool = False) -> SourceTable:
    """One JSON object per line; the header is every key met in the file, in order of first appearance.

    With `flatten`, what is nested has a dotted name (`code.coding.0.code`); the header is what the first record holds
    (there are too many to collect), and any name may be asked for. Without it a nested value that is asked for breaks
    its line.
    """
    if flatten:
        first = next((line for lines in _json_lines(path) for line in lines), "{}")
        record = _json_record(first)
        names = dict.fromkeys(_names(record)) if isinstance(record, dict) else {}
        return SourceTable(tuple(names), partial(_nested_chunks, path), partial(_count_json, path))
    keys: dict[str, None] = {}
    broken: BrokenRow | None = None
    for lines in _json_lines(path):
        for record in map(_flat_record, lines):
            if isinstance(record, dict):
                keys.update(dict.fromkeys(record))
            else:
                broken = broken or record
        if len(keys) > MAX_COLUMNS:
            raise UnreadableFileError(f"its objects have more than {MAX_COLUMNS:,} different keys; that is no feed")
    if not keys:
        why = f"the first: {broken.reason.removeprefix('broken line: ')}" if broken else "there is none"
        raise UnreadableFileError(f"none of its lines can be read as a JSON object ({why}); have it delivered again")
    return SourceTable(tuple(keys), partial(_flat_chunks, path), partial(_count_json, path))


def _count_json(path: Path) -> int:
    return sum(len(lines) for lines in _json_lines(path))


def _json_lines(path: Path) -> Iterator[list[str]]:
    with path.open("rb") as opened:
        if not opened.read(1):
            raise UnreadableFileError(
                "it is empty (0 bytes); deliver the feed as CSV with its header when it has no rows"
            )
    number = 0
    with path.open(encoding="utf-8-sig", newline="\n") as opened:
        try:
            while lines := _next_lines(opened):
                number += len(lines)
                yield [line for line in lines if line.strip()]
        except UnicodeDecodeError:
            raise UnreadableFileError(f"it is not UTF-8 text (after line {number})") from None


def _next_lines(opened: TextIO) -> list[str]:
    """So many lines, and not many more characters, that they are soon read and fit into memory."""
    lines: list[str] = []
    characters = 0
    while len(lines) < _JSON_ROWS and characters < MAX_LINE:
        line = opened.readline(MAX_LINE)
        if not line:
            break
        if len(line) == MAX_LINE and not line.endswith("\n"):
            raise no_line_end()
        lines.append(line)
        characters += len(line)
    return lines


def _json_record(line: str) -> dict[str, Any] | BrokenRow:
    if "\0" in line or "\\u0000" in line:
        return BrokenRow(0, NUL_BYTE)
    try:
        record = json.loads(line, object_pairs_hook=_distinct_keys, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return BrokenRow(0, "broken line: not a JSON object")
    return record if isinstance(record, dict) else BrokenRow(0, "broken line: not a JSON object")


def _flat_record(line: str, wanted: Sequence[str] = ()) -> JsonRow:
    """A record's texts; a nested value has none, and breaks the line where it is wanted."""
    record = _json_record(line)
    if isinstance(record, BrokenRow):
        return record
    named = {_clean(key.strip()) or "": value for key, value in record.items()}
    if any(isinstance(named.get(name), dict | list) for name in wanted):
        return BrokenRow(0, "broken line: nested value")
    return {name: None if isinstance(value, dict | list) else _scalar(value) for name, value in named.items()}


def _nested_record(line: str, wanted: Sequence[str]) -> JsonRow:
    """The wanted dotted names of a record: keys of objects; in lists an item's number, what it calls itself, or all."""
    record = _json_record(line)
    if isinstance(record, BrokenRow):
        return record
    return {name: _scalar(_at(record, name)) for name in wanted}


def _scalar(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else _text(value)


def _at(value: Any, name: str) -> Any:
    if not name:
        return None if isinstance(value, dict | list) else value
    head, _, rest = name.partition(".")
    if isinstance(value, dict) and head in value:
        return _at(value[head], rest)
    if isinstance(value, list) and head.isdigit():
        return _at(value[int(head)], rest) if int(head) < len(value) else None
    if isinstance(value, list) and head.startswith(_EVERY):
        own_name = head.removeprefix(_EVERY)
        items = [item for item in value if not own_name or own_name in _own_names(item)]
        return " ".join(text for text in (_scalar(_at(item, rest)) for item in items) if text) or None
    for own_name, part in _parts(value):
        if name == own_name or name.startswith(f"{own_name}."):
            found = _at(part, name[len(own_name) + 1 :])
            if found is not None:
                return found
    return None


def _names(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict | list):
        for own_name, part in _parts(value):
            yield from _names(part, f"{name}.{own_name}" if name else own_name)
    else:
        yield name


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield str(number), item
            for own_name in _own_names(item):
                yield own_name, item


def _own_names(item: Any) -> Iterator[str]:
    """What an item of a FHIR list calls itself: an extension's url, an identifier's system, a part's text or codes."""
    if not isinstance(item, dict):
        return
    code = item.get("code")
    names = [item.get("url"), item.get("system")]
    if isinstance(code, dict):
        codings = code.get("coding")
        names.append(code.get("text"))
        names += [each.get("code") for each in codings if isinstance(each, dict)] if isinstance(codings, list) else []
    yield from (each for each in names if isinstance(each, str))


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key twice")
    return record


def _flat_chunks(path: Path, wanted: tuple[str, ...]) -> Iterator[Callable[[], Chunk]]:
    for lines in _json_lines(path):
        yield partial(_chunk_of_objects, lines, partial(_flat_record, wanted=wanted), wanted)


def _nested_chunks(path: Path, wanted: tuple[str, ...]) -> Iterator[Callable[[], Chunk]]:
    for lines in _json_lines(path):
        yield partial(_chunk_of_objects, lines, partial(_nested_record, wanted=wanted), wanted)


def _chunk_of_objects(lines: Sequence[str], read: Callable[[str], JsonRow], wanted: tuple[str, ...]) -> Chunk:
    records = [read(line) for line in lines]
    broken = tuple(BrokenRow(at, row.reason) for at, row in enumerate(records, 1) if isinstance(row, BrokenRow))
    rows = np.array([at for at, row in enumerate(records, 1) if not isinstance(row, BrokenRow)], np.int64)
    whole = [row for row in records if not isinstance(row, BrokenRow)]
    columns = {name: text_column([_clean(row.get(name)) for row in whole]) for name in wanted}
    return Chunk(columns, rows, broken, len(records))


def _clean(value: str | None) -> str | None:
    return value.encode("utf-8", "replace").decode() if value else None


def open_excel(path: Path, sheet: str | None = None, header_row: int = 1) -> SourceTable:
    """The first sheet, or the one of that name; the first row from `header_row` on that isn't blank is the header."""
    _refuse_bombs(path)
    rows = _sheet_rows(path, sheet)
    filled = (at for at, row in enumerate(rows) if at >= header_row - 1 and any(_text(cell) for cell in row))
    start = next(filled, None)
    if start is None:
        raise UnreadableFileError("its sheet is empty and has no header")
    header = tuple((_text(cell) or "").strip() for cell in rows[start])
    width = max(at for at, name in enumerate(header, 1) if name)
    if width > MAX_COLUMNS:
        raise UnreadableFileError(f"its header has {width:,} columns, more than {MAX_COLUMNS:,}; that is no feed")
    texts = ([_text(cell) or None for cell in row] for row in rows[start + 1 :])
    body = [_row_of_sheet(row, width) for row in texts if any(row)]
    return SourceTable(header[:width], partial(_excel_chunks, header[:width], body), lambda: len(body))


def _row_of_sheet(cells: list[str | None], width: int) -> list[str | None] | BrokenRow:
    """The cells under the header; a row with something beyond its last name, or a NUL, is broken, as it is in a CSV."""
    if any("\0" in text for text in cells if text):
        return BrokenRow(0, NUL_BYTE)
    reach = max(at for at, text in enumerate(cells, 1) if text)
    return cells[:width] if reach <= width else BrokenRow(0, f"broken line: {reach} cells instead of {width}")


def _refuse_bombs(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            inflated = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, zlib.error):
        raise UnreadableFileError(
            "it is not an Excel workbook (.xlsx), or is cut short; have it delivered again"
        ) from None
    if inflated > _BOMB_BYTES or inflated > max(_BOMB_RATIO * path.stat().st_size, 1 << 26):
        raise UnreadableFileError("it inflates out of all proportion; that is no workbook")


def _sheet_rows(path: Path, sheet: str | None) -> list[list[Any]]:
    surveyed = survey(path, sheet)
    try:
        with load_workbook(str(path)) as workbook:
            names = workbook.sheet_names
            if sheet is not None and sheet not in names:
                raise UnreadableFileError(f"it has no sheet {sheet!r}")
            rows = workbook.get_sheet_by_name(sheet or names[0]).to_python(skip_empty_area=False)
    except UnreadableFileError:
        raise
    except Exception:  # whatever a damaged workbook makes of its reader, the file is what is at fault
        raise UnreadableFileError("it is not a readable Excel workbook; have it delivered again") from None
    for (row, column), text in surveyed.texts.items():
        rows += [[] for _ in range(row + 1 - len(rows))]
        rows[row] += [""] * (column + 1 - len(rows[row]))
        if not _text(rows[row][column]):
            rows[row][column] = text
    return rows


def _excel_chunks(
    header: tuple[str, ...], body: Sequence[list[str | None] | BrokenRow], wanted: tuple[str, ...]
) -> Iterator[Callable[[], Chunk]]:
    def build() -> Chunk:
        broken = tuple(BrokenRow(at, row.reason) for at, row in enumerate(body, 1) if isinstance(row, BrokenRow))
        rows = np.array([at for at, row in enumerate(body, 1) if not isinstance(row, BrokenRow)], np.int64)
        whole = [row for row in body if not isinstance(row, BrokenRow)]
        columns = {name: text_column([_cell(row, header.index(name)) for row in whole]) for name in wanted}
        return Chunk(columns, rows, broken, len(body))

    yield build


def _cell(row: Sequence[str | None], position: int) -> str | None:
    return row[position] if position < len(row) else None
