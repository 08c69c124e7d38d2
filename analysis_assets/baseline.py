"""Who was treated: Table 1, response times, subsequent therapy and the length of follow-up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.conventions import convention
from analysis_assets.frames import Kind, Row, table
from analysis_assets.inputs import COLUMNS_AFTER_TIME_ZERO, Distribution, LevelCounts, NumericSummary, StudyInputs
from analysis_assets.protocols import DAYS_PER_MONTH, NotComputableError
from analysis_assets.rates import count_text, mean_text, median_text, shape_p_value

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

NORMALITY_LEVEL: Final = 0.05
MISSING_LEVEL: Final = "missing"
NO_DATA: Final = "the extract holds no data for this characteristic"

BASELINE_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "characteristic": "text",
        "level": "text",
        "n": "count",
        "n_total": "count",
        "pct": "figure",
        "median": "figure",
        "min": "figure",
        "max": "figure",
        "mean": "figure",
        "sd": "figure",
        "display": "text",
        "convention": "text",
        "column_name": "text",
        "timing": "text",
        "n_missing": "count",
        "normality_test": "text",
        "normality_p": "figure",
        "note": "text",
    }
)
RESPONSE_TIME_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "unit": "text",
        "n": "count",
        "n_total": "count",
        "median": "figure",
        "min": "figure",
        "max": "figure",
        "mean": "figure",
        "sd": "figure",
        "display": "text",
        "convention": "text",
        "normality_test": "text",
        "normality_p": "figure",
        "note": "text",
    }
)
RESPONSE_TIME_DISTRIBUTION_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {"endpoint": "text", "time_days": "figure", "n": "count", "convention": "text"}
)
FOLLOW_UP_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "method": "text",
        "n": "count",
        "n_events": "count",
        "median_months": "figure",
        "min_months": "figure",
        "max_months": "figure",
        "median_ci_low": "figure",
        "median_ci_high": "figure",
        "convention": "text",
        "note": "text",
    }
)
SUBSEQUENT_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "patient_group": "text",
        "therapy": "text",
        "n": "count",
        "n_total": "count",
        "pct": "figure",
        "display": "text",
        "convention": "text",
    }
)


@dataclass(frozen=True)
class Measurement:
    """A numeric column of Table 1, the bands it is shown in (text, first value in it, first beyond it) and its unit."""

    column: str
    label: str
    bands: tuple[tuple[str, float | None, float | None], ...] = ()
    unit: float = 1.0


# The bands of the reference paper's Table 1; the first and last catch whoever falls outside the paper's own range, and
# are shown only where somebody does.
MEASUREMENTS: Final = (
    Measurement(
        "age_years",
        "Age (years)",
        (("<18", None, 18), ("18–30", 18, 31), ("31–60", 31, 61), (">60", 61, None)),
    ),
    Measurement(
        "prior_chemotherapies",
        "Number of previous chemotherapies",
        (("<2", None, 2), ("2–4", 2, 5), ("5–10", 5, 11), (">10", 11, None)),
    ),
    Measurement("marrow_blast_percent", "Bone marrow blasts (%)"),
    Measurement("wbc", "WBC (×10⁹/L)"),
    Measurement("cells_per_kg", "CAR-T cells infused (×10⁶/kg)", unit=1e6),
)
OPEN_BANDS: Final = ("<2", ">60")

# Yes/no columns that Table 1 shows as the levels of one characteristic (they need not exclude each other).
FINDINGS: Final = (
    ("Fusion gene", "BCR/ABL1", "bcr_abl1"),
    ("Fusion gene", "others", "other_fusion_gene"),
    ("Gene mutation", "SH2B3", "sh2b3"),
    ("Gene mutation", "PAX5", "pax5"),
    ("Gene mutation", "others", "other_mutation"),
)

# Text columns shown value by value, unless a covariate of the study already shows them.
CATEGORIES: Final = (
    ("Gender", "sex", "sex"),
    ("Lymphodepletion regimen", "lymphodepletion_regimen", "flu_cy"),
    ("CAR-T target", "cart_target", "cart_target"),
)
SEX_NAMES: Final = {"F": "female", "M": "male"}

RESPONSE_TIME_ENDPOINTS: Final = ("TIME_TO_CR", "TIME_TO_MRD_NEGATIVE")


def baseline_characteristics(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return Table 1, one row per characteristic and level (empty level: the characteristic as a whole).

    ``n_total`` is the number of patients with a known value, ``n_missing`` the others; a level ``missing`` is added
    where there are some. ``pct`` is of the known, that of ``missing`` of both together; it is not rounded, ``display``
    is. Continuous rows show mean ± SD where the test of normality gives P >= 0.05, else median (range). ``timing``
    marks the covariates known only after the infusion.
    """
    rows: list[Row] = [_row("All patients", "", n=inputs.included(), n_total=inputs.included())]
    rows.extend(_measurement_rows(inputs))
    rows.extend(_covariate_rows(inputs, study))
    rows.extend(_category_rows(inputs, study))
    rows.extend(_finding_rows(inputs))
    return table(list(_once(rows)), BASELINE_COLUMNS, study.conventions)


