"""The report: one self-contained page, and every table of it as CSV and DOCX.

Reads a finished build (or a published warehouse) and writes `index.html` and `tables/`; the figures must have been
drawn into `figures/` before. Computes no statistic.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analysis_assets.report.context import ReportContext, read_context

if TYPE_CHECKING:
    import duckdb

    from study import Study

__all__ = ["ReportContext", "build_report", "read_context"]


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
    from analysis_assets.report.assembly import assemble

    return assemble(read_context(connection, study, previous), out_dir)
