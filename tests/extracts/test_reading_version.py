"""A version that reads files in another way reads those still there again; the lake keeps the rows of the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from orchestration import nightly
from orchestration.extracts import Kind, shaping

from .conftest import Night

DAY, NEXT_DAY = "2018-07-30", "2018-07-31"
LABS = "patient_id,collected_at,loinc,value\nHOSP-0001,2018-01-05 06:58:00,6690-2,4.1\n"


@pytest.fixture
def as_before(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Reads as a version that left keys as the source wrote them; called again it is as now."""

    def as_written(texts: pa.StringArray, kind: Kind) -> pa.StringArray:
        return texts

    monkeypatch.setattr(shaping, "READING", "before")
    monkeypatch.setattr(shaping, "key_spelling", as_written)
    return monkeypatch.undo


def times(night: Night) -> list[tuple[str, str]]:
    return [(row["source_extract"], row["collected_at"]) for row in night.lake_rows("lab_results")]


def test_the_same_file_is_read_again_once(night: Night, as_before: Callable[[], None]) -> None:
    night.deliver(DAY, lab_results__csv=LABS)
    night.ingest_all(DAY)
    assert times(night) == [(DAY, "2018-01-05 06:58:00")]
    as_before()
    assert [file.already_in_lake for file in night.ingest("lab_results", DAY).files] == [False]
    assert times(night) == [(DAY, "2018-01-05T06:58")]
    assert [file.already_in_lake for file in night.ingest("lab_results", DAY).files] == [True]


def test_of_an_extract_that_was_archived_the_lake_keeps_its_rows(night: Night, as_before: Callable[[], None]) -> None:
    for day, mode in ((DAY, "snapshot"), (NEXT_DAY, "delta")):
        night.deliver(day, lab_results__csv=LABS if day == DAY else LABS.replace("01-05", "01-06"))
        night.manifest(day, {"lab_results.csv": ("lab_results", 1)}, mode=mode)
        night.ingest_all(day)
    shutil.rmtree(night.folder / DAY)
    as_before()
    night.ingest_all(NEXT_DAY)
    assert times(night) == [(DAY, "2018-01-05 06:58:00"), (NEXT_DAY, "2018-01-06T06:58")]


def test_an_extract_counts_as_changed(night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    extract = night.deliver(DAY)
    before = nightly.fingerprint(extract)
    assert nightly.fingerprint(extract) == before
    monkeypatch.setattr(nightly, "READING", "another")
    assert nightly.fingerprint(extract) != before
