"""Names of the extract contract: fifteen feeds, their columns in order, their key columns."""

from __future__ import annotations

from collections.abc import Mapping

Row = dict[str, str]
Extract = dict[str, list[Row]]

_DECLARED = {
    "patients": "patient_id* sex birth_date name national_id phone address",
    "diagnoses": "patient_id* diagnosed_on* code_system code* description immunophenotype method",
    "prior_therapies": "patient_id* line* phase regimen started_on ended_on outcome",
    "lab_results": "patient_id* collected_at* specimen loinc* test_name value unit",
    "vital_signs": "patient_id* measured_at* sign* value unit",
    "marrow_assessments": "patient_id* sampled_on* blast_percent method",
    "mrd_results": "patient_id* sampled_on* method* target value_percent result",
    "extramedullary_assessments": "patient_id* assessed_on* site* method finding",
    "molecular_findings": "patient_id* sampled_on kind* gene* result",
    "medications": "patient_id* drug* started_at* ended_at dose dose_unit purpose",
    "cart_infusions": "patient_id* infusion_id* infused_at course fraction target cells_per_kg",
    "adverse_events": "patient_id* event_id* parent_event_id term grade grading_scale started_on ended_on phase",
    "encounters": "patient_id* encounter_id* care_unit admitted_at discharged_at",
    "procedures": "patient_id* procedure* performed_on* detail",
    "follow_ups": "patient_id* visited_on* vital_status death_on cause_of_death disease_status relapse_on relapse_site",
}

FEEDS: Mapping[str, tuple[str, ...]] = {
    feed: tuple(column.rstrip("*") for column in columns.split()) for feed, columns in _DECLARED.items()
}
# The column that says when a row happened, and the one that is filled in later, while a stay or an event goes on.
HAPPENED: Mapping[str, str] = {
    "diagnoses": "diagnosed_on",
    "prior_therapies": "started_on",
    "lab_results": "collected_at",
    "vital_signs": "measured_at",
    "marrow_assessments": "sampled_on",
    "mrd_results": "sampled_on",
    "extramedullary_assessments": "assessed_on",
    "molecular_findings": "sampled_on",
    "medications": "started_at",
    "cart_infusions": "infused_at",
    "adverse_events": "started_on",
    "encounters": "admitted_at",
    "procedures": "performed_on",
    "follow_ups": "visited_on",
}
ENDED: Mapping[str, str] = {"adverse_events": "ended_on", "encounters": "discharged_at"}
KEYS: Mapping[str, tuple[str, ...]] = {
    feed: tuple(column.rstrip("*") for column in columns.split() if column.endswith("*"))
    for feed, columns in _DECLARED.items()
}


def without_unusable_rows(extract: Extract) -> Extract:
    """The extract without rows that have no complete key or belong to no known patient."""
    known = {row["patient_id"] for row in extract["patients"]}
    return {
        feed: [row for row in rows if row["patient_id"] in known and all(row[column] for column in KEYS[feed])]
        for feed, rows in extract.items()
    }
