"""A command as a whole process: wall time, processor time and the most memory that its process tree held at once."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SAMPLE_EVERY_SECONDS = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MEGABYTE = 1024 * 1024
_LAST_CHARACTERS = 2000


class BenchmarkError(RuntimeError):
    """A measured command failed; the message holds the command and the end of what it printed."""


@dataclass(frozen=True)
class Command:
    """A command with what it needs around it.

    Attributes:
        arguments: program and arguments.
        environment: variables set beside those of this process.
        folder: working directory.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path = ROOT


@dataclass(frozen=True)
class Measurement:
    """One whole run of a command.

    Attributes:
        seconds: wall time.
        cpu_seconds: user and system time of the process and of every child that it waited for.
        peak_mb: most resident memory of the process tree at one moment, in MiB.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Pair:
    """Ours and the peer's, measured in turn."""

    ours: tuple[Measurement, ...]
    peer: tuple[Measurement, ...]


def python(*arguments: str, environment: Mapping[str, str] | None = None) -> Command:
    """Return a command that runs this interpreter."""
    return Command((sys.executable, *arguments), environment or {})


def run(command: Command) -> Measurement:
    """Run the command to its end.

    Raises:
        BenchmarkError: it ended with another status than 0.
    """
    environment = {**os.environ, "NO_COLOR": "1", **command.environment}
    start = time.perf_counter()
    with subprocess.Popen(
        command.arguments, cwd=command.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        watch = _MemoryWatch(process.pid)
        watch.start()
        assert process.stdout is not None
        printed = process.stdout.read()
        # wait4 instead of Popen.wait: it alone tells what this child used.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
    if process.returncode:
        end = printed.decode("utf-8", "replace")[-_LAST_CHARACTERS:]
        raise BenchmarkError(f"`{' '.join(command.arguments)}` ended with status {process.returncode}:\n{end}")
    # The sampler may miss a short peak of the largest process; the kernel doesn't.
    peak = max(watch.peak_bytes / _MEGABYTE, usage.ru_maxrss / 1024)
    return Measurement(seconds, usage.ru_utime + usage.ru_stime, peak)


def in_turn(
    ours: Command, peer: Command, rounds: int, before_ours: Callable[[], object], before_peer: Callable[[], object]
) -> Pair:
    """Measure both commands alternately, so that what else the machine does hits both alike."""
    own: list[Measurement] = []
    other: list[Measurement] = []
    for _ in range(rounds):
        before_ours()
        own.append(run(ours))
        before_peer()
        other.append(run(peer))
    return Pair(tuple(own), tuple(other))


def median_seconds(measurements: Sequence[Measurement]) -> float:
    """Return the median wall time."""
    return statistics.median(each.seconds for each in measurements)


def median_cpu(measurements: Sequence[Measurement]) -> float:
    """Return the median processor time."""
    return statistics.median(each.cpu_seconds for each in measurements)


def peak_mb(measurements: Sequence[Measurement]) -> float:
    """Return the largest peak."""
    return max(each.peak_mb for each in measurements)


class _MemoryWatch(threading.Thread):
    """Samples the resident memory of a process and of all below it, without the pages that they share as files."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        """Sample until stopped."""
        while not self._ended.wait(_SAMPLE_EVERY_SECONDS):
            self.peak_bytes = max(self.peak_bytes, tree_bytes(self._pid))

    def stop(self) -> None:
        """Stop sampling."""
        self._ended.set()
        self.join()


def tree_bytes(pid: int) -> int:
    """Return the unshared resident memory of a process and its descendants; 0 where it has ended."""
    total, waiting = 0, [pid]
    while waiting:
        current = waiting.pop()
        try:
            _, resident, shared, *_ = Path(f"/proc/{current}/statm").read_text().split()
            total += (int(resident) - int(shared)) * _PAGE_BYTES
            for task in Path(f"/proc/{current}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, ValueError):
            continue
    return total
