"""Logistic regression on weighted rows: maximum likelihood, what SPSS prints on separation, Firth's estimate.

Sources: IBM SPSS Statistics Algorithms (LOGISTIC REGRESSION); Firth 1993, Heinze & Schemper 2002; package
``firthmodels`` for the penalised fit, its profile-likelihood intervals and likelihood-ratio P values.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special, stats

from analysis_assets.conventions import CONFIDENCE
from analysis_assets.cox import ChiSquareTest, inverse
from analysis_assets.patterns import distinct_rows
from analysis_assets.protocols import BoolArray, FloatArray
from analysis_assets.survival import normal_quantile, tally

MAX_ITERATIONS: Final = 50
MAX_HALVINGS: Final = 30
TOLERANCE: Final = 1e-12
FIRTH_ITERATIONS: Final = 500
# The package refuses a result when rounding stops a step short of the tolerance: then the next one is asked for.
FIRTH_TOLERANCES: Final = (1e-9, 1e-7, 1e-5)


@dataclass(frozen=True)
class LogisticSample:
    """Rows of a logistic regression; the intercept is added by the fit.

    Attributes:
        achieved: Shape (rows,).
        x: Shape (rows, covariates).
        weight: Shape (rows,), patients per row.
    """

    achieved: BoolArray
    x: FloatArray
    weight: FloatArray

    @property
    def n(self) -> int:
        """Number of patients."""
        return round(float(self.weight.sum()))

    @property
    def n_events(self) -> int:
        """Number of patients with the outcome."""
        return round(float(self.weight[self.achieved].sum()))

    @property
    def design(self) -> FloatArray:
        """Intercept column and covariates, shape (rows, 1 + covariates)."""
        return np.column_stack((np.ones(len(self.weight)), self.x))

    def columns(self, chosen: list[int]) -> LogisticSample:
        """Return the same rows with the chosen covariates only."""
        return LogisticSample(self.achieved, self.x[:, chosen], self.weight)

    def grouped(self) -> LogisticSample:
        """Return one row per distinct outcome and covariate pattern."""
        table = np.column_stack((self.achieved.astype(float), self.x))
        patterns, index = distinct_rows(table)
        return LogisticSample(patterns[:, 0] > 0, patterns[:, 1:], tally(index, self.weight, len(patterns)))


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression; arrays begin with the intercept.

    Attributes:
        coefficients: Log odds ratios, shape (1 + p,).
        covariance: Inverse information, shape (1 + p, 1 + p).
        log_likelihood: At the estimate (penalised for Firth's).
        null_log_likelihood: With the intercept alone (penalised for Firth's).
        converged: False when the iterations ended at their limit; says nothing on separation.
        iterations: Newton steps taken.
        estimator: ``mle`` or ``firth``.
        ci_low: Lower limits of the log odds ratios: Wald for ``mle``, profile likelihood for ``firth``.
        ci_high: Upper limits.
        p_values: Wald for ``mle``, penalised likelihood ratio for ``firth``.
    """

    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float
    null_log_likelihood: float
    converged: bool
    iterations: int
    estimator: str
    ci_low: FloatArray
    ci_high: FloatArray
    p_values: FloatArray

    @property
    def std_errors(self) -> FloatArray:
        """Square roots of the diagonal of the covariance."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def likelihood_ratio_test(self) -> ChiSquareTest:
        """Global likelihood ratio test against the intercept alone."""
        return ChiSquareTest.of(2 * (self.log_likelihood - self.null_log_likelihood), len(self.coefficients) - 1)


def log_likelihood(sample: LogisticSample, coefficients: FloatArray) -> float:
    """Binomial log-likelihood at ``coefficients`` (intercept first)."""
    eta = sample.design @ coefficients
    return float(-sample.weight @ np.logaddexp(0.0, np.where(sample.achieved, -eta, eta)))


def score_and_information(sample: LogisticSample, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Score, shape (1 + p,), and information, shape (1 + p, 1 + p), at ``coefficients`` (intercept first)."""
    design = sample.design
    probability = special.expit(design @ coefficients)
    score = design.T @ (sample.weight * (sample.achieved - probability))
    information = (design * (sample.weight * probability * (1 - probability))[:, None]).T @ design
    return np.asarray(score), np.asarray(information)


