"""Resampled extracts: exact sizes, the templates' outcomes, the same rows each time, bounded memory."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import duckdb
import pytest

from synthetic_emr import SyntheticExtractError, write_scaled_extract
from synthetic_emr.contract import FEEDS, KEYS
from tests.synthetic_emr.derivation import charts, derive, manifest

COHORT = Path(__file__).parents[2] / "synthetic_emr" / "reference_cohort.csv"
LATE = {"relapse_day", "death_day", "efs_days", "os_days", "followup_days"}
SAME = {
    "sex",
    "n_prev_chemo",
    "refractory",
    "relapsed",
    "extramedullary",
    "cnsl",
    "fusion_gene",
    "sh2b3",
    "pax5",
    "lymphodepletion",
    "cart_product",
    "cr",
    "cr_day",
    "mrd_best",
    "mrd_negative_day",
    "hsct",
    "hsct_day",
    "subsequent_therapy",
    "subsequent_therapy_day",
    "treatment_failure_day",
    "death_cause",
    "efs_event",
    "efs_event_type",
    "os_event",
    "crs",
    "crs_grade",
    "crs_severe",
    "crs_hypotension",
    "crs_hepatic_injury_class",
    "hematologic_toxicity_grade",
    "neurotoxicity",
    "infection",
    "icu",
    "glucocorticoids",
    "tocilizumab",
    "hsct_gvhd_grade",
}


def as_text(value: object) -> str:
    return "" if value is None else str(value)


@pytest.mark.slow
def test_resampled_patients_keep_the_outcomes_of_their_templates(tmp_path: Path) -> None:
    folder = write_scaled_extract(tmp_path, patients=120, labs_per_patient=100, file_format="csv")
    with COHORT.open(encoding="utf-8", newline="") as lines:
        templates = {float(row["wbc_1e9_l"]): row for row in csv.DictReader(lines)}
    derived = {key: derive(chart) for key, chart in charts(folder).items()}
    assert len(derived) == 120
    followed = {float(str(found["wbc_1e9_l"])) for found in derived.values()}
    assert followed <= set(templates)
    assert len(followed) > 30
    for key, found in derived.items():
        template = templates[float(str(found["wbc_1e9_l"]))]
        assert {column: as_text(found[column]) for column in SAME} == {column: template[column] for column in SAME}, key
        for column in LATE:
            if template[column]:
                longest = int(template[column])
                shortest = min(longest, 100 + int((longest - 100) * 0.85))
                assert shortest <= int(str(found[column])) <= longest, (key, column)
        moved = date.fromisoformat(template["infusion_date"]) - date.fromisoformat(str(found["infusion_date"]))
        assert 0 <= moved.days <= 10


@pytest.mark.slow
@pytest.mark.parametrize("labs", [7, 100, 1500])
def test_every_patient_has_exactly_the_lab_rows_asked_for_and_keys_are_unique(tmp_path: Path, labs: int) -> None:
    folder = write_scaled_extract(tmp_path, patients=60, labs_per_patient=labs)
    for feed, key in KEYS.items():
        counted = f"select count(*), count(distinct ({', '.join(key)})) from '{folder}/{feed}.parquet'"
        rows, keys = duckdb.sql(counted).fetchall()[0]
        assert rows == keys > 0, feed
    counts = f"select count(*) from '{folder}/lab_results.parquet' group by patient_id"
    assert duckdb.sql(counts).fetchall() == [(labs,)] * 60


def test_feeds_are_split_into_files_that_the_manifest_describes(tmp_path: Path) -> None:
    folder = write_scaled_extract(tmp_path, patients=50, patients_per_file=20)
    listed = manifest(folder)["files"]
    assert isinstance(listed, list)
    assert {file["path"] for file in listed} == {f"{feed}-000{part}.parquet" for feed in FEEDS for part in (1, 2, 3)}
    for file in listed:
        assert duckdb.sql(f"select count(*) from '{folder}/{file['path']}'").fetchall() == [(file["rows"],)]
    ids = duckdb.sql(f"select patient_id from '{folder}/patients-*.parquet' order by all").fetchall()
    assert ids == [(f"SYN-{number:07d}",) for number in range(1, 51)]
    for feed, columns in FEEDS.items():
        assert tuple(duckdb.sql(f"from '{folder}/{feed}-0001.parquet'").columns) == columns


@pytest.mark.slow
def test_the_same_order_gives_the_same_files(tmp_path: Path) -> None:
    first, second = (write_scaled_extract(tmp_path / name, patients=300) for name in ("first", "second"))
    assert manifest(first) == manifest(second)
    other = write_scaled_extract(tmp_path / "other", patients=300, seed=1)
    assert manifest(first) != manifest(other)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_patients(tmp_path: Path) -> None:
    """A million lab rows pass through 100 MB without spilling (the writer allows no spill at all)."""
    folder = write_scaled_extract(tmp_path, patients=10_000, memory_limit="100MB", file_format="csv")
    labs = folder / "lab_results.csv"
    assert duckdb.sql(f"select count(*) from '{labs}'").fetchall() == [(1_000_000,)]


def test_orders_that_cannot_be_met_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SyntheticExtractError, match="format 'xlsx' can't be scaled; use one of parquet, csv"):
        write_scaled_extract(tmp_path, patients=1, file_format="xlsx")
    with pytest.raises(SyntheticExtractError, match="must be 1 or more"):
        write_scaled_extract(tmp_path, patients=0)
