"""The quarantine folder: rejected rows as CSV that a person at the source can act on, and no spreadsheet runs."""

from __future__ import annotations

import csv
import stat

from orchestration.extracts import export_quarantine

from .conftest import Night


def test_rejected_rows_are_exported_by_source_file(night: Night) -> None:
    night.deliver(
        marrow_assessments__csv=(
            "patient_id,sampled_on,blast_percent,method\nHOSP-0001,,5,=cmd|' /c calc'!A1\n,2018-01-01,-1.5,@x\n"
        ),
        follow_ups__csv="patient_id,visited_on\nHOSP-0001\n",
    )
    night.ingest_all()
    folder = night.lake.root.parent / "quarantine"
    files = export_quarantine(night.lake, folder)
    assert [path.relative_to(folder).as_posix().rsplit("-", 1)[0] for path in files] == [
        "2018-07-30/follow_ups--follow_ups.csv",
        "2018-07-30/marrow_assessments--marrow_assessments.csv",
    ]
    with files[1].open(encoding="utf-8-sig", newline="") as opened:
        first, second = csv.DictReader(opened)
    assert (first["source_row"], first["reason"]) == ("1", "no key: sampled_on is empty")
    assert (first["patient_key"], first["method"]) == (
        night.pseudonymiser.patient_key("HOSP-0001"),
        "'=cmd|' /c calc'!A1",
    )
    assert (second["blast_percent"], second["method"]) == ("-1.5", "'@x")
    with files[0].open(encoding="utf-8-sig", newline="") as opened:
        assert "can't be attributed" in next(csv.DictReader(opened))["withheld"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_rows_that_were_mended_leave_the_quarantine(night: Night) -> None:
    night.deliver(follow_ups__csv="patient_id,visited_on\nHOSP-0001,\n")
    night.ingest_all()
    folder = night.lake.root.parent / "quarantine"
    assert len(export_quarantine(night.lake, folder)) == 1
    night.write("2018-07-30", "follow_ups.csv", "patient_id,visited_on\nHOSP-0001,2018-01-01\n")
    night.ingest_all()
    assert export_quarantine(night.lake, folder) == ()
    assert list(folder.iterdir()) == []
