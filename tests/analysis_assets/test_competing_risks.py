"""Competing risks: by hand, against R's cmprsk, and by properties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis_assets.competing_risks import cumulative_incidence, fit_fine_gray, gray_test
from analysis_assets.cox import CoxSample, fit_cox
from analysis_assets.survival import kaplan_meier
from tests.oracles.reading import answers, simulated_patients

RECIPE = answers("r/recipe.json")
SIM = simulated_patients()
TIME, CAUSE, GROUP = SIM["time"], SIM["cause"].astype(np.int8), SIM["g"].astype(int)
ONES = np.ones(len(TIME))
OTHER_CAUSE = np.array([0, 2, 1], dtype=np.int8)[CAUSE]
Array = np.ndarray[Any, Any]


def test_six_patients_by_hand() -> None:
    # Day 1 relapse, day 2 death, day 3 lost, day 4 relapse and death together, day 5 lost.
    #   day 1: 1/6                         free of both 5/6
    #   day 4: 3 at risk; free before 5/6 * 4/5 = 2/3; relapse 1/6 + 2/3 * 1/3 = 7/18; death 1/6 + 2/9
    time, cause = np.array([1.0, 2, 3, 4, 4, 5]), np.array([1, 2, 0, 1, 2, 0], dtype=np.int8)
    curve = cumulative_incidence(time, cause, np.ones(6))
    assert curve.incidence == pytest.approx([1 / 6, 1 / 6, 1 / 6, 7 / 18, 7 / 18], rel=1e-12)
    # Not one minus Kaplan-Meier, which would count the dead as still able to relapse: 1 - 5/6 * 2/3 = 4/9.
    naive = 1 - kaplan_meier(time, cause == 1).survival[-1]
    assert naive == pytest.approx(4 / 9, rel=1e-12)
    # Variance: one event of six on day 1, 1/36; by day 4 that event counts 1 - (7/18 - 1/6) / (5/6) = 11/15, the death
    # of day 2 (1/36) counts -(7/18 - 1/6) / (2/3) = -1/3, the relapse of day 4 is new: (2/3)^2 / 3^2.
    assert curve.variance[[0, 2, 3]] == pytest.approx([1 / 36, 1 / 36, 121 / 8100 + 1 / 324 + 4 / 81], rel=1e-12)
    low, high = curve.interval()
    z, se = 1.959963984540054, math.sqrt(1 / 36)
    shift = z * se / (1 / 6 * math.log(1 / 6))
    assert [low[0], high[0]] == pytest.approx([(1 / 6) ** math.exp(-shift), (1 / 6) ** math.exp(shift)], rel=1e-12)


@pytest.mark.parametrize("group", [0, 1, 2])
@pytest.mark.parametrize("which", [0, 1])
def test_incidence_and_variance_equal_cuminc(group: int, which: int) -> None:
    kept = group == GROUP
    cause = (CAUSE, OTHER_CAUSE)[which][kept]
    curve = cumulative_incidence(TIME[kept], cause, ONES[kept])
    found = np.array([curve.at(month) for month in (5, 10, 20)])
    row = 3 * which + group
    np.testing.assert_allclose(found[:, 0], RECIPE["cuminc"]["est"][row], rtol=1e-9)
    np.testing.assert_allclose(found[:, 1], RECIPE["cuminc"]["var"][row], rtol=1e-9)


@pytest.mark.parametrize(("rho", "key"), [(0, "gray"), (1, "gray_rho1")])
def test_gray_test_equals_cuminc(rho: int, key: str) -> None:
    for cause, expected in zip((CAUSE, OTHER_CAUSE), RECIPE["cuminc"][key], strict=True):
        found = gray_test(TIME, cause, GROUP, ONES, rho)
        np.testing.assert_allclose([found.statistic, found.p_value, found.df], expected, rtol=1e-8)


@pytest.mark.parametrize(("cause", "key"), [(CAUSE, "cause1"), (OTHER_CAUSE, "cause2")])
def test_fine_gray_equals_crr(cause: Any, key: str) -> None:
    expected = RECIPE["finegray"][key]
    fit = fit_fine_gray(TIME, cause, np.column_stack((SIM["x"], SIM["z"])), ONES)
    np.testing.assert_allclose(fit.coefficients, expected["coef"], rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, expected["var"], rtol=1e-6)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)
    assert fit.converged


# ---- properties -----------------------------------------------------------------------------------------------------
patients = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(0, 1), st.integers(1, 3)), min_size=6, max_size=25
)


def columns(rows: list[tuple[int, int, int, int]]) -> tuple[Array, ...]:
    time, cause, group, weight = (np.array(column) for column in zip(*rows, strict=True))
    return time.astype(float), cause.astype(np.int8), group, weight.astype(float)


@given(patients)
@settings(max_examples=60, deadline=None)
def test_both_causes_and_being_free_of_them_add_up_to_one(rows: list[tuple[int, int, int, int]]) -> None:
    time, cause, _, weight = columns(rows)
    one = cumulative_incidence(time, cause, weight).incidence
    other = cumulative_incidence(time, np.array([0, 2, 1], dtype=np.int8)[cause], weight).incidence
    free = kaplan_meier(time, cause > 0, weight).survival
    np.testing.assert_allclose(one + other + free, 1, rtol=1e-9)


@given(patients)
@settings(max_examples=60, deadline=None)
def test_a_weight_is_that_many_equal_patients(rows: list[tuple[int, int, int, int]]) -> None:
    time, cause, group, weight = columns(rows)
    index = np.repeat(np.arange(len(time)), weight.astype(int))
    one, many = (
        cumulative_incidence(time, cause, weight),
        cumulative_incidence(time[index], cause[index], index * 0 + 1.0),
    )
    np.testing.assert_allclose(one.incidence, many.incidence, rtol=1e-9)
    np.testing.assert_allclose(one.variance, many.variance, rtol=1e-9, atol=1e-12)
    test = gray_test(time, cause, group, weight)
    expected = gray_test(time[index], cause[index], group[index], np.ones(len(index)))
    np.testing.assert_allclose(test.statistic, expected.statistic, rtol=1e-6, atol=1e-9)


def test_fine_gray_of_weighted_rows_is_that_of_repeated_patients() -> None:
    weight = 1.0 + np.arange(len(TIME)) % 3
    index = np.random.default_rng(2).permutation(np.repeat(np.arange(len(TIME)), weight.astype(int)))
    x = np.column_stack((SIM["x"], SIM["z"]))
    one, many = (
        fit_fine_gray(TIME, CAUSE, x, weight),
        fit_fine_gray(TIME[index], CAUSE[index], x[index], np.ones(len(index))),
    )
    np.testing.assert_allclose(one.coefficients, many.coefficients, rtol=1e-8)
    np.testing.assert_allclose(one.covariance, many.covariance, rtol=1e-8)


def test_without_competing_events_and_censoring_fine_gray_is_cox() -> None:
    cause = np.ones(len(TIME), dtype=np.int8)
    x = SIM["x"][:, None]
    found = fit_fine_gray(TIME, cause, x, ONES)
    expected = fit_cox(CoxSample(TIME, cause > 0, x, ONES), "breslow")
    np.testing.assert_allclose(found.coefficients, expected.coefficients, rtol=1e-9)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-12)


def test_group_names_and_order_do_not_matter_to_gray() -> None:
    plain = gray_test(TIME, CAUSE, GROUP, ONES)
    turned = gray_test(TIME[::-1] * 7, CAUSE[::-1], (5 - GROUP)[::-1], ONES)
    assert turned.statistic == pytest.approx(plain.statistic, rel=1e-9)


def test_edges_have_no_figure_instead_of_a_wrong_one() -> None:
    curve = cumulative_incidence(np.array([1.0, 2, 3]), np.array([0, 1, 0], dtype=np.int8), np.ones(3))
    assert math.isnan(curve.at(3.5)[0])
    assert curve.at(0.5) == (0.0, 0.0)
    assert math.isnan(curve.interval()[0][0])
    none = np.zeros(4, dtype=np.int8)
    assert math.isnan(gray_test(np.arange(4.0), none, np.array([0, 0, 1, 1]), np.ones(4)).statistic)
