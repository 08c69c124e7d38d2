"""What a reader of a model must be told: codes for the column ``warning`` and the sentences for ``note``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analysis_assets.protocols import Covariate

SEPARATION: Final = "separation"
LOW_EVENTS: Final = "low_events_per_variable"
IMMORTAL_TIME: Final = "immortal_time"

# Peduzzi et al. 1996: below ten events per variable estimates and intervals can't be relied on.
EVENTS_PER_VARIABLE: Final = 10

IMMORTAL_TIME_TEXT: Final = (
    "immortal-time bias: becomes known only after the infusion but is taken as known on day 0; "
    "see the landmark and time-dependent models"
)


def too_few_events(per_variable: float) -> bool:
    """Whether a model has fewer than ten events per variable."""
    return per_variable < EVENTS_PER_VARIABLE


def low_events_text(per_variable: float, candidates: int) -> str:
    """Sentence for a sparse model; ``candidates`` is 0 when nothing was selected."""
    of_what = f"candidate variable ({candidates} candidates)" if candidates else "variable"
    return f"{per_variable:.1f} events per {of_what}, fewer than {EVENTS_PER_VARIABLE}: unstable"


def term_columns(covariate: Covariate) -> dict[str, object]:
    """Columns that name one term of a model."""
    return {"term": covariate.name, "contrast": covariate.contrast, "term_label": covariate.label}


def warning_columns(
    covariate: Covariate,
    per_variable: float,
    candidates: int,
    *,
    separated: str = "",
    dated: Sequence[str] = (),
    note: str = "",
) -> dict[str, object]:
    """Columns ``events_per_variable``, ``warning`` (codes) and ``note`` (sentences) of one term of a fitted model.

    Args:
        covariate: The term.
        per_variable: Events per variable, or per candidate of a selection.
        candidates: Candidates of the selection, 0 when nothing was selected.
        separated: What to say of separation; empty when there is none.
        dated: Covariates that the model takes as known from their day on, not from day 0.
        note: What else to say, before the warnings.
    """
    warned: dict[str, str] = {}
    if separated:
        warned[SEPARATION] = separated
    if too_few_events(per_variable):
        warned[LOW_EVENTS] = low_events_text(per_variable, candidates)
    if covariate.after_time_zero and covariate.name not in dated:
        warned[IMMORTAL_TIME] = IMMORTAL_TIME_TEXT
    return {
        "events_per_variable": per_variable,
        "warning": ", ".join(warned) or None,
        "note": "; ".join(filter(None, (note, *warned.values()))) or None,
    }
