"""A feed's rows made fit for the lake: judged, masked, pseudonymised. Nothing here lets out what names a patient."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.extracts.columns import (
    TEXT_DICTIONARY,
    chosen,
    constant_column,
    empty_column,
    missing,
    rows_where,
    stacked,
    with_dictionary,
    without_unused_texts,
)
from orchestration.extracts.date_shift import shifted
from orchestration.extracts.delivery import Delivery, SourceFile
from orchestration.extracts.feeds import DELETED, Column, Feed, Kind, Verb
from orchestration.extracts.identifiers import MASK, KnownIdentifiers, telling_ids, whole_cell
from orchestration.extracts.key_spelling import key_spelling
from orchestration.extracts.lake import REJECTED_SCHEMA, load_id_of
from orchestration.extracts.mapping import FeedRows
from orchestration.extracts.profiles import SourceProfile, name_parts
from orchestration.extracts.pseudonymise import Pseudonymiser
from orchestration.extracts.readers.base import MAX_CELL_BYTES

READING = "2"
"""How this version reads files: counted up with every change that makes other rows of the same file, so that homes read
what is still in their extracts folder again. 2: keys in one spelling, identifiers found in other spellings.
"""

MASKED = "masked"
"""Stands in file names where an identifier stood."""

_NOTED_ROWS = 100
_SHOWN = 1_000
_NAME_DIGITS = 10  # of a keyed hash: more than a part number's eight, so that it is never taken for one
_NEVER_NULL = frozenset({"patient_key", "source_extract", "source_file", "source_row"})
_YEAR = r"^.*?(\d{4}).*$"
_WITHHELD = json.dumps({"withheld": "the cells of a broken line can't be attributed, so they may hold identifiers"})
_TRUTHS = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}
Columns = Mapping[str, pa.DictionaryArray]
Faults = Sequence[tuple[str, npt.NDArray[np.bool_]]]


@dataclass(frozen=True)
class FileLoad:
    """One file on its way into the lake under one profile and key."""

    delivery: Delivery
    source: SourceFile
    profile: SourceProfile
    pseudonymiser: Pseudonymiser
    known: KnownIdentifiers
    sha256: str
    lookups: tuple[str, ...] = ()

    @property
    def feed(self) -> Feed:
        """The feed that the file fills."""
        return self.source.table.target

    @property
    def extract(self) -> str:
        """The extract's ISO date."""
        return self.delivery.extract.name

    @property
    def content_id(self) -> str:
        """Same content, same profile, same table of it, read in the same way: same rows."""
        table = str(next(at for at, each in enumerate(self.profile.tables) if each is self.source.table))
        parts = (self.sha256, *self.lookups, self.profile.sha256, table, READING)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def load_id(self) -> str:
        """The same rows under the same key: the same load."""
        return load_id_of(self.content_id, self.pseudonymiser.key_id)

    @property
    def stem(self) -> str:
        """The file's name without format, identifiers masked; a masked one ends in a keyed hash of the whole name.

        The feed's own words and part numbers are no identifiers (patient 0001 has nothing to do with part 0001), and of
        two files of a feed the evidence must tell which is meant.
        """
        name = self.source.stem
        parts = name_parts(self.source.table.files, name)
        masked, apart = self.known.mask(name), [self.known.mask(part.text) for part in parts]
        if masked == "".join(apart):  # otherwise an identifier spans several parts
            masked = "".join(part.text if part.own else mask for part, mask in zip(parts, apart, strict=True))
        if masked == name:
            return name
        digest = self.pseudonymiser.keyed_hash("file", self.source.path.name)[:_NAME_DIGITS]
        return f"{masked.replace(MASK, MASKED)}-{digest}"

    @property
    def file_name(self) -> str:
        """The file's name as evidence, identifiers masked as in `stem`."""
        return self.stem + self.source.path.name[len(self.source.stem) :]


@dataclass(frozen=True)
class ShapedRows:
    """A chunk ready for the lake: accepted and rejected rows numbered within the chunk, and what was noted."""

    accepted: pa.Table
    rejected: pa.Table
    source_rows: int
    skipped: int
    masked_cells: int
    masked: tuple[tuple[str, int], ...]
    ids: Mapping[str, pa.ChunkedArray] = field(default_factory=dict)
    identities: Mapping[str, int | None] = field(default_factory=dict)


