"""Forest plots of Cox and logistic models: estimate, interval and P per row on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analysis_assets.figures.style import (
    BLUE,
    BODY,
    ENDPOINT_NAMES,
    FAINT,
    INK,
    PALE,
    RULE,
    SMALL,
    VERMILION,
    add_axes,
    foot_height,
    heading,
    heading_height,
    label_synthetic,
    message_figure,
    new_figure,
    optional,
    own_convention,
    put_text,
    styled,
    text_or_empty,
    text_width,
    tick_text,
    wrapped,
)
from analysis_assets.rates import rounded

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT: Final = 0.235
PLOT_WIDTH: Final = 2.7
# The axis never runs further: what lies beyond is drawn as an arrow, its figures stand in the column beside it.
AXIS_FLOOR, AXIS_CEILING = 0.01, 100.0
SEPARATED: Final = "†"
SEPARATED_NOTE: Final = (
    f"{SEPARATED} Separated: one level has no event or nothing but events, so the maximum-likelihood estimate does not "
    "exist. Open diamond: Firth's penalised estimate with its profile-likelihood interval."
)
AFTER_TIME_ZERO: Final = "‡"
AFTER_TIME_ZERO_NOTE: Final = (
    f"{AFTER_TIME_ZERO} Becomes known only after the infusion but is taken as known on day 0 (immortal-time bias): "
    "read the landmark and time-dependent rows instead."
)
# How the table's note begins or continues where a model takes the future as known on day 0.
IMMORTAL_TIME: Final = "immortal-time bias"
MODEL_NAMES: Final[Mapping[str, str]] = {
    "univariate": "Univariate",
    "multivariate": "Multivariate, forward stepwise",
    "time_dependent": "Time-dependent covariate",
    "landmark_60d": "Landmark at 60 days",
    "landmark_100d": "Landmark at 100 days",
}


@dataclass(frozen=True)
class ForestRow:
    """One printed row; a heading has no estimate and no contrast."""

    label: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    separated: bool = False
    after_time_zero: bool = False
    is_heading: bool = False

    @property
    def figures(self) -> str:
        """Estimate and interval as printed."""
        if self.is_heading:
            return ""
        if self.estimate is None or not np.isfinite(self.estimate):
            return "not estimable"
        return f"{ratio_text(self.estimate)} ({ratio_text(self.low)}–{ratio_text(self.high)})"

    @property
    def marks(self) -> str:
        """The footnote marks of the row."""
        return (SEPARATED if self.separated else "") + (AFTER_TIME_ZERO if self.after_time_zero else "")

    @property
    def p(self) -> str:
        """P value as printed; empty without one."""
        if self.p_value is None or not np.isfinite(self.p_value):
            return ""
        return "<0.001" if self.p_value < 0.001 else rounded(self.p_value, 3)


def ratio_text(value: float | None) -> str:
    """Return a ratio with the decimals that tables print it with; ``–`` without a value."""
    if value is None or np.isnan(value):
        return "–"
    if value > 9999:
        return "∞" if np.isinf(value) else ">9999"
    return rounded(value, 3 if value < 10 else 2 if value < 100 else 1)


@styled
def forest_figure(
    models: pd.DataFrame,
    *,
    outcome: str,
    labels: Mapping[str, str] | None = None,
    synthetic: bool = False,
) -> Figure:
    """Return the forest plot of one outcome of ``analysis.cox_models`` or ``analysis.logistic_models``.

    Args:
        models: Rows of one of the two tables (told apart by ``hazard_ratio`` or ``odds_ratio``).
        outcome: The endpoint (Cox) or outcome (logistic) to draw.
        labels: Covariate name to its text for people; the name itself where it is left out.
        synthetic: Whether to label the figure as made from synthetic patients.
    """
    rows = forest_rows(models, outcome, labels or {})
    title = _title(models, outcome)
    if not any(not row.is_heading for row in rows):
        return message_figure(title, f"No model of {outcome} could be fitted.", synthetic=synthetic)
    ratio = _ratio_name(models)
    header = f"{ratio} (95% CI)"
    label_width = max(text_width(row.label, weight="bold" if row.is_heading else "normal") for row in rows) + 0.25
    figures_width = max(text_width(header, weight="bold"), *(text_width(row.figures) for row in rows)) + 0.3
    p_width = max(text_width("<0.001†‡"), text_width("P")) + 0.2
    width = max(label_width + PLOT_WIDTH + figures_width + p_width + 0.3, 6.2)
    note = _footnotes(rows, width - 0.3)
    note_height = 0.14 * (note.count("\n") + 1) + 0.05 if note else 0.0
    bottom = foot_height(synthetic) + note_height + 0.62
    plot_height = ROW_HEIGHT * (len(rows) + 1)
    figure = new_figure(width, bottom + plot_height + heading_height())
    heading(figure, title)
    axes = add_axes(figure, label_width, bottom, PLOT_WIDTH, plot_height)
    bounds = _axis_bounds(rows)
    _prepare_axes(axes, len(rows), bounds)
    what = "risk" if ratio == "Hazard ratio" else "odds"
    put_text(figure, label_width, bottom - 0.3, f"← lower {what}", size=SMALL, va="top")
    put_text(figure, label_width + PLOT_WIDTH, bottom - 0.3, f"higher {what} →", size=SMALL, va="top", ha="right")
    columns = (0.15, label_width + PLOT_WIDTH + 0.15, label_width + PLOT_WIDTH + figures_width + 0.05)
    top = bottom + plot_height - ROW_HEIGHT / 2
    for x, text in zip(columns[1:], (header, "P"), strict=True):
        put_text(figure, x, top, text, size=BODY, va="center", weight="bold")
    for number, row in enumerate(rows, start=1):
        y = top - number * ROW_HEIGHT
        weight = "bold" if row.is_heading else "normal"
        for x, text in zip(columns, (row.label, row.figures, row.p + row.marks), strict=True):
            if text:
                put_text(figure, x, y, text, size=BODY, va="center", weight=weight)
        if number % 2 == 0:
            _shade(figure, y, width)
        if not row.is_heading:
            _draw_row(axes, row, number, bounds)
    if note:
        put_text(figure, 0.15, foot_height(synthetic) + note_height, note, size=SMALL, va="top", color=FAINT)
    label_synthetic(figure, synthetic)
    return figure


def forest_text(models: pd.DataFrame, *, outcome: str, labels: Mapping[str, str] | None = None) -> str:
    """Return the alternative text of ``forest_figure``."""
    rows = forest_rows(models, outcome, labels or {})
    parts = [f"Forest plot. {_title(models, outcome)}."]
    for row in rows:
        if row.is_heading:
            parts.append(f"{row.label}:")
            continue
        p = f", P {row.p}" if row.p else ""
        mark = ", separated, Firth's estimate" if row.separated else ""
        warning = ", immortal-time bias" if row.after_time_zero else ""
        parts.append(f"{row.label}: {row.figures}{p}{mark}{warning};")
    return " ".join(parts).rstrip(";") + "."


def forest_rows(models: pd.DataFrame, outcome: str, labels: Mapping[str, str]) -> list[ForestRow]:
    """Return the printed rows of one outcome, one heading per model."""
    own = own_convention(models)
    chosen = own[own[_outcome_column(models)] == outcome]
    estimate = _estimate_column(models)
    rows: list[ForestRow] = []
    for model in dict.fromkeys(chosen["model"]):
        rows.append(ForestRow(MODEL_NAMES.get(str(model), str(model).replace("_", " ")), is_heading=True))
        for record in chosen[chosen["model"] == model].to_dict("records"):
            term = text_or_empty(record["term"])
            contrast = text_or_empty(record["contrast"])
            rows.append(
                ForestRow(
                    label=_row_label(labels.get(term, term), contrast),
                    estimate=optional(record[estimate]),
                    low=optional(record["ci_low"]),
                    high=optional(record["ci_high"]),
                    p_value=optional(record["p_value"]),
                    separated=text_or_empty(record.get("estimator")) == "firth",
                    after_time_zero=IMMORTAL_TIME in text_or_empty(record.get("note")),
                )
            )
    return rows


def _footnotes(rows: Sequence[ForestRow], width: float) -> str:
    """Return the footnotes that the rows call for, broken to ``width`` inches."""
    called = {mark for row in rows for mark in row.marks}
    characters = int(width / text_width("n" * 20, SMALL) * 20)
    notes = {SEPARATED: SEPARATED_NOTE, AFTER_TIME_ZERO: AFTER_TIME_ZERO_NOTE}
    return "\n".join(wrapped(note, characters) for mark, note in notes.items() if mark in called)


def _row_label(label: str, contrast: str) -> str:
    return f"{label}: {contrast}" if contrast else label


def _outcome_column(models: pd.DataFrame) -> str:
    return "endpoint" if "endpoint" in models else "outcome"


def _estimate_column(models: pd.DataFrame) -> str:
    return "hazard_ratio" if "hazard_ratio" in models else "odds_ratio"


def _ratio_name(models: pd.DataFrame) -> str:
    return "Hazard ratio" if _estimate_column(models) == "hazard_ratio" else "Odds ratio"


def _title(models: pd.DataFrame, outcome: str) -> str:
    method = "Cox regression" if _estimate_column(models) == "hazard_ratio" else "logistic regression"
    return f"{ENDPOINT_NAMES.get(outcome, outcome)}: {method}"


def _axis_bounds(rows: Sequence[ForestRow]) -> tuple[float, float]:
    values = [
        v for row in rows for v in (row.estimate, row.low, row.high) if v is not None and np.isfinite(v) and v > 0
    ]
    low = max(min([*values, 0.5]) / 1.15, AXIS_FLOOR)
    high = min(max([*values, 2.0]) * 1.15, AXIS_CEILING)
    return low, high


def _prepare_axes(axes: Axes, count: int, bounds: tuple[float, float]) -> None:
    from matplotlib.ticker import NullFormatter, NullLocator

    axes.patch.set_visible(False)
    axes.set_xscale("log")
    axes.set_xlim(*bounds)
    axes.set_ylim(count + 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ticks = _log_ticks(bounds)
    axes.set_xticks(ticks, [tick_text(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.plot([1, 1], [0.4, count + 0.5], color=INK, linewidth=0.9, zorder=1)
    for tick in ticks:
        axes.plot([tick, tick], [0.4, count + 0.5], color=RULE, linewidth=0.5, zorder=0.5)


def _shade(figure: Figure, y: float, width: float) -> None:
    """Tint one row from edge to edge, so that the eye finds its figures."""
    from matplotlib.patches import Rectangle

    _, height = figure.get_size_inches()
    corner, size = (0.1 / width, (y - ROW_HEIGHT / 2) / height), ((width - 0.2) / width, ROW_HEIGHT / height)
    figure.add_artist(Rectangle(corner, *size, transform=figure.transFigure, color=PALE, linewidth=0, zorder=-1))


def _log_ticks(bounds: tuple[float, float]) -> list[float]:
    low, high = bounds
    wide = high / low > 300
    candidates = [base * 10.0**power for power in range(-3, 4) for base in ((1,) if wide else (1, 2, 5))]
    return [round(tick, 6) for tick in candidates if low <= tick <= high]


def _draw_row(axes: Axes, row: ForestRow, y: int, bounds: tuple[float, float]) -> None:
    if row.estimate is None or not np.isfinite(row.estimate):
        return
    colour = VERMILION if row.separated else BLUE
    low = _inside(row.low, bounds, bounds[0])
    high = _inside(row.high, bounds, bounds[1])
    axes.plot([low, high], [y, y], color=colour, linewidth=1.4, linestyle="--" if row.separated else "-", zorder=2)
    for end, limit, marker in ((row.low, bounds[0], "<"), (row.high, bounds[1], ">")):
        beyond = end is None or (end < limit if marker == "<" else end > limit)
        if beyond:
            axes.plot(limit, y, marker, color=colour, markersize=5, clip_on=False, zorder=3)
    centre = _inside(row.estimate, bounds, bounds[0])
    marker, face = ("D", "white") if row.separated else ("s", colour)
    axes.plot(centre, y, marker, color=colour, markerfacecolor=face, markersize=5, zorder=4)


def _inside(value: float | None, bounds: tuple[float, float], default: float) -> float:
    return default if value is None or np.isnan(value) else min(max(value, bounds[0]), bounds[1])
