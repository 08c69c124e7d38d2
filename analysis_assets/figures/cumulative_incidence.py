"""Cumulative incidence of relapse against death without relapse (Aalen-Johansen), for all or by one factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from analysis_assets.figures.style import (
    COLOURS,
    ENDPOINT_NAMES,
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
    own_convention,
    p_text,
    percent_axis,
    styled,
    text_width,
)
from analysis_assets.rates import rounded

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COMPETING_ENDPOINTS: Final = ("RELAPSE", "NON_RELAPSE_MORTALITY")
WIDTH: Final = 6.2
CURVE_HEIGHT: Final = 2.9
# More bands than this cover each other and the curves.
MOST_BANDS: Final = 2
NOTHING: Final = "No curve: no patient has follow-up for relapse and death without relapse."


@styled
def cumulative_incidence_figure(
    cumulative_incidence: pd.DataFrame,
    *,
    factor: str = "",
    factor_label: str = "",
    p_values: dict[str, float] | None = None,
    synthetic: bool = False,
) -> Figure:
    """Return the cumulative incidence of relapse and of death without relapse.

    Args:
        cumulative_incidence: Rows of ``analysis.cumulative_incidence``.
        factor: Which factor; empty for the whole cohort.
        factor_label: The factor's text for people.
        p_values: Gray's test by endpoint, to stand in the subtitle.
        synthetic: Whether to label the figure as made from synthetic patients.
    """
    curves = _curves(cumulative_incidence, factor)
    title = _title(factor, factor_label)
    if not curves:
        return message_figure(title, NOTHING, synthetic=synthetic)
    subtitle = _gray(p_values or {})
    legend_height = LINE_HEIGHT * len(curves) + 0.12
    bottom = foot_height(synthetic) + 0.5
    width = max(WIDTH, 0.7 + max(text_width(name) for name in curves) + 0.9)
    figure = new_figure(width, bottom + CURVE_HEIGHT + legend_height + heading_height(subtitle))
    heading(figure, title, subtitle)
    axes = add_axes(figure, 0.7, bottom, width - 1.0, CURVE_HEIGHT)
    for position, (name, rows) in enumerate(curves.items()):
        colour, stroke = COLOURS[position % len(COLOURS)], STROKES[position % len(STROKES)]
        time = np.concatenate(([0.0], rows["time_months"].to_numpy(dtype=float)))
        incidence, low, high = (
            100 * np.concatenate(([0.0], rows[column].to_numpy(dtype=float, na_value=np.nan)))
            for column in ("incidence", "ci_low", "ci_high")
        )
        if len(curves) <= MOST_BANDS:
            axes.fill_between(time, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
        axes.step(time, incidence, where="post", color=colour, linestyle=stroke, label=name)
    last = max(float(rows["time_months"].max()) for rows in curves.values())
    months_axis(axes, last, month_ticks(last))
    percent_axis(axes, "Cumulative incidence (%)")
    legend_above(axes)
    label_synthetic(figure, synthetic)
    return figure


def cumulative_incidence_text(
    cumulative_incidence: pd.DataFrame,
    *,
    factor: str = "",
    factor_label: str = "",
    p_values: dict[str, float] | None = None,
) -> str:
    """Return the alternative text of ``cumulative_incidence_figure``."""
    curves = _curves(cumulative_incidence, factor)
    title = _title(factor, factor_label)
    if not curves:
        return f"{title}. {NOTHING}"
    ends = [
        f"{name}: {rounded(100 * float(rows['incidence'].iloc[-1]), 1)}% at "
        f"{months_text(float(rows['time_months'].iloc[-1]))} months"
        for name, rows in curves.items()
    ]
    gray = _gray(p_values or {})
    return f"Cumulative incidence curves. {title}. {'; '.join(ends)}.{f' {gray}.' if gray else ''}"


def _title(factor: str, factor_label: str) -> str:
    return "Relapse and death without relapse" + (f" by {factor_label or factor}" if factor else "")


def _gray(p_values: dict[str, float]) -> str:
    shown = [
        f"{ENDPOINT_NAMES[name].lower()} {p_text(p_values[name])}" for name in COMPETING_ENDPOINTS if name in p_values
    ]
    return f"Gray's test: {', '.join(shown)}" if shown else ""


def _curves(cumulative_incidence: pd.DataFrame, factor: str) -> dict[str, pd.DataFrame]:
    own = own_convention(cumulative_incidence)
    own = own[(own["factor"].fillna("") == factor) & own["time_months"].notna()]
    curves: dict[str, pd.DataFrame] = {}
    for endpoint in COMPETING_ENDPOINTS:
        of_endpoint = own[own["endpoint"] == endpoint]
        for level in dict.fromkeys(of_endpoint["level"].fillna("")):
            rows = of_endpoint[of_endpoint["level"].fillna("") == level].sort_values("time_months", kind="stable")
            name = ENDPOINT_NAMES[endpoint] + (f", {level}" if level else "")
            curves[name] = rows
    return curves
