"""An extract as OMOP CDM 5.4 tables; `OMOP_FHIR.md` says which column goes where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthetic_emr.contract import ENDED, FEEDS, HAPPENED, Extract, Row, without_unusable_rows
from synthetic_emr.files import write_table
from synthetic_emr.reference import REFERENCE_DATE, REFERENCE_SEED, build_reference_extract, reference_folder

_TABLES: Mapping[str, str] = {
    "person": "person_id gender_concept_id year_of_birth month_of_birth day_of_birth birth_datetime race_concept_id "
    "ethnicity_concept_id location_id provider_id care_site_id person_source_value gender_source_value "
    "gender_source_concept_id race_source_value race_source_concept_id ethnicity_source_value "
    "ethnicity_source_concept_id",
    "observation_period": "observation_period_id person_id observation_period_start_date observation_period_end_date "
    "period_type_concept_id",
    "visit_occurrence": "visit_occurrence_id person_id visit_concept_id visit_start_date visit_start_datetime "
    "visit_end_date visit_end_datetime visit_type_concept_id provider_id care_site_id visit_source_value "
    "visit_source_concept_id admitted_from_concept_id admitted_from_source_value discharged_to_concept_id "
    "discharged_to_source_value preceding_visit_occurrence_id",
    "condition_occurrence": "condition_occurrence_id person_id condition_concept_id condition_start_date "
    "condition_start_datetime condition_end_date condition_end_datetime condition_type_concept_id "
    "condition_status_concept_id stop_reason provider_id visit_occurrence_id visit_detail_id condition_source_value "
    "condition_source_concept_id condition_status_source_value",
    "drug_exposure": "drug_exposure_id person_id drug_concept_id drug_exposure_start_date drug_exposure_start_datetime "
    "drug_exposure_end_date drug_exposure_end_datetime verbatim_end_date drug_type_concept_id stop_reason refills "
    "quantity days_supply sig route_concept_id lot_number provider_id visit_occurrence_id visit_detail_id "
    "drug_source_value drug_source_concept_id route_source_value dose_unit_source_value",
    "procedure_occurrence": "procedure_occurrence_id person_id procedure_concept_id procedure_date procedure_datetime "
    "procedure_end_date procedure_end_datetime procedure_type_concept_id modifier_concept_id quantity provider_id "
    "visit_occurrence_id visit_detail_id procedure_source_value procedure_source_concept_id modifier_source_value",
    "measurement": "measurement_id person_id measurement_concept_id measurement_date measurement_datetime "
    "measurement_time measurement_type_concept_id operator_concept_id value_as_number value_as_concept_id "
    "unit_concept_id range_low range_high provider_id visit_occurrence_id visit_detail_id measurement_source_value "
    "measurement_source_concept_id unit_source_value unit_source_concept_id value_source_value measurement_event_id "
    "meas_event_field_concept_id",
    "observation": "observation_id person_id observation_concept_id observation_date observation_datetime "
    "observation_type_concept_id value_as_number value_as_string value_as_concept_id qualifier_concept_id "
    "unit_concept_id provider_id visit_occurrence_id visit_detail_id observation_source_value "
    "observation_source_concept_id unit_source_value qualifier_source_value value_source_value observation_event_id "
    "obs_event_field_concept_id",
    "death": "person_id death_date death_datetime death_type_concept_id cause_concept_id cause_source_value "
    "cause_source_concept_id",
    "episode": "episode_id person_id episode_concept_id episode_start_date episode_start_datetime episode_end_date "
    "episode_end_datetime episode_parent_id episode_number episode_object_concept_id episode_type_concept_id "
    "episode_source_value episode_source_concept_id",
    "concept": "concept_id concept_name domain_id vocabulary_id concept_class_id standard_concept concept_code "
    "valid_start_date valid_end_date invalid_reason",
    "cdm_source": "cdm_source_name cdm_source_abbreviation cdm_holder source_description "
    "source_documentation_reference cdm_etl_reference source_release_date cdm_release_date cdm_version "
    "cdm_version_concept_id vocabulary_version",
}
_EVENT_FIELDS = {
    "condition_occurrence": "1147127",
    "drug_exposure": "1147094",
    "measurement": "1147138",
    "observation": "1147165",
    "episode": "756290",
}
_EHR, _LAB, _EXAMINATION, _PATHOLOGY, _ADMINISTRATION = "32817", "32856", "32836", "32835", "32818"
_GENDERS = {"F": "8532", "M": "8507"}
_RESULTS = {"negative": "9189", "positive": "9191", "present": "4181412", "absent": "4132135"}
_CARE_UNITS = {"ward": "9201", "icu": "32037", "outpatient": "9202"}
_LESS_THAN = "4171756"
_TREATMENT_REGIMEN = "32531"
_FIRST_OWN_CONCEPT = 2_000_000_001


@dataclass
class _Tables:
    """Rows of the CDM tables while they are filled."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in _TABLES})
    persons: dict[str, str] = field(default_factory=dict)
    tests: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, table: str, patient_id: str, cells: Row, attributes: Row, on: str) -> None:
        """Append a row with the next key, and one observation per filled attribute."""
        key = str(len(self.rows[table]) + 1)
        self.rows[table].append({f"{table}_id": key, "person_id": self.persons[patient_id]} | cells)
        for column, text in attributes.items():
            if text:
                self.rows["observation"].append(
                    {
                        "observation_id": str(len(self.rows["observation"]) + 1),
                        "person_id": self.persons[patient_id],
                        "observation_concept_id": "0",
                        "observation_date": on[:10],
                        "observation_type_concept_id": _EHR,
                        "value_as_string": text,
                        "observation_source_value": column,
                        "observation_event_id": key,
                        "obs_event_field_concept_id": _EVENT_FIELDS[table],
                    }
                )

    def test_concept(self, loinc: str, name: str) -> str:
        """Our own concept for a laboratory test of that code and name."""
        return self.tests.setdefault((loinc, name), str(_FIRST_OWN_CONCEPT + len(self.tests)))


