"""Competing risks: cumulative incidence, Gray's test, Fine and Gray's regression on weighted rows.

Never one minus Kaplan-Meier. Ties are taken as they stand: events of either cause on one day happen together, and
censorings of that day follow. Sources: Aalen & Johansen 1978, with the variance of R's cmprsk::cuminc; Gray 1988;
Fine & Gray 1999, with the robust variance of cmprsk::crr.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis_assets.conventions import CONFIDENCE
from analysis_assets.cox import ChiSquareTest, inverse
from analysis_assets.protocols import CENSORED, COMPETING, EVENT, FloatArray, LevelArray
from analysis_assets.survival import kaplan_meier, normal_quantile, tally

MAX_ITERATIONS: Final = 50
MAX_HALVINGS: Final = 30
TOLERANCE: Final = 1e-11
STEP_TOLERANCE: Final = 1e-7


@dataclass(frozen=True)
class CumulativeIncidence:
    """Aalen-Johansen estimate of one cause at the distinct follow-up times.

    Attributes:
        time: Shape (times,), ascending.
        n_at_risk: Patients under observation just before each time.
        n_events: Events of the cause at each time.
        n_competing: Competing events at each time.
        incidence: Probability of the event of interest by each time.
        variance: Of the incidence.
    """

    time: FloatArray
    n_at_risk: FloatArray
    n_events: FloatArray
    n_competing: FloatArray
    incidence: FloatArray
    variance: FloatArray

    def interval(self, confidence: float = CONFIDENCE) -> tuple[FloatArray, FloatArray]:
        """Pointwise interval on the complementary log-log scale, F^exp(-+ z SE / (F log F)); NaN where F is 0."""
        z = normal_quantile(confidence)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            shift = z * np.sqrt(self.variance) / (self.incidence * np.log(self.incidence))
            low, high = self.incidence ** np.exp(-shift), self.incidence ** np.exp(shift)
        undefined = self.incidence <= 0
        return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)

    def at(self, time: float) -> tuple[float, float]:
        """Incidence and variance at ``time``; NaN past the last follow-up."""
        if not self.time.size or time > self.time[-1]:
            return float("nan"), float("nan")
        index = int(np.searchsorted(self.time, time, side="right")) - 1
        return (float(self.incidence[index]), float(self.variance[index])) if index >= 0 else (0.0, 0.0)


def _shares(deaths: FloatArray, at_risk: FloatArray) -> FloatArray:
    """1 - (d - 1) / (n - 1): the hypergeometric correction of a variance for d tied events."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(deaths > 1, 1 - (deaths - 1) / (at_risk - 1), 1.0)


def cumulative_incidence(time: FloatArray, cause: LevelArray, weight: FloatArray) -> CumulativeIncidence:
    """Aalen-Johansen estimate of the event of interest (``cause`` = EVENT) with its variance.

    Args:
        time: Shape (rows,).
        cause: Shape (rows,), CENSORED, EVENT or COMPETING.
        weight: Shape (rows,), patients per row.
    """
    distinct, index = np.unique(time, return_inverse=True)
    bins = len(distinct)
    at_risk = np.cumsum(tally(index, weight, bins)[::-1])[::-1]
    own = tally(index, weight * (cause == EVENT), bins)
    other = tally(index, weight * (cause == COMPETING), bins)
    free = np.cumprod((at_risk - own - other) / at_risk) if bins else at_risk
    before = np.concatenate(([1.0], free[:-1])) if bins else at_risk
    incidence = np.cumsum(before * own / at_risk)
    # Delta method along the history: each term is an event's own variance times what it did to F up to now.
    with np.errstate(divide="ignore", invalid="ignore"):
        onward = np.where(free > 0, 1 / free, 0.0)
    base = (before / at_risk) ** 2
    own_term, other_term = base * own * _shares(own, at_risk), base * other * _shares(other, at_risk)
    level_own, level_other = 1 + onward * incidence, onward * incidence
    v1 = np.cumsum(level_own**2 * own_term + level_other**2 * other_term)
    v2 = np.cumsum(onward * level_own * own_term + onward * level_other * other_term)
    v3 = np.cumsum(onward**2 * (own_term + other_term))
    variance = np.maximum(v1 + incidence**2 * v3 - 2 * incidence * v2, 0.0)
    return CumulativeIncidence(distinct, at_risk, own, other, incidence, variance)


