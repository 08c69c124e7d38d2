"""The reference extract: the whole synthetic cohort as raw rows of all fifteen feeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from synthetic_emr import bedside, disease, labs, treatment
from synthetic_emr.cohort import REFERENCE_COHORT, read_cohort
from synthetic_emr.contract import FEEDS, KEYS, Extract, Row
from synthetic_emr.course import Course, plan_course
from synthetic_emr.files import sort_rows, write_extract
from synthetic_emr.quirks import add_quirks

REFERENCE_SEED = 20180730
REFERENCE_DATE = date(2018, 7, 30)

BUILDERS: Mapping[str, Callable[[Course], list[Row]]] = {
    "patients": disease.patients,
    "diagnoses": disease.diagnoses,
    "prior_therapies": disease.prior_therapies,
    "lab_results": labs.lab_results,
    "vital_signs": bedside.vital_signs,
    "marrow_assessments": disease.marrow_assessments,
    "mrd_results": disease.mrd_results,
    "extramedullary_assessments": disease.extramedullary_assessments,
    "molecular_findings": disease.molecular_findings,
    "medications": treatment.medications,
    "cart_infusions": treatment.cart_infusions,
    "adverse_events": bedside.adverse_events,
    "encounters": bedside.encounters,
    "procedures": treatment.procedures,
    "follow_ups": bedside.follow_ups,
}


def courses(*, seed: int = REFERENCE_SEED, cohort: Path = REFERENCE_COHORT) -> list[Course]:
    """The plan of every patient of the cohort, in file order."""
    return [plan_course(patient, seed) for patient in read_cohort(cohort)]


def build_reference_extract(
    *, seed: int = REFERENCE_SEED, cohort: Path = REFERENCE_COHORT, quirks: bool = True
) -> Extract:
    """All rows of all feeds, sorted by key, as text.

    Args:
        seed: decides everything that the cohort leaves open; the same seed gives the same rows.
        cohort: a CSV file with the columns of the bundled cohort.
        quirks: also the odd units, unreadable values and three unusable rows; made for the bundled cohort.
    """
    planned = courses(seed=seed, cohort=cohort)
    extract: Extract = {
        feed: [{"patient_id": course.patient.patient_id} | row for course in planned for row in BUILDERS[feed](course)]
        for feed in FEEDS
    }
    sort_rows(extract, KEYS)
    if quirks:
        add_quirks(extract)
    return extract


def reference_folder(out_dir: Path) -> Path:
    """The folder of the reference extract in a folder of extracts, made if it is missing."""
    folder = out_dir / REFERENCE_DATE.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_reference_extract(
    out_dir: Path, *, seed: int = REFERENCE_SEED, formats: str | Mapping[str, str] = "csv"
) -> Path:
    """Write the reference extract as `out_dir/2018-07-30/`, the same bytes for the same seed and formats.

    Args:
        out_dir: the folder of extracts, made if it is missing.
        seed: see `build_reference_extract`.
        formats: one format for all feeds, or one per feed: csv, csv.gz, tsv, parquet, jsonl, xlsx.

    Returns:
        The extract folder.

    Raises:
        SyntheticExtractError: unknown feed or format.
    """
    return write_extract(reference_folder(out_dir), build_reference_extract(seed=seed), REFERENCE_DATE, formats=formats)
