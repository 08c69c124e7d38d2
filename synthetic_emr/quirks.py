"""Oddities of real extracts, few and fixed, that must not change any outcome: units, comparators, unusable rows."""

from __future__ import annotations

from synthetic_emr.contract import Extract, Row
from synthetic_emr.labs import CRP, HAEMOGLOBIN, IL6, LEUKOCYTES, PLATELETS


def add_quirks(extract: Extract) -> None:
    """Change single cells in place and append rows that no warehouse can use."""
    labs = extract["lab_results"]
    for row in _of(labs, "SYN-025", HAEMOGLOBIN.loinc)[12:18:2]:
        row |= {"value": f"{float(row['value']) / 10:.1f}", "unit": "g/dL"}
    _of(labs, "SYN-002", LEUKOCYTES.loinc)[14]["unit"] = "10^3/uL"
    _of(labs, "SYN-004", CRP.loinc)[0]["value"] = "<5"
    _of(labs, "SYN-017", IL6.loinc)[0]["value"] = "未查"
    _of(labs, "SYN-030", PLATELETS.loinc)[-2]["value"] = "未查"
    late_morning = _of(labs, "SYN-022", LEUKOCYTES.loinc)[-3]["collected_at"]
    for row in labs:
        if row["patient_id"] == "SYN-022" and row["collected_at"] == late_morning:
            row["collected_at"] = late_morning[:10]
    _append_unusable(extract)


def _of(rows: list[Row], patient_id: str, loinc: str) -> list[Row]:
    return [row for row in rows if row["patient_id"] == patient_id and row["loinc"] == loinc]


def _append_unusable(extract: Extract) -> None:
    """One row without a patient, one of a patient nobody knows, one without its date."""
    without_patient = dict(extract["lab_results"][0], patient_id="", collected_at="2016-05-04T06:30")
    unknown_patient = dict(extract["vital_signs"][0], patient_id="SYN-999")
    without_date = dict(extract["marrow_assessments"][0], sampled_on="")
    extract["lab_results"].append(without_patient)
    extract["vital_signs"].append(unknown_patient)
    extract["marrow_assessments"].append(without_date)
