"""Separation: whether the data, not an iteration's luck, leave a likelihood without a maximum.

Logistic regression: a direction of the coefficients that never speaks against an outcome and speaks for at least one.
Cox regression: a direction in which, at every event, the patient who had it ranks highest of those at risk (monotone
likelihood). Both are cones {g : A g >= 0}; a linear programme says whether they hold more than the lines along which
nothing changes. Sources: Albert & Anderson 1984; Konis 2007; Bryson & Johnson 1981; Heinze & Schemper 2001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from analysis_assets.cox import CoxSample
from analysis_assets.patterns import distinct_rows
from analysis_assets.protocols import BoolArray, FloatArray

# So many of the patterns with most events are looked at first: what binds them alone usually leaves no direction.
FREQUENT_PATTERNS: Final = 256
# Coefficients of the programme are bounded by 1; what stays below this is zero up to the solver's accuracy.
ZERO: Final = 1e-7


@dataclass(frozen=True)
class Separation:
    """What the data say on the existence of the maximum.

    Attributes:
        separated: True when at least one coefficient has no finite estimate.
        directions: Per coefficient +1 (estimate runs to plus infinity), -1 (to minus infinity), 0 (finite).
        complete: Logistic only: every patient is predicted without error (False: quasi-complete).
        redundant: Per covariate True when it is constant or a combination of earlier ones.
    """

    separated: bool
    directions: NDArray[np.int8]
    complete: bool
    redundant: BoolArray


def redundant_columns(x: FloatArray) -> BoolArray:
    """Covariates that are constant or a linear combination of those before them, shape (p,)."""
    kept = np.ones((x.shape[0], 1))
    redundant = np.zeros(x.shape[1], dtype=bool)
    for column in range(x.shape[1]):
        wider = np.column_stack((kept, x[:, column]))
        if x.shape[0] and np.linalg.matrix_rank(wider.T @ wider) == wider.shape[1]:
            kept = wider
        else:
            redundant[column] = True
    return redundant


def logistic_separation(achieved: BoolArray, x: FloatArray, weight: FloatArray) -> Separation:
    """Complete and quasi-complete separation of a logistic regression with intercept, also without any empty cell.

    Args:
        achieved: Shape (rows,).
        x: Shape (rows, p).
        weight: Shape (rows,); rows of weight 0 don't count.
    """
    present = weight > 0
    patterns, index = distinct_rows(x[present])
    outcome = achieved[present]
    with_event = np.bincount(index, weights=outcome, minlength=len(patterns)) > 0
    without = np.bincount(index, weights=~outcome, minlength=len(patterns)) > 0
    redundant = redundant_columns(patterns)
    chosen = np.flatnonzero(~redundant)
    design = np.column_stack((np.ones(len(patterns)), patterns[:, chosen]))
    # Where both outcomes occur with one pattern the linear predictor must not move along the direction.
    both = with_event & without
    if both.any() and np.linalg.matrix_rank(design[both]) == design.shape[1]:
        return Separation(False, np.zeros(x.shape[1], dtype=np.int8), False, redundant)
    constraints = np.concatenate((design[with_event], -design[without]))
    signs = _recession_signs(sparse.csr_array(constraints))
    directions = np.zeros(x.shape[1], dtype=np.int8)
    directions[chosen] = signs[1:]
    separated = bool(np.any(signs))
    return Separation(separated, directions, separated and _strictly_feasible(constraints), redundant)


def cox_separation(sample: CoxSample) -> Separation:
    """Monotone likelihood of a Cox regression: some covariate's estimate runs to infinity."""
    present = _ever_at_risk(sample)
    patterns, index = distinct_rows(sample.x[present])
    redundant = redundant_columns(patterns)
    chosen = np.flatnonzero(~redundant)
    reduced = patterns[:, chosen]
    stop, event = sample.stop[present], sample.event[present]
    directions = np.zeros(sample.x.shape[1], dtype=np.int8)
    if sample.start is None:
        constraints = _chained_constraints(reduced, index, stop, event)
    elif _frequent_patterns_leave_no_direction(reduced, index, sample.start[present], stop, event):
        constraints = None
    else:
        pairs = _paired_differences(reduced, index, sample.start[present], stop, event)
        # With late entry a covariate may vary among the patients and yet never within a risk set.
        flat = redundant_columns(np.vstack((pairs, -pairs)))
        redundant[chosen[flat]] = True
        chosen = chosen[~flat]
        constraints = sparse.csr_array(pairs[:, ~flat])
    if constraints is not None:
        directions[chosen] = _recession_signs(constraints, len(chosen))[: len(chosen)]
    return Separation(bool(np.any(directions)), directions, False, redundant)


def _ever_at_risk(sample: CoxSample) -> BoolArray:
    """Rows that are at risk at some event; the others say nothing on any coefficient."""
    present = sample.weight > 0
    times = np.unique(sample.stop[present & sample.event])
    first = 0 if sample.start is None else np.searchsorted(times, sample.start, side="right")
    return np.asarray(present & (np.searchsorted(times, sample.stop, side="right") > first))


