"""Adverse events: grades and symptoms of cytokine release, and any phase's events as bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analysis_assets.figures.style import (
    BLUE,
    BODY,
    COLOURS,
    HATCHES,
    INK,
    VERMILION,
    add_axes,
    foot_height,
    heading,
    heading_height,
    label_synthetic,
    message_figure,
    new_figure,
    put_text,
    styled,
    text_or_empty,
    text_width,
    wrapped,
)
from analysis_assets.rates import rounded

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CRS: Final = "CRS"
CRS_TITLE: Final = "Cytokine release syndrome"
ROMAN: Final = ("I", "II", "III", "IV", "V")
ROW_HEIGHT: Final = 0.3
PHASE_TITLES: Final = {"cart": "Adverse events after CAR-T infusion", "hsct": "Adverse events after HSCT"}


@dataclass(frozen=True)
class Share:
    """One bar: what, how many of how many, in percent."""

    label: str
    n: int
    n_total: int
    pct: float

    @property
    def text(self) -> str:
        """``12 (30.8%)``."""
        return f"{self.n:,} ({rounded(self.pct, 1)}%)"


@styled
def crs_figure(adverse_event_rates: pd.DataFrame, *, severe_grade: int = 3, synthetic: bool = False) -> Figure:
    """Return the worst grades of cytokine release (left) and its symptoms (right), in percent of all patients.

    Args:
        adverse_event_rates: Rows of ``analysis.adverse_event_rates``.
        severe_grade: From this grade on the bars are drawn as severe.
        synthetic: Whether to label the figure as made from synthetic patients.
    """
    grades, symptoms = _grades(adverse_event_rates), _symptoms(adverse_event_rates)
    if not grades:
        return message_figure(CRS_TITLE, "No bars: no cytokine release is recorded.", synthetic=synthetic)
    subtitle = f"{grades[0].n_total:,} patients; hatched: severe, grade {ROMAN[severe_grade - 1]} or higher"
    bottom = foot_height(synthetic) + 0.5
    plot_height = max(2.4, ROW_HEIGHT * len(symptoms) + 0.3)
    label_width = max((text_width(share.label) for share in symptoms), default=0.0)
    left_panel = 3.1
    right_start = 0.65 + left_panel + 0.35 + label_width
    width = right_start + 3.0 if symptoms else 0.65 + left_panel + 0.3
    figure = new_figure(width, bottom + plot_height + 0.2 + heading_height(subtitle))
    heading(figure, CRS_TITLE, subtitle)
    axes = add_axes(figure, 0.65, bottom, left_panel, plot_height)
    top = max(share.pct for share in grades)
    for position, share in enumerate(grades):
        severe = position + 1 >= severe_grade
        axes.bar(
            position,
            share.pct,
            width=0.7,
            color=VERMILION if severe else BLUE,
            hatch="////" if severe else "",
            edgecolor="white",
            linewidth=0,
        )
        text = f"{share.n:,}\n{rounded(share.pct, 1)}%"
        axes.text(position, share.pct + top * 0.02, text, ha="center", va="bottom", size=BODY)
    axes.set_xticks(range(len(grades)), list(ROMAN))
    axes.set_ylim(0, top * 1.22)
    axes.set_xlabel("Worst grade")
    axes.set_ylabel("Patients (%)")
    if symptoms:
        bars = add_axes(figure, right_start, bottom, 2.75, plot_height)
        _horizontal_bars(bars, symptoms)
        put_text(
            figure, right_start - label_width - 0.08, bottom + plot_height + 0.06, "Symptoms", size=BODY, weight="bold"
        )
    label_synthetic(figure, synthetic)
    return figure


def crs_text(adverse_event_rates: pd.DataFrame) -> str:
    """Return the alternative text of ``crs_figure``."""
    grades, symptoms = _grades(adverse_event_rates), _symptoms(adverse_event_rates)
    if not grades:
        return f"{CRS_TITLE}: none is recorded."
    by_grade = ", ".join(f"grade {share.label} {share.text}" for share in grades)
    by_symptom = ", ".join(f"{share.label} {share.text}" for share in symptoms)
    total = grades[0].n_total
    return f"Bar charts. {CRS_TITLE} in {total} patients: {by_grade}. Symptoms: {by_symptom or 'none recorded'}."


@styled
def adverse_events_figure(adverse_event_rates: pd.DataFrame, *, phase: str, synthetic: bool = False) -> Figure:
    """Return every event of a phase at any grade as horizontal bars, in percent of that phase's patients.

    Args:
        adverse_event_rates: Rows of ``analysis.adverse_event_rates``.
        phase: ``cart`` or ``hsct``.
        synthetic: Whether to label the figure as made from synthetic patients.
    """
    shares = _any_grade(adverse_event_rates, phase)
    title = PHASE_TITLES.get(phase, f"Adverse events, {phase}")
    if not shares:
        return message_figure(title, "No bars: no adverse event is recorded.", synthetic=synthetic)
    subtitle = f"Any grade, {shares[0].n_total:,} patients"
    label_width = max(text_width(share.label) for share in shares)
    left, bottom = label_width + 0.3, foot_height(synthetic) + 0.5
    plot_height = ROW_HEIGHT * len(shares) + 0.1
    figure = new_figure(left + 3.6, bottom + plot_height + heading_height(subtitle))
    heading(figure, title, subtitle)
    _horizontal_bars(add_axes(figure, left, bottom, 3.3, plot_height), shares)
    label_synthetic(figure, synthetic)
    return figure


def adverse_events_text(adverse_event_rates: pd.DataFrame, *, phase: str) -> str:
    """Return the alternative text of ``adverse_events_figure``."""
    shares = _any_grade(adverse_event_rates, phase)
    title = PHASE_TITLES.get(phase, f"Adverse events, {phase}")
    if not shares:
        return f"{title}: none is recorded."
    return f"Bar chart. {title}, any grade: {', '.join(f'{share.label} {share.text}' for share in shares)}."


def _horizontal_bars(axes: Axes, shares: list[Share]) -> None:
    for position, share in enumerate(shares):
        axes.barh(position, share.pct, height=0.62, color=COLOURS[0], hatch=HATCHES[0], edgecolor="white", linewidth=0)
        axes.text(share.pct + 1.5, position, share.text, va="center", ha="left", size=BODY, color=INK)
    widest = max(text_width(share.text) for share in shares)
    inches = axes.get_position().width * axes.get_figure().get_size_inches()[0]  # type: ignore[union-attr]
    top = max(share.pct for share in shares)
    # The longest bar's text must end inside the axes: solve limit x (1 - text / inches) = bar + gap.
    axes.set_xlim(0, max((top + 3) / (1 - (widest + 0.08) / inches), 20))
    axes.set_ylim(len(shares) - 0.45, -0.55)
    axes.set_yticks(range(len(shares)), [share.label for share in shares])
    axes.tick_params(axis="y", length=0)
    ticks = [tick for tick in range(0, 101, 20) if tick <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlabel("Patients (%)")


def _grades(rates: pd.DataFrame) -> list[Share]:
    rows = rates[(rates["phase"] == "cart") & (rates["term"] == CRS) & rates["n"].notna()]
    if rows.empty:
        return []
    total = int(rows["n_total"].iloc[0])
    found = {int(row["grade"]): int(row["n"]) for row in rows[rows["grade"].notna()].to_dict("records")}
    return [
        Share(ROMAN[grade - 1], found.get(grade, 0), total, 100 * found.get(grade, 0) / total) for grade in range(1, 6)
    ]


def _symptoms(rates: pd.DataFrame) -> list[Share]:
    rows = rates[
        (rates["phase"] == "cart")
        & (rates["parent_term"].fillna("") == CRS)
        & rates["grade"].isna()
        & rates["n"].notna()
    ]
    return _shares(rows, with_parent=False)


def _any_grade(rates: pd.DataFrame, phase: str) -> list[Share]:
    rows = rates[(rates["phase"] == phase) & rates["grade"].isna() & rates["n"].notna()]
    return _shares(rows, with_parent=True)


def _shares(rows: pd.DataFrame, *, with_parent: bool) -> list[Share]:
    shares: list[Share] = []
    for row in rows.to_dict("records"):
        parent = text_or_empty(row["parent_term"]) if with_parent else ""
        label = f"{parent}: {row['term']}" if parent else str(row["term"])
        label = label[:1].upper() + label[1:]
        shares.append(Share(wrapped(label, 34), int(row["n"]), int(row["n_total"]), float(row["pct"])))
    return shares
