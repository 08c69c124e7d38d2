"""Figures as files: SVG with the letters as outlines and PNG at 200 dpi, the same bytes for the same figure."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analysis_assets.figures.style import house_style
from analysis_assets.xml_text import xml_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DPI: Final = 200
PNG_COMPRESSION: Final = 2  # 0 to 9: a third of the time of the default 6, files a tenth larger


def save_figure(figure: Figure, folder: Path, name: str, *, description: str = "") -> tuple[Path, Path]:
    """Write ``<name>.svg`` and ``<name>.png`` into ``folder`` and return both paths.

    Letters are outlines in the SVG, so it looks the same without the font. No date, no program version and fixed ids:
    the same figure gives the same bytes. ``description`` (the alternative text) is kept in both files.
    """
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    with mpl.rc_context(house_style()):
        about = {"Description": xml_text(description)} if description else {}
        drawing = StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None, "Title": name, **about})
        svg.write_text(xml_text(drawing.getvalue()), encoding="utf-8", newline="\n")  # texts are repeated in comments
        figure.savefig(
            png,
            format="png",
            dpi=PNG_DPI,
            metadata={"Software": None, "Title": name, **about},
            pil_kwargs={"compress_level": PNG_COMPRESSION},
        )
    return svg, png
