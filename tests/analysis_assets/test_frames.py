"""Typed tables from rows and from blocks of columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis_assets.frames import Kind, table, table_of_blocks

COLUMNS: dict[str, Kind] = {"factor": "text", "n": "count", "survival": "figure", "convention": "text"}


def test_blocks_give_the_table_that_their_rows_give() -> None:
    blocks = [
        {"factor": "", "n": np.array([3.0, 2.0]), "survival": np.array([0.5, np.nan])},
        {"factor": "age", "n": np.array([1.0]), "survival": np.array([1.0])},
    ]
    rows = [
        {"factor": "", "n": 3, "survival": 0.5},
        {"factor": "", "n": 2, "survival": None},
        {"factor": "age", "n": 1, "survival": 1.0},
    ]
    pd.testing.assert_frame_equal(table_of_blocks(blocks, COLUMNS, "spss"), table(rows, COLUMNS, "spss"))


def test_no_blocks_give_an_empty_table_of_the_same_types() -> None:
    pd.testing.assert_frame_equal(table_of_blocks([], COLUMNS, "r"), table([], COLUMNS, "r"))


def test_block_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError, match="no column hazard in factor"):
        table_of_blocks([{"hazard": np.array([1.0])}], COLUMNS, "r")