def omop_tables(extract: Extract) -> dict[str, list[Row]]:
    """Every CDM table as rows of text; rows of the extract that can't be used are left out."""
    usable = without_unusable_rows(extract)
    tables = _Tables()
    for number, row in enumerate(usable["patients"], start=1):
        tables.persons[row["patient_id"]] = str(number)
        tables.rows["person"].append(_person(row, str(number)))
    for feed, write in _WRITERS.items():
        for row in usable[feed]:
            write(tables, row)
    tables.rows["observation_period"] = _periods(usable, tables.persons)
    tables.rows["concept"] = [_concept(*test, key) for test, key in tables.tests.items()]
    tables.rows["cdm_source"] = [_cdm_source()]
    return tables.rows


def write_omop_extract(out_dir: Path, *, seed: int = REFERENCE_SEED, extract: Extract | None = None) -> Path:
    """Write an extract as `out_dir/2018-07-30/<table>.csv`, the same bytes for the same rows.

    Args:
        out_dir: the folder of extracts, made if it is missing.
        seed: of the reference extract.
        extract: other rows than those of the reference extract.

    Returns:
        The extract folder.
    """
    folder = reference_folder(out_dir)
    source = build_reference_extract(seed=seed) if extract is None else extract
    for table, rows in omop_tables(source).items():
        write_table(folder / f"{table}.csv", _TABLES[table].split(), rows)
    return folder


def _moment(prefix: str, text: str) -> Row:
    """Date and datetime column of a moment; the datetime stays empty when only the date is known."""
    seconds = "" if text.count(":") > 1 else ":00"
    moment = f"{text.replace('T', ' ')}{seconds}" if "T" in text else ""
    return {f"{prefix}_date": text[:10], f"{prefix}_datetime": moment}


def _only(row: Row, *columns: str) -> Row:
    return {column: row.get(column, "") for column in columns}


def _person(row: Row, number: str) -> Row:
    year, month, day = [*row["birth_date"].split("-"), "", ""][:3]
    return {
        "person_id": number,
        "gender_concept_id": _GENDERS.get(row["sex"], "0"),
        "year_of_birth": year,
        "month_of_birth": month.lstrip("0"),
        "day_of_birth": day.lstrip("0"),
        "race_concept_id": "0",
        "ethnicity_concept_id": "0",
        "person_source_value": row["patient_id"],
        "gender_source_value": row["sex"],
    }


def _diagnosis(tables: _Tables, row: Row) -> None:
    cells = {
        "condition_concept_id": "0",
        "condition_start_date": row["diagnosed_on"],
        "condition_type_concept_id": _EHR,
        "condition_source_value": row["code"],
        "condition_status_source_value": "diagnosis",
    }
    attributes = _only(row, "code_system", "description", "immunophenotype", "method")
    tables.add("condition_occurrence", row["patient_id"], cells, attributes, row["diagnosed_on"])


