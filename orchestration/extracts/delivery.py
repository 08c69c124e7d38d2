"""Deliveries: which extract folders there are, which files belong to which feed, and whether a delivery is complete."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.extracts.errors import ExtractError, ExtractRefused
from orchestration.extracts.feeds import FEEDS
from orchestration.extracts.lake import Lake
from orchestration.extracts.mapping import table_mapping
from orchestration.extracts.profiles import ReadOptions, SourceProfile, TableProfile, name_parts
from orchestration.extracts.readers import SourceTable, UnreadableFileError, file_format, open_table, refuse_nested
from warehouse.side_by_side import AT_ONCE, side_by_side

MANIFEST = "manifest.json"
Mode = Literal["snapshot", "delta"]
_HASH_BLOCK = 1 << 20
_LOOKALIKE = 0.75
_UNTOLD = re.compile(r"\d{5,}|[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_NUMBERED = re.compile(r"[-_ ]*(?:\d{1,8}|<number>|\*)?$")
_SMALL = 1 << 20  # bytes
_LONGEST_NAME = 255  # bytes, on every usual file system


@dataclass(frozen=True, order=True)
class ExtractFolder:
    """One night's export: its date and its folder."""

    date: date
    path: Path

    @property
    def name(self) -> str:
        """The extract's name everywhere: its ISO date."""
        return self.date.isoformat()


@dataclass(frozen=True)
class SourceFile:
    """One file of a delivery and the table of the profile that reads it."""

    feed: str
    path: Path
    table: TableProfile
    options: ReadOptions

    @property
    def stem(self) -> str:
        """The file's name without its format."""
        return stem_of(self.path.name)


