"""Column operations on distinct values: a long column is a dictionary of few texts, and each text is touched once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TEXT_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
_FIRST_ROWS = 8_192


@lru_cache(maxsize=8)  # a long feed's chunks are of one length, and every one has columns that say nothing
def empty_column(length: int) -> pa.DictionaryArray:
    """A column of `length` NULLs."""
    return pa.DictionaryArray.from_arrays(pa.nulls(length, pa.int32()), pa.array([], pa.string()))


def constant_column(value: str, length: int) -> pa.DictionaryArray:
    """A column that says `value` in each of `length` rows."""
    return pa.DictionaryArray.from_arrays(_zeros(length), pa.array([value], pa.string()))


@lru_cache(maxsize=8)
def _zeros(length: int) -> pa.Int32Array:
    return pa.array(np.zeros(length, np.int32))


def text_column(values: list[str | None]) -> pa.DictionaryArray:
    """A dictionary column of Python texts."""
    return pa.array(values, pa.string()).dictionary_encode()


def map_distinct(column: pa.DictionaryArray, change: Callable[[pa.StringArray], pa.StringArray]) -> pa.DictionaryArray:
    """Applies `change` to the distinct texts only; a text may become NULL or equal to another."""
    if len(column.dictionary) == 0:
        return column
    return with_dictionary(column, change(column.dictionary))


def with_dictionary(column: pa.DictionaryArray, changed: pa.StringArray) -> pa.DictionaryArray:
    """The column with its texts replaced one by one; keeps the dictionary distinct and free of NULL."""
    if changed is column.dictionary:
        return column
    encoded = changed.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(column.indices), encoded.dictionary)


def without_unused_texts(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """The column with only those texts in its dictionary that some row holds: a file is written with all of them."""
    used = np.zeros(len(column.dictionary), np.bool_)
    indices = column.indices.drop_null() if column.null_count else column.indices
    places = indices.to_numpy()
    for some in (places[:_FIRST_ROWS], places[_FIRST_ROWS:]):  # few texts are all met among the first rows
        used[some.astype(np.intp)] = True  # with any other kind of whole number it takes three times as long
        if used.all():
            return column
    moved = pa.array(np.cumsum(used, dtype=np.int32) - np.int32(1))
    return pa.DictionaryArray.from_arrays(moved.take(column.indices), column.dictionary.filter(pa.array(used)))


def stripped(texts: pa.StringArray) -> pa.StringArray:
    """Texts without white space around them; an empty one is NULL. The same object when they all are so already."""
    trimmed = pc.utf8_trim_whitespace(texts)
    if trimmed.equals(texts) and pc.min(pc.binary_length(texts)).as_py() != 0:
        return texts
    return pc.if_else(pc.equal(pc.binary_length(trimmed), 0), pa.scalar(None, pa.string()), trimmed)


def missing(column: pa.DictionaryArray) -> npt.NDArray[np.bool_]:
    """True where the column is NULL."""
    absent: npt.NDArray[np.bool_] = column.indices.is_null().to_numpy(zero_copy_only=False)
    return absent


def rows_where(column: pa.DictionaryArray, marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """True for the rows whose distinct text is marked."""
    if len(marked) == 0 or not marked.any():
        return np.zeros(len(column), np.bool_)
    indices = column.indices
    filled = pc.fill_null(indices, 0).to_numpy(zero_copy_only=False)
    rows: npt.NDArray[np.bool_] = marked[filled] & ~missing(column)
    return rows


def stacked(columns: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Columns one below the other, their dictionaries made one."""
    if not columns:
        return empty_column(0)
    if len(columns) == 1:
        return columns[0]
    whole = pa.chunked_array(columns, TEXT_DICTIONARY).unify_dictionaries().combine_chunks()
    return whole if isinstance(whole, pa.DictionaryArray) else pa.concat_arrays(whole.chunks)


def chosen(
    marked: npt.NDArray[np.bool_], where_marked: pa.DictionaryArray, elsewhere: pa.DictionaryArray
) -> pa.DictionaryArray:
    """Row by row the first column where marked, else the second."""
    count = len(marked)
    positions = np.where(marked, np.arange(count), np.arange(count) + count)
    return stacked([where_marked, elsewhere]).take(pa.array(positions))


def combined(columns: Sequence[pa.DictionaryArray], how: str) -> pa.DictionaryArray:
    """Columns as one: `first` that is there; `concat` of all; `join` with blanks, NULL where the first one is."""
    texts = [column.cast(pa.string()) for column in columns]
    if how == "first":
        return pc.coalesce(*texts).dictionary_encode()
    separator = "" if how == "concat" else " "
    whole = pc.binary_join_element_wise(*texts, separator, null_handling="replace", null_replacement="")
    if how == "join":
        whole = pc.if_else(pc.is_valid(texts[0]), whole, pa.scalar(None, pa.string()))
    return map_distinct(whole.dictionary_encode(), stripped)


def filled_with(column: pa.DictionaryArray, text: str) -> pa.DictionaryArray:
    """The column with `text` where it is NULL."""
    return pc.fill_null(column.cast(pa.string()), text).dictionary_encode()
