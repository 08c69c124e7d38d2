"""Separation is found from the data: the paper's four rows, three covariates without an empty cell, monotone Cox."""

from __future__ import annotations

import tracemalloc
from itertools import product
from typing import Any

import numpy as np
import pytest
from firthmodels import detect_separation
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import LinAlgError

from analysis_assets import separation
from analysis_assets.cox import CoxSample, PartialLikelihood
from analysis_assets.separation import Separation, cox_separation, logistic_separation, redundant_columns

Array = np.ndarray[Any, Any]


def two_by_two(a: int, b: int, c: int, d: int) -> Separation:
    """Cells: outcome yes and no at the other level, yes and no at the reference level."""
    x = np.array([[1.0], [1], [0], [0]])
    return logistic_separation(np.array([True, False, True, False]), x, np.array([a, b, c, d], dtype=float))


# ---- logistic -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cells", "direction"),
    [
        pytest.param((12, 0, 24, 3), 1, id="age"),
        pytest.param((32, 3, 4, 0), -1, id="relapsed"),
        pytest.param((9, 0, 27, 3), 1, id="marrow blasts"),
        pytest.param((17, 3, 19, 0), -1, id="wbc"),
    ],
)
def test_the_four_separated_rows_of_table_3(cells: tuple[int, int, int, int], direction: int) -> None:
    found = two_by_two(*cells)
    assert found.separated
    assert not found.complete
    assert found.directions.tolist() == [direction]


def test_the_other_rows_of_table_3_are_not_separated() -> None:
    for cells in [(20, 2, 16, 1), (21, 1, 15, 2), (15, 2, 21, 1), (11, 1, 25, 2), (13, 2, 23, 1), (12, 2, 24, 1)]:
        assert not two_by_two(*cells).separated


def test_complete_separation_is_told_from_quasi_complete() -> None:
    assert two_by_two(5, 0, 0, 7).complete
    assert not two_by_two(5, 0, 2, 7).complete


PATTERNS = np.array(list(product((0.0, 1.0), repeat=3)))


def has_empty_cell(achieved: Array, x: Array) -> bool:
    """Whether some level of some covariate goes with only one outcome."""
    return any(len(set(achieved[x[:, column] == level])) < 2 for column in range(x.shape[1]) for level in (0, 1))


def test_three_covariates_without_any_empty_cell_can_separate_completely() -> None:
    # The outcome is had with at least two of the three: no level of any covariate settles it alone.
    achieved = PATTERNS.sum(axis=1) >= 2
    assert not has_empty_cell(achieved, PATTERNS)
    found = logistic_separation(achieved, PATTERNS, np.full(8, 4.0))
    assert found.separated
    assert found.complete
    assert found.directions.tolist() == [1, 1, 1]


def test_three_covariates_without_any_empty_cell_can_separate_quasi_completely() -> None:
    # As above, but one pattern on the dividing plane has both outcomes.
    achieved = np.append(PATTERNS.sum(axis=1) >= 2, False)
    x = np.vstack((PATTERNS, [1.0, 1, 0]))
    assert not has_empty_cell(achieved, x)
    found = logistic_separation(achieved, x, np.full(9, 4.0))
    assert found.separated
    assert not found.complete
    # One more pattern with both outcomes, beyond the plane, and the maximum exists.
    mixed = logistic_separation(np.append(achieved, False), np.vstack((x, [1.0, 1, 1])), np.full(10, 4.0))
    assert not mixed.separated


def test_a_finite_coefficient_beside_a_separated_one_is_told_apart() -> None:
    # a is settled at level 1 (outcome always had); b has both outcomes at either level among a = 0.
    x = np.array([[1.0, 0], [1, 1], [0, 0], [0, 0], [0, 1], [0, 1]])
    achieved = np.array([True, True, True, False, True, False])
    assert logistic_separation(achieved, x, np.ones(6)).directions.tolist() == [1, 0]


def test_rows_of_no_weight_do_not_count() -> None:
    assert two_by_two(12, 0, 24, 3).separated
    x, achieved = np.array([[1.0], [1], [0], [0]]), np.array([True, False, True, False])
    assert logistic_separation(achieved, x, np.array([12.0, 0, 24, 3])).separated


def test_redundant_covariates_are_named() -> None:
    x = np.array([[0.0, 0, 1, 1], [1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 0]])
    assert redundant_columns(x).tolist() == [False, True, True, True]


samples = st.lists(st.tuples(st.booleans(), *[st.integers(0, 1)] * 3), min_size=6, max_size=16)


@given(samples)
@settings(max_examples=80, deadline=None)
def test_the_verdict_is_that_of_the_package_firthmodels(drawn: list[tuple[bool, int, int, int]]) -> None:
    achieved, x = np.array([row[0] for row in drawn]), np.array([row[1:] for row in drawn], dtype=float)
    if achieved.all() or not achieved.any():
        return
    found = logistic_separation(achieved, x, np.ones(len(x)))
    try:
        expected = detect_separation(x, achieved.astype(int))
    except LinAlgError:
        assert found.redundant.any()
        return
    assert not found.redundant.any()
    assert found.separated == expected.separation


