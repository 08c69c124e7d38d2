"""What a raw asset tells Dagster of the files that it read in."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.extracts import FeedIngestion, FileIngestion
from orchestration.raw import ingestion_metadata


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
