"""`make profile`: a draft that loads, reads the files it was drafted from, and shows nothing that names a patient."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.extracts import ExtractError, load_profile
from orchestration.extracts.draft_profile import draft, main

from .conftest import IDENTIFIERS, PATIENTS, Night

CHINESE = {
    "患者信息.csv": (
        "病案号,性别,出生日期,姓名,身份证号,联系电话,住址\n"
        "HOSP-0001,女,1990年1月2日,Wang Xiaoming,110101199001021234,13800138001,12 Liberation Road\n"
        "HOSP-0002,男,1985年5月6日,张晓明,110101198505061234,13900139002,解放大道1277号\n"
    ).encode("gb18030"),
    "细胞回输-01.csv": "病案号,回输编号,回输时间\nHOSP-0001,X1,2018年1月1日\n".encode("gb18030"),
    "labs.csv": (
        b"Laboratory report;;;\n;;;\nMRN;Collection time;LOINC;Result\n"
        b"HOSP-0001;01.02.2018 06:30;6690-2;4,5\nHOSP-0002;02.02.2018 06:30;718-7;<0,01\n"
    ),
    "nameless.csv": PATIENTS.split("\n", 1)[1].encode(),
}


@pytest.fixture
def drafted(night: Night, tmp_path: Path) -> Path:
    for name, content in CHINESE.items():
        night.write("2018-07-30", name, content)
    path = tmp_path / "drafted.yml"
    path.write_text(draft(night.folder))
    return path


def test_a_draft_reads_the_files_it_was_made_from(night: Night, drafted: Path) -> None:
    night.profile = load_profile(drafted)
    results = night.ingest_all()
    assert {feed: result.accepted for feed, result in results.items() if result.files} == {
        "patients": 2,
        "lab_results": 2,
        "cart_infusions": 1,
    }
    assert [(row["sex"], row["birth_date"]) for row in night.lake_rows("patients")] == [
        ("F", "1990-01-02"),
        ("M", "1985-05-06"),
    ]
    assert [(row["collected_at"], row["value"]) for row in night.lake_rows("lab_results")] == [
        ("2018-02-01T06:30", "4.5"),
        ("2018-02-02T06:30", "<0.01"),
    ]


def test_a_draft_shows_no_identifier(drafted: Path) -> None:
    text = drafted.read_text()
    assert not [each for each in IDENTIFIERS if each in text]
    assert "nameless.csv: none of its 7 columns was recognised" in text


def test_a_wide_sheet_is_drafted_long(night: Night, tmp_path: Path) -> None:
    night.deliver()
    sheet = Path(__file__).parent / "data" / "tongji" / "time_series_excerpt.csv"
    night.write("2018-07-30", "time_series_excerpt.csv", sheet.read_bytes())
    path = tmp_path / "drafted.yml"
    path.write_text(draft(night.folder))
    night.profile = load_profile(path)
    labs = next(table for table in night.profile.tables if table.feed == "lab_results")
    assert labs.fill_down == ("PATIENT_ID",)
    assert labs.unpivot is not None
    assert labs.unpivot.columns["血红蛋白"].set["loinc"] == "718-7"
    result = night.ingest("lab_results")
    assert result.rejected == 0
    assert {row["test_name"] for row in night.lake_rows("lab_results")} >= {"血红蛋白", "肌酐"}
    assert {row["collected_at"][:4] for row in night.lake_rows("lab_results")} == {"2020"}


def test_a_folder_without_tables_is_told_in_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ExtractError, match="doesn't exist"):
        draft(tmp_path / "nowhere")
    assert main([str(tmp_path)]) == 2
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "holds no extract" in said
    assert "Traceback" not in said
