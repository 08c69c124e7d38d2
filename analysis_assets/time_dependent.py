"""Covariates that change after time zero, without immortal time: counting process and landmark.

A patient who is transplanted on day 50 was not a transplanted patient before: taken as known at day 0, the covariate
credits it with 50 days in which nothing could happen to it. The time-dependent model splits the follow-up at the
change; the landmark model starts everybody's clock at one day and takes the covariate as it then stands. Sources:
Mantel & Byar 1974; Anderson, Cain & Gelber 1983; Therneau & Grambsch 2000.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis_assets.cox import CoxSample
from analysis_assets.protocols import FloatArray, SwitchTimes

LANDMARK_DAYS: Final = (60, 100)
# Before any day of follow-up, so that an event on day 0 finds its patient at risk.
BEFORE_TIME_ZERO: Final = -1.0


def counting_process(times: SwitchTimes) -> CoxSample:
    """Split each follow-up at the change: x = 0 up to and on that day, 1 after it.

    A change on the last day of follow-up or later leaves the row whole: what ends on a day ends before the change.
    A change on day 0 or earlier counts from the start. The baseline covariates follow as further columns.
    """
    from_start = times.switch_day <= 0
    splits = ~from_start & (times.switch_day < times.time_days)
    baseline = _baseline(times)
    before = CoxSample(
        stop=np.where(splits, times.switch_day, times.time_days),
        event=times.event & ~splits,
        x=np.column_stack((from_start.astype(float), baseline)),
        weight=times.weight,
        start=np.full(len(times.weight), BEFORE_TIME_ZERO),
    )
    after = np.flatnonzero(splits)
    ones = np.ones((len(after), 1))
    return CoxSample(
        stop=np.concatenate((before.stop, times.time_days[after])),
        event=np.concatenate((before.event, times.event[after])),
        x=np.concatenate((before.x, np.column_stack((ones, baseline[after])))),
        weight=np.concatenate((times.weight, times.weight[after])),
        start=np.concatenate((before.start, times.switch_day[after])) if before.start is not None else None,
    )


def landmark(times: SwitchTimes, day: float) -> CoxSample:
    """Patients still followed after ``day``, with x = 1 where the change had come by then; times run on from day 0."""
    kept = times.time_days > day
    changed = (times.switch_day <= day).astype(float)
    return CoxSample(
        stop=times.time_days[kept],
        event=times.event[kept],
        x=np.column_stack((changed, _baseline(times)))[kept],
        weight=times.weight[kept],
    )


def _baseline(times: SwitchTimes) -> FloatArray:
    columns = [np.asarray(codes, dtype=float) for codes in times.levels.values()]
    return np.column_stack(columns) if columns else np.empty((len(times.weight), 0))
