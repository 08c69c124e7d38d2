"""Kaplan-Meier curves with interval bands, censoring ticks, median lines and the numbers at risk beneath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analysis_assets.figures.style import (
    BODY,
    COLOURS,
    ENDPOINT_NAMES,
    FAINT,
    LINE_HEIGHT,
    STROKES,
    add_axes,
    foot_height,
    heading,
    heading_height,
    label_synthetic,
    legend_above,
    message_figure,
    month_ticks,
    months_axis,
    months_text,
    new_figure,
    optional,
    own_convention,
    p_text,
    percent_axis,
    put_text,
    styled,
    text_or_empty,
    text_width,
    wrapped,
)
from analysis_assets.inputs import ENDPOINTS_FROM_REMISSION
from analysis_assets.protocols import FloatArray
from analysis_assets.rates import rounded

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMMORTAL_TIME_NOTE: Final = (
    "Known only after the infusion: patients had to live long enough to get there (immortal-time bias); read the "
    "landmark and time-dependent models beside these curves."
)
WIDTH: Final = 6.6
NOTE_CHARACTERS: Final = 100
CURVE_WIDTH: Final = 3.6
CURVE_HEIGHT: Final = 3.1
# More censoring ticks than this merge into a bar that tells nothing.
MOST_CENSOR_TICKS: Final = 400


@dataclass(frozen=True)
class Curve:
    """One level's curve with its summary; times in months."""

    level: str
    time: FloatArray
    n_at_risk: FloatArray
    n_censored: FloatArray
    survival: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    n: int
    n_events: int
    median: float | None
    median_low: float | None
    median_high: float | None

    def at_risk(self, month: float) -> int:
        """Patients under observation just before ``month``."""
        later = self.time >= month - 1e-9
        return int(self.n_at_risk[later][0]) if later.any() else 0

    @property
    def name(self) -> str:
        """The level, or ``All patients`` for the whole cohort."""
        return self.level or "All patients"

    @property
    def legend(self) -> str:
        """Level, patients, events and median for the legend."""
        return f"{self.name}: n = {self.n:,}, {self.n_events:,} events, {median_phrase(self)}"


def median_phrase(curve: Curve) -> str:
    """Return ``median 11.6 months (95% CI 4.0–19.2)``; an open bound is ``not reached``."""
    if curve.median is None:
        return "median not reached"
    if curve.median_low is None and curve.median_high is None:
        return f"median {months_text(curve.median)} months (95% CI not estimable)"
    bounds = f"{months_text(curve.median_low)}–{months_text(curve.median_high)}"
    return f"median {months_text(curve.median)} months (95% CI {bounds})"


