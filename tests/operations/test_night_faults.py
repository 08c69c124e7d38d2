"""Whole refreshes under faults: killed between steps and within them, two at once, a damaged lake, a full disk.

Each test works on its own copy of one published night. After every fault readers see that night unchanged, and the next
refresh publishes without any hand.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.operations import verify
from orchestration.operations.lock import current_holder
from tests.night import ROOT, TEST_KEY, Night, run_refresh
from tests.operations.test_faults import in_own_mounts
from warehouse import Version, WarehouseHome, connect_read_only, current_version

pytestmark = pytest.mark.slow
PATIENTS = 39


@pytest.fixture
def home(published_night: Night, tmp_path: Path) -> WarehouseHome:
    """A copy of the published night, links kept as links."""
    shutil.copytree(published_night.home, tmp_path / "home", symlinks=True)
    return WarehouseHome(tmp_path / "home")


def environment(home: WarehouseHome, extracts: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CART_", "DAGSTER_"))}
    return {
        **kept,
        "CART_HOME": str(home.root),
        "CART_EXTRACTS": str(extracts),
        "CART_PSEUDONYM_KEY": TEST_KEY,
        "CART_LOCK_WAIT_SECONDS": "1",
    }


def start(home: WarehouseHome, extracts: Path) -> subprocess.Popen[str]:
    """Start a refresh in a session of its own, so that it can be killed with its children."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "orchestration.refresh"],
        cwd=ROOT,
        env=environment(home, extracts),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


def steps(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield the progress line of every step as it ends."""
    assert process.stdout is not None
    for line in process.stdout:
        if "✓" in line:
            yield line


def assert_readable(home: WarehouseHome) -> None:
    with connect_read_only(home.database) as connection:
        counted = connection.execute("select count(*) from marts.patients").fetchall()
    assert counted == [(PATIENTS,)]
    assert (home.report / "index.html").is_file()


def assert_next_refresh_needs_no_hand(home: WarehouseHome, extracts: Path) -> None:
    before = current_version(home)
    night = run_refresh(home.root, extracts)
    assert night.status == 0, night.stderr
    assert_published_after(before, home)


def assert_published_after(before: Version | None, home: WarehouseHome) -> None:
    after = current_version(home)
    assert before is not None
    assert after is not None
    assert after.sequence == before.sequence + 1
    assert_readable(home)
    assert verify(home).problems == ()


def test_killed_after_each_of_its_first_steps_and_at_random_moments_then_two_at_once(
    home: WarehouseHome, reference_extracts: Path
) -> None:
    published = current_version(home)
    for boundary in (2, 4):
        process = start(home, reference_extracts)
        for number, _ in enumerate(steps(process), start=1):
            if number == boundary:
                break
        kill(process)
        assert current_version(home) == published
        assert_readable(home)
    moments = random.Random(20180730)
    for _ in range(2):
        process = start(home, reference_extracts)
        time.sleep(moments.uniform(1, 12))
        kill(process)
        assert current_version(home) == published
        assert_readable(home)
    assert current_holder(home) is None

    # The next one needs no hand. While it is at work a second one is refused.
    first = start(home, reference_extracts)
    deadline = time.monotonic() + 60
    while current_holder(home) is None:
        assert first.poll() is None, "the first refresh ended before it took the lock"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    threading.Thread(target=lambda: list(steps(first)), daemon=True).start()
    second = run_refresh(home.root, reference_extracts, CART_LOCK_WAIT_SECONDS="1")
    assert second.status == 2
    assert f"refresh of process {first.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert first.wait(timeout=300) == 0
    assert_published_after(published, home)


def test_a_damaged_lake_is_named_and_the_extract_mends_it(home: WarehouseHome, reference_extracts: Path) -> None:
    published = current_version(home)
    missing, cut = (
        next((home.lake / "raw" / feed).rglob("*.parquet")) for feed in ("marrow_assessments", "mrd_results")
    )
    missing.unlink()
    os.truncate(cut, cut.stat().st_size - 50)
    night = run_refresh(home.root, reference_extracts)
    assert night.status != 0
    assert "Traceback" not in night.stderr
    assert "The lake is damaged" in night.stderr
    assert f"{missing.relative_to(home.lake)}: missing" in night.stderr
    assert f"{cut.relative_to(home.lake)}: not readable as Parquet" in night.stderr
    assert current_version(home) == published
    assert_readable(home)
    for feed in ("marrow_assessments", "mrd_results"):
        for row in (home.lake / "ledger").rglob(f"{feed}--*.parquet"):
            row.unlink()
    assert_next_refresh_needs_no_hand(home, reference_extracts)


def test_a_check_or_a_model_that_fails_stops_the_night(
    home: WarehouseHome, reference_extracts: Path, tmp_path: Path
) -> None:
    published = current_version(home)
    night = run_refresh(home.root, reference_extracts, CART_MEMORY_LIMIT="12MB")
    assert night.status == 1
    assert "Out of Memory" in night.stderr
    assert current_version(home) == published

    (reference,) = reference_extracts.iterdir()
    half = tmp_path / "extracts" / "2018-08-01"
    shutil.copytree(reference, half)
    (half / "manifest.json").unlink()
    lines = (half / "patients.csv").read_bytes().splitlines(keepends=True)
    (half / "patients.csv").write_bytes(b"".join(lines[: len(lines) // 2]))
    night = run_refresh(home.root, half.parent)
    assert night.status == 1
    assert "Checks of error severity failed, so nothing was published" in night.stderr
    assert "patients: patients_halved" in night.stderr
    assert current_version(home) == published
    assert_readable(home)
    shutil.copy(reference / "patients.csv", half)
    assert_next_refresh_needs_no_hand(home, half.parent)


def test_a_disk_that_fills_up_in_the_middle_of_a_night(
    published_night: Night, reference_extracts: Path, tmp_path: Path
) -> None:
    script = """
        size=$(( $(du -sm "$1" | cut -f1) + 30 ))
        mount -t tmpfs -o size=${size}m tmpfs "$2"
        cp -a "$1" "$2/home"
        readlink "$2/home/current"
        "$3" -m orchestration.refresh && echo "a full disk was not noticed"
        readlink "$2/home/current"
        mount -o remount,size=2g "$2"
        "$3" -m orchestration.refresh >&2
        readlink "$2/home/current"
        "$3" -m orchestration.operations verify | tail -1
    """
    (tmp_path / "small").mkdir()
    settings = environment(WarehouseHome(tmp_path / "small" / "home"), reference_extracts)
    done = in_own_mounts(script, str(published_night.home), str(tmp_path / "small"), sys.executable, settings=settings)
    assert done.returncode == 0, done.stderr
    before, after_the_full_disk, after_the_next, verified = done.stdout.splitlines()
    assert after_the_full_disk == before
    assert after_the_next.startswith("versions/000002-")
    assert verified.endswith(": verified")
    assert "No space left" in done.stderr
    assert "The last published warehouse is unchanged." in done.stderr
    assert "Traceback" not in done.stderr
