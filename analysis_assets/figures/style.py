"""How every figure looks: colours, strokes and hatches that survive greyscale and colour blindness, and fixed geometry.

Sizes are in inches and positions are worked out from the text they must hold, so nothing depends on how many patients
there are. matplotlib is imported when a figure is drawn, not when this module is.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, ParamSpec

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

P = ParamSpec("P")

# Okabe & Ito 2008, told apart with every kind of colour blindness; ordered so that neighbours differ in lightness too.
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
BLACK: Final = "#000000"
INK: Final = "#222222"
FAINT: Final = "#767676"
RULE: Final = "#D0D0D0"
PALE: Final = "#E8EDF2"

COLOURS: Final = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
STROKES: Final[tuple[Any, ...]] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (5, 1.4, 1.2, 1.4)),
    (0, (8, 2)),
    (0, (2, 3)),
)
HATCHES: Final = ("", "////", "....", "xxxx", "\\\\\\\\", "++")

BODY: Final = 8.0
SMALL: Final = 7.0
TITLE: Final = 10.0
LINE_HEIGHT: Final = 0.17
POINTS_PER_INCH: Final = 72.0
FREETYPE_UNITS: Final = 64  # per point

RC: Final = MappingProxyType(
    {
        "font.family": "DejaVu Sans",
        "font.size": BODY,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": BODY,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": BODY,
        "ytick.labelsize": BODY,
        "legend.frameon": False,
        "legend.fontsize": BODY,
        "lines.linewidth": 1.6,
        "hatch.linewidth": 0.6,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "svg.fonttype": "path",
        "svg.hashsalt": "cart-outcomes",
        "axes.unicode_minus": True,
    }
)

ENDPOINT_NAMES: Final = MappingProxyType(
    {
        "EFS": "Event-free survival",
        "OS": "Overall survival",
        "RFS": "Relapse-free survival",
        "DOR": "Duration of response",
        "RELAPSE": "Relapse",
        "NON_RELAPSE_MORTALITY": "Death without relapse",
        "TIME_TO_CR": "Time to complete remission",
        "TIME_TO_MRD_NEGATIVE": "Time to MRD negativity",
        "FOLLOW_UP": "Follow-up",
        "CR": "Complete remission",
        "MRD_NEGATIVE_CR": "CR, MRD negative",
        "MRD_POSITIVE_CR": "CR, MRD positive",
        "HSCT_BRIDGE": "Bridged to HSCT",
        "SEVERE_CRS": "Severe CRS",
    }
)


def house_style() -> dict[Any, Any]:
    """Return the matplotlib settings that every figure is drawn and saved under."""
    return dict(RC)


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a drawing function under the house style, whatever the caller's matplotlib settings."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        import matplotlib as mpl

        with mpl.rc_context(house_style()):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches with an Agg canvas (no window, no global state)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes at a position in inches from the figure's lower left corner."""
    total_width, total_height = figure.get_size_inches()
    return figure.add_axes((left / total_width, bottom / total_height, width / total_width, height / total_height))


def put_text(figure: Figure, x: float, y: float, text: str, **settings: Any) -> None:
    """Write text at a position in inches from the figure's lower left corner."""
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, **settings)


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float = BODY, weight: str = "normal") -> float:
    """Return how wide the widest line of ``text`` prints, in inches.

    Measured on the font's own advance widths: laying out each letter's outline took a third of the gallery's time.
    """
    font = _font(weight)
    font.set_size(size, POINTS_PER_INCH)
    widths = []
    for line in text.split("\n"):
        font.set_text(line, 0.0)
        widths.append(font.get_width_height()[0] / FREETYPE_UNITS)
    return max(widths, default=0.0) / POINTS_PER_INCH


@functools.cache
def _font(weight: str) -> FT2Font:
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))


def wrapped(text: str, width: int) -> str:
    """Break ``text`` into lines of at most ``width`` characters."""
    return "\n".join(textwrap.wrap(text, width)) or text


