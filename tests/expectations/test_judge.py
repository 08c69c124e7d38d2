"""What was begun ahead is judged once, and answers no other question."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from expectations.errors import ExpectationsError
from expectations.judge import ROOM, Judge, MartsToJudge
from study import Study, load_study
from warehouse.side_process import SideProcess, SideProcessError

DATABASE, PAGES = Path("warehouse.duckdb"), Path("pages")
RESULT = {
    "suite": "marts", "check": "age", "severity": "error", "failing_rows": 0, "judged_rows": 39, "status": "passed",
    "table": "patients", "column": "age_years", "kahn": "plausibility", "action": "none", "message": "",
}  # fmt: skip


class Answering:
    """In place of the second process: answers by number, and only once each."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answered: set[int] = set()
        self.broken = False

    def ask(self, room: str, request: dict[str, Any]) -> int:
        assert room == ROOM
        self.asked.append(request)
        return len(self.asked) - 1

    def answer(self, number: int) -> Any:
        assert number not in self.answered
        self.answered.add(number)
        if self.broken:
            raise SideProcessError("killed")
        request = self.asked[number]
        return [RESULT | {"check": request["suite"]}] if "suite" in request else "index.html"


@pytest.fixture
def study() -> Study:
    return load_study(Path("study.yml"))


@pytest.fixture
def judge() -> Judge:
    return Judge(cast("SideProcess", Answering()))


def asked(judge: Judge) -> list[str]:
    return [request.get("suite", "docs") for request in judge._process.asked]  # type: ignore[attr-defined]


def test_marts_begun_ahead_are_judged_once(judge: Judge, study: Study) -> None:
    judge.begin_marts(MartsToJudge(DATABASE, study, PAGES, {"marts.patients": 39}))
    (result,) = judge.marts(MartsToJudge(DATABASE, study, PAGES, {"marts.patients": 39}))
    assert result.check == "marts"
    assert asked(judge) == ["marts"]


def test_marts_begun_with_other_facts_are_judged_anew(judge: Judge, study: Study) -> None:
    judge.begin_marts(MartsToJudge(DATABASE, study, PAGES, None))
    judge.marts(MartsToJudge(DATABASE, study, PAGES, {"marts.patients": 39}))
    assert asked(judge) == ["marts", "marts"]


def test_what_was_begun_and_never_asked_for_is_no_answer_to_another_question(judge: Judge, study: Study) -> None:
    judge.begin_marts(MartsToJudge(DATABASE, study, PAGES, None))
    (result,) = judge.lake(Path("lake"), PAGES)
    assert result.check == "raw"
    (result,) = judge.marts(MartsToJudge(DATABASE, study, PAGES, None))
    assert result.check == "marts"
    assert asked(judge) == ["marts", "raw"]


def test_data_docs_are_begun_and_waited_for_once(judge: Judge) -> None:
    judge.finish_data_docs()
    judge.begin_data_docs(PAGES, Path("docs"), "night", datetime(2018, 7, 30, tzinfo=UTC))
    judge.finish_data_docs()
    judge.finish_data_docs()
    assert asked(judge) == ["docs"]
    assert judge._process.answered == {0}  # type: ignore[attr-defined]


def test_data_docs_that_could_not_be_written_are_told(judge: Judge) -> None:
    judge.begin_data_docs(PAGES, Path("docs"), "night", datetime(2018, 7, 30, tzinfo=UTC))
    judge._process.broken = True  # type: ignore[attr-defined]
    with pytest.raises(ExpectationsError, match="killed"):
        judge.finish_data_docs()


def test_a_process_that_died_in_between_is_told_at_the_step(judge: Judge, study: Study) -> None:
    judge.begin_marts(MartsToJudge(DATABASE, study, PAGES, None))
    judge._process.broken = True  # type: ignore[attr-defined]
    with pytest.raises(ExpectationsError, match="killed"):
        judge.marts(MartsToJudge(DATABASE, study, PAGES, None))
