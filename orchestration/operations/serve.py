"""What the systemd units start: Dagster's webserver or daemon, with the settings and state of the warehouse home.

`python -m orchestration.operations.serve webserver|daemon [--port 3000]`. The webserver listens on loopback only:
whoever wants it on another machine comes through an SSH tunnel or a proxy that asks for a password.

The daemon is watched: Dagster's waits and its memory of what ran last go by the wall clock, so one that is put back
would leave schedule and sensor waiting for as long. Once no refresh is under way, the daemon is then started anew.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestration.operations.clock import ClockWatch
from orchestration.operations.lock import current_holder
from orchestration.settings import ROOT, Settings
from warehouse import WarehouseHome

LOOPBACK = "127.0.0.1"
DEFINITIONS = "orchestration.definitions"
_WATCH_SECONDS = 1
_UNNOTICED_SECONDS = 30  # put back by less only makes a wait longer by as much
_STOP_SECONDS = 60


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
    if chosen.server == "daemon":
        return keep_running(line, settings.home)
    os.execv(line[0], line)  # noqa: S606 a fixed program of the environment, no shell


def keep_running(line: Sequence[str], home: WarehouseHome) -> int:
    """Run the daemon until it ends or this process is told to; start it anew when the clock was put back.

    Args:
        line: the daemon's command line.
        home: while somebody works on it, the daemon is left alone: the refresh may be its own.

    Returns:
        The daemon's exit status.
    """
    watch = ClockWatch()
    daemon = _start_daemon(line)
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, lambda number, _frame: daemon.send_signal(number))
    behind = False
    while (status := _ended_within(daemon, _WATCH_SECONDS)) is None:
        behind = behind or watch.put_back_by() > _UNNOTICED_SECONDS
        if behind and current_holder(home) is None:
            sys.stderr.write("The clock was put back: the daemon is started anew, so that nothing waits for it.\n")
            _stop(daemon)
            daemon = _start_daemon(line)
            behind = False
    return status if status >= 0 else 128 - status


def _start_daemon(line: Sequence[str]) -> subprocess.Popen[bytes]:
    forget = [sys.executable, "-m", "orchestration.future_ticks"]
    subprocess.run(forget, cwd=ROOT, check=False)  # noqa: S603 what keeps it from working keeps the daemon from it too
    return subprocess.Popen(line, cwd=ROOT)  # noqa: S603 a fixed program of the environment, no shell


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    if _ended_within(process, _STOP_SECONDS) is None:
        process.kill()
        process.wait()


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    sys.exit(main())
