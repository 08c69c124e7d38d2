"""Which patients stand behind a number, as a condition of SQL."""

from __future__ import annotations

import pytest

from analysis_assets.report.conditions import covariate_level
from study.models import Covariate


@pytest.mark.parametrize(
    ("bound", "written"), [(18, "18"), (0.01, "0.01"), (1_234_567, "1234567"), (1234567.25, "1234567.25")]
)
def test_a_bound_stands_in_the_condition_to_its_last_digit(bound: float, written: str) -> None:
    dose = Covariate(name="dose", label="Dose", column="cells_per_kg", at_least=bound, levels=("low", "high"))
    assert covariate_level(dose, "high").endswith(f" >= {written}")
    assert covariate_level(dose, "low") == f"not ({covariate_level(dose, 'high')})"
