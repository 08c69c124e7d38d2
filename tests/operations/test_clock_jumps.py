"""Whole nights on a machine whose clock is put back before them and put forward in the middle of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.operations import audit_trail, verify
from orchestration.operations.lock import current_holder
from tests.night import ROOT, Night
from tests.operations.faked_clock import FakedClock
from tests.operations.test_night_faults import environment
from warehouse import WarehouseHome, connect_read_only, current_version, list_versions

pytestmark = pytest.mark.slow
LIMIT_SECONDS = 1200


@pytest.fixture
def clock(tmp_path: Path) -> FakedClock:
    return FakedClock(tmp_path / "clock")


def refresh_while_it_jumps(
    home: WarehouseHome, extracts: Path, clock: FakedClock, before: int, after: int
) -> subprocess.CompletedProcess[str]:
    """Run a night that begins so many days off and ends so many; it jumps once the feeds are in the lake."""
    clock.jump_to(before)
    settings = {"CART_TIME_LIMIT_SECONDS": str(LIMIT_SECONDS), "CART_KEEP_VERSIONS": "2"}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "orchestration.refresh"],
        cwd=ROOT,
        env={**environment(home, extracts), **settings, **clock.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "feeds to the lake" in line:
            holder = current_holder(home)
            assert holder is not None
            assert holder.pid == process.pid
            clock.jump_to(after)
    return subprocess.CompletedProcess(process.args, process.wait(timeout=60), "".join(lines))


def published_on(home: WarehouseHome) -> list[tuple[int, datetime]]:
    """Sequence number and time of every kept version, in their order."""
    return [
        (version.sequence, datetime.fromisoformat(version.manifest()["published_at"]))
        for version in list_versions(home)
    ]


def lab_rows(home: WarehouseHome) -> int:
    with connect_read_only(home.database) as connection:
        ((rows,),) = connection.execute("select rows from quality.extracts where feed = 'lab_results'").fetchall()
    return int(rows)


def test_nights_of_a_clock_that_jumps_lose_nothing(
    published_night: Night, reference_extracts: Path, clock: FakedClock, tmp_path: Path
) -> None:
    shutil.copytree(published_night.home, tmp_path / "home", symlinks=True)
    shutil.copytree(reference_extracts, tmp_path / "extracts")
    home, extracts, today = WarehouseHome(tmp_path / "home"), tmp_path / "extracts", datetime.now(UTC)
    (first,) = list_versions(home)
    trail = (home.lake / "ledger" / "builds.jsonl").read_bytes()
    rows = lab_rows(home)

    # Delivered again, a row shorter, while the clock is years behind; then it jumps ahead in the middle of the night.
    (labs,) = extracts.glob("*/lab_results.csv")
    labs.with_name("manifest.json").unlink()
    labs.write_bytes(b"".join(labs.read_bytes().splitlines(keepends=True)[:-1]))
    night = refresh_while_it_jumps(home, extracts, clock, before=-1000, after=+2000)
    assert night.returncode == 0, night.stdout
    assert lab_rows(home) == rows - 1
    assert [sequence for sequence, _ in published_on(home)] == [1, 2]
    assert published_on(home)[1][1] > today + timedelta(days=1999)

    # From years ahead to years behind: the newest night has the oldest date, and the oldest night is the one to go.
    night = refresh_while_it_jumps(home, extracts, clock, before=+2000, after=-3000)
    assert night.returncode == 0, night.stdout
    (second, ahead), (third, behind) = published_on(home)
    assert (second, third) == (2, 3)
    assert behind < today < ahead
    newest = current_version(home)
    assert newest is not None
    assert newest.sequence == 3
    assert lab_rows(home) == rows - 1

    entries = audit_trail(home)
    assert (home.lake / "ledger" / "builds.jsonl").read_bytes().startswith(trail)
    assert [entry.version[:6] for entry in entries] == ["000001", "000002", "000003"]
    assert entries[0].version == first.name
    assert verify(home).problems == ()
    assert current_holder(home) is None
