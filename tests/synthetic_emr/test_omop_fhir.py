"""OMOP and FHIR: a reader that follows OMOP_FHIR.md gets the canonical extract back, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from synthetic_emr import build_reference_extract, write_fhir_extract, write_omop_extract
from synthetic_emr.contract import FEEDS, Row, without_unusable_rows

pytestmark = pytest.mark.slow  # two formats, written and read back

NUMBERS = {"blast_percent", "value_percent", "dose", "cells_per_kg", "line", "grade", "course", "fraction", "value"}
IDENTIFIERS = ("name", "national_id", "phone", "address")


@pytest.fixture(scope="module")
def canonical() -> dict[str, list[Row]]:
    return without_unusable_rows(build_reference_extract())


def comparable(rows: list[Row], columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Rows without order and without ways of writing numbers."""
    return sorted(tuple(as_number(column, row.get(column, "")) for column in columns) for row in rows)


def as_number(column: str, text: str) -> str:
    sign = "<" if text.startswith("<") else ""
    if column in NUMBERS and text.removeprefix("<").replace(".", "", 1).isdigit():
        return f"{sign}{float(text.removeprefix('<'))}"
    return text


# OMOP


class Omop:
    """A reader of the tables, written from the page alone."""

    def __init__(self, folder: Path) -> None:
        self.tables = {path.stem: pd.read_csv(path, dtype=str, keep_default_na=False) for path in folder.glob("*.csv")}
        person = self.tables["person"]
        self.patients = dict(zip(person["person_id"], person["person_source_value"], strict=True))
        self.attributes: dict[tuple[str, str], Row] = {}
        for row in self.tables["observation"].to_dict("records"):
            if row["observation_event_id"]:
                key = (row["obs_event_field_concept_id"], row["observation_event_id"])
                self.attributes.setdefault(key, {})[row["observation_source_value"]] = row["value_as_string"]

    def rows(self, table: str, field: str = "", **equal: str) -> list[Row]:
        frame = self.tables[table]
        for column, value in equal.items():
            frame = frame[frame[column] == value]
        key = f"{table}_id"
        return [
            row | {"patient_id": self.patients[row["person_id"]]} | self.attributes.get((field, row.get(key, "")), {})
            for row in frame.to_dict("records")
        ]

    def measurements(self, prefix: str, kind: str = "32835") -> list[Row]:
        rows = self.rows("measurement", "1147138", measurement_type_concept_id=kind)
        return [row for row in rows if row["measurement_source_value"].startswith(prefix)]

    def feeds(self) -> dict[str, list[Row]]:
        names = dict(zip(self.tables["concept"]["concept_id"], self.tables["concept"]["concept_name"], strict=True))
        deaths = {row["patient_id"]: row for row in self.rows("death")}
        found = {"9189": "negative", "9191": "positive", "4181412": "present", "4132135": "absent"}
        units = {"9201": "ward", "32037": "icu", "9202": "outpatient"}
        condition, drug = ("condition_occurrence", "1147127"), ("drug_exposure", "1147094")
        signs = {"temperature", "systolic_bp", "spo2", "oxygen_flow"}
        measured = self.measurements("", "32836")
        return {
            "patients": [
                {
                    "patient_id": row["patient_id"],
                    "sex": {"8532": "F", "8507": "M"}[row["gender_concept_id"]],
                    "birth_date": f"{row['year_of_birth']}-{row['month_of_birth']:0>2}-{row['day_of_birth']:0>2}",
                }
                for row in self.rows("person")
            ],
            "diagnoses": [
                row | {"diagnosed_on": row["condition_start_date"], "code": row["condition_source_value"]}
                for row in self.rows(*condition, condition_status_source_value="diagnosis")
            ],
            "adverse_events": [
                row
                | {
                    "term": row["condition_source_value"],
                    "started_on": row["condition_start_date"],
                    "ended_on": row["condition_end_date"],
                }
                for row in self.rows(*condition, condition_status_source_value="adverse event")
            ],
            "prior_therapies": [
                row
                | {
                    "line": row["episode_number"],
                    "regimen": row["episode_source_value"],
                    "started_on": row["episode_start_date"],
                    "ended_on": row["episode_end_date"],
                }
                for row in self.rows("episode", "756290", episode_concept_id="32531")
            ],
            "lab_results": [
                {"specimen": "blood"}
                | row
                | {
                    "collected_at": moment(row, "measurement"),
                    "loinc": row["measurement_source_value"],
                    "test_name": names[row["measurement_source_concept_id"]],
                    "value": row["value_source_value"],
                    "unit": row["unit_source_value"],
                }
                for row in self.measurements("", "32856")
            ],
            "vital_signs": [
                row
                | {
                    "measured_at": moment(row, "measurement"),
                    "sign": row["measurement_source_value"],
                    "value": row["value_source_value"],
                    "unit": row["unit_source_value"],
                }
                for row in measured
                if row["measurement_source_value"] in signs
            ],
            "marrow_assessments": [
                row | {"sampled_on": row["measurement_date"], "blast_percent": row["value_source_value"]}
                for row in self.measurements("marrow blasts")
            ],
            "mrd_results": [
                row
                | {
                    "sampled_on": row["measurement_date"],
                    "method": row["measurement_source_value"].split(" ")[1],
                    "value_percent": row["value_source_value"],
                    "result": found[row["value_as_concept_id"]],
                }
                for row in self.measurements("MRD ")
            ],
            "extramedullary_assessments": [
                row
                | {
                    "assessed_on": row["measurement_date"],
                    "site": row["measurement_source_value"].removeprefix("extramedullary "),
                    "finding": found[row["value_as_concept_id"]],
                }
                for row in measured
                if row["measurement_source_value"].startswith("extramedullary ")
            ],
            "molecular_findings": [
                row
                | {
                    "sampled_on": row["measurement_date"],
                    "kind": row["measurement_source_value"].split(" ")[0],
                    "gene": row["measurement_source_value"].split(" ")[1],
                    "result": found[row["value_as_concept_id"]],
                }
                for row in self.measurements("fusion ") + self.measurements("mutation ")
            ],
            "medications": [
                row
                | {
                    "drug": row["drug_source_value"],
                    "started_at": moment(row, "drug_exposure_start"),
                    "ended_at": moment(row, "drug_exposure_end"),
                    "dose": row["quantity"],
                    "dose_unit": row["dose_unit_source_value"],
                }
                for row in self.rows(*drug, lot_number="")
            ],
            "cart_infusions": [
                row
                | {
                    "infusion_id": row["lot_number"],
                    "infused_at": moment(row, "drug_exposure_start"),
                    "cells_per_kg": row["quantity"],
                }
                for row in self.rows(*drug, drug_source_value="CAR-T cells")
            ],
            "encounters": [
                row
                | {
                    "encounter_id": row["visit_source_value"],
                    "care_unit": units[row["visit_concept_id"]],
                    "admitted_at": moment(row, "visit_start"),
                    "discharged_at": moment(row, "visit_end"),
                }
                for row in self.rows("visit_occurrence")
            ],
            "procedures": [
                row
                | {
                    "procedure": row["procedure_source_value"],
                    "performed_on": row["procedure_date"],
                    "detail": row["modifier_source_value"],
                }
                for row in self.rows("procedure_occurrence")
            ],
            "follow_ups": [
                row
                | {"visited_on": row["observation_date"], "disease_status": row["value_as_string"]}
                | (
                    {
                        "death_on": deaths[row["patient_id"]]["death_date"],
                        "cause_of_death": deaths[row["patient_id"]]["cause_source_value"],
                    }
                    if row["vital_status"] == "dead"
                    else {}
                )
                for row in self.rows("observation", "1147165", observation_source_value="follow-up visit")
            ],
        }


