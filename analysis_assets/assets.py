"""Dagster wrappers of the analyses: tables of schema `analysis`, figures, report. No arithmetic here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import dagster as dg

from warehouse import WarehouseHome, connect_build, connect_read_only, table_exists, write_table

if TYPE_CHECKING:
    import duckdb

    from analysis_assets.drawing import DrawingProcess
    from study import Study

STATISTICS: Final = "team:statistics"
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
    def drawing(self) -> "DrawingProcess":
        """The second process that draws."""


@dataclass(frozen=True)
class AnalysisTable:
    """One table of schema `analysis`.

    Attributes:
        name: table name.
        builder: `module:function` under analysis_assets, called with (inputs, study); imported when it runs.
        grain: "one row per ...".
        marts: tables of schema marts that it reads.
    """

    name: str
    builder: str
    grain: str
    marts: tuple[str, ...] = ("patients", "outcomes")

    @property
    def key(self) -> dg.AssetKey:
        """The asset key."""
        return dg.AssetKey(["analysis", self.name])

    def load(self) -> Callable[..., Any]:
        """Import and return the builder."""
        module, function = self.builder.split(":")
        loaded: Callable[..., Any] = getattr(import_module(f"analysis_assets.{module}"), function)
        return loaded


TABLES: Final = (
    AnalysisTable("km_curves", "km_tables:km_curves", "endpoint, factor, level and time"),
    AnalysisTable("km_summary", "km_tables:km_summary", "endpoint, factor, level and convention"),
    AnalysisTable("km_landmarks", "km_tables:km_landmarks", "endpoint, factor, level, month and convention"),
    AnalysisTable("logrank_tests", "km_tables:logrank_tests", "endpoint and factor"),
    AnalysisTable("cox_models", "cox_models:cox_models", "endpoint, model and term"),
    AnalysisTable("logistic_models", "logistic_models:logistic_models", "outcome, model and term"),
    AnalysisTable("selection_steps", "selection_steps:selection_steps", "outcome, model family and step"),
    AnalysisTable(
        "cumulative_incidence", "incidence_tables:cumulative_incidence", "competing endpoint, factor, level and time"
    ),
    AnalysisTable("model_diagnostics", "model_diagnostics:model_diagnostics", "outcome, term and diagnostic"),
    AnalysisTable("cohort_flow", "cohort_flow:cohort_flow", "step of the eligibility flow", ("cohort_flow",)),
    AnalysisTable(
        "baseline_characteristics", "baseline:baseline_characteristics", "characteristic and level", ("patients",)
    ),
    AnalysisTable("response_rates", "rates:response_rates", "binary endpoint and interval method"),
    AnalysisTable("response_times", "baseline:response_times", "time-to-response endpoint"),
    AnalysisTable("response_time_distribution", "baseline:response_time_distribution", "endpoint and day of response"),
    AnalysisTable("follow_up", "baseline:follow_up_summary", "method of summarising follow-up"),
    AnalysisTable("subsequent_therapies", "baseline:subsequent_therapies", "patient group and therapy", ("patients",)),
    AnalysisTable("subgroup_response", "subgroups:subgroup_response", "binary endpoint, factor and level"),
    AnalysisTable(
        "adverse_event_rates",
        "adverse_event_rates:adverse_event_rates",
        "phase, term and grade",
        ("patients", "adverse_events"),
    ),
)
"""Tables built from the marts alone."""


def analysis_assets() -> list[dg.AssetsDefinition]:
    """Return the analysis tables, the figures and the report as assets."""
    return [analysis_tables(), published_tables(), figures(), report()]


def _spec(table: AnalysisTable) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.key,
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
        from analysis_assets.inputs import StudyInputs
        from analysis_assets.shared_samples import shared_samples

        with connect_build(refresh.home.build_database) as connection:
            inputs = shared_samples(StudyInputs(connection, refresh.study), refresh.study)
            for table in TABLES:
                rows = write_table(connection, "analysis", table.name, table.load()(inputs, refresh.study))
                yield dg.MaterializeResult(table.key, metadata={"dagster/row_count": rows})

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
            deps=[table.key for table in TABLES],
            group_name="analysis",
            kinds={"python", "duckdb"},
            owners=[STATISTICS],
            description=f"Grain: one row per {grain}.",
        )
        for name, grain in grains.items()
    ]

    @dg.multi_asset(name="published_figures", specs=specs)
    def published_figures(refresh: dg.ResourceParam[AnalysisContext]) -> Iterator[dg.MaterializeResult[None]]:
        from analysis_assets.published_comparison import build_published_tables

        with connect_build(refresh.home.build_database) as connection:
            for name, frame in build_published_tables(connection, refresh.study).items():
                rows = write_table(connection, "analysis", name, frame)
                yield dg.MaterializeResult(dg.AssetKey(["analysis", name]), metadata={"dagster/row_count": rows})

    return published_figures


def figures() -> dg.AssetsDefinition:
    """Return one step that draws every figure into the staged report folder, as SVG and PNG."""

    @dg.asset(
        key=dg.AssetKey(["report", "figures"]),
        deps=[table.key for table in TABLES],
        group_name="report",
        kinds={"matplotlib"},
        owners=[STATISTICS],
        description="Every figure as SVG and PNG with its alternative text. Grain: one file pair per figure.",
    )
    def figures(refresh: dg.ResourceParam[AnalysisContext]) -> dg.MaterializeResult[None]:
        from analysis_assets.gallery import draw_gallery

        folder = refresh.home.staged("report") / "figures"
        database = refresh.home.build_database
        with connect_read_only(database) as connection:
            synthetic = is_synthetic(connection)
        drawn = draw_gallery(database, refresh.study, folder, synthetic=synthetic, helper=refresh.drawing)
        previews = {
            figure.title: dg.MetadataValue.md(thumbnail(folder / figure.png, figure.alternative_text))
            for figure in drawn
            if figure.name in _KM_PREVIEWS
        }
        return dg.MaterializeResult(metadata={"figures": len(drawn), **previews})

    return figures


def report() -> dg.AssetsDefinition:
    """Return the step that writes the self-contained report."""

    @dg.asset(
        key=dg.AssetKey(["report", "html"]),
        deps=[
            dg.AssetKey(["report", "figures"]),
            dg.AssetKey(["analysis", "published_audit"]),
            dg.AssetKey(["analysis", "published_comparison"]),
            dg.AssetKey(["quality", "check_results"]),
            dg.AssetKey(["quality", "build"]),
        ],
        group_name="report",
        kinds={"html"},
        owners=[STATISTICS],
        description="The report: every number with its evidence. Grain: one self-contained page.",
    )
    def html(refresh: dg.ResourceParam[AnalysisContext]) -> dg.MaterializeResult[None]:
        from analysis_assets.report import build_report

        with connect_build(refresh.home.build_database) as connection:
            previous = refresh.home.database if refresh.home.database.exists() else None
            page = build_report(connection, refresh.study, refresh.home.staged("report"), previous=previous)
        return dg.MaterializeResult(metadata={"bytes": page.stat().st_size})

    return html


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
