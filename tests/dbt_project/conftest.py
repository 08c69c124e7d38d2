"""The reference extract as a warehouse, built once for all tests of the dbt project that look at it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.extracts.feeds import FEEDS
from study import Study, load_study
from synthetic_emr.reference import write_reference_extract
from tests.cohort import BuiltCohort, made_once, patient_key, run_dbt, write_lake

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE_COHORT = REPOSITORY / "synthetic_emr" / "reference_cohort.csv"
HASHED_IDS = ("infusion_id", "event_id", "parent_event_id", "encounter_id")


def lake_rows(extract: Path, feed: str) -> list[dict[str, str | None]]:
    """Return a feed's rows as the lake would hold them: text, missing as None, ids as pseudonyms."""
    columns = [column.name for column in FEEDS[feed].lake_columns]
    rows: list[dict[str, str | None]] = []
    for path in sorted(extract.glob(f"{feed}*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for record in csv.DictReader(file):
                row = {name: (record.get(name) or "").strip() or None for name in columns if name != "patient_id"}
                for name in HASHED_IDS:
                    if row.get(name):
                        row[name] = patient_key(
                            f"{name.removeprefix('parent_')}:{row[name]}"
                        )  # a parent is an event too
                rows.append({"patient_key": patient_key(record["patient_id"]), **row})
    return rows


@pytest.fixture(scope="session")
def paper_study() -> Study:
    """The study file of the repository: the paper's choices."""
    return load_study(REPOSITORY / "study.yml")


@pytest.fixture(scope="session")
def reference_database(shared_folder: Path, paper_study: Study) -> Path:
    """The whole project built on the reference extract; closed, to be copied by whoever writes."""

    def build(folder: Path) -> None:
        extract = write_reference_extract(folder / "extracts")
        write_lake(folder / "lake", {feed: lake_rows(extract, feed) for feed in FEEDS}, extract=extract.name)
        command = ["build", "--resource-type", "model", "--resource-type", "seed"]
        run_dbt(command, paper_study, lake=folder / "lake", database=folder / "warehouse.duckdb")

    return made_once(shared_folder / "reference", build) / "warehouse.duckdb"


@pytest.fixture(scope="session")
def reference(reference_database: Path) -> Iterator[BuiltCohort]:
    """Answers about the patients of the reference cohort, by their synthetic id."""
    with REFERENCE_COHORT.open(encoding="utf-8", newline="") as file:
        names = [row["patient_id"] for row in csv.DictReader(file)]
    built = BuiltCohort(reference_database, reference_database.parent / "lake", names)
    yield built
    built.close()
