"""`make refresh`: one whole night through Dagster, in this process, with one clear message if it can't be done."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis_assets.published import read_published
from orchestration.errors import USER_ERRORS, describe_bug
from orchestration.operations import note_outcome, send_notice, time_limit
from orchestration.settings import Settings
from orchestration.terminal import leave
from warehouse import current_version, restrict_new_files

if TYPE_CHECKING:
    from dagster import ExecuteInProcessResult

    from orchestration.refresh_context import RefreshContext

REFUSED = 2  # exit status: nothing was started
FAILED = 1  # exit status: a step failed; the last published warehouse is untouched
_OWN_ERRORS = {"TimeLimitError", "OperationsError", *(error.__name__ for error in USER_ERRORS)}


@dataclass(frozen=True)
class Outcome:
    """How a refresh ended: exit status and, unless it is 0, the one message for the person who must act."""

    status: int
    message: str = ""
    run_id: str = "not started"


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

    context = RefreshContext(settings)
    _check_inputs(context, from_lake)
    settings.home.prepare()
    _ = context.judge  # its imports take seconds, on the other core
    from orchestration.instance import prepare_environment

    prepare_environment(settings)
    result, message = _execute(context, from_lake)
    if not result.success:
        return Outcome(FAILED, message, result.run_id)
    return Outcome(0, run_id=result.run_id)


def _check_inputs(context: RefreshContext, from_lake: bool) -> None:
    """Read what a person may have got wrong before anything is started."""
    read_published(context.study.published)
    for read in (lambda: context.pseudonymiser, lambda: context.profile):
        read()
    if not from_lake:
        context.delivery(next(reversed(context.extracts)))


def _tell(settings: Settings, outcome: Outcome) -> None:
    """Send a notice on failure and on the first success after one; a home that can't be written has no memory of it."""
    if not settings.home.logs.is_dir():
        return
    published = current_version(settings.home)
    try:
        notice = note_outcome(
            settings.home, outcome.run_id, outcome.message or None, published.name if published else None
        )
    except OSError:
        return
    if notice is not None:
        logging.basicConfig(filename=settings.home.logs / "notices.log", level=logging.INFO, force=True)
        send_notice(notice, settings.notices)


def _execute(context: RefreshContext, from_lake: bool) -> tuple[ExecuteInProcessResult, str]:
    warnings.filterwarnings("ignore", module="dagster")
    import dagster as dg

    from orchestration.definitions import build_definitions
    from orchestration.guarded import JOB_NAME, REBUILD_JOB_NAME
    from orchestration.nightly import STARTED_BY_COMMAND, run_tags

    settings = context.settings
    definitions = build_definitions(settings, context)
    log = settings.home.logs / "refresh.log"  # dbt's own lines; the terminal gets one line per step
    with log.open("w", encoding="utf-8") as lines, redirect_stdout(lines), dg.DagsterInstance.get() as instance:
        tags = STARTED_BY_COMMAND if from_lake else {**run_tags(settings, instance), **STARTED_BY_COMMAND}
        job = definitions.resolve_job_def(REBUILD_JOB_NAME if from_lake else JOB_NAME)
        result = job.execute_in_process(
            instance=instance, tags=tags, run_config={"loggers": {"progress": {}}}, raise_on_error=False
        )
        return result, "" if result.success else _why(result)


def _why(result: ExecuteInProcessResult) -> str:
    """Return what failed first: blocking checks, the message of a Failure, or the error of the step."""
    from dagster import AssetCheckSeverity

    evaluations = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    blocking = [check for check in evaluations if not check.passed and check.severity == AssetCheckSeverity.ERROR]
    if blocking:
        lines = [f"{check.asset_key.to_user_string()}: {check.check_name}" for check in blocking]
        return "Checks of error severity failed, so nothing was published:\n  " + "\n  ".join(lines)
    failures = [event for event in result.all_events if event.is_step_failure]
    if not failures:
        return _why_not_begun(result)
    data = failures[0].step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    cause = data.error
    while cause is not None and cause.cause is not None:
        cause = cause.cause
    text = cause.message.strip() if cause else ""
    own_words = text.partition(": ")[2] if cause and cause.cls_name in _OWN_ERRORS else ""
    return own_words or f"Step {failures[0].step_key} failed: {text}"


def _why_not_begun(result: ExecuteInProcessResult) -> str:
    """The shared resource could not be had: most often another process holds the home's lock."""
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        if event.event_type_value == "RESOURCE_INIT_FAILURE" and error is not None:
            while error.cause is not None:
                error = error.cause
            return str(error.message.partition(": ")[2].strip() or error.message)
    return "The run failed before its first step; see the Dagster UI."


def main(adapt: Callable[[Settings], Settings] | None = None) -> int:
    """Run a refresh from the environment and print how it ended.

    Args:
        adapt: what turns the environment's settings into those of this run (the demo's own extract and key).
    """
    from orchestration.summary import describe_published

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
