"""A second Python process that is started early, imports what it needs, and answers requests when there are any.

The machine has two cores and Python uses one. Imports of Great Expectations or matplotlib take seconds; made beside the
refresh's own work they cost no time.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

OBJECTS_BETWEEN_COLLECTIONS = 50_000

_ROOT = Path(__file__).resolve().parents[1]


class SideProcessError(RuntimeError):
    """The second process could not do what was asked; the message is its own."""


class SideProcess:
    """Handle of a second process; use it as a context manager or call `close`."""

    def __init__(self, module: str) -> None:
        """Start `python -m module`, which must end in a call of `serve`, and return at once."""
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-W", "ignore", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=_ROOT,
        )

    def ask(self, request: Any) -> None:
        """Hand over a JSON-ready request and return at once; `answer` must follow before the next request."""
        try:
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SideProcessError("the second process was killed") from None

    def answer(self) -> Any:
        """Wait for the answer to the last request; raises SideProcessError when there is none."""
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise SideProcessError("the second process was killed")
        content = json.loads(line)
        if "error" in content:
            raise SideProcessError(content["error"])
        return content["answer"]

    def kill(self) -> None:
        """End the process; who waits for an answer is told."""
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """End the process; nobody may wait for an answer."""
        self.kill()
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.communicate()

    def __enter__(self) -> Self:
        """Return the handle."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()


def fewer_collections() -> None:
    """Take what was imported out of Python's garbage collection, and let it look less often at the rest.

    It looks after every 700 new objects, and imports, frames and figures are hundreds of thousands that stay: a tenth
    of the processor time of a process of a few seconds.
    """
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def serve(handle: Callable[[Any], Any]) -> None:
    """Answer requests from standard input until it ends.

    Whatever `handle` prints goes to standard error, on the level of the file descriptor: DuckDB's progress bar is
    printed by C code, once a query takes seconds.
    """
    fewer_collections()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            try:
                content = {"answer": handle(json.loads(line))}
            except Exception as error:  # the other process must hear of it, whatever it is
                content = {"error": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps(content) + "\n")
            answers.flush()
