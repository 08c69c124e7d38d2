"""`python -m orchestration.prune_runs 100`: old runs of Dagster's history go, the newest so many stay.

Deleting a run in the web pages leaves its event file on disk, several megabytes a night; here it goes too.
Warehouse, lake and audit trail know nothing of Dagster's runs and are not touched.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import dagster as dg

from orchestration.errors import USER_ERRORS
from orchestration.instance import prepare_environment
from orchestration.settings import Settings
from warehouse import restrict_new_files

KEPT = 100


def prune_runs(instance: dg.DagsterInstance, keep: int) -> list[str]:
    """Delete the ended runs before the newest `keep`, in the order in which they began, whatever the clock said.

    Args:
        instance: whose history.
        keep: at least 1.

    Returns:
        Ids of the deleted runs.
    """
    old = [run for run in instance.get_runs()[keep:] if run.is_finished]
    for run in old:
        instance.delete_run(run.run_id)
        for file in Path(instance.root_directory).glob(f"history/runs/{run.run_id}.db*"):
            file.unlink()
    return [run.run_id for run in old]


def main(arguments: list[str] | None = None) -> int:
    """Prune the history of CART_HOME and say how many runs went."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.prune_runs", description=__doc__)
    parser.add_argument("keep", nargs="?", type=int, default=KEPT, help=f"how many runs stay; default {KEPT}")
    keep = parser.parse_args(arguments).keep
    if keep < 1:
        sys.stderr.write(f"At least one run must stay, not {keep}.\n")
        return 2
    try:
        restrict_new_files()
        settings = Settings.from_environment()
        settings.home.prepare()
        prepare_environment(settings)
    except USER_ERRORS as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with dg.DagsterInstance.get() as instance:
        gone = prune_runs(instance, keep)
    sys.stdout.write(f"{len(gone)} runs deleted.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
