"""What a reader of a model must be told: codes for the column ``warning`` and the sentences for ``note``."""

from __future__ import annotations

from typing import Final

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
