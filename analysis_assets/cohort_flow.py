"""From every patient known to those analysed: the steps of the CONSORT flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analysis_assets.inputs import StudyInputs

if TYPE_CHECKING:
    import pandas as pd

    from study import Study

COHORT_FLOW_COLUMNS: Final = ("step", "criterion", "n_excluded", "n_remaining", "convention")


def cohort_flow(inputs: StudyInputs, study: Study) -> pd.DataFrame:
    """Return one row per step, the first being all patients known; each patient is excluded at one step only."""
    import pandas as pd

    rows = [(step.step, step.criterion, step.n_excluded, step.n_remaining) for step in inputs.cohort_flow()]
    frame = pd.DataFrame(rows, columns=list(COHORT_FLOW_COLUMNS[:4])).assign(convention=study.conventions)
    return frame.astype({"step": "Int64", "n_excluded": "Int64", "n_remaining": "Int64"})
