"""What a raw asset tells Dagster of the files that it read in."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from orchestration.extracts import ExtractError, FeedIngestion, FileIngestion
from orchestration.nightly import remember_deliveries, run_tags
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


def settings(tmp_path: Path) -> Settings:
    home = WarehouseHome(tmp_path / "home").prepare()
    study = tmp_path / "study.yml"
    return Settings(extracts=tmp_path / "extracts", study=study, home=home, pseudonym_key=TEST_KEY)


def read_patients(chosen: Settings, instance: dg.DagsterInstance) -> RefreshContext:
    refresh = RefreshContext(chosen)
    dg.materialize(
        [raw_assets()[0]], instance=instance, tags=run_tags(chosen, instance), resources={"refresh": refresh}
    )
    return refresh


def test_an_extract_that_is_gone_between_two_that_are_read_keeps_its_rows(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        for day in ("2018-08-01", "2018-08-02"):
            landed(chosen.extracts, day)
        read_patients(chosen, instance)
        shutil.rmtree(chosen.extracts / "2018-08-02")
        landed(chosen.extracts, "2018-08-01", sex="M")
        landed(chosen.extracts, "2018-08-03")
        rows = read_patients(chosen, instance).lake.ledger()
    assert [row.extract for row in rows] == ["2018-08-01", "2018-08-01", "2018-08-02", "2018-08-03"]


@pytest.mark.parametrize("others", [10, 11])
def test_files_that_nothing_reads_are_told_until_the_extract_was_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], others: int
) -> None:
    chosen = settings(tmp_path)
    landed(chosen.extracts, "2018-08-01")
    for number in range(1, others):
        (chosen.extracts / "2018-08-01" / f"a{number}.pdf").touch()
    (chosen.extracts / "2018-08-01" / "lab_result.csv").touch()
    with dg.DagsterInstance.ephemeral() as instance:
        refresh = read_patients(chosen, instance)
        said = capsys.readouterr().err
        assert said.count(": left alone, for no feed takes a file of this name and format") == 10
        assert (
            "2018-08-01/lab_result.csv: left alone, for no feed takes a file of this name and format; did you" in said
        )
        assert ("2018-08-01: 1 more files left alone" in said) is (others > 10)
        remember_deliveries(chosen, refresh.read_extracts)
        read_patients(chosen, instance)
        assert "left alone" not in capsys.readouterr().err


def test_only_extracts_that_are_there_are_read() -> None:
    assert extracts_to_read(["2018-08-01", "2018-08-02"], {"2018-08-02": None}) == ["2018-08-02"]
    with pytest.raises(ExtractError, match="2018-08-01 to 2018-08-02 is no longer in the extracts folder"):
        extracts_to_read(["2018-08-01", "2018-08-02"], {"2018-08-03": None})
