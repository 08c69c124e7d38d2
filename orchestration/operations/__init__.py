"""Running it every night: one refresh at a time, recovery, retries, time limit, notices, audit trail, verification.

What does not belong here: Dagster objects, and anything about what a refresh computes. Nothing here imports Dagster.
"""

from orchestration.operations.audit import AuditEntry, audit_facts, audit_trail, record_builds
from orchestration.operations.errors import OperationsError
from orchestration.operations.liveness import give_sign_of_life, is_alive
from orchestration.operations.lock import RefreshLock, Taken
from orchestration.operations.notices import Notice, NoticeSettings, note_outcome, send_notice
from orchestration.operations.recovery import recover_home
from orchestration.operations.retrying import is_passing, retry_passing
from orchestration.operations.time_limit import TimeLimitError, time_limit
from orchestration.operations.verification import check_lake, verify

__all__ = [
    "AuditEntry",
    "Notice",
    "NoticeSettings",
    "OperationsError",
    "RefreshLock",
    "Taken",
    "TimeLimitError",
    "audit_facts",
    "audit_trail",
    "check_lake",
    "give_sign_of_life",
    "is_alive",
    "is_passing",
    "note_outcome",
    "record_builds",
    "recover_home",
    "retry_passing",
    "send_notice",
    "time_limit",
    "verify",
]
