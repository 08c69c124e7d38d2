"""The Chinese export: what a hospital's files look like, and that the shipped profile brings in the same rows."""

from __future__ import annotations

import csv
import re
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.extracts import ExtractFolder, Lake, Pseudonymiser, ingest_feed, load_profile
from synthetic_emr import write_his_zh_extract, write_reference_extract
from synthetic_emr.contract import FEEDS


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_his_zh_extract(tmp_path_factory.mktemp("his"))


def test_files_are_gb18030_with_chinese_headers_dates_and_values(chinese: Path) -> None:
    content = (chinese / "随访记录.csv").read_bytes().decode("gb18030")
    assert content.count("\r\n") == content.count("\n")
    rows = list(csv.DictReader(content.splitlines()))
    assert {row["生存状态"] for row in rows} == {"存活", "死亡"}
    assert all(re.fullmatch(r"\d{4}年\d{1,2}月\d{1,2}日", row["随访日期"]) for row in rows)
    assert rows[-1]["随访日期"] == "2018年7月30日"
    labs = (chinese / "检验结果.csv").read_bytes().decode("gb18030")
    assert "WBC" in labs
    assert "未查" in labs


@pytest.fixture(scope="module")
def canonical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reference_extract(tmp_path_factory.mktemp("canonical"))


def lake_rows(folder: Path, profile: str, lake: Path, feed: str) -> list[tuple[object, ...]]:
    """The feed's accepted rows without evidence columns, times as times, numbers as numbers, haemoglobin in g/L."""
    extract = ExtractFolder(date(2018, 7, 30), folder)
    key = Pseudonymiser(bytes(range(32)))
    ingest_feed(extract, feed, profile=load_profile(profile), pseudonymiser=key, lake=Lake(lake))
    rows = f"read_parquet('{lake}/raw/{feed}/*/*.parquet')"
    if feed == "lab_results":
        in_grams = "unit = 'g/dL'"
        rows = f"""(
            select * replace (
                if({in_grams}, (value::double * 10)::varchar, value) as value, if({in_grams}, 'g/L', unit) as unit
            ) from {rows}
        )"""
    kept = [name for name in duckdb.sql(f"from {rows}").columns if not name.startswith("source_")]
    plain = [f"coalesce(try_cast({c} as timestamp)::varchar, try_cast({c} as double)::varchar, {c})" for c in kept]
    return duckdb.sql(f"select {', '.join(plain)} from {rows} order by all").fetchall()


@pytest.mark.parametrize("feed", sorted(FEEDS))
def test_the_shipped_profile_brings_the_same_rows_into_the_lake(
    chinese: Path, canonical: Path, tmp_path: Path, feed: str
) -> None:
    expected = lake_rows(canonical, "canonical", tmp_path / "lake", feed)
    assert lake_rows(chinese, "his_zh", tmp_path / "lake_zh", feed) == expected
    assert len(expected) >= 39
