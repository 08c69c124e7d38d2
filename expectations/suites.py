"""The two suites: `raw` on the lake before dbt, `marts` on the build before every analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.data_docs import keep_for_pages
from expectations.declared import THRESHOLDS, CheckSpec, declared_checks
from expectations.results import CheckResult

if TYPE_CHECKING:
    import duckdb

    from expectations.frame_queries import Frame, LakePlan
    from study import Study


def run_raw_checks(
    plan: LakePlan,
    lake_root: Path,
    pages: Path | None = None,
    thresholds: Path = THRESHOLDS,
    histories: Sequence[Mapping[str, Any]] = (),
    memory_limit: str | None = None,
) -> list[CheckResult]:
    """Judge tonight's lake.

    Args:
        plan: the lake plan of ingestion (`feeds`, `ledger`, `newest_extract`).
        lake_root: the lake's folder.
        pages: folder that keeps the results for `build_data_docs`; None when no pages are wanted.
        thresholds: the bounds.
        histories: one record per delivered feed and source system (`HISTORY_COLUMNS`): what ingestion knows of its
            deliveries; without it the checks of shrinking and missing feeds don't apply.
        memory_limit: DuckDB memory limit.

    Returns:
        One result per declared check of the suite.
    """
    from expectations.frame_queries import raw_frames

    checks = _suite("raw", thresholds)
    frames = raw_frames(plan, lake_root, _frames_of(checks), histories=histories, memory_limit=memory_limit)
    return _run("raw", frames, checks, pages)


def run_mart_checks(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    pages: Path | None = None,
    published_rows: Mapping[str, int] | None = None,
    thresholds: Path = THRESHOLDS,
) -> list[CheckResult]:
    """Judge tonight's marts.

    Args:
        connection: a connection to the build.
        study: gives the data cut-off.
        pages: folder that keeps the results for `build_data_docs`; None when no pages are wanted.
        published_rows: rows by `schema.table` of the last published warehouse (`Version.manifest()["rows"]`); without
            it the checks of drift don't apply.
        thresholds: the bounds.

    Returns:
        One result per declared check of the suite.
    """
    from expectations.frame_queries import mart_frames

    checks = _suite("marts", thresholds)
    frames = mart_frames(connection, _frames_of(checks), study.study.data_cutoff, published_rows)
    return _run("marts", frames, checks, pages)


def _run(suite: str, frames: Mapping[str, Frame], checks: Sequence[CheckSpec], pages: Path | None) -> list[CheckResult]:
    from expectations.great import ExpectationContext
    from expectations.judging import run_suite

    results, validations = run_suite(ExpectationContext(), frames, checks)
    if pages is not None:
        keep_for_pages(pages, suite, validations)
    return results


def _suite(name: str, thresholds: Path) -> list[CheckSpec]:
    return [spec for spec in declared_checks(thresholds) if spec.suite == name]


def _frames_of(checks: Sequence[CheckSpec]) -> list[str]:
    return list(dict.fromkeys(spec.frame for spec in checks))
