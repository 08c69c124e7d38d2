"""Logistic regression: by hand, against R, what SPSS prints on separation, Firth's estimate, and by properties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from analysis_assets.logistic import LogisticSample, fit_logistic, fit_logistic_firth, log_likelihood
from tests.oracles.reading import answers, simulated_patients

RECIPE = answers("r/recipe.json")
SIM = simulated_patients()
Z = 1.959963984540054


def two_by_two(achieved_other: int, not_other: int, achieved_reference: int, not_reference: int) -> LogisticSample:
    """Four cells: with and without the outcome at the other and at the reference level."""
    cells = np.array([achieved_other, not_other, achieved_reference, not_reference], dtype=float)
    return LogisticSample(np.array([True, False, True, False]), np.array([[1.0], [1], [0], [0]]), cells)


def test_two_by_two_by_hand() -> None:
    # Table 7, refractory disease: severe CRS in 11 of 17 refractory and in 4 of 22 other patients.
    fit = fit_logistic(two_by_two(11, 6, 4, 18))
    assert math.exp(fit.coefficients[1]) == pytest.approx(11 * 18 / (6 * 4), rel=1e-9)
    std_error = math.sqrt(1 / 11 + 1 / 6 + 1 / 4 + 1 / 18)
    assert fit.std_errors[1] == pytest.approx(std_error, rel=1e-9)
    assert fit.ci_low[1] == pytest.approx(math.log(8.25) - Z * std_error, rel=1e-9)
    # As printed: 8.250 (1.895-35.910), P .005.
    printed = [f"{math.exp(v):.3f}" for v in (fit.coefficients[1], fit.ci_low[1], fit.ci_high[1])]
    assert printed == ["8.250", "1.895", "35.910"]
    assert f"{fit.p_values[1]:.3f}" == "0.005"


def test_likelihood_ratio_by_hand() -> None:
    fit = fit_logistic(two_by_two(11, 6, 4, 18))
    full = 11 * math.log(11 / 17) + 6 * math.log(6 / 17) + 4 * math.log(4 / 22) + 18 * math.log(18 / 22)
    null = 15 * math.log(15 / 39) + 24 * math.log(24 / 39)
    assert fit.likelihood_ratio_test.statistic == pytest.approx(2 * (full - null), rel=1e-9)


def test_simulated_patients_equal_glm_of_r() -> None:
    x = np.column_stack((SIM["x"], SIM["z"], SIM["g"] == 1)).astype(float)
    fit, expected = fit_logistic(LogisticSample(SIM["cause"] > 0, x, np.ones(len(x)))), RECIPE["logistic"]
    np.testing.assert_allclose(fit.coefficients, expected["coef"], rtol=1e-6)
    np.testing.assert_allclose(fit.std_errors, expected["se"], rtol=1e-6)
    np.testing.assert_allclose(fit.p_values, expected["p"], rtol=1e-6)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)


# ---- what SPSS prints on separation ---------------------------------------------------------------------------------
# Table 3: outcome CR (36 of 39); cells (CR, no CR) at the other and at the reference level; printed P.
SEPARATED_ROWS = [
    pytest.param((12, 0, 24, 3), +1, 12, "0.999", id="age"),
    pytest.param((32, 3, 4, 0), -1, 4, "0.999", id="relapsed"),
    pytest.param((9, 0, 27, 3), +1, 9, "0.999", id="marrow blasts"),
    pytest.param((17, 3, 19, 0), -1, 19, "0.998", id="wbc"),
]


@pytest.mark.parametrize(("cells", "sign", "empty_group", "printed_p"), SEPARATED_ROWS)
def test_twenty_newton_steps_leave_what_spss_prints(
    cells: tuple[int, int, int, int], sign: int, empty_group: int, printed_p: str
) -> None:
    fit = fit_logistic(two_by_two(*cells), newton_limit=20)
    assert fit.iterations == 20
    intercept, slope = fit.coefficients
    separated_log_odds = intercept + slope if sign > 0 else intercept
    assert f"{separated_log_odds:.3f}" == "21.203"
    group_variance = (
        fit.covariance[0, 0] + fit.covariance[1, 1] + 2 * fit.covariance[0, 1] if sign > 0 else fit.covariance[0, 0]
    )
    assert math.sqrt(group_variance) == pytest.approx(40192.97 / math.sqrt(empty_group), rel=1e-6)
    assert f"{fit.p_values[1]:.3f}" == printed_p
    assert math.copysign(1, slope) == sign


# ---- Firth ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cells", [(12, 0, 24, 3), (32, 3, 4, 0), (11, 6, 4, 18), (5, 0, 0, 7)])
def test_firth_of_two_by_two_adds_half_a_patient_to_each_cell(cells: tuple[int, int, int, int]) -> None:
    a, b, c, d = (count + 0.5 for count in cells)
    fit = fit_logistic_firth(two_by_two(*cells))
    assert fit.coefficients == pytest.approx([math.log(c / d), math.log(a / b) - math.log(c / d)], rel=1e-6)


def penalised(sample: LogisticSample, coefficients: Any) -> float:
    probability = 1 / (1 + np.exp(-(sample.design @ coefficients)))
    information = (sample.design * (sample.weight * probability * (1 - probability))[:, None]).T @ sample.design
    return log_likelihood(sample, coefficients) + float(np.linalg.slogdet(information)[1]) / 2


def test_firth_interval_and_p_value_by_brute_force() -> None:
    # Table 3, age: profile over the intercept by a general optimiser, the limits by bisection.
    sample = two_by_two(12, 0, 24, 3)
    fit = fit_logistic_firth(sample)

    def profile(slope: float) -> float:
        best = optimize.minimize_scalar(lambda c: -penalised(sample, np.array([c, slope])), method="brent", tol=1e-12)
        return -float(best.fun)

    top = profile(float(fit.coefficients[1]))
    for side, limit in ((-1, fit.ci_low[1]), (1, fit.ci_high[1])):
        beyond = fit.coefficients[1] + side * 12
        bounds = sorted((float(fit.coefficients[1]), float(beyond)))
        root = optimize.brentq(lambda b: 2 * (top - profile(b)) - 3.841458820694124, *bounds)
        assert limit == pytest.approx(root, rel=1e-6)
    drop = 2 * (top - profile(0.0))
    assert fit.p_values[1] == pytest.approx(math.erfc(math.sqrt(drop / 2)), rel=1e-6)


def test_firth_of_three_parameters_equals_r_likelihood() -> None:
    any_event = SIM["cause"][:60] > 0
    none = (~any_event & (np.arange(1, 61) % 2 == 0)).astype(float)
    fit = fit_logistic_firth(LogisticSample(any_event, np.column_stack((SIM["x"][:60], none)), np.ones(60)))
    expected = RECIPE["firth_logistic"]
    # R's side was maximised by a general optimiser: its coefficients carry about six digits.
    np.testing.assert_allclose(fit.coefficients, expected["coef"], rtol=1e-5)
    np.testing.assert_allclose(fit.ci_low, expected["lower"], rtol=1e-5)
    np.testing.assert_allclose(fit.ci_high, expected["upper"], rtol=1e-5)
    np.testing.assert_allclose(fit.p_values, expected["p"], rtol=1e-5)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)


# ---- properties -----------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("fit_of", [fit_logistic, fit_logistic_firth])
def test_a_weight_is_that_many_equal_patients_and_order_does_not_matter(fit_of: Any) -> None:
    x = np.column_stack((SIM["x"], SIM["g"] == 1)).astype(float)
    weight = 1.0 + np.arange(len(x)) % 3
    index = np.random.default_rng(5).permutation(np.repeat(np.arange(len(x)), weight.astype(int)))
    one = fit_of(LogisticSample(SIM["cause"] > 0, x, weight))
    many = fit_of(LogisticSample((SIM["cause"] > 0)[index], x[index], np.ones(len(index))))
    np.testing.assert_allclose(one.coefficients, many.coefficients, rtol=1e-6)
    np.testing.assert_allclose(one.ci_high, many.ci_high, rtol=1e-6)
    np.testing.assert_allclose(one.p_values, many.p_values, rtol=1e-6)


def test_reversed_coding_turns_the_ratio_over() -> None:
    plain, turned = fit_logistic(two_by_two(11, 6, 4, 18)), fit_logistic(two_by_two(4, 18, 11, 6))
    assert turned.coefficients[1] == pytest.approx(-plain.coefficients[1], rel=1e-9)
    assert turned.p_values[1] == pytest.approx(plain.p_values[1], rel=1e-9)
