"""One feed of one extract into the lake: every row of every file accepted or rejected, written once."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.extracts.delivery import (
    Delivery,
    ExtractFolder,
    SourceFile,
    are_small,
    discover_extracts,
    file_sha256,
    open_source,
    plain_stem,
    read_delivery,
    refused_file,
)
from orchestration.extracts.duplicates import repeated_keys
from orchestration.extracts.errors import ExtractError
from orchestration.extracts.feeds import DELETED, Verb
from orchestration.extracts.fingerprints import Fingerprints, read_fingerprints, remember
from orchestration.extracts.identifiers import MASK, KnownIdentifiers, may_be_an_id, telling_ids
from orchestration.extracts.lake import (
    REJECTED_SCHEMA,
    Lake,
    LedgerRow,
    delivery_of,
    lake_stem,
    lake_writer,
    notes_text,
)
from orchestration.extracts.lookups import lookup_digests, read_lookups
from orchestration.extracts.mapping import FeedRows, FillDown, TableMapping, table_mapping
from orchestration.extracts.patient_keys import PatientKeys
from orchestration.extracts.profiles import SourceProfile
from orchestration.extracts.pseudonymise import Pseudonymiser
from orchestration.extracts.readers import Chunk, SourceTable, UnreadableFileError
from orchestration.extracts.shaping import (
    MASKED,
    FileLoad,
    ShapedRows,
    lake_schema,
    rejected_table,
    shape_rows,
    withheld_rows,
)
from orchestration.extracts.vault import SeenIds, write_vault
from warehouse.side_by_side import AT_ONCE, side_by_side

_NOTED_ROWS = 100
_SHOWN = 200
_LOOKALIKE = 0.75
_NOBODY = KnownIdentifiers()
"""Who is known is read only where a file has to be: it takes as long as reading the files."""
_CONTRADICTION = "duplicate key with different contents"


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


def ingest_feed(
    extract: ExtractFolder,
    feed: str,
    *,
    profile: SourceProfile,
    pseudonymiser: Pseudonymiser,
    lake: Lake,
    delivery: Delivery | None = None,
) -> FeedIngestion:
    """Brings one feed's files into the lake; what is there already (same content, profile, key) is not read again.

    `delivery` is the extract's as `check_delivery` gave it, so that its folder is not sorted anew for every feed.

    Raises ExtractRefused when a file can't be read. A feed without files gives an empty result.
    """
    delivery = delivery or read_delivery(extract, profile)
    sources = delivery.files.get(feed, ())
    if not sources:
        return FeedIngestion(feed, extract.name, delivery.mode)
    loads = [
        FileLoad(
            delivery=delivery,
            source=each,
            profile=profile,
            pseudonymiser=pseudonymiser,
            known=_NOBODY,
            sha256=file_sha256(each.path),
            lookups=lookup_digests(delivery, each.table),
        )
        for each in sources
    ]
    current = delivery_of(load.load_id for load in loads)
    rows = sorted(lake.ledger_rows(extract.name, feed), key=lambda row: (row.loaded_at, row.load_id))
    newest = rows[-1] if rows else None
    before = _told_apart(loads, {row.load_id: row for row in rows})
    loaded_at = _later_than(newest)
    if all(load.load_id in before for load in loads):
        if newest is not None and newest.delivery != current:
            again = replace(before[loads[-1].load_id], delivery=current, loaded_at=loaded_at)
            lake.write_ledger_row(again, lake_stem(again))
        done = [_from_ledger(before[load.load_id]) for load in loads]
        return FeedIngestion(feed, extract.name, delivery.mode, tuple(done))
    known = known_identifiers(delivery, profile, pseudonymiser, lake)

    def brought_in(load: FileLoad) -> FileIngestion:
        if load.load_id in before:
            return _from_ledger(before[load.load_id])
        return _ingest(replace(load, known=known), lake, current, loaded_at)

    brought = side_by_side(brought_in, loads, 1 if are_small(sources) else AT_ONCE)
    return FeedIngestion(feed, extract.name, delivery.mode, tuple(brought))


def _told_apart(loads: Sequence[FileLoad], before: Mapping[str, LedgerRow]) -> dict[str, LedgerRow]:
    """The ledger rows without those of different files under one masked name, which are to be read in again.

    Masked names had nothing that told them apart before they ended in a hash.
    """
    files: dict[str, dict[str, str]] = {}
    for load in loads:
        if load.load_id in before:
            files.setdefault(before[load.load_id].file, {})[load.load_id] = load.source.path.name
    alike = {name for name, own in files.items() if MASKED in name and len(set(own.values())) > 1}
    return {load_id: row for load_id, row in before.items() if row.file not in alike}


def files_left_alone(
    delivery: Delivery, profile: SourceProfile, pseudonymiser: Pseudonymiser, lake: Lake
) -> tuple[tuple[str, str], ...]:
    """The files that nothing reads, identifiers masked, each with the feed of the nearest name or an empty text."""
    if not delivery.unknown:
        return ()
    known = known_identifiers(delivery, profile, pseudonymiser, lake)
    feeds = {plain_stem(pattern): table.feed for table in profile.tables for pattern in table.files}
    nearest = [get_close_matches(plain_stem(name), feeds, 1, _LOOKALIKE) for name in delivery.unknown]
    return tuple(
        (known.mask(name).replace(MASK, MASKED), feeds[near[0]] if near else "")
        for name, near in zip(delivery.unknown, nearest, strict=True)
    )


def known_identifiers(
    delivery: Delivery, profile: SourceProfile, pseudonymiser: Pseudonymiser, lake: Lake
) -> KnownIdentifiers:
    """The identifiers that the extract's patients files hold; without any, the patient ids of all its other files.

    A delta names only some patients or none: what other patients files said is known, too. Read once per delivery and
    pseudonymiser.
    """
    every_source = tuple(source for sources in delivery.files.values() for source in sources)
    sources = delivery.files.get("patients") or every_source
    fingerprint = "\n".join(f"{each.path}:{file_sha256(each.path)}" for each in sources)

    def read() -> KnownIdentifiers:
        earlier = None
        if delivery.mode == "delta":
            _remember_neighbours(delivery.extract, profile, pseudonymiser, lake)
            earlier = read_fingerprints(lake, pseudonymiser.sealing_key)
        known = _read_identifiers(delivery, sources, profile, earlier, pseudonymiser)
        if "patients" in delivery.files and pseudonymiser.first_time(f"{lake.root}\n{fingerprint}"):
            remember(lake, pseudonymiser.sealing_key, known.keys(), known.traits)
        return known

    return pseudonymiser.remembered(f"{lake.root}\n{profile.sha256}\n{fingerprint}", read)


def _remember_neighbours(
    extract: ExtractFolder, profile: SourceProfile, pseudonymiser: Pseudonymiser, lake: Lake
) -> None:
    """Remembers whom the extracts beside this one name that aren't in the lake yet: feeds come in any order.

    Looked for again only when an extract has come or gone: many deltas of a night have the same neighbours. The extract
    at hand is left out, because it reads its own patients file.
    """
    folder = extract.path.parent
    if not pseudonymiser.first_time(f"{lake.root}\n{folder}\n{folder.stat().st_mtime_ns}"):
        return
    for neighbour in discover_extracts(folder):
        if neighbour.name == extract.name or lake.ledger_rows(neighbour.name, "patients"):
            continue
        if not pseudonymiser.first_time(f"{lake.root}\n{neighbour.name}"):
            continue
        try:
            delivery = read_delivery(neighbour, profile)
            sources = delivery.files.get("patients", ())
            known = _read_identifiers(delivery, sources, profile)
        except ExtractError:  # it is refused with its own message when it is its turn
            continue
        remember(lake, pseudonymiser.sealing_key, known.keys(), known.traits)


def _read_identifiers(
    delivery: Delivery,
    sources: Sequence[SourceFile],
    profile: SourceProfile,
    earlier: Fingerprints | None = None,
    pseudonymiser: Pseudonymiser | None = None,
) -> KnownIdentifiers:
    """What the sources say; with a `pseudonymiser` the keys of the patients, too, which only who ingests needs."""
    found: dict[str, list[pa.StringArray]] = {}
    for source in sources:
        removed = [c.name for c in source.table.target.columns if c.verb is Verb.REMOVE]
        names = ["patient_id", *removed]
        try:
            table = open_source(source)
            found_elsewhere = read_lookups(delivery, profile, source.table)
            mapping = table_mapping(profile, source.table, table.header, found_elsewhere)
            for rows in _mapped_in_order(table, mapping):
                for name in names:
                    if name in rows.columns:
                        found.setdefault(name, []).append(rows.columns[name].dictionary)
        except UnreadableFileError as problem:
            raise refused_file(delivery.extract, source, problem) from None
    distinct = {name: pc.unique(pa.chunked_array(texts, pa.string())).drop_null() for name, texts in found.items()}
    patient_ids = distinct.get("patient_id", pa.array([], pa.string()))
    if "patients" in delivery.files:
        hashes = pseudonymiser.keyed_hashes("patient", patient_ids.to_pylist()) if pseudonymiser else None
        keys = PatientKeys(patient_ids, pa.array(hashes, pa.string())) if hashes else None
        return KnownIdentifiers(distinct.values(), patient_ids, earlier, keys)
    # Other feeds' id columns hold whatever slipped into them: a word or a date must not be masked everywhere for that.
    ids = [text for text in patient_ids.to_pylist() if may_be_an_id(text)]
    return KnownIdentifiers([pa.array(ids, pa.string())], None, earlier)


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


def _ingest(load: FileLoad, lake: Lake, current: str, loaded_at: datetime) -> FileIngestion:
    try:
        table = open_source(load.source)
        found = read_lookups(load.delivery, load.profile, load.source.table)
        mapping = table_mapping(load.profile, load.source.table, table.header, found)
        return _load_table(load, lake, table, mapping, current, loaded_at)
    except UnreadableFileError as problem:
        raise refused_file(load.delivery.extract, load.source, problem) from None


def _load_table(
    load: FileLoad, lake: Lake, table: SourceTable, mapping: TableMapping, current: str, loaded_at: datetime
) -> FileIngestion:
    names = (load.feed.name, load.extract, load.stem, load.load_id)
    lake_file, rejected_file = lake.raw_file(*names), lake.rejected_file(*names)
    counts = _Counts()
    with (
        lake.writing(lake_file) as accepted,
        lake.writing(rejected_file, keep=lambda: counts.rejected > 0) as rejected,
        pq.ParquetWriter(rejected, REJECTED_SCHEMA, compression="zstd", store_schema=False) as rejected_writer,
    ):
        _write_rows(load, table, mapping, accepted, rejected_writer, counts)
        repeated = repeated_keys(accepted, load.feed, counts.identity_conflicts)
        _set_aside(load, accepted, repeated.contradicting, rejected_writer, counts)
    row = LedgerRow(
        feed=load.feed.name,
        extract=load.extract,
        file=load.file_name,
        mode=load.delivery.mode,
        source_system=load.known.mask(load.delivery.source_system),
        rows=counts.accepted + counts.rejected,
        accepted=counts.accepted,
        rejected=counts.rejected,
        sha256=load.sha256,
        loaded_at=loaded_at,
        profile=load.profile.name,
        profile_sha256=load.profile.sha256,
        key_id=load.pseudonymiser.key_id,
        lake_file=lake.relative(lake_file),
        rejected_file=lake.relative(rejected_file) if counts.rejected else None,
        load_id=load.load_id,
        content_id=load.content_id,
        delivery=current,
        source_rows=counts.source_rows,
        skipped_rows=counts.skipped,
        repeated_rows=repeated.identical,
        date_shift_days=load.profile.date_shift_days,
        masked_cells=counts.masked_cells,
        notes=notes_text(_notes(load, mapping, counts)),
    )
    with lake.writing(lake.vault_file(*names)) as sealed:
        write_vault(sealed, counts.ids.by_kind(), load.pseudonymiser.sealing_key)
    lake.write_ledger_row(row, load.stem)
    return replace(_from_ledger(row), already_in_lake=False)


@dataclass
class _Counts:
    """What has been seen of a file so far."""

    accepted: int = 0
    rejected: int = 0
    source_rows: int = 0
    skipped: int = 0
    masked_cells: int = 0
    masked: list[tuple[str, int]] = field(default_factory=list)
    ids: SeenIds = field(default_factory=SeenIds)
    identities: dict[str, int] = field(default_factory=dict)
    identity_conflicts: set[str] = field(default_factory=set)

    def add(self, shaped: ShapedRows) -> int:
        """Counts a chunk in; returns the number of source rows before it."""
        before = self.source_rows
        self.accepted += shaped.accepted.num_rows
        self.rejected += shaped.rejected.num_rows
        self.source_rows += shaped.source_rows
        self.skipped += shaped.skipped
        self.masked_cells += shaped.masked_cells
        noted = [(column, row + before) for column, row in shaped.masked]
        self.masked += noted[: _NOTED_ROWS - len(self.masked)]
        self.ids.add(shaped.ids)
        for patient, identity in shaped.identities.items():
            if identity is None or self.identities.setdefault(patient, identity) != identity:
                self.identity_conflicts.add(patient)
        return before


def _write_rows(
    load: FileLoad,
    table: SourceTable,
    mapping: TableMapping,
    target: Path,
    rejected: pq.ParquetWriter,
    counts: _Counts,
) -> None:
    with lake_writer(target, lake_schema(load.feed)) as accepted:
        for shaped in _shaped_in_order(load, table, mapping):
            before = counts.add(shaped)
            for writer, rows in ((accepted, shaped.accepted), (rejected, shaped.rejected)):
                if rows.num_rows:
                    writer.write_table(_numbered(rows, before))


def _numbered(rows: pa.Table, before: int) -> pa.Table:
    """Row numbers within the chunk become row numbers within the file."""
    position = rows.schema.get_field_index("source_row")
    return rows.set_column(position, rows.schema.field(position), pc.add(rows.column(position), before))


def _mapped_in_order(table: SourceTable, mapping: TableMapping) -> Iterator[FeedRows]:
    above = FillDown()
    for build in table.chunks(mapping.wanted):
        yield mapping.rows_of(build(), above)


def _shaped_in_order(load: FileLoad, table: SourceTable, mapping: TableMapping) -> Iterator[ShapedRows]:
    """Chunks in order, a few at a time side by side unless one depends on the one before it or the file is small."""
    if mapping.sequential or are_small((load.source,)):
        for rows in _mapped_in_order(table, mapping):
            yield shape_rows(load, rows)
        return
    waiting: deque[Future[ShapedRows]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for build in table.chunks(mapping.wanted):
            waiting.append(pool.submit(_built_and_shaped, load, mapping, build))
            if len(waiting) > AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _built_and_shaped(load: FileLoad, mapping: TableMapping, build: Callable[[], Chunk]) -> ShapedRows:
    return shape_rows(load, mapping.rows_of(build(), FillDown()))


def _set_aside(
    load: FileLoad,
    lake_file: Path,
    positions: npt.NDArray[np.int64],
    rejected: pq.ParquetWriter,
    counts: _Counts,
) -> None:
    """Moves the rows at these positions from a lake file that is still being written to the rejected ones."""
    if not len(positions):
        return
    kept = lake_file.with_suffix(".kept")
    ids = telling_ids(counts.ids.by_kind())
    try:
        start = 0
        with pq.ParquetFile(lake_file) as opened, lake_writer(kept, lake_schema(load.feed)) as writer:
            for group in range(opened.num_row_groups):
                rows = opened.read_row_group(group)
                moved = np.zeros(rows.num_rows, np.bool_)
                own = positions[(positions >= start) & (positions < start + rows.num_rows)] - start
                moved[own] = True
                writer.write_table(rows.filter(pa.array(~moved)).cast(lake_schema(load.feed)))
                if len(own):
                    reasons = [_CONTRADICTION] * len(own)
                    aside = withheld_rows(load, rows.filter(pa.array(moved)), ids)
                    rejected.write_table(rejected_table(load, aside, reasons))
                start += rows.num_rows
        kept.chmod(lake_file.stat().st_mode)
        kept.replace(lake_file)
    finally:
        kept.unlink(missing_ok=True)
    counts.accepted -= len(positions)
    counts.rejected += len(positions)


def _notes(load: FileLoad, mapping: TableMapping, counts: _Counts) -> list[dict[str, Any]]:
    """What a person should know of the file: columns kept out, contract columns absent, rows skipped, cells masked."""
    notes: list[dict[str, Any]] = []
    empty = [*mapping.absent, *({DELETED.name} - mapping.columns.keys())]
    for name in mapping.unused:
        note: dict[str, Any] = {"note": "unknown column kept out", "column": load.known.mask(name)[:_SHOWN]}
        near = get_close_matches(name.casefold(), empty, 1, _LOOKALIKE)
        notes.append({**note, "nearest": near[0]} if near else note)
    notes += [{"note": "column absent", "column": name} for name in mapping.absent]
    if counts.skipped:
        notes.append({"note": "source rows that hold no row of this feed", "rows": counts.skipped})
    notes += [{"note": "identifier masked", "column": column, "row": row} for column, row in counts.masked]
    return notes


def _later_than(newest: LedgerRow | None) -> datetime:
    """Now; or just after the newest load, if the clock was put back since: the later delivery must stay the later."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return now if newest is None else max(now, newest.loaded_at + timedelta(microseconds=1))
