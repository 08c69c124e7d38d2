"""A night after a small delta on a long history: only the patients of whom something changed are built anew.

Every table of the warehouse either holds rows of patients, each made from that patient's rows of the lake alone, or is
about the whole cohort. So after a delta

1. the patients are found of whom the night's plan reads other files than last night's did;
2. their rows of the lake, all feeds, go into a small lake of their own (the slice), and the same dbt models build the
   tables by patient from it;
3. a copy of last night's warehouse gets these rows in the place of the patients' old ones;
4. dbt builds the tables about the whole cohort on it, and makes every test, on the whole warehouse.

The result has the rows of a warehouse that is built whole, which tests and `verify --rebuild` show; where a
condition for that doesn't hold, the night is built whole and says why (`why_whole`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orchestration.extracts import FEEDS
from orchestration.extracts.feeds import Feed, Kind
from orchestration.extracts.lake import LedgerRow, Plan
from warehouse import WarehouseHome, connect_build, connect_read_only, current_version
from warehouse.replacement import Table, keep_alone, replace_patients
from warehouse.tables import quote

LARGEST_SHARE = 0.05
"""Of all patients; above it a whole build costs no more."""
NIGHTS_BEFORE_WHOLE = 30
"""Delta nights in a row, at most: each leaves the replaced rows' space in the file, which a whole build gives back."""

_BY_COHORT = "cohort"
_LAKE_SCHEMA = "staging"


@dataclass(frozen=True)
class NightFacts:
    """What two nights are compared by.

    Attributes:
        code_version: version of the code.
        study_sha256: hash of the study file.
        key_id: which pseudonym key.
        data_cutoff: the last day that counts.
        files: lake files by feed.
        delivered: feeds of which any row counts.
        deltas: delta nights since the warehouse was last built whole.
    """

    code_version: str
    study_sha256: str
    key_id: str
    data_cutoff: date | None
    files: Mapping[str, frozenset[str]]
    delivered: frozenset[str]
    deltas: int

    def as_json(self) -> dict[str, Any]:
        """What `last_night` reads back, beside what `audit_facts` holds already."""
        return {
            "data_cutoff": self.data_cutoff.isoformat() if self.data_cutoff else None,
            "delivered": sorted(self.delivered),
            "deltas": self.deltas,
        }


def facts_of_plan(
    plan: Plan, code_version: str, study_sha256: str, key_id: str, study_cutoff: date | None
) -> NightFacts:
    """Return tonight's facts as far as the plan tells them: what is delivered is known once the models have run."""
    newest = date.fromisoformat(plan.newest_extract) if plan.newest_extract else None
    files = {name: frozenset(feed.files) for name, feed in plan.feeds.items()}
    return NightFacts(code_version, study_sha256, key_id, study_cutoff or newest, files, frozenset(), 0)


def last_night(home: WarehouseHome) -> NightFacts | None:
    """Return the facts of the published night; None without one, or where it didn't note them."""
    version = current_version(home)
    manifest = version.manifest() if version else {}
    built = manifest.get("built")
    if not isinstance(built, dict):
        return None
    files: dict[str, set[str]] = {name: set() for name in FEEDS}
    for source in manifest.get("inputs") or []:
        files[source["feed"]].add(source["lake_file"])
    return NightFacts(
        str(manifest.get("code_version")),
        str(manifest.get("study_sha256")),
        str(manifest.get("key_id")),
        date.fromisoformat(built["data_cutoff"]) if built["data_cutoff"] else None,
        {name: frozenset(paths) for name, paths in files.items()},
        frozenset(built["delivered"]),
        int(built["deltas"]),
    )