def lake_schema(feed: Feed) -> pa.Schema:
    """The columns of a lake file of that feed: all text but `source_row`; those that every row has can't be NULL."""
    names = [*(c.lake_name for c in feed.lake_columns), DELETED.name, "source_extract", "source_file"]
    types = {**dict.fromkeys(names, TEXT_DICTIONARY), "source_row": pa.int64()}
    return pa.schema([pa.field(name, kind, nullable=name not in _NEVER_NULL) for name, kind in types.items()])


def shape_rows(load: FileLoad, feed_rows: FeedRows) -> ShapedRows:
    """Judges, masks and pseudonymises the rows of one chunk."""
    count = len(feed_rows.rows)
    faults = _faults(load.feed, feed_rows.columns, count)
    # In nearly every chunk the patients file at hand names each patient: then nobody is looked at any further.
    keys = load.known.patient_keys.of(feed_rows.columns.get("patient_id", empty_column(count)).dictionary)
    columns: dict[str, pa.DictionaryArray] = {}
    masked_cells, masked = 0, []
    for column in (*load.feed.lake_columns, DELETED):
        cells = feed_rows.columns.get(column.name, empty_column(count))
        columns[column.lake_name], hit = _after_verb(load, column, cells, feed_rows.columns, keys)
        if hit is not None:
            masked_cells += int(hit.sum())
            masked += [(column.name, int(row)) for row in feed_rows.rows[hit][:_NOTED_ROWS]]
    unusable = np.zeros(count, np.bool_)
    for _, rows in faults:
        unusable |= rows
    ids = _ids(load.feed, feed_rows.columns)
    withheld = unusable if keys is not None else unusable | _of_no_patient(load, feed_rows.columns, count)
    if withheld.any():
        hospital_ids = telling_ids(ids)
        for column in (*load.feed.lake_columns, DELETED):
            columns[column.lake_name], hit = _withheld(load, column, columns[column.lake_name], withheld, hospital_ids)
            masked_cells += int(hit.sum())
            masked += [(column.name, int(row)) for row in feed_rows.rows[hit][:_NOTED_ROWS]]
    strangers = None if keys is not None else _strangers(load, feed_rows.columns)
    if strangers is not None and len(strangers):
        for column in (*load.feed.lake_columns, DELETED):
            cells = columns[column.lake_name]
            columns[column.lake_name], hit = _without_own_id(column, cells, feed_rows.columns["patient_id"], strangers)
            masked_cells += int(hit.sum())
            masked += [(column.name, int(row)) for row in feed_rows.rows[hit][:_NOTED_ROWS]]
    columns["source_extract"] = constant_column(load.extract, count)
    columns["source_file"] = constant_column(load.file_name, count)
    table = pa.table({**columns, "source_row": pa.array(feed_rows.rows)}, schema=lake_schema(load.feed))
    reasons = [next(reason for reason, rows in faults if rows[at]) for at in np.flatnonzero(unusable)]
    return ShapedRows(
        accepted=_without_unused_texts(table.filter(pa.array(~unusable)) if unusable.any() else table),
        rejected=pa.concat_tables(
            [rejected_table(load, table.filter(pa.array(unusable)), reasons), _broken_table(load, feed_rows)]
        ),
        source_rows=feed_rows.source_rows,
        skipped=feed_rows.skipped,
        masked_cells=masked_cells,
        masked=tuple(masked),
        ids=ids,
        identities=_identities(load, feed_rows.columns),
    )


def _without_unused_texts(rows: pa.Table) -> pa.Table:
    """The rows without what rows that are not among them hold: it would be written into the file beside them."""
    columns = [
        without_unused_texts(stacked(column.chunks)) if pa.types.is_dictionary(column.type) else column
        for column in rows.columns
    ]
    return pa.table(columns, schema=rows.schema)


