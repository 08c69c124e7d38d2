"""On the reference extract marts.patients equals the synthetic cohort's own columns, though no row holds them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest

from tests.cohort import BuiltCohort
from tests.dbt_project.conftest import REFERENCE_COHORT

with REFERENCE_COHORT.open(encoding="utf-8", newline="") as cohort_file:
    COHORT = list(csv.DictReader(cohort_file))


def flag(column: str) -> Callable[[dict[str, str]], bool | None]:
    """Return a reader of a 0/1 column; empty is None."""
    return lambda row: {"": None, "0": False, "1": True}[row[column]]


def listed(text: str) -> set[str]:
    """Return the parts of a list joined by semicolons."""
    return {part.strip() for part in text.split(";")} - {""}


EXPECTED: dict[str, Callable[[dict[str, str]], Any]] = {
    "included": lambda _: True,
    "exclusion_reason": lambda _: None,
    "sex": lambda row: {"female": "F", "male": "M"}[row["sex"]],
    "age_years": lambda row: int(row["age_years"]),
    "infusion_date": lambda row: row["infusion_date"],
    "prior_chemotherapies": lambda row: int(row["n_prev_chemo"]),
    "refractory": flag("refractory"),
    "relapsed": flag("relapsed"),
    "marrow_blast_percent": lambda row: float(row["bm_blasts_pct"]),
    "extramedullary_disease": flag("extramedullary"),
    "cns_leukemia": flag("cnsl"),
    "fusion_gene": lambda row: row["fusion_gene"] or None,
    "bcr_abl1": flag("bcr_abl1"),
    "other_fusion_gene": lambda row: row["fusion_gene"] not in ("", "BCR/ABL1"),
    "sh2b3": flag("sh2b3"),
    "pax5": flag("pax5"),
    "other_mutation": lambda row: row["other_mutations"] != "",
    "other_mutations": lambda row: listed(row["other_mutations"]),
    "wbc": lambda row: float(row["wbc_1e9_l"]),
    "lymphodepletion_regimen": lambda row: row["lymphodepletion"],
    "flu_cy": flag("flu_cy"),
    "cart_target": lambda row: row["cart_product"].replace("anti-", ""),
}


@pytest.mark.parametrize("column", EXPECTED)
def test_baseline_column_equals_the_cohort(reference: BuiltCohort, column: str) -> None:
    read = {"infusion_date": str, "other_mutations": lambda text: listed(text or "")}.get(column, lambda value: value)
    found = {
        row["patient"]: read(row[column])
        for row in reference.query(f"select patient_key, {column} from marts.patients")
    }
    expected = {row["patient_id"]: EXPECTED[column](row) for row in COHORT}
    numeric = column in ("wbc", "marrow_blast_percent")
    assert found == (pytest.approx(expected, rel=1e-9) if numeric else expected)


def test_flow_ends_with_every_patient(reference: BuiltCohort) -> None:
    steps = reference.query("select step, n_excluded, n_remaining from marts.cohort_flow order by step")
    assert [(row["n_excluded"], row["n_remaining"]) for row in steps] == [(0, len(COHORT))] * 7


def test_every_baseline_fact_has_evidence_in_the_lake(reference: BuiltCohort) -> None:
    """Evidence leads to rows that exist in staging with that file and row number."""
    models = ("prior_therapy", "refractory", "relapsed", "baseline_marrow", "baseline_labs", "baseline_extramedullary")
    models += ("baseline_genes", "lymphodepletion", "cart_product", "time_zero")
    evidence = " union all ".join(
        f"select '{model}' as model, unnest(evidence, recursive := true) from intermediate.int_{model}"
        for model in models
    )
    feeds = {row["feed"] for row in reference.query(f"select distinct feed from ({evidence})")}
    rows = " union all ".join(
        f"select source_feed as feed, source_extract as extract, source_file as file, source_row as row"
        f" from unpublished.staging.stg_emr__{feed}"
        for feed in sorted(feeds)
    )
    lost = reference.query(f"select * from ({evidence}) as e anti join ({rows}) as s using (feed, extract, file, row)")
    counted = {row["model"] for row in reference.query(f"select distinct model from ({evidence})")}
    assert (lost, counted) == ([], set(models))


MERGED_AS_THEY_LIE = {
    "int_time_zero": "evidence",
    "int_first_complete_remission": "evidence",
    "int_first_mrd_negative": "evidence",
    "int_response_findings": "evidence",
    "int_best_response_by_rule": "evidence",
    "int_endpoint_origins": "evidence",
    "int_endpoint_happenings": "evidence",
    "int_patient_hsct": "evidence",
    "int_patient_adverse_events": "crs_evidence",
    "int_patient_response": "remission_evidence",
    "int_binary_endpoints": "evidence",
}
"""What the macro merge_sorted_evidence is given: it takes on trust that each list is in order and names a row once."""


@pytest.mark.parametrize("table", MERGED_AS_THEY_LIE)
def test_evidence_that_is_merged_unsorted_lies_in_order(reference: BuiltCohort, table: str) -> None:
    column = MERGED_AS_THEY_LIE[table]
    wrong = reference.query(
        f"select {column} from intermediate.{table} where {column} <> list_sort(list_distinct({column}))"
    )
    assert wrong == []


@pytest.mark.parametrize(
    "table", ["intermediate.int_time_to_event", "intermediate.int_first_relapse", "marts.outcomes"]
)
def test_merged_evidence_names_each_row_once_and_in_order(reference: BuiltCohort, table: str) -> None:
    rows = reference.query(f"select evidence from {table}")
    wrong = reference.query(f"select evidence from {table} where evidence <> list_sort(list_distinct(evidence))")
    assert rows
    assert wrong == []
