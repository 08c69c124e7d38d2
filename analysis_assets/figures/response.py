"""Response: rates as bars with their intervals, and the days from infusion to response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from analysis_assets.figures.style import (
    BLACK,
    BODY,
    COLOURS,
    ENDPOINT_NAMES,
    HATCHES,
    INK,
    LINE_HEIGHT,
    add_axes,
    foot_height,
    heading,
    heading_height,
    label_synthetic,
    message_figure,
    new_figure,
    optional,
    put_text,
    styled,
    text_or_empty,
    wrapped,
)
from analysis_assets.rates import CLOPPER_PEARSON, rounded

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

RESPONSE_ENDPOINTS: Final = ("CR", "MRD_NEGATIVE_CR", "MRD_POSITIVE_CR", "HSCT_BRIDGE")
RESPONSE_TITLE: Final = "Response to CAR-T therapy"
TIMES_TITLE: Final = "Time from infusion to response"
NO_RESPONSE: Final = "No bars: no included patient was assessed for response."
NOBODY: Final = "No bars: no patient is included."
NO_TIMES: Final = "Nothing to draw: no patient has a dated response."


@styled
def response_figure(response_rates: pd.DataFrame, *, nobody: bool = False, synthetic: bool = False) -> Figure:
    """Return the bar chart of the response rates with exact 95% intervals.

    Args:
        response_rates: Rows of ``analysis.response_rates``.
        nobody: Whether no patient is included at all.
        synthetic: Whether to label the figure as made from synthetic patients.
    """
    rates = _response_rows(response_rates)
    if not rates:
        return message_figure(RESPONSE_TITLE, NOBODY if nobody else NO_RESPONSE, synthetic=synthetic)
    subtitle = "Share of all included patients; bars: 95% confidence interval (Clopper–Pearson)"
    foot, plot_height = foot_height(synthetic), 2.8
    bottom = foot + 0.5
    figure = new_figure(5.8, bottom + plot_height + heading_height(subtitle))
    heading(figure, RESPONSE_TITLE, subtitle)
    axes = add_axes(figure, 0.6, bottom, 5.0, plot_height)
    for position, rate in enumerate(rates):
        pct, low, high = float(rate["pct"]), float(rate["ci_low"]), float(rate["ci_high"])
        axes.bar(
            position,
            pct,
            width=0.62,
            color=COLOURS[position],
            hatch=HATCHES[position],
            edgecolor="white",
            linewidth=0,
        )
        axes.errorbar(position, pct, [[max(pct - low, 0)], [max(high - pct, 0)]], color=BLACK, capsize=4, linewidth=1.1)
        text = f"{rounded(pct, 1)}%\n{int(rate['n']):,} of {int(rate['n_total']):,}"
        axes.text(position, max(high, pct) + 2, text, ha="center", va="bottom", size=BODY)
    axes.set_xlim(-0.6, len(rates) - 0.4)
    axes.set_ylim(0, 122)
    axes.set_yticks(range(0, 101, 20), [str(value) for value in range(0, 101, 20)])
    axes.spines["left"].set_bounds(0, 100)
    axes.set_ylabel("Patients (%)")
    axes.yaxis.set_label_coords(-0.075, 50 / 122)
    names = [wrapped(ENDPOINT_NAMES[str(rate["endpoint"])], 14) for rate in rates]
    axes.set_xticks(range(len(rates)), names)
    axes.tick_params(axis="x", length=0)
    label_synthetic(figure, synthetic)
    return figure


def response_text(response_rates: pd.DataFrame, *, nobody: bool = False) -> str:
    """Return the alternative text of ``response_figure``."""
    rates = _response_rows(response_rates)
    if not rates:
        return f"{RESPONSE_TITLE}. {NOBODY if nobody else NO_RESPONSE}"
    parts = [
        f"{ENDPOINT_NAMES[str(rate['endpoint'])]} {rounded(rate['pct'], 1)}% "
        f"({int(rate['n'])} of {int(rate['n_total'])}; "
        f"95% CI {rounded(rate['ci_low'], 1)}–{rounded(rate['ci_high'], 1)})"
        for rate in rates
    ]
    return f"Bar chart. {RESPONSE_TITLE}: {'; '.join(parts)}."


def _response_rows(response_rates: pd.DataFrame) -> list[dict[str, Any]]:
    known = response_rates[(response_rates["ci_method"] == CLOPPER_PEARSON) & response_rates["n"].notna()]
    rows = {str(row["endpoint"]): row for row in known.to_dict("records")}
    return [{str(k): v for k, v in rows[name].items()} for name in RESPONSE_ENDPOINTS if name in rows]


@styled
def response_times_figure(
    response_times: pd.DataFrame, response_time_distribution: pd.DataFrame, *, synthetic: bool = False
) -> Figure:
    """Return how many patients reached each response on which day, with mean and standard deviation.

    Args:
        response_times: Rows of ``analysis.response_times``.
        response_time_distribution: Rows of ``analysis.response_time_distribution``.
        synthetic: Whether to label the figure as made from synthetic patients.
    """
    reached = _reached(response_times)
    if not reached:
        return message_figure(TIMES_TITLE, NO_TIMES, synthetic=synthetic)
    subtitle = "Patients per day; dot and line: mean ± standard deviation"
    foot, panel, gap, left = foot_height(synthetic), 1.05, 0.42, 2.15
    bottom = foot + 0.5
    height = bottom + len(reached) * panel + (len(reached) - 1) * gap + heading_height(subtitle) + 0.05
    figure = new_figure(6.4, height)
    heading(figure, TIMES_TITLE, subtitle)
    last = float(response_time_distribution["time_days"].max())
    for position, row in enumerate(reached):
        base = bottom + (len(reached) - 1 - position) * (panel + gap)
        axes = add_axes(figure, left, base, 6.4 - left - 0.3, panel)
        chosen = response_time_distribution["endpoint"] == row["endpoint"]
        days = response_time_distribution.loc[chosen, "time_days"].to_numpy(dtype=float)
        counts = response_time_distribution.loc[chosen, "n"].to_numpy(dtype=float)
        axes.bar(
            days, counts, width=0.8, color=COLOURS[position], hatch=HATCHES[position], edgecolor="white", linewidth=0
        )
        most = float(counts.max())
        mean, sd = float(row["mean"]), optional(row["sd"]) or 0.0
        axes.errorbar(mean, 1.18 * most, xerr=[[min(sd, mean)], [sd]], fmt="o", color=INK, capsize=3, markersize=4)
        axes.set_ylim(0, 1.35 * most)
        axes.set_xlim(0, max(last, mean + sd) * 1.04 + 1)
        middle = int(most // 2)
        ticks = [0, int(most)] if most < 4 else [0, middle, int(most)]
        axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.spines["left"].set_bounds(0, most)
        if position == len(reached) - 1:
            axes.set_xlabel("Days since infusion")
        _label_panel(figure, base + panel, row)
    label_synthetic(figure, synthetic)
    return figure


def _label_panel(figure: Figure, top: float, row: dict[str, Any]) -> None:
    lines = (ENDPOINT_NAMES[str(row["endpoint"])].removeprefix("Time to "), f"n = {int(row['n']):,}", _mean_text(row))
    for number, line in enumerate(lines):
        shown = line[:1].upper() + line[1:] if number == 0 else line
        weight = "bold" if number == 0 else "normal"
        put_text(figure, 0.15, top - 0.1 - number * LINE_HEIGHT, shown, size=BODY, va="top", weight=weight)


def response_times_text(response_times: pd.DataFrame) -> str:
    """Return the alternative text of ``response_times_figure``."""
    reached = _reached(response_times)
    if not reached:
        return f"{TIMES_TITLE}. {NO_TIMES}"
    parts = [
        f"{ENDPOINT_NAMES[str(row['endpoint'])].removeprefix('Time to ')}: {_mean_text(row)}, "
        f"{text_or_empty(row['n'])} patients, day {rounded(row['min'], 0)} to {rounded(row['max'], 0)}"
        for row in reached
    ]
    return f"Histogram. {TIMES_TITLE}. {'; '.join(parts)}."


def _mean_text(row: dict[str, Any]) -> str:
    sd = optional(row["sd"])
    spread = f" ± {rounded(sd, 1)}" if sd is not None else ""
    return f"{rounded(float(row['mean']), 1)}{spread} days"


def _reached(response_times: pd.DataFrame) -> list[dict[str, Any]]:
    known = response_times[response_times["n"].fillna(0) > 0]
    return [{str(k): v for k, v in row.items()} for row in known.to_dict("records") if np.isfinite(row["mean"])]
