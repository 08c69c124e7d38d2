"""Headers that are not what they should be: the message says what to do and repeats no cell: it may be a patient's."""

from __future__ import annotations

import pytest

from orchestration.extracts import ExtractRefused

from .conftest import IDENTIFIERS, PATIENTS, Night

MARROW = "HOSP-0001,2018-01-01,true\n"


def _refusal(night: Night) -> str:
    with pytest.raises(ExtractRefused) as refusal:
        night.check()
    return str(refusal.value)


@pytest.mark.parametrize("first", ["Patient-17,F,1990-01-01,Wang Xiaoming", "patient_17,F,Zhang,13800138001"])
def test_a_file_without_header_line_is_refused_without_its_first_row(night: Night, first: str) -> None:
    night.deliver(patients__csv=f"{first}\nHOSP-0001,F,1990-01-02,Li Na\n")
    message = _refusal(night)
    assert "patients.csv: its key column 'patient_id' is missing from the header" in message
    assert "none of the 4 names there is one of the feed: does the file begin with a header line?" in message
    assert not any(cell in message for cell in first.split(","))


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("sex,PATIENT_ID", "its column 2 is called so but for capitals, blanks or signs: write it exactly so"),
        ("Patient ID,sex", "its column 1 is called so but for capitals, blanks or signs: write it exactly so"),
        ("sex,patient_idd", "nearest is its column 2: rename it"),
        ("sex,pid", "add it, or map another column"),
    ],
)
def test_a_key_column_that_is_missing_is_looked_for(night: Night, header: str, hint: str) -> None:
    night.deliver(patients__csv=f"{header}\nx,y\n")
    message = _refusal(night)
    assert f"'patient_id' is missing from the header; {hint}" in message
    assert message.count("patient_id") == 1


def test_the_identifiers_of_a_first_row_are_in_no_message(night: Night) -> None:
    night.deliver(patients__csv="".join(PATIENTS.splitlines(keepends=True)[1:]))
    message = _refusal(night)
    assert not any(identifier.casefold() in message.casefold() for identifier in IDENTIFIERS)


@pytest.mark.parametrize("name", ["Deleted", "DELETED", "de-leted", "deleted?"])
def test_a_column_that_is_nearly_deleted_is_refused(night: Night, name: str) -> None:
    night.deliver(marrow_assessments__csv=f"patient_id,sampled_on,{name}\n{MARROW}")
    assert "its column 3 is called 'deleted' but for capitals, blanks or signs" in _refusal(night)


@pytest.mark.parametrize("names", ["deleted,Deleted", "deleted,x"])
def test_deleted_beside_another_column_is_deleted(night: Night, names: str) -> None:
    night.deliver(marrow_assessments__csv=f"patient_id,sampled_on,{names}\nHOSP-0001,2018-01-01,true,x\n")
    night.ingest_all()
    assert [row["deleted"] for row in night.lake_rows("marrow_assessments")] == ["true"]


def test_a_column_that_resembles_deleted_is_hinted_at(night: Night) -> None:
    night.deliver(marrow_assessments__csv=f"patient_id,sampled_on,is_deleted\n{MARROW}")
    (file,) = night.ingest_all()["marrow_assessments"].files
    assert {"note": "unknown column kept out", "column": "is_deleted", "nearest": "deleted"} in file.notes
