"""Shared by all rooms: one published night on the synthetic reference extract, made once per test session."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.night import Night, run_refresh


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
