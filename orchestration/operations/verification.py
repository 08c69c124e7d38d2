"""`make verify`: is the published warehouse what was published, and what its inputs make?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq
from pyarrow.lib import ArrowException

from orchestration.operations.audit import AUDIT_NAME, audit_trail, changed_facts, results_of
from orchestration.operations.errors import OperationsError
from warehouse import Exporter, Version, WarehouseHome, connect_read_only, current_version, export_tables
from warehouse.files import files_below, sha256_of
from warehouse.versions import MANIFEST_NAME

Rebuild = Callable[[WarehouseHome], None]


class LakeLine(Protocol):
    """What the check of the lake takes from ingestion's ledger."""

    @property
    def lake_file(self) -> str:
        """Lake file, relative to the lake."""

    @property
    def accepted(self) -> int:
        """Rows that the file must hold."""


@dataclass(frozen=True)
class Verification:
    """Result of `verify`.

    Attributes:
        version: the verified version.
        done: what was compared, one sentence each.
        problems: what is wrong, one sentence each; empty when all is well.
    """

    version: str
    done: tuple[str, ...]
    problems: tuple[str, ...]


def verify(home: WarehouseHome, rebuild: Rebuild | None = None, exporter: Exporter | None = None) -> Verification:
    """Check the published version.

    1. Every file has the SHA-256 of `night.json`, none is missing or added. 2. Exports made again from the warehouse
    are byte-equal to the published. 3. The audit trail is whole and notes the same results. 4. The lake files have the
    hashes of their first use. 5. A warehouse built anew from the same lake exports the same bytes.

    Args:
        home: the warehouse home.
        rebuild: builds and publishes into the given empty home from a copy of the lake; None leaves step 5 out.
        exporter: what the version's exports were written with, where not with the default.

    Raises:
        OperationsError: nothing is published.
    """
    version = current_version(home)
    if version is None:
        raise OperationsError(f"There is no published warehouse in {home.root} to verify. Run 'make refresh' first.")
    manifest = version.manifest()
    done = [f"{len(manifest['sha256'])} published files against their SHA-256"]
    problems = _changed_files(version, manifest)
    if not problems:
        problems += _changed_exports(home, version, exporter or export_tables)
        done.append(f"{len(results_of(manifest))} exports made anew from the warehouse, byte by byte")
    problems += _trail_disagrees(home, version, manifest)
    done.append(f"the audit trail of {len(audit_trail(home))} builds")
    lake = {source["lake_file"]: source["lake_sha256"] for source in manifest.get("inputs", [])}
    problems += _changed_lake(home, lake)
    done.append(f"{len(lake)} lake files against the SHA-256 of their first use")
    if rebuild is not None and not problems:
        problems += _rebuilt_differs(home, manifest, rebuild)
        done.append("a warehouse built anew from the lake, export by export")
    return Verification(version.name, tuple(done), tuple(problems))


def check_lake(lake_root: Path, ledger: Iterable[LakeLine], hashes: Mapping[str, str] | None = None) -> None:
    """Refuse a lake with a missing or damaged file before anything is built from it.

    Reads footers only, unless hashes are given.

    Args:
        lake_root: the lake.
        ledger: the ledger rows that tonight reads.
        hashes: SHA-256 by lake file, to compare the contents too.

    Raises:
        OperationsError: names every damaged file and what to do.
    """
    problems = [problem for row in ledger if (problem := _footer_problem(lake_root, row))]
    if hashes:
        problems += [f"{path}: {problem}" for path, problem in _changed_hashes(lake_root, hashes)]
    if problems:
        raise OperationsError(
            "The lake is damaged:\n  " + "\n  ".join(problems) + "\n"
            "Take these files from the backup; or delete their rows under lake/ledger and refresh with their extracts "
            "still in place, which writes them anew."
        )


def _footer_problem(lake_root: Path, row: LakeLine) -> str | None:
    path = lake_root / row.lake_file
    if not path.is_file():
        return f"{row.lake_file}: missing"
    try:
        rows = pq.read_metadata(path).num_rows
    except (ArrowException, OSError):
        return f"{row.lake_file}: not readable as Parquet"
    return None if rows == row.accepted else f"{row.lake_file}: holds {rows:,} rows, the ledger says {row.accepted:,}"


def _changed_hashes(root: Path, hashes: Mapping[str, str]) -> list[tuple[str, str]]:
    changed: list[tuple[str, str]] = []
    for path, digest in sorted(hashes.items()):
        if not (root / path).is_file():
            changed.append((path, "missing"))
        elif sha256_of(root / path) != digest:
            changed.append((path, "its content has changed"))
    return changed


def _changed_files(version: Version, manifest: Mapping[str, Any]) -> list[str]:
    there = {str(path.relative_to(version.folder)) for path in files_below(version.folder)} - {MANIFEST_NAME}
    added = sorted(there - set(manifest["sha256"]))
    return [f"{path}: {problem}" for path, problem in _changed_hashes(version.folder, manifest["sha256"])] + [
        f"{path}: was added after publishing" for path in added
    ]


def _changed_exports(home: WarehouseHome, version: Version, exporter: Exporter) -> list[str]:
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=home.root) as scratch:
        with connect_read_only(version.database) as connection:
            written = exporter(connection, Path(scratch))
        anew = {path.name: sha256_of(path) for path in written.values()}
    return _differences(results_of(version.manifest()), anew, "the warehouse's own export")


def _trail_disagrees(home: WarehouseHome, version: Version, manifest: Mapping[str, Any]) -> list[str]:
    noted = [entry for entry in audit_trail(home) if entry.version == version.name]
    if not noted:
        return [f"The audit trail does not know version {version.name}."]
    changed = changed_facts(noted[-1], manifest)
    line = f"lake/ledger/{AUDIT_NAME}: the line of {version.name} says another {', '.join(changed)} than its night.json"
    return [
        *([f"{line}; compare both with the backup"] if changed else []),
        *_differences(noted[-1].content["results"], results_of(manifest), "night.json"),
    ]


def _changed_lake(home: WarehouseHome, hashes: Mapping[str, str]) -> list[str]:
    return [f"lake/{path}: {problem}" for path, problem in _changed_hashes(home.lake, hashes)]


def _rebuilt_differs(home: WarehouseHome, manifest: Mapping[str, Any], rebuild: Rebuild) -> list[str]:
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=home.root) as scratch:
        other = WarehouseHome(Path(scratch) / "home").prepare()
        shutil.rmtree(other.lake)
        shutil.copytree(home.lake, other.lake, copy_function=shutil.copyfile)
        (other.lake / "ledger" / "builds.jsonl").unlink(missing_ok=True)
        rebuild(other)
        rebuilt = current_version(other)
        if rebuilt is None:
            return ["The rebuild published nothing."]
        return _differences(results_of(manifest), results_of(rebuilt.manifest()), "the rebuilt warehouse")


def _differences(expected: Mapping[str, str], found: Mapping[str, str], where: str) -> list[str]:
    names: Sequence[str] = sorted({*expected, *found})
    return [
        f"exports/{name}: {'differs from' if name in expected and name in found else 'is not in both, published and'} "
        f"{where}"
        for name in names
        if expected.get(name) != found.get(name)
    ]
