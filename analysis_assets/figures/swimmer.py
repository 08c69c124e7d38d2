"""Swimmer plot: one lane per patient from infusion to last contact, with response, transplant, relapse and death."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from analysis_assets.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    INK,
    LINE_HEIGHT,
    ORANGE,
    SKY,
    VERMILION,
    add_axes,
    foot_height,
    heading,
    heading_height,
    label_synthetic,
    legend_above,
    message_figure,
    month_ticks,
    months_axis,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE: Final = "Course of each patient"
WIDTH: Final = 6.8
TALL_LANE, SHORT_LANE = 0.17, 0.05
# With more lanes than this their numbers would have to be smaller than anyone can read.
MOST_NUMBERED: Final = 60
MOST_LANES: Final = 300
NUMBER_EVERY: Final = 10

# Column of the lanes, legend text, marker, fill, edge, relative size. Shapes differ, so colour is never needed to tell
# them apart; the diamond is small enough to leave the circle of a remission on the same day in sight.
EVENTS: Final = (
    ("remission", "complete remission", "o", GREEN, BLACK, 1.2),
    ("mrd_negative", "MRD negative", "D", "white", BLACK, 0.6),
    ("hsct", "HSCT", "^", ORANGE, BLACK, 1.0),
    ("relapse", "relapse", "X", VERMILION, BLACK, 1.0),
    ("treatment_failure", "treatment failure", "v", "white", VERMILION, 1.0),
)
REMISSION_COLOUR: Final = SKY
NO_REMISSION_COLOUR: Final = "#DADADA"


@styled
def swimmer_figure(lanes: pd.DataFrame, n_included: int, *, synthetic: bool = False) -> Figure:
    """Return the swimmer plot.

    Args:
        lanes: ``StudyInputs.swimmer_lanes``, one row per patient, longest follow-up first; at most 300 are drawn.
        n_included: Patients in the study, to say how many are left out.
        synthetic: Whether to label the figure as made from synthetic patients.
    """
    drawn = lanes.head(MOST_LANES).reset_index(drop=True)
    if drawn.empty:
        return message_figure(TITLE, "No lanes: no patient is included.", synthetic=synthetic)
    count = len(drawn)
    lane = TALL_LANE if count <= MOST_NUMBERED else SHORT_LANE
    subtitle = _subtitle(count, n_included)
    legend_height = 3 * LINE_HEIGHT + 0.12
    plot_height = max(lane * count, 0.6)
    bottom = foot_height(synthetic) + 0.5
    figure = new_figure(WIDTH, bottom + plot_height + legend_height + heading_height(subtitle))
    heading(figure, TITLE, subtitle)
    axes = add_axes(figure, 0.7, bottom, WIDTH - 1.0, plot_height)
    size = 5.0 if lane == TALL_LANE else 2.6
    _draw_lanes(axes, drawn, size)
    last = float(drawn["follow_up_months"].max())
    months_axis(axes, last, month_ticks(last))
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_ylabel("Patient, by length of follow-up" if plot_height > 2.2 else "Patient")
    numbered = range(count) if count <= MOST_NUMBERED else range(NUMBER_EVERY - 1, count, NUMBER_EVERY)
    axes.set_yticks(list(numbered), [str(number + 1) for number in numbered], size=6.5)
    axes.tick_params(axis="y", length=0)
    legend_above(
        axes,
        handles=_legend(),
        bbox_to_anchor=(-0.02, 1.0),
        ncol=4,
        borderaxespad=0.2,
        columnspacing=1.2,
        handletextpad=0.5,
        handlelength=2.0,
    )
    label_synthetic(figure, synthetic)
    return figure


def swimmer_text(lanes: pd.DataFrame, n_included: int) -> str:
    """Return the alternative text of ``swimmer_figure``."""
    drawn = lanes.head(MOST_LANES)
    if drawn.empty:
        return f"{TITLE}: no patient is included."
    counts = [f"{int(drawn[column].notna().sum())} with {text}" for column, text, *_ in EVENTS]
    longest = float(drawn["follow_up_months"].max())
    return (
        f"Swimmer plot. {_subtitle(len(drawn), n_included)}. {', '.join(counts)}, {int(drawn['died'].sum())} died; "
        f"longest follow-up {longest:.1f} months."
    )


def _subtitle(drawn: int, included: int) -> str:
    if drawn == included:
        return f"{included:,} patients from infusion to death or last contact"
    return f"{drawn:,} of {included:,} patients, chosen by their keyed hash, from infusion to death or last contact"


def _draw_lanes(axes: Axes, lanes: pd.DataFrame, size: float) -> None:
    y = np.arange(len(lanes))
    follow_up = lanes["follow_up_months"].to_numpy(dtype=float)
    remission = lanes["remission"].to_numpy(dtype=float, na_value=np.nan)
    relapse = lanes["relapse"].to_numpy(dtype=float, na_value=np.nan)
    axes.barh(y, follow_up, height=0.62, color=NO_REMISSION_COLOUR, linewidth=0, zorder=1)
    end = np.where(np.isnan(relapse), follow_up, np.minimum(relapse, follow_up))
    responded = ~np.isnan(remission) & (end > remission)
    axes.barh(
        y[responded],
        (end - remission)[responded],
        left=remission[responded],
        height=0.62,
        color=REMISSION_COLOUR,
        linewidth=0,
        zorder=2,
    )
    for column, _, marker, face, edge, scale in EVENTS:
        at = lanes[column].to_numpy(dtype=float, na_value=np.nan)
        axes.plot(
            at,
            y,
            marker,
            markersize=size * scale,
            markerfacecolor=face,
            markeredgecolor=edge,
            markeredgewidth=0.7,
            linestyle="none",
            zorder=4,
            clip_on=False,
        )
    died = lanes["died"].to_numpy(dtype=bool)
    axes.plot(follow_up[died], y[died], "s", markersize=size * 0.9, color=BLACK, zorder=5, clip_on=False)
    axes.plot(follow_up[~died], y[~died], ">", markersize=size, color=BLUE, zorder=3, clip_on=False)


def _legend() -> list[object]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[object] = [
        Patch(facecolor=REMISSION_COLOUR, label="in remission"),
        Patch(facecolor=NO_REMISSION_COLOUR, label="not in remission"),
    ]
    for _, text, marker, face, edge, scale in EVENTS:
        handle = Line2D([], [], marker=marker, linestyle="none", label=text, markersize=6 * scale)
        handle.set(markerfacecolor=face, markeredgecolor=edge)
        handles.append(handle)
    handles.append(Line2D([], [], marker="s", linestyle="none", color=INK, label="death"))
    handles.append(Line2D([], [], marker=">", linestyle="none", color=BLUE, label="alive at last contact"))
    return handles
