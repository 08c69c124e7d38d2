"""dbt in a process of its own, started early: its imports take seconds, made beside ingestion.

It holds the build file only while it runs, and ends with the refresh, also when that is killed.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from orchestration.settings import DBT_PROJECT_DIR, ROOT


class DbtProcess:
    """Handle of one dbt that waits.

    Attributes:
        taken: it has been given its one run.
    """

    def __init__(self) -> None:
        """Start the process, which imports dbt and waits, and return at once."""
        self.taken = False
        self._begun: list[str] | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "orchestration.dbt_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )

    def begin(self, arguments: Sequence[str], environment: Mapping[str, str], prebuilt: Path | None = None) -> None:
        """Let it begin its one run and return at once; `run` with the same arguments takes it over.

        Args:
            arguments: dbt's.
            environment: that of the run.
            prebuilt: a parse of the project; without it dbt parses by itself.
        """
        self._begun = list(arguments)
        self._ask(arguments, environment, prebuilt)
        # Nobody may be listening for seconds, and a pipe that is full would hold dbt up.
        self._process.stdout = _ReadAhead(self._process.stdout)  # type: ignore[assignment, arg-type]

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], prebuilt: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Let it run dbt once, as `begin`; dbt's output and exit status are those of the returned process.

        Raises:
            RuntimeError: another run was begun.
        """
        if self._begun is None:
            self.begin(arguments, environment, prebuilt)
        elif self._begun != list(arguments):
            raise RuntimeError("dbt has begun another run than the one that is asked for")
        self.taken = True
        self._process.args = ["dbt", *arguments[:1]]  # what messages call it: the study in `--vars` is no part of that
        return self._process

    @property
    def begun(self) -> bool:
        """Whether its one run has begun."""
        return self._begun is not None

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):  # what it was asked after it had ended
                if pipe is not None:
                    pipe.close()

    def _ask(self, arguments: Sequence[str], environment: Mapping[str, str], prebuilt: Path | None) -> None:
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(DBT_PROJECT_DIR),
            "prebuilt": str(prebuilt) if prebuilt else None,
        }
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # its exit status tells: dbt was killed


class _ReadAhead:
    """The lines of a pipe, read by a thread as they come and kept until they are asked for."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.closed = False
        self._pipe = pipe
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="dbt-output", daemon=True).start()

    def _read(self) -> None:
        with self._pipe:
            for line in self._pipe:
                self._lines.put(line)
        self._lines.put(None)

    def __iter__(self) -> Iterator[bytes]:
        yield from iter(self._lines.get, None)
        self._lines.put(None)  # who asks once more is told the same

    def read(self) -> bytes:
        """Return all that has not been asked for yet, once it is there."""
        return b"".join(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Say that nobody asks any more; the pipe itself is closed when whoever writes it has ended."""
        self.closed = True


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
