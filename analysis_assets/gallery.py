"""Every figure of the study: which are drawn, in which order, and the alternative text of each.

Reads only tables of schema ``analysis`` (and the swimmer lanes), so a published warehouse can be drawn again.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from analysis_assets.taking_over import file_hashes, made_from

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    from matplotlib.figure import Figure

    from analysis_assets.drawing import DrawingProcess
    from study import Study

SWIMMER_LANES: Final = 300
INDEX_NAME: Final = "figures.json"
_WITHOUT_COUNTS: Final = ("forest_",)
_TABLES: Final = (
    "km_curves",
    "km_summary",
    "logrank_tests",
    "cox_models",
    "logistic_models",
    "response_rates",
    "response_times",
    "response_time_distribution",
    "adverse_event_rates",
    "cumulative_incidence",
    "cohort_flow",
    "model_diagnostics",
)


@dataclass(frozen=True)
class Plot:
    """One figure before it is drawn; ``name`` is its file name without ending.

    ``draw`` and ``describe`` hold everything that they need: what a figure is made from is told by them.
    """

    name: str
    title: str
    section: str
    draw: partial[Figure]
    describe: partial[str]


@dataclass(frozen=True)
class DrawnFigure:
    """One figure on disk, with the text for those who can't see it.

    Attributes:
        made_from: What tells the next night whether it would draw the same (`taking_over.made_from`).
        sha256: Of both files, with a space between: what was drawn.
    """

    name: str
    title: str
    section: str
    alternative_text: str
    svg: str
    png: str
    made_from: str = ""
    sha256: str | None = None


@dataclass(frozen=True)
class InlinedFigure(DrawnFigure):
    """A figure on disk with its drawing as the report's page holds it."""

    inline_svg: str = ""

    def drawn(self) -> DrawnFigure:
        """The figure as the index of the gallery keeps it."""
        fields = asdict(self)
        del fields["inline_svg"]
        return DrawnFigure(**fields)


AnyFigure = TypeVar("AnyFigure", bound="Plot | DrawnFigure")


def draw_gallery(
    plots: Sequence[Plot], folder: Path, code_version: str, drawing: DrawingProcess | None = None
) -> list[InlinedFigure]:
    """Draw every figure into ``folder`` as SVG and PNG, and an index of them as ``figures.json``.

    Args:
        plots: The figures, in the order of the report.
        folder: Made when missing.
        code_version: Version of the code that draws.
        drawing: A second process that has begun with the same figures; without one all are drawn here.
    """
    sources = drawing.sources if drawing else made_from(plots, code_version)

    def draw(position: int) -> InlinedFigure:
        return draw_plot(plots[position], folder, sources[position])

    figures = drawing.finish(draw) if drawing else [draw(position) for position in range(len(plots))]
    index = dumps([asdict(figure.drawn()) for figure in figures], ensure_ascii=False, indent=1)
    (folder / INDEX_NAME).write_text(index + "\n", encoding="utf-8")
    return figures


def draw_plot(plot: Plot, folder: Path, source: str) -> InlinedFigure:
    """Draw one figure into ``folder`` as SVG and PNG; ``source`` is what it is made from (`made_from`)."""
    from analysis_assets.figures.saving import save_figure

    text = plot.describe()
    with warnings.catch_warnings():
        # The font draws a box for a sign that it lacks, which is seen; a line per sign on the terminal tells no more.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)
        svg, png = save_figure(plot.draw(), folder, plot.name, description=text)
    hashes = file_hashes(folder, svg.name, png.name)
    return inlined(DrawnFigure(plot.name, plot.title, plot.section, text, svg.name, png.name, source, hashes), folder)


def inlined(figure: DrawnFigure, folder: Path) -> InlinedFigure:
    """Return a figure that was drawn into ``folder`` before, with its drawing."""
    from analysis_assets.report.page import small_svg

    return InlinedFigure(**asdict(figure), inline_svg=small_svg((folder / figure.svg).read_text(encoding="utf-8")))


