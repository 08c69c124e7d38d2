"""From every patient known to those analysed: the steps of the CONSORT flow."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from analysis_assets.frames import Kind, table
from analysis_assets.inputs import StudyInputs

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

COHORT_FLOW_COLUMNS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "step": "count",
        "criterion": "text",
        "n_excluded": "count",
        "n_remaining": "count",
        "convention": "text",
    }
)


def cohort_flow(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per step, the first being all patients known; each patient is excluded at one step only."""
    rows = [
        {
            "step": step.step,
            "criterion": step.criterion,
            "n_excluded": step.n_excluded,
            "n_remaining": step.n_remaining,
        }
        for step in inputs.cohort_flow()
    ]
    return table(rows, COHORT_FLOW_COLUMNS, study.conventions)
