"""From what the marts hold to what a kernel takes: known levels, complete cases, and why a sample says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis_assets.cox import CoxSample
from analysis_assets.logistic import LogisticSample
from analysis_assets.protocols import (
    MISSING,
    Binary,
    BoolArray,
    Covariate,
    FloatArray,
    LevelArray,
    NotComputableError,
    SwitchTimes,
    TimeToEvent,
)


@dataclass(frozen=True)
class Design:
    """Covariates of a model with their columns.

    Attributes:
        names: Covariates, in the order of the columns.
        x: Shape (rows, names), 0 the reference level, 1 the other; rows with all of them known.
        kept: Shape (all rows,), which rows of the source those are.
    """

    names: tuple[str, ...]
    x: FloatArray
    kept: BoolArray


def complete_cases(levels: Mapping[str, LevelArray], names: Sequence[str]) -> Design:
    """Rows on which every named covariate is known, as a matrix."""
    columns = np.column_stack([levels[name] for name in names])
    kept = np.asarray((columns != MISSING).all(axis=1))
    return Design(tuple(names), columns[kept].astype(float), kept)


def cox_sample(sample: TimeToEvent, names: Sequence[str]) -> CoxSample:
    """Complete cases of the named covariates for Cox regression."""
    design = complete_cases(sample.levels, names)
    kept = design.kept
    return CoxSample(sample.time_days[kept], sample.event[kept], design.x, sample.weight[kept])


def logistic_sample(sample: Binary, names: Sequence[str]) -> LogisticSample:
    """Complete cases of the named covariates for logistic regression."""
    design = complete_cases(sample.levels, names)
    return LogisticSample(sample.achieved[design.kept], design.x, sample.weight[design.kept])


def complete_switch_times(times: SwitchTimes) -> SwitchTimes:
    """Rows on which every covariate adjusted for is known."""
    known = np.ones(len(times.weight), dtype=bool)
    for codes in times.levels.values():
        known &= codes != MISSING
    levels = {name: codes[known] for name, codes in times.levels.items()}
    return SwitchTimes(times.time_days[known], times.event[known], times.switch_day[known], levels, times.weight[known])


def require_contrast(covariate: Covariate, x: FloatArray, weight: FloatArray) -> None:
    """Refuse a covariate that has patients at fewer than two levels.

    Raises:
        NotComputableError: With the reason in words.
    """
    at_other = float(weight[x > 0].sum())
    at_reference = float(weight[x == 0].sum())
    if at_other + at_reference == 0:
        raise NotComputableError(f"{covariate.label} is not known for any patient")
    if at_other == 0 or at_reference == 0:
        only = covariate.levels[1] if at_other else covariate.levels[0]
        raise NotComputableError(f"every patient with a known value is at level '{only}'")


def require_outcome(n_events: int, n: int, *, survival: bool) -> None:
    """Refuse a sample without events, and a yes/no outcome that all patients share.

    Raises:
        NotComputableError: With the reason in words.
    """
    if n_events == 0:
        raise NotComputableError(
            f"no event among {n} patients" if survival else f"none of {n} patients has the outcome"
        )
    if not survival and n_events == n:
        raise NotComputableError(f"all {n} patients have the outcome")


def usable_candidates(
    levels: Mapping[str, LevelArray], weight: FloatArray, covariates: Sequence[Covariate]
) -> tuple[list[Covariate], list[str]]:
    """Candidates of a selection that have patients at both levels; and why the others are left out."""
    usable, reasons = [], []
    for covariate in covariates:
        codes = levels[covariate.name]
        known = codes != MISSING
        try:
            require_contrast(covariate, codes[known].astype(float), weight[known])
            usable.append(covariate)
        except NotComputableError as error:
            reasons.append(f"{covariate.name} left out: {error}")
    return usable, reasons
