"""How a night's checks are counted: a warning is no failure."""

from __future__ import annotations

import pytest

from orchestration.check_log import LoggedCheck, summary
from orchestration.summary import _checks, _median, _rate


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((339, 2, 0, 0, 22), "339 passed, 2 warnings, 22 not applicable"),
        ((339, 1, 0, 0, 0), "339 passed, 1 warning"),
        ((0, 0, 3, 1, 0), "0 passed, 3 failed, 1 could not run"),
    ],
)
def test_only_what_there_is_is_mentioned(counts: tuple[int, int, int, int, int], said: str) -> None:
    assert _checks(*counts) == said


def test_warnings_are_counted_apart_from_failures() -> None:
    def check(status: str, severity: str) -> LoggedCheck:
        return LoggedCheck("raw", "a", severity, status == "passed", 0, status, "patients", None, None, None, None)

    rows = [check("passed", "warn"), check("failed", "warn"), check("failed", "warn"), check("failed", "error")]
    assert summary(rows) == {"passed": 1, "warnings": 2, "failed": 1, "error": 0, "not_applicable": 0}


@pytest.mark.parametrize(
    ("count", "total", "said"),
    [(3, 48, "3 (6.3%)"), (5, 16, "5 (31.3%)"), (36, 39, "36 (92.3%)"), (0, 39, "0 (0.0%)"), (0, 0, "not computable")],
)
def test_rates_round_as_the_tables_do(count: int, total: int, said: str) -> None:
    """6.25 and 31.25 are halves: away from zero."""
    assert _rate(count, total, 100 * count / total if total else None) == said


@pytest.mark.parametrize(
    ("median", "low", "high", "said"),
    [
        (11.6, 4.0, 19.2, "11.6 months (95% CI 4.0 to 19.2; log)"),
        (11.25, 4.0, None, "11.3 months (95% CI 4.0 to not reached; log)"),
        (11.6, None, None, "11.6 months (no 95% CI; log)"),
        (None, 4.0, None, "not reached (95% CI 4.0 months to not reached; log)"),
        (None, None, None, "not reached"),
    ],
)
def test_a_median_that_is_not_reached_is_no_number_of_months(
    median: float | None, low: float | None, high: float | None, said: str
) -> None:
    assert _median("EFS", median, low, high, "log") == f"  median EFS        {said}"


def test_a_median_of_nobody_is_not_computable() -> None:
    assert _median("EFS", None, None, None, None) == "  median EFS        not computable"
