"""Resources as the mCODE implementation guide (HL7, STU 4) shapes them, read into the feeds by the shipped profile.

Written by hand from the public guide: profile URLs, LOINC and SNOMED CT codes are the guide's, ids and dates invented.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.extracts import Lake, load_profile
from study import load_study
from tests.cohort import run_dbt

from .conftest import Night

DAY = "2020-06-30"
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-"
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
Resource = dict[str, Any]


def _concept(system: str, code: str, display: str = "") -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display or code}]}


def _about(patient: str, profile: str, resource_type: str, number: str) -> Resource:
    return {
        "resourceType": resource_type,
        "id": number,
        "meta": {"profile": [f"{MCODE}{profile}"]},
        "subject": {"reference": f"Patient/{patient}"},
    }


LABORATORY = [_concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")]
VITAL_SIGNS = [_concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")]

PATIENTS: list[Resource] = [
    {
        "resourceType": "Patient",
        "id": "cancer-patient-jia",
        "meta": {"profile": [f"{MCODE}cancer-patient"]},
        "identifier": [{"system": "http://hospital.example.org/mrn", "value": "MRN-7731"}],
        "name": [{"use": "official", "family": "Jiang", "given": ["Mei", "Lin"]}],
        "telecom": [{"system": "phone", "value": "555-0177-2231"}],
        "address": [{"line": ["17 Harbour Street"], "city": "Wuhan"}],
        "gender": "female",
        "birthDate": "1984-05-06",
    },
    {
        "resourceType": "Patient",
        "id": "cancer-patient-otto",
        "meta": {"profile": [f"{MCODE}cancer-patient"]},
        "gender": "male",
        "birthDate": "1960",
        "deceasedDateTime": "2020-05-20T04:00:00+08:00",
    },
]

CONDITIONS: list[Resource] = [
    {
        **_about("cancer-patient-jia", "primary-cancer-condition", "Condition", "primary-cancer-condition-jia"),
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
                "valueDateTime": "2018-03-01",
            },
            {
                "url": f"{MCODE}histology-morphology-behavior",
                "valueCodeableConcept": _concept(SNOMED, "128822004", "Precursor B-cell lymphoblastic leukemia"),
            },
        ],
        "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "category": [_concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
        "code": {
            "coding": [
                {"system": SNOMED, "code": "91857003", "display": "Acute lymphoid leukemia"},
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C91.00"},
            ]
        },
        "recordedDate": "2018-04-09",
    },
    {
        **_about("cancer-patient-jia", "secondary-cancer-condition", "Condition", "secondary-cancer-condition-jia"),
        "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "code": _concept("http://hl7.org/fhir/sid/icd-10-cm", "C79.32"),
        "onsetDateTime": "2019-01-15",
    },
    {
        **_about("cancer-patient-jia", "comorbid-condition", "Condition", "comorbid-condition-depression-jia"),
        "code": _concept(SNOMED, "35489007", "Depressive disorder"),
        "onsetPeriod": {"start": "2015-02"},
    },
    {
        **_about("cancer-patient-otto", "primary-cancer-condition", "Condition", "refuted-condition-otto"),
        "verificationStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "refuted"),
        "code": _concept("http://hl7.org/fhir/sid/icd-10-cm", "C83.30"),
        "recordedDate": "2018-01-01",
    },
]


def _disease_status(patient: str, number: str, on: str, code: str, *, loinc: str = "97509-4", **more: Any) -> Resource:
    return {
        **_about(patient, "cancer-disease-status", "Observation", number),
        "extension": [
            {
                "url": f"{MCODE}cancer-disease-status-evidence-type",
                "valueCodeableConcept": _concept(SNOMED, "252416005", "Histopathology test"),
            }
        ],
        "status": "final",
        "code": _concept(LOINC, loinc, "Cancer disease progression"),
        "focus": [{"reference": "Condition/primary-cancer-condition-jia"}],
        "effectiveDateTime": on,
        "valueCodeableConcept": _concept(SNOMED, code),
        **more,
    }


def _variant(number: str, genes: Iterable[str], present: str, *, change: str = "SO:0001483") -> Resource:
    return {
        **_about("cancer-patient-jia", "genomic-variant", "Observation", number),
        "status": "final",
        "category": [*LABORATORY, _concept("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")],
        "code": _concept(LOINC, "69548-6", "Genetic variant assessment"),
        "effectiveDateTime": "2019-11-02T10:30:00+08:00",
        "valueCodeableConcept": _concept(LOINC, present),
        "component": [
            {
                "code": _concept(LOINC, "48002-0", "Genomic source class"),
                "valueCodeableConcept": _concept(LOINC, "LA6684-0", "Somatic"),
            },
            *(
                {
                    "code": _concept(LOINC, "48018-6", "Gene studied [ID]"),
                    "valueCodeableConcept": _concept("http://www.genenames.org/geneId", "HGNC:0", gene),
                }
                for gene in genes
            ),
            {
                "code": _concept(LOINC, "48019-4", "DNA change type"),
                "valueCodeableConcept": _concept("http://sequenceontology.org", change),
            },
        ],
    }


def _measured(number: str, category: list[Resource], code: Resource, **value: Any) -> Resource:
    return {
        **_about("cancer-patient-jia", "tumor-marker-test", "Observation", number),
        "status": "final",
        "category": category,
        "code": code,
        "effectiveDateTime": "2020-01-05T07:15:00+08:00",
        **value,
    }


OBSERVATIONS: list[Resource] = [
    _disease_status("cancer-patient-jia", "status-full-remission", "2020-02-20", "550991000124107"),
    _disease_status("cancer-patient-jia", "status-not-detected", "2020-03-01T09:00:00+08:00", "260415000"),
    _disease_status("cancer-patient-jia", "status-stable", "2020-04-01", "359746009"),
    _disease_status("cancer-patient-jia", "status-undetermined", "2020-05-01", "709137006"),
    _disease_status("cancer-patient-jia", "status-worsened", "2020-06-01", "271299001", loinc="88040-1"),
    _disease_status("cancer-patient-jia", "status-in-error", "2020-06-02", "271299001", status="entered-in-error"),
    _disease_status("cancer-patient-otto", "status-improved", "2020-04-30", "268910001"),
    _variant("variant-pax5", ["PAX5"], "LA9633-4"),
    _variant("variant-sh2b3", ["SH2B3"], "LA9634-2"),
    _variant("variant-no-call", ["TP53"], "LA18198-4"),
    _variant("fusion-bcr-abl1", ["BCR", "ABL1"], "LA9633-4", change="SO:0001565"),
    _variant("fusion-etv6-runx1", ["ETV6", "RUNX1"], "LA9634-2", change="SO:0001565"),
    _measured(
        "tumor-marker-ldh",
        LABORATORY,
        _concept(LOINC, "14804-9", "Lactate dehydrogenase"),
        valueQuantity={"value": 512.50, "comparator": ">", "unit": "units per litre", "code": "U/L"},
    ),
    _measured(
        "oxygen-saturation",
        VITAL_SIGNS,
        {"coding": [{"system": LOINC, "code": "2708-6"}, {"system": LOINC, "code": "59408-5"}]},
        valueQuantity={"value": 93, "unit": "%", "code": "%"},
    ),
    _measured(
        "blood-pressure-panel",
        VITAL_SIGNS,
        _concept(LOINC, "85354-9", "Blood pressure panel"),
        component=[
            {"code": _concept(LOINC, "8462-4"), "valueQuantity": {"value": 55, "code": "mm[Hg]"}},
            {"code": _concept(LOINC, "8480-6"), "valueQuantity": {"value": 88, "code": "mm[Hg]"}},
        ],
    ),
    _measured(
        "ecog-performance-status",
        [_concept("http://terminology.hl7.org/CodeSystem/observation-category", "survey")],
        _concept(LOINC, "89247-1", "ECOG performance status"),
        valueInteger=1,
    ),
]

PROCEDURES: list[Resource] = [
    {
        **_about("cancer-patient-jia", "cancer-related-surgical-procedure", "Procedure", "surgical-procedure-jia"),
        "status": "completed",
        "category": _concept(SNOMED, "387713003", "Surgical procedure"),
        "code": _concept(SNOMED, "58390007", "Allogeneic bone marrow transplantation"),
        "performedDateTime": "2020-05-11T08:00:00+08:00",
    },
    {
        **_about("cancer-patient-jia", "radiotherapy-course-summary", "Procedure", "radiotherapy-course-summary-jia"),
        "status": "completed",
        "category": _concept(SNOMED, "108290001", "Radiation oncology AND/OR radiotherapy"),
        "code": _concept(SNOMED, "1217123003", "Radiotherapy course of treatment"),
        "performedPeriod": {"start": "2019-06-03", "end": "2019-06-14"},
    },
    {
        **_about("cancer-patient-jia", "cancer-related-surgical-procedure", "Procedure", "not-done-jia"),
        "status": "not-done",
        "code": _concept("http://www.ama-assn.org/go/cpt", "38241"),
        "performedDateTime": "2020-05-12",
    },
]

MEDICATIONS: list[Resource] = [
    {
        **_about(
            "cancer-patient-jia",
            "cancer-related-medication-administration",
            "MedicationAdministration",
            "medication-administration-fludarabine",
        ),
        "identifier": [{"system": "http://hospital.example.org/mar", "value": "90211"}],
        "extension": [
            {
                "url": f"{MCODE}treatment-intent",
                "valueCodeableConcept": _concept(SNOMED, "373808002", "Curative - procedure intent"),
            }
        ],
        "status": "completed",
        "medicationCodeableConcept": _concept(RXNORM, "24698", "fludarabine"),
        "effectiveDateTime": "2020-01-02T09:00:00+08:00",
        "reasonReference": [{"reference": "Condition/primary-cancer-condition-jia"}],
        "dosage": {"dose": {"value": 45.5, "unit": "mg", "code": "mg"}},
    },
    {
        **_about(
            "cancer-patient-jia", "cancer-related-medication-administration", "MedicationAdministration", "not-given"
        ),
        "status": "not-done",
        "medicationCodeableConcept": _concept(
            "http://www.nlm.nih.gov/research/umls/rxnorm", "3002", "cyclophosphamide"
        ),
        "effectiveDateTime": "2020-01-03",
    },
    {
        "resourceType": "MedicationAdministration",
        "id": "cart-jia",
        "identifier": [
            {"system": "http://hospital.example.org/mar", "value": "90212"},
            {"system": "urn:cart:infusion-id", "value": "INF-1"},
        ],
        "extension": [{"url": "urn:cart:course", "valueString": "1"}, {"url": "urn:cart:fraction", "valueString": "1"}],
        "status": "completed",
        "medicationCodeableConcept": {"text": "CAR-T cells"},
        "subject": {"reference": "https://fhir.hospital.example.org/r4/Patient/cancer-patient-jia"},
        "effectivePeriod": {"start": "2020-01-08T10:00:00+08:00", "end": "2020-01-08T10:20:00+08:00"},
        "dosage": {"dose": {"value": 2.5e6, "unit": "cells/kg"}},
    },
]

FILES: Mapping[str, list[Resource]] = {
    "Patient": PATIENTS,
    "Condition": CONDITIONS,
    "Observation": OBSERVATIONS,
    "Procedure": PROCEDURES,
    "MedicationAdministration": MEDICATIONS,
}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A hospital whose bulk export follows mCODE and has no extensions of ours but those of the infusion; read only."""
    folder = tmp_path_factory.mktemp("mcode")
    night = Night(folder / "extracts", Lake(folder / "lake"), load_profile("fhir_r4"))
    for name, resources in FILES.items():
        night.write(DAY, f"{name}.ndjson", "".join(json.dumps(resource) + "\n" for resource in resources))
    results = night.ingest_all(DAY)
    assert sum(result.rejected for result in results.values()) == 0
    return night


