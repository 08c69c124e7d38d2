"""How a night's checks are counted: a warning is no failure."""

from __future__ import annotations

import pytest

from orchestration.check_log import LoggedCheck, summary
from orchestration.summary import _checks


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
