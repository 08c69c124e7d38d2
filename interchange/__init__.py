"""Marts in other people's formats: ADaM-style Parquet and cBioPortal clinical files.

Stands on the ground floor beside `warehouse`: imports only DuckDB (and Arrow for the column labels) and the study
file's types. Every file is written by one SQL statement of DuckDB, so that patients are streamed and never held in
Python. What does not belong here: clinical rules, thresholds, environment variables, Dagster objects.
"""

from interchange.adam import ADAM_DATASETS, write_adam
from interchange.cbioportal import require_distinct_ids, subject_of, write_cbioportal
from interchange.marts import InterchangeError
from interchange.naming import study_identifier

__all__ = [
    "ADAM_DATASETS",
    "InterchangeError",
    "require_distinct_ids",
    "study_identifier",
    "subject_of",
    "write_adam",
    "write_cbioportal",
]
