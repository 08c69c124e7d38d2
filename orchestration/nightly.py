"""When a refresh runs: the nightly schedule and the sensor on newly landed extracts."""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from orchestration.extracts import FEEDS, ExtractError, ExtractFolder, discover_extracts
from orchestration.guarded import JOB_NAME, REBUILD_JOB_NAME
from orchestration.operations import note_outcome, send_notice
from orchestration.raw import EXTRACTS, raw_key
from orchestration.settings import Settings
from orchestration.user_errors import as_failure
from warehouse import current_version

SETTLE_SECONDS = 120  # an extract without a manifest counts as complete when no file of it changed for this long
STARTED_BY_COMMAND = {"cart/started_by": "command"}
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"


def nightly_job(settings: Settings) -> UnresolvedAssetJobDefinition:
    """Return the job that refreshes everything in one process: DuckDB has one writer, processes start slowly."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        executor_def=dg.in_process_executor,
        description="One night: extracts to lake, dbt, checks, analyses, report, publish.",
        tags={"dagster/max_runtime": str(settings.time_limit_seconds)},
    )


def rebuild_job(settings: Settings) -> UnresolvedAssetJobDefinition:
    """Return the job that builds and publishes from the lake alone: after a key rotation, or without the extracts."""
    return dg.define_asset_job(
        REBUILD_JOB_NAME,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*(raw_key(name) for name in FEEDS)),
        executor_def=dg.in_process_executor,
        description="The warehouse anew from the lake, without reading an extract.",
        tags={"dagster/max_runtime": str(settings.time_limit_seconds)},
    )


def fingerprint(extract: ExtractFolder) -> str:
    """Return what changes when a file of the extract is added, removed or written again.

    A hash of names, sizes and times of change: a file's name may hold an identifier, so it is not kept itself.
    """
    files = sorted(path for path in extract.path.rglob("*") if path.is_file())
    return hash_text(json.dumps([[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]))


def is_settled(extract: ExtractFolder, now: float) -> bool:
    """An extract is complete when it has a manifest, or when nothing in it changed for SETTLE_SECONDS."""
    if (extract.path / "manifest.json").exists():
        return True
    changed = [path.stat().st_mtime for path in extract.path.rglob("*")]
    return bool(changed) and now - max(changed) >= SETTLE_SECONDS


def partitions_to_run(known: Sequence[str], landed: Sequence[str], changed: set[str]) -> tuple[str, str]:
    """Return the first and last partition to ingest.

    Args:
        known: partitions in Dagster's order (the order of registration).
        landed: extracts in the landing folder, oldest first, not empty.
        changed: extracts never ingested, or changed since. With none, the newest is run: it is skipped file by file.
    """
    wanted = changed & set(landed) or {landed[-1]}
    positions = [position for position, name in enumerate(known) if name in wanted]
    return known[min(positions)], known[max(positions)]


def register_partitions(instance: dg.DagsterInstance, extracts: Sequence[ExtractFolder]) -> list[str]:
    """Make every landed extract a partition, oldest first; return all partitions in Dagster's order."""
    name = str(EXTRACTS.name)
    known = set(instance.get_dynamic_partitions(name))
    new = [extract.name for extract in extracts if extract.name not in known]
    if new:
        instance.add_dynamic_partitions(name, new)
    return list(instance.get_dynamic_partitions(name))


def _ledger_path(settings: Settings) -> Path:
    return settings.home.lake / "deliveries.json"


def changed_extracts(settings: Settings, extracts: Sequence[ExtractFolder]) -> set[str]:
    """Return the extracts whose files are not those that were ingested last."""
    seen = _seen(settings)
    return {extract.name for extract in extracts if seen.get(extract.name) != fingerprint(extract)}


def remember_deliveries(settings: Settings, extracts: Sequence[ExtractFolder]) -> None:
    """Note which files were ingested; written anew and renamed, so that a kill leaves the old note."""
    path = _ledger_path(settings)
    seen = {**_seen(settings), **{extract.name: fingerprint(extract) for extract in extracts}}
    scratch = path.with_suffix(".partial")
    scratch.write_text(json.dumps(seen, sort_keys=True), encoding="utf-8")
    scratch.replace(path)


def _seen(settings: Settings) -> dict[str, str]:
    path = _ledger_path(settings)
    seen: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return seen


def run_tags(settings: Settings, instance: dg.DagsterInstance) -> dict[str, str]:
    """Register the landed extracts and return the tags that make a run ingest the new and changed ones."""
    extracts = discover_extracts(settings.extracts)
    known = register_partitions(instance, extracts)
    first, last = partitions_to_run(known, [extract.name for extract in extracts], changed_extracts(settings, extracts))
    return {_RANGE_START: first, _RANGE_END: last, "cart/extracts": f"{first}..{last}" if first != last else first}


def nightly_schedule(settings: Settings, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Return the schedule; cron and time zone come from the settings."""

    @dg.schedule(
        job=job,
        cron_schedule=settings.nightly_cron,
        execution_timezone=settings.timezone,
        name="nightly_refresh",
        description="Refreshes the warehouse every night.",
    )
    def nightly_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        with as_failure():
            return dg.RunRequest(tags=run_tags(settings, context.instance))

    return nightly_refresh


def landing_sensor(settings: Settings, job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Return the sensor that starts a refresh when a new or changed extract is complete."""

    @dg.sensor(
        job=job,
        name="landing",
        minimum_interval_seconds=60,
        description="Starts a refresh when a complete extract has landed.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            extracts = discover_extracts(settings.extracts)
        except ExtractError as error:
            return dg.SkipReason(str(error))
        changed = changed_extracts(settings, extracts)
        waiting = [extract for extract in extracts if extract.name in changed]
        if not waiting:
            return dg.SkipReason("No new extract has landed.")
        unsettled = [extract.name for extract in waiting if not is_settled(extract, time.time())]
        if unsettled:
            return dg.SkipReason(f"Still being written: {', '.join(unsettled)}.")
        key = "|".join(fingerprint(extract) for extract in waiting)
        return dg.RunRequest(run_key=hash_text(key), tags=run_tags(settings, context.instance))

    return landing


def outcome_sensors(settings: Settings, job: UnresolvedAssetJobDefinition) -> list[dg.SensorDefinition]:
    """Return the sensors that tell of failed nights and of the first good one after them.

    Runs that the command started tell by themselves.
    """

    def tell(context: dg.RunStatusSensorContext, problem: str | None) -> None:
        if context.dagster_run.tags.get("cart/started_by") == STARTED_BY_COMMAND["cart/started_by"]:
            return
        published = current_version(settings.home)
        notice = note_outcome(settings.home, context.dagster_run.run_id, problem, published.name if published else None)
        if notice is not None:
            send_notice(notice, settings.notices)

    @dg.run_failure_sensor(monitored_jobs=[job], name="failure_notice", description="Tells of a failed night.")
    def failure_notice(context: dg.RunFailureSensorContext) -> None:
        steps = ", ".join(event.step_key for event in context.get_step_failure_events() if event.step_key)
        tell(context, f"Failed at {steps or 'the start'}; the step's page in the Dagster UI says why.")

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[job],
        name="recovery_notice",
        description="Tells of the first good night after a failed one.",
    )
    def recovery_notice(context: dg.RunStatusSensorContext) -> None:
        tell(context, None)

    return [failure_notice, recovery_notice]


def hash_text(text: str) -> str:
    """Return a short stable key for a long text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
