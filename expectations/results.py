"""What a check says after it has run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "error", "not_applicable"]


@dataclass(frozen=True)
class CheckResult:
    """Result of one check.

    Attributes:
        suite: `raw` or `marts`.
        check: the check's stable name.
        table: table or feed that is judged, without its schema.
        column: what was looked at.
        severity: `error` stops the night, `warn` is shown.
        status: `failed` is about the data, `error` about the check itself, `not_applicable` means nothing to judge.
        failing_rows: source rows outside the bounds; None where rows can't be counted.
        judged_rows: source rows that were judged.
        kahn: conformance, completeness or plausibility.
        action: what the person at the source should do.
        message: one sentence with the figures, without any patient's value.
    """

    suite: str
    check: str
    table: str
    column: str
    severity: str
    status: Status
    failing_rows: int | None
    judged_rows: int
    kahn: str
    action: str
    message: str

    @property
    def passed(self) -> bool | None:
        """True or False; None where there was nothing to judge, which is not a pass."""
        return None if self.status == "not_applicable" else self.status == "passed"
