"""A column is written with the texts of its rows alone, wherever in it they stand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from orchestration.extracts.columns import constant_column, empty_column, without_unused_texts

ROWS = 10_000


@pytest.mark.parametrize("place", [0, 8_191, 8_192, ROWS - 1])
@pytest.mark.parametrize("missing", [None, 5_000])
def test_a_text_of_one_row_is_kept_and_one_of_none_is_not(place: int, missing: int | None) -> None:
    indices = [None if row == missing else 2 if row == place else 0 for row in range(ROWS)]
    column = pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32()), pa.array(["everywhere", "of a rejected row", "once"])
    )
    kept = without_unused_texts(column)
    assert kept.dictionary.to_pylist() == ["everywhere", "once"]
    assert kept.to_pylist() == column.to_pylist()


@pytest.mark.parametrize("used", [["a"] * 3, ["a", None, "b"], [None, "b", "a"]])
def test_a_column_whose_texts_are_all_used_is_left_as_it_is(used: list[str | None]) -> None:
    column = pa.array(used, pa.string()).dictionary_encode()
    assert without_unused_texts(column) is column


def test_a_column_without_a_text_keeps_none() -> None:
    assert without_unused_texts(empty_column(3)).dictionary.to_pylist() == []
    nobody = pa.DictionaryArray.from_arrays(pa.nulls(3, pa.int32()), pa.array(["of a rejected row"]))
    assert without_unused_texts(nobody).dictionary.to_pylist() == []
    assert without_unused_texts(constant_column("x", 0)).dictionary.to_pylist() == []


def test_columns_of_one_length_are_told_apart() -> None:
    assert [constant_column(text, 2).to_pylist() for text in ("a", "b")] == [["a", "a"], ["b", "b"]]
    assert empty_column(2).to_pylist() == [None, None]