@styled
def kaplan_meier_figure(
    km_curves: pd.DataFrame,
    km_summary: pd.DataFrame,
    logrank_tests: pd.DataFrame | None = None,
    *,
    endpoint: str,
    factor: str = "",
    factor_label: str = "",
    note: str = "",
    nobody: bool = False,
    synthetic: bool = False,
) -> Figure:
    """Return the Kaplan-Meier figure of one endpoint, for the whole cohort or by the levels of one factor.

    Args:
        km_curves: Rows of ``analysis.km_curves``.
        km_summary: Rows of ``analysis.km_summary``.
        logrank_tests: Rows of ``analysis.logrank_tests``, for the P value.
        endpoint: Which endpoint to draw.
        factor: Which factor; empty for the whole cohort.
        factor_label: The factor's text for people.
        note: What a reader must know, such as ``IMMORTAL_TIME_NOTE``; stands under the title. Without one the note
            of the log-rank test stands there.
        nobody: Whether no patient is included at all.
        synthetic: Whether to label the figure as made from synthetic patients.
    """
    curves = _curves(km_curves, km_summary, endpoint, factor)
    title = _title(endpoint, factor, factor_label)
    if not curves:
        reason = _why_none(km_summary, endpoint, factor, nobody=nobody)
        return message_figure(title, f"No curve: {reason}.", synthetic=synthetic)
    warning = wrapped(note or _test_note(logrank_tests, endpoint, factor), NOTE_CHARACTERS)
    subtitle = "\n".join(filter(None, (_test_text(logrank_tests, endpoint, factor), warning)))
    label_width = max(text_width(curve.name) for curve in curves)
    widest_count = text_width(f"{max(curve.at_risk(0) for curve in curves):,}")
    left = max(0.75, label_width + widest_count / 2 + 0.3)
    legend_width = max(text_width(curve.legend) for curve in curves) + 0.6
    width = max(WIDTH, left + max(legend_width, CURVE_WIDTH) + 0.3)
    foot = foot_height(synthetic)
    table_height = LINE_HEIGHT * (len(curves) + 1) + 0.1
    legend_height = LINE_HEIGHT * len(curves) + 0.12
    bottom = foot + table_height + 0.5
    height = bottom + CURVE_HEIGHT + legend_height + heading_height(subtitle)
    figure = new_figure(width, height)
    heading(figure, title, subtitle)
    axes = add_axes(figure, left, bottom, width - left - 0.3, CURVE_HEIGHT)
    for position, curve in enumerate(curves):
        _draw_curve(axes, curve, position)
    last = max(float(curve.time[-1]) for curve in curves)
    room = (width - left - 0.3) / (widest_count + 0.12)
    ticks = month_ticks(last, most=min(9, int(room)))
    months_axis(axes, last, ticks, "first remission" if endpoint in ENDPOINTS_FROM_REMISSION else "infusion")
    percent_axis(axes, f"{ENDPOINT_NAMES.get(endpoint, endpoint)} (%)")
    legend_above(axes)
    _draw_risk_table(figure, axes, curves, ticks, foot + table_height)
    label_synthetic(figure, synthetic)
    return figure


def kaplan_meier_text(
    km_curves: pd.DataFrame,
    km_summary: pd.DataFrame,
    logrank_tests: pd.DataFrame | None = None,
    *,
    endpoint: str,
    factor: str = "",
    factor_label: str = "",
    note: str = "",
    nobody: bool = False,
) -> str:
    """Return the alternative text of ``kaplan_meier_figure``."""
    curves = _curves(km_curves, km_summary, endpoint, factor)
    title = _title(endpoint, factor, factor_label)
    if not curves:
        return f"{title}: no curve, {_why_none(km_summary, endpoint, factor, nobody=nobody)}."
    parts = [f"Kaplan–Meier curves. {title}."]
    for curve in curves:
        end = f"the curve ends at {rounded(100 * curve.survival[-1], 1)}% after {months_text(curve.time[-1])} months"
        parts.append(f"{curve.legend}; {end}.")
    test = _test_text(logrank_tests, endpoint, factor)
    warning = note or _test_note(logrank_tests, endpoint, factor)
    return " ".join(filter(None, [*parts, f"{test}." if test else "", warning]))


def _why_none(km_summary: pd.DataFrame, endpoint: str, factor: str, *, nobody: bool) -> str:
    """Why there is no curve: nobody is in the analysis, the factor is unknown, or no time is known."""
    if nobody:
        return "no patient is included"
    rows = _rows_of(km_summary, endpoint, factor)
    if factor and (rows["n_missing"].fillna(0) > 0).any():
        return f"the factor is not known for any patient with follow-up for {endpoint}"
    return f"no included patient has follow-up for {endpoint}"


def _title(endpoint: str, factor: str, factor_label: str) -> str:
    name = ENDPOINT_NAMES.get(endpoint, endpoint)
    return f"{name} by {factor_label or factor}" if factor else name


def _test_text(logrank_tests: pd.DataFrame | None, endpoint: str, factor: str) -> str:
    rows = _tests_of(logrank_tests, endpoint, factor)
    text = "" if rows is None else p_text(optional(rows["p_value"].iloc[0]))
    return f"Log-rank {text}" if text else ""


def _test_note(logrank_tests: pd.DataFrame | None, endpoint: str, factor: str) -> str:
    rows = _tests_of(logrank_tests, endpoint, factor)
    return "" if rows is None or "note" not in rows else text_or_empty(rows["note"].iloc[0])


