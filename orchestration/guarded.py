"""The resource that every step of a refresh shares, guarded by the home's lock for as long as the run lasts.

With the in-process executor a resource lives from the first step of a run to its last, whoever started the run: the
command, the schedule, the sensor or a person in the UI. So the lock, the recovery and the audit trail stand here; a
command has taken the lock before it starts a run, to be refused at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import dagster as dg

from orchestration.errors import USER_ERRORS
from orchestration.jobs import is_by_command, is_whole_night
from orchestration.operations import (
    OperationsError,
    RefreshLock,
    give_sign_of_life,
    record_builds,
    recover_home,
    time_limit,
)
from orchestration.refresh_context import RefreshContext
from orchestration.settings import Settings
from orchestration.user_errors import as_failure

NO_RETRY = {"dagster/max_retries": "0"}


def guarded_refresh(
    settings: Settings, prepared: RefreshContext | None = None, held: RefreshLock | None = None
) -> dg.ResourceDefinition:
    """Return the resource `refresh`: one run at a time on the home; a second one waits, then is refused.

    Args:
        settings: what is refreshed.
        prepared: what the command has checked already, so that no delivery is read a second time.
        held: the lock, where the command has taken it: a person at the terminal waits for another refresh a moment,
            then is told who holds it, before anything is started.

    A run that nobody watches waits far longer: it must not be lost because somebody verifies or refreshes by hand.

    A whole night begins with recovery: what a killed refresh left is removed. A run of chosen steps (a backfill, a
    re-execution from failure) keeps the build that it goes on with.
    """

    @dg.resource(description="Settings, study, source profile and lake of one refresh, under the home's lock.")
    def refresh(context: dg.InitResourceContext) -> Iterator[RefreshContext]:
        run = context.run
        with as_failure(), _never_retried(context):
            settings.home.prepare()
            lock = held or _take_lock(context, settings)
        shared: RefreshContext | None = None
        try:
            if lock.abandoned is not None and context.log is not None:
                context.log.warning(f"The {lock.abandoned} was killed or lost power; its leftovers are removed.")
            whole = is_whole_night(run)
            if whole:
                recover_home(settings.home)
            with as_failure(), _never_retried(context):
                record_builds(settings.home)
            shared = prepared or RefreshContext(settings)
            if settings.pseudonym_key is not None:  # without one a run may draw a figure anew, but read no extract
                with as_failure(), _never_retried(context):
                    shared.require_own_key()
            if whole:
                with as_failure():
                    shared.begin()
            # The command's own limit is on already; the daemon's goes by the wall clock, which may jump.
            with nullcontext() if is_by_command(context.run) else time_limit(settings.time_limit_seconds):
                yield shared
        finally:
            if shared is not None:
                shared.close()
            if held is None:
                lock.__exit__(None, None, None)

    return refresh


def _take_lock(context: dg.InitResourceContext, settings: Settings) -> RefreshLock:
    if context.run is not None and context.instance is not None:
        give_sign_of_life(Path(context.instance.root_directory), context.run.run_id)
    wait = settings.time_limit_seconds / 2
    try:
        return RefreshLock(settings.home).__enter__()
    except OperationsError as busy:
        if context.log is not None:
            context.log.warning(f"{busy} This run waits, at most {wait:.0f} seconds.")
    return RefreshLock(settings.home, wait_seconds=wait).__enter__()


@contextmanager
def _never_retried(context: dg.InitResourceContext) -> Iterator[None]:
    """What a person must mend is told at once; only a killed run is started anew (`run_retries` of dagster.yaml)."""
    try:
        yield
    except USER_ERRORS:
        if context.run is not None and context.instance is not None:
            context.instance.add_run_tags(context.run.run_id, NO_RETRY)
        raise
