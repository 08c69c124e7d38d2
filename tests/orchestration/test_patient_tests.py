"""Tests that judge patient by patient do so: what they find on the whole they find on a part of the patients."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from orchestration.delta_night import models_of
from orchestration.manifest import ensure_manifest
from orchestration.patient_tests import add_results, by_patient_tests, failed_by_tests_alone, statuses_of_tests
from tests.night import Night

Tables = Mapping[tuple[str, str, str], pa.Table]
"""Rows by database, schema and name."""
_LAKE_FILES = re.compile(r"read_parquet\(\[[^\]]*\]\)")


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(ensure_manifest().read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def by_patient(manifest: dict[str, Any]) -> dict[str, str]:
    models = models_of(manifest)
    return by_patient_tests(manifest, models.by_patient | models.work)


def test_every_test_of_a_work_table_is_made_on_the_changed_patients(
    manifest: dict[str, Any], by_patient: dict[str, str]
) -> None:
    """The whole warehouse of a delta night has no work table: a test that were made on it would end the night."""
    work = models_of(manifest).work
    nodes = manifest["nodes"]
    of_work = {
        unique_id: node["name"]
        for unique_id, node in nodes.items()
        if node["resource_type"] == "test"
        and any((nodes[read]["schema"], nodes[read]["name"]) in work for read in node["depends_on"]["nodes"])
    }
    assert set(of_work.values()) == {
        "one_row_per_int_neutrophil_days_patient_number__study_day",
        "one_row_per_int_worst_labs_patient_number__analyte",
    }
    assert of_work.keys() <= by_patient.keys()


def test_tests_of_the_whole_cohort_are_these(manifest: dict[str, Any], by_patient: dict[str, str]) -> None:
    """Beside those of code lists. A key without the patient tells rows of all patients apart, so it is one of these."""
    others = {
        node["name"]
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "test"
        and unique_id not in by_patient
        and not all(read.startswith("seed.") for read in node["depends_on"]["nodes"])
    }
    of_a_source_row = {name for name in others if name.endswith("source_extract__source_file__source_row")}
    assert others - of_a_source_row == {
        "accepted_and_rejected_rows_add_up",
        "cohort_flow_adds_up",
        "is_empty_rejected_rows_",
        "lab_units_are_known",
        "one_row_per_extracts_feed__extract__file__sha256",
        "one_row_per_ignored_rows_feed__extract__file",
        "one_row_per_int_lab_bounds_version__analyte__sex__grade",
        "one_row_per_int_lab_files_file_number",
        "one_row_per_int_leukemia_findings_found_in__deciding_row",
        "one_row_per_int_subsequent_therapies_therapy__evidence",
        "one_row_per_int_time_zero_patient_key",
        "one_row_per_stg_emr__unknown_units_loinc__unit",
        "relationships_int_time_zero_patient_key__patient_key__ref_stg_emr__patients_",
        "relationships_outcomes_endpoint__endpoint__ref_endpoints_",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"error_if": "> 10"}},
        {"config": {"fail_calc": "max(n)"}},
        {"config": {"where": "included"}},
        {"config": {"limit": 1}},
        {"test_metadata": {"name": "one_row_per", "kwargs": {"columns": ["source_row"]}}},
        {"test_metadata": {"name": "unique", "kwargs": {"column_name": "source_row"}}},
        {"test_metadata": {"name": "relationships", "kwargs": {"column_name": "patient_key", "field": "number"}}},
        {"test_metadata": {"name": "a_new_one", "kwargs": {"column_name": "patient_key"}}},
        {"test_metadata": None},
        {"depends_on": {"nodes": ["model.t", "model.cohort"]}},
        {"depends_on": {"nodes": ["seed.list"]}},
    ],
)
def test_what_is_not_clearly_by_patient_is_made_on_the_whole(changes: dict[str, Any]) -> None:
    plain = {"where": None, "limit": None, "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0", "meta": {}}
    test = {
        "resource_type": "test",
        "name": "a",
        "schema": "tests",
        "config": plain,
        "test_metadata": {"name": "one_row_per", "kwargs": {"columns": ["patient_key", "day"]}},
        "depends_on": {"nodes": ["model.t", "seed.list"]},
    }
    nodes = {
        "model.t": {"resource_type": "model", "schema": "marts", "name": "t", "columns": {"patient_key": {}}},
        "model.cohort": {"resource_type": "model", "schema": "marts", "name": "cohort", "columns": {}},
        "seed.list": {"resource_type": "seed", "schema": "intermediate", "name": "list", "columns": {}},
    }
    tables = [("marts", "t")]
    assert by_patient_tests({"nodes": {**nodes, "test.a": test}}, tables) == {"test.a": "a"}
    changed = {**test, **changes, "config": {**plain, **changes.get("config", {})}}
    assert by_patient_tests({"nodes": {**nodes, "test.a": changed}}, tables) == {}


@pytest.mark.slow
def test_what_they_find_they_find_among_a_part_of_the_patients(
    published_night: Night, by_patient: dict[str, str]
) -> None:
    """Every table of a night is spoiled at random; then the tests are made on the whole and on either half."""
    results = json.loads((published_night.home / "dbt_target" / "run_results.json").read_text(encoding="utf-8"))
    compiled = {result["unique_id"]: result["compiled_code"] for result in results["results"]}
    queries = {
        name: _LAKE_FILES.sub("lake.raw.lab_results", compiled[unique_id]) for unique_id, name in by_patient.items()
    }
    whole = spoiled(tables_of(published_night.home))
    first, second = (part_of(whole, half) for half in (0, 1))
    found, in_first, in_second = (found_in(tables, queries) for tables in (whole, first, second))
    assert {name for name in queries if found[name] != (in_first[name] or in_second[name])} == set()
    silent = {name for name in queries if not found[name]}
    assert len(silent) < len(queries) / 5, silent


def tables_of(home: Path) -> Tables:
    """Every table of a night, staging views and the laboratory feed of the lake as tables too."""
    tables: dict[tuple[str, str, str], pa.Table] = {}
    with duckdb.connect() as connection:
        for database, path in (
            ("warehouse", home / "warehouse.duckdb"),
            ("unpublished", home / "build/unpublished.duckdb"),
        ):
            connection.execute(f"attach '{path.resolve()}' as {database} (read_only)")
            listed = connection.execute(
                "select table_schema, table_name from information_schema.tables where table_catalog = ?", [database]
            ).fetchall()
            for schema, name in listed:
                if schema in ("staging", "intermediate", "marts", "quality"):
                    tables[database, schema, name] = connection.sql(f"from {database}.{schema}.{name}").to_arrow_table()
        files = str(home / "lake/raw/lab_results/*/*.parquet")
        tables["lake", "raw", "lab_results"] = connection.sql(f"from read_parquet('{files}')").to_arrow_table()
    return tables


def spoiled(tables: Tables) -> Tables:
    """The tables by patient with rows doubled and values emptied, moved or replaced; the patient stays."""
    return {name: _spoil(table) if "patient_key" in table.column_names else table for name, table in tables.items()}


def _spoil(table: pa.Table) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.execute("select setseed(0.5)").fetchall()
        connection.register("given", table)
        types = {name: str(kind) for name, kind, *_ in connection.execute("describe given").fetchall()}
        columns = ", ".join(
            '"patient_key"' if name == "patient_key" else _spoiled_value(name, kind) for name, kind in types.items()
        )
        doubled = "(from given union all from (from given using sample 60% (bernoulli, 7)))"
        return connection.sql(f"select {columns} from {doubled}").to_arrow_table()


def _spoiled_value(name: str, kind: str) -> str:
    column = f'"{name}"'
    wrong = {
        "VARCHAR": "'nonsense'",
        "BOOLEAN": f"not {column}",
        "DATE": f"{column} + 400",
        "TIMESTAMP": f"{column} + interval 400 days",
        "INTEGER": "case when random() < 0.5 then -3 else 400 end",
        "BIGINT": "case when random() < 0.5 then -3 else 400 end",
        "DOUBLE": "-3.5",
    }.get(kind, column)
    chance = f"case when random() < 0.1 then null when random() < 0.1 then {wrong} else {column} end"
    return f"{chance} as {column}"


def part_of(tables: Tables, half: int) -> Tables:
    """The rows of about half of the patients; tables without patients as they are."""
    with duckdb.connect() as connection:
        parts: dict[tuple[str, str, str], pa.Table] = {}
        for name, table in tables.items():
            connection.register("given", table)
            mine = f"where hash(patient_key) % 2 = {half}" if "patient_key" in table.column_names else ""
            parts[name] = connection.sql(f"from given {mine}").to_arrow_table()
        return parts


def found_in(tables: Tables, queries: Mapping[str, str]) -> dict[str, bool]:
    """Whether each query finds a row."""
    with duckdb.connect() as connection:
        for database in {database for database, _, _ in tables}:
            connection.execute(f"attach ':memory:' as {database}")
        for (database, schema, name), table in tables.items():
            connection.execute(f"create schema if not exists {database}.{schema}")
            connection.register("given", table)
            connection.execute(f'create table {database}.{schema}."{name}" as from given')
        return {name: bool(connection.execute(f"from ({sql}) limit 1").fetchall()) for name, sql in queries.items()}


def results(folder: Path, statuses: Iterable[tuple[str, str]]) -> Path:
    folder.mkdir()
    rows = [{"unique_id": unique_id, "status": status, "failures": 0} for unique_id, status in statuses]
    (folder / "run_results.json").write_text(json.dumps({"results": rows, "args": {}}), encoding="utf-8")
    return folder


def test_results_of_both_runs_stand_together(tmp_path: Path) -> None:
    whole = results(tmp_path / "whole", [("model.a", "success"), ("test.cohort", "pass"), ("test.found", "warn")])
    own = results(tmp_path / "slice", [("model.b", "success"), ("test.mine", "pass"), ("test.found", "warn")])
    add_results(whole, own, ["test.mine"])
    assert statuses_of_tests(whole) == {"test.cohort": "pass", "test.found": "warn", "test.mine": "pass"}
    content = json.loads((whole / "run_results.json").read_text(encoding="utf-8"))
    assert "model.b" not in {result["unique_id"] for result in content["results"]}


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([("model.a", "success"), ("test.a", "fail"), ("model.b", "skipped")], True),
        ([("model.a", "error"), ("test.a", "fail")], False),
        ([("model.a", "success")], False),
    ],
)
def test_only_a_run_that_a_test_stopped_is_made_on_the_whole(
    tmp_path: Path, statuses: list[tuple[str, str]], expected: bool
) -> None:
    assert failed_by_tests_alone(results(tmp_path / "run", statuses)) is expected
