"""Source profiles: refused when they can't be meant, and each of their features on files as hospitals write them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.extracts import ExtractRefused, ProfileError, SourceProfile, load_profile

from .conftest import PATIENTS, Night

MARROW_TABLE: dict[str, Any] = {
    "feed": "marrow_assessments",
    "files": ["bm"],
    "columns": {"patient_id": "pid", "sampled_on": "day", "blast_percent": "blasts"},
}
LAB_COLUMNS = {"patient_id": "pid", "collected_at": "time", "loinc": "code", "value": "result", "unit": "unit"}


def _profile(tmp_path: Path, *tables: dict[str, Any], **more: Any) -> SourceProfile:
    path = tmp_path / "profile.yml"
    required = [{"feed": feed, "files": [feed]} for feed in ("patients", "cart_infusions")]
    path.write_text(
        yaml.safe_dump({"name": "mine", "tables": [*required, *tables], **more}, allow_unicode=True, sort_keys=False)
    )
    return load_profile(path)


def _marrow(**changes: Any) -> dict[str, Any]:
    return {**MARROW_TABLE, **changes}


def _labs(**changes: Any) -> dict[str, Any]:
    return {"feed": "lab_results", "files": ["labs"], "columns": LAB_COLUMNS, **changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "name: x\ntables: [{feed: labresults, files: [a]}]",
            "tables.0.feed: unknown feed 'labresults'; nearest is 'lab_results'",
        ),
        (
            "name: x\ntables: [{feed: patients, files: [a], colums: {}}]",
            "tables.0.colums: unknown key 'colums'; nearest is 'columns'",
        ),
        (
            "name: x\ntables: [{feed: patients, files: [a], columns: {patient_id: p, birthdate: b}}]",
            "unknown column of patients 'birthdate'; nearest is 'birth_date'",
        ),
        (
            "name: x\ntables: [{feed: patients, files: [a], columns: {sex: s}}]",
            "the key column 'patient_id' of patients",
        ),
        ("name: x\nread: {encoding: gb1803}\ntables: [{feed: patients, files: [a]}]", "nearest is 'gb18030'"),
        (
            "name: x\ndates: [exel]\ntables: [{feed: patients, files: [a]}]",
            "unknown date format 'exel'; nearest is 'excel'",
        ),
        ("name: x\ndates: ['%Q']\ntables: [{feed: patients, files: [a]}]", "%Q means nothing"),
        ("name: x\ntables: [{feed: patients, files: []}]", "tables.0.files"),
        ("name: x\nverbs: {patients.name: keep}\ntables: [{feed: patients, files: [a]}]", "identifies a patient"),
        (
            "name: x\nverbs: {diagnoses.descripton: keep}\ntables: [{feed: patients, files: [a]}]",
            "nearest is 'description'",
        ),
        ("name: x\ntables: [{feed: patients, files: [a], skip_where: {p: '('}}]", "no regular expression"),
        ("name: x\ntimezone: Asia/Wuhan\ntables: [{feed: patients, files: [a]}]", "unknown time zone"),
        ("name: [", "line 1"),
        ("- a", "a profile is a mapping"),
    ],
)
def test_a_profile_that_cannot_be_meant_names_file_key_and_nearest(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "hospital.yml"
    path.write_text(content)
    with pytest.raises(ProfileError) as refusal:
        load_profile(path)
    assert str(refusal.value).startswith(f"{path}")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(ProfileError, match="unknown source profile 'canonicle'; nearest is 'canonical'"):
        load_profile("canonicle")
    with pytest.raises(ProfileError, match="doesn't exist"):
        load_profile("nowhere/x.yml")


def test_a_digest_ignores_comments_and_order(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.yml" for name in "abc")
    first.write_text("# one\nname: x\ntables: [{feed: patients, files: [a]}]\n")
    second.write_text("tables:\n  - files: [a]\n    feed: patients\nname: x\n")
    third.write_text("name: x\ntables: [{feed: patients, files: [b]}]\n")
    digests = [load_profile(path).sha256 for path in (first, second, third)]
    assert digests[0] == digests[1] != digests[2]


def _values(night: Night, feed: str, column: str) -> list[Any]:
    night.ingest_all()
    return [row[column] for row in night.lake_rows(feed)]


@pytest.mark.parametrize(
    ("formats", "texts", "expected"),
    [
        (["%Y年%m月%d日"], ["2018年7月30日", "2018年07月3日"], ["2018-07-30", "2018-07-03"]),
        (["%d.%m.%Y"], ["30.07.2018", "31.02.2018"], ["2018-07-30", "31.02.2018"]),
        (["excel"], ["43311", "43311.25", "0"], ["2018-07-30", "2018-07-30 06:00:00", "0"]),
        (["epoch_s"], ["1532908800"], ["2018-07-30 08:00:00"]),
        (["epoch_ms"], ["1532908800000"], ["2018-07-30 08:00:00"]),
        (["%d %b %Y", "%Y-%m"], ["30 Jul 2018", "2018-07"], ["2018-07-30", "2018-07"]),
        (["%Y%m%d%H%M%S", "%Y%m%d"], ["20180730063000", "20180730"], ["2018-07-30 06:30:00", "2018-07-30"]),
    ],
)
def test_dates_in_the_hospitals_own_way(
    night: Night, tmp_path: Path, formats: list[str], texts: list[str], expected: list[str]
) -> None:
    night.profile = _profile(tmp_path, _marrow(), dates=formats, timezone="Asia/Shanghai")
    night.deliver(bm__csv="pid,day,blasts\n" + "".join(f"HOSP-0001,{text},5\n" for text in texts))
    assert _values(night, "marrow_assessments", "sampled_on") == expected


@pytest.mark.parametrize(
    ("numbers", "texts", "expected"),
    [
        (
            {"decimal": ",", "thousands": "."},
            ["1.234,5", "<0,01", "12", "1.5"],
            ["1234.5", "<0.01", "12", "1.5 [not readable]"],
        ),
        ({"thousands": ","}, ["1,234,567.8", ">1,000", "12,34"], ["1234567.8", ">1000", "12,34"]),
        ({"thousands": " "}, ["1 234"], ["1234"]),
        ({}, ["＜０．０１", "≥ 5", "未查", "+"], ["<0.01", "≥5", "未查", "+"]),
        ({"factor": "0.1"}, ["<5", "12.50", "high"], ["<0.5", "1.25", "high"]),
        ({"missing": ["999", "n.d."]}, ["999", "n.d.", "9"], [None, None, "9"]),
        ({"values": {"阴性": "0"}}, ["阴性", "阳性"], ["0", "阳性"]),
        ({"extract": r"([\d.]+) ?%"}, ["12.5 % blasts", "many"], ["12.5", "many"]),
    ],
)
def test_numbers_in_the_hospitals_own_way(
    night: Night, tmp_path: Path, numbers: dict[str, Any], texts: list[str], expected: list[str | None]
) -> None:
    columns = {**MARROW_TABLE["columns"], "blast_percent": {"from": "blasts", **numbers}}
    night.profile = _profile(tmp_path, _marrow(columns=columns, read={"delimiter": ";"}))
    rows = "".join(f"HOSP-0001;2018-01-{at:02d};{text}\n" for at, text in enumerate(texts, 1))
    night.deliver(bm__csv="pid;day;blasts\n" + rows)
    assert _values(night, "marrow_assessments", "blast_percent") == expected


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le", "big5", "utf-8"])
def test_encodings(night: Night, tmp_path: Path, encoding: str) -> None:
    columns = {"patient_id": "編號", "sampled_on": "日期", "method": "方法"}
    night.profile = _profile(tmp_path, _marrow(columns=columns, read={"encoding": encoding}))
    night.deliver(bm__csv="編號,日期,方法\r\nHOSP-0001,2018-01-01,骨髓\r\n".encode(encoding))
    assert _values(night, "marrow_assessments", "method") == ["骨髓"]


def test_latin_1(night: Night, tmp_path: Path) -> None:
    columns = {**MARROW_TABLE["columns"], "method": "méthode"}
    night.profile = _profile(tmp_path, _marrow(columns=columns, read={"encoding": "latin-1"}))
    night.deliver(bm__csv="pid,day,blasts,méthode\nHOSP-0001,2018-01-01,5,cytométrie\n".encode("latin-1"))
    assert _values(night, "marrow_assessments", "method") == ["cytométrie"]


def test_title_total_and_footer_lines_are_no_rows(night: Night, tmp_path: Path) -> None:
    night.profile = _profile(
        tmp_path, _marrow(read={"header_row": 3, "skip_lines": "Printed by"}, skip_where={"pid": "^Total"})
    )
    text = "Marrow report\n\npid,day,blasts\nHOSP-0001,2018-01-01,5\nTotal,,5\nPrinted by Wang Xiaoming\n"
    night.deliver(bm__csv=text)
    results = night.ingest_all()["marrow_assessments"]
    assert (results.rows, results.accepted) == (1, 1)
    assert {"note": "source rows that hold no row of this feed", "rows": 1} in results.files[0].notes


def test_fill_down_stops_at_a_broken_row(night: Night, tmp_path: Path) -> None:
    night.profile = _profile(tmp_path, _marrow(fill_down=["pid"]))
    night.deliver(
        bm__csv=(
            "pid,day,blasts\nHOSP-0001,2018-01-01,1\n,2018-01-02,2\nHOSP-0002,2018-01-03\n,2018-01-04,4\n"
            "HOSP-0002,2018-01-05,5\n,2018-01-06,6\n"
        )
    )
    results = night.ingest_all()["marrow_assessments"]
    assert (results.rows, results.accepted, results.rejected) == (6, 4, 2)
    first, second = (night.pseudonymiser.patient_key(f"HOSP-000{n}") for n in (1, 2))
    found = [(row["patient_key"], row["source_row"]) for row in night.lake_rows("marrow_assessments")]
    assert found == [(first, 1), (first, 2), (second, 5), (second, 6)]
    assert [row["reason"] for row in night.rejected_rows()] == [
        "broken line: 2 cells instead of 3",
        "no key: patient_id is empty",
    ]


def test_units_are_converted_row_by_row(night: Night, tmp_path: Path) -> None:
    conversions = [
        {"unit": "g/dL", "to": "g/L", "factor": 10, "loinc": ["718-7"]},
        {"unit": "mg/dL", "to": "umol/L", "factor": "17.104", "loinc": ["1975-2"]},
    ]
    night.profile = _profile(tmp_path, _labs(convert=conversions))
    night.deliver(
        labs__csv=(
            "pid,time,code,result,unit\nHOSP-0001,2018-01-01,718-7,12.5,g/dL\nHOSP-0001,2018-01-01,1975-2,<0.5,mg/dL\n"
            "HOSP-0001,2018-01-02,718-7,125,g/L\nHOSP-0001,2018-01-01,2345-7,90,mg/dL\n"
        )
    )
    night.ingest_all()
    assert [(row["value"], row["unit"]) for row in night.lake_rows("lab_results")] == [
        ("125", "g/L"),
        ("<8.552", "umol/L"),
        ("125", "g/L"),
        ("90", "mg/dL"),
    ]


def test_wide_tables_become_long(night: Night, tmp_path: Path) -> None:
    wide = {
        "feed": "lab_results",
        "files": ["labs"],
        "columns": {"patient_id": "pid", "collected_at": {"from": ["day", "hour"]}},
        "unpivot": {
            "decimal": ",",
            "columns": {
                "WBC": {"set": {"loinc": "6690-2", "unit": "10*9/L"}},
                "Hb": {"set": {"loinc": "718-7", "unit": "g/L"}, "factor": 10, "missing": ["-"]},
            },
        },
    }
    night.profile = _profile(tmp_path, wide, read={"delimiter": ";"})
    night.write("2018-07-30", "labs.csv", "pid;day;hour;WBC;Hb;CRP\nHOSP-0001;2018-01-01;06:30;4,5;12,5;1\n")
    night.write(
        "2018-07-30",
        "labs.csv",
        (night.folder / "2018-07-30" / "labs.csv").read_text() + "HOSP-0001;2018-01-02;;;-;2\n",
    )
    night.write("2018-07-30", "patients.csv", PATIENTS.replace(",", ";"))
    night.write("2018-07-30", "cart_infusions.csv", "patient_id;infusion_id\nHOSP-0001;1\n")
    night.ingest_all()
    rows = night.lake_rows("lab_results")
    assert [(row["collected_at"], row["loinc"], row["value"], row["unit"], row["source_row"]) for row in rows] == [
        ("2018-01-01T06:30", "6690-2", "4.5", "10*9/L", 1),
        ("2018-01-01T06:30", "718-7", "125", "g/L", 1),
    ]


def test_several_files_fill_one_feed_and_one_file_several(night: Night, tmp_path: Path) -> None:
    other = _marrow(files=["old_bm"], columns={**MARROW_TABLE["columns"], "patient_id": "patient"})
    flow = {
        "feed": "mrd_results",
        "files": ["bm"],
        "where": {"kind": ["mrd"]},
        "columns": {
            "patient_id": "pid",
            "sampled_on": "day",
            "method": {"constant": "flow"},
            "value_percent": "blasts",
        },
    }
    night.profile = _profile(tmp_path, _marrow(where={"kind": ["marrow", ""]}), other, flow)
    night.deliver(
        bm__csv="pid,day,blasts,kind\nHOSP-0001,2018-01-01,5,marrow\nHOSP-0001,2018-01-02,0.1,mrd\nHOSP-0001,2018-01-03,6,\n",
        old_bm__csv="patient,day,blasts\nHOSP-0002,2017-01-01,9\n",
    )
    results = night.ingest_all()
    assert [(each.file, each.rows) for each in results["marrow_assessments"].files] == [
        ("bm.csv", 2),
        ("old_bm.csv", 1),
    ]
    assert [row["value_percent"] for row in night.lake_rows("mrd_results")] == ["0.1"]


def test_ids_are_looked_up_in_another_file(night: Night, tmp_path: Path) -> None:
    table = _marrow(
        columns={**MARROW_TABLE["columns"], "patient_id": "patient"},
        lookups={"patient": {"files": ["visits"], "by": "visit", "key": "no", "value": "pid", "where": {"void": [""]}}},
    )
    night.profile = _profile(tmp_path, table)
    night.deliver(
        bm__csv="visit,day,blasts\nV1,2018-01-01,5\nV2,2018-01-02,6\nV3,2018-01-03,7\n",
        visits__csv="no,pid,void\nV1,HOSP-0001,\nV2,HOSP-0002,x\n",
    )
    results = night.ingest_all()["marrow_assessments"]
    assert (results.accepted, results.rejected) == (1, 2)
    night.write("2018-07-30", "visits.csv", "no,pid,void\nV1,HOSP-0001,\nV2,HOSP-0002,\n")
    assert night.ingest("marrow_assessments").accepted == 2


def test_a_renamed_column_is_hinted_at(night: Night, tmp_path: Path) -> None:
    night.profile = _profile(tmp_path, _marrow())
    night.deliver(bm__csv="pid,dayy,blasts\nHOSP-0001,2018-01-01,5\n")
    with pytest.raises(ExtractRefused, match="key column 'day' is missing from the header; nearest is its column 2"):
        night.check()


def test_a_year_is_all_that_stays_when_a_profile_says_so(night: Night, tmp_path: Path) -> None:
    night.profile = _profile(tmp_path, verbs={"patients.birth_date": "year"})
    night.deliver()
    assert _values(night, "patients", "birth_date") == ["1990", "1985"]


def test_dates_shift_by_patient_and_intervals_stay(night: Night, tmp_path: Path) -> None:
    night.profile = _profile(tmp_path, _marrow(), date_shift_days=100)
    rows = "".join(
        f"{pid},{day},5\n" for pid in ("HOSP-0001", "HOSP-0002") for day in ("2018-01-01", "2018-03-02", "soon")
    )
    night.deliver(bm__csv="pid,day,blasts\n" + rows)
    days = _values(night, "marrow_assessments", "sampled_on")
    first, second = days[:3], days[3:]
    for own in (first, second):
        assert (date.fromisoformat(own[1]) - date.fromisoformat(own[0])).days == 60
        assert own[2] == "[date withheld]"
        assert 0 < abs((date.fromisoformat(own[0]) - date(2018, 1, 1)).days) <= 100
    assert first != second
    births = _values(night, "patients", "birth_date")
    shift = date.fromisoformat(first[0]) - date(2018, 1, 1)
    assert date.fromisoformat(births[0]) == date(1990, 1, 2) + shift
