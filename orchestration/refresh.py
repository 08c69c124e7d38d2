"""`make refresh`: one whole night through Dagster, in this process, with one clear message if it can't be done."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis_assets.published import BUNDLED, read_published
from orchestration.errors import USER_ERRORS, describe_bug
from orchestration.operations import OperationsError, RefreshLock, note_outcome, send_notice, time_limit
from orchestration.settings import Settings
from orchestration.terminal import leave
from warehouse import current_version, restrict_new_files
from warehouse.side_process import fewer_collections

if TYPE_CHECKING:
    from dagster import ExecuteInProcessResult

    from orchestration.refresh_context import RefreshContext

REFUSED = 2  # exit status: nothing was started
_EVENTS_STORED_TOGETHER = "1000"
FAILED = 1  # exit status: a step failed; the last published warehouse is untouched


@dataclass(frozen=True)
class Outcome:
    """How a refresh ended: exit status and, unless it is 0, the one message for the person who must act.

    `notice` is what mail and webhook say in place of the message, where that may quote what must not leave the machine.
    """

    status: int
    message: str = ""
    run_id: str = "not started"
    notice: str = ""


def refresh(settings: Settings, *, from_lake: bool = False) -> Outcome:
    """Run one night and tell those who must know how it ended; never raises for a mistake of a user.

    Args:
        settings: what is refreshed.
        from_lake: build and publish from the lake alone, without reading an extract.
    """
    restrict_new_files()
    try:
        with time_limit(settings.time_limit_seconds):
            outcome = _run(settings, from_lake)
    except USER_ERRORS as error:
        outcome = Outcome(REFUSED, str(error))
    except Exception as error:
        outcome = Outcome(FAILED, describe_bug(error))
    _tell(settings, outcome)
    return outcome


def _run(settings: Settings, from_lake: bool) -> Outcome:
    from orchestration.refresh_context import RefreshContext

    with closing(RefreshContext(settings)) as context:
        return _run_with(context, from_lake)


def _run_with(context: RefreshContext, from_lake: bool) -> Outcome:
    settings = context.settings
    context.begin()
    _check_inputs(context, from_lake)
    settings.home.prepare()
    from orchestration.instance import prepare_environment

    with lock_for_command(settings, "refresh") as lock:
        prepare_environment(settings)
        result = _execute(context, lock, from_lake)
    if not result.success:
        from orchestration.failures import why_failed

        events = result.all_events
        return Outcome(FAILED, why_failed(events), result.run_id, notice=why_failed(events, outward=True))
    return Outcome(0, run_id=result.run_id)


def _check_inputs(context: RefreshContext, from_lake: bool) -> None:
    """Read what a person may have got wrong before anything is started."""
    if context.study.published != BUNDLED:  # the project's own is right, and reading it imports pandas
        read_published(context.study.published)
    context.require_own_key()
    _ = context.profile
    if not from_lake:
        context.delivery(next(reversed(context.extracts)))


def _tell(settings: Settings, outcome: Outcome) -> None:
    """Send a notice on failure and on the first success after one; a home that can't be written has no memory of it."""
    if not settings.home.logs.is_dir():
        return
    published = current_version(settings.home)
    try:
        notice = note_outcome(
            settings.home,
            outcome.run_id,
            outcome.notice or outcome.message or None,
            published.name if published else None,
        )
    except OSError:
        return
    if notice is not None:
        logging.basicConfig(filename=settings.home.logs / "notices.log", level=logging.INFO, force=True)
        send_notice(notice, settings.notices)


@contextmanager
def lock_for_command(settings: Settings, purpose: str) -> Iterator[RefreshLock]:
    """Hold the home's lock; a person at the terminal waits for another process a moment only.

    Raises:
        OperationsError: another process holds it for longer; says who, since when.
    """
    lock = RefreshLock(settings.home, purpose)
    try:
        lock.__enter__()
    except OperationsError:
        sys.stderr.write(f"  ! Waiting for another process, at most {settings.lock_wait_seconds} seconds ...\n")
        lock = RefreshLock(settings.home, purpose, settings.lock_wait_seconds)
        lock.__enter__()
    try:
        yield lock
    finally:
        lock.__exit__(None, None, None)


def _execute(context: RefreshContext, lock: RefreshLock, from_lake: bool) -> ExecuteInProcessResult:
    warnings.filterwarnings("ignore", module="dagster")
    import dagster as dg

    _import_dagster_dbt_alone()
    from orchestration.code_location import build_definitions
    from orchestration.jobs import JOB_NAME, REBUILD_JOB_NAME, STARTED_BY_COMMAND
    from orchestration.nightly import run_tags

    settings = context.settings
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _EVENTS_STORED_TOGETHER)
    definitions = build_definitions(settings, context, lock)
    log = settings.home.logs / "refresh.log"  # dbt's own lines; the terminal gets one line per step
    with log.open("w", encoding="utf-8") as lines, redirect_stdout(lines), dg.DagsterInstance.get() as instance:
        tags = STARTED_BY_COMMAND if from_lake else {**run_tags(settings, instance), **STARTED_BY_COMMAND}
        job = definitions.resolve_job_def(REBUILD_JOB_NAME if from_lake else JOB_NAME)
        return job.execute_in_process(
            instance=instance, tags=tags, run_config={"loggers": {"progress": {}}}, raise_on_error=False
        )


def _import_dagster_dbt_alone() -> None:
    """dagster-dbt works without dbt in its process, and then does not import it for a few names of types (0.7 s)."""
    if "dbt" not in sys.modules:
        sys.modules["dbt.version"] = None  # type: ignore[assignment]  # Python's own way to say: not here
        importlib.import_module("dagster_dbt.compat")
        del sys.modules["dbt.version"]


def main(adapt: Callable[[Settings], Settings] | None = None) -> int:
    """Run a refresh from the environment and print how it ended.

    Args:
        adapt: what turns the environment's settings into those of this run (the demo's own extract and key).
    """
    from orchestration.summary import describe_published

    fewer_collections()
    try:
        settings = Settings.from_environment()
        settings = adapt(settings) if adapt else settings
    except USER_ERRORS as error:
        sys.stderr.write(f"Refresh refused: {error}\n")
        return REFUSED
    outcome = refresh(settings)
    if outcome.status:
        published = settings.home.database.exists()
        kept = "The last published warehouse is unchanged." if published else "Nothing is published yet."
        what = "refused" if outcome.status == REFUSED else "failed"
        sys.stderr.write(f"Refresh {what}: {outcome.message}\n{kept}\n")
        return outcome.status
    sys.stdout.write(describe_published(settings.home) + "\n")
    return 0


if __name__ == "__main__":
    leave(main())
