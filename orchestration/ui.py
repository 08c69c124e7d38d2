"""`make ui`: the Dagster UI with lineage, schedule and sensor, on loopback only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestration.errors import USER_ERRORS
from orchestration.instance import prepare_environment
from orchestration.manifest import ensure_manifest
from orchestration.settings import Settings


def main() -> int:
    """Replace this process by Dagster's webserver and daemon."""
    try:
        settings = Settings.from_environment()
        settings.home.prepare()
        prepare_environment(settings)
        os.environ.setdefault("PYTHONWARNINGS", "ignore:Parameter")  # Dagster's remarks on its own beta features
        ensure_manifest()
    except USER_ERRORS as error:
        sys.stderr.write(f"{error}\n")
        return 2
    dagster = Path(sys.executable).parent / "dagster"
    port = str(settings.ui_port)
    arguments = ["dev", "--module-name", "orchestration.definitions", "--host", "127.0.0.1", "--port", port]
    os.execv(dagster, [str(dagster), *arguments])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
