"""Backfill from the command line: an extract is read again, and the warehouse afterwards is the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.operations.audit import results_of
from tests.night import ROOT, TEST_KEY, Night, run_refresh
from warehouse import WarehouseHome, current_version


def run_backfill(home: Path, extracts: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CART_", "DAGSTER_"))}
    environment = {**kept, "CART_HOME": str(home), "CART_EXTRACTS": str(extracts), "CART_PSEUDONYM_KEY": TEST_KEY}
    environment |= settings
    command = [sys.executable, "-m", "orchestration.backfill", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2018-07-31"], "there is no extract 2018-07-31"),
        (["2018-07-30", "2019-01-01"], "there is no extract 2019-01-01"),
    ],
)
def test_an_extract_that_is_not_there_is_refused(
    tmp_path: Path, reference_extracts: Path, arguments: list[str], message: str
) -> None:
    done = run_backfill(tmp_path / "home", reference_extracts, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "there are 2018-07-30" in done.stderr


@pytest.mark.slow
def test_a_lost_feed_is_read_again_and_the_next_night_is_the_same(
    published_night: Night, reference_extracts: Path, tmp_path: Path
) -> None:
    shutil.copytree(published_night.home, tmp_path / "home", symlinks=True)
    home = WarehouseHome(tmp_path / "home")
    before = current_version(home)
    assert before is not None
    (lost,) = (home.lake / "raw" / "follow_ups").rglob("*.parquet")
    content = lost.read_bytes()
    lost.unlink()
    for row in (home.lake / "ledger").rglob("follow_ups--*.parquet"):
        row.unlink()
    done = run_backfill(home.root, reference_extracts, "2018-07-30", "--feed", "follow_ups")
    assert done.returncode == 0, done.stderr
    assert "Read again: 2018-07-30" in done.stdout
    assert lost.read_bytes() == content
    assert current_version(home) == before
    night = run_refresh(home.root, reference_extracts)
    assert night.status == 0, night.stderr
    after = current_version(home)
    assert after is not None
    assert after.sequence == before.sequence + 1
    assert results_of(after.manifest()) == results_of(before.manifest())