def _prior_therapy(tables: _Tables, row: Row) -> None:
    cells = {
        "episode_concept_id": _TREATMENT_REGIMEN,
        "episode_start_date": row["started_on"],
        "episode_end_date": row["ended_on"],
        "episode_number": row["line"],
        "episode_object_concept_id": "0",
        "episode_type_concept_id": _EHR,
        "episode_source_value": row["regimen"],
    }
    tables.add("episode", row["patient_id"], cells, _only(row, "phase", "outcome"), row["started_on"])


def _measured(kind: str, source: str, value: str = "", unit: str = "") -> Row:
    """Cells that every measurement has: what was measured, the value as it stood and as a number."""
    number = value.removeprefix("<")
    is_number = number.replace(".", "", 1).isdigit()
    return {
        "measurement_concept_id": "0",
        "measurement_type_concept_id": kind,
        "measurement_source_value": source,
        "operator_concept_id": _LESS_THAN if value.startswith("<") else "",
        "value_as_number": number if is_number else "",
        "value_source_value": value,
        "unit_source_value": unit,
    }


def _lab_result(tables: _Tables, row: Row) -> None:
    cells = _measured(_LAB, row["loinc"], row["value"], row["unit"]) | _moment("measurement", row["collected_at"])
    cells["measurement_source_concept_id"] = tables.test_concept(row["loinc"], row["test_name"])
    attributes = {"specimen": "" if row["specimen"] == "blood" else row["specimen"]}
    tables.add("measurement", row["patient_id"], cells, attributes, row["collected_at"])


def _vital_sign(tables: _Tables, row: Row) -> None:
    cells = _measured(_EXAMINATION, row["sign"], row["value"], row["unit"]) | _moment("measurement", row["measured_at"])
    tables.add("measurement", row["patient_id"], cells, {}, row["measured_at"])


def _marrow(tables: _Tables, row: Row) -> None:
    cells = _measured(_PATHOLOGY, "marrow blasts", row["blast_percent"], "%") | _moment(
        "measurement", row["sampled_on"]
    )
    tables.add("measurement", row["patient_id"], cells, _only(row, "method"), row["sampled_on"])


def _mrd(tables: _Tables, row: Row) -> None:
    cells = _measured(_PATHOLOGY, f"MRD {row['method']}", row["value_percent"], "%")
    cells |= _moment("measurement", row["sampled_on"]) | {"value_as_concept_id": _RESULTS.get(row["result"], "")}
    tables.add("measurement", row["patient_id"], cells, _only(row, "target"), row["sampled_on"])


def _extramedullary(tables: _Tables, row: Row) -> None:
    cells = _measured(_EXAMINATION, f"extramedullary {row['site']}") | _moment("measurement", row["assessed_on"])
    cells |= {"value_as_concept_id": _RESULTS.get(row["finding"], "")}
    tables.add("measurement", row["patient_id"], cells, _only(row, "method"), row["assessed_on"])


def _molecular(tables: _Tables, row: Row) -> None:
    cells = _measured(_PATHOLOGY, f"{row['kind']} {row['gene']}") | _moment("measurement", row["sampled_on"])
    cells |= {"value_as_concept_id": _RESULTS.get(row["result"], "")}
    tables.add("measurement", row["patient_id"], cells, {}, row["sampled_on"])


def _medication(tables: _Tables, row: Row) -> None:
    cells = {
        "drug_concept_id": "0",
        "drug_type_concept_id": _ADMINISTRATION,
        "quantity": row["dose"],
        "drug_source_value": row["drug"],
        "dose_unit_source_value": row["dose_unit"],
    }
    cells |= _moment("drug_exposure_start", row["started_at"]) | _moment("drug_exposure_end", row["ended_at"])
    tables.add("drug_exposure", row["patient_id"], cells, _only(row, "purpose"), row["started_at"])


def _infusion(tables: _Tables, row: Row) -> None:
    cells = {
        "drug_concept_id": "0",
        "drug_type_concept_id": _ADMINISTRATION,
        "quantity": row["cells_per_kg"],
        "lot_number": row["infusion_id"],
        "drug_source_value": "CAR-T cells",
        "dose_unit_source_value": "cells/kg",
    }
    cells |= _moment("drug_exposure_start", row["infused_at"])
    cells["drug_exposure_end_date"] = row["infused_at"][:10]
    attributes = _only(row, "course", "fraction", "target")
    tables.add("drug_exposure", row["patient_id"], cells, attributes, row["infused_at"])


