"""CONSORT flow: from all patients known to those analysed, the excluded to the right of the step that excluded them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analysis_assets.figures.style import (
    BODY,
    INK,
    LINE_HEIGHT,
    PALE,
    foot_height,
    heading,
    heading_height,
    label_synthetic,
    message_figure,
    new_figure,
    put_text,
    styled,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

TITLE: Final = "Patients from the extract to the analysis"
BOX_WIDTH: Final = 2.6
SIDE_WIDTH: Final = 2.9
GAP: Final = 0.55
LEFT: Final = 0.25
CHARACTERS: Final = 38


@dataclass(frozen=True)
class Box:
    """A box of the main column and what was excluded on the way to the next one."""

    text: str
    excluded: str

    @property
    def height(self) -> float:
        """Height in inches."""
        return _height(self.text)


def _height(text: str) -> float:
    return LINE_HEIGHT * (text.count("\n") + 1) + 0.18


@styled
def consort_figure(cohort_flow: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Return the flow chart of the rows of ``analysis.cohort_flow``; steps that excluded nobody are left out."""
    boxes = _boxes(cohort_flow)
    if not boxes:
        return message_figure(TITLE, "No flow: the extract holds no patients.", synthetic=synthetic)
    gaps = [max(GAP, _height(box.excluded) + 0.16) if box.excluded else GAP for box in boxes[:-1]]
    body = sum(box.height for box in boxes) + sum(gaps)
    foot = foot_height(synthetic) + 0.1
    any_side = any(box.excluded for box in boxes)
    width = LEFT + BOX_WIDTH + 0.45 + SIDE_WIDTH + 0.2 if any_side else 2 * LEFT + BOX_WIDTH + 1.0
    figure = new_figure(width, foot + body + heading_height() + 0.05)
    heading(figure, TITLE)
    top = foot + body
    centre = LEFT + BOX_WIDTH / 2
    for number, box in enumerate(boxes):
        _draw_box(figure, LEFT, top, BOX_WIDTH, box.text)
        top -= box.height
        if number == len(boxes) - 1:
            break
        gap = gaps[number]
        _draw_arrow(figure, (centre, top), (centre, top - gap))
        if box.excluded:
            middle = top - gap / 2
            side = LEFT + BOX_WIDTH + 0.45
            _draw_arrow(figure, (centre, middle), (side, middle))
            _draw_box(figure, side, middle + _height(box.excluded) / 2, SIDE_WIDTH, box.excluded)
        top -= gap
    label_synthetic(figure, synthetic)
    return figure


def consort_text(cohort_flow: pd.DataFrame) -> str:
    """Return the alternative text of ``consort_figure``."""
    boxes = _boxes(cohort_flow)
    if not boxes:
        return f"{TITLE}: the extract holds no patients."
    parts = [" ".join(text.split()) for box in boxes for text in (box.text, box.excluded) if text]
    return f"Flow chart. {TITLE}: {'; '.join(parts)}."


def _boxes(cohort_flow: pd.DataFrame) -> list[Box]:
    rows = cohort_flow.sort_values("step", kind="stable").to_dict("records")
    if not rows:
        return []
    first = rows[0]
    start = int(first["n_remaining"]) + int(first["n_excluded"])
    steps = [row for row in rows if int(row["n_excluded"]) > 0]
    texts = [f"Patients known\nn = {start:,}"]
    excluded: list[str] = []
    for row in steps:
        reason = wrapped(f"Excluded, not met: {row['criterion']}", CHARACTERS)
        excluded.append(f"{reason}\nn = {int(row['n_excluded']):,}")
        texts.append(f"Remaining\nn = {int(row['n_remaining']):,}")
    final = f"Included and analysed\nn = {int(rows[-1]['n_remaining']):,}"
    texts = [*texts[:-1], final] if steps else [*texts, final]
    return [Box(text, side) for text, side in zip(texts, [*excluded, *[""] * len(texts)], strict=False)]


def _draw_box(figure: Figure, left: float, top: float, box_width: float, text: str) -> None:
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches()
    tall = _height(text)
    figure.add_artist(
        Rectangle(
            (left / width, (top - tall) / height),
            box_width / width,
            tall / height,
            transform=figure.transFigure,
            facecolor=PALE,
            edgecolor=INK,
            linewidth=0.8,
        )
    )
    put_text(figure, left + box_width / 2, top - tall / 2, text, size=BODY, ha="center", va="center", linespacing=1.35)


def _draw_arrow(figure: Figure, start: tuple[float, float], end: tuple[float, float]) -> None:
    from matplotlib.patches import FancyArrowPatch

    width, height = figure.get_size_inches()
    figure.add_artist(
        FancyArrowPatch(
            (start[0] / width, start[1] / height),
            (end[0] / width, end[1] / height),
            transform=figure.transFigure,
            arrowstyle="-|>",
            mutation_scale=9,
            linewidth=0.9,
            color=INK,
            shrinkA=0,
            shrinkB=0,
        )
    )