def _rows(night: Night, feed: str, *columns: str) -> list[tuple[str | None, ...]]:
    names = {night.pseudonymiser.patient_key(f"cancer-patient-{name}"): name for name in ("jia", "otto")}
    rows = [row | {"patient": names[row["patient_key"]]} for row in night.lake_rows(feed)]
    return sorted((tuple(row[column] for column in columns) for row in rows), key=repr)


def test_patients_without_a_hospital_number_go_by_their_resource_id(hospital: Night) -> None:
    assert _rows(hospital, "patients", "patient", "sex", "birth_date") == [
        ("jia", "F", "1984-05-06"),
        ("otto", "M", "1960"),
    ]


def test_cancer_and_comorbid_conditions_are_diagnoses_unless_refuted(hospital: Night) -> None:
    """Dated by mCODE's asserted date, else the recorded one, else the onset; ICD-10 goes before SNOMED CT."""
    assert _rows(hospital, "diagnoses", "patient", "diagnosed_on", "code_system", "code") == [
        ("jia", "2015-02", "SNOMED CT", "35489007"),
        ("jia", "2018-03-01", "ICD-10", "C91.00"),
        ("jia", "2019-01-15", "ICD-10", "C79.32"),
    ]


def test_cancer_disease_status_is_the_disease_status_of_a_visit(hospital: Night) -> None:
    assert _rows(hospital, "follow_ups", "patient", "visited_on", "disease_status", "vital_status", "death_on") == [
        ("jia", "2020-02-20", "remission", None, None),
        ("jia", "2020-03-01", "remission", None, None),
        ("jia", "2020-04-01", None, None, None),
        ("jia", "2020-05-01", "not_assessed", None, None),
        ("jia", "2020-06-01", "relapse", None, None),
        ("otto", "2020-04-30", None, None, None),
        ("otto", "2020-05-20", None, "dead", "2020-05-20"),
    ]


