"""Publishing: the finished build becomes the next version, and readers move to it in one step.

Order, and why a kill between any two steps is harmless:
1. a new folder `versions/<name>.partial` is filled: the build database under a second name, exports made from it,
   copies of the staged documents, `night.json` with the SHA-256 of every file;
2. everything is made private and forced to disk; the folder loses its suffix by a rename;
3. the one link `current` is replaced: warehouse, exports, report and docs change together, none before the other.
Until 3 readers see the whole old night, after it the whole new one. What 1 and 2 leave behind the next run removes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from warehouse.connection import READABLE_SINCE, connect_build, connect_read_only
from warehouse.errors import WarehouseError
from warehouse.exports import Exporter, export_tables
from warehouse.files import files_below, flush_directory, seal_tree, sha256_of, write_durably
from warehouse.home import DATABASE_NAME, DIRECTORY_MODE, PUBLISHED_FOLDERS, WarehouseHome
from warehouse.tables import list_tables, quote
from warehouse.versions import (
    MANIFEST_NAME,
    PARTIAL_SUFFIX,
    Version,
    next_sequence,
    point_readers_at,
    prune,
    recover,
)

LAKE_SCHEMA = "staging"
WRITTEN_ANEW = ("interchange",)
"""Staged folders that get second names instead of copies: whoever stages them begins with an empty folder."""
HASHED_TOGETHER = 2
"""Files at a time: hashing lets other threads of Python work."""
_READS_FILES = re.compile(
    r"\b(?:read_\w+|parquet_scan|glob)\s*\(|'[^']*\.(?:parquet|csv|json|jsonl|gz)'", re.IGNORECASE
)


def publish(
    home: WarehouseHome,
    run_id: str,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
    keep: int = 7,
    memory_limit: str | None = None,
    exporter: Exporter | None = None,
) -> Version:
    """Make the build database and the staged folders the version that readers see.

    Views that read files are left out: they would carry this machine's paths, and their files are not part of the
    version. The build database is gone afterwards: publish last.

    Args:
        home: a prepared warehouse home whose build database is complete and checked.
        run_id: the refresh's id; its letters, digits become part of the version's name.
        now: time of publishing, with time zone; shown, never used for ordering.
        facts: JSON values to keep in `night.json` (code version, study hash, extract hashes ...).
        keep: how many versions to keep, the new one included.
        memory_limit: DuckDB memory limit for the exports.
        exporter: writes the exports from the published file; by default every mart and analysis table.

    Returns:
        The published version.

    Raises:
        WarehouseError: there is no build database, the copy differs from it, the disk is full, or `keep` is below 1;
            readers still see the version before.
    """
    if keep < 1:
        raise WarehouseError(f"At least one version must be kept, not {keep}.")
    if not home.build_database.is_file():
        raise WarehouseError(f"There is no build database at {home.build_database}; run the refresh from its start.")
    recover(home)
    name = _version_name(next_sequence(home), run_id, now)
    partial = home.versions / f"{name}{PARTIAL_SUFFIX}"
    try:
        partial.mkdir(mode=DIRECTORY_MODE)
        with ThreadPoolExecutor(HASHED_TOGETHER) as beside:
            rows = _place_database(partial / DATABASE_NAME, home, memory_limit)
            database_hash = beside.submit(_flush_and_hash, partial / DATABASE_NAME)  # while the exports are written
            _write_exports(partial, memory_limit, exporter)
            _place_documents(partial, home)
            others = [path for path in files_below(partial) if path != partial / DATABASE_NAME]
            hashes = {
                str(path.relative_to(partial)): digest
                for path, digest in zip(others, beside.map(sha256_of, others), strict=True)
            }
            hashes[DATABASE_NAME] = database_hash.result()
        manifest = {
            "version": name,
            "run_id": run_id,
            "published_at": now.astimezone(UTC).isoformat(),
            "rows": rows,
            "sha256": hashes,
            **(facts or {}),
        }
        write_durably(
            partial / MANIFEST_NAME, json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        )
        seal_tree(partial)
        folder = partial.rename(home.versions / name)
        flush_directory(home.versions)
        point_readers_at(home, name)
    except (OSError, duckdb.Error) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise WarehouseError(
            f"Publishing to {home.root} failed, the last published warehouse is untouched: {str(error).splitlines()[0]}"
        ) from error
    except WarehouseError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    with contextlib.suppress(OSError):  # readers see the new night already; what can't be deleted now is deleted later
        home.build_database.unlink()  # it may be the published file itself, which nobody may write any more
        prune(home, keep)
    return Version(name, folder, int(name[:6]), True)


def _version_name(sequence: int, run_id: str, now: datetime) -> str:
    short = re.sub(r"[^0-9A-Za-z]", "", run_id)[:8] or "run"
    return f"{sequence:06d}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{short}"


def _place_database(target: Path, home: WarehouseHome, memory_limit: str | None) -> dict[str, int]:
    """Make the build database the version's; return the number of rows by `schema.table`."""
    with connect_build(home.build_database, memory_limit) as build:
        dropped = drop_views_of_files(build)
        build.execute("checkpoint")
        expected = _row_counts(build)
        if dropped:
            copy_database(build, target)
    if not dropped:
        second_name(home.build_database, target)
    with connect_read_only(target) as copy:
        found = _row_counts(copy)
        if found != expected:
            differing = sorted({*expected.items()} ^ {*found.items()})
            raise WarehouseError(
                f"The published copy differs from the build in {differing[0][0]}; nothing was published."
            )
    return expected


