"""The report: one self-contained page, and every table of it as CSV and DOCX.

Reads a finished build (or a published warehouse) and writes `index.html` and `tables/`; the figures must have been
drawn into `figures/` before. Computes no statistic.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analysis_assets.report.context import ReportContext, read_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from analysis_assets.gallery import DrawnFigure, InlinedFigure, Plot
    from study import Study

__all__ = ["ReportContext", "build_report", "lay_out_report", "read_context", "write_page"]


def build_report(
    connection: duckdb.DuckDBPyConnection, study: Study, out_dir: Path, *, previous: Path | None = None
) -> Path:
    """Write the report of a warehouse into `out_dir` and return the page.

    Args:
        connection: Connection to the warehouse with schemas marts, analysis and quality.
        study: The study that made it.
        out_dir: Folder of the report; `figures/` in it is shown where it is there.
        previous: The last published warehouse, to say what changed since.
    """
    from analysis_assets.gallery import inlined, read_gallery

    folder = out_dir / "figures"
    figures = read_gallery(folder)
    page = lay_out_report(connection, study, out_dir, figures, previous=previous)
    return write_page(page, [inlined(figure, folder) for figure in figures], out_dir)


def lay_out_report(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    out_dir: Path,
    figures: Sequence[Plot | DrawnFigure],
    *,
    previous: Path | None = None,
) -> str:
    """Write the report's tables into `out_dir` and return its page, still without the figures' drawings.

    Args:
        connection: Connection to the warehouse with schemas marts, analysis and quality.
        study: The study that made it.
        out_dir: Folder of the report.
        figures: What will stand in it, in this order; `write_page` takes the drawings.
        previous: The last published warehouse, to say what changed since.
    """
    from analysis_assets.report.assembly import lay_out

    return lay_out(read_context(connection, study, previous), figures, out_dir)


def write_page(page: str, figures: Sequence[InlinedFigure], out_dir: Path) -> Path:
    """Write a page that was laid out, with the drawings in it, as `index.html` and return its path."""
    from analysis_assets.report.page import fill_slots

    path = out_dir / "index.html"
    path.write_text(fill_slots(page, figures), encoding="utf-8")
    return path
