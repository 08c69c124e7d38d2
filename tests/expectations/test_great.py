"""Great Expectations itself: exceptions told apart, pages without network and without values."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from expectations import build_data_docs, declared_checks
from expectations.frame_queries import Frame
from expectations.great import ExpectationContext
from expectations.judging import run_suite
from tests.expectations.conftest import Judge

AGE = next(spec for spec in declared_checks() if spec.name == "age_range")
FRAME = pd.DataFrame({"included": [1, 1, 0], "age_years": [20.0, 150.0, 300.0], "rows": [1, 1, 1]})


def test_an_exception_inside_great_expectations_is_an_error_with_its_own_message() -> None:
    verdicts, _ = ExpectationContext().judge(
        "t", pd.DataFrame({"a": [1.0]}), {"b": AGE, "a": replace(AGE, name="other")}
    )
    assert verdicts[0].exception == 'Error: The column "b" in BatchData does not exist.'
    assert (verdicts[1].success, verdicts[1].exception) == (True, None)


def test_a_crash_of_great_expectations_is_an_error_not_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("list index out of range")

    monkeypatch.setattr(ExpectationContext, "judge", crash)
    (result,), pages = run_suite(ExpectationContext(), {"patients": Frame("patients", FRAME)}, [AGE])
    assert (result.status, result.failing_rows, pages) == ("error", None, [])
    assert "RuntimeError" in result.message


def test_failing_rows_are_weighted_by_the_rows_behind_a_value() -> None:
    frame = FRAME.assign(rows=[5, 7, 11])
    (result,), _ = run_suite(ExpectationContext(), {"patients": Frame("patients", frame)}, [AGE])
    assert (result.status, result.failing_rows, result.judged_rows) == ("failed", 7, 12)


def test_a_frame_without_the_column_is_an_error() -> None:
    frame = FRAME.drop(columns="age_years")
    (result,), _ = run_suite(ExpectationContext(), {"patients": Frame("patients", frame)}, [AGE])
    assert result.status == "error"
    assert "no column age_years" in result.message


def test_analytics_are_off() -> None:
    assert ExpectationContext()._context.config.analytics_enabled is False


def test_pages_show_both_suites_need_no_network_and_hold_no_value(
    judge_marts: Judge, judge_lake: Judge, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    judge_marts("update marts.patients set age_years = 123.456 where age_years = 20", pages=kept)
    judge_lake(pages=kept, patients="select 'x' as patient_key, 'F' as sex, '1990-01-02' as birth_date")
    index = build_data_docs(kept, tmp_path / "docs", "run1", dt.datetime(2018, 7, 31, 2, 0, tzinfo=dt.UTC))
    pages = {path.name: path.read_text() for path in (tmp_path / "docs").rglob("*.html")}
    assert index.read_text() == pages["index.html"]
    assert {"marts.patients.html", "raw.patients.html", "index.html"} <= set(pages)
    assert "age_range" in pages["marts.patients.html"]
    links = re.findall(r'href="([^"#]+)"', pages["index.html"])
    assert len(links) == len(pages) - 1
    assert all((index.parent / link).is_file() for link in links)
    assert [name for name, page in pages.items() if re.search(r"(src|href|srcset)=[\"']?https?:|@import", page)] == []
    assert [name for name, page in pages.items() if "123.4" in page or "<script" in page] == []


def test_pages_of_an_earlier_build_do_not_stay(judge_lake: Judge, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "old.html").write_text("old")
    judge_lake(pages=tmp_path / "kept", patients="select 'x' as patient_key, 'F' as sex, '1990-01-02' as birth_date")
    build_data_docs(tmp_path / "kept", tmp_path / "docs", "run1", dt.datetime(2018, 7, 31, tzinfo=dt.UTC))
    assert not (tmp_path / "docs" / "old.html").exists()
