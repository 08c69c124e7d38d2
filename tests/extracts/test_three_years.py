"""Three years of nightly deltas, delivered in any order and some of them again, give the marts of one snapshot.

The source's own book-keeping is redone here in a few lines of Python (`Source`): what stands in it after the last night
is the snapshot. Nothing of the lake, its plan or the staging takes part in that.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.extracts import (
    FEEDS,
    ExtractFolder,
    Lake,
    Pseudonymiser,
    check_delivery,
    ingest_feed,
    load_profile,
)
from study import load_study
from synthetic_emr import nightly_extracts
from synthetic_emr.contract import KEYS, Extract, Row
from synthetic_emr.files import write_extract
from tests.cohort import run_dbt

from .conftest import KEY

pytestmark = pytest.mark.slow

NIGHTS = 1095
EVERY_NTH_PATIENT = 5  # of the 39: eight courses, two thousand files
REFRESHES = 4
STUDY = Path(__file__).parents[2] / "study.yml"
EVIDENCE = ("evidence", "recorded_evidence", "derived_evidence", "source_extract", "source_file", "source_row")

Key = tuple[str, ...]


@dataclass
class Source:
    """A hospital's tables night by night: every change goes into the night's delta and into what stands afterwards."""

    days: Sequence[date]
    now: dict[str, dict[Key, Row]] = field(default_factory=lambda: {feed: {} for feed in FEEDS})
    deltas: list[dict[str, dict[Key, Row]]] = field(default_factory=list)
    replaced: int = 0
    deleted: int = 0

    def begin_night(self) -> None:
        self.deltas.append({})

    def put(self, feed: str, row: Row) -> None:
        key = key_of(feed, row)
        self.replaced += key in self.now[feed]
        self.now[feed][key] = row
        self.deltas[-1].setdefault(feed, {})[key] = row

    def delete(self, feed: str, row: Row) -> None:
        key = key_of(feed, row)
        self.now[feed].pop(key)
        self.deleted += 1
        self.deltas[-1].setdefault(feed, {})[key] = {name: row[name] for name in KEYS[feed]} | {"deleted": "true"}

    def rows_of(self, feed: str, patient: str) -> list[Row]:
        return [row for row in self.now[feed].values() if row["patient_id"] == patient]


def key_of(feed: str, row: Row) -> Key:
    return tuple(row[name] for name in KEYS[feed])


def three_years() -> Source:
    """The synthetic hospital's nights, and what real ones add: errors that are found and put right on later nights."""
    nights = nightly_extracts(NIGHTS)
    patients = sorted({row["patient_id"] for _, extract in nights for row in extract.get("patients", ())})
    chosen = set(patients[::EVERY_NTH_PATIENT])
    source = Source([day for day, _ in nights])
    errors = _Errors()
    for number, (_, extract) in enumerate(nights):
        source.begin_night()
        for feed, rows in extract.items():
            for row in rows:
                if row["patient_id"] in chosen:
                    errors.record(source, number, feed, row)
        errors.of_the_night(source, number)
    return source


@dataclass
class _Errors:
    """What was entered wrongly, and on which later night each is put right."""

    repairs: dict[int, list[tuple[str, Row, Row | None]]] = field(default_factory=dict)
    moved: dict[str, set[str]] = field(default_factory=lambda: {"adverse_events": set(), "cart_infusions": set()})

    def record(self, source: Source, night: int, feed: str, row: Row) -> None:
        """Enter a row of the synthetic source: a deletion as such, else as it is or, now and then, wrongly first."""
        if row.get("deleted"):
            source.delete(feed, source.now[feed][key_of(feed, row)])
            return
        identity = {"adverse_events": "event_id", "cart_infusions": "infusion_id"}.get(feed)
        stranger = next((name for name in source.now["patients"] if name[0] != row["patient_id"]), None)
        new = key_of(feed, row) not in source.now[feed]
        if identity and stranger and new and len(self.moved[feed]) < 4 and night < NIGHTS - 60:
            # entered under another patient; the same id moves to its owner in a later delta
            wrong = row | {"patient_id": stranger[0]}
            self.moved[feed].add(row[identity])
            source.put(feed, wrong)
            self._later(night + 40, feed, wrong, row)
        elif not identity or row[identity] not in self.moved[feed]:
            source.put(feed, row)

    def of_the_night(self, source: Source, night: int) -> None:
        """Repairs that are due, and the errors that every night brings."""
        for feed, wrong, right in self.repairs.pop(night, ()):
            if right is None or key_of(feed, right) != key_of(feed, wrong):
                source.delete(feed, wrong)
            if right is not None:
                source.put(feed, right)
        if night == NIGHTS // 3:
            self._enter_a_patient_by_mistake(source, night)
        if night == NIGHTS // 2:
            self._delete_and_enter_again(source, night)
        if night < NIGHTS - 1:
            self._mistype_a_lab_value(source, night)

    def _later(self, night: int, feed: str, wrong: Row, right: Row | None) -> None:
        self.repairs.setdefault(min(night, NIGHTS - 1), []).append((feed, wrong, right))

    def _enter_a_patient_by_mistake(self, source: Source, night: int) -> None:
        original = next(iter(source.now["cart_infusions"].values()))["patient_id"]
        for feed in FEEDS:
            for row in source.rows_of(feed, original)[:20]:
                twin = row | {"patient_id": "SYN-TWIN"}
                source.put(feed, twin)
                self._later(night + 100, feed, twin, None)

    def _delete_and_enter_again(self, source: Source, night: int) -> None:
        for feed in ("marrow_assessments", "follow_ups", "lab_results"):
            for row in list(source.now[feed].values())[:3]:
                source.delete(feed, row)
                self.repairs.setdefault(night + 30, []).append((feed, row, row))

    def _mistype_a_lab_value(self, source: Source, night: int) -> None:
        """On every night, so that every one brings a delta: a value wrong tonight and right again tomorrow."""
        labs = list(source.now["lab_results"].values())
        row = labs[night * 7919 % len(labs)]
        if row["value"] == "0.07":
            return
        source.put("lab_results", row | {"value": "0.07"})
        self._later(night + 1, "lab_results", row, row)


