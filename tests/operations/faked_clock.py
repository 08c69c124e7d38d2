"""A wall clock that jumps while programs run, by Debian's faketime; the monotonic clock goes on as it does in truth."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.night import ROOT
from tests.system_packages import program

_NOTICED_WITHIN_SECONDS = "1"
_OWN_SLEEP = ROOT / "tests" / "operations" / "clock"


@dataclass(frozen=True)
class FakedClock:
    """The clock of every process that is started with `environment`, their children included.

    Attributes:
        file: what the processes read by how many days their clock is off.
    """

    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be under this clock."""
        faketime = program("faketime", package="faketime")
        told = subprocess.run(
            [faketime, "-m", "-f", "+0", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
        )
        others = os.environ.get("PYTHONPATH", "")
        return {
            "LD_PRELOAD": told.stdout.strip(),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": _NOTICED_WITHIN_SECONDS,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else Python hands its lock from thread to thread
            "PYTHONPATH": os.pathsep.join(path for path in (str(_OWN_SLEEP), others) if path),
        }

    def jump_to(self, days_off: int) -> None:
        """Set the clock, running processes included: so many days ahead, or behind if negative."""
        scratch = self.file.with_suffix(".new")
        scratch.write_text(f"{days_off:+d}d\n")
        scratch.replace(self.file)
