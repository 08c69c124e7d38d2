"""Is the process of a run still there? Dagster's records can't say: a killed run stays "started" in them.

As with the home's lock the kernel knows: a run's process holds a lock on a small file of its own, which goes with the
process, SIGKILL, reboot and power cut included.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

FOLDER = "alive"
_KEPT_SECONDS = 24 * 3600


def give_sign_of_life(state_folder: Path, run_id: str) -> None:
    """Lock the run's file for as long as this process lives.

    It is never unlocked by hand: between the end of a run's last step and the record of its success the process must
    still count as alive. Files of dead runs are removed after a day.

    Args:
        state_folder: `DAGSTER_HOME`.
        run_id: the run that this process executes.
    """
    path = _path(state_folder, run_id)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    for old in path.parent.iterdir():
        if time.time() - old.stat().st_mtime > _KEPT_SECONDS and is_alive(state_folder, old.name) is False:
            old.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_alive(state_folder: Path, run_id: str) -> bool | None:
    """Say whether the process of a run lives; None when it never gave a sign of life here.

    A run of another user, whose file can't be opened, counts as alive: only what is known to be dead is given up.
    """
    try:
        descriptor = os.open(_path(state_folder, run_id), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except PermissionError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _path(state_folder: Path, run_id: str) -> Path:
    return state_folder / FOLDER / run_id
