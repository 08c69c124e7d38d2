"""Every figure of the study as a function of its tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from matplotlib.figure import Figure

from analysis_assets import figures
from analysis_assets.figures.survival_curves import IMMORTAL_TIME_NOTE
from study import Study
from tests.analysis_assets.figures.tables import Tables, cox_models, tables

LABELS = {covariate.name: covariate.label for covariate in Study().covariates}

Draw = Callable[[Tables], Figure]
DRAWINGS: dict[str, Draw] = {
    "km_all": lambda t: figures.kaplan_meier_figure(t.curves, t.summary, t.tests, endpoint="EFS", synthetic=True),
    "km_by_factor": lambda t: figures.kaplan_meier_figure(
        t.curves,
        t.summary,
        t.tests,
        endpoint="OS",
        factor="bridged_to_hsct",
        factor_label=LABELS["bridged_to_hsct"],
        note=IMMORTAL_TIME_NOTE,
        synthetic=True,
    ),
    "response": lambda t: figures.response_figure(t.response_rates, synthetic=True),
    "response_times": lambda t: figures.response_times_figure(t.response_times, t.response_days, synthetic=True),
    "forest": lambda t: figures.forest_figure(
        cox_models({3: 3, 39: 18, 300: 40}[t.n]), outcome="EFS", labels=LABELS, synthetic=True
    ),
    "swimmer": lambda t: figures.swimmer_figure(t.lanes, t.n, synthetic=True),
    "incidence": lambda t: figures.cumulative_incidence_figure(t.incidence, synthetic=True),
    "incidence_by_factor": lambda t: figures.cumulative_incidence_figure(
        t.incidence,
        factor="wbc",
        factor_label="WBC",
        p_values={"RELAPSE": 0.03, "NON_RELAPSE_MORTALITY": 0.0001},
        synthetic=True,
    ),
    "crs": lambda t: figures.crs_figure(t.adverse_events, synthetic=True),
    "adverse_events_cart": lambda t: figures.adverse_events_figure(t.adverse_events, phase="cart", synthetic=True),
    "adverse_events_hsct": lambda t: figures.adverse_events_figure(t.adverse_events, phase="hsct", synthetic=True),
    "consort": lambda t: figures.consort_figure(t.flow, synthetic=True),
}


@cache
def patients(n: int) -> Tables:
    return tables(n)
