"""dbt waits in a process of its own, runs once, and never outlives whoever started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from orchestration.dbt_process import DbtProcess, _ReadAhead, dbt_environment
from orchestration.dbt_worker import ABANDONED
from orchestration.manifest import dbt_variables, prebuilt_parse
from orchestration.night_build import WHOLE_BUILD
from orchestration.settings import ROOT, Settings
from warehouse import WarehouseHome

PATIENCE_SECONDS = 60


@pytest.fixture
def process() -> Iterator[DbtProcess]:
    started = DbtProcess()
    yield started
    started.close()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


@pytest.mark.slow
def test_a_mistake_in_the_arguments_is_told_as_dbt_tells_it(process: DbtProcess, tmp_path: Path) -> None:
    running = process.run(["build", "--no-such-option"], dbt_environment(os.environ, tmp_path))
    assert running.stdout is not None
    said = running.stdout.read()
    assert running.wait(timeout=PATIENCE_SECONDS) == 2
    assert b"--no-such-option" in said
    assert process.taken


def test_a_killed_one_fails_when_it_is_asked_to_run(process: DbtProcess, tmp_path: Path) -> None:
    process._process.kill()
    process._process.wait()
    running = process.run(["build"], dbt_environment(os.environ, tmp_path))
    assert running.stdout is not None
    assert running.stdout.read() == b""
    assert running.wait(timeout=PATIENCE_SECONDS) == -signal.SIGKILL
    assert running.args == ["dbt", "build"]


@pytest.mark.slow
def test_a_run_that_was_begun_goes_on_unheard_and_is_taken_over(process: DbtProcess, tmp_path: Path) -> None:
    environment = dbt_environment(os.environ, tmp_path)
    process.begin(["build", "--help"], environment)
    assert process.begun
    assert not process.taken
    assert process._process.wait(timeout=PATIENCE_SECONDS) == 0  # with nobody reading what it says
    with pytest.raises(RuntimeError, match="another run"):
        process.run(["build"], environment)
    running = process.run(["build", "--help"], environment)
    assert process.taken
    assert running.stdout is not None
    assert b"Usage" in b"".join(running.stdout)
    assert running.stdout.read() == b""


def test_it_has_imported_dbt_before_it_is_asked(process: DbtProcess) -> None:
    """A second of processor time that belongs beside ingestion."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    maps = Path(f"/proc/{process._process.pid}/maps")
    while "_duckdb" not in maps.read_text(encoding="utf-8") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "_duckdb" in maps.read_text(encoding="utf-8")  # the adapter's library, loaded by nobody else there


def test_more_than_a_pipe_holds_is_read_ahead() -> None:
    code = "print('x' * 99, *range(100_000), sep='\\n')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as talker:
        assert talker.stdout is not None
        ahead = _ReadAhead(talker.stdout)
        assert talker.wait(timeout=PATIENCE_SECONDS) == 0
        assert sum(1 for _ in ahead) == 100_001


def test_it_ends_when_nobody_can_ask_it_any_more(process: DbtProcess) -> None:
    assert process._process.stdin is not None
    process._process.stdin.close()
    assert process._process.wait(timeout=PATIENCE_SECONDS) == ABANDONED


def test_it_ends_with_a_refresh_that_is_killed() -> None:
    code = "import time; from orchestration.dbt_process import DbtProcess; "
    code += "print(DbtProcess()._process.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_closing_ends_it(process: DbtProcess) -> None:
    process.close()
    assert process._process.returncode is not None


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "overlap"), [("1", False), ("2", True)])
def test_one_thread_makes_one_model_at_a_time_and_tests_beside_it(
    process: DbtProcess, tmp_path: Path, threads: str, overlap: bool
) -> None:
    settings = Settings(tmp_path, ROOT / "study.yml", WarehouseHome(tmp_path).prepare())
    no_rows = {**settings.dbt_environment(), "CART_LAKE": ""}
    environment = dbt_environment({**os.environ, **no_rows}, tmp_path / "target")
    options = ["--threads", threads, "--vars", dbt_variables(settings.study)]
    running = process.run([*WHOLE_BUILD, *options], environment, prebuilt_parse())
    assert running.stdout is not None
    assert b"Done." in running.stdout.read().splitlines()[-1]
    assert running.wait(timeout=PATIENCE_SECONDS) == 0
    spans = spans_of(tmp_path / "target" / "run_results.json")
    models, tests = spans["model"], spans["test"]
    assert len(models) > 100
    assert len(tests) > 100
    assert any(overlaps(one, next_) for one, next_ in pairwise(sorted(models))) == overlap
    assert any(overlaps(model, test) for model in models for test in tests)


def spans_of(results: Path) -> dict[str, list[tuple[str, str]]]:
    """When each node was executed, from and to, by kind of node."""
    spans: dict[str, list[tuple[str, str]]] = {}
    for result in json.loads(results.read_text(encoding="utf-8"))["results"]:
        kind = result["unique_id"].partition(".")[0]
        (span,) = [(step["started_at"], step["completed_at"]) for step in result["timing"] if step["name"] == "execute"]
        spans.setdefault(kind, []).append(span)
    return spans


def overlaps(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
