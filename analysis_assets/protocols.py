"""What the kernels and table builders need of the warehouse: the contract that ``inputs`` fulfils.

Every sample arrives as distinct rows with a frequency weight: a row of weight 7 stands for seven patients that agree in
everything the analysis looks at. A million patients followed in whole days thus become a few thousand rows.

A level is an ``int8`` code: ``0`` the reference level, ``1`` the other level, ``-1`` missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
LevelArray = NDArray[np.int8]

MISSING: Final = -1
REFERENCE: Final = 0
OTHER: Final = 1

CENSORED: Final = 0
EVENT: Final = 1
COMPETING: Final = 2

DAYS_PER_MONTH: Final = 365.25 / 12


class NotComputableError(Exception):
    """A sample that can't be had; the text says why and becomes the note of the row."""


@dataclass(frozen=True)
class Covariate:
    """One binary covariate of the study file.

    Attributes:
        name: Key in the study file, and ``term`` / ``factor`` in the analysis tables.
        label: Text for people.
        levels: Reference level first.
        after_time_zero: True when the covariate becomes known only after the infusion (bridging to HSCT, MRD status);
            a model that treats it as known at day 0 carries the immortal-time warning.
    """

    name: str
    label: str
    levels: tuple[str, str]
    after_time_zero: bool = False

    @property
    def contrast(self) -> str:
        """``<other level> vs <reference level>``."""
        return f"{self.levels[1]} vs {self.levels[0]}"


@dataclass(frozen=True)
class TimeToEvent:
    """Follow-up of the included patients for one endpoint, as distinct weighted rows.

    Attributes:
        time_days: Shape (rows,), days from the endpoint's time zero to event or censoring, >= 0.
        cause: Shape (rows,), ``CENSORED``, ``EVENT`` (the endpoint's own) or ``COMPETING`` (the competing event of
            RELAPSE and NON_RELAPSE_MORTALITY; other endpoints never have it).
        levels: Covariate name to level codes, shape (rows,) each.
        weight: Shape (rows,), number of patients of the row, > 0.
    """

    time_days: FloatArray
    cause: LevelArray
    levels: Mapping[str, LevelArray]
    weight: FloatArray

    @property
    def event(self) -> BoolArray:
        """Shape (rows,), True where the endpoint's own event ended the follow-up."""
        return np.asarray(self.cause == EVENT)

    @property
    def n(self) -> int:
        """Number of patients."""
        return round(float(self.weight.sum()))


@dataclass(frozen=True)
class Binary:
    """A yes/no endpoint of the included patients, as distinct weighted rows.

    Attributes:
        achieved: Shape (rows,).
        levels: Covariate name to level codes, shape (rows,) each.
        weight: Shape (rows,), number of patients of the row, > 0.
    """

    achieved: BoolArray
    levels: Mapping[str, LevelArray]
    weight: FloatArray

    @property
    def n(self) -> int:
        """Number of patients."""
        return round(float(self.weight.sum()))


@dataclass(frozen=True)
class SwitchTimes:
    """Follow-up together with the day on which one covariate turned from its reference to its other level.

    Attributes:
        time_days: Shape (rows,), days from the endpoint's time zero to event or censoring.
        event: Shape (rows,).
        switch_day: Shape (rows,), days from the same time zero to the change; NaN where it never came.
        levels: Baseline covariates to adjust for, name to level codes.
        weight: Shape (rows,), number of patients of the row, > 0.
    """

    time_days: FloatArray
    event: BoolArray
    switch_day: FloatArray
    levels: Mapping[str, LevelArray]
    weight: FloatArray


class Inputs(Protocol):
    """The marts as the analyses see them. Raises ``NotComputableError`` for what the extract does not hold."""

    def covariate(self, name: str) -> Covariate:
        """Return the covariate of the study file called ``name``."""

    def time_to_event(self, endpoint: str, covariates: Sequence[str] = ()) -> TimeToEvent:
        """Return follow-up for ``endpoint``, grouped by time, cause and the named covariates (missing kept as -1)."""

    def binary(self, endpoint: str, covariates: Sequence[str] = ()) -> Binary:
        """Return the yes/no ``endpoint``, grouped by outcome and the named covariates (missing kept as -1)."""

    def counting_process(self, endpoint: str, covariate: str, adjust: Sequence[str] = ()) -> SwitchTimes:
        """Return follow-up for ``endpoint`` with the day on which ``covariate`` (``after_time_zero``) changed."""
