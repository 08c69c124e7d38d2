"""How far a choice moves the results: the rule that grades CRS, and the day that stands for a month or year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.frames import Kind, Row, table
from analysis_assets.inputs import ImputedTimes, StudyInputs
from analysis_assets.protocols import DAYS_PER_MONTH, BoolArray, FloatArray
from analysis_assets.rates import CLOPPER_PEARSON, count_text, proportion_interval
from analysis_assets.survival import kaplan_meier, quantile

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

RECORDED: Final = "recorded"
AGREES: Final = "agrees with the recorded grade"
UNKNOWN: Final = "unknown"

CRS_GRADING_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "rule_set": "text",
        "level": "text",
        "n": "count",
        "n_total": "count",
        "pct": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "ci_method": "text",
        "display": "text",
        "convention": "text",
    }
)
DATE_SENSITIVITY_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "n_imputed": "count",
        "n_total": "count",
        "days_earlier_at_most": "count",
        "days_later_at_most": "count",
        "median_months": "figure",
        "median_months_shortest": "figure",
        "median_months_longest": "figure",
        "convention": "text",
    }
)


def crs_grading(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return the grades of CRS under each rule set, and how many derived grades equal the recorded one.

    One row per rule set and level: a grade (0 = no CRS), ``unknown``, and for a derived rule set ``agrees with the
    recorded grade``, out of the patients who have both. Percentages and Clopper-Pearson bounds in percent.
    """
    total = inputs.included()
    rows: list[Row] = []
    for rule_set, counts in inputs.crs_grade_counts().items():
        for grade, n in sorted(counts.by_grade.items(), key=lambda item: (item[0] is None, item[0] or 0)):
            rows.append(_rate(rule_set, UNKNOWN if grade is None else str(grade), n, total))
        if rule_set != RECORDED and counts.compared:
            rows.append(_rate(rule_set, AGREES, counts.agreeing, counts.compared))
    return table(rows, CRS_GRADING_COLUMNS, study.conventions)


def _rate(rule_set: str, level: str, n: int, total: int) -> Row:
    interval = proportion_interval(n, total)
    return {
        "rule_set": rule_set,
        "level": level,
        "n": n,
        "n_total": total,
        "pct": 100 * n / total,
        "ci_low": 100 * interval.low,
        "ci_high": 100 * interval.high,
        "ci_method": CLOPPER_PEARSON,
        "display": count_text(n, total),
    }


def date_sensitivity(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per endpoint of which a time rests on an imputed date: how far the medians can move.

    The shortest (longest) median is the Kaplan-Meier median with every such time as short (long) as year and month in
    the source allow, all others as they are; NULL where it is not reached.
    """
    return table(list(_moved_medians(inputs)), DATE_SENSITIVITY_COLUMNS, study.conventions)


def _moved_medians(inputs: StudyInputs) -> Iterator[Row]:
    for times in inputs.imputed_times():
        yield {
            "endpoint": times.endpoint,
            "n_imputed": times.imputed,
            "n_total": int(times.weight.sum()),
            "days_earlier_at_most": times.days_earlier,
            "days_later_at_most": times.days_later,
            "median_months": _median(times.time_days, times),
            "median_months_shortest": _median(times.shortest_days, times),
            "median_months_longest": _median(times.longest_days, times),
        }


def _median(days: FloatArray, times: ImputedTimes) -> float:
    event: BoolArray = times.event
    return quantile(kaplan_meier(days, event, times.weight), 0.5) / DAYS_PER_MONTH
