"""Every table of schema `analysis` that is built from the marts alone, and how all of them are built in one go.

No Dagster here: whoever only wants the tables need not wait a second for its import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from study import Study


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
    AnalysisTable("crs_grading", "sensitivity:crs_grading", "rule set and level of CRS", ("patients", "crs_grading")),
    AnalysisTable(
        "date_sensitivity",
        "sensitivity:date_sensitivity",
        "endpoint of which a time rests on an imputed date",
        ("patients", "outcomes", "outcome_date_sensitivity"),
    ),
)
"""Tables built from the marts alone."""


def build_tables(connection: duckdb.DuckDBPyConnection, study: Study) -> Iterator[tuple[AnalysisTable, pd.DataFrame]]:
    """Yield each table with its rows; all share one reading of the marts.

    Args:
        connection: to a warehouse with marts; temporary tables are made on it.
        study: the study file.
    """
    from threadpoolctl import threadpool_limits

    from analysis_assets.inputs import StudyInputs
    from analysis_assets.shared_samples import shared_samples

    builders = [table.load() for table in TABLES]
    inputs = shared_samples(StudyInputs(connection, study), study)
    # Matrices here have a row per covariate: a second BLAS thread only spins (Firth's intervals took three times as
    # long with two).
    with threadpool_limits(limits=1, user_api="blas"):
        for table, build in zip(TABLES, builders, strict=True):
            yield table, build(inputs, study)