def _chained_constraints(
    patterns: FloatArray, index: NDArray[np.intp], stop: FloatArray, event: BoolArray
) -> sparse.csr_array | None:
    """Constraints when all are observed from the start; None when they leave no direction but zero.

    A pattern that had an event at its first event time F must rank at least as high as every pattern whose last
    follow-up is F or later. Helper variables (the highest rank among those with follow-up up to some time) chain these
    pairs, so that the programme grows with the patterns and not with their pairs.
    """
    last = np.full(len(patterns), -np.inf)
    np.maximum.at(last, index, stop)
    first = np.full(len(patterns), np.inf)
    np.minimum.at(first, index[event], stop[event])
    died = np.flatnonzero(np.isfinite(first))
    if not died.size:
        return None
    for moment in np.quantile(first[died], [0.25, 0.5, 0.75, 1.0]):
        # Patterns with an event by then and still observed then bound each other both ways: equal ranks.
        equal = patterns[(first <= moment) & (last >= moment)]
        if len(equal) > 1 and np.linalg.matrix_rank(equal[1:] - equal[0]) == patterns.shape[1]:
            return None
    p, moments = patterns.shape[1], np.unique(first[died])
    steps = len(moments)
    # Helper u_m >= rank of each pattern followed up to moment m at least; u_m >= u_(m+1).
    latest = np.searchsorted(moments, last, side="right") - 1
    observed = np.flatnonzero(latest >= 0)
    follow = sparse.hstack((sparse.csr_array(-patterns[observed]), _one_hot(latest[observed], steps)))
    ahead = np.arange(steps - 1)
    order = _one_hot(ahead, steps) - _one_hot(ahead + 1, steps)
    chain = sparse.hstack((sparse.csr_array((steps - 1, p)), order))
    event_moment = np.searchsorted(moments, first[died])
    highest = sparse.hstack((sparse.csr_array(patterns[died]), -_one_hot(event_moment, steps)))
    return sparse.csr_array(sparse.vstack((follow, chain, highest)))


def _one_hot(position: NDArray[np.intp], width: int) -> sparse.csr_array:
    """A one at each row's position, shape (rows, width)."""
    rows = len(position)
    return sparse.csr_array((np.ones(rows), (np.arange(rows), position)), shape=(rows, width))


def _frequent_patterns_leave_no_direction(
    patterns: FloatArray, index: NDArray[np.intp], start: FloatArray, stop: FloatArray, event: BoolArray
) -> bool:
    """Whether the patterns with most events are bound to equal ranks in every direction; False leaves it open.

    All pairs of thousands of patterns need gigabytes. Fewer constraints allow more directions, never fewer: if those
    among some patterns allow none, all of them allow none.
    """
    events = np.bincount(index[event], minlength=len(patterns))
    frequent = np.sort(np.argsort(-events, kind="stable")[:FREQUENT_PATTERNS])
    place = np.full(len(patterns), -1)
    place[frequent] = np.arange(len(frequent))
    kept = place[index] >= 0
    ranked = _ranked_pairs(place[index[kept]], len(frequent), start[kept], stop[kept], event[kept])
    one, other = np.nonzero(np.triu(ranked & ranked.T, 1))
    equal = patterns[frequent[one]] - patterns[frequent[other]]
    return bool(equal.size) and bool(np.linalg.matrix_rank(equal.T @ equal) == patterns.shape[1])


def _paired_differences(
    patterns: FloatArray, index: NDArray[np.intp], start: FloatArray, stop: FloatArray, event: BoolArray
) -> FloatArray:
    """Pattern of an event less pattern at risk with it, shape (pairs, p): none of them may rank below zero."""
    above, below = np.nonzero(_ranked_pairs(index, len(patterns), start, stop, event))
    return patterns[above] - patterns[below]


def _ranked_pairs(
    index: NDArray[np.intp], patterns: int, start: FloatArray, stop: FloatArray, event: BoolArray
) -> BoolArray:
    """Shape (patterns, patterns): whether the first had an event while the second was at risk."""
    times = np.unique(stop[event])
    first, last = np.searchsorted(times, start, side="right"), np.searchsorted(times, stop, side="right")
    change = np.zeros((len(times) + 1, patterns))
    np.add.at(change, (first, index), 1)
    np.add.at(change, (last, index), -1)
    at_risk = np.cumsum(change, axis=0)[:-1] > 0
    died = np.zeros((len(times), patterns))
    np.add.at(died, (last[event] - 1, index[event]), 1)
    return np.asarray((died > 0).T.astype(float) @ at_risk.astype(float) > 0)


def _recession_signs(constraints: sparse.csr_array, count: int | None = None) -> NDArray[np.int8]:
    """Sign of each of the first ``count`` coefficients along the directions that satisfy the constraints."""
    size = constraints.shape[1]
    wanted = size if count is None else count
    signs = np.zeros(wanted, dtype=np.int8)
    if not wanted:
        return signs
    bounds = [(-1.0, 1.0)] * wanted + [(None, None)] * (size - wanted)
    for column in range(wanted):
        for sign in (1, -1):
            objective = np.zeros(size)
            objective[column] = -sign
            found = optimize.linprog(
                objective, A_ub=-constraints, b_ub=np.zeros(constraints.shape[0]), bounds=bounds, method="highs"
            )
            if found.status == 0 and -found.fun > ZERO:
                signs[column] = sign
                break
    return signs


def _strictly_feasible(constraints: FloatArray) -> bool:
    """Whether one direction satisfies every constraint with room to spare (complete separation)."""
    size = constraints.shape[1]
    widened = np.column_stack((-constraints, np.ones(len(constraints))))
    objective = np.append(np.zeros(size), -1.0)
    bounds = [(-1.0, 1.0)] * size + [(0.0, 1.0)]
    found = optimize.linprog(objective, A_ub=widened, b_ub=np.zeros(len(constraints)), bounds=bounds, method="highs")
    return bool(found.status == 0 and -found.fun > ZERO)
