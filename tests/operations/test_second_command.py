"""A second command while another process works on the home: refused once, before anything is started; or it waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.operations import OperationsError, RefreshLock
from orchestration.refresh import lock_for_command
from orchestration.settings import ROOT, Settings
from tests.night import run_refresh
from tests.operations.test_backfill import run_backfill
from tests.operations.test_lock import hold_elsewhere
from warehouse import WarehouseHome

SAID = "Another process works on"


def test_a_second_refresh_is_refused_and_says_so_once(home: WarehouseHome, reference_extracts: Path) -> None:
    with RefreshLock(home, "verification"):
        night = run_refresh(home.root, reference_extracts, CART_LOCK_WAIT_SECONDS="1")
    assert night.status == 2
    assert f"Refresh refused: {SAID} {home.root}: verification of process" in night.stderr
    assert night.stderr.count(SAID) == 1
    assert "at most 1 seconds" in night.stderr
    assert list(home.dagster.iterdir()) == []


def test_a_second_backfill_is_refused_and_says_so_once(home: WarehouseHome, reference_extracts: Path) -> None:
    with RefreshLock(home):
        done = run_backfill(home.root, reference_extracts, "2018-07-30", CART_LOCK_WAIT_SECONDS="1")
    assert done.returncode == 2
    assert f"Backfill refused: {SAID} {home.root}: refresh of process" in done.stderr
    assert done.stderr.count(SAID) == 1


@pytest.mark.parametrize(("held_seconds", "wait_seconds", "has_it"), [(0.5, 30, True), (30, 1, False)])
def test_a_command_waits_for_so_long(
    home: WarehouseHome, tmp_path: Path, held_seconds: float, wait_seconds: int, has_it: bool
) -> None:
    settings = Settings(tmp_path, ROOT / "study.yml", home, lock_wait_seconds=wait_seconds)
    other = hold_elsewhere(home, tmp_path / "ready", held_seconds)
    try:
        if has_it:
            with lock_for_command(settings, "refresh") as lock:
                assert lock.abandoned is None
        else:
            with pytest.raises(OperationsError, match=SAID), lock_for_command(settings, "refresh"):
                pass
    finally:
        other.kill()
        other.join()
    with RefreshLock(home):
        pass
