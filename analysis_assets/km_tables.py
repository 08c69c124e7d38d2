"""Tables of Kaplan-Meier estimates: curves, medians and follow-up, survival at landmarks, log-rank tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from analysis_assets.conventions import Convention, convention, ordered_conventions
from analysis_assets.frames import Block, Kind, Row, table, table_of_blocks
from analysis_assets.protocols import (
    DAYS_PER_MONTH,
    MISSING,
    BoolArray,
    FloatArray,
    Inputs,
    LevelArray,
    NotComputableError,
)
from analysis_assets.shared_samples import shared_samples
from analysis_assets.survival import (
    SurvivalCurve,
    kaplan_meier,
    log_rank,
    quantile_with_interval,
    restricted_mean,
    reverse_kaplan_meier,
    survival_at,
    survival_interval,
    weighted_median,
)

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

FOLLOW_UP: Final = "FOLLOW_UP"
# Whoever died was not lost: his potential follow-up is censored at death.
FOLLOW_UP_SOURCE: Final = "OS"
PLAIN_FOLLOW_UP: Final = "plain median (range)"
REVERSE_FOLLOW_UP: Final = "reverse Kaplan-Meier"
NOT_REACHED: Final = "not reached"

KM_CURVES_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "factor": "text",
        "level": "text",
        "time_months": "figure",
        "n_at_risk": "count",
        "n_events": "count",
        "n_censored": "count",
        "survival": "figure",
        "std_error": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "time_days": "figure",
        "ci_method": "text",
        "convention": "text",
    }
)
KM_SUMMARY_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "factor": "text",
        "level": "text",
        "n": "count",
        "n_events": "count",
        "median_months": "figure",
        "median_ci_low": "figure",
        "median_ci_high": "figure",
        "ci_method": "text",
        "median_std_error": "figure",
        "min_months": "figure",
        "max_months": "figure",
        "restricted_mean_months": "figure",
        "restricted_mean_std_error": "figure",
        "restricted_to_months": "figure",
        "n_missing": "count",
        "convention": "text",
        "note": "text",
    }
)
KM_LANDMARKS_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "factor": "text",
        "level": "text",
        "month": "count",
        "n_at_risk": "count",
        "survival": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "std_error": "figure",
        "ci_method": "text",
        "convention": "text",
        "note": "text",
    }
)
LOGRANK_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "factor": "text",
        "statistic": "figure",
        "df": "count",
        "p_value": "figure",
        "test": "text",
        "n": "count",
        "n_events": "count",
        "n_missing": "count",
        "convention": "text",
        "note": "text",
    }
)


@dataclass(frozen=True)
class _Group:
    """Patients of one level of a factor (or all) for one endpoint."""

    level: str
    time: FloatArray
    event: BoolArray
    weight: FloatArray
    curve: SurvivalCurve


@dataclass(frozen=True)
class _Groups:
    """All levels of one factor for one endpoint; ``reason`` says why there are none."""

    endpoint: str
    factor: str
    groups: tuple[_Group, ...]
    n_missing: int
    reason: str = ""


def _group(level: str, time: FloatArray, event: BoolArray, weight: FloatArray) -> _Group:
    return _Group(level, time, event, weight, kaplan_meier(time, event, weight))


def _load(inputs: Inputs, endpoint: str, factor: str) -> _Groups:
    try:
        sample = inputs.time_to_event(endpoint, [factor] if factor else [])
        levels = inputs.covariate(factor).levels if factor else ("",)
    except NotComputableError as error:
        return _Groups(endpoint, factor, (), 0, str(error))
    if not factor:
        return _Groups(endpoint, "", (_group("", sample.time_days, sample.event, sample.weight),), 0)
    codes: LevelArray = sample.levels[factor]
    missing = round(float(sample.weight[codes == MISSING].sum()))
    groups = tuple(
        _group(level, sample.time_days[codes == code], sample.event[codes == code], sample.weight[codes == code])
        for code, level in enumerate(levels)
    )
    if not any(group.curve.n for group in groups):
        return _Groups(endpoint, factor, (), missing, f"{factor} is not known for any patient")
    return _Groups(endpoint, factor, groups, missing)


def _all_groups(inputs: Inputs, study: Study, *, whole_cohort: bool = True) -> Iterator[_Groups]:
    for endpoint in study.models.survival.endpoints:
        if endpoint != FOLLOW_UP:
            for factor in ([""] if whole_cohort else []) + list(study.models.survival.factors):
                yield _load(inputs, endpoint, factor)


def km_curves(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return one row per endpoint, factor, level and distinct follow-up time, intervals of the study's convention.

    S(t) is 1 before the first row. ``n_at_risk`` counts patients just before the time. An endpoint or level without
    patients has no rows; ``km_summary`` says why.
    """
    inputs = shared_samples(inputs, study)
    rules = convention(study.conventions)
    blocks = [_curve_block(groups, group, rules) for groups in _all_groups(inputs, study) for group in groups.groups]
    return table_of_blocks(blocks, KM_CURVES_COLUMNS, rules.name)


