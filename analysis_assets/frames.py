"""Rows to a typed table: every column has one type, empty or not, so the warehouse never guesses it from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "count", "figure"]
Row = Mapping[str, object]

DTYPES: Final[Mapping[Kind, str]] = {"text": "string", "count": "Int64", "figure": "float64"}


def table(rows: Sequence[Row], columns: Mapping[str, Kind], convention: str) -> pd.DataFrame:
    """Return ``rows`` with exactly ``columns`` in their order and types; ``convention`` fills the column of that name.

    What a row leaves out is NULL. Text is ``string``, counts are nullable ``Int64``, figures are ``float64`` with NaN.

    Raises:
        KeyError: a row has a key that is no column.
    """
    import pandas as pd

    for row in rows:
        unknown = set(row) - set(columns)
        if unknown:
            raise KeyError(f"no column {', '.join(sorted(unknown))} in {', '.join(columns)}")
    filled = [{**row, "convention": convention} for row in rows]
    series = {name: pd.Series([row.get(name) for row in filled], dtype=DTYPES[kind]) for name, kind in columns.items()}
    return pd.DataFrame(series)
