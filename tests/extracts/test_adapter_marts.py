"""The same patients through `his_zh`, FHIR R4 and OMOP CDM 5.4 give the same marts as through canonical files.

Every row of every mart, every column; where a mart names the source rows that decided something, the rows named must
hold the same key, for their files and numbers differ by nature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.extracts import FEEDS, Lake, load_profile
from study import load_study
from synthetic_emr import (
    build_reference_extract,
    read_extract,
    write_fhir_extract,
    write_his_zh_extract,
    write_omop_extract,
    write_scaled_extract,
)
from synthetic_emr.contract import Extract
from synthetic_emr.files import write_extract
from synthetic_emr.reference import REFERENCE_DATE, reference_folder
from tests.cohort import run_dbt

from .conftest import Night

pytestmark = pytest.mark.slow

DAY = REFERENCE_DATE.isoformat()
STUDY = load_study(Path(__file__).resolve().parents[2] / "study.yml")
OTHER_SEED = 7
OTHER_PATIENTS = 100
RowKeys = Mapping[tuple[str, str, int], tuple[str, ...]]


def _write_canonical(out_dir: Path, *, extract: Extract) -> Path:
    return write_extract(reference_folder(out_dir), extract, REFERENCE_DATE)


WRITERS: Mapping[str, Callable[..., Path]] = {
    "canonical": _write_canonical,
    "his_zh": write_his_zh_extract,
    "fhir_r4": write_fhir_extract,
    "omop_cdm54": write_omop_extract,
}


@dataclass(frozen=True)
class Marts:
    """The marts of one warehouse: columns and sorted rows by table, source rows replaced by their keys."""

    columns: Mapping[str, list[str]]
    rows: Mapping[str, list[str]]


def _other_extract(folder: Path) -> Extract:
    """Resampled patients of another seed, with cells that a hospital writes and the reference extract doesn't hold."""
    extract = read_extract(
        write_scaled_extract(folder, patients=OTHER_PATIENTS, labs_per_patient=100, file_format="csv", seed=OTHER_SEED)
    )
    labs, patients = extract["lab_results"], extract["patients"]
    labs[5]["value"], labs[6]["value"], labs[7]["value"], labs[8]["value"] = "<0.01", ">1000", "", "溶血"
    labs[9]["value"], labs[10]["unit"] = "1.5e1", ""
    labs[11]["collected_at"] = labs[11]["collected_at"][:10]
    patients[0]["birth_date"], patients[1]["birth_date"] = patients[0]["birth_date"][:7], patients[1]["birth_date"][:4]
    patients[2]["sex"] = ""
    extract["prior_therapies"][0]["ended_on"] = ""
    extract["medications"][0] |= {"dose": "", "dose_unit": ""}
    extract["mrd_results"][0]["result"] = ""
    extract["adverse_events"][0]["ended_on"] = ""
    extract["encounters"][0]["discharged_at"] = ""
    return extract


def _build(folder: Path, extract: Extract) -> dict[str, Marts]:
    return {name: _marts(folder / name, name, extract) for name in WRITERS}


def _marts(folder: Path, profile: str, extract: Extract) -> Marts:
    night = Night(folder / "extracts", Lake(folder / "lake"), load_profile(profile))
    WRITERS[profile](night.folder, extract=extract)
    night.ingest_all(DAY)
    night.lake.write_plan()
    database = folder / "warehouse.duckdb"
    command = ["build", "--resource-type", "model", "--resource-type", "seed"]
    run_dbt(command, STUDY, lake=night.lake.root, database=database)
    keys = _row_keys(night)
    with duckdb.connect(str(database), read_only=True) as connection:
        files = connection.execute(
            "select count(*), count(distinct (feed, extract, file, sha256)), sum(rows) from quality.extracts"
        ).fetchone()
        # One row per file, also where several tables of the profile read it into one feed.
        ingested = sum(row.rows for row in night.lake.ledger())
        assert files == (len({(row.feed, row.file) for row in night.lake.ledger()}), files[0], ingested)
        tables = connection.execute(
            "select table_name from duckdb_tables() "
            "where database_name = current_database() and schema_name = 'marts' order by all"
        ).fetchall()
        columns, rows = {}, {}
        for (table,) in tables:
            cursor = connection.execute(f'from marts."{table}"')
            columns[table] = [column[0] for column in cursor.description or ()]
            rows[table] = sorted(_comparable(columns[table], row, keys) for row in cursor.fetchall())
    return Marts(columns, rows)


def _row_keys(night: Night) -> RowKeys:
    """For every accepted source row its key, times written in one way."""
    return {
        (feed.name, row["source_file"], row["source_row"]): tuple(
            f"{row[column.lake_name]}:00".replace("T", " ")[:19] for column in feed.key_columns
        )
        for feed in FEEDS.values()
        for row in night.lake_rows(feed.name)
    }


def _comparable(columns: list[str], values: tuple[Any, ...], keys: RowKeys) -> str:
    row = dict(zip(columns, values, strict=True))
    if row.get("source_row") is not None:
        row["source_row"] = keys[row["source_feed"], row["source_file"], row["source_row"]]
    row.pop("source_file", None)
    for name in columns:
        if name == "evidence" or name.endswith("_evidence"):
            row[name] = sorted((e["feed"], str(e["extract"]), keys[e["feed"], e["file"], e["row"]]) for e in row[name])
    return repr(row)


@pytest.fixture(scope="module", params=["reference", "other"])
def marts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Marts]:
    folder = tmp_path_factory.mktemp(request.param)
    extract = build_reference_extract() if request.param == "reference" else _other_extract(folder / "scaled")
    return _build(folder, extract)


@pytest.mark.parametrize("profile", [name for name in WRITERS if name != "canonical"])
def test_the_marts_are_the_canonical_ones_row_for_row(marts: Mapping[str, Marts], profile: str) -> None:
    expected, found = marts["canonical"], marts[profile]
    assert found.columns == expected.columns
    assert {table: len(rows) for table, rows in found.rows.items()} == {
        table: len(rows) for table, rows in expected.rows.items()
    }
    for table, rows in expected.rows.items():
        differing = [(ours, theirs) for ours, theirs in zip(rows, found.rows[table], strict=True) if ours != theirs]
        assert differing[:3] == [], (table, len(differing))


def test_the_comparison_covers_every_mart_and_is_not_empty(marts: Mapping[str, Marts]) -> None:
    rows = {table: len(found) for table, found in marts["canonical"].rows.items()}
    assert {"patients", "events", "outcomes", "response_assessments", "adverse_events"} <= set(rows)
    assert rows["patients"] >= 39
    assert rows["outcomes"] >= 39 * 10
    assert any("'evidence': [(" in row for row in marts["canonical"].rows["outcomes"])