def _write_exports(partial: Path, memory_limit: str | None, exporter: Exporter | None) -> None:
    """Write the exports from the version's own database."""
    exports = partial / "exports"
    exports.mkdir(mode=DIRECTORY_MODE)
    with connect_read_only(partial / DATABASE_NAME) as copy:
        if memory_limit is not None:
            copy.execute("set memory_limit = ?", [memory_limit])
        (exporter or export_tables)(copy, exports)


def _place_documents(partial: Path, home: WarehouseHome) -> None:
    """Give the staged documents their place in the version."""
    for folder in PUBLISHED_FOLDERS:
        if folder != "exports" and home.staged(folder).is_dir():
            copy = second_name if folder in WRITTEN_ANEW else shutil.copy2
            shutil.copytree(home.staged(folder), partial / folder, copy_function=copy)


def _flush_and_hash(path: Path) -> str:
    """Hash a large file and force it to disk, which is begun early because it takes long."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return sha256_of(path)


def second_name(database: str | Path, target: str | Path) -> None:
    """Give a closed file a second name: no byte is copied, at a million patients gigabytes.

    The build's own name goes with the build. A file system without hard links gets a copy.
    """
    try:
        os.link(database, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK):
            raise
        shutil.copyfile(database, target)


def copy_database(build: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Copy the connection's database into a new file, without the freed pages in which dropped views still stand."""
    (row,) = build.execute("select current_database()").fetchall()
    source = quote(str(row[0]))
    path = str(target).replace("'", "''")
    build.execute(f"attach '{path}' as published_copy (storage_version '{READABLE_SINCE}')")
    try:
        build.execute(f"copy from database {source} to published_copy")
        build.execute("checkpoint published_copy")
    finally:
        build.execute("detach published_copy")


def drop_views_of_files(build: duckdb.DuckDBPyConnection) -> list[str]:
    """Drop schema `staging` and every other view that reads files or no longer resolves; return their names."""
    dropped = [view for view, _ in _views(build) if view.startswith(f"{quote(LAKE_SCHEMA)}.")]
    build.execute(f"drop schema if exists {LAKE_SCHEMA} cascade")
    while broken := [view for view, sql in _views(build) if _READS_FILES.search(sql) or not _resolves(build, view)]:
        for view in broken:
            build.execute(f"drop view {view}")
        dropped += broken
    return dropped


def _views(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    rows = connection.execute(
        """
        select schema_name, view_name, sql
        from duckdb_views()
        where database_name = current_database() and not internal and not temporary
        order by schema_name, view_name
        """
    ).fetchall()
    return [(f"{quote(schema)}.{quote(view)}", sql) for schema, view, sql in rows]


def _resolves(connection: duckdb.DuckDBPyConnection, view: str) -> bool:
    try:
        connection.execute(f"select * from {view} limit 0")  # noqa: S608
    except duckdb.Error:
        return False
    return True


def _row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    tables = list_tables(connection)
    if not tables:
        return {}
    counted = " union all ".join(
        f"select '{schema}.{table}', count(*) from {quote(schema)}.{quote(table)}"  # noqa: S608
        for schema, table in tables
    )
    return {str(name): int(count) for name, count in connection.execute(counted).fetchall()}
