"""Shared by all rooms: one published night on the synthetic reference extract, made once per test session."""

from __future__ import annotations

import fcntl
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.night import Night, run_refresh
from warehouse.side_process import fewer_collections

ROOM = Path(__file__).parent
LONGEST_FIRST = (
    "operations/test_night_faults.py",
    "extracts/test_three_years.py",
    "orchestration/test_delta_night.py",
    "dbt_project/mutation/test_mutants.py",
    "orchestration/test_refusals.py",
    "extracts/test_adapter_marts.py",
    "operations/test_backfill.py",
    "orchestration/test_identifiers.py",
    "operations/test_clock_jumps.py",
    "analysis_assets/test_paper_audit.py",
    "orchestration/test_twice.py",
    "warehouse/test_publishing.py",
    "dbt_project/patients/test_named_patients.py",
    "orchestration/test_night.py",
    "orchestration/test_deliveries.py",
    "dbt_project/outcomes/test_few_feeds.py",
)
"""Files of a minute and more. A file's tests stay with one worker, so the long ones must not be the last to begin."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the others stay in their order."""
    order = {ROOM / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_collection_finish() -> None:
    """Collect garbage less often: what was imported stays, and looking through it is a tenth of all the time."""
    fewer_collections()


def pytest_unconfigure() -> None:
    """Let the end collect what was kept out: DuckDB's module says at exit what it finds left."""
    gc.unfreeze()


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of the session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def reference_extracts(shared_folder: Path) -> Path:
    """The folder that holds the synthetic reference extract."""
    from synthetic_emr import write_reference_extract

    folder = shared_folder / "extracts"
    with _one_at_a_time(shared_folder):
        if not folder.exists():
            scratch = shared_folder / "extracts.partial"
            scratch.mkdir()
            write_reference_extract(scratch)
            scratch.rename(folder)
    return folder


@pytest.fixture(scope="session")
def published_night(shared_folder: Path, reference_extracts: Path) -> Night:
    """The reference extract refreshed into a home; read it, never change it."""
    home = shared_folder / "home"
    record = shared_folder / "night.txt"
    with _one_at_a_time(shared_folder):
        if not record.exists():
            night = run_refresh(home, reference_extracts)
            record.write_text(f"{night.status}\0{night.stdout}\0{night.stderr}", encoding="utf-8")
    status, stdout, stderr = record.read_text(encoding="utf-8").split("\0")
    assert status == "0", stderr
    return Night(home, int(status), stdout, stderr)