def read_plots(database: Path, study: Study, *, synthetic: bool) -> list[Plot]:
    """Return the figures of a closed warehouse file, which is open only while this runs."""
    from warehouse import connect_read_only

    with connect_read_only(database) as connection:
        return plots(connection, study, synthetic=synthetic)


def read_gallery(folder: Path) -> list[DrawnFigure]:
    """Return what ``draw_gallery`` wrote into ``folder``; nothing where it never did."""
    if not (folder / INDEX_NAME).is_file():
        return []
    return [DrawnFigure(**entry) for entry in loads((folder / INDEX_NAME).read_text(encoding="utf-8"))]


def plots(connection: duckdb.DuckDBPyConnection, study: Study, *, synthetic: bool) -> list[Plot]:
    """Return the figures of the study in the order of the report; drawing them reads nothing any more.

    Where the study hides small counts, a figure that shows counts or single patients is none of them: it is neither
    drawn nor taken over from an earlier night.
    """
    frames = {name: connection.execute(f"from analysis.{name}").df() for name in _TABLES}
    drawn = [
        *_cohort_plots(frames, synthetic),
        *_survival_plots(frames, study, synthetic),
        *_model_plots(frames, study, synthetic),
        *_safety_plots(frames, study, synthetic),
        _swimmer_plot(connection, study, synthetic),
    ]
    return without_counts(drawn) if study.privacy.small_cell_below is not None else drawn


def without_counts(figures: Sequence[AnyFigure]) -> list[AnyFigure]:
    """Return the figures that may be shown while small counts are hidden: no count, no patient stands in them."""
    return [figure for figure in figures if figure.name.startswith(_WITHOUT_COUNTS)]


Frames = Mapping[str, "pd.DataFrame"]


def _nobody(flow: pd.DataFrame) -> bool:
    """True where the eligibility flow ends with no patient."""
    return not flow.sort_values("step")["n_remaining"].tail(1).any()


def _cohort_plots(frames: Frames, synthetic: bool) -> Iterator[Plot]:
    from analysis_assets.figures import consort, response

    flow, rates = frames["cohort_flow"], frames["response_rates"]
    times, spread = frames["response_times"], frames["response_time_distribution"]
    yield Plot(
        "cohort_flow",
        "Patients from the extract to the analysis",
        "cohort",
        partial(consort.consort_figure, flow, synthetic=synthetic),
        partial(consort.consort_text, flow),
    )
    yield Plot(
        "response_rates",
        "Response rates",
        "response",
        partial(response.response_figure, rates, nobody=_nobody(flow), synthetic=synthetic),
        partial(response.response_text, rates, nobody=_nobody(flow)),
    )
    yield Plot(
        "response_times",
        "Time to response",
        "response",
        partial(response.response_times_figure, times, spread, synthetic=synthetic),
        partial(response.response_times_text, times),
    )


def _survival_plots(frames: Frames, study: Study, synthetic: bool) -> Iterator[Plot]:
    from analysis_assets.figures import cumulative_incidence as incidence

    curves = _curves_by_figure(frames["km_curves"])
    for endpoint in study.models.survival.endpoints:
        yield _survival_plot(frames, curves, study, endpoint, "", synthetic)
    yield Plot(
        "cumulative_incidence",
        "Relapse and death without relapse",
        "survival",
        partial(incidence.cumulative_incidence_figure, frames["cumulative_incidence"], synthetic=synthetic),
        partial(incidence.cumulative_incidence_text, frames["cumulative_incidence"]),
    )
    for endpoint in study.models.survival.endpoints:
        for factor in study.models.survival.factors:
            yield _survival_plot(frames, curves, study, endpoint, factor, synthetic)


def _curves_by_figure(km_curves: pd.DataFrame) -> Mapping[tuple[str, str], pd.DataFrame]:
    """Return the points of each endpoint and factor, so that no figure looks for its own among those of all."""
    from analysis_assets.figures.style import own_convention

    points = own_convention(km_curves)
    of_figure = {
        (str(endpoint), str(factor)): rows
        for (endpoint, factor), rows in points.groupby(["endpoint", points["factor"].fillna("")], sort=False)
    }
    return defaultdict(lambda: points.iloc[:0], of_figure)


