"""Distinct rows of a matrix, quickly where its columns are yes/no."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from analysis_assets.protocols import FloatArray

# Bits of a code that a 64-bit integer holds without its sign.
MOST_BITS: Final = 62


def distinct_rows(x: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the distinct rows of ``x``, shape (patterns, p), and each row's pattern, shape (rows,).

    Columns with two values each are packed into one integer: sorting a million integers is some fifty times faster
    than sorting rows.
    """
    rows, width = x.shape
    if not rows or not width:
        return x[:1], np.zeros(rows, dtype=np.intp)
    low = x.min(axis=0)
    high = x.max(axis=0)
    upper = x == high
    if width <= MOST_BITS and bool(np.all(upper | (x == low))):
        code = upper @ (1 << np.arange(width, dtype=np.int64))
        found, index = np.unique(code, return_inverse=True)
        bits = ((found[:, None] >> np.arange(width, dtype=np.int64)) & 1) > 0
        return np.where(bits, high, low), np.asarray(index, dtype=np.intp)
    patterns, index = np.unique(x, axis=0, return_inverse=True)
    return np.asarray(patterns, dtype=float), np.asarray(index, dtype=np.intp)
