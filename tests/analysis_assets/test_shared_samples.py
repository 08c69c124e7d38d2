"""Shared samples give what the reader of the marts gives, from one reading."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis_assets.cox_models import cox_models
from analysis_assets.inputs import StudyInputs
from analysis_assets.km_tables import km_summary
from analysis_assets.protocols import NotComputableError
from analysis_assets.shared_samples import shared_samples
from study import Study
from tests.analysis_assets.marts_fixture import reference_marts


@pytest.fixture
def reader() -> StudyInputs:
    """The reference cohort with two ages unknown, so that -1 travels as well."""
    marts = reference_marts()
    marts.connection.execute("update marts.patients set age_years = null where sex = 'M' and age_years > 40")
    return StudyInputs(marts.connection, Study())


def rows(sample: Any, names: list[str]) -> set[tuple[float, ...]]:
    outcome = [sample.time_days, sample.cause] if hasattr(sample, "time_days") else [sample.achieved]
    columns = [*outcome, *(sample.levels[name] for name in names), sample.weight]
    return set(zip(*(np.asarray(column, dtype=float).tolist() for column in columns), strict=True))


@pytest.mark.parametrize("names", [[], ["age"], ["refractory", "age"], ["age", "sex", "wbc"]])
def test_samples_are_those_of_the_reader(reader: StudyInputs, names: list[str]) -> None:
    shared = shared_samples(reader, Study())
    assert rows(shared.time_to_event("EFS", names), names) == rows(reader.time_to_event("EFS", names), names)
    assert rows(shared.binary("CR", names), names) == rows(reader.binary("CR", names), names)


def test_many_covariates_keep_their_patients(reader: StudyInputs) -> None:
    names = list(Study().models.cox.covariates)
    sample = shared_samples(reader, Study()).time_to_event("OS", names)
    assert sample.n == 39
    assert list(sample.levels) == names


def test_each_endpoint_is_read_once(reader: StudyInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = reader.time_to_event

    def counting(endpoint: str, covariates: Any = ()) -> Any:
        asked.append(endpoint)
        return original(endpoint, covariates)

    monkeypatch.setattr(reader, "time_to_event", counting)
    shared = shared_samples(reader, Study())
    km_summary(shared, Study())
    cox_models(shared, Study())
    assert sorted(asked) == ["EFS", "FOLLOW_UP", "OS"]


def test_a_reason_is_kept_and_told_again(reader: StudyInputs) -> None:
    shared = shared_samples(reader, Study())
    for _ in range(2):
        with pytest.raises(NotComputableError, match="no included patient has follow-up for RFS"):
            shared.time_to_event("RFS", ["age"])


def test_other_questions_go_to_the_reader(reader: StudyInputs) -> None:
    assert shared_samples(reader, Study()).included() == 39
