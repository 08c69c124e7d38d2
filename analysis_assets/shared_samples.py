"""One reading of the marts for all tables: every endpoint is fetched once with all covariates, then collapsed.

Without it each table asks the warehouse for each endpoint and factor again, some three hundred queries a night.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis_assets.protocols import (
    Binary,
    Covariate,
    Inputs,
    LevelArray,
    NotComputableError,
    SwitchTimes,
    TimeToEvent,
)
from analysis_assets.survival import tally

Sample = TypeVar("Sample")
# Codes -1, 0 and 1 of a level.
LEVEL_CODES: Final = 3
# Up to this many covariates the cells of a table are counted; beyond, the rows stay as they are.
MOST_COLLAPSED: Final = 3


class SharedSamples:
    """An ``Inputs`` that reads each endpoint once; whatever else is asked of it goes to the reader behind it."""

    def __init__(self, inputs: Inputs, covariates: Sequence[str]) -> None:
        """Remember the reader and the covariates that any table may ask for."""
        self._inputs = inputs
        self._covariates = tuple(dict.fromkeys(covariates))
        self._kept: dict[tuple[object, ...], object] = {}

    def __getattr__(self, name: str) -> Any:
        """Pass everything that is no sample to the reader."""
        return getattr(self._inputs, name)

    def once(self, key: tuple[object, ...], make: Callable[[], Sample]) -> Sample:
        """Return what ``make`` gives for ``key``, made once; a reason why it can't be had is kept too."""
        if key not in self._kept:
            try:
                self._kept[key] = make()
            except NotComputableError as error:
                self._kept[key] = error
        kept: Any = self._kept[key]
        if isinstance(kept, NotComputableError):
            raise NotComputableError(str(kept))
        return kept  # type: ignore[no-any-return]

    def _known(self, covariates: Sequence[str]) -> bool:
        return set(covariates) <= set(self._covariates)

    def covariate(self, name: str) -> Covariate:
        """Return the covariate of the study file called ``name``."""
        return self.once(("covariate", name), lambda: self._inputs.covariate(name))

    def time_to_event(self, endpoint: str, covariates: Sequence[str] = ()) -> TimeToEvent:
        """Return follow-up for ``endpoint`` with the named covariates, as the reader would."""
        if not self._known(covariates):
            return self._inputs.time_to_event(endpoint, covariates)
        key = ("time_to_event", endpoint, *covariates)
        return self.once(key, lambda: self._collapsed_time(endpoint, covariates))

    def _collapsed_time(self, endpoint: str, covariates: Sequence[str]) -> TimeToEvent:
        whole = self.once(
            ("time_to_event", endpoint, "*"), lambda: self._inputs.time_to_event(endpoint, self._covariates)
        )
        levels = {name: whole.levels[name] for name in covariates}
        if len(covariates) > MOST_COLLAPSED:
            return TimeToEvent(whole.time_days, whole.cause, levels, whole.weight)
        times, index = self.once(("times", endpoint), lambda: np.unique(whole.time_days, return_inverse=True))
        cell = index * LEVEL_CODES + whole.cause
        kept, weight, found = _cells(cell, len(times) * LEVEL_CODES, levels, whole.weight)
        return TimeToEvent(times[kept // LEVEL_CODES], (kept % LEVEL_CODES).astype(np.int8), found, weight)

    def binary(self, endpoint: str, covariates: Sequence[str] = ()) -> Binary:
        """Return the yes/no ``endpoint`` with the named covariates, as the reader would."""
        if not self._known(covariates):
            return self._inputs.binary(endpoint, covariates)
        return self.once(("binary", endpoint, *covariates), lambda: self._collapsed_binary(endpoint, covariates))

    def _collapsed_binary(self, endpoint: str, covariates: Sequence[str]) -> Binary:
        whole = self.once(("binary", endpoint, "*"), lambda: self._inputs.binary(endpoint, self._covariates))
        levels = {name: whole.levels[name] for name in covariates}
        if len(covariates) > MOST_COLLAPSED:
            return Binary(whole.achieved, levels, whole.weight)
        kept, weight, found = _cells(whole.achieved.astype(np.intp), 2, levels, whole.weight)
        return Binary(kept > 0, found, weight)

    def counting_process(self, endpoint: str, covariate: str, adjust: Sequence[str] = ()) -> SwitchTimes:
        """Return follow-up with the day of change, as the reader would."""
        key = ("counting_process", endpoint, covariate, *adjust)
        return self.once(key, lambda: self._inputs.counting_process(endpoint, covariate, adjust))


def _cells(
    cell: NDArray[np.intp], cells: int, levels: Mapping[str, LevelArray], weight: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64], dict[str, LevelArray]]:
    """Sum weights over the cells of a table crossed with the levels: cell, weight and levels of those not empty."""
    for codes in levels.values():
        cell = cell * LEVEL_CODES + (codes + 1)
        cells *= LEVEL_CODES
    total = tally(cell, weight, cells)
    left = np.flatnonzero(total > 0)
    found: dict[str, LevelArray] = {}
    rest = left
    for name in reversed(list(levels)):
        rest, code = np.divmod(rest, LEVEL_CODES)
        found[name] = (code - 1).astype(np.int8)
    return rest, total[left], {name: found[name] for name in levels}


def shared_samples(inputs: Inputs, study: Any) -> SharedSamples:
    """Share one reading among all tables of a study: covariates of its survival, Cox and logistic models.

    What is shared already is returned as it is, so a night that wraps its reader once reads once.

    Args:
        inputs: The reader of the marts.
        study: The study file (``study.Study``).
    """
    if isinstance(inputs, SharedSamples):
        return inputs
    models = study.models
    return SharedSamples(inputs, [*models.survival.factors, *models.cox.covariates, *models.logistic.covariates])
