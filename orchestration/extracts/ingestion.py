"""One feed of one extract into the lake: every row of every file accepted or rejected, pseudonymised, written once."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.extracts.columns import (
    constant_column,
    empty_column,
    map_distinct,
    missing,
    rows_where,
    stripped,
    with_dictionary,
)
from orchestration.extracts.delivery import (
    Delivery,
    ExtractFolder,
    SourceFile,
    check_header,
    open_source,
    read_delivery,
    refused_file,
)
from orchestration.extracts.delivery import file_sha256 as sha256_of
from orchestration.extracts.duplicates import conflicting_rows
from orchestration.extracts.feeds import DELETED, FEEDS, Column, Feed, Kind, Verb
from orchestration.extracts.identifiers import MASK, KnownIdentifiers
from orchestration.extracts.lake import REJECTED_SCHEMA, Lake, LedgerRow, delivery_of, notes_text
from orchestration.extracts.profiles import SourceProfile
from orchestration.extracts.pseudonymise import Pseudonymiser
from orchestration.extracts.readers import Chunk, SourceTable, UnreadableFileError
from orchestration.extracts.readers.base import MAX_CELL_BYTES

_WORKERS = 2
_NOTED_ROWS = 100
_SHOWN = 1_000
_LOOKALIKE = 0.75
_YEAR = r"^.*?(\d{4}).*$"
_CONTRADICTION = "duplicate key with different contents"
_WITHHELD = json.dumps({"withheld": "the cells of a broken line can't be attributed, so they may hold identifiers"})
_TRUTHS = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}


@dataclass(frozen=True)
class FileIngestion:
    """What became of one file: `accepted` + `rejected` = `rows`."""

    file: str
    rows: int
    accepted: int
    rejected: int
    sha256: str
    already_in_lake: bool
    lake_file: str
    masked_cells: int = 0
    notes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class FeedIngestion:
    """What became of one feed of one extract; no files when the extract has none for the feed."""

    feed: str
    extract: str
    mode: str
    files: tuple[FileIngestion, ...] = ()

    @property
    def rows(self) -> int:
        """Source rows of all files."""
        return sum(each.rows for each in self.files)

    @property
    def accepted(self) -> int:
        """Rows in the lake."""
        return sum(each.accepted for each in self.files)

    @property
    def rejected(self) -> int:
        """Rows set aside, each with its reason."""
        return sum(each.rejected for each in self.files)


@dataclass(frozen=True)
class _Load:
    """Everything that one file's load is about."""

    delivery: Delivery
    source: SourceFile
    profile: SourceProfile
    pseudonymiser: Pseudonymiser
    known: KnownIdentifiers
    lake: Lake
    sha256: str

    @property
    def feed(self) -> Feed:
        return self.source.table.target

    @property
    def extract(self) -> str:
        return self.delivery.extract.name

    @property
    def load_id(self) -> str:
        """Same content, profile and key: same load."""
        parts = (self.sha256, self.profile.sha256, self.pseudonymiser.key_id, self.feed.name)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def stem(self) -> str:
        return self.known.mask(self.source.stem).replace(MASK, "masked")

    @property
    def file_name(self) -> str:
        return self.known.mask(self.source.path.name).replace(MASK, "masked")


@dataclass(frozen=True)
class _Shaped:
    """A chunk after pseudonymisation: accepted rows as a lake table (source_row within the chunk) and rejected ones."""

    accepted: pa.Table
    rejected: tuple[tuple[int, str, str], ...]
    total: int
    masked: tuple[tuple[str, int], ...] = ()
    identities: Mapping[str, str] = field(default_factory=dict)


def ingest_feed(
    extract: ExtractFolder,
    feed: str,
    *,
    profile: SourceProfile,
    pseudonymiser: Pseudonymiser,
    lake: Lake,
) -> FeedIngestion:
    """Brings one feed's files into the lake; what is there already (same content, profile, key) is not read again.

    Raises ExtractRefused when a file can't be read. A feed without files gives an empty result.
    """
    delivery = read_delivery(extract, profile)
    sources = delivery.files.get(feed, ())
    if not sources:
        return FeedIngestion(feed, extract.name, delivery.mode)
    known = known_identifiers(delivery, pseudonymiser)
    loads = [_Load(delivery, source, profile, pseudonymiser, known, lake, sha256_of(source.path)) for source in sources]
    current = delivery_of(load.load_id for load in loads)
    before = {row.load_id: row for row in lake.ledger_rows(extract.name, feed)}
    newest = max(before.values(), key=lambda row: (row.loaded_at, row.load_id), default=None)
    done = [_from_ledger(before[load.load_id]) if load.load_id in before else _ingest(load, current) for load in loads]
    all_known = all(each.already_in_lake for each in done)
    if all_known and newest is not None and newest.delivery != current:
        again = replace(before[loads[-1].load_id], delivery=current, loaded_at=_now())
        lake.write_ledger_row(again, loads[-1].stem)
    return FeedIngestion(feed, extract.name, delivery.mode, tuple(done))


