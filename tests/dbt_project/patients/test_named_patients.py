"""Every named patient comes out as the sentence says. One build serves all patients of a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cohort import BuiltCohort
from tests.dbt_project.patients.case import Case, Expectation
from tests.dbt_project.patients.studies import (
    OTHER,
    OTHER_CASES,
    PAPER,
    PAPER_CASES,
    THIRD,
    THIRD_CASES,
    built_once,
)


@pytest.fixture(scope="session")
def paper(shared_folder: Path) -> Iterator[BuiltCohort]:
    built = built_once(shared_folder, "paper", PAPER, PAPER_CASES)
    yield built
    built.close()


@pytest.fixture(scope="session")
def other(shared_folder: Path) -> Iterator[BuiltCohort]:
    built = built_once(shared_folder, "other", OTHER, OTHER_CASES)
    yield built
    built.close()


@pytest.fixture(scope="session")
def third(shared_folder: Path) -> Iterator[BuiltCohort]:
    built = built_once(shared_folder, "third", THIRD, THIRD_CASES)
    yield built
    built.close()


def _parameters(cases: list[Case]) -> list[Any]:
    return [
        pytest.param(one.name, expected, id=f"{one.name} -- {expected}") for one in cases for expected in one.expected
    ]


def _check(built: BuiltCohort, name: str, expected: Expectation) -> None:
    found = built.rows(expected.table, name, **expected.where)
    if expected.holds is None:
        assert found == []
        return
    assert len(found) == 1
    assert {column: found[0][column] for column in expected.holds} == dict(expected.holds)


@pytest.mark.parametrize(("name", "expected"), _parameters(PAPER_CASES))
def test_under_the_paper(paper: BuiltCohort, name: str, expected: Expectation) -> None:
    _check(paper, name, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected"), _parameters(OTHER_CASES))
def test_under_another_study_file(other: BuiltCohort, name: str, expected: Expectation) -> None:
    _check(other, name, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected"), _parameters(THIRD_CASES))
def test_under_a_third_study_file(third: BuiltCohort, name: str, expected: Expectation) -> None:
    _check(third, name, expected)
