"""Dagster wrappers of the analyses: tables of schema `analysis`, figures, report. No arithmetic here."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import dagster as dg

from analysis_assets.catalogue import TABLES, AnalysisTable, build_tables
from warehouse import WarehouseHome, connect_build, connect_read_only, table_exists, write_table

if TYPE_CHECKING:
    import duckdb

    from analysis_assets.column_origins import Origin
    from analysis_assets.drawing import DrawingProcess
    from analysis_assets.gallery import DrawnFigure
    from study import Study

STATISTICS: Final = "team:statistics"
# The second process draws meanwhile; what else is ready goes first, so that this step has less to wait for.
_LAST: Final = {"dagster/priority": "-2"}
FIGURES: Final = "figures"
"""Folder of the figures in that of the report."""
_KM_PREVIEWS: Final = ("km_efs", "km_os")


class AnalysisContext(Protocol):
    """What an analysis step needs of the refresh."""

    @property
    def home(self) -> WarehouseHome:
        """The warehouse home."""

    @property
    def study(self) -> "Study":
        """The study file."""

    @property
    def memory_limit(self) -> str:
        """DuckDB's memory limit, such as `4GB`."""

    @property
    def code_version(self) -> str:
        """Version of the code: figures of another one are drawn anew."""

    @property
    def drawing(self) -> "DrawingProcess":
        """The second process that draws."""

    def describe(
        self, connection: "duckdb.DuckDBPyConnection", table: str, origins: "Mapping[str, tuple[Origin, ...]]"
    ) -> dict[str, Any]:
        """What Dagster's pages show of an analysis table: columns, what they are made of, first rows."""


def _key(table: AnalysisTable) -> dg.AssetKey:
    return dg.AssetKey(["analysis", table.name])


def analysis_assets() -> list[dg.AssetsDefinition]:
    """Return the analysis tables, the figures and the report as assets."""
    return [analysis_tables(), published_tables(), report()]


def _spec(table: AnalysisTable) -> dg.AssetSpec:
    return dg.AssetSpec(
        _key(table),
        deps=[dg.AssetKey(["marts", mart]) for mart in table.marts],
        group_name="analysis",
        kinds={"python", "duckdb"},
        owners=[STATISTICS],
        description=f"Grain: one row per {table.grain}. Every row names its convention.",
    )


def analysis_tables() -> dg.AssetsDefinition:
    """Return one step that builds every table of schema `analysis`: they share the aggregates that DuckDB makes."""

    @dg.multi_asset(name="analysis_tables", specs=[_spec(table) for table in TABLES])
    def analysis_tables(refresh: dg.ResourceParam[AnalysisContext]) -> Iterator[dg.MaterializeResult[None]]:
        from analysis_assets.column_origins import column_origins

        with connect_build(refresh.home.build_database, refresh.memory_limit) as connection:
            for table, frame in build_tables(connection, refresh.study):
                rows = write_table(connection, "analysis", table.name, frame)
                shown = refresh.describe(connection, table.name, column_origins(table.name, refresh.study))
                yield dg.MaterializeResult(_key(table), metadata={"dagster/row_count": rows, **shown})
        begin_drawing(refresh)

    return analysis_tables


def published_tables() -> dg.AssetsDefinition:
    """Return the step that audits the published figures and compares them with tonight's."""
    grains = {
        "published_audit": "finding of the paper against itself; none where it agrees",
        "published_comparison": "published figure",
    }
    specs = [
        dg.AssetSpec(
            dg.AssetKey(["analysis", name]),
            deps=[_key(table) for table in TABLES],
            group_name="analysis",
            kinds={"python", "duckdb"},
            owners=[STATISTICS],
            description=f"Grain: one row per {grain}.",
        )
        for name, grain in grains.items()
    ]

    @dg.multi_asset(name="published_figures", specs=specs)
    def published_figures(refresh: dg.ResourceParam[AnalysisContext]) -> Iterator[dg.MaterializeResult[None]]:
        from analysis_assets.column_origins import comparison_origins
        from analysis_assets.published_comparison import build_published_tables

        with connect_build(refresh.home.build_database, refresh.memory_limit) as connection:
            for name, frame in build_published_tables(connection, refresh.study).items():
                rows = write_table(connection, "analysis", name, frame)
                shown = refresh.describe(connection, name, comparison_origins(frame))
                yield dg.MaterializeResult(
                    dg.AssetKey(["analysis", name]), metadata={"dagster/row_count": rows, **shown}
                )

    return published_figures


