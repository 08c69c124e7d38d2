"""One refresh at a time on a warehouse home, across processes.

The kernel holds the lock, not the file's existence: it goes when its process ends in whatever way, SIGKILL and power
cut included, so there is no stale lock to remove by hand. What the file says is for people: who holds it, since when.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestration.operations.errors import OperationsError
from warehouse import WarehouseHome, writing

LOCK_NAME = "refresh.lock"
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Taken:
    """Who holds (or held) the lock.

    Attributes:
        pid: process id on that host.
        host: host name.
        started: ISO time in UTC.
        purpose: what it was taken for.
    """

    pid: int
    host: str
    started: str
    purpose: str

    def __str__(self) -> str:
        """Return it for a message."""
        return f"{self.purpose} of process {self.pid} on {self.host}, started {self.started}"


class RefreshLock:
    """Context manager that holds the home's lock.

    Attributes:
        abandoned: the holder before, when it ended without giving the lock back (killed, power cut); else None.
    """

    def __init__(self, home: WarehouseHome, purpose: str = "refresh", wait_seconds: float = 0) -> None:
        """Prepare to take the lock.

        Args:
            home: a prepared warehouse home.
            purpose: shown to whoever comes second.
            wait_seconds: how long to wait for another holder; 0 refuses at once.
        """
        self._path = home.root / LOCK_NAME
        self._purpose = purpose
        self._wait_seconds = wait_seconds
        self._descriptor: int | None = None
        self.abandoned: Taken | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            OperationsError: another process holds it for longer than the wait.
            WarehouseError: the home can't be written.
        """
        with writing(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + self._wait_seconds
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                holder = _read(descriptor)
                os.close(descriptor)
                raise OperationsError(
                    f"Another process works on {self._path.parent}: {holder or 'it has just begun'}. "
                    "Only one may at a time; try again when it has ended."
                )
            time.sleep(_POLL_SECONDS)
        self.abandoned = _read(descriptor)
        self._descriptor = descriptor
        mine = Taken(os.getpid(), socket.gethostname(), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", self._purpose)
        _write(descriptor, json.dumps(asdict(mine)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back; an empty file says that it was given back."""
        if self._descriptor is None:
            return
        try:
            with contextlib.suppress(OSError):  # a full disk must not hide why the refresh ended
                _write(self._descriptor, "")
        finally:
            os.close(self._descriptor)
            self._descriptor = None


def current_holder(home: WarehouseHome) -> Taken | None:
    """Return who works on the home now, or None."""
    path = home.root / LOCK_NAME
    if not path.exists():
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return None if _locked(descriptor) else _read(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Taken | None:
    text = os.pread(descriptor, 4096, 0).decode("utf-8", errors="replace")
    try:
        return Taken(**json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def lock_path(home: WarehouseHome) -> Path:
    """Return the lock file's path."""
    return home.root / LOCK_NAME
