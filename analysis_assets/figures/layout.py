"""Whether a figure can be read: text that collides with other text or leaves the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Boxes that only touch are fine; letters rarely fill their box to the edge.
TOLERANCE_PIXELS: Final = 1.0


@dataclass(frozen=True)
class TextBox:
    """One printed text and the corners of its box in pixels."""

    text: str
    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: TextBox) -> bool:
        """Whether the two boxes share more than a hair."""
        across = min(self.right, other.right) - max(self.left, other.left)
        up = min(self.top, other.top) - max(self.bottom, other.bottom)
        return across > TOLERANCE_PIXELS and up > TOLERANCE_PIXELS


def text_boxes(figure: Figure) -> list[TextBox]:
    """Return every text that the figure prints; tick labels beyond the axis limits are not printed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas: Any = FigureCanvasAgg(figure)  # matplotlib leaves its canvas untyped
    canvas.draw()
    hidden = _ticks_out_of_view(figure)
    boxes: list[TextBox] = []
    for artist in figure.findobj(Text):
        if not isinstance(artist, Text) or not artist.get_visible() or not artist.get_text().strip():
            continue
        if id(artist) in hidden:
            continue
        box = artist.get_window_extent(canvas.get_renderer())
        boxes.append(TextBox(artist.get_text(), box.x0, box.y0, box.x1, box.y1))
    return boxes


def overlapping_texts(figure: Figure, boxes: Sequence[TextBox] | None = None) -> list[tuple[str, str]]:
    """Return every pair of texts whose boxes overlap; ``boxes`` of the figure where they are known already."""
    printed = text_boxes(figure) if boxes is None else boxes
    return [(a.text, b.text) for i, a in enumerate(printed) for b in printed[i + 1 :] if a.overlaps(b)]


def texts_off_page(figure: Figure, boxes: Sequence[TextBox] | None = None) -> list[str]:
    """Return the texts that stick out of the figure; ``boxes`` of the figure where they are known already."""
    width, height = figure.get_size_inches() * figure.dpi
    edge = TOLERANCE_PIXELS
    return [
        box.text
        for box in (text_boxes(figure) if boxes is None else boxes)
        if box.left < -edge or box.bottom < -edge or box.right > width + edge or box.top > height + edge
    ]


def _ticks_out_of_view(figure: Figure) -> set[int]:
    hidden: set[int] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * max(1.0, abs(high - low))
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                out = not low - slack <= tick.get_loc() <= high + slack
                if out or not axes.get_visible() or not axes.axison:
                    hidden.update((id(tick.label1), id(tick.label2)))
    return hidden
