"""A second Python process that is started early, imports what it needs, and answers requests when there are any.

The machine has two cores and Python uses one. Imports of Great Expectations or matplotlib take seconds; made beside the
refresh's own work they cost less.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

OBJECTS_BETWEEN_COLLECTIONS = 500_000

_ROOT = Path(__file__).resolve().parents[1]


class SideProcessError(RuntimeError):
    """The second process could not do what was asked; the message is its own."""


class SideProcess:
    """Handle of a second process; use it as a context manager or call `close`.

    Requests are carried out one after the other, in the order in which they were made; several may be waiting. Threads
    may share a handle.
    """

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
        self._asking, self._reading = threading.Lock(), threading.Lock()
        self._asked = self._read = 0
        self._answers: dict[int, Any] = {}

    def ask(self, room: str, request: Any) -> int:
        """Hand over a JSON-ready request to a room of the process and return at once the number of its answer."""
        assert self._process.stdin is not None  # noqa: S101
        with self._asking:
            try:
                self._process.stdin.write(json.dumps([room, request]) + "\n")
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError):
                raise SideProcessError("the second process was killed") from None
            self._asked += 1
            return self._asked

    def answer(self, number: int) -> Any:
        """Wait for the answer of that number; raises SideProcessError when there is none. Each is given once."""
        assert self._process.stdout is not None  # noqa: S101
        with self._reading:
            while number not in self._answers:
                line = self._process.stdout.readline()
                if not line:
                    raise SideProcessError("the second process was killed")
                self._read += 1
                self._answers[self._read] = json.loads(line)
            content = self._answers.pop(number)
        if "error" in content:
            raise SideProcessError(content["error"])
        return content["answer"]

    def kill(self) -> None:
        """End the process; who waits for an answer is told."""
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """End the process."""
        self.kill()
        with self._reading, self._asking:
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


def fewer_collections(objects: int = OBJECTS_BETWEEN_COLLECTIONS) -> None:
    """Take what was imported out of Python's garbage collection, and let it look less often at the rest.

    It looks after every 700 new objects, and imports, frames and figures are hundreds of thousands that stay: a tenth
    of the processor time of a process of a few seconds.

    Args:
        objects: how many new objects it waits for.
    """
    gc.freeze()
    gc.set_threshold(objects)


def serve(rooms: Mapping[str, Callable[[Any], Any]]) -> None:
    """Answer requests from standard input until it ends.

    Whatever a room prints goes to standard error, on the level of the file descriptor: DuckDB's progress bar is
    printed by C code, once a query takes seconds.

    Args:
        rooms: what answers, by the name that `SideProcess.ask` gives.
    """
    fewer_collections()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            try:
                room, request = json.loads(line)
                content = {"answer": rooms[room](request)}
            except Exception as error:  # the other process must hear of it, whatever it is
                content = {"error": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps(content) + "\n")
            answers.flush()
