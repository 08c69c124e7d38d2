"""Every format into the lake, every row accounted for."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import hmac
import io
import json
import stat
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.extracts import FEEDS, ExtractError, ExtractRefused, discover_extracts

from .conftest import KEY, Night

LABS = [
    ["patient_id", "collected_at", "specimen", "loinc", "test_name", "value", "unit"],
    ["HOSP-0001", "2018-01-01T06:30", "blood", "6690-2", "leukocytes", "4.5", "10*9/L"],
    ["HOSP-0002", "2018-01-02", "blood", "718-7", "haemoglobin", "未查", ""],
    ["HOSP-0002", "2018-01-03", "", "777-3", "", "<5", "10*9/L"],
]


def _csv(rows: list[list[str]], delimiter: str = ",", line_end: str = "\n") -> str:
    return "".join(delimiter.join(row) + line_end for row in rows)


def _parquet() -> bytes:
    columns = {name: [row[at] or None for row in LABS[1:]] for at, name in enumerate(LABS[0])}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _jsonl() -> str:
    return "".join(json.dumps(dict(zip(LABS[0], row, strict=True))) + "\n" for row in LABS[1:])


def _xlsx() -> bytes:
    workbook = openpyxl.Workbook()
    for row in LABS:
        workbook.active.append([cell or None for cell in row])
    sink = io.BytesIO()
    workbook.save(sink)
    return sink.getvalue()


def _patient_key(patient_id: str) -> str:
    return hmac.new(KEY, patient_id.encode(), hashlib.sha256).hexdigest()


FORMATS = {
    "lab_results__csv": _csv(LABS),
    "lab_results__csv__gz": gzip.compress(_csv(LABS).encode()),
    "lab_results__tsv": _csv(LABS, "\t"),
    "lab_results__parquet": _parquet(),
    "lab_results__jsonl": _jsonl(),
    "lab_results__xlsx": _xlsx(),
}
VARIANTS = {
    "windows line ends": {"lab_results__csv": _csv(LABS, line_end="\r\n")},
    "old line ends": {"lab_results__csv": _csv(LABS, line_end="\r")},
    "byte order mark": {"lab_results__csv": b"\xef\xbb\xbf" + _csv(LABS).encode()},
    "no last line end": {"lab_results__csv": _csv(LABS).rstrip("\n")},
    "all quoted": {"lab_results__csv": _csv([[f'"{cell}"' for cell in row] for row in LABS])},
    "white space": {"lab_results__csv": _csv([LABS[0], *([f" {cell} " for cell in row] for row in LABS[1:])])},
    "blank lines": {"lab_results__csv": _csv(LABS).replace("\n", "\n\n")},
    "columns in another order": {"lab_results__csv": _csv([row[::-1] for row in LABS])},
}


@pytest.mark.parametrize(
    "files",
    [*({name: content} for name, content in FORMATS.items()), *VARIANTS.values()],
    ids=[*FORMATS, *VARIANTS],
)
def test_every_format_gives_the_same_lake_rows(night: Night, files: dict[str, str | bytes]) -> None:
    night.deliver(**files)
    result = night.ingest_all()["lab_results"]
    assert (result.rows, result.accepted, result.rejected) == (3, 3, 0)
    name = next(iter(files)).replace("__", ".")
    evidence = {"deleted": None, "source_extract": "2018-07-30", "source_file": name}
    keys = [_patient_key("HOSP-0001"), _patient_key("HOSP-0002"), _patient_key("HOSP-0002")]
    expected = [
        {"patient_key": key, **{n: cell or None for n, cell in zip(LABS[0][1:], row[1:], strict=True)}, **evidence}
        for key, row in zip(keys, LABS[1:], strict=True)
    ]
    assert night.lake_rows("lab_results") == [{**row, "source_row": at} for at, row in enumerate(expected, 1)]


def test_lake_columns_are_the_contract_without_direct_identifiers(night: Night) -> None:
    night.deliver()
    night.ingest_all()
    (row, _) = night.lake_rows("patients")
    assert list(row) == [
        "patient_key",
        "sex",
        "birth_date",
        "deleted",
        "source_extract",
        "source_file",
        "source_row",
    ]
    (infusion, _) = night.lake_rows("cart_infusions")
    expected = hmac.new(KEY, b"infusion:HOSP-0001-1", hashlib.sha256).hexdigest()[:32]
    assert infusion["infusion_id"] == expected


def test_typed_cells_become_the_text_a_csv_would_hold(night: Night) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["patient_id", "sampled_on", "blast_percent", "method"])
    workbook.active.append([1001, dt.datetime(2018, 1, 2), 12.0, None])
    workbook.active.append([1002, dt.date(2018, 1, 3), 12.25, True])
    sink = io.BytesIO()
    workbook.save(sink)
    night.deliver(marrow_assessments__xlsx=sink.getvalue())
    night.ingest("marrow_assessments")
    rows = night.lake_rows("marrow_assessments")
    assert [row["sampled_on"] for row in rows] == ["2018-01-02", "2018-01-03"]
    assert [row["blast_percent"] for row in rows] == ["12", "12.25"]
    assert [row["method"] for row in rows] == [None, "true"]
    assert rows[0]["patient_key"] == _patient_key("1001")


def test_split_files_are_one_feed(night: Night) -> None:
    night.write("2018-07-30", "lab_results-0001.csv", _csv(LABS[:2]))
    night.write("2018-07-30", "lab_results-0002.csv", _csv([LABS[0], *LABS[2:]]))
    night.deliver()
    result = night.ingest_all()["lab_results"]
    assert [(each.file, each.rows) for each in result.files] == [
        ("lab_results-0001.csv", 1),
        ("lab_results-0002.csv", 2),
    ]
    assert [row["source_row"] for row in night.lake_rows("lab_results")] == [1, 1, 2]
    assert night.lake.write_plan().feeds["lab_results"].deduplicate is False


def test_unusable_rows_are_set_aside_with_their_reason(night: Night) -> None:
    text = (
        "patient_id,sampled_on,blast_percent,method,deleted\n"
        "HOSP-0001,2018-01-01,5,flow,\n"  # 1 good
        ",2018-01-02,5,flow,\n"  # 2 no patient
        "HOSP-0001,,5,flow,\n"  # 3 no date
        "HOSP-0001,2018-01-04,5,flow\n"  # 4 ragged
        "HOSP-0001,31/02/2018,<5,flow,\n"  # 5 unreadable date: staging's business
        "HOSP-0002,2018-01-06,5,flow,\n"  # 6 and 7: one key, two contents
        "HOSP-0002,2018-01-06,6,flow,\n"
        "HOSP-0002,2018-01-08,6,flow,TRUE\n"  # 8 and 9: the same row twice
        "HOSP-0002,2018-01-08,6,flow,TRUE\n"
        "HOSP-0002,2018-01-10,6,flow,perhaps\n"  # 10
        'HOSP-0002,"2018-01-11,6,flow,\n'  # 11 unbalanced quote
        "HOSP-0002,2018-01-12,6,flow,\n"  # 12 good
    )
    night.deliver(marrow_assessments__csv=text)
    result = night.ingest_all()["marrow_assessments"]
    assert (result.rows, result.accepted, result.rejected) == (12, 5, 7)
    assert [row["source_row"] for row in night.lake_rows("marrow_assessments")] == [1, 5, 8, 9, 12]
    assert {row["source_row"]: row["reason"] for row in night.rejected_rows()} == {
        2: "no key: patient_id is empty",
        3: "no key: sampled_on is empty",
        4: "broken line: 4 cells instead of 5",
        6: "duplicate key with different contents",
        7: "duplicate key with different contents",
        10: "deleted is neither true nor false",
        11: "broken line: unbalanced quote",
    }
    third = next(row for row in night.rejected_rows() if row["source_row"] == 3)
    assert json.loads(third["content"]) == {
        "patient_key": _patient_key("HOSP-0001"),
        "sampled_on": None,
        "blast_percent": "5",
        "method": "flow",
        "deleted": None,
    }
    assert night.lake_rows("marrow_assessments")[2]["deleted"] == "true"


def test_the_plan_says_when_a_key_occurs_twice(night: Night) -> None:
    row = "HOSP-0002,2018-01-08\n"
    night.deliver(marrow_assessments__csv="patient_id,sampled_on\nHOSP-0001,2018-01-01\n" + row * 2)
    result = night.ingest_all()["marrow_assessments"]
    assert (result.rows, result.accepted) == (3, 3)
    plan = night.lake.write_plan()
    assert plan.feeds["marrow_assessments"].deduplicate is True
    assert plan.feeds["marrow_assessments"].repeats_in_oldest is True
    assert plan.feeds["patients"].deduplicate is False
    assert plan.feeds["patients"].repeats_in_oldest is False


def test_one_id_for_two_people_is_a_contradiction(night: Night) -> None:
    night.deliver(
        patients__csv="patient_id,sex,birth_date,name\n"
        "A0001,F,1990-01-01,Li Na\nA0001,F,1990-01-01,Zhao Min\nA0002,M,,\n"
    )
    result = night.ingest("patients")
    assert (result.accepted, result.rejected) == (1, 2)


def test_a_header_without_rows_is_a_delivery_of_no_rows(night: Night) -> None:
    night.deliver(lab_results__csv=",".join(LABS[0]) + "\n")
    result = night.ingest_all()["lab_results"]
    assert (len(result.files), result.rows) == (1, 0)
    assert len(night.lake.write_plan().feeds["lab_results"].files) == 1


def test_a_feed_without_files_is_an_empty_result(night: Night) -> None:
    night.deliver()
    assert night.ingest("lab_results").files == ()


def test_the_same_file_is_not_read_twice(night: Night) -> None:
    night.deliver(lab_results__csv=_csv(LABS))
    night.ingest_all()
    before = {path: path.stat().st_mtime_ns for path in night.lake.root.rglob("*.parquet")}
    plan = night.lake.write_plan().as_json()
    again = night.ingest_all()
    assert all(each.already_in_lake for result in again.values() for each in result.files)
    assert {path: path.stat().st_mtime_ns for path in night.lake.root.rglob("*.parquet")} == before
    assert night.lake.write_plan().as_json() == plan


def test_content_delivered_again_replaces_the_earlier_one(night: Night) -> None:
    night.deliver(lab_results__csv=_csv(LABS))
    night.ingest_all()
    night.write("2018-07-30", "lab_results.csv", _csv(LABS[:2]))
    night.ingest_all()
    assert len(night.lake_rows("lab_results")) == 1
    night.write("2018-07-30", "lab_results.csv", _csv(LABS))
    night.ingest_all()
    assert len(night.lake_rows("lab_results")) == 3


def test_the_later_delivery_counts_though_the_clock_was_put_back(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    class AYearEarlier(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime.now(tz) - dt.timedelta(days=365)

    night.deliver(lab_results__csv=_csv(LABS))
    night.ingest_all()
    monkeypatch.setattr("orchestration.extracts.ingestion.datetime", AYearEarlier)
    night.write("2018-07-30", "lab_results.csv", _csv(LABS[:2]))
    night.ingest_all()
    assert len(night.lake_rows("lab_results")) == 1
    night.write("2018-07-30", "lab_results.csv", _csv(LABS))
    night.ingest_all()
    assert len(night.lake_rows("lab_results")) == 3


def test_the_lake_is_for_its_owner_alone(night: Night) -> None:
    night.deliver(marrow_assessments__csv="patient_id,sampled_on\n,2018-01-01\n")
    night.ingest_all()
    night.lake.write_plan()
    modes = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in [night.lake.root, *night.lake.root.rglob("*")]
    }
    assert modes == {(True, 0o700), (False, 0o600)}
    assert not [path for path in night.lake.root.rglob("*") if path.suffix in {".tmp", ".kept"}]


def test_plan_lists_all_fifteen_feeds(night: Night) -> None:
    night.deliver()
    night.ingest_all()
    night.lake.write_plan()
    plan = json.loads((night.lake.root / "plan.json").read_text())
    assert list(plan["feeds"]) == list(FEEDS)
    assert len(plan["feeds"]) == 15
    assert plan["newest_extract"] == "2018-07-30"
    for path in [*plan["feeds"]["patients"]["files"], *plan["ledger"]]:
        assert (night.lake.root / path).is_file()


def test_extracts_are_found_by_date(night: Night, tmp_path: Path) -> None:
    for name in ("2018-07-30", "2018-07-02", ".2018-07-31", "incoming", "2018-13-01"):
        (night.folder / name).mkdir(parents=True)
    assert [each.name for each in discover_extracts(night.folder)] == ["2018-07-02", "2018-07-30"]
    with pytest.raises(ExtractError, match="doesn't exist"):
        discover_extracts(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExtractError, match="holds no extract"):
        discover_extracts(tmp_path / "empty")


def test_missing_key_column_names_the_nearest_header(night: Night) -> None:
    night.deliver(marrow_assessments__csv="patient_id,sampled_at,blast_percent\nHOSP-0001,2018-01-01,5\n")
    with pytest.raises(ExtractRefused, match=r"marrow_assessments\.csv.*'sampled_on' is missing.*column 2"):
        night.check()
