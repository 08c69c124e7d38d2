"""Rules of the house that every model, column and test of the dbt project keeps."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from orchestration.dbt_worker import read_parse
from orchestration.extracts.feeds import FEEDS, Kind
from orchestration.manifest import prebuilt_parse
from study import CLOSED_VALUES, COLUMN_KINDS, Study
from tests.cohort import DBT_PROJECT, BuiltCohort, copied_build, environment, run_dbt
from tests.dbt_project.patients.studies import OTHER, OTHER_CASES, cohort_of
from tests.dbt_project.rendered_macros import rendered_macros

MARTS = (
    "patients",
    "events",
    "response_assessments",
    "adverse_events",
    "outcomes",
    "cohort_flow",
)
KAHN = {"conformance", "completeness", "plausibility"}


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """dbt's own view of the project, parsed without a study file, a lake or a database."""
    folder = tmp_path_factory.mktemp("parse")
    with environment(DBT_TARGET_PATH=str(folder), CART_LAKE="", CART_BUILD_DATABASE=":memory:"):
        parsed = dbtRunner().invoke(
            ["--quiet", "parse", "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
        )
    assert parsed.success, parsed.exception
    return parsed.result


@pytest.mark.slow
def test_one_parse_serves_every_study(tmp_path: Path) -> None:
    """A night reads the parse that was made with the bundled study, whatever its own is."""
    study = cohort_of(OTHER, OTHER_CASES).study
    with environment(
        DBT_TARGET_PATH=str(tmp_path), CART_LAKE="", CART_BUILD_DATABASE=str(tmp_path / "warehouse.duckdb")
    ):
        parsed = dbtRunner().invoke(
            [
                *("--quiet", "parse", "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
                *("--vars", json.dumps({"study": study.as_dbt_variable()})),
            ]
        )
    assert parsed.success, parsed.exception
    prebuilt = read_parse(prebuilt_parse())
    assert prebuilt is not None
    of_the_other, of_the_bundled = decided(parsed.result), decided(prebuilt)
    assert len(of_the_other) > 200
    assert of_the_other == of_the_bundled


def decided(manifest: Any) -> dict[str, tuple[Any, ...]]:
    """What a parse has decided of each node, by id: what it reads, its configuration, its place, its code."""
    return {
        unique_id: (sorted(node.depends_on.nodes), node.config.to_dict(), node.schema, node.alias, node.raw_code)
        for unique_id, node in manifest.nodes.items()
        if node.resource_type in ("model", "test")
    }


def models(manifest: Any) -> list[Any]:
    """All models of the project."""
    return [node for node in manifest.nodes.values() if node.resource_type == "model"]


def test_every_model_says_its_grain(manifest: Any) -> None:
    silent = [
        node.name for node in models(manifest) if not re.search(r"\bone row per\b", node.description, re.IGNORECASE)
    ]
    assert silent == []


def test_every_model_says_its_grain_in_its_sql(manifest: Any) -> None:
    silent = [node.name for node in models(manifest) if not re.search(r"\bone row per\b", node.raw_code, re.IGNORECASE)]
    assert silent == []


def test_joins_as_written_end_with_their_model(manifest: Any) -> None:
    hooks = {node.name: (node.config.pre_hook, node.config.post_hook) for node in models(manifest)}
    begun = {name for name, (before, _) in hooks.items() if any("joins_as_written" in hook.sql for hook in before)}
    ended = {name for name, (_, after) in hooks.items() if any("joins_by_estimate" in hook.sql for hook in after)}
    assert "int_graded_labs" in begun
    assert begun == ended


def test_described_columns_are_the_columns(manifest: Any, reference: BuiltCohort) -> None:
    columns: dict[str, set[str]] = {}
    for row in reference.query("select schema_name || '.' || table_name as name, column_name from duckdb_columns()"):
        columns.setdefault(row["name"], set()).add(row["column_name"])
    differing = {
        node.name: sorted(columns[f"{node.schema}.{node.alias}"] ^ set(node.columns))
        for node in models(manifest)
        if node.config.materialized != "ephemeral" and columns[f"{node.schema}.{node.alias}"] != set(node.columns)
    }
    assert differing == {}


def test_every_column_is_described(manifest: Any) -> None:
    silent = [
        f"{node.name}.{name}"
        for node in models(manifest)
        for name, column in node.columns.items()
        if not column.description
    ]
    assert silent == []


KINDS = {"boolean": "boolean", "integer": "number", "double": "number", "varchar": "text"}


def test_study_knows_what_the_columns_of_the_patients_hold(manifest: Any) -> None:
    (patients,) = (node for node in models(manifest) if (node.schema, node.name) == ("marts", "patients"))
    assert {name: KINDS.get(patients.columns[name].data_type) for name in COLUMN_KINDS} == COLUMN_KINDS


def test_study_closes_the_columns_that_dbt_closes(manifest: Any) -> None:
    closed = {
        node.column_name: tuple(node.test_metadata.kwargs["values"])
        for node in manifest.nodes.values()
        if node.name.startswith("accepted_values_patients_") and node.column_name in COLUMN_KINDS
    }
    contracts: list[Any] = []
    rendered_macros("feeds.sql", **{"return": contracts.append}).feed_contract("patients")
    assert {**closed, "sex": tuple(contracts[0]["columns"]["sex"]["codes"])} == CLOSED_VALUES


def test_every_test_says_its_kind_and_what_to_do(manifest: Any) -> None:
    tests = [node for node in manifest.nodes.values() if node.resource_type == "test"]
    lacking = [
        node.name for node in tests if node.config.meta.get("kahn") not in KAHN or not node.config.meta.get("action")
    ]
    assert tests
    assert lacking == []


def test_singular_tests_name_their_asset(manifest: Any) -> None:
    """Without it Dagster hangs a test of several parents on one of them or on none."""
    singular = [
        node for node in manifest.nodes.values() if node.resource_type == "test" and not hasattr(node, "test_metadata")
    ]
    names = {node.name for node in models(manifest)}
    lost = [
        node.name for node in singular if node.config.meta.get("dagster", {}).get("ref", {}).get("name") not in names
    ]
    assert singular
    assert lost == []


def test_marts_have_enforced_contracts(manifest: Any) -> None:
    enforced = {node.name for node in models(manifest) if node.schema == "marts" and node.config.contract.enforced}
    assert enforced >= set(MARTS)
    assert enforced == {node.name for node in models(manifest) if node.schema == "marts"}


def test_schemas_have_their_plain_names(manifest: Any) -> None:
    assert {node.schema for node in models(manifest)} == {"staging", "intermediate", "marts", "quality"}


@pytest.mark.parametrize("feed", FEEDS)
def test_staging_has_every_column_of_the_contract(manifest: Any, feed: str) -> None:
    node = next(node for node in models(manifest) if node.name == f"stg_emr__{feed}")
    expected = {column.lake_name for column in FEEDS[feed].lake_columns}
    assert expected <= set(node.columns)
    assert {"source_feed", "source_extract", "source_file", "source_row"} <= set(node.columns)


@pytest.mark.parametrize("feed", FEEDS)
def test_staging_reads_columns_as_ingestion_means_them(reference: BuiltCohort, feed: str) -> None:
    types = {
        row["column_name"]: row["column_type"]
        for row in reference.query(f"describe unpublished.staging.stg_emr__{feed}")
    }
    expected = {Kind.DATE: "DATE", Kind.DATETIME: "TIMESTAMP", Kind.NUMBER: "DOUBLE", Kind.INTEGER: "INTEGER"}
    differing = {
        column.name: types[column.lake_name]
        for column in FEEDS[feed].lake_columns
        if types[column.lake_name] != expected.get(column.kind, "VARCHAR")
    }
    assert differing == {}


def test_the_data_dictionary_is_current(manifest: Any) -> None:
    pages = runpy.run_path(str(DBT_PROJECT.parent / "docs" / "make_data_dictionary.py"))
    made = pages["dictionary"](manifest.writable_manifest().to_dict())
    assert pages["PAGE"].read_text(encoding="utf-8") == made, "run `make dictionary`"


def test_a_run_without_a_study_says_what_to_do(manifest: Any, tmp_path: Path) -> None:
    database = tmp_path / "memory.duckdb"  # the parse holds the name of its database, which was in memory
    with environment(DBT_TARGET_PATH=str(tmp_path), CART_LAKE="", CART_BUILD_DATABASE=str(database)):
        command = ["run", "--select", "int_eligible_diagnosis", "--project-dir", str(DBT_PROJECT)]
        result = dbtRunner(manifest).invoke(
            ["--quiet", *command, "--profiles-dir", str(DBT_PROJECT), "--no-write-json"]
        )
    assert not result.success
    assert "The study file is not known to dbt" in result.result.results[0].message


def test_sql_unit_tests_pass(reference_database: Path, paper_study: Study, tmp_path: Path) -> None:
    """dbt's unit tests: both sides of every boundary, beside the models."""
    database = copied_build(reference_database, tmp_path)
    lake = reference_database.parent / "lake"
    results = run_dbt(["test", "--select", "test_type:unit"], paper_study, lake=lake, database=database)
    assert len(results.results) > 0


def test_every_data_test_passes_on_the_reference_extract(
    reference_database: Path, paper_study: Study, tmp_path: Path
) -> None:
    database = copied_build(reference_database, tmp_path)
    lake = reference_database.parent / "lake"
    results = run_dbt(["test", "--exclude", "test_type:unit"], paper_study, lake=lake, database=database)
    warned = {result.node.name for result in results.results if result.status == "warn"}
    assert len(results.results) > len(warned)
    assert warned == {"is_empty_rejected_rows_", "is_empty_rejected_values_"}
