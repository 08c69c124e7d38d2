"""Rows to a typed table: every column has one type, empty or not, so the warehouse never guesses it from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "count", "figure"]
Row = Mapping[str, object]
# Columns of equal length; what is no array holds for every row of the block.
Block = Mapping[str, object]

DTYPES: Final[Mapping[Kind, str]] = {"text": "string", "count": "Int64", "figure": "float64"}


def table(rows: Sequence[Row], columns: Mapping[str, Kind], convention: str) -> pd.DataFrame:
    """Return ``rows`` with exactly ``columns`` in their order and types; ``convention`` fills the column of that name.

    What a row leaves out is NULL. Text is ``string``, counts are nullable ``Int64``, figures are ``float64`` with NaN.

    Raises:
        KeyError: a row has a key that is no column.
    """
    import pandas as pd

    for row in rows:
        _require_known(row, columns)
    filled = [{**row, "convention": convention} for row in rows]
    series = {name: pd.Series([row.get(name) for row in filled], dtype=DTYPES[kind]) for name, kind in columns.items()}
    return pd.DataFrame(series)


def table_of_blocks(blocks: Sequence[Block], columns: Mapping[str, Kind], convention: str) -> pd.DataFrame:
    """Return the rows of all blocks in their order, typed as ``table`` types them: for curves of thousands of points.

    Args:
        blocks: Each maps every column but the convention to an array, shape (rows of the block,), or to one value for
            all of them; at least one is an array. Counts are whole numbers.
        columns: All columns in order.
        convention: Fills the column of that name.

    Raises:
        KeyError: a block has a key that is no column.
    """
    import pandas as pd

    lengths = []
    for block in blocks:
        _require_known(block, columns)
        lengths.append(next(len(values) for values in block.values() if isinstance(values, np.ndarray)))
    series = {}
    for name, kind in columns.items():
        parts = [
            _spread(convention if name == "convention" else block[name], rows)
            for block, rows in zip(blocks, lengths, strict=True)
        ]
        series[name] = pd.Series(np.concatenate(parts) if parts else [], dtype=DTYPES[kind])
    return pd.DataFrame(series)


def _spread(values: object, rows: int) -> np.ndarray[tuple[int], np.dtype[Any]]:
    if isinstance(values, np.ndarray):
        return values
    return np.full(rows, values, dtype=object)


def _require_known(row: Row, columns: Mapping[str, Kind]) -> None:
    unknown = row.keys() - columns.keys()
    if unknown:
        raise KeyError(f"no column {', '.join(sorted(unknown))} in {', '.join(columns)}")