def known_identifiers(delivery: Delivery, pseudonymiser: Pseudonymiser) -> KnownIdentifiers:
    """The identifiers that the extract's patients files hold; read once per delivery and pseudonymiser."""
    sources = delivery.files.get("patients", ())
    fingerprint = "\n".join(f"{each.path}:{sha256_of(each.path)}" for each in sources)
    return pseudonymiser.remembered(fingerprint, lambda: _read_identifiers(delivery.extract, sources))


def _read_identifiers(extract: ExtractFolder, sources: Sequence[SourceFile]) -> KnownIdentifiers:
    names = [c.name for c in FEEDS["patients"].columns if c.verb in {Verb.REMOVE, Verb.PSEUDONYMISE}]
    found: set[str] = set()
    for source in sources:
        try:
            table = open_source(source)
            wanted = tuple(name for name in names if name in table.header)
            for build in table.chunks(wanted):
                for column in build().columns.values():
                    found.update(text for text in column.dictionary.to_pylist() if text)
        except UnreadableFileError as problem:
            raise refused_file(extract, source, problem) from None
    return KnownIdentifiers(found)


def _from_ledger(row: LedgerRow) -> FileIngestion:
    return FileIngestion(
        file=row.file,
        rows=row.rows,
        accepted=row.accepted,
        rejected=row.rejected,
        sha256=row.sha256,
        already_in_lake=True,
        lake_file=row.lake_file,
        masked_cells=row.masked_cells,
        notes=tuple(json.loads(row.notes)),
    )


def _ingest(load: _Load, current: str) -> FileIngestion:
    try:
        table = open_source(load.source)
        check_header(load.source, table.header)
        return _load_table(load, table, current)
    except UnreadableFileError as problem:
        raise refused_file(load.delivery.extract, load.source, problem) from None


def _load_table(load: _Load, table: SourceTable, current: str) -> FileIngestion:
    lake_file = load.lake.raw_file(load.feed.name, load.extract, load.stem, load.load_id)
    with load.lake.writing(lake_file) as temporary:
        written = _write_rows(load, table, temporary)
        conflicts = conflicting_rows(temporary, load.feed, written.identity_conflicts)
        rejected = [*written.rejected, *_set_aside(temporary, conflicts)]
    total, accepted = written.total, written.total - len(rejected)
    rejected_file = _write_rejected(load, sorted(rejected))
    notes = _notes(load, table.header, written.masked)
    row = LedgerRow(
        feed=load.feed.name,
        extract=load.extract,
        file=load.file_name,
        mode=load.delivery.mode,
        source_system=load.delivery.source_system,
        rows=total,
        accepted=accepted,
        rejected=len(rejected),
        sha256=load.sha256,
        loaded_at=_now(),
        profile=load.profile.name,
        profile_sha256=load.profile.sha256,
        key_id=load.pseudonymiser.key_id,
        lake_file=load.lake.relative(lake_file),
        rejected_file=rejected_file,
        load_id=load.load_id,
        delivery=current,
        masked_cells=len(written.masked),
        notes=notes_text(notes),
    )
    load.lake.write_ledger_row(row, load.stem)
    return replace(_from_ledger(row), already_in_lake=False)


@dataclass
class _Written:
    total: int = 0
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    masked: list[tuple[str, int]] = field(default_factory=list)
    identities: dict[str, str] = field(default_factory=dict)
    identity_conflicts: set[str] = field(default_factory=set)

    def add(self, shaped: _Shaped) -> pa.Table:
        """Counts the chunk in and returns its accepted rows numbered within the file."""
        offset, self.total = self.total, self.total + shaped.total
        self.rejected += [(row + offset, reason, content) for row, reason, content in shaped.rejected]
        self.masked += [(column, row + offset) for column, row in shaped.masked]
        for patient, identity in shaped.identities.items():
            if not identity or self.identities.setdefault(patient, identity) != identity:
                self.identity_conflicts.add(patient)
        position = shaped.accepted.schema.get_field_index("source_row")
        numbered = pc.add(shaped.accepted.column(position), offset)
        return shaped.accepted.set_column(position, "source_row", numbered)


def _write_rows(load: _Load, table: SourceTable, target: Path) -> _Written:
    written = _Written()
    wanted = tuple(c.name for c in (*load.feed.columns, DELETED) if c.name in table.header)
    schema = lake_schema(load.feed)
    with _parquet_writer(target, schema) as writer:
        for shaped in _side_by_side(table.chunks(wanted), lambda chunk: _shape(load, chunk)):
            numbered = written.add(shaped)
            if numbered.num_rows:
                writer.write_table(numbered)
    return written


