"""Cox regression: by hand, against R, against a likelihood written the slow way, and by properties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.datasets import load_lung, load_stanford_heart_transplants

from analysis_assets.cox import (
    CoxSample,
    PartialLikelihood,
    baseline_hazard,
    fit_cox,
    fit_cox_firth,
    proportionality,
)
from tests.oracles.reading import answers, simulated_patients

RECIPE = answers("r/recipe.json")
GOLDEN = answers("r/golden.json")
SIM = simulated_patients()
TIES = pytest.mark.parametrize("ties", ["breslow", "efron"])
Array = np.ndarray[Any, Any]


def simulated_sample() -> CoxSample:
    x = np.column_stack((SIM["x"], SIM["z"], SIM["g"] == 1, SIM["g"] == 2)).astype(float)
    return CoxSample(SIM["time"], SIM["cause"] > 0, x, np.ones(len(x)))


def lung_sample() -> CoxSample:
    rows = load_lung().dropna(subset=["age", "sex", "ph.ecog"])
    x = rows[["age", "sex", "ph.ecog"]].to_numpy(float)
    return CoxSample(rows["time"].to_numpy(float), rows["status"].to_numpy() == 1, x, np.ones(len(rows)))


def heart_sample(columns: list[str]) -> CoxSample:
    rows = load_stanford_heart_transplants()
    return CoxSample(
        rows["stop"].to_numpy(float),
        rows["event"].to_numpy() == 1,
        rows[columns].to_numpy(float),
        np.ones(len(rows)),
        rows["start"].to_numpy(float),
    )


def slow_log_likelihood(sample: CoxSample, beta: Array, ties: str) -> float:
    """Partial likelihood straight from its definition, one event time and one patient at a time."""
    start = np.full(len(sample.stop), -np.inf) if sample.start is None else sample.start
    total = 0.0
    for moment in sorted(set(sample.stop[sample.event])):
        at_risk = [i for i in range(len(sample.stop)) if start[i] < moment <= sample.stop[i]]
        died = [i for i in at_risk if sample.event[i] and sample.stop[i] == moment]
        everyone = sum(math.exp(sample.x[i] @ beta) for i in at_risk)
        tied = sum(math.exp(sample.x[i] @ beta) for i in died)
        for rank, i in enumerate(died):
            gone = rank / len(died) * tied if ties == "efron" else 0.0
            total += sample.x[i] @ beta - math.log(everyone - gone)
    return total


# ---- by hand --------------------------------------------------------------------------------------------------------
def test_six_patients_by_hand() -> None:
    # Events on day 1 (x = 1), day 2 (x = 0), day 4 (x = 1); lost on day 3 (x = 0), 5 (x = 1), 6 (x = 0). With r = HR:
    #   L(r) = r / (3r + 3) * 1 / (2r + 3) * r / (2r + 1)
    #   d log L / d log r = 2 - 3r/(3r+3) - 2r/(2r+3) - 2r/(2r+1) = 0  <=>  4 r^3 - 11 r - 6 = 0
    sample = CoxSample(
        np.array([1.0, 2, 4, 3, 5, 6]),
        np.array([True, True, True, False, False, False]),
        np.array([[1.0], [0], [1], [0], [1], [0]]),
        np.ones(6),
    )
    fit = fit_cox(sample, "breslow")
    ratio = float(np.exp(fit.coefficients[0]))
    assert 4 * ratio**3 - 11 * ratio - 6 == pytest.approx(0, abs=1e-9)
    # Information at zero: p (1 - p) of the three risk sets, p = 3/6, 2/5, 2/3; score 2 - 1/2 - 2/5 - 2/3.
    score, information = 2 - 1 / 2 - 2 / 5 - 2 / 3, 1 / 4 + 6 / 25 + 2 / 9
    assert fit.score_test.statistic == pytest.approx(score**2 / information, rel=1e-12)
    assert fit.null_log_likelihood == pytest.approx(-math.log(6 * 5 * 3), rel=1e-12)


def test_efron_ties_by_hand() -> None:
    # Two of four die on one day, one with x = 1: Efron's denominators are 2r + 2 and (2r + 2) - (r + 1)/2.
    sample = CoxSample(
        np.array([1.0, 1, 2, 2]),
        np.array([True, True, False, False]),
        np.array([[1.0], [0], [1], [0]]),
        np.ones(4),
    )
    likelihood = PartialLikelihood(sample, "efron")
    for beta in (0.0, 0.7):
        r = math.exp(beta)
        # The program centres x at 1/2, which adds the same to numerator and denominator.
        expected = beta - math.log(2 * r + 2) - math.log(2 * r + 2 - (r + 1) / 2)
        assert likelihood.moments(np.array([beta])).log_likelihood == pytest.approx(expected, rel=1e-12)


# ---- R --------------------------------------------------------------------------------------------------------------
def compare(sample: CoxSample, ties: Any, expected: dict[str, Any]) -> None:
    fit = fit_cox(sample, ties)
    values = lambda name: list(expected[name].values()) if isinstance(expected[name], dict) else expected[name]  # noqa: E731
    np.testing.assert_allclose(fit.coefficients, values("coef"), rtol=1e-6)
    np.testing.assert_allclose(fit.std_errors, values("se"), rtol=1e-6)
    np.testing.assert_allclose(fit.p_values, np.atleast_1d(expected["p"]), rtol=1e-6)
    np.testing.assert_allclose([fit.null_log_likelihood, fit.log_likelihood], expected["loglik"], rtol=1e-9)
    for test, name in ((fit.score_test, "score"), (fit.likelihood_ratio_test, "lr")):
        np.testing.assert_allclose([test.statistic, test.df, test.p_value], expected[name], rtol=1e-6)
    if "hr" in expected:
        ratios = np.exp(np.column_stack((fit.coefficients, fit.ci_low, fit.ci_high)))
        np.testing.assert_allclose(ratios, expected["hr"], rtol=1e-6)
    if "wald" in expected:
        # summary.coxph rounds this statistic to two decimals; its P value is whole.
        assert round(fit.wald_test.statistic, 2) == expected["wald"][0]
        assert fit.wald_test.p_value == pytest.approx(expected["wald"][2], rel=1e-6)


@TIES
def test_lung_data_equal_r(ties: Any) -> None:
    compare(lung_sample(), ties, GOLDEN["lung_cox"][ties])


@TIES
def test_stanford_heart_data_with_time_dependent_transplant_equal_r(ties: Any) -> None:
    columns = ["age", "year", "surgery", "transplant"]
    compare(heart_sample(columns), ties, GOLDEN["stanford_heart_timedep"][ties])
    compare(heart_sample(["transplant"]), ties, GOLDEN["stanford_heart_timedep1"][ties])


@TIES
def test_patients_with_many_ties_equal_r(ties: Any) -> None:
    compare(simulated_sample(), ties, RECIPE["cox"][ties])


@TIES
def test_proportionality_equals_cox_zph(ties: Any) -> None:
    sample = simulated_sample()
    found = proportionality(sample, ties, fit_cox(sample, ties))
    rows = [[test.statistic, test.df, test.p_value] for test in (*found.covariates, found.overall)]
    np.testing.assert_allclose(rows, RECIPE["cox"][ties]["zph"], rtol=1e-6)


@TIES
def test_baseline_hazard_equals_basehaz(ties: Any) -> None:
    sample, expected = simulated_sample(), RECIPE["cox"][ties]["hazard"]
    found = baseline_hazard(sample, ties, fit_cox(sample, ties))
    at = {time: hazard for time, hazard in zip(expected["time"], expected["hazard"], strict=True)}
    np.testing.assert_allclose(found.cumulative_hazard, [at[time] for time in found.time], rtol=1e-6)


@TIES
def test_firth_estimates_intervals_and_p_values_equal_r_likelihoods(ties: Any) -> None:
    any_event = SIM["cause"][:60] > 0
    none = (~any_event & (np.arange(1, 61) % 2 == 0)).astype(float)
    sample = CoxSample(SIM["time"][:60], any_event, np.column_stack((SIM["x"][:60], none)), np.ones(60))
    fit, expected = fit_cox_firth(sample, ties), RECIPE["firth_cox"][ties]
    # R's side was maximised by a general optimiser: its coefficients carry about six digits.
    np.testing.assert_allclose(fit.coefficients, expected["coef"], rtol=1e-5)
    np.testing.assert_allclose(fit.ci_low, expected["lower"], rtol=1e-5)
    np.testing.assert_allclose(fit.ci_high, expected["upper"], rtol=1e-5)
    np.testing.assert_allclose(fit.p_values, expected["p"], rtol=1e-5)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=1e-9)


def test_firth_equals_the_package_firthmodels() -> None:
    from firthmodels import FirthCoxPH

    sample = simulated_sample()
    fit = fit_cox_firth(sample, "breslow")
    model = FirthCoxPH(backend="numpy", gtol=1e-8, xtol=1e-8, max_iter=200).fit(sample.x, (sample.event, sample.stop))
    np.testing.assert_allclose(fit.coefficients, model.coef_, rtol=1e-6)
    limits = model.conf_int(method="pl", tol=1e-8, max_iter=200)
    np.testing.assert_allclose(np.column_stack((fit.ci_low, fit.ci_high)), limits, rtol=1e-6)


# ---- the slow way and properties ------------------------------------------------------------------------------------
rows = st.lists(
    st.tuples(st.integers(1, 6), st.booleans(), st.integers(0, 1), st.integers(0, 2), st.integers(1, 3)),
    min_size=5,
    max_size=14,
)


def sample_of(drawn: list[tuple[int, bool, int, int, int]], late: bool = False) -> CoxSample:
    time, event, a, b, weight = (np.array(column) for column in zip(*drawn, strict=True))
    start = np.maximum(time - 1.0 - b, -1.0) if late else None
    x = np.column_stack((a, b)).astype(float)
    return CoxSample(time.astype(float), event, x, weight.astype(float), start)


def repeated(sample: CoxSample) -> CoxSample:
    index = np.repeat(np.arange(len(sample.stop)), sample.weight.astype(int))
    start = None if sample.start is None else sample.start[index]
    return CoxSample(sample.stop[index], sample.event[index], sample.x[index], np.ones(len(index)), start)


@given(rows, st.booleans(), st.sampled_from(["breslow", "efron"]))
@settings(max_examples=60, deadline=None)
def test_likelihood_of_weighted_rows_is_the_slow_likelihood_of_repeated_patients(
    drawn: list[tuple[int, bool, int, int, int]], late: bool, ties: Any
) -> None:
    sample = sample_of(drawn, late)
    if not sample.event.any():
        return
    beta = np.array([0.4, -0.3])
    likelihood = PartialLikelihood(sample, ties)
    centre = likelihood.centre
    many = repeated(sample)
    centred = CoxSample(many.stop, many.event, many.x - centre, many.weight, many.start)
    moments = likelihood.moments(beta)
    assert moments.log_likelihood == pytest.approx(slow_log_likelihood(centred, beta, ties), rel=1e-9, abs=1e-9)
    step = 1e-5
    for column in range(2):
        nudge = np.zeros(2)
        nudge[column] = step
        up, down = likelihood.moments(beta + nudge), likelihood.moments(beta - nudge)
        slope = (up.log_likelihood - down.log_likelihood) / (2 * step)
        assert moments.score[column] == pytest.approx(slope, rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(moments.information[column], (down.score - up.score) / (2 * step), atol=1e-6)


@given(rows, st.booleans(), st.sampled_from(["breslow", "efron"]))
@settings(max_examples=40, deadline=None)
def test_penalty_gradient_is_the_slope_of_half_the_log_determinant(
    drawn: list[tuple[int, bool, int, int, int]], late: bool, ties: Any
) -> None:
    likelihood = PartialLikelihood(sample_of(drawn, late), ties)
    beta = np.array([0.2, -0.4])
    information = likelihood.moments(beta).information
    if not information.size or np.linalg.eigvalsh(information)[0] < 1e-3:
        return
    gradient = likelihood.penalty_gradient(beta, np.linalg.inv(information))
    step = 1e-5
    for column in range(2):
        nudge = np.zeros(2)
        nudge[column] = step
        halves = [np.linalg.slogdet(likelihood.moments(beta + s * nudge).information)[1] / 2 for s in (1, -1)]
        assert gradient[column] == pytest.approx((halves[0] - halves[1]) / (2 * step), rel=1e-5, abs=1e-5)


@TIES
def test_order_units_and_reversed_coding_change_nothing_but_the_sign(ties: Any) -> None:
    sample = simulated_sample()
    fit = fit_cox(sample, ties)
    order = np.random.default_rng(3).permutation(len(sample.stop))
    moved = CoxSample(sample.stop[order] * 30.4375, sample.event[order], 1 - sample.x[order], np.ones(len(order)))
    other = fit_cox(moved, ties)
    np.testing.assert_allclose(other.coefficients, -fit.coefficients, rtol=1e-7)
    np.testing.assert_allclose(other.p_values, fit.p_values, rtol=1e-6)


@TIES
def test_a_sample_repeated_by_weight_gives_the_same_fit_as_the_repeated_rows(ties: Any) -> None:
    base = simulated_sample()
    sample = CoxSample(base.stop, base.event, base.x, 1.0 + np.arange(len(base.stop)) % 3)
    one, many = fit_cox(sample, ties), fit_cox(repeated(sample), ties)
    np.testing.assert_allclose(one.coefficients, many.coefficients, rtol=1e-8)
    np.testing.assert_allclose(one.covariance, many.covariance, rtol=1e-8)


def test_chosen_columns_share_the_index_and_give_the_same_moments() -> None:
    sample = simulated_sample()
    whole, alone = PartialLikelihood(sample, "efron"), PartialLikelihood(sample.columns([2, 0]), "efron")
    part, beta = whole.columns([2, 0]), np.array([0.1, -0.2])
    np.testing.assert_allclose(part.moments(beta).information, alone.moments(beta).information, rtol=1e-12)
    np.testing.assert_allclose(part.moments(beta).score, alone.moments(beta).score, rtol=1e-9)


def test_efron_refuses_weights_that_are_no_counts() -> None:
    sample = CoxSample(np.array([1.0, 2]), np.array([True, False]), np.array([[0.0], [1]]), np.array([1.5, 1]))
    with pytest.raises(ValueError, match="whole-numbered weights"):
        PartialLikelihood(sample, "efron")