def gray_test(
    time: FloatArray, cause: LevelArray, group: NDArray[np.integer], weight: FloatArray, rho: float = 0.0
) -> ChiSquareTest:
    """Gray's k-sample test that the cumulative incidence of the event of interest is the same in all groups.

    Args:
        time: Shape (rows,).
        cause: Shape (rows,), CENSORED, EVENT or COMPETING.
        group: Shape (rows,), any integer codes.
        weight: Shape (rows,), patients per row.
        rho: Power of (1 - F) in the weight function; 0 is the usual test.
    """
    codes, member = np.unique(group, return_inverse=True)
    distinct, index = np.unique(time, return_inverse=True)
    k, shape = len(codes), (len(distinct), len(codes))
    cell = index * k + member
    counts = [tally(cell, weight * (cause == c), shape[0] * k).reshape(shape) for c in (CENSORED, EVENT, COMPETING)]
    at_risk = np.cumsum(np.sum(counts, axis=0)[::-1], axis=0)[::-1]
    kept = np.flatnonzero((counts[EVENT] + counts[COMPETING]).sum(axis=1) > 0)
    if k < 2 or not kept.size:
        return ChiSquareTest(float("nan"), k - 1, float("nan"))
    # Once everybody has had the event the terms are not defined; the variance then is no number, and so is the test.
    with np.errstate(divide="ignore", invalid="ignore"):
        score, variance = _gray_score(at_risk[kept], counts[EVENT][kept], counts[COMPETING][kept], rho)
    df = k - 1
    core = variance[:df, :df]
    if not np.all(np.isfinite(core)) or np.linalg.matrix_rank(core) < df:
        return ChiSquareTest(float("nan"), df, float("nan"))
    return ChiSquareTest.of(float(score[:df] @ np.linalg.solve(core, score[:df])), df)


def _gray_score(at_risk: FloatArray, own: FloatArray, other: FloatArray, rho: float) -> tuple[FloatArray, FloatArray]:
    """Score of each group and its covariance, from counts by event time and group, shape (times, groups) each.

    Notation of Gray 1988: h_k = r_k / S_k- scales the risk set of group k, R_k = h_k (1 - F_k-) estimates the size of
    its subdistribution risk set. The score of group k is a sum over groups j of integrals of a_kj = h_k (delta_kj -
    h_j / h.) against the difference of F_j from the pooled F; c_kj accumulates a_kj dF / (1 - F).
    """
    present = at_risk > 0
    r = np.where(present, at_risk, 1.0)
    free_after = np.asarray(np.cumprod(np.where(present, (r - own - other) / r, 1.0), axis=0), dtype=float)
    free = _just_before(free_after, 1.0)
    own_after = np.asarray(np.cumsum(np.where(present, free * own / r, 0.0), axis=0), dtype=float)
    incidence = _just_before(own_after, 0.0)
    scaled = np.where(present, at_risk / free, 0.0)
    risk, deaths, scaled_total = scaled * (1 - incidence), own.sum(axis=1), scaled.sum(axis=1)
    step = deaths / scaled_total
    pooled_after = np.cumsum(step)
    pooled = _just_before(pooled_after[:, None], 0.0)[:, 0]
    weight = (1 - pooled) ** rho
    expected = np.where(present, risk * (deaths / risk.sum(axis=1))[:, None], 0.0)
    score = (weight[:, None] * (own - expected)).sum(axis=0)
    between = np.einsum("tk,tj->tkj", scaled, scaled / scaled_total[:, None])
    a = weight[:, None, None] * (np.einsum("tk,kj->tkj", scaled, np.eye(len(score))) - between)
    c = np.cumsum(a * (step / (1 - pooled))[:, None, None], axis=0)
    # What an event of group j adds to the variance: its coefficient in each score squared, the coefficient being a part
    # known at the event and a part that multiplies the final c.
    survival_ratio = np.where(free_after > 0, (1 - pooled_after)[:, None] / free_after, 0.0)
    own_level = 1 - survival_ratio
    tied = np.where(deaths[:, None] > 1, 1 - (deaths[:, None] - 1) / (scaled_total[:, None] * free - 1), 1.0)
    own_variance = np.where(present & (deaths > 0)[:, None], tied * free * step[:, None] / r, 0.0)
    other_variance = np.where((free_after > 0) & (other > 0), _shares(other, r) * free**2 * other / r**2, 0.0)
    own_part, other_part = a - own_level[:, None, :] * c, survival_ratio[:, None, :] * c
    v1 = np.einsum("tkj,tlj,tj->kl", own_part, own_part, own_variance)
    v1 += np.einsum("tkj,tlj,tj->kl", other_part, other_part, other_variance)
    v2 = np.einsum("tkj,tj->kj", own_part, own_level * own_variance)
    v2 -= np.einsum("tkj,tj->kj", other_part, survival_ratio * other_variance)
    v3 = (own_level**2 * own_variance + survival_ratio**2 * other_variance).sum(axis=0)
    final = c[-1]
    return score, v1 + (final * v3) @ final.T + final @ v2.T + v2 @ final.T