# ---- Cox ------------------------------------------------------------------------------------------------------------
def monotone_by_definition(sample: CoxSample) -> bool:
    """Whether along some direction of a grid each event ranks highest of those at risk, and one strictly.

    Two yes/no covariates have four patterns; the borders of their cones lie at multiples of 45 degrees.
    """
    start = np.full(len(sample.stop), -np.inf) if sample.start is None else sample.start
    for angle in np.radians(np.arange(0, 360, 15)):
        rank = np.round(sample.x @ np.array([np.cos(angle), np.sin(angle)]), 9)
        gaps = [
            rank[i] - rank[j]
            for i in np.flatnonzero(sample.event)
            for j in range(len(rank))
            if start[j] < sample.stop[i] <= sample.stop[j]
        ]
        if min(gaps, default=0) >= 0 and max(gaps, default=0) > 0:
            return True
    return False


def cox(time: list[float], event: list[int], x: list[list[float]], start: list[float] | None = None) -> CoxSample:
    starts = None if start is None else np.array(start, dtype=float)
    return CoxSample(np.array(time, float), np.array(event) > 0, np.array(x, float), np.ones(len(time)), starts)


def test_a_level_without_events_makes_the_likelihood_monotone() -> None:
    found = cox_separation(cox([1, 2, 3, 4], [1, 1, 0, 0], [[0], [0], [1], [1]]))
    assert found.separated
    assert found.directions.tolist() == [-1]


def test_each_event_at_the_highest_level_at_risk_is_monotone_though_both_levels_have_events() -> None:
    # All with x = 1 die first, then all with x = 0: no empty cell, yet the hazard ratio has no finite estimate.
    found = cox_separation(cox([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1], [[1], [1], [1], [0], [0], [0]]))
    assert found.separated
    assert found.directions.tolist() == [1]


def test_one_event_out_of_order_gives_a_maximum() -> None:
    assert not cox_separation(cox([1, 2, 3, 4, 5, 6], [1] * 6, [[1], [0], [1], [1], [0], [0]])).separated


def test_with_late_entry_only_those_at_risk_together_count() -> None:
    # Left-truncated, x = 0 (day 2) and x = 1 (days 3 and 4) are never at risk together when the latter enter on day 2.
    x = [[0.0], [1], [1], [0]]
    assert not cox_separation(cox([2, 3, 4, 6], [1, 1, 1, 0], x, [0, 0, 0, 0])).separated
    late = cox_separation(cox([2, 3, 4, 6], [1, 1, 1, 0], x, [0, 2, 2, 0]))
    assert late.separated
    assert late.directions.tolist() == [1]


def test_with_late_entry_a_covariate_that_never_varies_within_a_risk_set_is_redundant() -> None:
    # Those with x = 1 all enter after the last day of those with x = 0.
    found = cox_separation(cox([2, 3, 6, 7], [1, 1, 1, 1], [[0], [0], [1], [1]], [-1, -1, 4, 4]))
    assert not found.separated
    assert found.redundant.tolist() == [True]


def test_a_level_lost_before_the_first_event_is_redundant_and_not_separated() -> None:
    found = cox_separation(cox([1, 1, 2, 3, 4], [0, 0, 1, 1, 0], [[1], [1], [0], [0], [0]]))
    assert not found.separated
    assert found.redundant.tolist() == [True]


cox_rows = st.lists(
    st.tuples(st.integers(1, 6), st.booleans(), st.integers(0, 1), st.integers(0, 1), st.integers(0, 3)),
    min_size=4,
    max_size=12,
)


@given(cox_rows, st.booleans())
@settings(max_examples=80, deadline=None)
def test_the_verdict_is_that_of_the_definition(drawn: list[tuple[int, bool, int, int, int]], late: bool) -> None:
    time, event, a, b, before = (np.array(column) for column in zip(*drawn, strict=True))
    start = np.maximum(time - 1.0 - before, -1.0) if late else None
    sample = CoxSample(time.astype(float), event, np.column_stack((a, b)).astype(float), np.ones(len(time)), start)
    found = cox_separation(sample)
    information = PartialLikelihood(sample, "breslow").moments(np.zeros(2)).information
    if np.linalg.matrix_rank(information) < 2:
        return
    assert found.separated == monotone_by_definition(sample)


def late_entries(rng: np.random.Generator, rows: int, covariates: int, days: int) -> CoxSample:
    start = rng.integers(0, days, rows).astype(float)
    x = rng.integers(0, 2, (rows, covariates)).astype(float)
    stop = start + rng.integers(1, days, rows)
    return CoxSample(stop, rng.random(rows) < 0.3, x, np.ones(rows), start)


@pytest.mark.parametrize("seed", range(30))
def test_frequent_patterns_alone_never_change_the_answer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    sample = late_entries(rng, int(rng.integers(6, 80)), 3, 20)
    monkeypatch.setattr(separation, "FREQUENT_PATTERNS", 5)
    quick = cox_separation(sample)
    monkeypatch.setattr(separation, "_frequent_patterns_leave_no_direction", lambda *_: False)
    full = cox_separation(sample)
    assert quick.separated == full.separated
    assert quick.directions.tolist() == full.directions.tolist()
    assert quick.redundant.tolist() == full.redundant.tolist()


def test_thousands_of_patterns_need_no_pair_of_each() -> None:
    sample = late_entries(np.random.default_rng(1), 40_000, 12, 300)
    tracemalloc.start()
    found = cox_separation(sample)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 4,096 patterns: all pairs would take 134 MB a matrix.
    assert peak < 60e6
    assert not found.separated
