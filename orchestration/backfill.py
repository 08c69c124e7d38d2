"""`python -m orchestration.backfill FIRST [LAST]`: read extracts into the lake again, from the command line.

The same as choosing partitions of the raw assets in the Dagster UI. Nothing is published: `make refresh` does that, and
what it publishes depends on the set of extracts alone, never on what was read again or in which order.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from contextlib import closing, redirect_stdout

from orchestration.errors import USER_ERRORS
from orchestration.extracts import FEEDS, ExtractError, discover_extracts
from orchestration.instance import prepare_environment
from orchestration.operations import RefreshLock
from orchestration.refresh import FAILED, REFUSED, lock_for_command
from orchestration.refresh_context import RefreshContext
from orchestration.settings import Settings
from orchestration.terminal import leave
from warehouse import restrict_new_files


def main(arguments: list[str] | None = None) -> int:
    """Run a backfill; returns the exit status (0 done, 1 a feed failed, 2 refused)."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.backfill", description=__doc__)
    parser.add_argument("first", help="the first extract, such as 2018-07-30")
    parser.add_argument("last", nargs="?", help="the last one; default: the first alone")
    parser.add_argument("--feed", action="append", choices=tuple(FEEDS), help="a feed; again for more; default: all")
    chosen = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        names = _extracts(settings, chosen.first, chosen.last or chosen.first)
        problem = backfill(settings, names, chosen.feed or list(FEEDS))
    except USER_ERRORS as error:
        sys.stderr.write(f"Backfill refused: {error}\n")
        return REFUSED
    if problem:
        sys.stderr.write(f"Backfill failed: {problem}\n")
        return FAILED
    sys.stdout.write(f"Read again: {', '.join(names)}. Run 'make refresh' to publish from the lake as it is now.\n")
    return 0


def _extracts(settings: Settings, first: str, last: str) -> list[str]:
    landed = [extract.name for extract in discover_extracts(settings.extracts)]
    wanted = [name for name in landed if first <= name <= last]
    for name in (first, last):
        if name not in landed:
            raise ExtractError(f"there is no extract {name} in {settings.extracts}; there are {', '.join(landed)}")
    if not wanted:
        raise ExtractError(f"no extract lies between {first} and {last}; name the earlier one first")
    return wanted


def backfill(settings: Settings, extracts: list[str], feeds: list[str]) -> str:
    """Read the feeds of the extracts into the lake, extract by extract; returns what failed, or nothing.

    Args:
        settings: home, landing folder, profile and key.
        extracts: names of landed extracts.
        feeds: names of feeds.

    Raises:
        KeyRefused: the key is missing, unfit or not the home's.
        WarehouseError: the home can't be prepared, or another process works on it.
    """
    restrict_new_files()
    with closing(RefreshContext(settings)) as context:
        context.require_own_key()
        settings.home.prepare()
        with lock_for_command(settings, "backfill") as lock:
            return _read_again(context, lock, extracts, feeds)


def _read_again(context: RefreshContext, lock: RefreshLock, extracts: list[str], feeds: list[str]) -> str:
    settings = context.settings
    warnings.filterwarnings("ignore", module="dagster")
    prepare_environment(settings)
    import dagster as dg

    from orchestration.code_location import build_definitions
    from orchestration.failures import why_failed
    from orchestration.jobs import STARTED_BY_COMMAND
    from orchestration.nightly import register_partitions
    from orchestration.raw import raw_key

    job = build_definitions(settings, context, lock).resolve_implicit_global_asset_job_def()
    log = settings.home.logs / "backfill.log"
    with log.open("w", encoding="utf-8") as lines, redirect_stdout(lines), dg.DagsterInstance.get() as instance:
        register_partitions(instance, discover_extracts(settings.extracts))
        for name in extracts:
            result = job.execute_in_process(
                instance=instance,
                asset_selection=[raw_key(feed) for feed in feeds],
                partition_key=name,
                tags={**STARTED_BY_COMMAND, "cart/extracts": name},
                run_config={"loggers": {"progress": {}}},
                raise_on_error=False,
            )
            if not result.success:
                return why_failed(result.all_events)
    return ""


if __name__ == "__main__":
    leave(main())
