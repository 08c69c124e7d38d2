"""An extract as FHIR R4 bulk NDJSON; `OMOP_FHIR.md` says which column goes where."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthetic_emr.contract import FEEDS, Extract, Row, without_unusable_rows
from synthetic_emr.reference import REFERENCE_SEED, build_reference_extract, reference_folder

Resource = dict[str, Any]

_OWN = "urn:cart"
_LOINC = "http://loinc.org"
_ICD10 = "http://hl7.org/fhir/sid/icd-10"
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
_INTERPRETATIONS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_ACT_CODES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_GENDERS = {"F": "female", "M": "male"}
_SIGNS = {"temperature": "8310-5", "systolic_bp": "8480-6", "spo2": "59408-5", "oxygen_flow": "3151-8"}
_HOSPITAL_OFFSET = "+08:00"
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_COMPARED = re.compile(rf"(<=|>=|<|>)?({_NUMBER.pattern})")


def fhir_resources(extract: Extract) -> dict[str, list[Resource]]:
    """Every resource by type, in the order of the extract; rows that can't be used are left out."""
    usable = without_unusable_rows(extract)
    deaths = {row["patient_id"]: row["death_on"] for row in usable["follow_ups"] if row["death_on"]}
    numbers = {row["patient_id"]: f"p{number:04d}" for number, row in enumerate(usable["patients"], start=1)}
    resources: dict[str, list[Resource]] = {"Patient": []}
    for row in usable["patients"]:
        resources["Patient"].append(_patient(row, numbers[row["patient_id"]], deaths.get(row["patient_id"], "")))
    for feed, (resource_type, build) in _BUILDERS.items():
        typed = resources.setdefault(resource_type, [])
        for row in usable[feed]:
            subject = {"reference": f"Patient/{numbers[row['patient_id']]}"}
            head = {
                "resourceType": resource_type,
                "id": f"{resource_type.lower()}-{len(typed) + 1}",
                "subject": subject,
            }
            typed.append(_without_empty(head | build(row)))
    return resources


def write_fhir_extract(out_dir: Path, *, seed: int = REFERENCE_SEED, extract: Extract | None = None) -> Path:
    """Write an extract as `out_dir/2018-07-30/<ResourceType>.ndjson`, the same bytes for the same rows.

    Args:
        out_dir: the folder of extracts, made if it is missing.
        seed: of the reference extract.
        extract: other rows than those of the reference extract.

    Returns:
        The extract folder.
    """
    folder = reference_folder(out_dir)
    rows = build_reference_extract(seed=seed) if extract is None else extract
    for resource_type, resources in fhir_resources(rows).items():
        lines = "".join(json.dumps(resource, ensure_ascii=False) + "\n" for resource in resources)
        (folder / f"{resource_type}.ndjson").write_text(lines, encoding="utf-8")
    return folder


def _without_empty(value: Any) -> Any:
    """FHIR knows no empty strings, objects or lists: an absent value has no element."""
    if isinstance(value, dict):
        cleaned = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if item not in ("", {}, [], None)}
    if isinstance(value, list):
        return [item for item in map(_without_empty, value) if item not in ("", {}, [], None)]
    return value


def _moment(text: str) -> str:
    """A FHIR dateTime: a bare date stays one, a time gets seconds and the hospital's offset."""
    if "T" not in text:
        return text
    seconds = "" if text.count(":") > 1 else ":00"
    return f"{text}{seconds}{_HOSPITAL_OFFSET}"


def _extensions(row: Row, *columns: str) -> list[Resource]:
    named = [(column, row.get(column, "")) for column in columns]
    return [{"url": f"{_OWN}:{column}", "valueString": text} for column, text in named if text]


def _number(text: str) -> int | float | None:
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _quantity(text: str, unit: str) -> Resource:
    """The value as a quantity with its comparator; text that is no number as a string."""
    if not text:
        return {}
    found = _COMPARED.fullmatch(text)
    if found is None:
        return {"valueString": text, "extension": _extensions({"unit": unit}, "unit")}
    comparator, number = found.group(1) or "", found.group(2)
    return {"valueQuantity": {"value": _number(number), "comparator": comparator, "unit": unit}}


def _interpretation(result: str) -> list[Resource]:
    code = {"negative": "NEG", "positive": "POS"}.get(result, "")
    return [{"coding": [{"system": _INTERPRETATIONS, "code": code}]}] if code else []


def _observation(category: str, on: str) -> Resource:
    system = _CATEGORIES if category in {"laboratory", "vital-signs"} else f"{_OWN}:feed"
    return {
        "status": "final",
        "category": [{"coding": [{"system": system, "code": category}]}],
        "effectiveDateTime": _moment(on),
    }


def _patient(row: Row, number: str, death_on: str) -> Resource:
    return dict(
        _without_empty(
            {
                "resourceType": "Patient",
                "id": number,
                "identifier": [
                    {"system": f"{_OWN}:patient-id", "value": row["patient_id"]},
                    {"system": f"{_OWN}:national-id", "value": row.get("national_id", "")},
                ],
                "name": [{"text": row.get("name", "")}],
                "telecom": [{"system": "phone", "value": row.get("phone", "")}],
                "address": [{"text": row.get("address", "")}],
                "gender": _GENDERS.get(row["sex"], "unknown" if row["sex"] else ""),
                "birthDate": row["birth_date"],
                "deceasedDateTime": death_on,
            }
        )
    )


def _condition(row: Row) -> Resource:
    return {
        "code": {"coding": [{"system": _ICD10, "code": row["code"]}], "text": row["description"]},
        "recordedDate": row["diagnosed_on"],
        "extension": _extensions(row, "immunophenotype", "method"),
    }


