"""Column lineage as a night left it with Dagster: from a raw column to an analysis column, as materialised."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._serdes import deserialize_value

from analysis_assets.column_origins import DECLARED
from orchestration.extracts import FEEDS
from tests.night import Night

pytestmark = pytest.mark.slow

Column = tuple[str, str]
ADDED_IN_THE_LAKE = {"deleted", "source_extract", "source_file", "source_row"}
# Columns of the marts that are names, not data: see test_column_lineage.
NAMES = {("cohort_flow", "step"), ("cohort_flow", "criterion"), ("date_sensitivity", "endpoint")}
# Rows of the paper's own errors; no column of the house makes them.
FROM_THE_PAPER = {"analysis.published_audit"}


@pytest.fixture(scope="module")
def materialised(published_night: Night) -> dict[str, dg.AssetMaterialization]:
    """What the night reported of each table, as `schema.table`."""
    with sqlite3.connect(published_night.home / "dagster" / "history" / "runs" / "index.db") as connection:
        rows = connection.execute(
            "select event from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION' order by id"
        ).fetchall()
    events = (deserialize_value(row[0], EventLogEntry).asset_materialization for row in rows)
    return {".".join(event.asset_key.path): event for event in events if event is not None}


@pytest.fixture(scope="module")
def origins(materialised: dict[str, dg.AssetMaterialization]) -> dict[Column, set[Column]]:
    """Each column to the columns that it is made of, as the night's metadata say."""
    found: dict[Column, set[Column]] = {}
    for table, event in materialised.items():
        lineage = event.metadata.get("dagster/column_lineage")
        if isinstance(lineage, dg.TableColumnLineageMetadataValue):
            for column, deps in lineage.value.deps_by_column.items():
                found[table, column] = {(".".join(dep.asset_key.path), dep.column_name) for dep in deps}
    return found


def columns_of(materialised: dict[str, dg.AssetMaterialization]) -> dict[str, set[str]]:
    known = {
        f"raw.{feed.name}": {one.lake_name for one in feed.lake_columns} | ADDED_IN_THE_LAKE for feed in FEEDS.values()
    }
    for table, event in materialised.items():
        schema = event.metadata.get("dagster/column_schema")
        if isinstance(schema, dg.TableSchemaMetadataValue):
            known[table] = {column.name for column in schema.value.columns}
    return known


def reached_from(start: Column, origins: dict[Column, set[Column]]) -> set[Column]:
    """Every column that is made of one, at first or at several hands."""
    made_of_it: dict[Column, set[Column]] = {}
    for column, parents in origins.items():
        for parent in parents:
            made_of_it.setdefault(parent, set()).add(column)
    return closure(start, made_of_it)


def closure(start: Column, steps: dict[Column, set[Column]]) -> set[Column]:
    reached: set[Column] = set()
    waiting = [start]
    while waiting:
        for column in steps.get(waiting.pop(), set()) - reached:
            reached.add(column)
            waiting.append(column)
    return reached


@pytest.mark.parametrize(
    ("raw", "reached"),
    [
        (
            ("raw.lab_results", "value"),
            {
                ("intermediate.int_baseline_labs", "value"), ("marts.patients", "wbc"),
                ("analysis.baseline_characteristics", "median"), ("analysis.km_curves", "survival"),
                ("analysis.cox_models", "hazard_ratio"), ("analysis.published_comparison", "computed"),
            },
        ),
        (
            ("raw.follow_ups", "death_on"),
            {
                ("marts.outcomes", "time_days"), ("marts.outcomes", "event"), ("analysis.km_summary", "median_months"),
                ("analysis.cumulative_incidence", "incidence"), ("analysis.logrank_tests", "p_value"),
            },
        ),
        (
            ("raw.adverse_events", "grade"),
            {("marts.adverse_events", "worst_grade"), ("analysis.adverse_event_rates", "grade")},
        ),
    ],
)  # fmt: skip
def test_a_raw_column_reaches_the_analysis(
    origins: dict[Column, set[Column]], raw: Column, reached: Iterable[Column]
) -> None:
    assert set(reached) - reached_from(raw, origins) == set()


def test_what_is_not_made_of_a_raw_column_is_not_reached(origins: dict[Column, set[Column]]) -> None:
    reached = reached_from(("raw.molecular_findings", "gene"), origins)
    assert ("marts.patients", "bcr_abl1") in reached
    assert not reached & {("marts.patients", "sex"), ("marts.outcomes", "time_days"), ("analysis.follow_up", "n")}


def test_every_analysis_column_made_of_data_reaches_a_raw_feed(origins: dict[Column, set[Column]]) -> None:
    analysed = {
        (f"analysis.{table}", column)
        for table, declared in DECLARED.items()
        for columns, sources in declared.items()
        for column in columns.split()
        if sources and (table, column) not in NAMES
    }
    assert len(analysed) > 150
    unreached = {one for one in analysed if not any(table.startswith("raw.") for table, _ in closure(one, origins))}
    assert unreached == set()


def test_lineage_names_columns_that_the_night_made(
    origins: dict[Column, set[Column]], materialised: dict[str, dg.AssetMaterialization]
) -> None:
    known = columns_of(materialised)
    named = {column for made_of in origins.values() for column in made_of} | set(origins)
    assert {column for column in named if column[1] not in known.get(column[0], set())} == set()


def test_every_analysis_table_shows_its_columns_their_origins_and_first_rows(
    materialised: dict[str, dg.AssetMaterialization],
) -> None:
    tables = {table: set(event.metadata) for table, event in materialised.items() if table.startswith("analysis.")}
    shown = {"dagster/row_count", "dagster/column_schema", "column origins", "preview"}
    assert len(tables) == len(DECLARED) + 2
    assert {table for table, metadata in tables.items() if not shown <= metadata} == set()
    assert {table for table, metadata in tables.items() if "dagster/column_lineage" not in metadata} == FROM_THE_PAPER
