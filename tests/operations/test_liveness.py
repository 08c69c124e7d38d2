"""Whether a run's process lives, and what Dagster's run monitoring is told of it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
import time
from pathlib import Path

import dagster as dg
import pytest

from orchestration.operations.liveness import is_alive
from orchestration.run_launcher import FIRST_SIGN_SECONDS, WatchedRunLauncher
from orchestration.run_storage import PooledSqliteStorage
from tests.night import ROOT

RUN_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from orchestration.operations.liveness import give_sign_of_life
give_sign_of_life(Path(sys.argv[1]), "run1")
print("alive", flush=True)
time.sleep(600)
"""


def test_a_run_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    assert is_alive(tmp_path, "run1") is None
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_UNTIL_KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "alive\n"
    assert is_alive(tmp_path, "run1") is True
    process.kill()
    process.wait(timeout=30)
    assert is_alive(tmp_path, "run1") is False


@pytest.mark.parametrize(
    ("started_ago", "status"), [(FIRST_SIGN_SECONDS - 60, "RUNNING"), (FIRST_SIGN_SECONDS + 60, "NOT_FOUND")]
)
def test_a_run_without_a_sign_is_given_time_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started_ago: int, status: str
) -> None:
    @dg.op
    def step() -> None: ...

    @dg.job
    def night() -> None:
        step()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run_id = night.execute_in_process(instance=instance).run_id
        launcher = WatchedRunLauncher()
        launcher.register_instance(instance)
        run = instance.get_run_by_id(run_id)
        assert run is not None
        now = time.time()
        monkeypatch.setattr("orchestration.run_launcher.time.time", lambda: now + started_ago)
        assert launcher.check_run_worker_health(run).status.value == status


def test_databases_are_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    made = threading.Event()

    def make() -> None:
        PooledSqliteStorage(str(tmp_path))
        made.set()

    with (tmp_path / "schema.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Thread(target=make, daemon=True).start()
        assert not made.wait(1)
        assert list(tmp_path.rglob("*.db")) == []
    assert made.wait(60)
    assert len(list(tmp_path.rglob("*.db"))) >= 2