def _once(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows without repeats: a covariate may bear the name of the measurement it cuts, and both say who is missing."""
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        key = (row["characteristic"], row["level"], row["column_name"])
        if key not in seen:
            seen.add(key)
            yield row


def response_times(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per response with the days from infusion to it, over the patients who reached it."""
    rows: list[Row] = []
    for endpoint in RESPONSE_TIME_ENDPOINTS:
        row: Row = {"endpoint": endpoint, "unit": "days", "n_total": inputs.included()}
        try:
            days = inputs.event_times(endpoint)
        except NotComputableError as reason:
            rows.append({**row, "n": 0, "note": f"not computable: {reason}"})
            continue
        rows.append({**row, **_continuous(_summary_of(days), days)})
    return table(rows, RESPONSE_TIME_COLUMNS, study.conventions)


def response_time_distribution(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per response and day from the infusion with the patients who reached it on that day."""
    rows: list[Row] = []
    for endpoint in RESPONSE_TIME_ENDPOINTS:
        try:
            days = inputs.event_times(endpoint)
        except NotComputableError:
            continue
        rows.extend(
            {"endpoint": endpoint, "time_days": day, "n": round(n)}
            for day, n in zip(days.value.tolist(), days.weight.tolist(), strict=True)
        )
    return table(rows, RESPONSE_TIME_DISTRIBUTION_COLUMNS, study.conventions)


def follow_up_summary(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return the length of follow-up in months: the plain median and range, and the reverse Kaplan-Meier median.

    The plain one takes every patient's time to last contact (the paper's). The reverse one (Schemper & Smith 1996) is
    the Kaplan-Meier median of the time to censoring, deaths censored, so early deaths do not shorten it.
    """
    rows: list[Row] = []
    try:
        contact = inputs.time_to_event("FOLLOW_UP")
        summary = _summary_of(Distribution(contact.time_days, contact.weight))
        rows.append(
            {
                "method": "plain",
                "n": summary.n,
                "median_months": _months(summary.median),
                "min_months": _months(summary.minimum),
                "max_months": _months(summary.maximum),
            }
        )
    except NotComputableError as reason:
        rows.append({"method": "plain", "n": 0, "note": f"not computable: {reason}"})
    rows.append(_reverse_kaplan_meier(inputs, study))
    return table(rows, FOLLOW_UP_COLUMNS, study.conventions)


def subsequent_therapies(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return what followed the infusion, one row per group of patients and therapy.

    Groups: in complete remission and bridged, in complete remission and not bridged, without complete remission, and
    those whose response was never assessed.
    """
    counts: dict[str, dict[str, int]] = {}
    for remission, bridged, therapy, n in inputs.subsequent_therapy_counts():
        group = _therapy_group(remission, bridged)
        members = counts.setdefault(group, {})
        members[therapy or "none recorded"] = members.get(therapy or "none recorded", 0) + n
    rows: list[Row] = []
    for group, members in sorted(counts.items()):
        total = sum(members.values())
        most_frequent_first = sorted(members.items(), key=lambda item: (-item[1], item[0]))
        for therapy, n in [("", total), *most_frequent_first]:
            share: Row = {"n": n, "n_total": total, "pct": 100 * n / total, "display": count_text(n, total)}
            rows.append({"patient_group": group, "therapy": therapy, **share})
    return table(rows, SUBSEQUENT_COLUMNS, study.conventions)


def _therapy_group(remission: bool | None, bridged: bool | None) -> str:
    if remission is None:
        return "response never assessed"
    if not remission:
        return "no complete remission"
    return "complete remission, bridged to HSCT" if bridged else "complete remission, not bridged to HSCT"


def _row(characteristic: str, level: str, *, n: int, n_total: int, n_missing: int = 0, column: str = "") -> Row:
    pct = 100 * n / n_total if n_total else math.nan
    return {
        "characteristic": characteristic,
        "level": level,
        "n": n,
        "n_total": n_total,
        "pct": pct,
        "display": count_text(n, n_total),
        "column_name": column,
        "timing": "after infusion" if column in COLUMNS_AFTER_TIME_ZERO else "baseline",
        "n_missing": n_missing,
    }


def _empty_row(characteristic: str, level: str, n_missing: int, column: str) -> Row:
    timing = "after infusion" if column in COLUMNS_AFTER_TIME_ZERO else "baseline"
    empty: Row = {"characteristic": characteristic, "level": level, "column_name": column, "timing": timing}
    return {**empty, "n": 0, "n_total": 0, "n_missing": n_missing, "note": NO_DATA}


def _measurement_rows(inputs: StudyInputs) -> Iterator[Row]:
    total = inputs.included()
    summaries = inputs.numeric_summaries({measurement.column: measurement.unit for measurement in MEASUREMENTS})
    for measurement in MEASUREMENTS:
        summary = summaries[measurement.column]
        missing = total - summary.n
        if summary.n == 0:
            yield _empty_row(measurement.label, "", missing, measurement.column)
            continue
        yield {
            "characteristic": measurement.label,
            "level": "",
            "n_total": summary.n,
            "n_missing": missing,
            "column_name": measurement.column,
            "timing": "baseline",
            **_continuous(summary, inputs.distribution(measurement.column, measurement.unit)),
        }
        if measurement.bands:
            bounds = [(low, high) for _, low, high in measurement.bands]
            counts = inputs.range_counts(measurement.column, bounds)
            for (text, _, _), n in zip(measurement.bands, counts, strict=True):
                if n or text not in OPEN_BANDS:
                    yield _row(
                        measurement.label, text, n=n, n_total=summary.n, n_missing=missing, column=measurement.column
                    )
        yield from _missing_row(measurement.label, missing, summary.n, measurement.column)


def _covariate_rows(inputs: StudyInputs, study: Study) -> Iterator[Row]:
    counts = inputs.level_counts([covariate.name for covariate in study.covariates])
    for covariate in study.covariates:
        levels = (covariate.levels[0], covariate.levels[1])
        yield from _level_rows(covariate.label, levels, counts[covariate.name], covariate.column)


def _level_rows(label: str, levels: tuple[str, str], counts: LevelCounts, column: str) -> Iterator[Row]:
    if counts.known == 0:
        yield _empty_row(label, "", counts.missing, column)
        return
    for level, n in zip(levels, (counts.reference, counts.other), strict=True):
        yield _row(label, level, n=n, n_total=counts.known, n_missing=counts.missing, column=column)
    yield from _missing_row(label, counts.missing, counts.known, column)


def _missing_row(label: str, missing: int, known: int, column: str) -> Iterator[Row]:
    if missing:
        everybody = known + missing
        row = _row(label, MISSING_LEVEL, n=missing, n_total=known, n_missing=missing, column=column)
        yield {**row, "pct": 100 * missing / everybody, "display": count_text(missing, everybody)}


def _category_rows(inputs: StudyInputs, study: Study) -> Iterator[Row]:
    total = inputs.included()
    shown = {covariate.column for covariate in study.covariates}
    for label, column, covered_by in CATEGORIES:
        if shown & {column, covered_by}:
            continue
        counts = inputs.category_counts(column)
        known = sum(counts.values())
        if not known:
            yield _empty_row(label, "", total, column)
        for value, n in counts.items():
            name = SEX_NAMES.get(value, value) if column == "sex" else value
            yield _row(label, name, n=n, n_total=known, n_missing=total - known, column=column)


def _finding_rows(inputs: StudyInputs) -> Iterator[Row]:
    counts = inputs.flag_counts([column for _, _, column in FINDINGS])
    for label, level, column in FINDINGS:
        found = counts[column]
        if found.known == 0:
            yield _empty_row(label, level, found.missing, column)
        else:
            yield _row(label, level, n=found.other, n_total=found.known, n_missing=found.missing, column=column)


def _continuous(summary: NumericSummary, values: Distribution) -> Row:
    """Figures of a numeric row and its text, mean ± SD or median (range) as the shape of the values decides."""
    test, p_value = shape_p_value(values.value, values.weight, summary.skewness, summary.excess_kurtosis)
    if p_value is not None and p_value >= NORMALITY_LEVEL and summary.mean is not None and summary.sd is not None:
        display = mean_text(summary.mean, summary.sd, summary.decimals)
    else:
        display = _range_text(summary)
    return {
        "n": summary.n,
        "median": summary.median,
        "min": summary.minimum,
        "max": summary.maximum,
        "mean": summary.mean,
        "sd": summary.sd,
        "display": display,
        "normality_test": test,
        "normality_p": p_value,
    }


def _range_text(summary: NumericSummary) -> str:
    if summary.median is None or summary.minimum is None or summary.maximum is None:
        return ""
    return median_text(summary.median, summary.minimum, summary.maximum, summary.decimals, exact=summary.exact)


def _summary_of(sample: Distribution) -> NumericSummary:
    """Summarise whole days given as distinct values with weights."""
    from analysis_assets.survival import weighted_median

    values, weight = sample.value, sample.weight
    total = float(weight.sum())
    mean = float((values * weight).sum() / total)
    centred = values - mean
    squares = float((centred**2 * weight).sum())
    skewness = kurtosis = None
    if squares > 0:
        spread = squares / total
        skewness = float((centred**3 * weight).sum() / total / spread**1.5)
        kurtosis = float((centred**4 * weight).sum() / total / spread**2 - 3)
    return NumericSummary(
        n=round(total),
        median=weighted_median(values, weight),
        minimum=float(values.min()),
        maximum=float(values.max()),
        mean=mean,
        sd=math.sqrt(squares / (total - 1)) if total > 1 else None,
        skewness=skewness,
        excess_kurtosis=kurtosis,
        decimals=0,
    )


def _months(days: float | None) -> float | None:
    return None if days is None else days / DAYS_PER_MONTH


def _reverse_kaplan_meier(inputs: StudyInputs, study: Study) -> Row:
    """Kaplan-Meier median of the time to the end of observation of OS, deaths taken as censored."""
    from analysis_assets.survival import quantile_with_interval, reverse_kaplan_meier

    row: Row = {"method": "reverse Kaplan-Meier"}
    try:
        survival = inputs.time_to_event("OS")
    except NotComputableError as reason:
        return {**row, "n": 0, "note": f"not computable: {reason}"}
    curve = reverse_kaplan_meier(survival.time_days, survival.event, survival.weight)
    median = quantile_with_interval(curve, convention(study.conventions))
    return {
        **row,
        "n": survival.n,
        "n_events": round(curve.total_events),
        "median_months": _months(median.value),
        "min_months": _months(float(curve.time[0])),
        "max_months": _months(curve.last_follow_up),
        "median_ci_low": _months(median.ci_low),
        "median_ci_high": _months(median.ci_high),
        "note": "n_events counts the patients still under observation when follow-up ended",
    }
