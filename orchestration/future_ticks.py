"""Schedule and sensors after the clock was put back: what Dagster noted for moments yet to come is dated now.

A schedule of Dagster's looks for what became due since its last tick, a sensor waits for a while after its own. When
the clock was ahead and has been put right, both lie in the future, and nothing would start until it has come.
Run by `orchestration.operations.serve` before the daemon starts: `python -m orchestration.future_ticks`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState

_MOMENTS = (  # of Dagster's records on a schedule or a sensor, the ones that it compares with the clock
    "start_timestamp",
    "last_iteration_timestamp",
    "last_tick_timestamp",
    "last_tick_start_timestamp",
    "last_tick_success_timestamp",
    "last_sensor_start_timestamp",
)


@dataclass(frozen=True)
class Redated:
    """What was dated now.

    Attributes:
        names: schedules and sensors.
        ticks: how many of their ticks.
    """

    names: tuple[str, ...]
    ticks: int


def date_future_ticks_now(instance: dg.DagsterInstance, now: float) -> Redated:
    """Date what Dagster noted of schedules and sensors for later than now as of now. Only while no daemon runs.

    Args:
        instance: where they are noted.
        now: seconds since the epoch.
    """
    names, ticks = [], 0
    for state in instance.all_instigator_state():
        future = instance.get_ticks(state.instigator_origin_id, state.selector_id, after=now)
        for tick in future:
            instance.update_tick(tick._replace(tick_data=tick.tick_data._replace(timestamp=now)))
        changed = _moments_after(state, now)
        if changed:
            instance.update_instigator_state(state.with_data(state.instigator_data._replace(**changed)))  # type: ignore[union-attr]
        if future or changed:
            names.append(state.name)
            ticks += len(future)
    return Redated(tuple(sorted(names)), ticks)


def _moments_after(state: InstigatorState, now: float) -> dict[str, Any]:
    noted = {} if state.instigator_data is None else state.instigator_data._asdict()
    return {name: now for name in _MOMENTS if (noted.get(name) or 0) > now}


def main() -> int:
    """Do it for the instance of DAGSTER_HOME and say what was done."""
    with dg.DagsterInstance.get() as instance:
        redated = date_future_ticks_now(instance, time.time())
    if redated.names:
        names = ", ".join(redated.names)
        sys.stderr.write(f"The clock was put back: {redated.ticks} ticks of {names} lay in the future, dated now.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