def heading(figure: Figure, title: str, subtitle: str = "", left: float = 0.15) -> None:
    """Write title and subtitle into the top margin (see ``heading_height``); a title too long for it is set smaller."""
    width, height = figure.get_size_inches()
    size = min(TITLE, TITLE * (width - 2 * left) / max(text_width(title, TITLE, "bold"), 0.01))
    put_text(figure, left, height - 0.12, title, size=size, weight="bold", va="top")
    if subtitle:
        put_text(figure, left, height - 0.36, subtitle, size=BODY, va="top", color=INK, linespacing=1.35)


def heading_height(subtitle: str = "") -> float:
    """Return the height in inches that title and subtitle need."""
    return 0.40 + (LINE_HEIGHT * (subtitle.count("\n") + 1) + 0.02 if subtitle else 0.0)


def foot_height(synthetic: bool) -> float:
    """Return the height in inches that the label ``synthetic data`` needs at the foot."""
    return 0.26 if synthetic else 0.08


def label_synthetic(figure: Figure, synthetic: bool) -> None:
    """Say at the foot of the figure that its patients are made up."""
    if synthetic:
        width, _ = figure.get_size_inches()
        note = "Synthetic data: no row describes a real patient"
        put_text(figure, width - 0.1, 0.07, note, size=SMALL, ha="right", va="bottom", color=FAINT, style="italic")


@styled
def message_figure(title: str, message: str, *, synthetic: bool = False) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    figure = new_figure(6.4, 1.4)
    heading(figure, title)
    put_text(figure, 0.15, 0.75, wrapped(message, 88), size=BODY, va="center", color=FAINT)
    label_synthetic(figure, synthetic)
    return figure


def p_text(p_value: float | None) -> str:
    """Return ``P = 0.003`` or ``P < 0.001``; empty without a P value."""
    from analysis_assets.rates import rounded

    if p_value is None or not np.isfinite(p_value):
        return ""
    return "P < 0.001" if p_value < 0.001 else f"P = {rounded(p_value, 3)}"


def months_text(value: float | None) -> str:
    """Return months with one decimal; ``not reached`` without a value."""
    from analysis_assets.rates import rounded

    return "not reached" if value is None or not np.isfinite(value) else rounded(value, 1)


def optional(value: Any) -> float | None:
    """Return a table cell as a number, None where it is NULL."""
    import pandas as pd

    return None if pd.isna(value) else float(value)


def text_or_empty(value: Any) -> str:
    """Return a table cell as text, empty where it is NULL."""
    import pandas as pd

    return "" if pd.isna(value) else str(value)


def own_convention(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the study's own convention, which stands first where a table holds several."""
    if frame.empty or "convention" not in frame:
        return frame
    own: pd.DataFrame = frame[frame["convention"] == frame["convention"].iloc[0]]
    return own


def month_ticks(last: float, most: int = 8) -> list[float]:
    """Return ticks from 0 in whole months, a step that people think in, no more than ``most`` up to ``last``."""
    steps = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 36, 60, 120, 240]
    step = next((s for s in steps if last / s <= most - 1), steps[-1])
    return [float(tick) for tick in np.arange(0, last + step / 1000, step)]


def months_axis(axes: Axes, last: float, ticks: list[float], origin: str = "infusion") -> None:
    """Run the horizontal axis from 0 a little past the ``last`` month, ticked in whole steps."""
    axes.set_xlim(0, last * 1.03 if last > 0 else 1)
    axes.set_xticks(ticks, [tick_text(tick) for tick in ticks])
    axes.set_xlabel(f"Months since {origin}", labelpad=3)


def percent_axis(axes: Axes, label: str) -> None:
    """Run the vertical axis from 0 to 100 percent."""
    axes.set_ylim(0, 103)
    axes.set_yticks(range(0, 101, 20), [str(value) for value in range(0, 101, 20)])
    axes.set_ylabel(label)


def legend_above(axes: Axes, **settings: Any) -> None:
    """Set the legend on top of the axes, where no curve can run into it."""
    place = {
        "loc": "lower left",
        "bbox_to_anchor": (0, 1.0),
        "borderaxespad": 0.3,
        "borderpad": 0,
        "labelspacing": 0.35,
    }
    axes.legend(**{**place, "handlelength": 2.6, **settings})


def tick_text(value: float) -> str:
    """Return a tick value without needless decimals."""
    return f"{value:g}"