def _curve_block(groups: _Groups, group: _Group, rules: Convention) -> Block:
    curve = group.curve
    low, high = survival_interval(curve.survival, curve.std_error, rules.km_interval)
    return {
        "endpoint": groups.endpoint,
        "factor": groups.factor,
        "level": group.level,
        "time_months": curve.time / DAYS_PER_MONTH,
        "n_at_risk": np.rint(curve.n_at_risk),
        "n_events": np.rint(curve.n_events),
        "n_censored": np.rint(curve.n_censored),
        "survival": curve.survival,
        "std_error": curve.std_error,
        "ci_low": low,
        "ci_high": high,
        "time_days": curve.time,
        "ci_method": rules.km_ci_method,
    }


def km_summary(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return one row per endpoint, factor, level and convention: patients, events, median with interval.

    The rows of the study's own convention come first and are flagged ``is_primary``. Endpoint FOLLOW_UP has two kinds
    of rows, told apart by ``ci_method``: the plain median with its range (under the study's convention alone) and the
    reverse Kaplan-Meier median. A median or limit that is not reached is NULL.
    """
    inputs = shared_samples(inputs, study)
    loaded = list(_all_groups(inputs, study))
    follow_up = _FollowUp.load(inputs)
    primary = study.conventions
    frames = []
    for rules in ordered_conventions(primary):
        rows = [row for groups in loaded for row in _summary_rows(groups, rules)]
        rows.extend(follow_up.rows(rules, primary=rules.name == primary))
        frames.append(_flagged(table(rows, KM_SUMMARY_COLUMNS, rules.name), rules.name == primary))
    return _stacked(frames)


def _flagged(frame: pd.DataFrame, primary: bool) -> pd.DataFrame:
    position = list(frame.columns).index("convention") + 1
    frame.insert(position, "is_primary", primary)
    return frame.astype({"is_primary": "boolean"})


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(list(frames), ignore_index=True)


def _months(days: float) -> float:
    return days / DAYS_PER_MONTH


def _median_columns(curve: SurvivalCurve, rules: Convention) -> dict[str, object]:
    median = quantile_with_interval(curve, rules)
    return {
        "median_months": _months(median.value),
        "median_ci_low": _months(median.ci_low),
        "median_ci_high": _months(median.ci_high),
        "median_std_error": _months(median.std_error),
        "ci_method": rules.median_ci_method,
        "note": None if np.isfinite(median.value) else NOT_REACHED,
    }


def _summary_rows(groups: _Groups, rules: Convention) -> Iterator[Row]:
    head = {"endpoint": groups.endpoint, "factor": groups.factor, "n_missing": groups.n_missing}
    if not groups.groups:
        yield {**head, "level": "", "note": groups.reason}
        return
    horizon = min(group.curve.last_follow_up for group in groups.groups if group.curve.n)
    for group in groups.groups:
        curve = group.curve
        row = {**head, "level": group.level, "n": round(curve.n), "n_events": round(curve.total_events)}
        if not curve.n:
            yield {**row, "note": "no patient at this level"}
            continue
        mean = restricted_mean(curve, horizon)
        yield {
            **row,
            **_median_columns(curve, rules),
            "min_months": _months(float(curve.time[0])),
            "max_months": _months(curve.last_follow_up),
            "restricted_mean_months": _months(mean.mean),
            "restricted_mean_std_error": _months(mean.std_error),
            "restricted_to_months": _months(mean.horizon),
        }


@dataclass(frozen=True)
class _FollowUp:
    """How long the cohort was observed, plainly and by reverse Kaplan-Meier; ``reason`` when it can't be said."""

    time: FloatArray
    weight: FloatArray
    potential: SurvivalCurve | None
    reason: str

    @classmethod
    def load(cls, inputs: Inputs) -> _FollowUp:
        try:
            plain = inputs.time_to_event(FOLLOW_UP, [])
            time, weight, reason = plain.time_days, plain.weight, ""
        except NotComputableError as error:
            time, weight, reason = np.empty(0), np.empty(0), str(error)
        try:
            survival = inputs.time_to_event(FOLLOW_UP_SOURCE, [])
            curve = reverse_kaplan_meier(survival.time_days, survival.event, survival.weight)
        except NotComputableError as error:
            return cls(time, weight, None, reason or str(error))
        return cls(time, weight, curve, reason)

    def rows(self, rules: Convention, *, primary: bool) -> Iterator[Row]:
        head = {"endpoint": FOLLOW_UP, "factor": "", "level": "", "n_missing": 0}
        if primary and self.time.size:
            yield {
                **head,
                "n": round(float(self.weight.sum())),
                "median_months": _months(weighted_median(self.time, self.weight)),
                "min_months": _months(float(self.time.min())),
                "max_months": _months(float(self.time.max())),
                "ci_method": PLAIN_FOLLOW_UP,
            }
        elif primary:
            yield {**head, "ci_method": PLAIN_FOLLOW_UP, "note": self.reason}
        if self.potential is not None:
            median = _median_columns(self.potential, rules)
            yield {
                **head,
                "n": round(self.potential.n),
                "n_events": round(self.potential.total_events),
                **median,
                "ci_method": f"{REVERSE_FOLLOW_UP}; {median['ci_method']}",
                "min_months": _months(float(self.potential.time[0])),
                "max_months": _months(self.potential.last_follow_up),
            }


def km_landmarks(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return survival at each landmark month of the study, one row per endpoint, factor, level, month and convention.

    The rows of the study's own convention come first and are flagged ``is_primary``. Past the last follow-up of a
    group there is no estimate: ``survival`` is NULL and ``note`` says so. ``n_at_risk`` counts patients followed to
    the month.
    """
    inputs = shared_samples(inputs, study)
    loaded = list(_all_groups(inputs, study))
    frames = []
    for rules in ordered_conventions(study.conventions):
        rows = [row for groups in loaded for row in _landmark_rows(groups, study.landmark_months, rules)]
        frames.append(_flagged(table(rows, KM_LANDMARKS_COLUMNS, rules.name), rules.name == study.conventions))
    return _stacked(frames)


def _landmark_rows(groups: _Groups, months: Sequence[int], rules: Convention) -> Iterator[Row]:
    head = {"endpoint": groups.endpoint, "factor": groups.factor}
    if not groups.groups:
        yield from ({**head, "level": "", "month": month, "note": groups.reason} for month in months)
    for group in groups.groups:
        for month in months:
            point = survival_at(group.curve, month * DAYS_PER_MONTH, rules.km_interval)
            estimated = np.isfinite(point.survival)
            yield {
                **head,
                "level": group.level,
                "month": month,
                "n_at_risk": round(point.n_at_risk),
                "survival": point.survival,
                "std_error": point.std_error,
                "ci_low": point.ci_low,
                "ci_high": point.ci_high,
                "ci_method": rules.km_ci_method,
                "note": None if estimated else _past_follow_up(group.curve),
            }


def _past_follow_up(curve: SurvivalCurve) -> str:
    if not curve.n:
        return "no patient at this level"
    return f"past the last follow-up of this group ({_months(curve.last_follow_up):.1f} months)"


def logrank_tests(inputs: Inputs, study: Study) -> pd.DataFrame:
    """Return one row per endpoint and factor: unweighted log-rank test over both levels."""
    inputs = shared_samples(inputs, study)
    rules = convention(study.conventions)
    rows = [_logrank_row(groups) for groups in _all_groups(inputs, study, whole_cohort=False)]
    return table(rows, LOGRANK_COLUMNS, rules.name)


def _logrank_row(groups: _Groups) -> Row:
    head: dict[str, object] = {
        "endpoint": groups.endpoint,
        "factor": groups.factor,
        "test": "log-rank (Mantel-Cox)",
        "n_missing": groups.n_missing,
    }
    if not groups.groups:
        return {**head, "note": groups.reason}
    members = [np.full(len(group.time), code) for code, group in enumerate(groups.groups)]
    time, event, weight = (
        np.concatenate([getattr(group, name) for group in groups.groups]) for name in ("time", "event", "weight")
    )
    head["n"], head["n_events"] = round(float(weight.sum())), round(float(weight[event].sum()))
    empty = [group.level for group in groups.groups if not group.curve.n]
    if empty:
        return {**head, "note": f"no patient at level '{empty[0]}'"}
    result = log_rank(time, event, np.concatenate(members), weight)
    if not np.isfinite(result.statistic):
        return {**head, "df": result.df, "note": "no event while both levels were under observation"}
    return {**head, "statistic": result.statistic, "df": result.df, "p_value": result.p_value}