def why_whole(last: NightFacts | None, tonight: NightFacts, rows: int, from_rows: int) -> str | None:
    """Return why tonight's warehouse must be built whole, or None where a delta night may be tried.

    Args:
        last: the published night.
        tonight: this night.
        rows: accepted rows that tonight's plan reads.
        from_rows: a history with fewer rows is built whole, which then is faster.
    """
    if last is None:
        return "there is no earlier night to go on from"
    reasons = {
        f"the history has fewer than {from_rows} rows": rows < from_rows,
        "the code is another": last.code_version != tonight.code_version,
        "the study file is another": last.study_sha256 != tonight.study_sha256,
        "the pseudonym key is another": last.key_id != tonight.key_id,
        "the data cut-off lies before last night's": _day(tonight) < _day(last),
        f"{NIGHTS_BEFORE_WHOLE} nights were deltas": last.deltas >= NIGHTS_BEFORE_WHOLE,
        "nothing was delivered anew": last.files == tonight.files and last.data_cutoff == tonight.data_cutoff,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _day(facts: NightFacts) -> date:
    return facts.data_cutoff or date.max


@dataclass(frozen=True)
class Models:
    """dbt's tables by what their rows depend on.

    Attributes:
        by_patient: published tables whose rows depend on one patient's rows alone: schema and name.
        work: unpublished tables and views, which only other models of the same run read.
        by_cohort: tables that depend on more than one patient.
        empty_by_patient: of those, tables that are empty where no patient has a row for them: empty last night and
            empty for the changed patients, they are empty tonight.
    """

    by_patient: frozenset[Table]
    work: frozenset[Table]
    by_cohort: frozenset[Table]
    empty_by_patient: frozenset[Table] = frozenset()


def models_of(manifest: Mapping[str, Any]) -> Models:
    """Tell the tables of the dbt project apart.

    A table with `patient_key` is by patient, unless its model says otherwise (`meta: {rows_depend_on: cohort}`). One
    without says where at least whether it is empty is told by patient (`meta: {empty_by_patient: true}`).
    """
    by_patient, work, by_cohort, empty = set[Table](), set[Table](), set[Table](), set[Table]()
    for node in manifest["nodes"].values():
        if node["resource_type"] != "model" or node["schema"] == _LAKE_SCHEMA:
            continue
        table = (node["schema"], node["name"])
        if node["config"].get("database"):
            work.add(table)
        elif "patient_key" in node["columns"] and node["config"]["meta"].get("rows_depend_on") != _BY_COHORT:
            by_patient.add(table)
        else:
            by_cohort.add(table)
            if node["config"]["meta"].get("empty_by_patient"):
                empty.add(table)
    return Models(frozenset(by_patient), frozenset(work), frozenset(by_cohort), frozenset(empty))


def empty_among(database: Path, tables: Iterable[Table]) -> frozenset[Table]:
    """Return those of the tables that have no row in a closed database."""
    with connect_read_only(database) as connection:
        return frozenset(
            (schema, name) for schema, name in tables if not _any_row(connection, f"{quote(schema)}.{quote(name)}")
        )


def seeds_of(manifest: Mapping[str, Any]) -> frozenset[Table]:
    """Return the code lists and rules, which the slice and the warehouse share: the code is the same."""
    nodes = manifest["nodes"].values()
    return frozenset((node["schema"], node["alias"]) for node in nodes if node["resource_type"] == "seed")


@dataclass(frozen=True)
class Slice:
    """The lake and the databases of the changed patients, under the build folder.

    Attributes:
        root: its folder.
    """

    root: Path

    @property
    def lake(self) -> Path:
        """A lake like the whole one, one file a feed."""
        return self.root / "lake"

    @property
    def patients(self) -> Path:
        """Parquet file of the changed patients' keys."""
        return self.root / "patients.parquet"

    @property
    def database(self) -> Path:
        """The tables by patient, with the changed patients alone."""
        return self.root / "warehouse.duckdb"

    @property
    def unpublished(self) -> Path:
        """Staging views and work tables of the slice."""
        return self.root / "unpublished.duckdb"

    def environment(self) -> dict[str, str]:
        """What dbt's `env_var()` calls read in place of the night's own lake and build."""
        return {
            "CART_LAKE": str(self.lake),
            "CART_BUILD_DATABASE": str(self.database),
            "CART_UNPUBLISHED_DATABASE": str(self.unpublished),
        }


def is_gone(home: WarehouseHome, last: NightFacts) -> bool:
    """Say whether a file that last night read lies in the lake no more, so that nobody knows whose rows it held."""
    return not all((home.lake / file).is_file() for files in last.files.values() for file in files)


def find_changed_patients(
    home: WarehouseHome, slice_: Slice, last: NightFacts, tonight: NightFacts, memory_limit: str
) -> tuple[int, int]:
    """Write the keys of the patients whose rows may change tonight; return their number and that of last night's.

    These are all patients of files that one of the two nights reads and the other doesn't; and, where the data cut-off
    has moved, all who have a date that may lie after the old one (it may count now, or be imputed otherwise).
    """
    shutil.rmtree(slice_.root, ignore_errors=True)  # of a night that failed and is gone on with
    slice_.root.mkdir(mode=0o700)
    changed = {name: last.files.get(name, frozenset()) ^ files for name, files in tonight.files.items()}
    parts = [_keys_of(home, files) for files in changed.values() if files]
    if last.data_cutoff is not None and last.data_cutoff != tonight.data_cutoff:
        # A time with a zone may read as the day after the one it shows.
        after = last.data_cutoff - timedelta(days=1)
        parts += [_keys_of(home, files, _dated_after(FEEDS[name], after)) for name, files in tonight.files.items()]
    with connect_build(slice_.root / "scratch.duckdb", memory_limit) as connection:
        union = " union ".join(part for part in parts if part)
        connection.execute(f"create temp table changed as select distinct patient_key from ({union})")  # noqa: S608
        connection.execute(f"copy changed to '{_text(slice_.patients)}' (format parquet)")
        ((count,),) = connection.execute("select count(*) from changed").fetchall()
    with connect_read_only(home.database) as published:
        ((known,),) = published.execute("select count(*) from marts.patients").fetchall()
    return int(count), int(known)


def _keys_of(home: WarehouseHome, files: Iterable[str], condition: str = "true") -> str:
    paths = [home.lake / file for file in sorted(files)]
    return f"select patient_key from {_parquet(paths)} where {condition}" if paths and condition else ""  # noqa: S608


def _dated_after(feed: Feed, day: date) -> str:
    """A condition that holds wherever a date of the row may lie after the day, be it a month or a year alone."""
    dates = [column.lake_name for column in feed.lake_columns if column.kind in (Kind.DATE, Kind.DATETIME)]
    text = f"'{day.isoformat()}'"
    return " or ".join(
        f'case when length("{name}") < 10 then "{name}" >= left({text}, length("{name}")) '
        f'else left("{name}", 10) > {text} end'
        for name in dates
    )


def write_slice_lake(
    home: WarehouseHome, slice_: Slice, plan: Plan, delivered: frozenset[str], memory_limit: str
) -> None:
    """Copy the changed patients' rows of every feed, evidence and all, and write the plan that reads them.

    Args:
        home: the warehouse home.
        slice_: the slice, whose changed patients are known.
        plan: tonight's plan.
        delivered: feeds of which any row counts: a slice may hold no row of one of them.
        memory_limit: DuckDB memory limit.
    """
    feeds: dict[str, dict[str, Any]] = {}
    with connect_build(slice_.root / "scratch.duckdb", memory_limit) as connection:
        for name, feed in plan.feeds.items():
            files: list[str] = []
            if feed.files:
                files = [f"raw/{name}/slice/rows.parquet"]
                target = slice_.lake / files[0]
                target.parent.mkdir(mode=0o700, parents=True)
                rows = _parquet([home.lake / file for file in feed.files])
                connection.execute(
                    f"copy (select * from {rows} where patient_key in (select patient_key from "  # noqa: S608
                    f"read_parquet('{_text(slice_.patients)}'))) to '{_text(target)}' (format parquet)"
                )
            feeds[name] = {"files": files, "deduplicate": feed.deduplicate}
    content = {
        "feeds": feeds,
        "ledger": [],
        "rejected": [],
        "newest_extract": plan.newest_extract,
        "delivered": sorted(delivered),
    }
    (slice_.lake / "plan.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def delivered_feeds(unpublished: Path) -> frozenset[str]:
    """Return the feeds of which any row counts, from a finished build's staging views."""
    with connect_build(unpublished) as connection:
        return frozenset(name for name in FEEDS if _any_row(connection, f"{_LAKE_SCHEMA}.stg_emr__{name}"))


def delivers_otherwise(slice_: Slice, delivered: frozenset[str]) -> str | None:
    """Return why another set of feeds may be delivered tonight than last night, or None where it can't be.

    "None recorded" means something only where a feed is delivered, so that this changes the rows of every patient. A
    feed is delivered for the first time where the slice has a row that counts; a feed may have ceased where
    the changed patients' rows, of which there are some, all count no more.
    """
    with connect_build(slice_.unpublished) as connection:
        for name in FEEDS:
            counts = _any_row(connection, f"{_LAKE_SCHEMA}.stg_emr__{name}")
            if counts and name not in delivered:
                return f"feed {name} is delivered for the first time"
            file = slice_.lake / "raw" / name / "slice" / "rows.parquet"
            none_left = not file.exists() or _any_row(connection, f"read_parquet('{_text(file)}')")
            if not counts and name in delivered and none_left:
                return f"feed {name} may have lost its last row"
    return None


def _any_row(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    ((found,),) = connection.execute(f"select exists (select true from {relation})").fetchall()  # noqa: S608
    return bool(found)


def put_in_place(
    home: WarehouseHome, slice_: Slice, models: Models, alike: frozenset[Table], memory_limit: str
) -> None:
    """Make tonight's build of last night's copy and the slice: tables by patient and those alike, nothing else."""
    keep_alone(home.build_database, models.by_patient | alike, memory_limit)
    replace_patients(home.build_database, slice_.database, slice_.patients, sorted(models.by_patient), memory_limit)


def accepted_rows(ledger: Iterable[LedgerRow]) -> int:
    """Return how many rows the ledger's files hold."""
    return sum(row.accepted for row in ledger)


def _parquet(paths: Iterable[Path]) -> str:
    return "read_parquet([" + ", ".join(f"'{_text(path)}'" for path in paths) + "])"


def _text(path: Path) -> str:
    return str(path).replace("'", "''")
