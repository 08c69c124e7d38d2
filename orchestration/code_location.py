"""Assets, checks, jobs, schedule and sensors for given settings: merges what stands below, decides nothing."""

from __future__ import annotations

import dagster as dg

from analysis_assets.assets import analysis_assets
from orchestration.checks import expectation_checks
from orchestration.guarded import guarded_refresh
from orchestration.nightly import landing_sensor, nightly_job, nightly_schedule, outcome_sensors, rebuild_job
from orchestration.operations import RefreshLock
from orchestration.progress import progress_logger
from orchestration.publish import dbt_documentation, interchange_files, published_warehouse
from orchestration.quality import night_record
from orchestration.raw import raw_assets
from orchestration.refresh_context import RefreshContext
from orchestration.settings import Settings
from orchestration.transform import begin_whole_build, warehouse_models


def build_definitions(
    settings: Settings, prepared: RefreshContext | None = None, held: RefreshLock | None = None
) -> dg.Definitions:
    """Return all assets, checks, jobs, the schedule and the sensors for these settings; see `guarded_refresh`."""
    raw = raw_assets()
    models = warehouse_models()
    checks = expectation_checks(beside_raw=begin_whole_build)
    record = night_record(list(models.keys))
    analyses = analysis_assets()
    analysed = [key for asset in analyses for key in asset.keys]
    marts = [key for key in models.keys if key.path[0] == "marts"]  # made last, in the one step of all models
    docs, interchange = dbt_documentation(marts), interchange_files(marts)
    published = published_warehouse([*record.keys, *analysed, *docs.keys, *interchange.keys])
    job, rebuild = nightly_job(), rebuild_job()
    return dg.Definitions(
        assets=[*raw, models, record, *analyses, docs, interchange, published],
        asset_checks=checks,
        jobs=[job, rebuild],
        schedules=[nightly_schedule(settings, job)],
        sensors=[landing_sensor(settings, job), *outcome_sensors(settings, job, rebuild)],
        loggers={"progress": progress_logger},
        resources={"refresh": guarded_refresh(settings, prepared, held)},
        executor=dg.in_process_executor,
    )