def _survival_plot(
    frames: Frames,
    curves: Mapping[tuple[str, str], pd.DataFrame],
    study: Study,
    endpoint: str,
    factor: str,
    synthetic: bool,
) -> Plot:
    from analysis_assets.figures import survival_curves

    label = study.covariate(factor).label if factor else ""
    arguments: dict[str, Any] = {"endpoint": endpoint, "factor": factor, "factor_label": label}
    arguments["nobody"] = _nobody(frames["cohort_flow"])
    if factor and after_time_zero(study, factor):
        arguments["note"] = survival_curves.IMMORTAL_TIME_NOTE
    tables = (curves[endpoint, factor], frames["km_summary"], frames["logrank_tests"])
    return Plot(
        "_".join(part for part in ("km", endpoint.lower(), factor) if part),
        f"{endpoint} by {label}" if factor else endpoint,
        "subgroup survival" if factor else "survival",
        partial(survival_curves.kaplan_meier_figure, *tables, **arguments, synthetic=synthetic),
        partial(survival_curves.kaplan_meier_text, *tables, **arguments),
    )


def after_time_zero(study: Study, factor: str) -> bool:
    """True for a covariate that becomes known only after the infusion, so that its naive curves flatter it."""
    from analysis_assets.inputs import COLUMNS_AFTER_TIME_ZERO

    return study.covariate(factor).column in COLUMNS_AFTER_TIME_ZERO


def _model_plots(frames: Frames, study: Study, synthetic: bool) -> Iterator[Plot]:
    labels = {covariate.name: covariate.label for covariate in study.covariates}
    for endpoint in study.models.cox.endpoints:
        yield _forest_plot(frames["cox_models"], "cox", endpoint, labels, synthetic)
    for outcome in study.models.logistic.endpoints:
        yield _forest_plot(frames["logistic_models"], "logistic", outcome, labels, synthetic)


def _forest_plot(models: pd.DataFrame, family: str, outcome: str, labels: Mapping[str, str], synthetic: bool) -> Plot:
    from analysis_assets.figures import forest

    return Plot(
        f"forest_{family}_{outcome.lower()}",
        f"{'Hazard' if family == 'cox' else 'Odds'} ratios for {outcome}",
        "models",
        partial(forest.forest_figure, models, outcome=outcome, labels=labels, synthetic=synthetic),
        partial(forest.forest_text, models, outcome=outcome, labels=labels),
    )


def _safety_plots(frames: Frames, study: Study, synthetic: bool) -> Iterator[Plot]:
    from analysis_assets.figures import adverse_events

    rates = frames["adverse_event_rates"]
    yield Plot(
        "crs",
        "Cytokine release syndrome",
        "safety",
        partial(adverse_events.crs_figure, rates, severe_grade=study.severe_crs_grade, synthetic=synthetic),
        partial(adverse_events.crs_text, rates),
    )
    for phase, title in (("cart", "Adverse events after CAR-T cells"), ("hsct", "Adverse events after HSCT")):
        yield _phase_plot(rates, phase, title, synthetic)


def _phase_plot(rates: pd.DataFrame, phase: str, title: str, synthetic: bool) -> Plot:
    from analysis_assets.figures import adverse_events

    return Plot(
        f"adverse_events_{phase}",
        title,
        "safety",
        partial(adverse_events.adverse_events_figure, rates, phase=phase, synthetic=synthetic),
        partial(adverse_events.adverse_events_text, rates, phase=phase),
    )


def _swimmer_plot(connection: duckdb.DuckDBPyConnection, study: Study, synthetic: bool) -> Plot:
    from analysis_assets.figures import swimmer
    from analysis_assets.inputs import StudyInputs

    lanes = StudyInputs(connection, study).swimmer_lanes(SWIMMER_LANES)
    row = connection.execute("select count(*) from marts.patients where included").fetchone()
    included = int(row[0]) if row else 0
    return Plot(
        "swimmer",
        "Every patient's course",
        "patients",
        partial(swimmer.swimmer_figure, lanes, included, synthetic=synthetic),
        partial(swimmer.swimmer_text, lanes, included),
    )
