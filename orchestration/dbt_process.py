"""dbt in a process of its own, started early: its imports and its parse take seconds, made beside ingestion.

It holds the build file only while it runs, and ends with the refresh, also when that is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from orchestration.settings import DBT_PROJECT_DIR, ROOT


class DbtProcess:
    """Handle of one dbt that waits.

    Attributes:
        taken: it has been given its one run.
    """

    def __init__(self) -> None:
        """Start the process, which imports dbt and waits, and return at once."""
        self.taken = False
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "orchestration.dbt_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )

    def parse(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Let it parse the project ahead, with the variables and the environment of the run, and return at once."""
        self._ask(["parse", *arguments], environment, only_parse=True)

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Let it run dbt once with these arguments; dbt's output and exit status are those of the returned process."""
        self.taken = True
        self._ask(arguments, environment, only_parse=False)
        self._process.args = ["dbt", *arguments[:1]]  # what messages call it: the study in `--vars` is no part of that
        return self._process

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):  # what it was asked after it had ended
                if pipe is not None:
                    pipe.close()

    def _ask(self, arguments: Sequence[str], environment: Mapping[str, str], *, only_parse: bool) -> None:
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(DBT_PROJECT_DIR),
            "only_parse": only_parse,
        }
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # its exit status tells: dbt was killed


def dbt_environment(variables: Mapping[str, str], target: Path) -> dict[str, str]:
    """Return what dbt's own process reads of its environment for events as JSON lines.

    Args:
        variables: the environment of the refresh with what the project's `env_var()` calls read.
        target: where dbt keeps its parse and its results.
    """
    return {
        **variables,
        "DAGSTER_DBT_CLI": "true",
        "DBT_LOG_FORMAT": "json",
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
        "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
        "DBT_PROJECT_DIR": str(DBT_PROJECT_DIR),
    }
