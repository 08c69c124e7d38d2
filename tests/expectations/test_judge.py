"""The judging process is asked one thing at a time, also when the marts were begun ahead of their step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from expectations.errors import ExpectationsError
from expectations.judge import Judge
from study import Study, load_study
from warehouse.side_process import SideProcessError

DATABASE, PAGES = Path("warehouse.duckdb"), Path("pages")
RESULT = {
    "suite": "marts", "check": "age", "severity": "error", "failing_rows": 0, "judged_rows": 39, "status": "passed",
    "table": "patients", "column": "age_years", "kahn": "plausibility", "action": "none", "message": "",
}  # fmt: skip


class Answering:
    """In place of the second process: answers in the order of the requests, and only once each."""

    def __init__(self, _module: str) -> None:
        self.asked: list[dict[str, Any]] = []
        self.unanswered: list[dict[str, Any]] = []
        self.broken = False

    def ask(self, request: dict[str, Any]) -> None:
        assert not self.unanswered, "asked before the last answer was taken"
        self.asked.append(request)
        self.unanswered.append(request)

    def answer(self) -> Any:
        request = self.unanswered.pop()
        if self.broken:
            raise SideProcessError("killed")
        return [RESULT | {"check": request["suite"]}]


@pytest.fixture
def study() -> Study:
    return load_study(Path("study.yml"))


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    monkeypatch.setattr("expectations.judge.SideProcess", Answering)
    return Judge()


def asked(judge: Judge) -> list[str]:
    return [request["suite"] for request in judge._process.asked]  # type: ignore[attr-defined]


def test_marts_begun_ahead_are_judged_once(judge: Judge, study: Study) -> None:
    judge.begin_marts(DATABASE, study, PAGES, {"marts.patients": 39})
    (result,) = judge.marts(DATABASE, study, PAGES, {"marts.patients": 39})
    assert result.check == "marts"
    assert asked(judge) == ["marts"]


def test_marts_begun_with_other_facts_are_judged_anew(judge: Judge, study: Study) -> None:
    judge.begin_marts(DATABASE, study, PAGES, None)
    judge.marts(DATABASE, study, PAGES, {"marts.patients": 39})
    assert asked(judge) == ["marts", "marts"]


def test_what_was_begun_and_never_asked_for_is_no_answer_to_another_question(judge: Judge, study: Study) -> None:
    judge.begin_marts(DATABASE, study, PAGES, None)
    (result,) = judge.lake(Path("lake"), PAGES)
    assert result.check == "raw"
    judge.marts(DATABASE, study, PAGES, None)
    assert asked(judge) == ["marts", "raw", "marts"]


def test_a_process_that_died_in_between_is_told_at_the_step(judge: Judge, study: Study) -> None:
    judge.begin_marts(DATABASE, study, PAGES, None)
    judge._process.broken = True  # type: ignore[attr-defined]
    with pytest.raises(ExpectationsError, match="killed"):
        judge.marts(DATABASE, study, PAGES, None)