def _adverse_event(tables: _Tables, row: Row) -> None:
    cells = {
        "condition_concept_id": "0",
        "condition_start_date": row["started_on"],
        "condition_end_date": row["ended_on"],
        "condition_type_concept_id": _EHR,
        "condition_source_value": row["term"],
        "condition_status_source_value": "adverse event",
    }
    attributes = _only(row, "event_id", "parent_event_id", "grade", "grading_scale", "phase")
    tables.add("condition_occurrence", row["patient_id"], cells, attributes, row["started_on"])


def _encounter(tables: _Tables, row: Row) -> None:
    cells = {
        "visit_concept_id": _CARE_UNITS.get(row["care_unit"], "0"),
        "visit_type_concept_id": _EHR,
        "visit_source_value": row["encounter_id"],
    }
    cells |= _moment("visit_start", row["admitted_at"]) | _moment("visit_end", row["discharged_at"])
    tables.add("visit_occurrence", row["patient_id"], cells, {}, row["admitted_at"])


def _procedure(tables: _Tables, row: Row) -> None:
    cells = {
        "procedure_concept_id": "0",
        "procedure_date": row["performed_on"],
        "procedure_type_concept_id": _EHR,
        "procedure_source_value": row["procedure"],
        "modifier_source_value": row["detail"],
    }
    tables.add("procedure_occurrence", row["patient_id"], cells, {}, row["performed_on"])


def _follow_up(tables: _Tables, row: Row) -> None:
    cells = {
        "observation_concept_id": "0",
        "observation_date": row["visited_on"],
        "observation_type_concept_id": _EHR,
        "value_as_string": row["disease_status"],
        "observation_source_value": "follow-up visit",
    }
    attributes = _only(row, "vital_status", "relapse_on", "relapse_site")
    tables.add("observation", row["patient_id"], cells, attributes, row["visited_on"])
    if row["death_on"]:
        tables.rows["death"].append(
            {
                "person_id": tables.persons[row["patient_id"]],
                "death_date": row["death_on"],
                "death_type_concept_id": _EHR,
                "cause_source_value": row["cause_of_death"],
            }
        )


_WRITERS: Mapping[str, Callable[[_Tables, Row], None]] = {
    "diagnoses": _diagnosis,
    "prior_therapies": _prior_therapy,
    "lab_results": _lab_result,
    "vital_signs": _vital_sign,
    "marrow_assessments": _marrow,
    "mrd_results": _mrd,
    "extramedullary_assessments": _extramedullary,
    "molecular_findings": _molecular,
    "medications": _medication,
    "cart_infusions": _infusion,
    "adverse_events": _adverse_event,
    "encounters": _encounter,
    "procedures": _procedure,
    "follow_ups": _follow_up,
}


def _periods(extract: Extract, persons: Mapping[str, str]) -> list[Row]:
    """One observation period per person: the first to the last dated row."""
    days: dict[str, list[str]] = {patient_id: [] for patient_id in persons}
    for feed in FEEDS:
        for column in filter(None, (HAPPENED.get(feed), ENDED.get(feed))):
            _collect(days, extract[feed], column)
    return [
        {
            "observation_period_id": persons[patient_id],
            "person_id": persons[patient_id],
            "observation_period_start_date": min(found),
            "observation_period_end_date": max(found),
            "period_type_concept_id": _EHR,
        }
        for patient_id, found in days.items()
        if found
    ]


def _collect(days: dict[str, list[str]], rows: Iterable[Row], column: str) -> None:
    for row in rows:
        if row[column]:
            days[row["patient_id"]].append(row[column][:10])


def _concept(loinc: str, name: str, key: str) -> Row:
    return {
        "concept_id": key,
        "concept_name": name,
        "domain_id": "Measurement",
        "vocabulary_id": "Synthetic EMR",
        "concept_class_id": "Lab Test",
        "concept_code": loinc,
        "valid_start_date": "1970-01-01",
        "valid_end_date": "2099-12-31",
    }


def _cdm_source() -> Row:
    return {
        "cdm_source_name": "Synthetic EMR: 39 invented patients",
        "cdm_source_abbreviation": "synthetic",
        "cdm_holder": "none: no row belongs to a person",
        "source_release_date": REFERENCE_DATE.isoformat(),
        "cdm_release_date": REFERENCE_DATE.isoformat(),
        "cdm_version": "5.4",
        "cdm_version_concept_id": "756265",
        "vocabulary_version": "none",
    }
