"""What the report needs of a warehouse, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analysis_assets.report import queries
from analysis_assets.report.suppression import REMARKS, CountGuard, without_figures

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from study import Study
    from study.models import Covariate

ANALYSIS_TABLES: Final = (
    "baseline_characteristics", "response_rates", "response_times", "subgroup_response", "subsequent_therapies",
    "km_summary", "km_landmarks", "logrank_tests", "cox_models", "logistic_models", "selection_steps",
    "model_diagnostics", "cumulative_incidence", "adverse_event_rates", "cohort_flow", "follow_up",
    "crs_grading", "date_sensitivity", "published_comparison", "published_audit",
)  # fmt: skip
# No table shows the subgroups' steps, of which a large cohort has tens of thousands.
_SHOWN: Final[Mapping[str, str]] = {"cumulative_incidence": "where coalesce(factor, '') = ''"}
Record = dict[str, Any]


@dataclass
class ReportContext:
    """One warehouse and its study, as the report reads them.

    Attributes:
        connection: Connection to the warehouse; only temporary views are made in it.
        study: The study file.
        records: Rows that the report shows of every analysis table that is there, by table; missing values are None.
        patient_columns: Types of the columns of marts.patients.
        outcome_endpoints: Endpoints that marts.outcomes holds.
        build: The row of quality.build, or an empty record.
        guard: Suppression of small counts.
        previous: The last published warehouse, if there is one.
    """

    connection: duckdb.DuckDBPyConnection
    study: Study
    records: Mapping[str, list[Record]] = field(default_factory=dict)
    patient_columns: Mapping[str, str] = field(default_factory=dict)
    build: Record = field(default_factory=dict)
    guard: CountGuard = field(default_factory=CountGuard)
    previous: Path | None = None

    @property
    def covariates(self) -> dict[str, Covariate]:
        """Study covariates by label."""
        return {covariate.label: covariate for covariate in self.study.covariates}

    def table(self, name: str) -> list[Record]:
        """Rows of an analysis table; none where it is missing."""
        return list(self.records.get(name, []))

    def rows(self, sql: str, parameters: list[object] | None = None) -> list[Record]:
        """Result of a query as records; none where one of its tables is missing."""
        import duckdb

        try:
            return _records(self.connection.execute(sql, parameters or []).df())
        except duckdb.CatalogException:
            return []

    def has(self, schema: str, table: str) -> bool:
        """Whether a table is there."""
        return self.connection.execute(queries.table_exists(schema, table)).fetchone() is not None

    @property
    def synthetic(self) -> bool:
        """Whether the data are invented."""
        return bool(self.build.get("synthetic"))


def read_context(connection: duckdb.DuckDBPyConnection, study: Study, previous: Path | None = None) -> ReportContext:
    """Read everything that the report shows from a build or published warehouse."""
    context = ReportContext(
        connection=connection,
        study=study,
        guard=CountGuard(study.privacy.small_cell_below),
        previous=previous,
    )
    context.patient_columns = {
        str(row[0]): str(row[1]) for row in connection.execute(queries.columns_of("marts", "patients")).fetchall()
    }
    context.records = {
        name: context.rows(f"{queries.analysis_table(name)} {_SHOWN.get(name, '')}")
        for name in ANALYSIS_TABLES
        if context.has("analysis", name)
    }
    if context.has("quality", "check_results"):
        columns = connection.execute(queries.columns_of("quality", "check_results")).fetchall()
        connection.execute(queries.checks_view([str(row[0]) for row in columns])).fetchall()
    if all(context.has("quality", table) for table in ("extracts", "rejected_rows", "rejected_values")):
        connection.execute(queries.QUARANTINE_FILES_VIEW).fetchall()
    if context.has("quality", "build"):
        context.build = next(iter(context.rows(queries.BUILD)), {})
    if context.guard.active:
        for record in (record for records in context.records.values() for record in records):
            record |= {column: without_figures(str(record[column])) for column in REMARKS if record.get(column)}
    return context


def _records(frame: pd.DataFrame) -> list[Record]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(k): v for k, v in record.items()} for record in plain.to_dict(orient="records")]