def _prior_therapy(row: Row) -> Resource:
    return {
        "status": "completed",
        "category": {"text": "prior therapy"},
        "code": {"text": row["regimen"]},
        "performedPeriod": {"start": row["started_on"], "end": row["ended_on"]},
        "extension": _extensions(row, "line", "phase", "outcome"),
    }


def _procedure(row: Row) -> Resource:
    return {
        "status": "completed",
        "code": {"text": row["procedure"]},
        "performedDateTime": row["performed_on"],
        "note": [{"text": row["detail"]}],
    }


def _lab_result(row: Row) -> Resource:
    system = f"{_OWN}:local" if row["loinc"].startswith("LOCAL-") else _LOINC
    return {
        **_observation("laboratory", row["collected_at"]),
        "code": {"coding": [{"system": system, "code": row["loinc"]}], "text": row["test_name"]},
        "specimen": {"display": row["specimen"]},
        **_quantity(row["value"], row["unit"]),
    }


def _vital_sign(row: Row) -> Resource:
    return {
        **_observation("vital-signs", row["measured_at"]),
        "code": {"coding": [{"system": _LOINC, "code": _SIGNS.get(row["sign"], row["sign"])}], "text": row["sign"]},
        **_quantity(row["value"], row["unit"]),
    }


def _marrow(row: Row) -> Resource:
    return {
        **_observation("marrow_assessments", row["sampled_on"]),
        "code": {"text": "marrow blasts"},
        "method": {"text": row["method"]},
        **_quantity(row["blast_percent"], "%"),
    }


def _mrd(row: Row) -> Resource:
    return {
        **_observation("mrd_results", row["sampled_on"]),
        "code": {"text": "minimal residual disease"},
        "method": {"text": row["method"]},
        **_quantity(row["value_percent"], "%"),
        "interpretation": _interpretation(row["result"]),
        "extension": _extensions(row, "target"),
    }


def _extramedullary(row: Row) -> Resource:
    return {
        **_observation("extramedullary_assessments", row["assessed_on"]),
        "code": {"text": "extramedullary disease"},
        "bodySite": {"text": row["site"]},
        "method": {"text": row["method"]},
        "valueCodeableConcept": {"text": row["finding"]},
    }


def _molecular(row: Row) -> Resource:
    gene_studied = {"coding": [{"system": _LOINC, "code": "48018-6"}]}
    return {
        **_observation("molecular_findings", row["sampled_on"]),
        "code": {"text": row["kind"]},
        "component": [{"code": gene_studied, "valueCodeableConcept": {"text": row["gene"]}}],
        "interpretation": _interpretation(row["result"]),
    }


def _follow_up(row: Row) -> Resource:
    told = [column for column in FEEDS["follow_ups"] if column not in {"patient_id", "visited_on"} and row[column]]
    return {
        **_observation("follow_ups", row["visited_on"]),
        "code": {"text": "follow-up visit"},
        "component": [{"code": {"text": column}, "valueString": row[column]} for column in told],
    }


def _medication(row: Row) -> Resource:
    return {
        "status": "completed",
        "medicationCodeableConcept": {"text": row["drug"]},
        "effectivePeriod": {"start": _moment(row["started_at"]), "end": _moment(row["ended_at"])},
        "dosage": {"dose": {"value": _number(row["dose"]), "unit": row["dose_unit"]}},
        "reasonCode": [{"text": row["purpose"]}],
    }


def _infusion(row: Row) -> Resource:
    return {
        "identifier": [{"system": f"{_OWN}:infusion-id", "value": row["infusion_id"]}],
        "status": "completed",
        "medicationCodeableConcept": {"text": "CAR-T cells"},
        "effectiveDateTime": _moment(row["infused_at"]),
        "dosage": {"dose": {"value": _number(row["cells_per_kg"]), "unit": "cells/kg"}},
        "extension": _extensions(row, "course", "fraction", "target"),
    }


def _adverse_event(row: Row) -> Resource:
    return {
        "identifier": {"system": f"{_OWN}:event-id", "value": row["event_id"]},
        "actuality": "actual",
        "event": {"text": row["term"]},
        "date": row["started_on"],
        "extension": _extensions(row, "parent_event_id", "grade", "grading_scale", "ended_on", "phase"),
    }


def _encounter(row: Row) -> Resource:
    return {
        "identifier": [{"system": f"{_OWN}:encounter-id", "value": row["encounter_id"]}],
        "status": "finished",
        "class": {"system": _ACT_CODES, "code": "AMB" if row["care_unit"] == "outpatient" else "IMP"},
        "serviceType": {"text": row["care_unit"]},
        "period": {"start": _moment(row["admitted_at"]), "end": _moment(row["discharged_at"])},
    }


_BUILDERS: Mapping[str, tuple[str, Callable[[Row], Resource]]] = {
    "diagnoses": ("Condition", _condition),
    "prior_therapies": ("Procedure", _prior_therapy),
    "procedures": ("Procedure", _procedure),
    "lab_results": ("Observation", _lab_result),
    "vital_signs": ("Observation", _vital_sign),
    "marrow_assessments": ("Observation", _marrow),
    "mrd_results": ("Observation", _mrd),
    "extramedullary_assessments": ("Observation", _extramedullary),
    "molecular_findings": ("Observation", _molecular),
    "follow_ups": ("Observation", _follow_up),
    "medications": ("MedicationAdministration", _medication),
    "cart_infusions": ("MedicationAdministration", _infusion),
    "adverse_events": ("AdverseEvent", _adverse_event),
    "encounters": ("Encounter", _encounter),
}
