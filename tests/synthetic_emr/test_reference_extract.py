"""The reference extract: the contract's shape, and every outcome of the cohort derivable from raw rows alone."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pandas as pd
import pytest

from synthetic_emr import FORMATS, SyntheticExtractError, write_reference_extract
from synthetic_emr.contract import FEEDS, KEYS
from tests.synthetic_emr.derivation import charts, derive, manifest, read_feeds

COHORT = Path(__file__).parents[2] / "synthetic_emr" / "reference_cohort.csv"
# Columns that are the id, a restatement of another column, or a date whose study day is compared.
RESTATED = {
    "patient_id",
    "data_origin",
    "age_band",
    "age_ge18",
    "n_prev_chemo_ge4",
    "bm_blasts_ge5",
    "bcr_abl1",
    "wbc_ge30",
    "flu_cy",
    "dual_target",
    "cr_date",
    "cr_mrd_negative",
    "mrd_negative_date",
    "hsct_date",
    "relapse_date",
    "death_date",
    "followup_months",
    "efs_months",
    "os_months",
}


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference_extract(tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def cohort() -> list[dict[str, str]]:
    with COHORT.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def as_recorded(column: str, text: str) -> object:
    """A cell of the cohort as the derivation gives it."""
    if column == "other_mutations":
        return set(filter(None, text.split(";")))
    if column in {"bm_blasts_pct", "wbc_1e9_l"}:
        return float(text)
    if text == "":
        return None if column.endswith("_day") else ""
    return int(text) if text.lstrip("-").isdigit() else text


def test_every_cohort_column_is_derivable_for_every_patient(extract: Path, cohort: list[dict[str, str]]) -> None:
    derived = {key: derive(chart) for key, chart in charts(extract).items()}
    assert set(derived) == {row["patient_id"] for row in cohort}
    compared = [column for column in cohort[0] if column not in RESTATED]
    differences = [
        (row["patient_id"], column, row[column], derived[row["patient_id"]][column])
        for row in cohort
        for column in compared
        if derived[row["patient_id"]][column] != as_recorded(column, row[column])
    ]
    assert differences == []
    assert len(compared) == 60


def test_restated_columns_follow_from_compared_ones(cohort: list[dict[str, str]]) -> None:
    """What the comparison leaves out must really be a restatement."""
    for row in cohort:
        assert row["data_origin"] == "synthetic"
        assert row["age_ge18"] == str(int(int(row["age_years"]) >= 18))
        assert row["bcr_abl1"] == str(int(row["fusion_gene"] == "BCR/ABL1"))
        assert row["dual_target"] == str(int(row["cart_product"] == "anti-CD19+CD22"))
        assert row["cr_mrd_negative"] == str(int(row["mrd_best"] == "negative"))
        for event in ("cr", "mrd_negative", "hsct", "relapse", "death"):
            if row[f"{event}_day"]:
                date = pd.Timestamp(row["infusion_date"]) + pd.Timedelta(days=int(row[f"{event}_day"]))
                assert row[f"{event}_date"] == date.date().isoformat()
        for endpoint in ("efs", "os", "followup"):
            assert float(row[f"{endpoint}_months"]) == pytest.approx(
                int(row[f"{endpoint}_days"]) / (365.25 / 12), abs=6e-5
            )


def test_all_fifteen_feeds_have_exactly_the_columns_of_the_contract(extract: Path) -> None:
    feeds = read_feeds(extract)
    assert {feed: tuple(frame.columns) for feed, frame in feeds.items()} == dict(FEEDS)
    assert len(feeds) == 15
    assert all(len(frame) >= 39 for frame in feeds.values())


def test_no_outcome_of_the_cohort_is_handed_over_as_a_column(extract: Path, cohort: list[dict[str, str]]) -> None:
    columns = {column for frame in read_feeds(extract).values() for column in frame.columns}
    assert columns & set(cohort[0]) == {"patient_id", "sex"}


def test_keys_are_unique_and_filled_but_for_the_three_unusable_rows(extract: Path) -> None:
    unusable = {}
    feeds = read_feeds(extract)
    known = set(feeds["patients"]["patient_id"])
    for feed, frame in feeds.items():
        key = list(KEYS[feed])
        assert not frame.duplicated(key).any(), feed
        bad = (frame[key] == "").any(axis=1) | ~frame["patient_id"].isin(known)
        if bad.any():
            unusable[feed] = int(bad.sum())
    assert unusable == {"lab_results": 1, "vital_signs": 1, "marrow_assessments": 1}


def test_nothing_happens_after_death_or_after_the_cut_off(extract: Path, cohort: list[dict[str, str]]) -> None:
    ends = {row["patient_id"]: row["death_date"] or "2018-07-30" for row in cohort}
    for feed, frame in read_feeds(extract).items():
        dates = [column for column in frame.columns if column.endswith(("_on", "_at"))]
        for row in frame.itertuples():
            latest = max([getattr(row, column)[:10] for column in dates], default="")
            assert latest <= ends.get(row.patient_id, "9999"), (feed, row)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_rows(extract: Path, tmp_path: Path) -> None:
    again = write_reference_extract(tmp_path / "again")
    other = write_reference_extract(tmp_path / "other", seed=1)
    names = sorted(path.name for path in extract.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((extract / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert (extract / "lab_results.csv").read_bytes() != (other / "lab_results.csv").read_bytes()


@pytest.mark.slow
def test_any_seed_gives_the_same_cohort(tmp_path: Path, cohort: list[dict[str, str]]) -> None:
    derived = {key: derive(chart) for key, chart in charts(write_reference_extract(tmp_path, seed=1)).items()}
    for row in cohort:
        for column in (column for column in row if column not in RESTATED):
            assert derived[row["patient_id"]][column] == as_recorded(column, row[column]), (row["patient_id"], column)


def test_the_manifest_lists_every_file_with_its_rows_and_checksum(extract: Path) -> None:
    described = manifest(extract)
    assert (described["source_system"], described["extract_date"], described["mode"]) == (
        "synthetic",
        "2018-07-30",
        "snapshot",
    )
    files = described["files"]
    assert isinstance(files, list)
    assert {file["path"] for file in files} == {path.name for path in extract.glob("*.csv")}
    feeds = read_feeds(extract)
    for file in files:
        content = (extract / file["path"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["rows"] == len(feeds[file["feed"]])


@pytest.mark.slow
def test_every_format_holds_the_same_cells_and_the_same_bytes_each_time(extract: Path, tmp_path: Path) -> None:
    feeds = ["follow_ups", "patients", "marrow_assessments", "prior_therapies", "cart_infusions", "diagnoses"]
    formats = dict(zip(feeds, FORMATS, strict=True))
    first, second = (write_reference_extract(tmp_path / name, formats=formats) for name in ("first", "second"))
    expected = read_feeds(extract)
    for feed, file_format in formats.items():
        path = first / f"{feed}.{file_format}"
        assert path.read_bytes() == (second / path.name).read_bytes()
        pd.testing.assert_frame_equal(_read(path, file_format), expected[feed])


def _read(path: Path, file_format: str) -> pd.DataFrame:
    if file_format == "parquet":
        frame = pd.read_parquet(path)
    elif file_format == "jsonl":
        frame = pd.read_json(path, lines=True, dtype=False, convert_dates=False)
    elif file_format == "xlsx":
        frame = pd.read_excel(path, dtype=str, keep_default_na=False, engine="calamine")
    else:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, sep="\t" if file_format == "tsv" else ",")
    return frame.astype(object).where(frame.notna(), "").astype(str)


def test_an_unknown_format_or_feed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SyntheticExtractError, match=r"patients: format 'dbf' is unknown; use one of csv"):
        write_reference_extract(tmp_path, formats={"patients": "dbf"})
    with pytest.raises(SyntheticExtractError, match="unknown feed 'labs'"):
        write_reference_extract(tmp_path, formats={"labs": "csv"})
