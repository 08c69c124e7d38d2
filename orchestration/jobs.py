"""Names of the jobs and what tells their runs apart, which their steps ask for too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterRun

JOB_NAME = "nightly"
REBUILD_JOB_NAME = "rebuild"
STARTED_BY_COMMAND = {"cart/started_by": "command"}


def is_by_command(run: DagsterRun | None) -> bool:
    """True for a run that a person started at the terminal, who waits for it."""
    return run is not None and STARTED_BY_COMMAND.items() <= run.tags.items()


def is_whole_night(run: DagsterRun | None) -> bool:
    """True for a run of every step of a night, not of chosen ones (a backfill, a re-execution from failure).

    The command always runs every step, and Dagster then names them all where it names none for the daemon's runs.
    """
    return (
        run is not None
        and run.job_name in (JOB_NAME, REBUILD_JOB_NAME)
        and (not run.step_keys_to_execute or is_by_command(run))
    )
