"""Kaplan-Meier curves, their quantiles and intervals, restricted means, follow-up and log-rank tests.

Pure functions of arrays with frequency weights; times in days unless said otherwise. Sources: Kaplan & Meier 1958,
Greenwood 1926, Brookmeyer & Crowley 1982, Schemper & Smith 1996 (reverse Kaplan-Meier), Mantel 1966, Fleming &
Harrington 1981; IBM SPSS Statistics Algorithms (KM) for the standard error of the median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis_assets.conventions import CONFIDENCE, Convention, FlatQuantile, Interval
from analysis_assets.protocols import BoolArray, FloatArray

# A survival probability is a product of fractions, so 11/20 may come out a rounding step off 0.55.
ROUNDING: Final = 1e-9
# SPSS estimates the density at the median from the curve between 0.5 + 0.05 and 0.5 - 0.05.
DENSITY_HALF_WIDTH: Final = 0.05


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """Two-sided standard normal quantile, 1.959964 for 95 %."""
    return float(stats.norm.ppf(0.5 + confidence / 2))


def tally(index: NDArray[np.intp], weight: FloatArray, bins: int) -> FloatArray:
    """Sum of the weights that fall into each of ``bins`` bins, shape (bins,)."""
    return np.asarray(np.bincount(index, weights=weight, minlength=bins), dtype=float)


@dataclass(frozen=True)
class SurvivalCurve:
    """A Kaplan-Meier estimate at every distinct follow-up time.

    Attributes:
        time: Shape (times,), ascending distinct times of events and censorings.
        n_at_risk: Patients under observation just before each time.
        n_events: Events at each time.
        n_censored: Censorings at each time.
        survival: S(t), right-continuous.
        std_error: Greenwood standard error of S(t); NaN where S(t) = 0.
        n: Patients in all.
    """

    time: FloatArray
    n_at_risk: FloatArray
    n_events: FloatArray
    n_censored: FloatArray
    survival: FloatArray
    std_error: FloatArray
    n: float

    @property
    def total_events(self) -> float:
        """Number of events."""
        return float(self.n_events.sum())

    @property
    def last_follow_up(self) -> float:
        """The largest follow-up time; NaN without patients."""
        return float(self.time[-1]) if self.time.size else float("nan")

    def at(self, time: float) -> int:
        """Index of the last distinct time <= ``time``, -1 before the first."""
        return int(np.searchsorted(self.time, time, side="right")) - 1


def kaplan_meier(time: FloatArray, event: BoolArray, weight: FloatArray | None = None) -> SurvivalCurve:
    """Product-limit estimate with Greenwood's standard error.

    Args:
        time: Shape (rows,), follow-up times.
        event: Shape (rows,), True for an event, False for censoring (which leaves after the events of its day).
        weight: Shape (rows,), patients per row; ones when None.
    """
    weights = np.ones(len(time)) if weight is None else np.asarray(weight, dtype=float)
    distinct, index = np.unique(np.asarray(time, dtype=float), return_inverse=True)
    leaving = tally(index, weights, len(distinct))
    events = tally(index, weights * event, len(distinct))
    at_risk = np.cumsum(leaving[::-1])[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.asarray(np.cumprod((at_risk - events) / at_risk), dtype=float)
        hazard_variance = np.cumsum(events / (at_risk * (at_risk - events)))
        std_error = np.asarray(survival * np.sqrt(hazard_variance), dtype=float)
    std_error[survival <= 0] = np.nan
    return SurvivalCurve(distinct, at_risk, events, leaving - events, survival, std_error, float(weights.sum()))


def survival_interval(
    survival: FloatArray, std_error: FloatArray, interval: Interval, confidence: float = CONFIDENCE
) -> tuple[FloatArray, FloatArray]:
    """Pointwise interval of S(t) within [0, 1]; NaN where S(t) = 0, and for log-log also where S(t) = 1 has no width.

    Formulas: plain S +- z SE; log exp(log S +- z SE/S); log-log S^exp(-+ z SE / (S log S)).
    """
    z = normal_quantile(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        if interval == "plain":
            low, high = survival - z * std_error, survival + z * std_error
        elif interval == "log":
            low, high = survival * np.exp(-z * std_error / survival), survival * np.exp(z * std_error / survival)
        else:
            shift = z * std_error / (survival * np.log(survival))
            low, high = survival ** np.exp(-shift), survival ** np.exp(shift)
            # Before the first event the transform is undefined; the estimate has no spread there.
            no_event_yet = survival >= 1
            low, high = np.where(no_event_yet, 1.0, low), np.where(no_event_yet, 1.0, high)
    undefined = ~np.isfinite(std_error)
    low, high = np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)


def _first_time_at_or_below(curve: SurvivalCurve, values: FloatArray, level: float, flat: FlatQuantile) -> float:
    """First event time at which a step function of ``curve.time`` is at or below ``level``; NaN when never."""
    steps = np.flatnonzero(curve.n_events > 0)
    reached = steps[values[steps] <= level + ROUNDING]
    if not reached.size:
        return float("nan")
    first = reached[0]
    exactly = abs(values[first] - level) <= ROUNDING
    below = reached[values[reached] < level - ROUNDING]
    if flat == "midpoint" and exactly and below.size:
        return float((curve.time[first] + curve.time[below[0]]) / 2)
    return float(curve.time[first])


def quantile(curve: SurvivalCurve, probability: float, flat: FlatQuantile = "first") -> float:
    """Time by which ``probability`` of the patients have had the event, min{t: S(t) <= 1 - p}; NaN = not reached.

    Where the curve runs flat exactly at 1 - p, ``flat`` decides: its first time, or the midpoint to the next event.
    """
    return _first_time_at_or_below(curve, curve.survival, 1 - probability, flat)


@dataclass(frozen=True)
class TimeEstimate:
    """A time with its interval; NaN stands for not reached or not estimable."""

    value: float
    ci_low: float
    ci_high: float
    std_error: float


def quantile_with_interval(
    curve: SurvivalCurve, convention: Convention, probability: float = 0.5, confidence: float = CONFIDENCE
) -> TimeEstimate:
    """Quantile of the curve and its interval after ``convention`` (the median by default).

    ``density``: t +- z SE with SE = SE(S(t)) / f, f = (S(u) - S(l)) / (l - u), u = max{t: S(t) >= 1 - p + 0.05},
    l = min{t: S(t) <= 1 - p - 0.05}, over event times. Otherwise Brookmeyer-Crowley: the times at which the limits of
    S(t) on the transform cross 1 - p. A limit that is never crossed is NaN.
    """
    value = quantile(curve, probability, convention.flat_quantile)
    if convention.median_interval == "density":
        std_error = _density_std_error(curve, probability) if np.isfinite(value) else float("nan")
        reach = normal_quantile(confidence) * std_error
        # No time lies before 0; SPSS prints 0 where the symmetric interval would begin below it.
        return TimeEstimate(value, max(value - reach, 0.0) if np.isfinite(reach) else reach, value + reach, std_error)
    low, high = survival_interval(curve.survival, curve.std_error, convention.median_interval, confidence)
    level, flat = 1 - probability, convention.flat_quantile
    ci_low = _first_time_at_or_below(curve, low, level, flat)
    ci_high = _first_time_at_or_below(curve, high, level, flat)
    return TimeEstimate(value, ci_low, ci_high, float("nan"))


def _density_std_error(curve: SurvivalCurve, probability: float) -> float:
    level = 1 - probability
    steps = np.flatnonzero(curve.n_events > 0)
    survival = curve.survival[steps]
    above = steps[survival >= level + DENSITY_HALF_WIDTH - ROUNDING]
    below = steps[survival <= level - DENSITY_HALF_WIDTH + ROUNDING]
    at_quantile = steps[survival <= level + ROUNDING]
    if not (above.size and below.size and at_quantile.size):
        return float("nan")
    u, low = above[-1], below[0]
    density = (curve.survival[u] - curve.survival[low]) / (curve.time[low] - curve.time[u])
    return float(curve.std_error[at_quantile[0]] / density)


@dataclass(frozen=True)
class SurvivalAtTime:
    """S(t) at one time; NaN past the last follow-up of the group."""

    time: float
    n_at_risk: float
    survival: float
    std_error: float
    ci_low: float
    ci_high: float


def survival_at(
    curve: SurvivalCurve, time: float, interval: Interval, confidence: float = CONFIDENCE
) -> SurvivalAtTime:
    """S(t) and its interval at ``time``; no estimate past the last follow-up. ``n_at_risk`` counts follow-ups >= t."""
    nan = float("nan")
    at_risk = float((curve.n_events + curve.n_censored)[curve.time >= time].sum())
    if not curve.time.size or time > curve.last_follow_up:
        return SurvivalAtTime(time, at_risk, nan, nan, nan, nan)
    index = curve.at(time)
    if index < 0:
        return SurvivalAtTime(time, at_risk, 1.0, 0.0, 1.0, 1.0)
    point = slice(index, index + 1)
    low, high = survival_interval(curve.survival[point], curve.std_error[point], interval, confidence)
    return SurvivalAtTime(
        time, at_risk, float(curve.survival[index]), float(curve.std_error[index]), float(low[0]), float(high[0])
    )


@dataclass(frozen=True)
class RestrictedMean:
    """Area under S(t) up to ``horizon`` and its standard error."""

    horizon: float
    mean: float
    std_error: float


def restricted_mean(curve: SurvivalCurve, horizon: float | None = None) -> RestrictedMean:
    """Restricted mean survival time to ``horizon`` (default: the last follow-up).

    Variance: sum over events of A(t)^2 d / (n (n - d)), A(t) the area under the curve from t to the horizon.

    Raises:
        ValueError: The horizon lies past the last follow-up, where the curve is not estimated.
    """
    end = curve.last_follow_up if horizon is None else horizon
    if not end <= curve.last_follow_up:
        raise ValueError(f"horizon {end} lies past the last follow-up {curve.last_follow_up}")
    edges = np.concatenate(([0.0], curve.time[curve.time < end], [end]))
    heights = np.concatenate(([1.0], curve.survival[curve.time < end]))
    areas = np.diff(edges) * heights
    remaining = np.cumsum(areas[::-1])[::-1]
    inside = curve.time < end
    left = curve.n_at_risk[inside] - curve.n_events[inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = remaining[1:] ** 2 * curve.n_events[inside] / (curve.n_at_risk[inside] * left)
    variance = float(np.where(left > 0, terms, 0.0).sum())
    return RestrictedMean(float(end), float(areas.sum()), float(np.sqrt(variance)))


def reverse_kaplan_meier(time: FloatArray, event: BoolArray, weight: FloatArray | None = None) -> SurvivalCurve:
    """Curve of the potential follow-up: censoring is the event, and an event ends the observation."""
    return kaplan_meier(time, ~np.asarray(event, dtype=bool), weight)


def weighted_median(values: FloatArray, weight: FloatArray) -> float:
    """Median of values that stand for ``weight`` patients each (mean of the middle two for an even number)."""
    order = np.argsort(values, kind="stable")
    ordered, cumulated = np.asarray(values, dtype=float)[order], np.cumsum(np.asarray(weight, dtype=float)[order])
    if not cumulated.size:
        return float("nan")
    half = cumulated[-1] / 2
    lower = ordered[np.searchsorted(cumulated, half - ROUNDING)]
    upper = ordered[min(np.searchsorted(cumulated, half + ROUNDING), len(ordered) - 1)]
    return float((lower + upper) / 2)


@dataclass(frozen=True)
class LogRank:
    """A k-sample log-rank test.

    Attributes:
        statistic: Chi-square; NaN when it can't be computed.
        df: Groups less one.
        p_value: Upper tail of the chi-square.
        observed: Events per group.
        expected: Events per group expected without a difference.
    """

    statistic: float
    df: int
    p_value: float
    observed: FloatArray
    expected: FloatArray


def log_rank(
    time: FloatArray,
    event: BoolArray,
    group: Sequence[int] | NDArray[np.integer],
    weight: FloatArray | None = None,
    rho: float = 0.0,
) -> LogRank:
    """Log-rank test over all groups with the hypergeometric variance; two-sided.

    Args:
        time: Shape (rows,), follow-up times.
        event: Shape (rows,).
        group: Shape (rows,), any integer codes; each distinct code is one group.
        weight: Shape (rows,), patients per row; ones when None.
        rho: Fleming-Harrington weight S(t-)^rho; 0 is the unweighted test, 1 Peto & Peto's Wilcoxon test.
    """
    weights = np.ones(len(time)) if weight is None else np.asarray(weight, dtype=float)
    codes, member = np.unique(np.asarray(group), return_inverse=True)
    distinct, index = np.unique(np.asarray(time, dtype=float), return_inverse=True)
    shape, cell = (len(distinct), len(codes)), index * len(codes) + member
    leaving = tally(cell, weights, shape[0] * shape[1]).reshape(shape)
    died = tally(cell, weights * event, shape[0] * shape[1]).reshape(shape)
    at_risk = np.cumsum(leaving[::-1], axis=0)[::-1]
    d, n = died.sum(axis=1), at_risk.sum(axis=1)
    before = np.concatenate(([1.0], np.cumprod((n - d) / n)[:-1])) if len(n) else n
    w = before**rho
    share = at_risk / n[:, None]
    observed, expected = (w[:, None] * died).sum(axis=0), (w[:, None] * d[:, None] * share).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(n > 1, w**2 * d * (n - d) / (n - 1), 0.0)
    variance = np.diag((factor[:, None] * share).sum(axis=0)) - (share * factor[:, None]).T @ share
    return _chi_square(observed, expected, variance)


def _chi_square(observed: FloatArray, expected: FloatArray, variance: FloatArray) -> LogRank:
    df = len(observed) - 1
    difference = (observed - expected)[:df]
    if df < 1 or not np.any(variance > 0) or np.linalg.matrix_rank(variance[:df, :df]) < df:
        return LogRank(float("nan"), df, float("nan"), observed, expected)
    statistic = float(difference @ np.linalg.solve(variance[:df, :df], difference))
    return LogRank(statistic, df, float(stats.chi2.sf(statistic, df)), observed, expected)
