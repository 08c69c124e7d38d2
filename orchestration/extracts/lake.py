"""The lake under the warehouse home: immutable Parquet, one ledger row per file, and the plan for the night's staging.

Every file is written under a temporary name in its own folder and renamed, so that a reader sees all of it or nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.extracts.feeds import FEEDS

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_PLAN = "plan.json"
_ALIKE = ("deleted", "source_extract", "source_file", "source_row")
_PART_NUMBER = re.compile(r"[-_]\d{1,8}$")

REJECTED_SCHEMA = pa.schema(
    [
        ("source_feed", pa.string()),
        ("source_extract", pa.string()),
        ("source_file", pa.string()),
        ("source_row", pa.int64()),
        ("reason", pa.string()),
        ("content", pa.string()),
    ]
)

_LEDGER_SCHEMA = pa.schema(
    [
        ("feed", pa.string()),
        ("extract", pa.string()),
        ("file", pa.string()),
        ("mode", pa.string()),
        ("source_system", pa.string()),
        ("rows", pa.int64()),
        ("accepted", pa.int64()),
        ("rejected", pa.int64()),
        ("sha256", pa.string()),
        ("loaded_at", pa.timestamp("us")),
        ("profile", pa.string()),
        ("profile_sha256", pa.string()),
        ("key_id", pa.string()),
        ("lake_file", pa.string()),
        ("rejected_file", pa.string()),
        ("load_id", pa.string()),
        ("content_id", pa.string()),
        ("delivery", pa.string()),
        ("source_rows", pa.int64()),
        ("skipped_rows", pa.int64()),
        ("repeated_rows", pa.int64()),
        ("date_shift_days", pa.int64()),
        ("masked_cells", pa.int64()),
        ("notes", pa.string()),
    ]
)


@dataclass(frozen=True)
class LedgerRow:
    """What is known of one ingested file.

    `rows` counts rows of the feed and is `accepted` + `rejected`; `source_rows` counts rows of the file, of which
    `skipped_rows` belong to no row of this feed; `repeated_rows` are accepted rows that another one repeats.
    `delivery` lists the load ids of the feed's files as last delivered.
    """

    feed: str
    extract: str
    file: str
    mode: str
    source_system: str
    rows: int
    accepted: int
    rejected: int
    sha256: str
    loaded_at: datetime
    profile: str
    profile_sha256: str
    key_id: str
    lake_file: str
    rejected_file: str | None
    load_id: str
    content_id: str
    delivery: str
    source_rows: int
    skipped_rows: int
    repeated_rows: int
    date_shift_days: int
    masked_cells: int
    notes: str


@dataclass(frozen=True)
class FeedPlan:
    """The lake files that staging reads for one feed.

    Attributes:
        files: relative to the lake, sorted.
        deduplicate: a key may occur more than once among them.
        repeats_in_oldest: it may do so within the oldest extract already, most often the snapshot with nearly all rows.
    """

    files: tuple[str, ...] = ()
    deduplicate: bool = False
    repeats_in_oldest: bool = False


@dataclass(frozen=True)
class Plan:
    """What this night's staging reads."""

    feeds: Mapping[str, FeedPlan]
    ledger: tuple[str, ...]
    rejected: tuple[str, ...]
    newest_extract: str | None

    def as_json(self) -> str:
        """The text of plan.json: stable for the same plan."""
        content = {
            "feeds": {name: asdict(feed) for name, feed in self.feeds.items()},
            "ledger": list(self.ledger),
            "rejected": list(self.rejected),
            "newest_extract": self.newest_extract,
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


class Lake:
    """The lake folder of one warehouse home."""

    def __init__(self, root: Path) -> None:
        """Takes the lake's folder, which is made (0700) when something is written first."""
        self.root = Path(root)
        self._read_rows: dict[Path, tuple[tuple[int, int, int], LedgerRow]] = {}

    def raw_file(self, feed: str, extract: str, stem: str, load_id: str) -> Path:
        """Where the accepted rows of a file lie."""
        return self.root / "raw" / feed / extract / f"{stem}-{load_id[:8]}.parquet"

    def rejected_file(self, feed: str, extract: str, stem: str, load_id: str) -> Path:
        """Where the rejected rows of a file lie."""
        return self.root / "rejected" / feed / extract / f"{stem}-{load_id[:8]}.parquet"

    def ledger_file(self, feed: str, extract: str, stem: str, load_id: str) -> Path:
        """Where the ledger row of a file lies."""
        return self.root / "ledger" / extract / f"{feed}--{stem}-{load_id[:8]}.parquet"

    def vault_file(self, feed: str, extract: str, stem: str, load_id: str) -> Path:
        """Where the sealed ids of a file lie."""
        return self.root / "vault" / feed / extract / f"{stem}-{load_id[:8]}.sealed"

    def relative(self, path: Path) -> str:
        """A lake file's path as the ledger and the plan write it."""
        return path.relative_to(self.root).as_posix()

    def write_ledger_row(self, row: LedgerRow, stem: str) -> None:
        """Writes the row last of all: only then does the file count as ingested."""
        table = pa.Table.from_pylist([{f.name: getattr(row, f.name) for f in fields(row)}], _LEDGER_SCHEMA)
        with self.writing(self.ledger_file(row.feed, row.extract, stem, row.load_id)) as temporary:
            pq.write_table(table, temporary)

    def ledger(self) -> tuple[LedgerRow, ...]:
        """Every ledger row, ordered by extract, feed and file."""
        return tuple(row for _, row in self._ledger_entries(sorted(self.root.glob("ledger/*/*.parquet"))))

    def ledger_rows(self, extract: str, feed: str = "*") -> tuple[LedgerRow, ...]:
        """The ledger rows of one extract, or of one feed of it; no other extract's are read."""
        folder = self.root / "ledger" / extract
        return tuple(row for _, row in self._ledger_entries(sorted(folder.glob(f"{feed}--*.parquet"))))

    def plan(self, key_id: str | None = None) -> Plan:
        """The plan from the ledger alone: rows of `key_id` (default: the key of the newest load)."""
        current = self._current_entries(key_id)
        feeds = {name: _feed_plan([row for _, row in current if row.feed == name]) for name in FEEDS}
        return Plan(
            feeds=feeds,
            ledger=tuple(sorted(self.relative(path) for path, _ in current)),
            rejected=tuple(sorted(row.rejected_file for _, row in current if row.rejected_file)),
            newest_extract=max((row.extract for _, row in current), default=None),
        )

    def current_rows(self, key_id: str | None = None) -> tuple[LedgerRow, ...]:
        """The ledger rows that the plan lists: of every feed of every extract those of its newest delivery."""
        return tuple(row for _, row in self._current_entries(key_id))

    def _current_entries(self, key_id: str | None) -> list[tuple[Path, LedgerRow]]:
        entries = list(self._ledger_entries(sorted(self.root.glob("ledger/*/*.parquet"))))
        if key_id is None and entries:
            key_id = max((row.loaded_at, row.key_id) for _, row in entries)[1]
        return _named_systems(_current_deliveries([(path, row) for path, row in entries if row.key_id == key_id]))

    def write_plan(self, key_id: str | None = None) -> Plan:
        """Writes plan.json for the night's staging and returns it."""
        plan = self.plan(key_id)
        with self.writing(self.root / _PLAN) as temporary:
            temporary.write_text(plan.as_json(), encoding="utf-8")
        return plan

    def make_folder(self, folder: Path) -> None:
        """Makes a folder of the lake, and those above it up to the lake's root, readable by the owner alone."""
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        for inside in (folder, *folder.parents):
            if inside == self.root or self.root in inside.parents:
                inside.chmod(_PRIVATE_FOLDER)

    @contextmanager
    def writing(self, target: Path, keep: Callable[[], bool] = lambda: True) -> Iterator[Path]:
        """A private temporary file that takes the place of `target` when the block ends well and `keep` says so."""
        self.make_folder(target.parent)
        temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE))
        try:
            yield temporary
            if keep():
                with temporary.open("rb") as written:
                    os.fsync(written.fileno())
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def _ledger_entries(self, paths: Iterable[Path]) -> Iterator[tuple[Path, LedgerRow]]:
        """The row of each file, read once for as long as the file stays the same: years of nights are many files."""
        for path in paths:
            status = path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            known, row = self._read_rows.get(path, (None, None))
            if row is None or known != version:
                row = _read_ledger_row(path)
                self._read_rows[path] = (version, row)
            yield path, row


