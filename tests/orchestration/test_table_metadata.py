"""What an analysis table shows on its page of Dagster's."""

from __future__ import annotations

import dagster as dg
import duckdb
import pytest

from orchestration.table_metadata import describe_analysis_table

ORIGINS = {
    "level": (),
    "n": (("marts.patients", "included"), ("marts.patients", "sex")),
    "pct": (("marts.patients", "included"), ("marts.patients", "sex")),
    "n_total": (("marts.patients", "included"),),
}
RAW = {"sex": frozenset({"patients.sex"}), "included": frozenset({"diagnoses.code", "cart_infusions.course"})}


@pytest.fixture
def shown() -> dict[str, object]:
    with duckdb.connect() as connection:
        connection.execute("create schema analysis")
        connection.execute("create table analysis.rates as select 'male' as level, 3 as n, 37.5 as pct, 8 as n_total")
        return describe_analysis_table(connection, "rates", ORIGINS, lambda _, column: RAW[column])


def test_columns_say_what_they_are_made_of(shown: dict[str, object]) -> None:
    schema = shown["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [(column.name, column.type, column.description) for column in schema.columns] == [
        ("level", "VARCHAR", "no column of the marts: named by the study file, the method or the paper"),
        ("n", "INTEGER", "marts.patients.included, marts.patients.sex"),
        ("pct", "DECIMAL(3,1)", "marts.patients.included, marts.patients.sex"),
        ("n_total", "INTEGER", "marts.patients.included"),
    ]


def test_lineage_leaves_out_what_is_made_of_nothing(shown: dict[str, object]) -> None:
    lineage = shown["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    assert set(lineage.deps_by_column) == {"n", "pct", "n_total"}
    assert lineage.deps_by_column["n"][1] == dg.TableColumnDep(dg.AssetKey(["marts", "patients"]), "sex")


def test_columns_made_alike_stand_together_with_their_raw_columns(shown: dict[str, object]) -> None:
    """What decides who is studied is told once, where nothing else is."""
    table = shown["column origins"]
    assert isinstance(table, dg.MarkdownMetadataValue)
    assert table.md_str is not None
    assert table.md_str.splitlines()[3:] == [
        "| n, pct | marts.patients.included, marts.patients.sex | patients.sex |",
        "| n_total | marts.patients.included | cart_infusions.course, diagnoses.code |",
    ]


def test_first_rows_are_shown(shown: dict[str, object]) -> None:
    preview = shown["preview"]
    assert isinstance(preview, dg.MarkdownMetadataValue)
    assert preview.md_str == "| level | n | pct | n_total |\n|  --- | --- | --- | --- |\n| male | 3 | 37.5 | 8 |"
