"""Cox regression on weighted rows: Breslow and Efron ties, left truncation, Firth's penalty, tests of proportionality.

A row may stand for many patients (frequency weight) and may enter late (``start``, counting process). Sums over risk
sets are taken per distinct event time, never per pair of patients, so the work is linear in the rows. Weights count
repetitions: a row of weight 3 gives what three equal rows give, also with Efron's ties.

Sources: Cox 1972; Breslow 1974; Efron 1977; Grambsch & Therneau 1994 and survival::cox.zph (R, version 3) for the score
test of proportionality; Firth 1993, Heinze & Schemper 2001 for the penalised likelihood and its profile intervals.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, stats

from analysis_assets.conventions import CONFIDENCE, Ties
from analysis_assets.patterns import distinct_rows
from analysis_assets.protocols import BoolArray, FloatArray
from analysis_assets.survival import kaplan_meier, normal_quantile, tally

MAX_ITERATIONS: Final = 50
MAX_HALVINGS: Final = 30
# Twice the log-likelihood is judged; a step that changes it by less is below any printed digit.
TOLERANCE: Final = 1e-11
# Newton's steps shrink quadratically: after one below this the next is below rounding.
STEP_TOLERANCE: Final = 1e-7
# Firth's steps are cut to this length per coefficient, as in coxphf and logistf, because the penalised likelihood is
# not concave far from its maximum.
MAX_FIRTH_STEP: Final = 5.0
# Third moments take (event times x covariates^2) numbers at a time; this caps one block at a few hundred megabytes.
BLOCK_CELLS: Final = 20_000_000


@dataclass(frozen=True)
class CoxSample:
    """Rows of a Cox regression.

    Attributes:
        stop: Shape (rows,), end of observation.
        event: Shape (rows,).
        x: Shape (rows, covariates).
        weight: Shape (rows,), patients per row.
        start: Shape (rows,), start of observation (a row is at risk for start < t <= stop); None: all from 0 on.
    """

    stop: FloatArray
    event: BoolArray
    x: FloatArray
    weight: FloatArray
    start: FloatArray | None = None

    @property
    def n(self) -> int:
        """Sum of weights: patients, or intervals when ``start`` is given."""
        return round(float(self.weight.sum()))

    @property
    def n_events(self) -> int:
        """Weighted number of events."""
        return round(float(self.weight[self.event].sum()))

    def columns(self, chosen: list[int]) -> CoxSample:
        """Return the same rows with the chosen covariates only."""
        return CoxSample(self.stop, self.event, self.x[:, chosen], self.weight, self.start)


@dataclass(frozen=True)
class _Moments:
    """Log partial likelihood with its derivatives, and what third moments need."""

    log_likelihood: float
    score: FloatArray
    information: FloatArray


@dataclass(frozen=True)
class _State:
    """Sums at given coefficients: per pattern, per risk set (s), per set of deaths (d) and per tied death."""

    eta: FloatArray
    ratio: FloatArray
    s0: FloatArray
    s1: FloatArray
    d0: FloatArray
    d1: FloatArray
    denominator: FloatArray


class PartialLikelihood:
    """Log partial likelihood of one sample, its score and information, for any coefficients.

    Rows are reduced to a sparse table of event times by covariate patterns: how many patients of a pattern leave the
    risk sets after each event time. Sixteen yes/no covariates of a million patients have at most 65 536 patterns.
    """

    def __init__(self, sample: CoxSample, ties: Ties) -> None:
        """Index the rows by event time and pattern.

        Raises:
            ValueError: Efron's ties with weights that are not whole numbers.
        """
        self.ties = ties
        weighted_event = sample.event & (sample.weight > 0)
        self.times = np.unique(sample.stop[weighted_event])
        last = np.searchsorted(self.times, sample.stop, side="right")
        first = np.zeros_like(last)
        if sample.start is not None:
            first = np.searchsorted(self.times, sample.start, side="right")
        ever = (last > first) & (sample.weight > 0)
        last, first, weight, event = last[ever], first[ever], sample.weight[ever], sample.event[ever]
        patterns, index = distinct_rows(sample.x[ever])
        total = float(weight.sum())
        # Centring changes no likelihood and keeps exp() in range.
        self.centre = tally(index, weight, len(patterns)) @ patterns / total if total else np.zeros(sample.x.shape[1])
        self.x = patterns - self.centre
        shape = (len(self.times), len(patterns))
        late = first > 0
        self._deaths = _counts(last[event] - 1, index[event], weight[event], shape)
        # A late entry is a leaving of negative weight: it takes the patient out of the risk sets before it.
        self._leaving = _counts(
            np.concatenate((last, first[late])) - 1,
            np.concatenate((index, index[late])),
            np.concatenate((weight, -weight[late])),
            shape,
        )
        self.deaths = np.asarray(self._deaths.sum(axis=1), dtype=float)
        self._died = np.asarray(self._deaths.sum(axis=0), dtype=float)
        self._tie_time, self._tie_fraction, self._tie_count = self._tie_terms()

    def columns(self, chosen: list[int]) -> PartialLikelihood:
        """Return the likelihood of the same rows with the chosen covariates only; the event times are shared."""
        restricted = copy.copy(self)
        patterns, index = distinct_rows(self.x[:, chosen])
        rows = len(self.x)
        merge = sparse.csr_array((np.ones(rows), (np.arange(rows), index)), shape=(rows, len(patterns)))
        restricted.x, restricted.centre = patterns, self.centre[chosen]
        restricted._leaving, restricted._deaths = self._leaving @ merge, self._deaths @ merge
        restricted._died = self._died @ merge
        return restricted

    def _tie_terms(self) -> tuple[NDArray[np.intp], FloatArray, FloatArray]:
        """One term per event time (Breslow), or one per death with the share of its tie already gone (Efron)."""
        every = np.arange(len(self.times), dtype=np.intp)
        if self.ties == "breslow":
            return every, np.zeros(len(every)), self.deaths
        counts = np.rint(self.deaths).astype(np.intp)
        if not np.allclose(counts, self.deaths, rtol=0, atol=1e-9):
            raise ValueError("Efron's ties need whole-numbered weights")
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        fraction = (np.arange(counts.sum()) - starts) / np.repeat(self.deaths, counts)
        return np.repeat(every, counts), fraction, np.ones(len(fraction))

    def _risk_sums(self, values: FloatArray) -> FloatArray:
        """Sum over the risk set of each event time of a quantity per pattern, shape (times, ...)."""
        return np.asarray(np.cumsum((self._leaving @ values)[::-1], axis=0)[::-1])

    def _death_sums(self, values: FloatArray) -> FloatArray:
        return np.asarray(self._deaths @ values)

    def _state(self, beta: FloatArray) -> _State:
        eta = self.x @ beta
        ratio = np.exp(eta)
        weighted_x = ratio[:, None] * self.x
        s0, s1 = self._risk_sums(ratio), self._risk_sums(weighted_x)
        if self.ties == "breslow":
            d0, d1 = np.zeros_like(s0), np.zeros_like(s1)
        else:
            d0, d1 = self._death_sums(ratio), self._death_sums(weighted_x)
        k, f = self._tie_time, self._tie_fraction
        return _State(eta, ratio, s0, s1, d0, d1, s0[k] - f * d0[k])

    def log_likelihood(self, beta: FloatArray) -> float:
        """Log partial likelihood alone: one sum over the risk sets instead of one per covariate."""
        eta = self.x @ beta
        ratio = np.exp(eta)
        k, s0 = self._tie_time, self._risk_sums(ratio)
        denominator = s0[k] if self.ties == "breslow" else s0[k] - self._tie_fraction * self._death_sums(ratio)[k]
        return float(self._died @ eta - self._tie_count @ np.log(denominator))

    def moments(self, beta: FloatArray) -> _Moments:
        """Log partial likelihood, score, shape (p,), and observed information, shape (p, p)."""
        state = self._state(beta)
        k, f, count = self._tie_time, self._tie_fraction, self._tie_count
        bins = len(self.times)
        inverse = count / state.denominator
        log_likelihood = float(self._died @ state.eta - count @ np.log(state.denominator))
        hazard, hazard_f = tally(k, inverse, bins), tally(k, inverse * f, bins)
        score = self._died @ self.x - hazard @ state.s1 + hazard_f @ state.d1
        # Sum over times of S2/S0 equals a sum over patterns, weighted by the hazard met while at risk.
        exposure = self._leaving.T @ np.cumsum(hazard) - self._deaths.T @ hazard_f
        second = (self.x * (state.ratio * exposure)[:, None]).T @ self.x
        square = inverse / state.denominator
        q0, q1, q2 = tally(k, square, bins), tally(k, square * f, bins), tally(k, square * f * f, bins)
        cross = (state.s1 * q1[:, None]).T @ state.d1
        means = (state.s1 * q0[:, None]).T @ state.s1 - cross - cross.T + (state.d1 * q2[:, None]).T @ state.d1
        return _Moments(log_likelihood, score, second - means)

    def _second_moments(self, sums: Callable[[FloatArray], FloatArray], ratio: FloatArray) -> FloatArray:
        """Risk-set or death sums of r x x', shape (times, p, p)."""
        p = self.x.shape[1]
        out = np.empty((len(self.times), p, p))
        for column in range(p):
            out[:, column] = sums((ratio * self.x[:, column])[:, None] * self.x)
        return out

    def covariances(self, beta: FloatArray) -> FloatArray:
        """Information of each event time (its covariance of x over the risk set, summed over ties), (times, p, p)."""
        state = self._state(beta)
        k, f, count = self._tie_time, self._tie_fraction, self._tie_count
        bins, inverse = len(self.times), count / state.denominator
        second = self._second_moments(self._risk_sums, state.ratio) * tally(k, inverse, bins)[:, None, None]
        if self.ties == "efron":
            deaths = self._second_moments(self._death_sums, state.ratio)
            second -= deaths * tally(k, inverse * f, bins)[:, None, None]
        square = inverse / state.denominator
        cross = np.einsum("ka,kb,k->kab", state.s1, state.d1, tally(k, square * f, bins))
        means = np.einsum("ka,kb,k->kab", state.s1, state.s1, tally(k, square, bins))
        means += np.einsum("ka,kb,k->kab", state.d1, state.d1, tally(k, square * f * f, bins))
        return np.asarray(second - means + cross + cross.transpose(0, 2, 1))

    def residual_sums(self, beta: FloatArray) -> FloatArray:
        """Schoenfeld residuals summed per event time, shape (times, p)."""
        state = self._state(beta)
        k, f, count = self._tie_time, self._tie_fraction, self._tie_count
        inverse, bins = count / state.denominator, len(self.times)
        expected = state.s1 * tally(k, inverse, bins)[:, None] - state.d1 * tally(k, inverse * f, bins)[:, None]
        return np.asarray(self._death_sums(self.x) - expected)

    def hazard_increments(self, beta: FloatArray) -> FloatArray:
        """Baseline hazard steps at ``times`` for a patient with the mean covariates, shape (times,)."""
        state = self._state(beta)
        return tally(self._tie_time, self._tie_count / state.denominator, len(self.times))

    def penalty_gradient(self, beta: FloatArray, inverse_information: FloatArray) -> FloatArray:
        """Gradient of log |I| / 2, shape (p,): half the trace of I^-1 dI/dbeta, from third central moments."""
        state = self._state(beta)
        p = self.x.shape[1]
        leverage = np.einsum("ia,ab,ib->i", self.x, inverse_information, self.x)
        weighted = np.column_stack((leverage, leverage[:, None] * self.x)) * state.ratio[:, None]
        h_risk = self._risk_sums(weighted)
        second_risk = self._second_moments(self._risk_sums, state.ratio)
        efron = self.ties == "efron"
        h_died = self._death_sums(weighted) if efron else np.zeros_like(h_risk)
        second_died = self._second_moments(self._death_sums, state.ratio) if efron else np.zeros_like(second_risk)
        gradient = np.zeros(p)
        block = max(1, BLOCK_CELLS // (p * p))
        for begin in range(0, len(self._tie_time), block):
            part = slice(begin, begin + block)
            k, f, denominator = self._tie_time[part], self._tie_fraction[part], state.denominator[part]
            mean = (state.s1[k] - f[:, None] * state.d1[k]) / denominator[:, None]
            h = (h_risk[k] - f[:, None] * h_died[k]) / denominator[:, None]
            second = (second_risk[k] - f[:, None, None] * second_died[k]) / denominator[:, None, None]
            projected = mean @ inverse_information
            covariance = np.einsum("kab,kb->ka", second, projected) - mean * np.sum(mean * projected, axis=1)[:, None]
            gradient += self._tie_count[part] @ (h[:, 1:] - mean * h[:, :1] - 2 * covariance)
        return gradient / 2


def _counts(
    time: NDArray[np.intp], pattern: NDArray[np.intp], weight: FloatArray, shape: tuple[int, int]
) -> sparse.csr_array:
    """Weights by event time and pattern as a sparse table; repeated cells add up."""
    return sparse.csr_array((weight, (time, pattern)), shape=shape)


@dataclass(frozen=True)
class ChiSquareTest:
    """A chi-square statistic with its degrees of freedom and upper-tail P."""

    statistic: float
    df: int
    p_value: float

    @classmethod
    def of(cls, statistic: float, df: int) -> ChiSquareTest:
        """Return the test with its P value."""
        return cls(statistic, df, float(stats.chi2.sf(statistic, df)) if df > 0 else float("nan"))


@dataclass(frozen=True)
class CoxFit:
    """A fitted Cox model.

    Attributes:
        coefficients: Log hazard ratios, shape (p,).
        covariance: Inverse information, shape (p, p).
        log_likelihood: At the estimate (penalised for Firth's).
        null_log_likelihood: At zero (penalised for Firth's).
        score_test: Global score test at zero.
        converged: False when the iterations ended at their limit; says nothing on separation.
        estimator: ``mle`` or ``firth``.
        ci_low: Lower limits of the log hazard ratios: Wald for ``mle``, profile likelihood for ``firth``.
        ci_high: Upper limits.
        p_values: Wald for ``mle``, penalised likelihood ratio for ``firth``.
    """

    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float
    null_log_likelihood: float
    score_test: ChiSquareTest
    converged: bool
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
        """Global likelihood ratio test."""
        return ChiSquareTest.of(2 * (self.log_likelihood - self.null_log_likelihood), len(self.coefficients))

    @property
    def wald_test(self) -> ChiSquareTest:
        """Global Wald test."""
        statistic = float(self.coefficients @ np.linalg.solve(self.covariance, self.coefficients))
        return ChiSquareTest.of(statistic, len(self.coefficients))


def inverse(matrix: FloatArray) -> FloatArray:
    """Inverse of an information matrix, the pseudo-inverse where it is singular."""
    try:
        return np.asarray(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(matrix, hermitian=True))


def fit_cox(
    sample: CoxSample,
    ties: Ties,
    *,
    max_iterations: int = MAX_ITERATIONS,
    confidence: float = CONFIDENCE,
) -> CoxFit:
    """Maximum partial likelihood by Newton's method with step halving, Wald intervals and P values.

    A sample with monotone likelihood has no maximum: ask ``separation`` first, and take ``fit_cox_firth`` then.
    """
    return maximise(PartialLikelihood(sample, ties), max_iterations=max_iterations, confidence=confidence)


def maximise(
    likelihood: PartialLikelihood, *, max_iterations: int = MAX_ITERATIONS, confidence: float = CONFIDENCE
) -> CoxFit:
    """Maximum of a prepared likelihood; see ``fit_cox``."""
    beta = np.zeros(likelihood.x.shape[1])
    null = current = likelihood.moments(beta)
    score_test = ChiSquareTest.of(float(null.score @ inverse(null.information) @ null.score), len(beta))
    converged = not len(beta)
    for _ in range(max_iterations):
        if converged:
            break
        step = inverse(current.information) @ current.score
        beta, following = _halved(likelihood, beta, step, current)
        gain = 2 * abs(following.log_likelihood - current.log_likelihood)
        settled = gain <= TOLERANCE * (1 + abs(current.log_likelihood))
        converged = settled and float(np.abs(step).max()) < STEP_TOLERANCE
        current = following
    covariance = inverse(current.information)
    # Cut short far out on a separated likelihood the information is all rounding: then there is no standard error.
    with np.errstate(divide="ignore", invalid="ignore"):
        std_error = np.sqrt(np.diag(covariance))
        reach = normal_quantile(confidence) * std_error
        p_values = 2 * stats.norm.sf(np.abs(beta / std_error))
    return CoxFit(
        beta, covariance, current.log_likelihood, null.log_likelihood, score_test, converged, "mle",
        beta - reach, beta + reach, np.asarray(p_values),
    )  # fmt: skip


def _halved(
    likelihood: PartialLikelihood, beta: FloatArray, step: FloatArray, current: _Moments
) -> tuple[FloatArray, _Moments]:
    for halving in range(MAX_HALVINGS):
        candidate = beta + step / 2**halving
        with np.errstate(over="ignore", invalid="ignore"):
            moments = likelihood.moments(candidate)
        rounding = 1e-12 * abs(current.log_likelihood)
        if np.isfinite(moments.log_likelihood) and moments.log_likelihood >= current.log_likelihood - rounding:
            return candidate, moments
    return beta, current


def adjusted_score(score: FloatArray, information: FloatArray) -> float:
    """U^2 / (I_cc - I_cm I_mm^-1 I_mc) for the last parameter; NaN when the others explain it wholly."""
    within, across = information[:-1, :-1], information[:-1, -1]
    remaining = float(information[-1, -1] - across @ inverse(within) @ across) if len(across) else information[-1, -1]
    if not remaining > 1e-10 * max(float(information[-1, -1]), 1e-300):
        return float("nan")
    return float(score[-1] ** 2 / remaining)


@dataclass(frozen=True)
class ProportionalityTest:
    """Score tests that a coefficient changes with time: one per covariate, and all together."""

    covariates: tuple[ChiSquareTest, ...]
    overall: ChiSquareTest


def proportionality(sample: CoxSample, ties: Ties, fit: CoxFit) -> ProportionalityTest:
    """Schoenfeld score test with time transformed by 1 - S(t-) of the whole sample (cox.zph, transform "km").

    The test is that of theta = 0 in beta + theta g(t), with beta re-estimated: the information of (beta, theta) is
    built from the covariance of x over each risk set.
    """
    likelihood = PartialLikelihood(sample, ties)
    transformed = _km_transform(sample, likelihood)
    transformed = transformed - likelihood.deaths @ transformed / likelihood.deaths.sum()
    covariances = likelihood.covariances(fit.coefficients)
    score = transformed @ likelihood.residual_sums(fit.coefficients)
    plain = covariances.sum(axis=0)
    mixed = np.einsum("k,kab->ab", transformed, covariances)
    squared = np.einsum("k,kab->ab", transformed**2, covariances)
    p = len(score)
    tests = []
    for chosen in [[column] for column in range(p)] + [list(range(p))]:
        theta = squared[np.ix_(chosen, chosen)] - mixed[chosen] @ inverse(plain) @ mixed[chosen].T
        statistic = float(score[chosen] @ inverse(theta) @ score[chosen])
        tests.append(ChiSquareTest.of(statistic, len(chosen)))
    return ProportionalityTest(tuple(tests[:-1]), tests[-1])


def _km_transform(sample: CoxSample, likelihood: PartialLikelihood) -> FloatArray:
    """1 - S(t-) at each event time; risk sets count late entries."""
    if sample.start is None:
        curve = kaplan_meier(sample.stop, sample.event, sample.weight)
        survival = curve.survival[curve.n_events > 0]
    else:
        at_risk = np.array(
            [sample.weight[(sample.start < t) & (sample.stop >= t)].sum() for t in likelihood.times], dtype=float
        )
        survival = np.cumprod(1 - likelihood.deaths / at_risk)
    return np.asarray(1 - np.concatenate(([1.0], survival[:-1])))


@dataclass(frozen=True)
class BaselineHazard:
    """Cumulative hazard of a patient with all covariates at zero, at the event times."""

    time: FloatArray
    cumulative_hazard: FloatArray


def baseline_hazard(sample: CoxSample, ties: Ties, fit: CoxFit) -> BaselineHazard:
    """Breslow's estimate of the cumulative baseline hazard (Efron's with his ties)."""
    likelihood = PartialLikelihood(sample, ties)
    at_mean = np.cumsum(likelihood.hazard_increments(fit.coefficients))
    at_zero = at_mean * np.exp(-float(likelihood.centre @ fit.coefficients))
    return BaselineHazard(likelihood.times, np.asarray(at_zero))


class _PenalisedLikelihood:
    """Log partial likelihood + log |I| / 2 (Firth, Jeffreys' prior) and its maximum, free or with one fixed value."""

    def __init__(self, sample: CoxSample, ties: Ties) -> None:
        self._likelihood = PartialLikelihood(sample, ties)
        self.size = sample.x.shape[1]

    def value(self, beta: FloatArray) -> tuple[float, _Moments]:
        with np.errstate(over="ignore", invalid="ignore"):
            moments = self._likelihood.moments(beta)
        if not np.all(np.isfinite(moments.information)):
            return -np.inf, moments
        sign, log_determinant = np.linalg.slogdet(moments.information)
        return (moments.log_likelihood + log_determinant / 2 if sign > 0 else -np.inf), moments

    def maximum(self, start: FloatArray, fixed: int | None = None) -> tuple[FloatArray, float, bool]:
        """Return the maximising coefficients, the value there, and whether the iterations settled."""
        beta = start.copy()
        free = [column for column in range(self.size) if column != fixed]
        value, moments = self.value(beta)
        if not free:
            return beta, value, True
        for _ in range(200):
            inverted = inverse(moments.information)
            gradient = (moments.score + self._likelihood.penalty_gradient(beta, inverted))[free]
            step = np.zeros(self.size)
            step[free] = inverse(moments.information[np.ix_(free, free)]) @ gradient
            longest = float(np.abs(step).max())
            step *= min(1.0, MAX_FIRTH_STEP / longest) if longest > 0 else 1.0
            improved = False
            for halving in range(MAX_HALVINGS):
                candidate = beta + step / 2**halving
                following, following_moments = self.value(candidate)
                if following >= value - 1e-13 * abs(value):
                    improved = True
                    break
            if not improved or longest < 1e-10:
                return beta, value, longest < 1e-6
            beta, value, moments = candidate, following, following_moments
        return beta, value, False


def fit_cox_firth(sample: CoxSample, ties: Ties, *, confidence: float = CONFIDENCE) -> CoxFit:
    """Firth's penalised partial likelihood with profile-likelihood intervals and likelihood-ratio P values.

    Finite also under monotone likelihood. The P value of a coefficient compares the maximum with that at zero; the
    interval holds the values whose penalised profile lies within chi2(1) / 2 of the maximum.
    """
    penalised = _PenalisedLikelihood(sample, ties)
    zero = np.zeros(penalised.size)
    beta, top, converged = penalised.maximum(zero)
    null_value, null_moments = penalised.value(zero)
    covariance = inverse(penalised.value(beta)[1].information)
    std_error = np.sqrt(np.diag(covariance))
    critical = float(stats.chi2.ppf(confidence, 1))
    limits, p_values = np.empty((penalised.size, 2)), np.empty(penalised.size)
    for column in range(penalised.size):

        def excess(value: float, column: int = column) -> float:
            start = beta.copy()
            start[column] = value
            return 2 * (top - penalised.maximum(start, fixed=column)[1]) - critical

        p_values[column] = stats.chi2.sf(max(excess(0.0) + critical, 0.0), 1)
        limits[column] = [profile_limit(excess, beta[column], side * std_error[column]) for side in (-1, 1)]
    score_statistic = float(null_moments.score @ inverse(null_moments.information) @ null_moments.score)
    score = ChiSquareTest.of(score_statistic, len(zero))
    return CoxFit(
        beta, covariance, top, null_value, score, converged, "firth", limits[:, 0], limits[:, 1], p_values
    )  # fmt: skip


def profile_limit(excess: Callable[[float], float], estimate: float, reach: float) -> float:
    """Where the profile leaves the interval: the root of ``excess`` on the side of ``reach``; NaN if none is found.

    Args:
        excess: Twice the drop of the profile log-likelihood less the critical value; negative at the estimate.
        estimate: The maximum.
        reach: First distance to try, signed; doubled until the profile has dropped far enough.
    """
    inner, outer = estimate, estimate + 1.5 * reach
    for _ in range(30):
        if excess(outer) > 0:
            return float(optimize.brentq(excess, min(inner, outer), max(inner, outer), xtol=1e-10, rtol=1e-12))
        inner, outer = outer, estimate + 2 * (outer - estimate)
    return float("nan")