def _read_ledger_row(path: Path) -> LedgerRow:
    with pq.ParquetFile(path) as opened:
        (record,) = opened.read(use_threads=False).to_pylist()
    return LedgerRow(**{name: record.get(name) for name in _LEDGER_SCHEMA.names})


def load_id_of(content_id: str, key_id: str) -> str:
    """The id of a load: what was read and how, and under which key."""
    return hashlib.sha256(f"{content_id}\n{key_id}".encode()).hexdigest()


def lake_stem(row: LedgerRow) -> str:
    """The stem under which the files of a load lie in the lake."""
    return Path(row.lake_file).stem.removesuffix(f"-{row.load_id[:8]}")


def lake_writer(target: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of raw lake files: readable by every engine, text dictionary-encoded, rows numbered by difference.

    Only columns that are alike over long runs have a least and a greatest value noted: finding them for the others
    takes two fifths of the time of writing, and no reader leaves out a row group for them (rows lie as they came).
    """
    texts = [name for name in schema.names if name != "source_row"]
    return pq.ParquetWriter(
        target,
        schema,
        compression="zstd",
        use_dictionary=texts,
        column_encoding={"source_row": "DELTA_BINARY_PACKED"},
        write_statistics=[name for name in schema.names if name in _ALIKE],
        store_schema=False,
    )


def delivery_of(load_ids: Iterable[str]) -> str:
    """The text by which a ledger row remembers which files its feed was delivered in."""
    return json.dumps(sorted(load_ids))


def _current_deliveries(entries: Sequence[tuple[Path, LedgerRow]]) -> list[tuple[Path, LedgerRow]]:
    """Of every feed of every extract, the files of its newest delivery; what was delivered again has replaced it.

    A load that was read in again under another file name counts once, as it was read last.
    """
    newest: dict[tuple[str, str], LedgerRow] = {}
    last: dict[tuple[str, str, str], datetime] = {}
    for _, row in entries:
        group, load = (row.extract, row.feed), (row.extract, row.feed, row.load_id)
        if group not in newest or (row.loaded_at, row.load_id) > (newest[group].loaded_at, newest[group].load_id):
            newest[group] = row
        last[load] = max(row.loaded_at, last.get(load, row.loaded_at))
    return [
        (path, row)
        for path, row in entries
        if row.load_id in json.loads(newest[(row.extract, row.feed)].delivery)
        and row.loaded_at == last[(row.extract, row.feed, row.load_id)]
    ]


def _named_systems(entries: Sequence[tuple[Path, LedgerRow]]) -> list[tuple[Path, LedgerRow]]:
    """Give deliveries without a source system (no manifest, none in the profile) to the only system that is named.

    Otherwise a snapshot whose manifest was forgotten once would be added to the last one instead of replacing it.
    """
    names = {row.source_system for _, row in entries} - {""}
    if len(names) != 1:
        return list(entries)
    (only,) = names
    return [(path, row if row.source_system else replace(row, source_system=only)) for path, row in entries]


def _feed_plan(rows: Sequence[LedgerRow]) -> FeedPlan:
    """The newest snapshot of each source system and every later delta."""
    chosen: list[LedgerRow] = []
    for system in sorted({row.source_system for row in rows}):
        own = [row for row in rows if row.source_system == system]
        start = max((row.extract for row in own if row.mode == "snapshot"), default="")
        chosen += [
            row
            for row in own
            if (row.extract > start and row.mode == "delta") or (row.extract == start and row.mode == "snapshot")
        ]
    oldest = min((row.extract for row in chosen), default="")
    return FeedPlan(
        files=tuple(sorted(row.lake_file for row in chosen)),
        deduplicate=len({(row.source_system, row.extract) for row in chosen}) > 1 or _repeats(chosen),
        repeats_in_oldest=_repeats([row for row in chosen if row.extract == oldest]),
    )


def _repeats(rows: Sequence[LedgerRow]) -> bool:
    return any(row.repeated_rows for row in rows) or _told_by_several_tables(rows)


def _told_by_several_tables(rows: Sequence[LedgerRow]) -> bool:
    """True when one delivery fills the feed from different tables, which may hold the same key.

    Parts of one are taken for pieces of one export without a common key: to look for one would take a third of a second
    of processor time per million rows every night. A warning in staging tells of keys that two parts have in common.
    """
    names = [_PART_NUMBER.sub("", row.file.partition(".")[0]) for row in rows]
    return len(set(names)) > 1 or len({row.file for row in rows}) < len(rows)


def iso(day: date) -> str:
    """A day as folder names, the lake and the plan write it."""
    return day.isoformat()


def notes_text(notes: Sequence[Mapping[str, Any]]) -> str:
    """Notes of a load as the ledger keeps them."""
    return json.dumps(list(notes), ensure_ascii=False, sort_keys=True)
