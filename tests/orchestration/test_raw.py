"""What a raw asset tells Dagster of the files that it read in."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from orchestration.extracts import ExtractError, FeedIngestion, FileIngestion
from orchestration.nightly import run_tags
from orchestration.raw import extracts_to_read, ingestion_metadata, raw_assets
from orchestration.refresh_context import RefreshContext
from orchestration.settings import Settings
from tests.night import TEST_KEY
from warehouse import WarehouseHome


def ingested(files: int) -> list[FeedIngestion]:
    """So many extracts of one file each, the last of them with a rejected row."""
    return [
        FeedIngestion(
            "patients",
            f"2018-07-{number}",
            "delta",
            (FileIngestion("patients.csv", 5, 5 - (number == files), int(number == files), "0" * 64, False, "raw/x"),),
        )
        for number in range(1, files + 1)
    ]


def test_rows_are_counted_over_all_extracts() -> None:
    metadata = ingestion_metadata(ingested(3))
    assert (metadata["dagster/row_count"].value, metadata["rejected rows"].value) == (14, 1)


@pytest.mark.parametrize(("files", "listed"), [(1, True), (50, True), (51, False)])
def test_files_are_listed_while_they_are_few(files: int, listed: bool) -> None:
    """Dagster keeps a run's metadata once per partition: three years of files in each would be gigabytes."""
    metadata = ingestion_metadata(ingested(files))
    assert isinstance(metadata["files"], dg.TableMetadataValue) == listed
    if listed:
        assert len(metadata["files"].records) == files
    else:
        assert metadata["files"].value == files
        assert "quality.extracts" in str(metadata["note"].value)


def test_a_feed_that_was_not_delivered_says_so() -> None:
    assert "not delivered" in str(
        ingestion_metadata([FeedIngestion("patients", "2018-07-30", "snapshot")])["note"].value
    )


def landed(folder: Path, day: str, sex: str = "F") -> None:
    (folder / day).mkdir(parents=True, exist_ok=True)
    (folder / day / "patients.csv").write_text(f"patient_id,sex\nP1,{sex}\n", encoding="utf-8")
    (folder / day / "cart_infusions.csv").write_text("patient_id,infusion_id\nP1,I1\n", encoding="utf-8")


def test_an_extract_that_is_gone_between_two_that_are_read_keeps_its_rows(tmp_path: Path) -> None:
    chosen = Settings(
        extracts=tmp_path / "extracts",
        study=tmp_path / "study.yml",
        home=WarehouseHome(tmp_path / "home").prepare(),
        pseudonym_key=TEST_KEY,
    )
    patients = raw_assets()[0]
    with dg.DagsterInstance.ephemeral() as instance:
        for day in ("2018-08-01", "2018-08-02"):
            landed(chosen.extracts, day)
        for _ in range(2):
            result = dg.materialize(
                [patients],
                instance=instance,
                tags=run_tags(chosen, instance),
                resources={"refresh": RefreshContext(chosen)},
                raise_on_error=False,
            )
            assert result.success
            shutil.rmtree(chosen.extracts / "2018-08-02", ignore_errors=True)
            landed(chosen.extracts, "2018-08-01", sex="M")
            landed(chosen.extracts, "2018-08-03")
    rows = RefreshContext(chosen).lake.ledger()
    assert [row.extract for row in rows] == ["2018-08-01", "2018-08-01", "2018-08-02", "2018-08-03"]


def test_only_extracts_that_are_there_are_read() -> None:
    assert extracts_to_read(["2018-08-01", "2018-08-02"], {"2018-08-02": None}) == ["2018-08-02"]
    with pytest.raises(ExtractError, match="2018-08-01 to 2018-08-02 is no longer in the extracts folder"):
        extracts_to_read(["2018-08-01", "2018-08-02"], {"2018-08-03": None})
