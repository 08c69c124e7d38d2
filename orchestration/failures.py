"""Why a run failed, read from its events: one message for the person who must act."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from orchestration.errors import USER_ERRORS

_OWN_ERRORS = {"TimeLimitError", "OperationsError", *(error.__name__ for error in USER_ERRORS)}


def why_failed(events: Sequence[dg.DagsterEvent], *, outward: bool = False) -> str:
    """Return what failed first: blocking checks, the message of a Failure, the error of a step, or the run's own end.

    Args:
        events: the run's events in their order.
        outward: for mail and webhook, which leave the machine: only the house's own words. The text of any other error
            (a database may quote the value that it couldn't convert) stays in the Dagster UI and on the terminal.
    """
    failed, broken = _failed_checks(events), _failed_checks(events, broken=True)
    if failed and not broken:
        return "Checks of error severity failed, so nothing was published:\n  " + "\n  ".join(failed)
    failures = [event for event in events if event.is_step_failure and not _stopped_by_a_check(event)]
    why = _why_step(failures[0], outward) if failures else "" if broken else _why_not_begun(events)
    if broken:  # full disk, memory: what they would have found is not known, and the others may have suffered with them
        listed = "\n  ".join([*broken, *failed])
        why = f"Checks could not run (disk or memory?), so nothing was published:\n  {listed}\n{why}".strip()
    return why


def _failed_checks(events: Sequence[dg.DagsterEvent], broken: bool = False) -> list[str]:
    """Checks of error severity that failed; or those of dbt that broke down before they had judged anything."""
    evaluations = [
        event.asset_check_evaluation_data for event in events if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    return [
        f"{check.asset_key.to_user_string()}: {check.check_name}"
        for check in evaluations
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR and _broke(check) is broken
    ]


def _stopped_by_a_check(event: dg.DagsterEvent) -> bool:
    """Dagster lets the step of a blocking check fail with an error of its own, which says no more."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def _broke(check: dg.AssetCheckEvaluation) -> bool:
    status = check.metadata.get("status")
    return status is not None and status.value == "error"


def _why_step(event: dg.DagsterEvent, outward: bool) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    cause = data.error
    while cause is not None and cause.cause is not None:
        cause = cause.cause
    if cause is None:
        return f"Step {event.step_key} failed."
    if cause.cls_name in _OWN_ERRORS:
        return cause.message.partition(": ")[2].strip()
    if outward:
        return f"Step {event.step_key} failed with {cause.cls_name}; its page in the Dagster UI says why."
    return f"Step {event.step_key} failed: {cause.message.strip()}"


def _why_not_begun(events: Sequence[dg.DagsterEvent]) -> str:
    """No step failed: the shared resource could not be had, or the run was killed, stopped or never started."""
    for event in events:
        error = getattr(event.event_specific_data, "error", None)
        if event.event_type_value == "RESOURCE_INIT_FAILURE" and error is not None:
            while error.cause is not None:
                error = error.cause
            return str(error.message.partition(": ")[2].strip() or error.message.strip())
    ends = [event.message for event in events if event.event_type_value in ("PIPELINE_FAILURE", "PIPELINE_CANCELED")]
    return ends[-1] if ends and ends[-1] else "The run failed before its first step; see the Dagster UI."
