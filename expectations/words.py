"""What a declared check measures, in words for the person who reads it at night."""

from __future__ import annotations

from collections.abc import Mapping

_SHARES = frozenset(
    {"rejected_share", "covered_share", "unknown_share", "included_share", "achieved_share", "shrunk_by", "ratio"}
    | {"unreadable_per_row"}
)
# By frame and column, or by column where it means the same in every frame; in braces what the check's subset says.
_MEASURES: Mapping[tuple[str, str] | str, str] = {
    "rejected_share": "share of the rows of {feed} that were rejected",
    "shrunk_by": "share of its rows that {feed} lost since the full delivery before",
    "snapshots_missed": "full deliveries without {feed}, which had come before",
    "quiet_days": "days for which deltas have come without {feed}",
    "covered_share": "share of the infused patients with a row in {feed}",
    "days_after_extract": "days between the extract and a date in {feed} after it",
    "days_after_death": "days between a patient's death and a date in {feed} after it",
    "birth_year": "year of birth",
    "sex_missing": "patients without a recorded sex",
    "birth_date_missing": "patients without a date of birth",
    ("lab_results", "value"): "laboratory value of LOINC {loinc} in {unit}",
    "unit_missing": "laboratory values without a unit",
    ("vital_signs", "value"): "vital sign {sign}",
    "blast_percent": "marrow blasts in per cent",
    "blast_percent_missing": "marrow assessments without a blast count",
    "value_percent": "MRD by {method} in per cent",
    "says_nothing": "MRD results with neither value nor word",
    "dose": "dose of a drug",
    "dose_without_unit": "doses without a unit",
    ("medications", "duration_days"): "days that a drug was given for",
    ("adverse_events", "duration_days"): "days that an adverse event lasted",
    ("prior_therapies", "duration_days"): "days that an earlier line of treatment lasted",
    "cells_per_kg": "CAR-T cells per kg",
    "dose_missing": "infusions without a dose",
    "date_missing": "infusions without a date",
    "course": "number of a patient's CAR-T course",
    "fraction": "number of a split dose's part",
    "grade": "grade of an event",
    "grade_missing": "adverse events without a grade",
    "stay_days": "days of a stay in hospital",
    "death_undated": "deaths without a date",
    "alive_with_death_date": "patients reported alive with a date of death",
    "relapse_undated": "relapses without a date",
    "line": "number of a line of treatment",
    "age_years": "age at infusion in years",
    "days_from_infusion_to_cutoff": "days from infusion to data cut-off",
    "prior_chemotherapies": "lines of chemotherapy before the infusion",
    "marrow_blast_percent": "marrow blasts in per cent",
    "wbc": "white blood cells in 10^9/L",
    "crs_grade": "grade of CRS",
    "hematologic_toxicity_grade": "grade of blood toxicity",
    "included_patients": "patients that the study includes",
    "included_share": "share of the infused patients that the study includes",
    "unknown_share": "share of the included patients whose {covariate} is unknown",
    ("events", "days_after_cutoff"): "days between the data cut-off and an event after it",
    ("outcomes", "days_after_cutoff"): "days between the data cut-off and an outcome after it",
    "study_day": "day of a response assessment after the infusion",
    "worst_grade": "worst grade of an adverse event",
    "first_study_day": "first day of {term} after the infusion",
    "time_days": "days to an event or to censoring",
    "time_missing": "outcomes without a time",
    "answer_missing": "included patients without an answer",
    "evidence_missing": "outcomes that name no source row",
    "achieved_share": "share of the included patients who reached {endpoint}",
    "unreadable_per_row": "share of unreadable values among the rows of a feed",
    "ratio": "rows of {name} tonight, against the last published night",
}
_INCLUDED = ("included", "1")


def measure(frame: str, column: str, subset: tuple[tuple[str, str], ...], median: bool) -> str:
    """Return what is measured, without the bounds; a column that is not in the list is named as it stands."""
    said = _MEASURES.get((frame, column)) or _MEASURES.get(column)
    if said is None:
        where = " and ".join(f"{name} is {value}" for name, value in subset)
        said = f"{column} where {where}" if where else column
    else:
        said = said.format_map(dict(subset))
        said += " of an included patient" if _INCLUDED in subset else ""
    return f"median of {said}" if median else said


def bounds(column: str, minimum: float | None, maximum: float | None) -> str:
    """Return the bounds in words: shares in per cent, and `none` where nothing at all is allowed."""
    low, high = (None if value is None else _number(column, value) for value in (minimum, maximum))
    if low is None:
        return "none" if maximum == 0 else f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _number(column: str, value: float) -> str:
    return f"{100 * value:g}%" if column in _SHARES else f"{value:.15g}" if abs(value) < 1e6 else f"{value:g}"