def moment(row: Row, prefix: str) -> str:
    return row[f"{prefix}_datetime"].removesuffix(":00").replace(" ", "T") or row[f"{prefix}_date"]


# FHIR


def fhir_feeds(folder: Path) -> dict[str, list[Row]]:
    """A reader of the resources, written from the page alone."""
    resources = [json.loads(line) for path in folder.glob("*.ndjson") for line in path.read_text("utf-8").splitlines()]
    patients = {
        resource["id"]: identifier(resource, "patient-id")
        for resource in resources
        if resource["resourceType"] == "Patient"
    }
    feeds: dict[str, list[Row]] = {feed: [] for feed in FEEDS}
    for resource in resources:
        feed, read = READERS[kind_of(resource)]
        row = {column: "" for column in FEEDS[feed]} | read(resource)
        extensions = {
            each["url"].removeprefix("urn:cart:"): each["valueString"] for each in resource.get("extension", [])
        }
        owner = resource["subject"]["reference"].split("/")[1] if "subject" in resource else resource["id"]
        feeds[feed].append(row | extensions | {"patient_id": patients[owner]})
    return feeds


def kind_of(resource: dict[str, Any]) -> str:
    kind = str(resource["resourceType"])
    if kind == "Observation":
        return str(resource["category"][0]["coding"][0]["code"])
    if kind in {"Procedure", "MedicationAdministration"}:
        return f"{kind}+" if "category" in resource or "identifier" in resource else kind
    return kind


