"""Results of every check of a night, gathered step by step and written into the warehouse as quality.check_results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from expectations import CheckResult
from warehouse import WarehouseHome

CHECK_RESULTS_COLUMNS = (
    "suite",
    "check",
    "severity",
    "passed",
    "failing_rows",
    "status",
    "table_name",
    "column_name",
    "kahn",
    "action",
    "message",
)


@dataclass(frozen=True)
class LoggedCheck:
    """One row of quality.check_results.

    `status`: passed, failed, error (the check itself broke) or not_applicable (nothing to judge: `passed` is NULL).
    """

    suite: str
    check: str
    severity: str
    passed: bool | None
    failing_rows: int | None
    status: str
    table_name: str | None
    column_name: str | None
    kahn: str | None
    action: str | None
    message: str | None


def record_results(home: WarehouseHome, suite: str, results: Sequence[CheckResult]) -> None:
    """Keep a suite's results beside the build until they are written into it."""
    rows = [
        LoggedCheck(
            suite=result.suite,
            check=result.check,
            severity=result.severity,
            passed=result.passed,
            failing_rows=result.failing_rows,
            status=result.status,
            table_name=result.table,
            column_name=result.column,
            kahn=result.kahn,
            action=result.action,
            message=result.message,
        )
        for result in results
    ]
    _path(home, suite).write_text(json.dumps([asdict(row) for row in rows], ensure_ascii=False), encoding="utf-8")


def logged_results(home: WarehouseHome) -> list[LoggedCheck]:
    """Return what the suites recorded for this build."""
    rows: list[LoggedCheck] = []
    for path in sorted(home.build.glob("checks-*.json")):
        rows += [LoggedCheck(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    return rows


def _path(home: WarehouseHome, suite: str) -> Path:
    return home.build / f"checks-{suite}.json"


def dbt_results(run_results: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[LoggedCheck]:
    """Return one row per dbt test of dbt's `run_results.json`, with severity and meta from the manifest."""
    return [
        _dbt_row(result, manifest["nodes"][result["unique_id"]])
        for result in run_results["results"]
        if result["unique_id"].startswith("test.")
    ]


_DBT_STATUS = {"pass": "passed", "warn": "failed", "fail": "failed", "error": "error", "skipped": "not_applicable"}


def _dbt_row(result: Mapping[str, Any], node: Mapping[str, Any]) -> LoggedCheck:
    meta = {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}
    status = _DBT_STATUS.get(result["status"], "error")
    attached = node.get("attached_node") or next(iter(node["depends_on"]["nodes"]), None)
    return LoggedCheck(
        suite="dbt",
        check=node["name"],
        severity=str(node["config"].get("severity", "error")).lower(),
        passed=None if status == "not_applicable" else status == "passed",
        failing_rows=result.get("failures"),
        status=status,
        table_name=attached.split(".")[-1] if attached else None,
        column_name=node.get("column_name"),
        kahn=meta.get("kahn"),
        action=meta.get("action"),
        message=node.get("description") or None,
    )


def summary(rows: Iterable[LoggedCheck]) -> dict[str, int]:
    """Return how many checks passed, warned, failed (which stops a night), broke or did not apply."""
    counts = {"passed": 0, "warnings": 0, "failed": 0, "error": 0, "not_applicable": 0}
    for row in rows:
        counts["warnings" if row.status == "failed" and row.severity == "warn" else row.status] += 1
    return counts
