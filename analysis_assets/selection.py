"""Forward stepwise selection as SPSS's "Forward: Conditional" does it, for Cox and logistic regression.

Enter the candidate with the smallest score-test P below ``entry``; then remove, one at a time, the covariate with the
largest conditional likelihood-ratio P above ``removal``; repeat until nothing moves or a model comes back. The
conditional statistic compares the fitted model with one whose remaining coefficients are moved by one step of Lawless &
Singhal (1978), b_r - C_rj b_j / C_jj, instead of being fitted anew. Source: IBM SPSS Statistics Algorithms (COXREG,
LOGISTIC REGRESSION, stepwise selection).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from analysis_assets.conventions import Ties
from analysis_assets.cox import ChiSquareTest, CoxSample, PartialLikelihood, adjusted_score, maximise
from analysis_assets.logistic import LogisticSample, fit_logistic, log_likelihood, score_and_information
from analysis_assets.protocols import FloatArray
from analysis_assets.survival import ROUNDING

# SPSS ends a fit after 20 iterations; a separated model would never end by itself.
ITERATIONS: Final = 20

Action = Literal["enter", "remove", "stop"]


@dataclass(frozen=True)
class Fitted:
    """A fitted model inside the selection; the last ``len(chosen)`` coefficients belong to the covariates."""

    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float


class Family(Protocol):
    """What the selection asks of a kind of regression over a fixed set of candidate columns."""

    n: int
    n_events: int

    def fit(self, chosen: list[int]) -> Fitted:
        """Fit the model of the chosen columns."""

    def log_likelihood(self, chosen: list[int], coefficients: FloatArray) -> float:
        """Return the log-likelihood of the model of the chosen columns at the given coefficients."""

    def scores(self, chosen: list[int], fitted: Fitted, candidates: list[int]) -> FloatArray:
        """Return the score statistic of each candidate beside the fitted model; NaN for a redundant one."""


class CoxFamily:
    """Cox regression over one complete-case sample."""

    def __init__(self, sample: CoxSample, ties: Ties) -> None:
        """Prepare the likelihood of all candidates once."""
        self.n, self.n_events = sample.n, sample.n_events
        self._likelihood = PartialLikelihood(sample, ties)
        self._size = sample.x.shape[1]

    def fit(self, chosen: list[int]) -> Fitted:
        """Fit by maximum partial likelihood, at most 20 iterations."""
        fit = maximise(self._likelihood.columns(chosen), max_iterations=ITERATIONS)
        return Fitted(fit.coefficients, fit.covariance, fit.log_likelihood)

    def log_likelihood(self, chosen: list[int], coefficients: FloatArray) -> float:
        """Log partial likelihood at the given coefficients, those of all other columns being zero."""
        return self._likelihood.log_likelihood(self._padded(chosen, coefficients))

    def scores(self, chosen: list[int], fitted: Fitted, candidates: list[int]) -> FloatArray:
        """Score statistics from one pass over all columns."""
        moments = self._likelihood.moments(self._padded(chosen, fitted.coefficients))
        return _candidate_scores(moments.score, moments.information, chosen, candidates)

    def _padded(self, chosen: list[int], coefficients: FloatArray) -> FloatArray:
        beta = np.zeros(self._size)
        beta[chosen] = coefficients
        return beta


class LogisticFamily:
    """Logistic regression over one complete-case sample."""

    def __init__(self, sample: LogisticSample) -> None:
        """Group the rows once."""
        self.n, self.n_events = sample.n, sample.n_events
        self._sample = sample.grouped()

    def fit(self, chosen: list[int]) -> Fitted:
        """Fit by maximum likelihood, at most 20 Newton steps."""
        fit = fit_logistic(self._sample.columns(chosen), newton_limit=ITERATIONS)
        return Fitted(fit.coefficients, fit.covariance, fit.log_likelihood)

    def log_likelihood(self, chosen: list[int], coefficients: FloatArray) -> float:
        """Log-likelihood at the given coefficients, intercept first."""
        return log_likelihood(self._sample.columns(chosen), coefficients)

    def scores(self, chosen: list[int], fitted: Fitted, candidates: list[int]) -> FloatArray:
        """Score statistics from one pass over all columns."""
        beta = np.zeros(1 + self._sample.x.shape[1])
        within = [0, *(column + 1 for column in chosen)]
        beta[within] = fitted.coefficients
        score, information = score_and_information(self._sample, beta)
        return _candidate_scores(score, information, within, [column + 1 for column in candidates])


def _candidate_scores(
    score: FloatArray, information: FloatArray, within: list[int], candidates: list[int]
) -> FloatArray:
    statistics = [
        adjusted_score(score[[*within, column]], information[np.ix_([*within, column], [*within, column])])
        for column in candidates
    ]
    return np.array(statistics, dtype=float)


@dataclass(frozen=True)
class Step:
    """One line of the step log.

    Attributes:
        number: 1, 2, ...
        action: ``enter``, ``remove`` or ``stop``.
        column: The candidate concerned (for ``stop``: the best one left outside), None when there is none.
        test: Score test (enter, stop) or conditional likelihood-ratio test (remove); None when there is none.
        model: Columns in the model after the step, in order of entry.
        log_likelihood: Of the model after the step.
        note: Why it stopped.
    """

    number: int
    action: Action
    column: int | None
    test: ChiSquareTest | None
    model: tuple[int, ...]
    log_likelihood: float
    note: str = ""


@dataclass(frozen=True)
class Selection:
    """Columns of the final model in order of entry, and the way there."""

    chosen: tuple[int, ...]
    steps: tuple[Step, ...]


def conditional_tests(family: Family, chosen: list[int], fitted: Fitted) -> list[ChiSquareTest]:
    """Conditional likelihood-ratio test of removing each covariate of a fitted model, in the order of ``chosen``.

    NaN where a separated covariate left no usable covariance: such a covariate is not removed.
    """
    tests = []
    offset = len(fitted.coefficients) - len(chosen)
    for position, column in enumerate(chosen):
        j = offset + position
        others = [index for index in range(len(fitted.coefficients)) if index != j]
        if not fitted.covariance[j, j] > 0:
            tests.append(ChiSquareTest(float("nan"), 1, float("nan")))
            continue
        shift = fitted.covariance[others, j] * fitted.coefficients[j] / fitted.covariance[j, j]
        reduced = fitted.coefficients[others] - shift
        without = [other for other in chosen if other != column]
        drop = 2 * (fitted.log_likelihood - family.log_likelihood(without, reduced))
        tests.append(ChiSquareTest.of(drop, 1))
    return tests


def forward_conditional(family: Family, candidates: list[int], entry: float, removal: float) -> Selection:
    """Run the selection over ``candidates`` (columns of the family's sample).

    Args:
        family: The regression.
        candidates: Columns that may enter.
        entry: Enter while the smallest score-test P is below this.
        removal: Remove while the largest conditional likelihood-ratio P is above this.
    """
    chosen: list[int] = []
    fitted = family.fit(chosen)
    steps: list[Step] = []
    seen = {frozenset(chosen)}

    def note(action: Action, column: int | None, test: ChiSquareTest | None, text: str = "") -> None:
        steps.append(Step(len(steps) + 1, action, column, test, tuple(chosen), fitted.log_likelihood, text))

    while True:
        best = _best_candidate(family, chosen, fitted, [c for c in candidates if c not in chosen])
        if best is None:
            note("stop", None, None, "no candidate left that adds information")
            return Selection(tuple(chosen), tuple(steps))
        column, test = best
        if not test.p_value < entry:
            note("stop", column, test, f"smallest P of the candidates left is not below {entry:g}")
            return Selection(tuple(chosen), tuple(steps))
        chosen = [*chosen, column]
        fitted = family.fit(chosen)
        note("enter", column, test)
        while (worst := _worst_covariate(family, chosen, fitted, removal)) is not None:
            column, test = worst
            chosen = [other for other in chosen if other != column]
            fitted = family.fit(chosen)
            note("remove", column, test)
        if frozenset(chosen) in seen:
            note("stop", None, None, "the model has been here before")
            return Selection(tuple(chosen), tuple(steps))
        seen.add(frozenset(chosen))


def _best_candidate(
    family: Family, chosen: list[int], fitted: Fitted, outside: list[int]
) -> tuple[int, ChiSquareTest] | None:
    statistics = family.scores(chosen, fitted, outside) if outside else np.empty(0)
    if not np.any(np.isfinite(statistics)):
        return None
    # All have one degree of freedom: the largest statistic has the smallest P. The first of the study file wins a tie,
    # and a difference of rounding is a tie.
    position = int(np.argmax(statistics >= np.nanmax(statistics) * (1 - ROUNDING)))
    return outside[position], ChiSquareTest.of(float(statistics[position]), 1)


def _worst_covariate(
    family: Family, chosen: list[int], fitted: Fitted, removal: float
) -> tuple[int, ChiSquareTest] | None:
    if not chosen:
        return None
    tests = conditional_tests(family, chosen, fitted)
    removable = [position for position in range(len(chosen)) if tests[position].p_value > removal]
    if not removable:
        return None
    position = max(removable, key=lambda index: tests[index].p_value)
    return chosen[position], tests[position]