def _tests_of(logrank_tests: pd.DataFrame | None, endpoint: str, factor: str) -> pd.DataFrame | None:
    if logrank_tests is None or not factor:
        return None
    tests = own_convention(logrank_tests)
    rows = tests[(tests["endpoint"] == endpoint) & (tests["factor"] == factor)]
    return None if rows.empty else rows


def _rows_of(table: pd.DataFrame, endpoint: str, factor: str) -> pd.DataFrame:
    own = own_convention(table)
    return own[(own["endpoint"] == endpoint) & (own["factor"].fillna("") == factor)]


def _curves(km_curves: pd.DataFrame, km_summary: pd.DataFrame, endpoint: str, factor: str) -> list[Curve]:
    points, summary = _rows_of(km_curves, endpoint, factor), _rows_of(km_summary, endpoint, factor)
    points = points[points["time_months"].notna()]
    curves: list[Curve] = []
    for level in dict.fromkeys(points["level"].fillna("")):
        rows = points[points["level"].fillna("") == level].sort_values("time_months", kind="stable")
        about = summary[summary["level"].fillna("") == level]
        if about.empty or rows.empty:
            continue
        first = about.iloc[0]
        curves.append(
            Curve(
                level=str(level),
                time=_numbers(rows["time_months"]),
                n_at_risk=_numbers(rows["n_at_risk"]),
                n_censored=_numbers(rows["n_censored"]),
                survival=_numbers(rows["survival"]),
                ci_low=_numbers(rows["ci_low"]),
                ci_high=_numbers(rows["ci_high"]),
                n=int(first["n"]),
                n_events=int(first["n_events"]),
                median=optional(first["median_months"]),
                median_low=optional(first["median_ci_low"]),
                median_high=optional(first["median_ci_high"]),
            )
        )
    return curves


def _numbers(column: pd.Series) -> FloatArray:
    return column.to_numpy(dtype=float, na_value=np.nan)


def _draw_curve(axes: Axes, curve: Curve, position: int) -> None:
    colour, stroke = COLOURS[position % len(COLOURS)], STROKES[position % len(STROKES)]
    time = np.concatenate(([0.0], curve.time))
    survival = np.concatenate(([1.0], curve.survival))
    low, high = np.concatenate(([1.0], curve.ci_low)), np.concatenate(([1.0], curve.ci_high))
    axes.fill_between(time, 100 * low, 100 * high, step="post", color=colour, alpha=0.13, linewidth=0)
    axes.step(time, 100 * survival, where="post", color=colour, linestyle=stroke, label=curve.legend)
    censored = curve.n_censored > 0
    if 0 < censored.sum() <= MOST_CENSOR_TICKS:
        axes.plot(
            curve.time[censored], 100 * curve.survival[censored], "|", color=colour, markersize=6, markeredgewidth=1.0
        )
    if curve.median is not None:
        axes.plot([curve.median, curve.median], [0, 50], color=colour, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.plot([0, curve.median], [50, 50], color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)))


def _draw_risk_table(figure: Figure, axes: Axes, curves: list[Curve], ticks: list[float], top: float) -> None:
    """Write the numbers at risk under their ticks, one line per level; the heading stands flush left above them."""
    width, _ = figure.get_size_inches()
    box = axes.get_position()
    left, right = box.x0 * width, box.x1 * width
    low, high = axes.get_xlim()
    edge = text_width(f"{max(curve.at_risk(0) for curve in curves):,}") / 2 + 0.15
    put_text(figure, 0.15, top, "Number at risk", size=BODY, weight="bold", va="top")
    for row, curve in enumerate(curves, start=1):
        y = top - LINE_HEIGHT * row - 0.02
        colour = COLOURS[(row - 1) % len(COLOURS)]
        put_text(figure, left - edge, y, curve.name, size=BODY, ha="right", va="top", color=colour)
        for tick in ticks:
            x = left + (tick - low) / (high - low) * (right - left)
            put_text(figure, x, y, f"{curve.at_risk(tick):,}", size=BODY, ha="center", va="top")