def _just_before(values: FloatArray, first: float) -> FloatArray:
    """Left limits of step functions along the first axis, ``first`` before the first step."""
    return np.vstack((np.full((1, values.shape[1]), first), values[:-1]))


@dataclass(frozen=True)
class FineGrayFit:
    """A fitted model of the subdistribution hazard.

    Attributes:
        coefficients: Log subdistribution hazard ratios, shape (p,).
        covariance: Robust covariance, shape (p, p).
        log_likelihood: Pseudo log partial likelihood at the estimate.
        converged: False when the iterations ended at their limit.
        ci_low: Wald limits of the log ratios.
        ci_high: Wald limits of the log ratios.
        p_values: Wald P values.
    """

    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float
    converged: bool
    ci_low: FloatArray
    ci_high: FloatArray
    p_values: FloatArray

    @property
    def std_errors(self) -> FloatArray:
        """Square roots of the diagonal of the robust covariance."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


class _Subdistribution:
    """Weighted risk sets of Fine and Gray: after a competing event a patient stays, with weight G(t-) / G(T-)."""

    def __init__(self, time: FloatArray, cause: LevelArray, x: FloatArray, weight: FloatArray) -> None:
        self.cause, self.weight = cause, weight
        self.x = x - weight @ x / weight.sum()
        self.grid, self.index = np.unique(time, return_inverse=True)
        bins = len(self.grid)
        censoring = kaplan_meier(time, np.asarray(cause == CENSORED), weight)
        # Just before each time: censorings of the same day come later.
        self.free = np.concatenate(([1.0], censoring.survival[:-1])) if bins else censoring.survival
        self.at_risk = censoring.n_at_risk
        self.censored = censoring.n_events
        self.deaths = tally(self.index, weight * (cause == EVENT), bins)
        self.stays = np.where(cause == COMPETING, 1 / self.free[self.index], 0.0)

    def over_risk(self, values: FloatArray) -> FloatArray:
        """Sum of ``values`` over the weighted risk set at each time of the grid, shape (times, ...)."""
        bins = len(self.grid)
        here = np.column_stack([tally(self.index, column, bins) for column in values.T])
        staying = np.column_stack([tally(self.index, column * self.stays, bins) for column in values.T])
        later = np.cumsum(here[::-1], axis=0)[::-1]
        earlier = np.vstack((np.zeros((1, values.shape[1])), np.cumsum(staying, axis=0)[:-1]))
        return np.asarray(later + earlier * self.free[:, None])

    def exposure(self, per_time: FloatArray) -> FloatArray:
        """Per row, sum of a per-time quantity over the times at risk, weights of staying included, (rows, ...)."""
        upto = np.cumsum(per_time, axis=0)
        weighted = per_time * self.free if per_time.ndim == 1 else per_time * self.free[:, None]
        after = np.cumsum(weighted[::-1], axis=0)[::-1] - weighted
        stays = self.stays if per_time.ndim == 1 else self.stays[:, None]
        return np.asarray(upto[self.index] + stays * after[self.index])

    def moments(self, beta: FloatArray) -> tuple[float, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Log pseudo-likelihood, score, information, mean covariates (times, p) and hazard steps (times,)."""
        eta = self.x @ beta
        risk = self.weight * np.exp(eta)
        sums = self.over_risk(np.column_stack((risk, risk[:, None] * self.x)))
        at_event = self.deaths > 0
        s0 = np.where(at_event, sums[:, 0], 1.0)
        mean = np.where(at_event[:, None], sums[:, 1:] / s0[:, None], 0.0)
        hazard = np.where(at_event, self.deaths / s0, 0.0)
        died = self.weight * (self.cause == EVENT)
        value = float(died @ eta - self.deaths @ np.log(s0))
        score = died @ self.x - self.deaths @ mean
        second = (self.x * (risk * self.exposure(hazard))[:, None]).T @ self.x
        return value, score, second - (mean * self.deaths[:, None]).T @ mean, mean, hazard

    def influence(self, beta: FloatArray, mean: FloatArray, hazard: FloatArray) -> FloatArray:
        """Per row eta + psi of Fine and Gray, shape (rows, p): its own score and its part in estimating G."""
        ratio = np.exp(self.x @ beta)
        died = (self.cause == EVENT)[:, None] * (self.x - mean[self.index])
        compensator = ratio[:, None] * (self.x * self.exposure(hazard)[:, None] - self.exposure(hazard[:, None] * mean))
        return np.asarray(died - compensator + self._censoring_part(ratio, mean, hazard))

    def _censoring_part(self, ratio: FloatArray, mean: FloatArray, hazard: FloatArray) -> FloatArray:
        """Integral of q(u) / pi(u) against each row's censoring martingale."""
        bins, p = len(self.grid), self.x.shape[1]
        staying = self.weight * ratio * self.stays
        s0 = np.concatenate(([0.0], np.cumsum(tally(self.index, staying, bins))))
        s1 = np.vstack(
            [np.zeros((1, p)), np.cumsum([tally(self.index, staying * c, bins) for c in self.x.T], axis=1).T]
        )
        # q(u): what patients whose competing event came before u still contribute from u on (s >= u > T, as printed).
        future0 = np.cumsum((self.free * hazard)[::-1])[::-1]
        future1 = np.cumsum(((self.free * hazard)[:, None] * mean)[::-1], axis=0)[::-1]
        q = s1[:-1] * future0[:, None] - s0[:-1, None] * future1
        per_risk = q / self.at_risk[:, None]
        rate = (self.censored / self.at_risk)[:, None]
        own = np.where((self.cause == CENSORED)[:, None], per_risk[self.index], 0.0)
        return np.asarray(own - np.cumsum(per_risk * rate, axis=0)[self.index])


