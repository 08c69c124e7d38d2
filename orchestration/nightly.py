"""When a refresh runs: the nightly schedule and the sensor on newly landed extracts."""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from orchestration.extracts import FEEDS, READING, ExtractError, ExtractFolder, discover_extracts
from orchestration.extracts.delivery import MANIFEST, Manifest, file_sha256
from orchestration.failures import why_failed
from orchestration.jobs import JOB_NAME, REBUILD_JOB_NAME, is_by_command
from orchestration.operations import note_outcome, send_notice
from orchestration.raw import EXTRACTS, raw_key
from orchestration.settings import Settings
from orchestration.user_errors import as_failure
from warehouse import current_version

_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"
# A killed run is started anew from its first step, because its build is removed. The time limit stands in guarded.py:
# Dagster's own (dagster/max_runtime) goes by the wall clock, and one that is put forward would end a sound run.
_FROM_ITS_FIRST_STEP = {"dagster/retry_strategy": "ALL_STEPS"}


def nightly_job() -> UnresolvedAssetJobDefinition:
    """Return the job that refreshes everything in one process: DuckDB has one writer, processes start slowly."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        executor_def=dg.in_process_executor,
        description="One night: extracts to lake, dbt, checks, analyses, report, publish.",
        tags=_FROM_ITS_FIRST_STEP,
    )


def rebuild_job() -> UnresolvedAssetJobDefinition:
    """Return the job that builds and publishes from the lake alone: after a key rotation, or without the extracts."""
    return dg.define_asset_job(
        REBUILD_JOB_NAME,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*(raw_key(name) for name in FEEDS)),
        executor_def=dg.in_process_executor,
        description="The warehouse anew from the lake, without reading an extract.",
        tags=_FROM_ITS_FIRST_STEP,
    )


def fingerprint(extract: ExtractFolder) -> str:
    """Return what changes when a file of the extract is added, removed or written again, or is read in another way.

    A hash of names, sizes and times of change: a file's name may hold an identifier, so it is not kept itself.
    """
    files = sorted(path for path in extract.path.rglob("*") if path.is_file())
    stamps = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return hash_text(json.dumps([READING, stamps]))


def is_complete(extract: ExtractFolder, settle_seconds: float, now: float) -> bool:
    """An extract is complete when its manifest agrees with its files, or when nothing in it changed for a while.

    A manifest may land before the files that it lists, so it is believed only when all of them are there with their
    SHA-256. One that disagrees for longer than the settle time counts as complete: the refresh then says what is wrong.

    Args:
        extract: the extract.
        settle_seconds: how long nothing may have changed.
        now: seconds since the epoch.
    """
    try:
        changed = [path.lstat().st_ctime for path in extract.path.rglob("*")]
        # The time of the last change of name or content on this machine: copying and unpacking keep the time of writing
        # that a file had at its source. Both ways, because the clock may have been set back meanwhile.
        settled = bool(changed) and all(abs(now - moment) >= settle_seconds for moment in changed)
        return settled or _manifest_agrees(extract)
    except FileNotFoundError:  # renamed while it was looked at
        return False


def _manifest_agrees(extract: ExtractFolder) -> bool:
    try:
        text = (extract.path / MANIFEST).read_text(encoding="utf-8-sig")
        listed = Manifest.model_validate_json(text).files
    except (ValueError, IsADirectoryError):  # half-written, or no manifest at all
        return False
    files = {extract.path / entry.path: entry.sha256.lower() for entry in listed if Path(entry.path).name == entry.path}
    return bool(files) and all(path.is_file() and file_sha256(path) == digest for path, digest in files.items())


def partitions_to_run(
    known: Sequence[str], landed: Sequence[str], changed: set[str], incomplete: set[str] | None = None
) -> tuple[str, str]:
    """Return the first and last partition to ingest.

    Args:
        known: partitions in Dagster's order (the order of registration).
        landed: extracts in the landing folder, oldest first, not empty.
        changed: extracts never ingested, or changed since. With none, the newest is run: it is skipped file by file.
        incomplete: extracts still being written, which the span must not touch; those behind one wait for a later run.
    """
    left_out = incomplete or set()
    ready = [name for name in landed if name not in left_out]
    wanted = changed & set(ready) or {ready[-1]}
    positions = [position for position, name in enumerate(known) if name in wanted]
    first = min(positions)
    gaps = [position for position, name in enumerate(known) if position > first and name in left_out]
    last = max(position for position in positions if not gaps or position < gaps[0])
    return known[first], known[last]


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


def incomplete_extracts(settings: Settings, extracts: Sequence[ExtractFolder]) -> set[str]:
    """Return the new and changed extracts that are still being written."""
    changed = changed_extracts(settings, extracts)
    waiting = [extract for extract in extracts if extract.name in changed]
    return {each.name for each in waiting if not is_complete(each, settings.settle_seconds, time.time())}


def run_tags(settings: Settings, instance: dg.DagsterInstance, incomplete: set[str] | None = None) -> dict[str, str]:
    """Register the landed extracts and return the tags that make a run ingest the new and changed ones.

    Args:
        settings: where extracts land.
        instance: where partitions are registered.
        incomplete: extracts to leave out, because they are still being written; not all of them.
    """
    extracts = discover_extracts(settings.extracts)
    known = register_partitions(instance, [each for each in extracts if each.name not in (incomplete or set())])
    changed = changed_extracts(settings, extracts)
    first, last = partitions_to_run(known, [extract.name for extract in extracts], changed, incomplete)
    return {_RANGE_START: first, _RANGE_END: last, "cart/extracts": f"{first}..{last}" if first != last else first}


def nightly_schedule(settings: Settings, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Return the schedule; cron and time zone come from the settings."""

    @dg.schedule(
        job=job,
        cron_schedule=settings.nightly_cron,
        execution_timezone=settings.timezone,
        name="nightly_refresh",
        description="Refreshes the warehouse every night, with every extract that is complete by then.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def nightly_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            extracts = discover_extracts(settings.extracts)
        except ExtractError as error:
            return dg.SkipReason(str(error))
        incomplete = incomplete_extracts(settings, extracts)
        if len(incomplete) == len(extracts):
            return dg.SkipReason(_still_written(incomplete))
        with as_failure():
            return dg.RunRequest(tags=run_tags(settings, context.instance, incomplete))

    return nightly_refresh


def landing_sensor(settings: Settings, job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Return the sensor that starts a refresh when a new or changed extract is complete."""

    @dg.sensor(
        job=job,
        name="landing",
        minimum_interval_seconds=60,
        description="Starts a refresh when a complete extract has landed.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            extracts = discover_extracts(settings.extracts)
            changed = changed_extracts(settings, extracts)
            incomplete = incomplete_extracts(settings, extracts)
            ready = [extract for extract in extracts if extract.name in changed - incomplete]
            key = "|".join(fingerprint(extract) for extract in ready)
        except ExtractError as error:
            return dg.SkipReason(str(error))
        except FileNotFoundError:
            return dg.SkipReason("An extract is being written: a file was renamed while it was looked at.")
        if not ready:
            return dg.SkipReason(_still_written(incomplete) if incomplete else "No new extract has landed.")
        return dg.RunRequest(run_key=hash_text(key), tags=run_tags(settings, context.instance, incomplete))

    return landing


def _still_written(incomplete: set[str]) -> str:
    return f"Still being written: {', '.join(sorted(incomplete))}."


def outcome_sensors(settings: Settings, *jobs: UnresolvedAssetJobDefinition) -> list[dg.SensorDefinition]:
    """Return the sensors that tell of failed nights and of the first good one after them.

    Runs that the command started tell by themselves.
    """

    def tell(context: dg.RunStatusSensorContext, problem: str | None) -> None:
        if is_by_command(context.dagster_run):
            return
        published = current_version(settings.home)
        notice = note_outcome(settings.home, context.dagster_run.run_id, problem, published.name if published else None)
        if notice is not None:
            send_notice(notice, settings.notices)

    @dg.run_failure_sensor(
        monitored_jobs=list(jobs),
        name="failure_notice",
        description="Tells of a failed night.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def failure_notice(context: dg.RunFailureSensorContext) -> None:
        logs = context.instance.all_logs(context.dagster_run.run_id)
        tell(context, why_failed([log.dagster_event for log in logs if log.dagster_event], outward=True))

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=list(jobs),
        name="recovery_notice",
        description="Tells of the first good night after a failed one.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def recovery_notice(context: dg.RunStatusSensorContext) -> None:
        tell(context, None)

    return [failure_notice, recovery_notice]


def hash_text(text: str) -> str:
    """Return a short stable key for a long text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