def lake_schema(feed: Feed) -> pa.Schema:
    """The columns of a lake file of that feed: all text but `source_row`."""
    names = [*(c.lake_name for c in feed.lake_columns), DELETED.name, "source_extract", "source_file"]
    return pa.schema([*((name, pa.dictionary(pa.int32(), pa.string())) for name in names), ("source_row", pa.int64())])


def _parquet_writer(target: Path, schema: pa.Schema) -> pq.ParquetWriter:
    texts = [name for name in schema.names if name != "source_row"]
    return pq.ParquetWriter(
        target,
        schema,
        compression="zstd",
        use_dictionary=texts,
        column_encoding={"source_row": "DELTA_BINARY_PACKED"},
        store_schema=False,
    )


def _side_by_side(builds: Iterable[Callable[[], Chunk]], shape: Callable[[Chunk], _Shaped]) -> Iterator[_Shaped]:
    """Builds and shapes a few chunks at a time, in order."""
    waiting: deque[Future[_Shaped]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for build in builds:
            waiting.append(pool.submit(_built, build, shape))
            if len(waiting) > _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _built(build: Callable[[], Chunk], shape: Callable[[Chunk], _Shaped]) -> _Shaped:
    return shape(build())


def _shape(load: _Load, chunk: Chunk) -> _Shaped:
    """Strips, masks, pseudonymises and judges the rows of one chunk."""
    count = len(chunk.rows)
    source = {name: map_distinct(column, stripped) for name, column in chunk.columns.items()}
    faults = _faults(load, source, count)
    columns: dict[str, pa.DictionaryArray] = {}
    masked: list[tuple[str, int]] = []
    for column in (*load.feed.lake_columns, DELETED):
        shaped, hit = _apply(load, column, source.get(column.name, empty_column(count)))
        columns[column.lake_name] = shaped
        masked += [(column.name, int(row)) for row in chunk.rows[hit]]
    columns["source_extract"] = constant_column(load.extract, count)
    columns["source_file"] = constant_column(load.file_name, count)
    table = pa.table({**columns, "source_row": pa.array(chunk.rows)}, schema=lake_schema(load.feed))
    rejected = np.zeros(count, np.bool_)
    for _, rows in faults:
        rejected |= rows
    broken = [(row.row, row.reason, _WITHHELD) for row in chunk.broken]
    return _Shaped(
        accepted=table.filter(pa.array(~rejected)) if rejected.any() else table,
        rejected=(*_rejected_rows(table, rejected, faults), *broken),
        total=chunk.total,
        masked=tuple(masked),
        identities=_identities(load, source),
    )


def _faults(
    load: _Load, source: Mapping[str, pa.DictionaryArray], count: int
) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Reasons why rows can't be used, each with the rows it hits; an earlier reason goes before a later one."""
    faults: list[tuple[str, npt.NDArray[np.bool_]]] = []
    for name, column in source.items():
        too_long = pc.greater(pc.binary_length(column.dictionary), MAX_CELL_BYTES)
        faults.append((f"cell too long in column {name}", rows_where(column, _marks(too_long))))
    for column in load.feed.key_columns:
        cells = source.get(column.name)
        absent = missing(cells) if cells is not None else np.ones(count, np.bool_)
        faults.append((f"no key: {column.name} is empty", absent))
    deleted = source.get(DELETED.name)
    if deleted is not None:
        known = pc.is_in(pc.utf8_lower(deleted.dictionary), pa.array(list(_TRUTHS)))
        faults.append(("deleted is neither true nor false", rows_where(deleted, ~_marks(known))))
    return [(reason, rows) for reason, rows in faults if rows.any()]


def _marks(values: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    marks: npt.NDArray[np.bool_] = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return marks


def _apply(load: _Load, column: Column, cells: pa.DictionaryArray) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """The column after its verb, and the rows in which an identifier was masked."""
    nothing = np.zeros(len(cells), np.bool_)
    verb = Verb.KEEP if column is DELETED else load.profile.verb(load.feed.name, column.name)
    if verb is Verb.DROP:
        return empty_column(len(cells)), nothing
    if verb is Verb.PSEUDONYMISE:
        hashed = pa.array(
            [load.pseudonymiser.keyed_hash(column.hash_kind, text) for text in cells.dictionary.to_pylist()]
        )
        return with_dictionary(cells, hashed.cast(pa.string())), nothing
    texts = load.known.scrub_column(cells.dictionary, column.kind)
    hit = nothing
    if texts is not cells.dictionary:
        hit = rows_where(cells, _marks(pc.not_equal(texts, cells.dictionary)))
    if verb is Verb.YEAR:
        texts = pc.replace_substring_regex(texts, _YEAR, r"\1")
    if column.kind is Kind.BOOLEAN:
        texts = pa.array([_TRUTHS.get(text.casefold(), text) for text in texts.to_pylist()], pa.string())
    return with_dictionary(cells, texts), hit


def _rejected_rows(
    table: pa.Table, rejected: npt.NDArray[np.bool_], faults: Sequence[tuple[str, npt.NDArray[np.bool_]]]
) -> list[tuple[int, str, str]]:
    positions = np.flatnonzero(rejected)
    if not len(positions):
        return []
    return [
        (int(record["source_row"]), next(reason for reason, rows in faults if rows[at]), _content(record))
        for at, record in zip(positions, table.take(pa.array(positions)).to_pylist(), strict=True)
    ]


def _content(record: Mapping[str, Any]) -> str:
    """A pseudonymised row as JSON text; a cell too long to be one is cut."""
    own = {name: value for name, value in record.items() if not name.startswith("source_")}
    cut = {name: value[:_SHOWN] if isinstance(value, str) else value for name, value in own.items()}
    return json.dumps(cut, ensure_ascii=False)


def _identities(load: _Load, source: Mapping[str, pa.DictionaryArray]) -> dict[str, str]:
    """For `patients` only: who each row says the patient is, as a hash; empty where one id stands for two people."""
    removed = [c.name for c in load.feed.columns if c.verb is Verb.REMOVE and c.name in source]
    if not removed or "patient_id" not in source:
        return {}
    found: dict[str, str] = {}
    cells = [source[name].to_pylist() for name in removed]
    for patient, *person in zip(source["patient_id"].to_pylist(), *cells, strict=True):
        if patient is not None:
            key = load.pseudonymiser.patient_key(patient)
            identity = load.pseudonymiser.keyed_hash("identity", json.dumps(person))
            found[key] = identity if found.get(key, identity) == identity else ""
    return found


def _set_aside(lake_file: Path, conflicts: npt.NDArray[np.int64]) -> list[tuple[int, str, str]]:
    """Takes the conflicting rows out of a lake file that is still being written, and returns them as rejected."""
    if not len(conflicts):
        return []
    unwanted = pa.array(conflicts)
    set_aside: list[tuple[int, str, str]] = []
    kept = lake_file.with_suffix(".kept")
    with pq.ParquetFile(lake_file) as opened:
        schema = opened.schema_arrow
        with _parquet_writer(kept, schema) as writer:
            for group in range(opened.num_row_groups):
                table = opened.read_row_group(group)
                hit = pc.is_in(table.column("source_row"), unwanted)
                writer.write_table(table.filter(pc.invert(hit)))
                for record in table.filter(hit).to_pylist():
                    set_aside.append((record["source_row"], _CONTRADICTION, _content(record)))
    kept.chmod(lake_file.stat().st_mode)
    kept.replace(lake_file)
    return set_aside


def _write_rejected(load: _Load, rejected: Sequence[tuple[int, str, str]]) -> str | None:
    if not rejected:
        return None
    target = load.lake.rejected_file(load.feed.name, load.extract, load.stem, load.load_id)
    count = len(rejected)
    table = pa.table(
        [
            pa.array([load.feed.name] * count),
            pa.array([load.extract] * count),
            pa.array([load.file_name] * count),
            pa.array([row for row, _, _ in rejected], pa.int64()),
            pa.array([reason for _, reason, _ in rejected]),
            pa.array([content for _, _, content in rejected]),
        ],
        schema=REJECTED_SCHEMA,
    )
    with load.lake.writing(target) as temporary:
        pq.write_table(table, temporary, compression="zstd", store_schema=False)
    return load.lake.relative(target)


def _notes(load: _Load, header: Sequence[str], masked: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """What a person should know of the file: columns kept out, contract columns absent, cells masked."""
    contract = [c.name for c in load.feed.columns]
    absent = [name for name in contract if name not in header]
    notes: list[dict[str, Any]] = []
    for name in header:
        if name in contract or name == DELETED.name:
            continue
        note: dict[str, Any] = {"note": "unknown column kept out", "column": load.known.mask(name)[:_SHOWN]}
        near = get_close_matches(name.casefold(), absent, 1, _LOOKALIKE)
        notes.append({**note, "nearest": near[0]} if near else note)
    notes += [{"note": "column absent", "column": name} for name in absent]
    notes += [{"note": "identifier masked", "column": column, "row": row} for column, row in masked[:_NOTED_ROWS]]
    return notes


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
