"""What the exports read of the marts: the contract's columns, and further columns where they exist."""

from __future__ import annotations

import duckdb

EVIDENCE = 'struct(feed varchar, "extract" date, file varchar, "row" bigint)[]'

CONTRACT: dict[str, tuple[str, ...]] = {
    "patients": (
        "patient_key", "included", "exclusion_reason", "sex", "age_years", "infusion_date",
        "prior_chemotherapies", "refractory", "relapsed", "marrow_blast_percent", "extramedullary_disease",
        "cns_leukemia", "bcr_abl1", "sh2b3", "pax5", "wbc", "flu_cy", "cart_target", "complete_remission",
        "mrd_negative", "bridged_to_hsct", "crs_grade", "severe_crs",
    ),
    "events": (
        "patient_key", "event_type", "event_date", "study_day", "value", "grade", "detail",
        "source_feed", "source_extract", "source_file", "source_row",
    ),
    "response_assessments": (
        "patient_key", "assessed_on", "study_day", "marrow_blast_percent", "circulating_blasts",
        "extramedullary_disease", "complete_remission", "mrd_status", "response",
    ),
    "response_by_rule": (
        "patient_key", "rule_set", "chosen", "response", "complete_remission", "complete_remission_date", "study_day",
    ),
    "adverse_events": (
        "patient_key", "phase", "term", "parent_term", "worst_grade", "grading_scale", "first_study_day",
    ),
    "outcomes": (
        "patient_key", "endpoint", "kind", "achieved", "time_days", "time_months", "event", "event_kind",
        "event_date", "evidence",
    ),
}  # fmt: skip

# Columns beyond the contract; a warehouse without them is exported all the same, with missing values there.
FURTHER: dict[str, dict[str, str]] = {
    "patients": {
        "infusion_date_precision": "varchar",
        "fusion_gene": "varchar",
        "other_fusion_gene": "boolean",
        "other_mutation": "boolean",
        "hsct_before_infusion": "boolean",
        "lymphodepletion_regimen": "varchar",
        "cells_per_kg": "double",
        "complete_remission_date": "date",
        "mrd_negative_date": "date",
        "best_response": "varchar",
        "response_evaluable": "boolean",
        "hsct_date": "date",
        "subsequent_therapy": "varchar",
        "hematologic_toxicity_grade": "integer",
        "neurotoxicity": "boolean",
        "infection": "boolean",
        "icu_admission": "boolean",
        "glucocorticoids": "boolean",
        "tocilizumab": "boolean",
        "last_contact_date": "date",
        "death_date": "date",
    },
    "response_assessments": {
        "circulating_blast_percent": "double",
        "rule_set": "varchar",
        "within_window": "boolean",
        "marrow_assumed": "boolean",
        "blood_assumed": "boolean",
        "extramedullary_assumed": "boolean",
        "evidence": EVIDENCE,
    },
    "response_by_rule": {"evidence": EVIDENCE},
    "adverse_events": {"without_transplant": "boolean", "evidence": EVIDENCE},
    "outcomes": {"reason": "varchar", "date_imputed": "boolean"},
}


class InterchangeError(Exception):
    """An export that can't be made; the message says of what table or study and what to do."""


def mart(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return a mart as SQL to stand after `from`, with missing values for further columns that it lacks.

    Args:
        connection: a connection whose own database holds the schema `marts`.
        table: a key of `CONTRACT`.

    Raises:
        InterchangeError: the mart, or a column of its contract, is not there.
    """
    found = {
        name
        for (name,) in connection.execute(
            "select column_name from duckdb_columns() "
            "where database_name = current_database() and schema_name = 'marts' and table_name = ?",
            [table],
        ).fetchall()
    }
    if not found:
        raise InterchangeError(f"The warehouse has no table marts.{table}. Run a whole refresh, then export again.")
    missing = [column for column in CONTRACT[table] if column not in found]
    if missing:
        raise InterchangeError(
            f"marts.{table} lacks {', '.join(missing)}. The warehouse was built by another version: run a refresh."
        )
    absent = "".join(
        f", cast(null as {kind}) as {column}" for column, kind in FURTHER.get(table, {}).items() if column not in found
    )
    return f"(select *{absent} from marts.{table})"  # noqa: S608 - both names stand in this file
