"""A published file of last night as tonight's: the changed patients' rows in the place of their old ones.

Files by patient lie in the order of the patients' keys. So nothing is sorted or derived anew: the rows between two
changed patients go from the old file into the new one as they are. Texts stay numbers of a dictionary on the way, so
that this costs little more than writing the file. The same rows give the same bytes as if the file were written whole.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.exports import ROW_GROUP_ROWS


class SplicingError(Exception):
    """Two files that can't become one: other columns, or rows that don't lie in the patients' order."""


def splice_parquet(before: Path, changed: Path, patients: Sequence[str], key: str, target: Path) -> int:
    """Write a Parquet file of which the changed patients' rows are those of `changed`; return its number of rows.

    Args:
        before: the whole file before, in the order of `key`.
        changed: rows of the changed patients alone, in the order in which they are to lie.
        patients: their keys in order; who has no row in `changed` has none in the end.
        key: column of the patient's key.
        target: file to write, replaced where it exists.

    Raises:
        SplicingError: the files don't fit together; `target` may hold anything.
    """
    texts = _repeating_texts(before)
    old, new = (pq.ParquetFile(path, read_dictionary=texts) for path in (before, changed))
    if not old.schema.equals(new.schema):
        raise SplicingError(f"{before.name} has other columns than tonight")
    rows = _by_patient(new.read().combine_chunks().to_batches(), key)
    if unexpected := rows.keys() - set(patients):
        raise SplicingError(f"{changed.name} holds rows of {len(unexpected)} patients who are not among the changed")
    pieces = _spliced(old.iter_batches(ROW_GROUP_ROWS, use_threads=False), rows, deque(patients), key)
    batches = _of_equal_size(pieces)
    # In the order in which the whole file is given them: by name. The bytes depend on it.
    noted = sorted((name.decode(), text.decode()) for name, text in (old.metadata.metadata or {}).items())
    metadata = ", ".join(f"{_literal(name)}: {_literal(text)}" for name, text in noted)
    with duckdb.connect() as connection:
        connection.execute("set threads = 2")
        connection.register("spliced", pa.RecordBatchReader.from_batches(old.schema_arrow, batches))
        connection.execute(
            f"copy (select * from spliced) to {_literal(str(target))} (format parquet, compression zstd, "  # noqa: S608
            f"row_group_size {ROW_GROUP_ROWS}{f', kv_metadata {{{metadata}}}' if metadata else ''})"
        )
    with pq.ParquetFile(target) as written:
        if not written.schema.equals(old.schema):
            raise SplicingError(f"{before.name} holds a type that does not come back from Arrow as it went")
        return int(written.metadata.num_rows)


def _repeating_texts(path: Path) -> list[str]:
    """The columns of text that the file keeps as a dictionary, because their texts repeat."""
    metadata = pq.read_metadata(path)
    if not metadata.num_row_groups:
        return []
    chunks = [metadata.row_group(0).column(place) for place in range(metadata.num_columns)]
    texts = {field.name for field in metadata.schema.to_arrow_schema() if field.type == pa.string()}
    return [
        chunk.path_in_schema
        for chunk in chunks
        if chunk.path_in_schema in texts and any("DICTIONARY" in encoding for encoding in chunk.encodings)
    ]


def _by_patient(batches: Iterable[pa.RecordBatch], key: str) -> dict[str, list[pa.RecordBatch]]:
    rows: dict[str, list[pa.RecordBatch]] = {}
    for batch in batches:
        keys = batch.column(key).to_pylist()
        starts = [at for at in range(len(keys)) if at == 0 or keys[at] != keys[at - 1]]
        for start, end in pairwise([*starts, len(keys)]):
            rows.setdefault(keys[start], []).append(batch.slice(start, end - start))
    return rows


