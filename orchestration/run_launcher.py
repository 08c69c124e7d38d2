"""Dagster's run launcher, which also sees that a run was killed.

Dagster's own one can't: a run that SIGKILL, the memory limit or a reboot ended stays "started" in the records until its
time limit, and because one run at a time is allowed, no later night would begin before. With this one the daemon's run
monitoring marks it as failed within a minute, tells the failure, and starts it anew once (`run_retries`).
"""

from __future__ import annotations

import time
from pathlib import Path

from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.dagster_run import DagsterRun

from orchestration.operations import is_alive

FIRST_SIGN_SECONDS = 120  # between a run's start and its first sign of life lie milliseconds
KILLED = "Its process is gone: killed, out of memory, or the machine was restarted."


class WatchedRunLauncher(DefaultRunLauncher):
    """Named in dagster.yaml."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether killed runs are seen."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether the process of a started run lives."""
        state = Path(self._instance.root_directory)
        lives = is_alive(state, run.run_id)
        if lives is None:
            record = self._instance.get_run_record_by_id(run.run_id)
            started = record.start_time if record is not None else None
            lives = started is None or abs(time.time() - started) < FIRST_SIGN_SECONDS
        if lives:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, KILLED)
