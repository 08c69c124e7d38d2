"""The study file: every threshold, switch and model list of a study, typed and validated."""

from study.loading import StudyError, load_study
from study.models import (
    BINARY_ENDPOINTS,
    CLOSED_VALUES,
    COLUMN_KINDS,
    TIME_TO_EVENT_ENDPOINTS,
    Covariate,
    Study,
)

__all__ = [
    "BINARY_ENDPOINTS",
    "CLOSED_VALUES",
    "COLUMN_KINDS",
    "TIME_TO_EVENT_ENDPOINTS",
    "Covariate",
    "Study",
    "StudyError",
    "load_study",
]