def test_genomic_variants_are_molecular_findings_and_no_laboratory_results(hospital: Night) -> None:
    assert _rows(hospital, "molecular_findings", "sampled_on", "kind", "gene", "result") == [
        ("2019-11-02", "fusion", "BCR-ABL1", "positive"),
        ("2019-11-02", "fusion", "ETV6 RUNX1", "negative"),
        ("2019-11-02", "mutation", "PAX5", "positive"),
        ("2019-11-02", "mutation", "SH2B3", "negative"),
        ("2019-11-02", "mutation", "TP53", None),
    ]
    assert _rows(hospital, "lab_results", "collected_at", "loinc", "value", "unit") == [
        ("2020-01-05T07:15", "14804-9", ">512.5", "U/L"),
    ]


def test_vital_signs_come_from_any_coding_and_from_the_blood_pressure_panel(hospital: Night) -> None:
    assert _rows(hospital, "vital_signs", "measured_at", "sign", "value", "unit") == [
        ("2020-01-05T07:15", "spo2", "93", "%"),
        ("2020-01-05T07:15", "systolic_bp", "88", "mm[Hg]"),
    ]


def test_cancer_related_procedures_are_procedures_when_they_were_done(hospital: Night) -> None:
    assert _rows(hospital, "procedures", "procedure", "performed_on") == [
        ("Radiotherapy course of treatment", "2019-06-03"),
        ("allo_hsct", "2020-05-11"),
    ]


