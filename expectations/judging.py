"""From frames and declared checks to results: which rows a check speaks of, and what its verdict means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from expectations.declared import CheckSpec
from expectations.frame_queries import Frame
from expectations.great import ExpectationContext, Verdict
from expectations.results import CheckResult, Status


def run_suite(
    context: ExpectationContext, frames: Mapping[str, Frame], checks: Sequence[CheckSpec]
) -> tuple[list[CheckResult], list[tuple[str, Any]]]:
    """Judge every check on its frame, one validation per frame.

    Args:
        context: Great Expectations.
        frames: by name.
        checks: the suite's checks.

    Returns:
        One result per check in the given order, and the validation results for the pages.
    """
    results: dict[str, CheckResult] = {}
    pages: list[tuple[str, Any]] = []
    for name in dict.fromkeys(spec.frame for spec in checks):
        own = [spec for spec in checks if spec.frame == name]
        frame = _with_categories(frames[name], own)
        judged = [spec for spec in own if not _settle_without_judging(spec, frame, results)]
        if judged:
            page = _judge_frame(context, frame, judged, results)
            pages += [(f"{own[0].suite}.{name}", page)] if page is not None else []
    return [results[spec.name] for spec in checks], pages


def _with_categories(frame: Frame, checks: Sequence[CheckSpec]) -> Frame:
    """Return the frame with the columns that choose rows as categories: many checks choose from the same rows."""
    if frame.rows is None:
        return frame
    choosing = {column for spec in checks for column, _ in spec.subset} & set(frame.rows.columns)
    categories = {column: frame.rows[column].astype(str).astype("category") for column in choosing}
    return Frame(frame.name, frame.rows.assign(**categories), frame.problem)


def _settle_without_judging(spec: CheckSpec, frame: Frame, results: dict[str, CheckResult]) -> bool:
    """Settle a check that has nothing to judge or no frame; say whether it was settled."""
    if frame.problem is not None:
        results[spec.name] = _result(spec, "error", None, 0, f"The check could not run: {frame.problem}")
        return True
    if frame.rows is None:
        results[spec.name] = _result(spec, "not_applicable", None, 0, "Not delivered: there is nothing to judge.")
        return True
    if missing := [name for name in (spec.column, "rows", *dict(spec.subset)) if name not in frame.rows.columns]:
        message = f"The check could not run: frame {frame.name} has no column {missing[0]}."
        results[spec.name] = _result(spec, "error", None, 0, message)
        return True
    judged = _judged_rows(spec, frame.rows)
    if judged == 0:
        results[spec.name] = _result(spec, "not_applicable", None, 0, "Empty: there is nothing to judge.")
        return True
    if judged < spec.min_rows:
        message = f"Only {judged:,} rows: fewer than {spec.min_rows:,} are not judged."
        results[spec.name] = _result(spec, "not_applicable", None, judged, message)
        return True
    return False


def _chosen(spec: CheckSpec, rows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows of the frame the check speaks of."""
    chosen = pd.Series(True, index=rows.index)
    for column, value in spec.subset:
        chosen &= rows[column] == value
    return chosen


def _judged_rows(spec: CheckSpec, rows: pd.DataFrame) -> int:
    chosen = _chosen(spec, rows) & rows[spec.column].notna()
    weights = rows["population" if "population" in rows.columns else "rows"]
    return int(weights[chosen].sum())


def _judge_frame(
    context: ExpectationContext, frame: Frame, checks: Sequence[CheckSpec], results: dict[str, CheckResult]
) -> Any:
    """Judge all checks of one frame at once; a check's rows are those where its own column has a value."""
    rows = frame.rows
    assert rows is not None  # noqa: S101 settled before
    columns = {f"{spec.label} [{spec.name}]": spec for spec in checks}
    judged = pd.DataFrame(
        {label: pd.to_numeric(rows[spec.column]).where(_chosen(spec, rows)) for label, spec in columns.items()}
    )
    try:
        verdicts, page = context.judge(f"{checks[0].suite}.{frame.name}", judged, columns)
    except Exception as error:  # whatever breaks inside Great Expectations is an error of the check, never a verdict
        message = f"The check could not run: {type(error).__name__} in Great Expectations."
        results.update({spec.name: _result(spec, "error", None, 0, message) for spec in checks})
        return None
    for spec, verdict in zip(checks, verdicts, strict=True):
        results[spec.name] = _from_verdict(spec, verdict, rows)
    return page


def _from_verdict(spec: CheckSpec, verdict: Verdict, rows: pd.DataFrame) -> CheckResult:
    judged = _judged_rows(spec, rows)
    if verdict.exception is not None:
        return _result(spec, "error", None, judged, f"The check could not run: {verdict.exception}")
    if verdict.missing:
        return _result(spec, "not_applicable", None, judged, "No values: there is nothing to judge.")
    if verdict.observed is not None:
        status: Status = "passed" if verdict.success else "failed"
        message = f"{spec.measure}: {verdict.observed:g}, expected {spec.bounds}."
        return _result(spec, status, None, judged, message)
    failing = int(rows["rows"].iloc[list(verdict.unexpected)].sum())
    if not verdict.success and "sentence" in rows.columns:
        said = " ".join(str(sentence) for sentence in rows["sentence"].iloc[list(verdict.unexpected)])
        return _result(spec, "failed", failing, judged, f"{said} Allowed: {spec.bounds}.")
    if verdict.success:
        return _result(spec, "passed", 0, judged, f"{judged:,} rows judged: {spec.measure}; allowed: {spec.bounds}.")
    share = f" ({failing / judged:.1%})" if judged else ""
    message = f"{failing:,} of {judged:,} rows{share} fail: {spec.measure}; allowed: {spec.bounds}."
    return _result(spec, "failed", failing, judged, message)


def _result(spec: CheckSpec, status: Status, failing: int | None, judged: int, message: str) -> CheckResult:
    return CheckResult(
        suite=spec.suite,
        check=spec.name,
        table=spec.asset_table,
        column=spec.label,
        severity=spec.severity,
        status=status,
        failing_rows=failing,
        judged_rows=judged,
        kahn=spec.kahn,
        action=spec.action,
        message=message,
    )
