"""A real hospital's wide sheet through a profile, held against an independent reading with pandas."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from orchestration.extracts import SourceProfile, load_profile

from .conftest import Night

DATA = Path(__file__).parent / "data" / "tongji"
SHEET = DATA / "time_series_excerpt.csv"
FIXED = ["PATIENT_ID", "RE_DATE", "年龄", "性别", "入院时间", "出院时间", "出院方式"]


def _read_with_pandas() -> pd.DataFrame:
    return pd.read_csv(SHEET, encoding="gb18030", dtype=str)


def _as_workbook(target: Path) -> None:
    """The same sheet as Excel, numbers as numbers."""
    workbook = openpyxl.Workbook()
    sheet = _read_with_pandas()
    workbook.active.append(list(sheet.columns))
    for row in sheet.itertuples(index=False):
        cells = [None if pd.isna(cell) else cell for cell in row]
        workbook.active.append([_number(cell) for cell in cells])
    workbook.save(target)


def _number(cell: str | None) -> str | float | None:
    try:
        return None if cell is None else float(cell)
    except ValueError:
        return cell


@pytest.fixture(params=["csv", "xlsx"])
def tongji(request: pytest.FixtureRequest, make_night: Callable[[str, SourceProfile], Night]) -> Night:
    night = make_night("tongji", load_profile(DATA / "profile.yml"))
    folder = night.folder / "2020-03-01"
    folder.mkdir(parents=True)
    if request.param == "csv":
        shutil.copy(SHEET, folder)
    else:
        _as_workbook(folder / "time_series_excerpt.xlsx")
    (folder / "cart_infusions.csv").write_text("patient_id,infusion_id\n1,1-1\n")
    return night


def test_every_row_is_accounted_for_and_every_value_equal(tongji: Night) -> None:
    sheet = _read_with_pandas()
    sheet["PATIENT_ID"] = sheet["PATIENT_ID"].ffill().astype(float).astype(int).astype(str)
    sheet["source_row"] = range(1, len(sheet) + 1)
    long = sheet.melt(["source_row", *FIXED], var_name="test_name").dropna(subset="value")

    results = tongji.ingest_all("2020-03-01")
    ledger = {row.feed: row for row in tongji.lake.ledger()}["lab_results"]
    assert ledger.source_rows == len(sheet)
    assert ledger.source_rows - ledger.skipped_rows == long["source_row"].nunique()
    assert results["lab_results"].rows == len(long)

    repeated = long.groupby(["PATIENT_ID", "RE_DATE", "test_name"])["value"].transform("nunique") > 1
    assert results["lab_results"].rejected == repeated.sum()
    found = pd.DataFrame(tongji.lake_rows("lab_results"))
    expected = long[~repeated].assign(
        patient_key=long["PATIENT_ID"].map(tongji.pseudonymiser.patient_key), value=long["value"].astype(float)
    )
    columns = ["source_row", "test_name", "patient_key", "RE_DATE", "value"]
    found = found.assign(value=found["value"].astype(float), RE_DATE=pd.to_datetime(found["collected_at"]))
    expected["RE_DATE"] = pd.to_datetime(expected["RE_DATE"])
    pd.testing.assert_frame_equal(
        found[columns].sort_values(columns[:2], ignore_index=True),
        expected[columns].sort_values(columns[:2], ignore_index=True),
    )


def test_one_sheet_fills_several_feeds(tongji: Night) -> None:
    results = tongji.ingest_all("2020-03-01")
    assert {feed: result.accepted for feed, result in results.items() if result.files} == {
        "patients": 12,
        "encounters": 12,
        "follow_ups": 12,
        "cart_infusions": 1,
        "lab_results": results["lab_results"].accepted,
    }
    sexes = _read_with_pandas().dropna(subset="PATIENT_ID")["性别"].map({"1": "M", "2": "F"})
    assert [row["sex"] for row in tongji.lake_rows("patients")] == list(sexes)
    assert {row["vital_status"] for row in tongji.lake_rows("follow_ups")} <= {"alive", "dead"}
