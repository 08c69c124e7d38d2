"""Plausibility and distributions of the lake and the marts, judged by Great Expectations.

Types are dbt contracts, keys and rules across rows and tables are dbt tests: neither is repeated here. Every bound
stands in `thresholds.csv`; what it judges is made by one SQL file each in `frames/`. Importing this package is quick:
Great Expectations itself is loaded when a suite runs.
"""

from expectations.data_docs import build_data_docs
from expectations.declared import CheckSpec, declared_checks
from expectations.errors import ExpectationsError
from expectations.results import CheckResult
from expectations.suites import run_mart_checks, run_raw_checks

__all__ = [
    "CheckResult",
    "CheckSpec",
    "ExpectationsError",
    "build_data_docs",
    "declared_checks",
    "run_mart_checks",
    "run_raw_checks",
]