def _spliced(
    batches: Iterable[pa.RecordBatch], rows: Mapping[str, Sequence[pa.RecordBatch]], waiting: deque[str], key: str
) -> Iterator[pa.RecordBatch]:
    """Yield the old rows in pieces, with each waiting patient's new rows where the old ones lie or would lie."""
    replaced, before = "", ""
    for batch in (batch for batch in batches if batch.num_rows):
        keys = batch.column(key)
        first, last = keys[0].as_py(), keys[-1].as_py()
        if keys.null_count or first < before or last < first:
            raise SplicingError(f"the rows do not lie in the order of {key}")
        before, at = last, _end_of(keys, replaced, 0)  # of a patient whose rows began in the batch before
        while waiting and waiting[0] <= last:
            replaced = waiting.popleft()
            start = bisect_left(range(len(keys)), replaced, at, key=lambda place: keys[place].as_py())
            if start > at:
                yield batch.slice(at, start - at)
            yield from rows.get(replaced, ())
            at = _end_of(keys, replaced, start)
        if at < batch.num_rows:
            yield batch.slice(at)
    for patient in waiting:
        yield from rows.get(patient, ())


def _of_equal_size(pieces: Iterable[pa.RecordBatch], size: int = ROW_GROUP_ROWS) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches of this size, the last one shorter: as they come, so they are cut into row groups."""
    held: list[pa.RecordBatch] = []
    room = size
    for piece in pieces:
        at = 0
        while piece.num_rows - at >= room:
            yield _joined([*held, piece.slice(at, room)])
            at, held, room = at + room, [], size
        if at < piece.num_rows:
            held.append(piece.slice(at))
            room -= piece.num_rows - at
    if held:
        yield _joined(held)


def _joined(pieces: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    (batch,) = pa.Table.from_batches(pieces).unify_dictionaries().combine_chunks().to_batches()
    return batch


def _end_of(keys: pa.Array, patient: str, start: int) -> int:
    """The place after the patient's rows, which begin at `start` if there are any."""
    return bisect_right(range(len(keys)), patient, start, key=lambda place: keys[place].as_py())


def splice_lines(before: Path, changed: Path, patients: Sequence[str], target: Path) -> None:
    """Write a text file by patient, as `splice_parquet` does: a line's first cell, up to a tab, is the patient's key.

    Above the patients' lines stand lines that begin with `#` and one of names, alike in both files.

    Raises:
        SplicingError: what stands above the patients' lines differs.
    """
    with before.open("rb") as old_file, mmap.mmap(old_file.fileno(), 0, access=mmap.ACCESS_READ) as old:
        new = changed.read_bytes()
        body = _end_of_header(old)
        if old[:body] != new[: _end_of_header(new)]:
            raise SplicingError(f"{before.name} has other columns than tonight")
        rows: dict[bytes, list[bytes]] = {}
        for line in new[body:].splitlines(keepends=True):
            rows.setdefault(_cell(line), []).append(line)
        if unexpected := rows.keys() - {patient.encode() for patient in patients}:
            raise SplicingError(f"{changed.name} holds lines of {len(unexpected)} patients who are not changed")
        with target.open("wb") as written, memoryview(old) as view:
            at = 0
            for patient in (patient.encode() for patient in patients):
                start = _first_line(old, max(at, body), patient)
                written.write(view[at:start])
                written.writelines(rows.get(patient, ()))
                at = _first_line(old, start, patient + b"\xff")
            written.write(view[at:])


def _end_of_header(text: bytes | mmap.mmap) -> int:
    at = 0
    while text[at : at + 1] == b"#":
        at = text.find(b"\n", at) + 1
    return text.find(b"\n", at) + 1


def _cell(line: bytes) -> bytes:
    return line.partition(b"\t")[0].rstrip(b"\n")


def _first_line(text: mmap.mmap, start: int, patient: bytes) -> int:
    """Where the first line begins whose first cell is not before the patient's key; looked for by halves."""
    end = len(text)
    while start < end:
        middle = (start + end) // 2
        line = max(text.rfind(b"\n", start, middle) + 1, start)
        after = text.find(b"\n", middle) + 1 or len(text)
        if _cell(text[line:after]) < patient:
            start = after
        else:
            end = line
    return start


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