def identifier(resource: dict[str, Any], name: str) -> str:
    return next(str(each["value"]) for each in resource["identifier"] if each["system"] == f"urn:cart:{name}")


def local(text: str) -> str:
    return text.removesuffix(":00+08:00")


def quantity(resource: dict[str, Any]) -> Row:
    if "valueString" in resource:
        return {"value": resource["valueString"]}
    found = resource.get("valueQuantity", {})
    return {"value": f"{found.get('comparator', '')}{found.get('value', '')}", "unit": found.get("unit", "")}


def interpreted(resource: dict[str, Any]) -> str:
    return {"NEG": "negative", "POS": "positive"}[resource["interpretation"][0]["coding"][0]["code"]]


READERS: dict[str, tuple[str, Callable[[dict[str, Any]], Row]]] = {
    "Patient": (
        "patients",
        lambda r: {
            "sex": {"female": "F", "male": "M"}[r["gender"]],
            "birth_date": r["birthDate"],
            "name": r["name"][0]["text"],
            "national_id": identifier(r, "national-id"),
            "phone": r["telecom"][0]["value"],
            "address": r["address"][0]["text"],
        },
    ),
    "Condition": (
        "diagnoses",
        lambda r: {
            "diagnosed_on": r["recordedDate"],
            "code": r["code"]["coding"][0]["code"],
            "code_system": {"http://hl7.org/fhir/sid/icd-10": "ICD-10"}[r["code"]["coding"][0]["system"]],
            "description": r["code"]["text"],
        },
    ),
    "Procedure+": (
        "prior_therapies",
        lambda r: {
            "regimen": r["code"]["text"],
            "started_on": r["performedPeriod"]["start"],
            "ended_on": r["performedPeriod"]["end"],
        },
    ),
    "Procedure": (
        "procedures",
        lambda r: {
            "procedure": r["code"]["text"],
            "performed_on": r["performedDateTime"],
            "detail": r.get("note", [{"text": ""}])[0]["text"],
        },
    ),
    "laboratory": (
        "lab_results",
        lambda r: (
            {
                "collected_at": local(r["effectiveDateTime"]),
                "loinc": r["code"]["coding"][0]["code"],
                "test_name": r["code"]["text"],
                "specimen": r["specimen"]["display"],
            }
            | quantity(r)
        ),
    ),
    "vital-signs": (
        "vital_signs",
        lambda r: {"measured_at": local(r["effectiveDateTime"]), "sign": r["code"]["text"]} | quantity(r),
    ),
    "marrow_assessments": (
        "marrow_assessments",
        lambda r: {
            "sampled_on": r["effectiveDateTime"],
            "blast_percent": quantity(r)["value"],
            "method": r["method"]["text"],
        },
    ),
    "mrd_results": (
        "mrd_results",
        lambda r: {
            "sampled_on": r["effectiveDateTime"],
            "method": r["method"]["text"],
            "value_percent": quantity(r)["value"],
            "result": interpreted(r),
        },
    ),
    "extramedullary_assessments": (
        "extramedullary_assessments",
        lambda r: {
            "assessed_on": r["effectiveDateTime"],
            "site": r["bodySite"]["text"],
            "method": r["method"]["text"],
            "finding": r["valueCodeableConcept"]["text"],
        },
    ),
    "molecular_findings": (
        "molecular_findings",
        lambda r: {
            "sampled_on": r["effectiveDateTime"],
            "kind": r["code"]["text"],
            "gene": r["component"][0]["valueCodeableConcept"]["text"],
            "result": interpreted(r),
        },
    ),
    "follow_ups": (
        "follow_ups",
        lambda r: (
            {"visited_on": r["effectiveDateTime"]}
            | {each["code"]["text"]: each["valueString"] for each in r["component"]}
        ),
    ),
    "MedicationAdministration": (
        "medications",
        lambda r: {
            "drug": r["medicationCodeableConcept"]["text"],
            "started_at": local(r["effectivePeriod"]["start"]),
            "ended_at": local(r["effectivePeriod"]["end"]),
            "dose": str(r["dosage"]["dose"]["value"]),
            "dose_unit": r["dosage"]["dose"]["unit"],
            "purpose": r["reasonCode"][0]["text"],
        },
    ),
    "MedicationAdministration+": (
        "cart_infusions",
        lambda r: {
            "infusion_id": identifier(r, "infusion-id"),
            "infused_at": local(r["effectiveDateTime"]),
            "cells_per_kg": str(r["dosage"]["dose"]["value"]),
        },
    ),
    "AdverseEvent": (
        "adverse_events",
        lambda r: {"event_id": r["identifier"]["value"], "term": r["event"]["text"], "started_on": r["date"]},
    ),
    "Encounter": (
        "encounters",
        lambda r: {
            "encounter_id": identifier(r, "encounter-id"),
            "care_unit": r["serviceType"]["text"],
            "admitted_at": local(r["period"]["start"]),
            "discharged_at": local(r["period"]["end"]),
        },
    ),
}


