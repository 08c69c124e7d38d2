"""Forward selection, every step checked against score and conditional statistics worked out apart from the program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from analysis_assets.cox import CoxSample
from analysis_assets.logistic import LogisticSample
from analysis_assets.selection import (
    CoxFamily,
    Fitted,
    LogisticFamily,
    Selection,
    conditional_tests,
    forward_conditional,
)

Array = np.ndarray[Any, Any]
ENTRY, REMOVAL = 0.05, 0.10
# Chosen so that either family removes a covariate in some of them; a test holds that they do.
SEEDS = (1, 2, 5, 15, 22)


# ---- the independent computation ------------------------------------------------------------------------------------
class SlowCox:
    """Breslow partial likelihood from its definition: one row of patients at risk for each event."""

    intercept = 0

    def __init__(self, time: Array, event: Array, x: Array) -> None:
        self.x = x
        self.died = np.flatnonzero(event)
        self.at_risk = (time[None, :] >= time[self.died, None]).astype(float)

    def pieces(self, columns: list[int], beta: Array) -> tuple[float, Array, Array]:
        x = self.x[:, columns]
        share = self.at_risk * np.exp(x @ beta)
        value = float(np.sum(x[self.died] @ beta - np.log(share.sum(axis=1))))
        share /= share.sum(axis=1)[:, None]
        mean = share @ x
        second = np.einsum("ki,ia,ib->ab", share, x, x, optimize=True)
        return value, (x[self.died] - mean).sum(axis=0), second - mean.T @ mean


class SlowLogistic:
    """Binomial likelihood of single patients, intercept first."""

    intercept = 1

    def __init__(self, achieved: Array, x: Array) -> None:
        self.y, self.x = achieved.astype(float), x

    def pieces(self, columns: list[int], beta: Array) -> tuple[float, Array, Array]:
        design = np.column_stack((np.ones(len(self.y)), self.x[:, columns]))
        p = 1 / (1 + np.exp(-(design @ beta)))
        value = float(np.sum(self.y * np.log(p) + (1 - self.y) * np.log(1 - p)))
        return value, design.T @ (self.y - p), design.T @ np.diag(p * (1 - p)) @ design


def best(model: Any, columns: list[int]) -> Array:
    size = model.intercept + len(columns)
    if size == 0:
        return np.empty(0)
    found = optimize.minimize(
        lambda b: -model.pieces(columns, b)[0],
        np.zeros(size),
        jac=lambda b: -model.pieces(columns, b)[1],
        method="BFGS",
        options={"gtol": 1e-9},
    )
    beta: Array = found.x
    for _ in range(3):  # a last Newton step or two, for digits
        _, score, information = model.pieces(columns, beta)
        beta = beta + np.linalg.solve(information, score)
    return beta


def score_statistic(model: Any, columns: list[int], candidate: int) -> float:
    """U' I^-1 U of the wider model at the narrower model's estimates: all but the last score are zero there."""
    at = np.append(best(model, columns), 0.0)
    _, score, information = model.pieces([*columns, candidate], at)
    return float(score @ np.linalg.solve(information, score))


def conditional_statistic(model: Any, columns: list[int], out: int) -> float:
    """Twice the log-likelihood lost when ``out`` goes and the others move by one Lawless-Singhal step."""
    beta = best(model, columns)
    value, _, information = model.pieces(columns, beta)
    covariance = np.linalg.inv(information)
    j = model.intercept + columns.index(out)
    moved = beta - covariance[:, j] * beta[j] / covariance[j, j]
    rest = [column for column in columns if column != out]
    return 2 * (value - model.pieces(rest, np.delete(moved, j))[0])


def check_every_step(model: Any, selection: Selection, candidates: list[int]) -> None:
    """Replay the log: each step must be the one that the independent statistics demand, with their figures."""
    inside: list[int] = []
    for step in selection.steps:
        if step.action in ("enter", "stop") and step.test is not None:
            if inside:  # nothing may be left to remove when a candidate is judged
                worst = max(_p(conditional_statistic(model, inside, c)) for c in inside)
                assert worst <= REMOVAL
            statistics = {c: score_statistic(model, inside, c) for c in candidates if c not in inside}
            chosen = max(statistics, key=lambda c: statistics[c])
            assert step.column == chosen
            assert step.test.statistic == pytest.approx(statistics[chosen], rel=1e-6)
            assert step.test.p_value == pytest.approx(_p(statistics[chosen]), rel=1e-6)
            assert (step.test.p_value < ENTRY) == (step.action == "enter")
            inside = [*inside, chosen] if step.action == "enter" else inside
        elif step.action == "remove":
            assert step.test is not None
            lost = {c: conditional_statistic(model, inside, c) for c in inside}
            weakest = min(lost, key=lambda c: lost[c])
            assert step.column == weakest
            assert step.test.statistic == pytest.approx(lost[weakest], rel=1e-6, abs=1e-9)
            assert step.test.p_value > REMOVAL
            inside = [c for c in inside if c != weakest]
        assert list(step.model) == inside
    assert selection.steps[-1].action == "stop"


def _p(statistic: float) -> float:
    return float(stats.chi2.sf(statistic, 1))


# ---- samples --------------------------------------------------------------------------------------------------------
def correlated(seed: int, n: int = 120) -> tuple[Array, Array]:
    """Two causes and a covariate that stands for both: it enters first and is superfluous once both are in."""
    rng = np.random.default_rng(seed)
    first, second = rng.random(n) < 0.5, rng.random(n) < 0.5
    proxy = np.where(rng.random(n) < 0.9, first & second, rng.random(n) < 0.5)
    noise = rng.random((n, 3)) < 0.4
    x = np.column_stack((proxy, first, second, noise)).astype(float)
    return x, 1.4 * first + 1.4 * second


def cox_case(seed: int) -> tuple[SlowCox, CoxSample]:
    x, effect = correlated(seed)
    rng = np.random.default_rng(1000 + seed)
    time = np.ceil(rng.exponential(200 / np.exp(effect)))
    event = rng.random(len(time)) < 0.8
    return SlowCox(time, event, x), CoxSample(time, event, x, np.ones(len(time)))


def logistic_case(seed: int) -> tuple[SlowLogistic, LogisticSample]:
    x, effect = correlated(seed)
    rng = np.random.default_rng(2000 + seed)
    achieved = rng.random(len(x)) < 1 / (1 + np.exp(2 - 1.6 * effect))
    return SlowLogistic(achieved, x), LogisticSample(achieved, x, np.ones(len(x)))


@pytest.mark.parametrize("seed", SEEDS)
def test_cox_selection_takes_the_steps_that_brute_force_demands(seed: int) -> None:
    slow, sample = cox_case(seed)
    selection = forward_conditional(CoxFamily(sample, "breslow"), list(range(6)), ENTRY, REMOVAL)
    check_every_step(slow, selection, list(range(6)))


@pytest.mark.parametrize("seed", SEEDS)
def test_logistic_selection_takes_the_steps_that_brute_force_demands(seed: int) -> None:
    slow, sample = logistic_case(seed)
    selection = forward_conditional(LogisticFamily(sample), list(range(6)), ENTRY, REMOVAL)
    check_every_step(slow, selection, list(range(6)))


def test_the_samples_make_both_families_enter_and_remove() -> None:
    actions = {"cox": set(), "logistic": set()}  # type: dict[str, set[str]]
    for seed in SEEDS:
        cox = forward_conditional(CoxFamily(cox_case(seed)[1], "breslow"), list(range(6)), ENTRY, REMOVAL)
        logistic = forward_conditional(LogisticFamily(logistic_case(seed)[1]), list(range(6)), ENTRY, REMOVAL)
        actions["cox"] |= {step.action for step in cox.steps}
        actions["logistic"] |= {step.action for step in logistic.steps}
    assert actions == {"cox": {"enter", "remove", "stop"}, "logistic": {"enter", "remove", "stop"}}


def test_the_conditional_statistic_is_no_refitted_likelihood_ratio() -> None:
    slow, sample = cox_case(0)
    family, chosen = CoxFamily(sample, "breslow"), [0, 1, 2]
    fitted = family.fit(chosen)
    one_step = conditional_tests(family, chosen, fitted)[0].statistic
    refitted = 2 * (fitted.log_likelihood - family.fit([1, 2]).log_likelihood)
    assert one_step == pytest.approx(conditional_statistic(slow, chosen, 0), rel=1e-6)
    # The one-step estimates of the others are not their best ones, so it loses more.
    assert one_step > refitted


def test_eight_patients_by_hand() -> None:
    # Logistic, no covariate in the model: the score statistic of a 2x2 table is Pearson's chi-square.
    # Cells 3 of 4 against 1 of 4: chi-square = 8 (3*3 - 1*1)^2 / (4*4*4*4) = 2.
    x = np.array([[1.0], [1], [1], [1], [0], [0], [0], [0]])
    achieved = np.array([True, True, True, False, True, False, False, False])
    family = LogisticFamily(LogisticSample(achieved, x, np.ones(8)))
    selection = forward_conditional(family, [0], ENTRY, REMOVAL)
    assert [step.action for step in selection.steps] == ["stop"]
    assert selection.steps[0].test is not None
    assert selection.steps[0].test.statistic == pytest.approx(2, rel=1e-12)
    assert forward_conditional(family, [0], 0.2, 0.3).chosen == (0,)


def test_a_redundant_candidate_never_enters() -> None:
    x, effect = correlated(1)
    rng = np.random.default_rng(9)
    time = np.ceil(rng.exponential(200 / np.exp(effect)))
    copied = np.column_stack((x[:, 1], 1 - x[:, 1]))
    family = CoxFamily(CoxSample(time, np.ones(len(time), dtype=bool), copied, np.ones(len(time))), "breslow")
    selection = forward_conditional(family, [0, 1], ENTRY, REMOVAL)
    assert selection.chosen == (0,)
    assert selection.steps[-1].note == "no candidate left that adds information"


class Seesaw:
    """A family that lets its only candidate enter and at once throws it out again."""

    n, n_events = 10, 5

    def fit(self, chosen: list[int]) -> Fitted:
        return Fitted(np.ones(len(chosen)), np.eye(len(chosen)), -10.0)

    def log_likelihood(self, chosen: list[int], coefficients: Array) -> float:
        return -10.0

    def scores(self, chosen: list[int], fitted: Fitted, candidates: list[int]) -> Array:
        return np.full(len(candidates), 50.0)


def test_a_model_that_comes_back_ends_the_selection() -> None:
    selection = forward_conditional(Seesaw(), [0], ENTRY, REMOVAL)
    assert [step.action for step in selection.steps] == ["enter", "remove", "stop"]
    assert selection.steps[-1].note == "the model has been here before"
    assert selection.chosen == ()


def test_a_separated_covariate_enters_and_the_selection_ends() -> None:
    # Events only at level 1: the fit is stopped after 20 iterations, the score test needs none.
    rng = np.random.default_rng(4)
    x = np.column_stack((rng.random(80) < 0.5, rng.random(80) < 0.5)).astype(float)
    time = np.ceil(rng.exponential(50, 80))
    sample = CoxSample(time, x[:, 0] > 0, x, np.ones(80))
    selection = forward_conditional(CoxFamily(sample, "breslow"), [0, 1], ENTRY, REMOVAL)
    assert selection.steps[0].column == 0
    assert 0 in selection.chosen
    logistic = LogisticFamily(LogisticSample(x[:, 0] > 0, x, np.ones(80)))
    assert forward_conditional(logistic, [0, 1], ENTRY, REMOVAL).chosen == (0,)