@dataclass(frozen=True)
class Delivery:
    """What an extract holds: its mode, its system and the files of each feed; `unknown` files belong to none."""

    extract: ExtractFolder
    mode: Mode
    source_system: str
    files: Mapping[str, tuple[SourceFile, ...]]
    unknown: tuple[str, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ManifestFile(_Strict):
    """One line of a manifest."""

    feed: str
    path: str
    rows: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")


class Manifest(_Strict):
    """`manifest.json`: what the source says it has delivered."""

    source_system: str = ""
    extract_date: date | None = None
    mode: Mode = "snapshot"
    files: tuple[ManifestFile, ...] = ()


def discover_extracts(extracts_dir: Path) -> tuple[ExtractFolder, ...]:
    """The extract folders (`YYYY-MM-DD`) by date; ExtractError when there is no folder or it holds none."""
    folder = Path(extracts_dir)
    if not folder.is_dir():
        raise ExtractError(f"the extracts folder {folder} doesn't exist; set CART_EXTRACTS to the folder of extracts")
    found = [
        ExtractFolder(day, entry)
        for entry in folder.iterdir()
        if entry.is_dir() and (day := _day(entry.name)) is not None
    ]
    if not found:
        raise ExtractError(
            f"the extracts folder {folder} holds no extract; an extract is a folder named by its date, like 2018-07-30"
        )
    return tuple(sorted(found))


def _day(name: str) -> date | None:
    try:
        day = date.fromisoformat(name)
    except ValueError:
        return None
    return day if day.isoformat() == name else None


def stem_of(name: str) -> str:
    """A file name without its format."""
    return name[: -len(file_format(name) or "")] if file_format(name) else name


def plain_stem(name: str) -> str:
    """A file's name or pattern as names are compared: in small letters, without its endings, part number and signs."""
    return _NUMBERED.sub("", name.partition(".")[0].casefold())


def files_of(extract: ExtractFolder, matches: Callable[[str], bool]) -> tuple[Path, ...]:
    """The extract's readable files whose stem `matches`, in order of name."""
    visible = (path for path in sorted(extract.path.iterdir()) if path.is_file() and not path.name.startswith("."))
    return tuple(path for path in visible if file_format(path.name) and matches(stem_of(path.name)))


def read_delivery(extract: ExtractFolder, profile: SourceProfile) -> Delivery:
    """Sorts the extract's files by feed, without reading them; the manifest's date, mode and paths are checked."""
    manifest = _manifest(extract)
    files: dict[str, list[SourceFile]] = {}
    unknown: list[str] = []
    for path in sorted(extract.path.iterdir()):
        if path.name.startswith(".") or path.name == MANIFEST or path.is_dir():
            continue
        patterns = profile.patterns_for(stem_of(path.name)) if file_format(path.name) else ()
        if patterns:
            _refuse_links(extract, path, shown_name(patterns, path))
        else:
            unknown.append(path.name)
        for table in profile.tables_for(stem_of(path.name)) if patterns else ():
            files.setdefault(table.feed, []).append(SourceFile(table.feed, path, table, profile.read_options(table)))
    for feed, own in files.items():
        endings = sorted({file_format(each.path.name) or "" for each in own})
        if len(endings) > 1 and all(each.table is own[0].table for each in own):
            raise _refused(
                extract, f"feed {feed} comes as {' and '.join(endings)}; deliver each feed in exactly one format"
            )
    system = (manifest.source_system if manifest else "") or profile.source_system
    ordered = {feed: tuple(files[feed]) for feed in FEEDS if feed in files}
    return Delivery(extract, manifest.mode if manifest else "snapshot", system, ordered, tuple(unknown))


def check_delivery(extract: ExtractFolder, profile: SourceProfile, lake: Lake | None = None) -> Delivery:
    """Reads every file once to see that the delivery is complete and readable; ExtractRefused says what is not.

    Checked: manifest (files, row counts, SHA-256), required feeds, headers with all key columns, encoding, compression.
    Files that `lake` already holds under the same profile are not read again.
    """
    delivery = read_delivery(extract, profile)
    manifest = _manifest(extract)
    listed = _check_listed_files(extract, profile, manifest.files if manifest else ())
    _check_required(delivery)
    own = lake.ledger_rows(extract.name) if lake else ()
    known = {(row.file, row.sha256, row.profile_sha256): row.source_rows for row in own}

    def rows_of(source: SourceFile) -> int:
        rows = known.get((source.path.name, file_sha256(source.path), profile.sha256))
        return count_source_rows(extract, source, profile) if rows is None else rows

    sources = [*itertools.chain.from_iterable(delivery.files.values())]
    counted = side_by_side(rows_of, sources, 1 if are_small(sources) else AT_ONCE)
    rows_by_file = {source.path.name: rows for source, rows in zip(sources, counted, strict=True)}
    for path, entry in listed.items():
        rows = rows_by_file[path.name] if path.name in rows_by_file else _lookup_rows(extract, profile, path)
        _check_figures(extract, entry, path, shown_name(profile.patterns_for(stem_of(path.name)), path), rows)
    _check_not_empty(delivery, rows_by_file)
    return delivery


def _check_not_empty(delivery: Delivery, rows_by_file: Mapping[str, int]) -> None:
    """A snapshot without a single patient or infusion says that all were deleted: never meant, so it is refused."""
    for name, sources in delivery.files.items():
        rows = sum(rows_by_file[source.path.name] for source in sources)
        if delivery.mode == "snapshot" and FEEDS[name].required and rows == 0:
            files = ", ".join(shown_name(source.table.files, source.path) for source in sources)
            raise _refused(
                delivery.extract, f"the required feed {name} holds no row ({files}); have it delivered again"
            )


def _check_figures(extract: ExtractFolder, entry: ManifestFile, path: Path, shown: str, rows: int) -> None:
    if entry.rows != rows:
        why = f"{shown} has {rows} rows, the manifest says {entry.rows}; have it delivered again"
        raise _refused(extract, why)
    found = file_sha256(path)
    if found != entry.sha256.lower():
        why = f"{shown} has SHA-256 {found} but the manifest says {entry.sha256.lower()}; have it delivered again"
        raise _refused(extract, why)


def _lookup_rows(extract: ExtractFolder, profile: SourceProfile, path: Path) -> int:
    """Rows after the header of a file in which tables only look something up."""
    lookup = profile.lookups_for(stem_of(path.name))[0]
    try:
        return open_table(path, profile.read_options(lookup)).count_rows()
    except UnreadableFileError as problem:
        raise _refused(extract, f"{shown_name(lookup.files, path)}: {problem}") from None


def shown_name(patterns: Sequence[str], path: Path) -> str:
    """A file's name for a message, before anybody is known whose name it may hold.

    Of a name that one of `patterns` takes, what is not the profile's own shows as the pattern has it (`labs *.csv`),
    with the file's place among its like; of any other, long numbers and Chinese characters show as `*`.
    """
    parts = name_parts(patterns, stem_of(path.name))
    if not parts:
        return _UNTOLD.sub("*", path.name)
    if all(part.own for part in parts):
        return path.name
    taken = "".join(part.pattern for part in parts)
    like = [each.name for each in sorted(path.parent.iterdir()) if name_parts((taken,), stem_of(each.name))]
    place = f" (file {like.index(path.name) + 1} of {len(like)} by name)" if path.name in like and len(like) > 1 else ""
    return (
        "".join(part.text if part.own else part.pattern for part in parts)
        + path.name[len(stem_of(path.name)) :]
        + place
    )


def are_small(sources: Iterable[SourceFile]) -> bool:
    """True for files that are read sooner than threads start: most nightly deltas are such."""
    return sum(source.path.stat().st_size for source in sources) < _SMALL


def count_source_rows(extract: ExtractFolder, source: SourceFile, profile: SourceProfile) -> int:
    """Rows after the header; ExtractRefused when the file can't be read or lacks a key column."""
    try:
        table = open_source(source)
        refuse_nested(table.nested, table_mapping(profile, source.table, table.header).wanted)
        return table.count_rows()
    except UnreadableFileError as problem:
        raise refused_file(extract, source, problem) from None


def open_source(source: SourceFile) -> SourceTable:
    """Opens a file as its table of the profile says."""
    return open_table(source.path, source.options)


def refused_file(extract: ExtractFolder, source: SourceFile, problem: UnreadableFileError) -> ExtractRefused:
    """The refusal of an extract for one of its files."""
    return _refused(extract, f"{shown_name(source.table.files, source.path)}: {problem}")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    status = path.stat()
    return _hashed(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hashed(path: Path, size: int, modified: int) -> str:
    del size, modified
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while block := opened.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _manifest(extract: ExtractFolder) -> Manifest | None:
    path = extract.path / MANIFEST
    _refuse_links(extract, path, MANIFEST)
    if not path.exists():
        return None
    if not path.is_file():
        raise _refused(extract, f"{MANIFEST} is no file; deliver it as one, or none")
    try:
        manifest = Manifest.model_validate(json.loads(path.read_text(encoding="utf-8-sig")))
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise _refused(extract, f"{MANIFEST}: {key}: {first['msg'].lower()}") from None
    except (ValueError, RecursionError):
        raise _refused(extract, f"{MANIFEST} is not readable JSON; have it delivered again") from None
    if manifest.extract_date is not None and manifest.extract_date != extract.date:
        raise _refused(
            extract,
            f"{MANIFEST} says extract_date {manifest.extract_date}, the folder says {extract.name}; mend one of them",
        )
    return manifest


def _check_listed_files(
    extract: ExtractFolder, profile: SourceProfile, entries: Iterable[ManifestFile]
) -> dict[Path, ManifestFile]:
    """The manifest's files, each there, listed once for a feed that the profile reads from it."""
    listed: dict[Path, ManifestFile] = {}
    seen: set[tuple[str, str]] = set()
    for number, entry in enumerate(entries, 1):
        if Path(entry.path).name != entry.path or "\\" in entry.path or entry.path in {"", ".", ".."}:
            raise _refused(extract, f"{MANIFEST} lists a path outside the extract's folder; list bare file names only")
        if not entry.path.isprintable() or len(entry.path.encode()) > _LONGEST_NAME:
            raise _refused(
                extract, f"{MANIFEST} lists a path that can't be a file's name; list the files by their names"
            )
        path = extract.path / entry.path
        patterns = profile.patterns_for(stem_of(entry.path)) if file_format(entry.path) else ()
        shown = shown_name(patterns, path)
        shown += "" if shown == entry.path else f", number {number} of the list,"
        if entry.feed not in FEEDS:
            near = get_close_matches(entry.feed, list(FEEDS), 1)
            hint = f"; nearest is {near[0]!r}" if near else ""
            raise _refused(extract, f"{MANIFEST} lists an unknown feed for {shown}{hint}")
        if path.is_symlink():
            _refuse_links(extract, path, shown)
        if not path.is_file():
            why = f"{shown} is listed in {MANIFEST} with {entry.rows} rows but isn't there (0 rows); deliver it"
            raise _refused(extract, why)
        _check_listed_feed(extract, profile, entry, shown)
        first = listed.setdefault(path, entry)
        if (first.rows, first.sha256.lower()) != (entry.rows, entry.sha256.lower()) or (entry.path, entry.feed) in seen:
            raise _refused(
                extract,
                f"{shown} is listed in {MANIFEST} twice: {first.rows} rows, SHA-256 {first.sha256}, and {entry.rows} "
                f"rows, SHA-256 {entry.sha256}; list each file once",
            )
        seen.add((entry.path, entry.feed))
    return listed


def _check_listed_feed(extract: ExtractFolder, profile: SourceProfile, entry: ManifestFile, shown: str) -> None:
    """A manifest promises rows of a feed: a file that nothing reads, or that fills another feed, would break that."""
    stem = stem_of(entry.path)
    feeds = [table.feed for table in profile.tables_for(stem)] if file_format(entry.path) else []
    if entry.feed in feeds or (not feeds and file_format(entry.path) and profile.lookups_for(stem)):
        return
    if feeds:
        why = f"but its name makes it a file of {' and '.join(dict.fromkeys(feeds))}; mend one of them"
    else:
        names = [pattern for table in profile.tables if table.feed == entry.feed for pattern in table.files]
        called = f"name it {' or '.join(names)} with an ending that is read" if names else "it reads no such feed"
        why = f"but the source profile {profile.name} takes no file of that name: {called}, or take it off the list"
    raise _refused(extract, f"{shown} is listed in {MANIFEST} for feed {entry.feed}, {why}")


def _check_required(delivery: Delivery) -> None:
    if delivery.mode == "delta":
        return
    for feed in FEEDS.values():
        if feed.required and feed.name not in delivery.files:
            near = get_close_matches(feed.name, [plain_stem(name) for name in delivery.unknown], 1, _LOOKALIKE)
            hint = f" (a file of a similar name is there: is it {feed.name}?)" if near else ""
            raise _refused(
                delivery.extract, f"it has no file for the required feed {feed.name}{hint}; deliver {feed.name}.csv"
            )


def _refuse_links(extract: ExtractFolder, path: Path, shown: str) -> None:
    if not path.is_symlink():
        return
    try:
        inside = extract.path.resolve() in path.resolve(strict=True).parents
    except (OSError, RuntimeError):  # RuntimeError: a link to itself, before Python 3.13
        raise _refused(extract, f"{shown} is a link to a file that isn't there; deliver the file itself") from None
    if not inside:
        raise _refused(extract, f"{shown} is a link to outside the extract's folder; deliver the file itself")


def _refused(extract: ExtractFolder, why: str) -> ExtractRefused:
    return ExtractRefused(f"extract {extract.name} refused: {why}")
