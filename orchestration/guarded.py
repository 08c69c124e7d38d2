"""The resource that every step of a refresh shares, guarded by the home's lock for as long as the run lasts.

With the in-process executor a resource lives from the first step of a run to its last, whoever started the run: the
command, the schedule, the sensor or a person in the UI. So the lock, the recovery and the audit trail stand here.
"""

from collections.abc import Iterator

import dagster as dg

from orchestration.operations import RefreshLock, record_builds, recover_home
from orchestration.refresh_context import RefreshContext
from orchestration.settings import Settings
from orchestration.user_errors import as_failure

JOB_NAME = "nightly"
REBUILD_JOB_NAME = "rebuild"


def guarded_refresh(settings: Settings, prepared: RefreshContext | None = None) -> dg.ResourceDefinition:
    """Return the resource `refresh`: one run at a time on the home; a second one waits, then is refused.

    Args:
        settings: what is refreshed.
        prepared: what the command has checked already, so that no delivery is read a second time.

    A whole night begins with recovery: what a killed refresh left is removed. A run of chosen steps (a backfill, a
    re-execution from failure) keeps the build that it goes on with.
    """

    @dg.resource(description="Settings, study, source profile and lake of one refresh, under the home's lock.")
    def refresh(context: dg.InitResourceContext) -> Iterator[RefreshContext]:
        run = context.run
        with as_failure():
            settings.home.prepare()
            lock = RefreshLock(settings.home, purpose="refresh", wait_seconds=settings.lock_wait_seconds)
            lock.__enter__()
        shared: RefreshContext | None = None
        try:
            if lock.abandoned is not None and context.log is not None:
                context.log.warning(f"The {lock.abandoned} was killed or lost power; its leftovers are removed.")
            if run is not None and run.job_name in (JOB_NAME, REBUILD_JOB_NAME) and not run.step_keys_to_execute:
                recover_home(settings.home)
            with as_failure():
                record_builds(settings.home)
            shared = prepared or RefreshContext(settings)
            yield shared
        finally:
            if shared is not None:
                shared.close()
            lock.__exit__(None, None, None)

    return refresh
