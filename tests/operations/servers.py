"""Webserver and daemon as the systemd units start them, asked through the GraphQL that the pages themselves use."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.night import ROOT

START_SECONDS = 120
_REPOSITORY = {"repositoryLocationName": "orchestration.definitions", "repositoryName": "__repository__"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def kill(process: subprocess.Popen[Any]) -> None:
    """SIGKILL a server and everything that it started, runs included, as a power cut would.

    Dagster gives its code servers a session of their own, so a process group is not enough.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid)
        for each in (family, *family.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(timeout=30)


def ask(port: int, query: str, **variables: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = json.load(answer)
    assert not content.get("errors"), content["errors"]
    return content["data"]


@dataclass
class Servers:
    """A webserver and a daemon on one home; every process in a session of its own."""

    environment: dict[str, str]
    log_folder: Path
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, server: str) -> None:
        arguments = ["webserver", "--port", str(self.port)] if server == "webserver" else ["daemon"]
        with (self.log_folder / f"{server}.log").open("ab") as log:
            self.processes[server] = subprocess.Popen(
                [sys.executable, "-m", "orchestration.operations.serve", *arguments],
                cwd=ROOT,
                env=self.environment,
                start_new_session=True,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start_both(self) -> None:
        self.start("daemon")
        self.start("webserver")
        self.wait_for("the web pages", lambda: bool(ask(self.port, "{ version }")["version"]))

    def kill(self, *servers: str) -> None:
        for server in servers or tuple(self.processes):
            kill(self.processes.pop(server))

    def wait_for(self, what: str, condition: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
        """Wait until the condition is true, and return what it returned."""
        deadline = time.monotonic() + seconds
        while True:
            for name, process in self.processes.items():
                assert process.poll() is None, f"the {name} ended while waiting for {what}: {self.log_of(name)}"
            with contextlib.suppress(OSError):
                if found := condition():
                    return found
            assert time.monotonic() < deadline, f"waited too long for {what}: {self.log_of('daemon')}"
            time.sleep(0.5)

    def log_of(self, server: str) -> str:
        path = self.log_folder / f"{server}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def ask(self, query: str, **variables: Any) -> Any:
        return ask(self.port, query, **variables)

    def runs(self) -> list[dict[str, Any]]:
        """All runs, oldest first."""
        fields = "runId status jobName tags { key value }"
        answer = self.ask(f"{{ runsOrError {{ ... on Runs {{ results {{ {fields} }} }} }} }}")
        runs = [
            {**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}}
            for run in answer["runsOrError"]["results"]
        ]
        return runs[::-1]

    def ended(self, number: int) -> dict[str, Any] | None:
        """The run of that number (0 = the first) once it has ended."""
        runs = self.runs()
        return runs[number] if len(runs) > number and runs[number]["status"] in ("SUCCESS", "FAILURE") else None

    def skip_reasons(self, name: str) -> list[str]:
        """What the latest ticks of a sensor or schedule said when they started nothing."""
        fields = "... on InstigationState { ticks(limit: 20) { status skipReason error { message } } }"
        query = f"query($s: InstigationSelector!) {{ instigationStateOrError(instigationSelector: $s) {{ {fields} }} }}"
        ticks = self.ask(query, s={**_REPOSITORY, "name": name})["instigationStateOrError"].get("ticks", [])
        assert [tick["error"] for tick in ticks if tick["error"]] == []
        return [tick["skipReason"] for tick in ticks if tick["skipReason"]]

    def backfill(self, assets: list[list[str]], partitions: list[str]) -> str:
        """Launch a backfill with the mutation that the asset pages send; returns its id."""
        mutation = (
            "mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {"
            " __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"
        )
        parameters = {
            "assetSelection": [{"path": path} for path in assets],
            "partitionNames": partitions,
            "tags": [],
        }
        answer = self.ask(mutation, p=parameters)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def backfill_status(self, backfill: str) -> str:
        query = (
            "query($b: String!) { partitionBackfillOrError(backfillId: $b) { ... on PartitionBackfill { status } } }"
        )
        return str(self.ask(query, b=backfill)["partitionBackfillOrError"]["status"])
