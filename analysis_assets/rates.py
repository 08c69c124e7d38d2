"""Proportions with exact and Wilson intervals, 2x2 tests, and how counts and measurements are written.

``response_rates`` is the analysis table of the yes/no endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.conventions import CONFIDENCE
from analysis_assets.frames import Kind, Row, table
from analysis_assets.protocols import Binary, FloatArray, NotComputableError

if TYPE_CHECKING:
    import pandas as pd

    from analysis_assets.inputs import StudyInputs
    from study import Study

CLOPPER_PEARSON: Final = "clopper_pearson"
WILSON: Final = "wilson"
CI_METHODS: Final = (CLOPPER_PEARSON, WILSON)

# Cochran (1954): below this expected count the chi-square approximation of a 2x2 table is in doubt.
SMALL_EXPECTED_COUNT: Final = 5.0

BINARY_ENDPOINTS: Final = ("CR", "MRD_NEGATIVE_CR", "MRD_POSITIVE_CR", "HSCT_BRIDGE", "SEVERE_CRS")

RESPONSE_RATE_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "endpoint": "text",
        "n": "count",
        "n_total": "count",
        "pct": "figure",
        "ci_low": "figure",
        "ci_high": "figure",
        "ci_method": "text",
        "display": "text",
        "convention": "text",
        "n_not_evaluable": "count",
        "note": "text",
    }
)


@dataclass(frozen=True)
class Interval:
    """Bounds of an interval, in the unit of the estimate."""

    low: float
    high: float


@dataclass(frozen=True)
class TwoByTwo:
    """Tests of one 2x2 table; P values are None where a margin is empty.

    Attributes:
        statistic: Chi-square of the named test.
        p_value: Two-sided P of the named test.
        p_fisher: Two-sided P of Fisher's exact test.
        smallest_expected: Smallest expected count under independence.
    """

    statistic: float | None
    p_value: float | None
    p_fisher: float | None
    smallest_expected: float


def rounded(value: float, digits: int) -> str:
    """Return ``value`` with ``digits`` decimals, halves away from zero, judged by the value as it prints."""
    step = Decimal(1).scaleb(-digits)
    return str(Decimal(repr(float(value))).quantize(step, rounding=ROUND_HALF_UP))


def percent_text(n: int, total: int, digits: int = 1) -> str:
    """Return 100 n / total with ``digits`` decimals, halves away from zero, worked in whole numbers."""
    scale = 100 * 10**digits
    tenths = (2 * n * scale + total) // (2 * total)
    return str(Decimal(tenths).scaleb(-digits))


def count_text(n: int, total: int) -> str:
    """Return ``n (percent)`` with one decimal; without a denominator just ``n``."""
    return f"{n} ({percent_text(n, total)})" if total else str(n)


def mean_text(mean: float, sd: float, decimals: int) -> str:
    """Return ``mean ± SD`` with one decimal more than the values are recorded with."""
    return f"{rounded(mean, decimals + 1)} ± {rounded(sd, decimals + 1)}"


def median_text(median: float, minimum: float, maximum: float, decimals: int, *, exact: bool = True) -> str:
    """Return ``median (minimum–maximum)`` with the decimals of the values, one more if the median falls between two.

    Values with more decimals than are shown (not ``exact``) get none more: beside a rounded minimum and maximum the
    median could stand outside its own range.
    """
    between = exact and abs(median - float(rounded(median, decimals))) > 1e-9
    return f"{rounded(median, decimals + between)} ({rounded(minimum, decimals)}–{rounded(maximum, decimals)})"


def proportion_interval(n: int, total: int, method: str = CLOPPER_PEARSON, confidence: float = CONFIDENCE) -> Interval:
    """Return the confidence interval of n / total as fractions; 0 / n and n / n included.

    Clopper & Pearson 1934 (exact, from beta quantiles) or Wilson 1927 (score, no continuity correction).

    Raises:
        ValueError: if ``total`` is not positive, ``n`` is outside 0..total or the method is unknown.
    """
    from scipy.stats import binomtest

    if total <= 0 or not 0 <= n <= total:
        raise ValueError(f"no proportion: {n} of {total}")
    names = {CLOPPER_PEARSON: "exact", WILSON: "wilson"}
    if method not in names:
        raise ValueError(f"unknown interval {method!r}; known: {', '.join(names)}")
    interval = binomtest(n, total).proportion_ci(confidence_level=confidence, method=names[method])
    return Interval(float(interval.low), float(interval.high))


def two_by_two(a: int, b: int, c: int, d: int, *, yates: bool = False) -> TwoByTwo:
    """Return Pearson's chi-square and Fisher's exact test of the counts ``a b / c d``.

    Args:
        a: Level one, yes.
        b: Level one, no.
        c: Level two, yes.
        d: Level two, no.
        yates: With Yates' continuity correction, limited to the difference itself as R does.

    Pearson 1900: n (|ad - bc|)^2 / (product of the margins), one degree of freedom. Fisher's two-sided P sums the
    tables that are at most as probable as the one seen.
    """
    from scipy.stats import chi2, fisher_exact

    n = a + b + c + d
    rows, columns = (a + b, c + d), (a + c, b + d)
    if n == 0:
        return TwoByTwo(None, None, None, 0.0)
    smallest = min(row * column / n for row in rows for column in columns)
    if 0 in rows or 0 in columns:
        return TwoByTwo(None, None, None, smallest)
    difference = abs(a * d - b * c) / n
    if yates:
        difference -= min(0.5, difference)
    statistic = difference**2 * n**3 / (rows[0] * rows[1] * columns[0] * columns[1])
    p_fisher = float(fisher_exact([[a, b], [c, d]]).pvalue)
    return TwoByTwo(statistic, float(chi2.sf(statistic, 1)), p_fisher, smallest)


def shape_p_value(
    values: FloatArray, weight: FloatArray, skewness: float | None, kurtosis: float | None
) -> tuple[str, float | None]:
    """Return the name and P of the test of normality that decides between mean ± SD and median (range).

    Args:
        values: Distinct values, shape (rows,).
        weight: Patients that have each, shape (rows,).
        skewness: Of the sample, used beyond 5000 patients.
        kurtosis: Excess, used beyond 5000 patients.

    Shapiro-Wilk up to 5000 patients (the range of Royston's approximation), Jarque-Bera from the moments beyond. None
    where there are fewer than three values or no two differ.
    """
    import numpy as np
    from scipy.stats import chi2, shapiro

    from analysis_assets.inputs import SHAPIRO_WILK_LIMIT

    n = round(float(np.sum(weight)))
    if n < 3 or len(values) < 2:
        return "none", None
    if n <= SHAPIRO_WILK_LIMIT:
        return "Shapiro-Wilk", float(shapiro(np.repeat(values, np.asarray(weight, dtype=np.int64))).pvalue)
    if skewness is None or kurtosis is None:
        return "none", None
    return "Jarque-Bera", float(chi2.sf(n / 6 * (skewness**2 + kurtosis**2 / 4), 2))


def responders(sample: Binary) -> int:
    """Return the number of patients of a yes/no sample that achieved the endpoint."""
    return round(float(sample.weight[sample.achieved].sum()))


def response_rates(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per yes/no endpoint and interval method; percentages and bounds in percent.

    The denominator is every included patient; one who was never assessed counts as a non-responder. An endpoint that
    the extract says nothing about has a row without figures and a note.
    """
    rows: list[Row] = []
    for endpoint in BINARY_ENDPOINTS:
        rows.extend(_rates_of(inputs, endpoint))
    return table(rows, RESPONSE_RATE_COLUMNS, study.conventions)


def _rates_of(inputs: StudyInputs, endpoint: str) -> list[Row]:
    rows: list[Row] = []
    for method in CI_METHODS:
        row: Row = {"endpoint": endpoint, "ci_method": method}
        try:
            sample = inputs.binary(endpoint)
        except NotComputableError as reason:
            rows.append({**row, "note": f"not computable: {reason}"})
            continue
        n, total, never = responders(sample), sample.n, inputs.not_evaluable(endpoint)
        interval = proportion_interval(n, total, method)
        rows.append(
            {
                **row,
                "n": n,
                "n_total": total,
                "pct": 100 * n / total,
                "ci_low": 100 * interval.low,
                "ci_high": 100 * interval.high,
                "display": count_text(n, total),
                "n_not_evaluable": never,
                "note": f"{never} never assessed, counted as not achieved" if never else None,
            }
        )
    return rows