def as_extract(delta: Mapping[str, Mapping[Key, Row]]) -> Extract:
    return {feed: list(rows.values()) for feed, rows in delta.items()}


def write_delta(folder: Path, day: date, extract: Extract) -> ExtractFolder:
    shutil.rmtree(folder / day.isoformat(), ignore_errors=True)
    return ExtractFolder(day, write_extract(folder / day.isoformat(), extract, day, mode="delta"))


def refresh(lake_folder: Path, extracts: Sequence[ExtractFolder]) -> None:
    """One refresh as far as the lake: nothing is remembered from the one before but what stands on disk."""
    lake, profile, pseudonymiser = Lake(lake_folder), load_profile("canonical"), Pseudonymiser(KEY)
    for extract in extracts:
        delivery = check_delivery(extract, profile, lake)
        for feed in FEEDS:
            ingest_feed(extract, feed, profile=profile, pseudonymiser=pseudonymiser, lake=lake, delivery=delivery)
    lake.write_plan()


def half_of(extract: Extract) -> Extract:
    """What an export that broke off halfway had written."""
    return {feed: rows[: len(rows) // 2] for feed, rows in extract.items() if len(rows) > 1} or extract


@pytest.fixture(scope="module")
def source() -> Source:
    return three_years()


@pytest.fixture(scope="module")
def built(source: Source, tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """Both warehouses, attached as `deltas` and `snapshot`."""
    root = tmp_path_factory.mktemp("three_years")
    chance = random.Random(20180730)
    order = list(range(NIGHTS))
    chance.shuffle(order)
    share = -(-NIGHTS // REFRESHES)
    hasty = set(order[:share:25])
    arrived: list[int] = []
    for start in range(0, NIGHTS, share):
        again = chance.sample(arrived, min(len(arrived), 12)) + (sorted(hasty) if arrived else [])
        tonight = order[start : start + share] + again
        chance.shuffle(tonight)
        extracts = []
        for number in tonight:
            whole = as_extract(source.deltas[number])
            broken_off = number in hasty and number not in arrived
            day = source.days[number]
            extracts.append(write_delta(root / "extracts", day, half_of(whole) if broken_off else whole))
        refresh(root / "deltas" / "lake", extracts)
        arrived += order[start : start + share]
    last = source.days[-1]
    end = ExtractFolder(last, write_extract(root / "end" / last.isoformat(), as_extract(source.now), last))
    refresh(root / "snapshot" / "lake", [end])
    connection = duckdb.connect()
    for name in ("deltas", "snapshot"):
        database = root / name / "warehouse.duckdb"
        command = ["build", "--resource-type", "model", "--resource-type", "seed"]
        run_dbt(command, load_study(STUDY), lake=root / name / "lake", database=database)
        connection.execute(f"attach '{database}' as {name} (read_only)")
    return connection


def test_every_night_brings_a_delta_with_corrections_deletions_and_moved_ids(source: Source) -> None:
    assert [bool(delta) for delta in source.deltas] == [True] * NIGHTS
    assert source.replaced > 1000
    assert source.deleted > 50
    owners: dict[str, set[str]] = {}
    for delta in source.deltas:
        for feed, column in (("adverse_events", "event_id"), ("cart_infusions", "infusion_id")):
            for row in delta.get(feed, {}).values():
                owners.setdefault(row[column], set()).add(row["patient_id"])
    moved = [identity for identity, patients in owners.items() if len(patients - {"SYN-TWIN"}) > 1]
    assert len(moved) == 8
    assert all(row["patient_id"] != "SYN-TWIN" for rows in source.now.values() for row in rows.values())


def test_the_marts_are_those_of_one_snapshot(built: duckdb.DuckDBPyConnection) -> None:
    tables = built.execute(
        "select table_catalog, table_name from information_schema.tables where table_schema = 'marts'"
    ).fetchall()
    names = sorted({name for _, name in tables})
    assert len(names) >= 10
    assert sorted(tables) == sorted((catalog, name) for catalog in ("deltas", "snapshot") for name in names)
    for name in names:
        columns = [row[0] for row in built.execute(f"describe deltas.marts.{name}").fetchall()]
        kept = ", ".join(f'"{column}"' for column in columns if column not in EVIDENCE)
        left, right = (f"select {kept} from {catalog}.marts.{name}" for catalog in ("deltas", "snapshot"))
        for one, other in ((left, right), (right, left)):
            assert built.execute(f"{one} except all {other}").fetchall() == [], name
    counts = {name: built.execute(f"select count(*) from deltas.marts.{name}").fetchone() for name in names}
    assert counts["patients"] == (8,)
    assert all(counts[name] > (50,) for name in ("events", "outcomes", "response_assessments"))


def test_what_the_source_put_right_is_not_held_against_it(built: duckdb.DuckDBPyConnection) -> None:
    """A patient entered by mistake and deleted with every row leaves no row that "no such patient" could be said of."""
    for table in ("rejected_rows", "rejected_values"):
        counts = [
            built.execute(f"select count(*) from {name}.quality.{table}").fetchone() for name in ("deltas", "snapshot")
        ]
        assert counts[0] == counts[1], table
    files = built.execute(
        "select count(distinct extract), count(*) filter (where accepted + rejected <> rows) "
        "from deltas.quality.extracts"
    ).fetchall()
    assert files == [(NIGHTS, 0)]