def rejected_table(load: FileLoad, rows: pa.Table, reasons: Sequence[str]) -> pa.Table:
    """Lake rows as rejected rows, whole and with the reason of each."""
    contents = [_content(record) for record in rows.to_pylist()] if rows.num_rows else []
    return _rejected(load, rows.column("source_row").to_pylist(), reasons, contents)


def _broken_table(load: FileLoad, feed_rows: FeedRows) -> pa.Table:
    broken = feed_rows.broken
    return _rejected(load, [row.row for row in broken], [row.reason for row in broken], [_WITHHELD] * len(broken))


def _rejected(load: FileLoad, rows: Sequence[int], reasons: Sequence[str], contents: Sequence[str]) -> pa.Table:
    count = len(rows)
    origin = [[text] * count for text in (load.feed.name, load.extract, load.file_name)]
    return pa.table(
        [pa.array(each, f.type) for each, f in zip([*origin, rows, reasons, contents], REJECTED_SCHEMA, strict=True)],
        schema=REJECTED_SCHEMA,
    )


def _content(record: Mapping[str, Any]) -> str:
    """A pseudonymised row as JSON text; a cell too long to be one is cut."""
    own = {name: value for name, value in record.items() if not name.startswith("source_")}
    cut = {name: value[:_SHOWN] if isinstance(value, str) else value for name, value in own.items()}
    return json.dumps(cut, ensure_ascii=False)


def _faults(feed: Feed, source: Columns, count: int) -> Faults:
    """Reasons why rows can't be used, each with the rows it hits; an earlier reason goes before a later one."""
    faults: list[tuple[str, npt.NDArray[np.bool_]]] = []
    for name, column in source.items():
        too_long = pc.greater(pc.binary_length(column.dictionary), MAX_CELL_BYTES)
        faults.append((f"cell too long in column {name}", rows_where(column, _marks(too_long))))
    for column in feed.key_columns:
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


def _after_verb(
    load: FileLoad, column: Column, cells: pa.DictionaryArray, source: Columns, keys: pa.StringArray | None
) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_] | None]:
    """The column after its verb, and the rows in which an identifier was masked; `keys` of its patients, if known."""
    verb = Verb.KEEP if column is DELETED else load.profile.verb(load.feed.name, column.name)
    if verb is Verb.DROP:
        return empty_column(len(cells)), None
    if verb is Verb.PSEUDONYMISE:
        if keys is None or column.hash_kind != "patient":
            hashed = load.pseudonymiser.keyed_hashes(column.hash_kind, cells.dictionary.to_pylist())
            keys = pa.array(hashed, pa.string())
        # Different ids have different hashes, so that the dictionary needn't be made distinct again.
        return pa.DictionaryArray.from_arrays(cells.indices, keys), None
    texts = load.known.scrub_column(cells.dictionary, column.kind)
    hit = None
    if texts is not cells.dictionary:
        hit = rows_where(cells, _marks(pc.not_equal(texts, cells.dictionary)))
    if column.kind is Kind.BOOLEAN:
        texts = pa.array([_TRUTHS.get(text.casefold(), text) for text in texts.to_pylist()], pa.string())
    if column.key:
        texts = key_spelling(texts, column.kind)
    kept = with_dictionary(cells, texts)
    if load.profile.date_shift_days and column.kind in {Kind.DATE, Kind.DATETIME}:
        patients = source.get("patient_id", empty_column(len(cells)))
        kept = shifted(kept, patients, load.pseudonymiser, load.profile.date_shift_days)
    if verb is Verb.YEAR:
        kept = with_dictionary(kept, pc.replace_substring_regex(kept.dictionary, _YEAR, r"\1"))
    return kept, hit


def _ids(feed: Feed, source: Columns) -> dict[str, pa.ChunkedArray]:
    """The hospital ids of the chunk by kind, to be sealed for a later key rotation."""
    ids: dict[str, list[pa.StringArray]] = {}
    for column in feed.columns:
        if column.hash_kind and column.name in source:
            ids.setdefault(column.hash_kind, []).append(source[column.name].dictionary)
    return {kind: pa.chunked_array(texts, pa.string()) for kind, texts in ids.items()}