def report() -> dg.AssetsDefinition:
    """Return the step that draws every figure and writes the self-contained report around them.

    One step, because the page is laid out while a second process draws.
    """
    figures, html = dg.AssetKey(["report", "figures"]), dg.AssetKey(["report", "html"])
    specs = [
        dg.AssetSpec(
            figures,
            deps=[_key(table) for table in TABLES],
            group_name="report",
            kinds={"matplotlib"},
            owners=[STATISTICS],
            description="Every figure as SVG and PNG with its alternative text. Grain: one file pair per figure.",
        ),
        dg.AssetSpec(
            html,
            deps=[
                figures,
                dg.AssetKey(["analysis", "published_audit"]),
                dg.AssetKey(["analysis", "published_comparison"]),
                dg.AssetKey(["quality", "check_results"]),
                dg.AssetKey(["quality", "build"]),
            ],
            group_name="report",
            kinds={"html"},
            owners=[STATISTICS],
            description="The report: every number with its evidence. Grain: one self-contained page.",
        ),
    ]

    @dg.multi_asset(name="report", specs=specs, op_tags=_LAST)
    def report(refresh: dg.ResourceParam[AnalysisContext]) -> Iterator[dg.MaterializeResult[None]]:
        from analysis_assets.gallery import draw_gallery, plots
        from analysis_assets.report import lay_out_report, write_page

        home, study = refresh.home, refresh.study
        folder = home.staged("report")
        begin_drawing(refresh)
        with connect_build(home.build_database, refresh.memory_limit) as connection:
            gallery = plots(connection, study, synthetic=is_synthetic(connection))
            previous = home.database if home.database.exists() else None
            page = lay_out_report(connection, study, folder, gallery, previous=previous)
        drawn = draw_gallery(gallery, folder / FIGURES, refresh.code_version, refresh.drawing)
        yield dg.MaterializeResult(figures, metadata={"figures": len(drawn), **_previews(drawn, folder / FIGURES)})
        path = write_page(page, drawn, folder)
        yield dg.MaterializeResult(html, metadata={"bytes": path.stat().st_size})

    return report


def begin_drawing(refresh: AnalysisContext) -> None:
    """Let the second process draw the figures of a closed build file, from the first on, if it doesn't yet.

    Only the analysis tables and marts are read, and before this returns: who comes next may write to the file.
    """
    from analysis_assets.drawing import DrawingJob

    if refresh.drawing.begun is not None:
        return
    with connect_read_only(refresh.home.build_database) as connection:
        synthetic = is_synthetic(connection)
    home = refresh.home
    job = DrawingJob(
        database=str(home.build_database),
        study=refresh.study.as_dbt_variable(),
        folder=str(home.staged("report") / FIGURES),
        synthetic=synthetic,
        last=str(home.report / FIGURES),
        code_version=refresh.code_version,
    )
    refresh.drawing.begin(job)


def _previews(drawn: Sequence["DrawnFigure"], folder: Path) -> dict[str, dg.MetadataValue]:
    return {
        figure.title: dg.MetadataValue.md(thumbnail(folder / figure.png, figure.alternative_text))
        for figure in drawn
        if figure.name in _KM_PREVIEWS
    }


def is_synthetic(connection: "duckdb.DuckDBPyConnection") -> bool:
    """True when every delivered file names `synthetic` as its source system."""
    if not table_exists(connection, "quality", "extracts"):
        return False
    row = connection.execute("select bool_and(source_system = 'synthetic') from quality.extracts").fetchone()
    return bool(row and row[0])


def thumbnail(png: Path, alternative_text: str, width: int = 720) -> str:
    """Return a figure as a Markdown image that carries its own data, small enough for an event's metadata."""
    from base64 import b64encode
    from io import BytesIO

    from PIL import Image

    with Image.open(png) as image:
        small = image.convert("P", palette=Image.Palette.ADAPTIVE)
        small.thumbnail((width, width))
        data = BytesIO()
        small.save(data, "PNG", optimize=True)
    text = alternative_text.replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"![{text}](data:image/png;base64,{b64encode(data.getvalue()).decode()})"