def fit_fine_gray(
    time: FloatArray, cause: LevelArray, x: FloatArray, weight: FloatArray, *, confidence: float = CONFIDENCE
) -> FineGrayFit:
    """Proportional subdistribution hazards of the event of interest, with the robust variance.

    Args:
        time: Shape (rows,).
        cause: Shape (rows,), CENSORED, EVENT or COMPETING.
        x: Shape (rows, p).
        weight: Shape (rows,), patients per row.
        confidence: Coverage of the Wald intervals.
    """
    model = _Subdistribution(time, cause, x, weight)
    beta = np.zeros(x.shape[1])
    value, score, information, mean, hazard = model.moments(beta)
    converged = False
    for _ in range(MAX_ITERATIONS):
        step = inverse(information) @ score
        following = value
        for halving in range(MAX_HALVINGS):
            candidate = beta + step / 2**halving
            following, *_ = moments = model.moments(candidate)
            if following >= value - 1e-12 * abs(value):
                break
        settled = 2 * abs(following - value) <= TOLERANCE * (1 + abs(value))
        converged = settled and float(np.abs(step).max()) < STEP_TOLERANCE
        beta, (value, score, information, mean, hazard) = candidate, moments
        if converged:
            break
    influence = model.influence(beta, mean, hazard)
    bread = inverse(information)
    covariance = bread @ ((influence * weight[:, None]).T @ influence) @ bread
    std_error = np.sqrt(np.diag(covariance))
    reach = normal_quantile(confidence) * std_error
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = np.asarray(2 * stats.norm.sf(np.abs(beta / std_error)))
    return FineGrayFit(beta, covariance, value, converged, beta - reach, beta + reach, p_values)