def fit_logistic(
    sample: LogisticSample,
    *,
    newton_limit: int | None = None,
    confidence: float = CONFIDENCE,
) -> LogisticFit:
    """Maximum likelihood by Newton's method from zero, Wald intervals and P values.

    Args:
        sample: The rows.
        newton_limit: Take at most this many full Newton steps and keep where they end, as SPSS does after 20: on
            separated data the log-odds of an empty group then stand at +-21.203. None: iterate to the maximum with step
            halving.
        confidence: Coverage of the intervals.
    """
    sample = sample.grouped()
    beta = np.zeros(1 + sample.x.shape[1])
    current = log_likelihood(sample, beta)
    converged, iterations = False, 0
    while not converged and iterations < (newton_limit or MAX_ITERATIONS):
        score, information = score_and_information(sample, beta)
        step = inverse(information) @ score
        beta, following = _advance(sample, beta, step, current, halve=newton_limit is None)
        converged = abs(following - current) <= TOLERANCE * (1 + abs(current)) and float(np.abs(step).max()) < 1e-6
        current, iterations = following, iterations + 1
    covariance = inverse(score_and_information(sample, beta)[1])
    std_error = np.sqrt(np.diag(covariance))
    reach = normal_quantile(confidence) * std_error
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = np.asarray(2 * stats.norm.sf(np.abs(beta / std_error)))
    return LogisticFit(
        beta, covariance, current, _null_log_likelihood(sample), converged, iterations, "mle",
        beta - reach, beta + reach, p_values,
    )  # fmt: skip


def _advance(
    sample: LogisticSample, beta: FloatArray, step: FloatArray, current: float, *, halve: bool
) -> tuple[FloatArray, float]:
    for halving in range(MAX_HALVINGS if halve else 1):
        candidate = beta + step / 2**halving
        following = log_likelihood(sample, candidate)
        if not halve or following >= current - 1e-13 * abs(current):
            return candidate, following
    return beta, current


def _null_log_likelihood(sample: LogisticSample) -> float:
    n, achieved = float(sample.weight.sum()), float(sample.weight[sample.achieved].sum())
    return float(special.xlogy(achieved, achieved / n) + special.xlogy(n - achieved, 1 - achieved / n))


def fit_logistic_firth(sample: LogisticSample, *, confidence: float = CONFIDENCE) -> LogisticFit:
    """Firth's penalised likelihood with profile-likelihood intervals and likelihood-ratio P (``firthmodels``)."""
    # Imported here: it brings scikit-learn, and most nights have no separated model.
    from firthmodels import FirthLogisticRegression

    sample = sample.grouped()
    for tolerance in FIRTH_TOLERANCES:
        model = FirthLogisticRegression(backend="numpy", max_iter=FIRTH_ITERATIONS, gtol=tolerance, xtol=tolerance)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(sample.x, sample.achieved.astype(int), sample_weight=sample.weight)
            model.lrt()
            intervals = model.conf_int(alpha=1 - confidence, method="pl", max_iter=FIRTH_ITERATIONS, tol=tolerance)
        if model.converged_ and np.all(np.isfinite(model.lrt_pvalues_)) and np.all(np.isfinite(intervals)):
            break
    intercept_first = np.roll(np.arange(1 + sample.x.shape[1]), 1)
    coefficients = np.append(model.coef_, model.intercept_)[intercept_first]
    information = score_and_information(sample, coefficients)[1]
    null = LogisticSample(sample.achieved, sample.x[:, :0], sample.weight)
    return LogisticFit(
        coefficients,
        inverse(information),
        float(model.loglik_),
        _penalised_null(null),
        bool(model.converged_),
        int(model.n_iter_),
        "firth",
        np.asarray(intervals[intercept_first, 0], dtype=float),
        np.asarray(intervals[intercept_first, 1], dtype=float),
        np.asarray(model.lrt_pvalues_[intercept_first], dtype=float),
    )


def _penalised_null(sample: LogisticSample) -> float:
    """Penalised log-likelihood of the intercept alone: Firth adds half a patient to either outcome."""
    n, achieved = float(sample.weight.sum()), float(sample.weight[sample.achieved].sum())
    share = (achieved + 0.5) / (n + 1)
    likelihood = achieved * np.log(share) + (n - achieved) * np.log(1 - share)
    return float(likelihood + 0.5 * np.log(n * share * (1 - share)))
