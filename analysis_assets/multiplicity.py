"""Many P values at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis_assets.protocols import FloatArray


def benjamini_hochberg(p_values: Sequence[float]) -> FloatArray:
    """False-discovery-rate q values (Benjamini & Hochberg 1995); NaN stays NaN and is not counted as a test.

    Returns:
        Shape (tests,): the smallest rate at which each test is called, min over larger P of P m / rank.
    """
    values = np.asarray(p_values, dtype=float)
    q_values = np.full(values.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    ranked = values[order] * len(order) / np.arange(1, len(order) + 1)
    q_values[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return q_values


def number(value: object) -> float:
    """A figure of a row as a float, NaN where the row has none."""
    return float(value) if isinstance(value, int | float | np.floating) else float("nan")
