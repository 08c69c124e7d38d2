"""The published files of a delta night: last night's, the changed patients' rows in the place of their old ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from interchange import require_distinct_ids, subject_of, write_adam, write_cbioportal
from orchestration.delta_night import Slice, models_of
from orchestration.manifest import ensure_manifest
from orchestration.night_build import built_facts
from study import Study
from warehouse import Version, WarehouseHome, connect_read_only, current_version, export_tables
from warehouse.exports import every_column_optional, export_table
from warehouse.files import sha256_of
from warehouse.replacement import Table
from warehouse.splicing import SplicingError, splice_lines, splice_parquet

_PATIENT, _SUBJECT = "patient_key", "USUBJID"


@dataclass(frozen=True)
class NightBefore:
    """The published night that tonight's delta was built on, and the changed patients' own tables.

    Attributes:
        version: the published night.
        slice_: the changed patients.
        tables: tables by patient.
    """

    version: Version
    slice_: Slice
    tables: frozenset[Table]

    @cached_property
    def patients(self) -> Sequence[str]:
        """Keys of the changed patients, in order."""
        with duckdb.connect() as connection:
            rows = connection.read_parquet(str(self.slice_.patients)).fetchall()
        return sorted(key for (key,) in rows if key is not None)

    def changed(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Open the database of the changed patients."""
        return connect_read_only(self.slice_.database)

    def file(self, name: str) -> Path | None:
        """Return a file of the night before, by its path in the version; None where it isn't what was published."""
        path = self.version.folder / name
        told = self.version.manifest().get("sha256", {}).get(name)
        return path if path.is_file() and sha256_of(path) == told else None


def night_before(home: WarehouseHome) -> NightBefore | None:
    """Return what tonight's build went on from; None where it was built whole."""
    base, version = built_facts(home).get("built", {}).get("base"), current_version(home)
    if base is None or version is None or version.name != base:
        return None
    manifest = json.loads(ensure_manifest().read_text(encoding="utf-8"))
    return NightBefore(version, Slice(home.build / "slice"), models_of(manifest).by_patient)


def export_after(before: NightBefore, connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
    """Write every export, as `export_tables`: tables by patient from last night's file, all others whole."""
    own = before.slice_.root / "exports"
    own.mkdir(mode=0o700, exist_ok=True)
    with before.changed() as changed, every_column_optional(changed):

        def export(whole: duckdb.DuckDBPyConnection, schema: str, table: str, path: Path) -> None:
            old = before.file(f"exports/{path.name}") if (schema, table) in before.tables else None
            with changed.cursor() as rebuilt:
                if old is not None and _splice(before, rebuilt, whole, (schema, table), old, own / path.name, path):
                    return
            export_table(whole, schema, table, path)

        # one at a time: a splice keeps both cores at work, and two hold gigabytes more
        return export_tables(connection, folder, export, at_once=1)


def _splice(
    before: NightBefore,
    changed: duckdb.DuckDBPyConnection,
    whole: duckdb.DuckDBPyConnection,
    table: Table,
    old: Path,
    own: Path,
    path: Path,
) -> bool:
    """Write one export from last night's; say whether it has the rows of the table, in the patients' order."""
    name = ".".join(f'"{part}"' for part in table)
    ((rows,),) = whole.execute(f"select count(*) from {name}").fetchall()  # noqa: S608
    ((first, *_), *_) = whole.execute(f"describe {name}").fetchall()
    export_table(changed, *table, own)
    try:
        return bool(first == _PATIENT and splice_parquet(old, own, before.patients, _PATIENT, path) == rows)
    except SplicingError:
        return False


def write_interchange(
    connection: duckdb.DuckDBPyConnection, study: Study, folder: Path, before: NightBefore | None = None
) -> None:
    """Write the marts as ADaM-style Parquet and as cBioPortal files.

    Args:
        connection: a connection to the build.
        study: the study.
        folder: where `adam` and `cbioportal` are made.
        before: the night that the build went on from, whose files are gone on from too.
    """
    adam, cbioportal = folder / "adam", folder / "cbioportal"
    if before is None or not _splice_adam(before, study, adam):
        write_adam(connection, study, adam)
    if before is not None:
        require_distinct_ids(connection)
    if before is None or not _splice_cbioportal(before, study, cbioportal):
        write_cbioportal(connection, study, cbioportal)


def _splice_adam(before: NightBefore, study: Study, folder: Path) -> bool:
    with before.changed() as changed:
        own = write_adam(changed, study, before.slice_.root / "adam")
    folder.mkdir(parents=True, exist_ok=True)
    for path in own:
        old = before.file(f"interchange/adam/{path.name}")
        try:
            if old is None:
                return False
            splice_parquet(old, path, before.patients, _SUBJECT, folder / path.name)
        except SplicingError:
            return False
    return True


def _splice_cbioportal(before: NightBefore, study: Study, folder: Path) -> bool:
    with before.changed() as changed:
        own = write_cbioportal(changed, study, before.slice_.root / "cbioportal")
    folder.mkdir(parents=True, exist_ok=True)
    patients = [subject_of(key) for key in before.patients]
    for path in own:
        old = before.file(f"interchange/cbioportal/{path.name}")
        if old is None:
            return False
        if not path.name.startswith("data_"):
            shutil.copyfile(path, folder / path.name)
            continue
        try:
            splice_lines(old, path, patients, folder / path.name)
        except SplicingError:
            return False
    return True
