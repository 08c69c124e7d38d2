"""What the systemd units start: Dagster's webserver or daemon, with the settings and state of the warehouse home.

`python -m orchestration.operations.serve webserver|daemon [--port 3000]`. The webserver listens on loopback only:
whoever wants it on another machine comes through an SSH tunnel or a proxy that asks for a password.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from orchestration.settings import Settings

LOOPBACK = "127.0.0.1"
DEFINITIONS = "orchestration.definitions"


def command(server: str, port: int) -> list[str]:
    """Return the command line of a server.

    Args:
        server: `webserver` or `daemon`.
        port: the webserver's port on loopback.
    """
    programs = Path(sys.executable).parent
    if server == "webserver":
        return [
            str(programs / "dagster-webserver"),
            "--host",
            LOOPBACK,
            "--port",
            str(port),
            "--module-name",
            DEFINITIONS,
        ]
    return [str(programs / "dagster-daemon"), "run", "--module-name", DEFINITIONS]


def main(arguments: list[str] | None = None) -> int:
    """Prepare the home and become the server."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.operations.serve", description=__doc__)
    parser.add_argument("server", choices=("webserver", "daemon"))
    parser.add_argument("--port", type=int, default=3000)
    chosen = parser.parse_args(arguments)
    from orchestration.errors import USER_ERRORS
    from orchestration.instance import prepare_environment
    from orchestration.manifest import ensure_manifest
    from warehouse import restrict_new_files

    try:
        restrict_new_files()
        settings = Settings.from_environment()
        settings.home.prepare()
        prepare_environment(settings)
        os.environ.setdefault("PYTHONWARNINGS", "ignore:Parameter")  # Dagster's remarks on its own beta features
        ensure_manifest()
    except USER_ERRORS as error:
        sys.stderr.write(f"{error}\n")
        return 2
    line = command(chosen.server, chosen.port)
    os.execv(line[0], line)  # noqa: S606 a fixed program of the environment, no shell


if __name__ == "__main__":
    sys.exit(main())
