"""The paper against itself: contradictions between the figures that a paper prints.

`printed` reads figures and names, `counts`, `crosstabs`, `effects`, `grades` and `statements` look for contradictions,
`audit` puts them together. Importing the package alone loads no scipy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

AUDIT_COLUMNS = ("check", "source_table", "item", "level", "statistic", "printed", "expected", "explanation")

UNDECIDED = "Which is right is not decided."
"""How an explanation ends where two places draw: both are named, and neither is proven wrong."""

__all__ = ["AUDIT_COLUMNS", "UNDECIDED", "audit_published"]


def audit_published(published: pd.DataFrame) -> pd.DataFrame:
    """Findings of a paper's figures against each other, one row each; no row where the paper agrees with itself.

    Args:
        published: the printed figures in the long format `table, row, item, level, statistic, value, value_num`;
            `value` as printed (text), so that its digits are known.

    Returns:
        Frame with `AUDIT_COLUMNS`, in the order of the printed figures.
    """
    from analysis_assets.paper_audit.audit import findings_of

    return findings_of(published)