WRITERS = {"omop": write_omop_extract, "fhir": write_fhir_extract}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write(tmp_path_factory.mktemp(name)) for name, write in WRITERS.items()}


def test_omop_tables_give_back_every_row(folders: dict[str, Path], canonical: dict[str, list[Row]]) -> None:
    feeds = Omop(folders["omop"]).feeds()
    assert set(feeds) == set(FEEDS)
    for feed, rows in feeds.items():
        columns = tuple(column for column in FEEDS[feed] if column not in IDENTIFIERS)
        assert comparable(rows, columns) == comparable(canonical[feed], columns), feed


def test_fhir_resources_give_back_every_row(folders: dict[str, Path], canonical: dict[str, list[Row]]) -> None:
    for feed, rows in fhir_feeds(folders["fhir"]).items():
        assert comparable(rows, FEEDS[feed]) == comparable(canonical[feed], FEEDS[feed]), feed


def test_omop_tables_have_unique_keys_required_dates_and_the_columns_of_the_model(folders: dict[str, Path]) -> None:
    tables = Omop(folders["omop"]).tables
    assert len(tables["measurement"].columns) == 23
    assert len(tables["observation"].columns) == 21
    for table, frame in tables.items():
        if f"{table}_id" in frame:
            assert frame[f"{table}_id"].is_unique
        for column in frame:
            if column.endswith("_start_date") or column in {"measurement_date", "observation_date", "death_date"}:
                assert (frame[column] != "").all(), (table, column)


@pytest.mark.parametrize("name", list(WRITERS))
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, folders: dict[str, Path], name: str) -> None:
    again = WRITERS[name](tmp_path)
    names = sorted(path.name for path in folders[name].iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((folders[name] / each).read_bytes() == (again / each).read_bytes() for each in names)


def test_no_direct_identifier_enters_omop(folders: dict[str, Path], canonical: dict[str, list[Row]]) -> None:
    content = b"".join(path.read_bytes() for path in folders["omop"].iterdir())
    assert b"Synthetic Patient" not in content
    assert b"SYN-ID-" not in content
    assert all(row["patient_id"].encode() in content for row in canonical["patients"])
