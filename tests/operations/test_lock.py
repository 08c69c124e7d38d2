"""One refresh at a time, whatever becomes of the one before."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from orchestration.operations import OperationsError, RefreshLock
from orchestration.operations.lock import current_holder
from warehouse import WarehouseHome


def _hold(home: WarehouseHome, ready: str, seconds: float) -> None:
    with RefreshLock(home):
        Path(ready).touch()
        time.sleep(seconds)


def hold_elsewhere(home: WarehouseHome, ready: Path, seconds: float) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(home, str(ready), seconds))
    process.start()
    deadline = time.monotonic() + 30
    while not ready.exists():
        assert time.monotonic() < deadline, "the other process did not take the lock"
        time.sleep(0.02)
    return process


def test_a_second_refresh_is_refused_with_who_and_since_when(home: WarehouseHome, tmp_path: Path) -> None:
    other = hold_elsewhere(home, tmp_path / "ready", 30)
    try:
        with (
            pytest.raises(OperationsError, match=rf"refresh of process {other.pid} on \S+, started 20"),
            RefreshLock(home),
        ):
            pass
        holder = current_holder(home)
        assert holder is not None
        assert holder.pid == other.pid
    finally:
        other.kill()
        other.join()


def test_a_second_refresh_may_wait(home: WarehouseHome, tmp_path: Path) -> None:
    other = hold_elsewhere(home, tmp_path / "ready", 0.5)
    with RefreshLock(home, wait_seconds=30) as lock:
        assert lock.abandoned is None
    other.join()
    assert other.exitcode == 0


def test_the_lock_of_a_killed_refresh_is_taken_over_and_named(home: WarehouseHome, tmp_path: Path) -> None:
    other = hold_elsewhere(home, tmp_path / "ready", 60)
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    with RefreshLock(home) as lock:
        assert lock.abandoned is not None
        assert lock.abandoned.pid == other.pid
    with RefreshLock(home) as again:
        assert again.abandoned is None
    assert current_holder(home) is None


def test_a_lock_file_from_before_a_reboot_holds_nobody(home: WarehouseHome) -> None:
    (home.root / "refresh.lock").write_text(
        '{"pid": 1, "host": "h", "started": "2018-07-30T02:00:00Z", "purpose": "refresh"}'
    )
    assert current_holder(home) is None
    with RefreshLock(home) as lock:
        assert str(lock.abandoned) == "refresh of process 1 on h, started 2018-07-30T02:00:00Z"


def test_a_damaged_lock_file_does_not_matter(home: WarehouseHome) -> None:
    (home.root / "refresh.lock").write_text("{half")
    with RefreshLock(home, "rollback") as lock:
        assert lock.abandoned is None
        with pytest.raises(OperationsError, match="rollback of process"), RefreshLock(home):
            pass


def test_the_lock_is_given_back_when_the_body_fails(home: WarehouseHome) -> None:
    with pytest.raises(ZeroDivisionError), RefreshLock(home):
        raise ZeroDivisionError
    with RefreshLock(home) as lock:
        assert lock.abandoned is None
    assert (home.root / "refresh.lock").stat().st_mode & 0o777 == 0o600
