"""A wall clock that is put back: noticed by comparing it with a clock that nobody sets."""

from __future__ import annotations

import time


class ClockWatch:
    """Sees that the wall clock was put back, by a person, the time service or a machine that lost its battery.

    Put forward needs no watch: whoever waits for a moment of the wall clock only finds it passed.
    """

    def __init__(self) -> None:
        self._lead = _lead_of_wall_clock()

    def put_back_by(self) -> float:
        """Return by how many seconds the wall clock was put back since this was asked last; 0 or less if it was not."""
        before, self._lead = self._lead, _lead_of_wall_clock()
        return before - self._lead


def _lead_of_wall_clock() -> float:
    return time.time() - time.monotonic()