def _of_no_patient(load: FileLoad, source: Columns, count: int) -> npt.NDArray[np.bool_]:
    """Rows whose patient id has a make-up that no known one has: their cells may have slipped into other columns."""
    cells = source.get("patient_id")
    if cells is None:
        return np.zeros(count, np.bool_)
    return rows_where(cells, _marks(load.known.unlike_any_patient_id(cells.dictionary)))


def _withheld(
    load: FileLoad,
    column: Column,
    cells: pa.DictionaryArray,
    rows: npt.NDArray[np.bool_],
    ids: Set[str],
) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """The column with everything masked that may be an identifier in these rows, and the rows where it was."""
    none = np.zeros(len(cells), np.bool_)
    if column.hash_kind or not len(cells.dictionary):
        return cells, none
    own = cells.filter(pa.array(rows)).dictionary_decode().dictionary_encode()
    texts = load.known.withheld(own.dictionary, ids)
    changed = rows_where(own, _marks(pc.not_equal(texts, own.dictionary)))
    if not changed.any():
        return cells, none
    none[np.flatnonzero(rows)[changed]] = True
    whole = with_dictionary(cells, load.known.withheld(cells.dictionary, ids))
    return chosen(none, whole, cells), none


def _strangers(load: FileLoad, source: Columns) -> pa.StringArray:
    """Patient ids of the chunk that no patients file tells of: staging will reject their rows and show them whole."""
    cells = source.get("patient_id", empty_column(0))
    return cells.dictionary.filter(load.known.unknown_ids(cells.dictionary))


def _without_own_id(
    column: Column, cells: pa.DictionaryArray, patients: pa.DictionaryArray, strangers: pa.StringArray
) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """The column with strangers' ids masked in strangers' rows, and the rows where they were.

    They are looked for as in any sound row; a cell that is its own row's id as a whole goes even where it is a number.
    """
    hit = np.zeros(len(cells), np.bool_)
    rows = rows_where(patients, _marks(pc.is_in(patients.dictionary, strangers)))
    own = cells.filter(pa.array(rows)).dictionary_decode().dictionary_encode()
    if column.hash_kind or not len(own.dictionary):
        return cells, hit
    scrubbed = with_dictionary(own, KnownIdentifiers([strangers]).scrub_column(own.dictionary, column.kind))
    said, ids = (
        pa.array(map(whole_cell, each.dictionary.to_pylist()), pa.string()).take(each.indices)
        for each in (own, patients.filter(pa.array(rows)))
    )
    is_own_id = pc.fill_null(pc.equal(said, ids), False)
    masked = pc.if_else(is_own_id, MASK, scrubbed.dictionary_decode())
    hit[np.flatnonzero(rows)[_marks(pc.not_equal(masked, own.dictionary_decode()))]] = True
    if not hit.any():
        return cells, hit
    return pc.replace_with_mask(cells.cast(pa.string()), pa.array(rows), masked).dictionary_encode(), hit


def withheld_rows(load: FileLoad, rows: pa.Table, ids: Set[str]) -> pa.Table:
    """Lake rows that are rejected after all, with everything masked that may be an identifier."""
    everywhere = np.ones(rows.num_rows, np.bool_)
    for column in (*load.feed.lake_columns, DELETED):
        position = rows.schema.get_field_index(column.lake_name)
        cells = rows.column(position).cast(pa.string()).combine_chunks().dictionary_encode()
        masked, _ = _withheld(load, column, cells, everywhere, ids)
        rows = rows.set_column(position, column.lake_name, masked)
    return rows


def _identities(load: FileLoad, source: Columns) -> dict[str, int | None]:
    """For `patients` only: who each row says the patient is, as a hash; None where one id stands for two people."""
    removed = [c.name for c in load.feed.columns if c.verb is Verb.REMOVE and c.name in source]
    if not removed or "patient_id" not in source:
        return {}
    found: dict[str, int | None] = {}
    patients, *cells = (source[name].cast(pa.string()).to_pylist() for name in ("patient_id", *removed))
    for patient, person in zip(patients, zip(*cells, strict=True), strict=True):
        if patient is not None:
            key, identity = load.pseudonymiser.patient_key(patient), hash(person)
            found[key] = identity if found.get(key, identity) == identity else None
    return found