def test_cancer_related_medication_administrations_are_medications_when_they_were_given(hospital: Night) -> None:
    """Whatever other identifiers they have; the one of ours marks the infusion of CAR-T cells."""
    assert _rows(hospital, "medications", "drug", "started_at", "dose", "dose_unit") == [
        ("fludarabine", "2020-01-02T09:00", "45.5", "mg"),
    ]
    assert _rows(hospital, "cart_infusions", "patient", "infused_at", "course", "cells_per_kg") == [
        ("jia", "2020-01-08T10:00:00", "1", "2500000.0"),
    ]


def test_names_are_known_and_searched_for(hospital: Night) -> None:
    everything = hospital.lake_bytes()
    for identifier in ("Jiang", "MRN-7731", "0177-2231", "Harbour", "cancer-patient"):
        assert identifier.encode() not in everything


def test_every_resource_is_accounted_for(hospital: Night) -> None:
    for row in hospital.lake.ledger():
        assert row.source_rows == len(FILES[row.file.removesuffix(".ndjson")])
        assert row.source_rows == row.rows + row.skipped_rows


@pytest.mark.slow
def test_the_outcomes_follow_from_mcode_resources_alone(hospital: Night, tmp_path: Path) -> None:
    """Remission and relapse that only Cancer Disease Status tells, transplantation by its code, and the death."""
    hospital.lake.write_plan()
    study = load_study(Path(__file__).resolve().parents[2] / "study.yml")
    study = study.model_copy(update={"study": study.study.model_copy(update={"data_cutoff": None})})
    database = tmp_path / "warehouse.duckdb"
    command = ["build", "--resource-type", "model", "--resource-type", "seed"]
    run_dbt(command, study, lake=hospital.lake.root, database=database)
    with duckdb.connect(str(database), read_only=True) as connection:
        events = connection.execute(
            "select event_type, event_date::varchar from marts.events where study_day > 0 order by all"
        ).fetchall()
    assert ("relapse", "2020-06-01") in events
    assert ("allo_hsct", "2020-05-11") in events
