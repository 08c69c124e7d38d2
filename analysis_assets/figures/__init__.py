"""Figures of the study, each drawn from tables of schema ``analysis``, each with its alternative text.

Every ``*_figure`` function takes tables and returns a matplotlib figure; the ``*_text`` function beside it takes the
same tables and returns what a reader hears who can't see it. ``save_figure`` writes SVG and PNG.
"""

from analysis_assets.figures.adverse_events import adverse_events_figure, adverse_events_text, crs_figure, crs_text
from analysis_assets.figures.consort import consort_figure, consort_text
from analysis_assets.figures.cumulative_incidence import cumulative_incidence_figure, cumulative_incidence_text
from analysis_assets.figures.forest import forest_figure, forest_text
from analysis_assets.figures.response import (
    response_figure,
    response_text,
    response_times_figure,
    response_times_text,
)
from analysis_assets.figures.saving import save_figure
from analysis_assets.figures.survival_curves import kaplan_meier_figure, kaplan_meier_text
from analysis_assets.figures.swimmer import swimmer_figure, swimmer_text

__all__ = [
    "adverse_events_figure",
    "adverse_events_text",
    "consort_figure",
    "consort_text",
    "crs_figure",
    "crs_text",
    "cumulative_incidence_figure",
    "cumulative_incidence_text",
    "forest_figure",
    "forest_text",
    "kaplan_meier_figure",
    "kaplan_meier_text",
    "response_figure",
    "response_text",
    "response_times_figure",
    "response_times_text",
    "save_figure",
    "swimmer_figure",
    "swimmer_text",
]
