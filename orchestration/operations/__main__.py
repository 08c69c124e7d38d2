"""`python -m orchestration.operations`: look at, verify and roll back the published warehouse."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from analysis_assets.privacy import exporter_of
from orchestration.operations.audit import record_builds
from orchestration.operations.lock import RefreshLock
from orchestration.operations.verification import verify
from orchestration.settings import ROOT, Settings, SettingsError
from study import StudyError, load_study
from warehouse import WarehouseError, WarehouseHome, current_version, list_versions, rollback


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 1 problems found, 2 refused)."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.operations", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("versions", help="list the kept versions; * marks what readers see")
    back = commands.add_parser("rollback", help="let readers see an earlier version again")
    back.add_argument("version", nargs="?", help="name or sequence number; default: the one before the current one")
    check = commands.add_parser("verify", help="prove that the published warehouse is what its inputs make")
    check.add_argument(
        "--rebuild", action="store_true", help="also build it anew from the lake and compare the exports"
    )
    chosen = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        if chosen.command == "versions":
            return _versions(settings.home)
        if chosen.command == "rollback":
            return _rollback(settings.home, chosen.version)
        return _verify(settings, chosen.rebuild)
    except (WarehouseError, SettingsError, StudyError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _versions(home: WarehouseHome) -> int:
    for version in list_versions(home):
        print(f"{'*' if version.is_current else ' '} {version.name}  {version.database}")
    return 0


def _rollback(home: WarehouseHome, wanted: str | None) -> int:
    if current_version(home) is None:
        raise WarehouseError(f"There is no published warehouse in {home.root} to roll back.")
    with RefreshLock(home, "rollback"):
        version = rollback(home, wanted)
    print(f"Readers see {version.name} now. The next refresh publishes a new version as usual.")
    return 0


def _verify(settings: Settings, rebuild: bool) -> int:
    if current_version(settings.home) is None:
        raise WarehouseError(
            f"There is no published warehouse in {settings.home.root} to verify. Run 'make refresh' first."
        )
    with RefreshLock(settings.home, "verification"):
        record_builds(settings.home)
        exporter = exporter_of(load_study(settings.study))
        result = verify(settings.home, (lambda home: _refresh_into(home)) if rebuild else None, exporter)
    for sentence in result.done:
        print(f"compared: {sentence}")
    for problem in result.problems:
        print(f"PROBLEM: {problem}")
    print(f"{result.version}: {'verified' if not result.problems else f'{len(result.problems)} problems'}")
    return 1 if result.problems else 0


def _refresh_into(home: WarehouseHome) -> None:
    """Refresh into another home with the settings of this process: same extracts, study, profile and key."""
    environment = {**os.environ, "CART_HOME": str(home.root)}
    command = [sys.executable, "-m", "orchestration.refresh"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise WarehouseError(f"The warehouse could not be built anew: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
