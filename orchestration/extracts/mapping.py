"""A source table's rows as rows of its feed: filters, fill-down, wide to long, columns, units; by distinct texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.extracts.cell_texts import cell_text, multiplied
from orchestration.extracts.columns import (
    chosen,
    combined,
    constant_column,
    empty_column,
    filled_with,
    map_distinct,
    missing,
    rows_where,
    stacked,
    stripped,
)
from orchestration.extracts.feeds import DELETED, Column, Kind
from orchestration.extracts.profiles import ColumnProfile, SourceProfile, TableProfile, UnitConversion
from orchestration.extracts.readers import BrokenRow, Chunk, UnreadableFileError

_LOOKALIKE = 0.6
_UNSPOKEN = re.compile(r"[\W_]+")
_DIGIT = re.compile(r"\d")
_DATES = (Kind.DATE, Kind.DATETIME)
_NUMBERS = (Kind.NUMBER, Kind.INTEGER)
Columns = dict[str, pa.DictionaryArray]


@dataclass(frozen=True)
class FeedRows:
    """Rows of a feed under contract names; `rows` are their source rows (repeated where one row gave several).

    `skipped` source rows belong to no row of this feed: total rows, other feeds' rows, wide rows without any value.
    """

    columns: Columns
    rows: npt.NDArray[np.int64]
    broken: tuple[BrokenRow, ...]
    source_rows: int
    skipped: int


@dataclass
class FillDown:
    """The last value of each fill-down column, carried from chunk to chunk; forgotten at a broken row."""

    last: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableMapping:
    """A table's profile fitted to one file's header."""

    profile: SourceProfile
    table: TableProfile
    columns: Mapping[str, ColumnProfile]
    wanted: tuple[str, ...]
    absent: tuple[str, ...]
    unused: tuple[str, ...]
    found: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lenient: bool = False

    @property
    def sequential(self) -> bool:
        """True when a chunk can't be mapped before the one ahead of it."""
        return bool(self.table.fill_down)

    def rows_of(self, chunk: Chunk, above: FillDown) -> FeedRows:
        """The feed's rows of one chunk."""
        source = {name: map_distinct(column, stripped) for name, column in chunk.columns.items()}
        for name in self.table.source_columns if self.lenient else ():
            source.setdefault(name, empty_column(len(chunk.rows)))
        for name, lookup in self.table.lookups.items():
            source[name] = _looked_up(source[lookup.by], self.found[name])
        rows = chunk.rows
        if self.table.skip_where:
            source, rows = _filtered(source, rows, ~_matching(source, self.table.skip_where, len(rows)))
        for name in self.table.fill_down:
            source[name] = _filled(source[name], rows, chunk.broken, name, above)
        if self.table.where:
            source, rows = _filtered(source, rows, among(source, self.table.where, len(rows)))
        for name, expression in self.table.where_matches.items():
            source, rows = _filtered(source, rows, _matching(source, {name: expression}, len(rows)))
        if self.table.unpivot is not None:
            columns, rows = self._long(source, rows)
        else:
            columns = self._contract_columns(source, len(rows))
        for conversion in self.table.convert:
            columns = _converted(columns, conversion)
        used = len(np.unique(rows)) if self.table.unpivot is not None else len(rows)
        return FeedRows(columns, rows, chunk.broken, chunk.total, chunk.total - len(chunk.broken) - used)

    def _contract_columns(self, source: Columns, count: int) -> Columns:
        return {name: self._column(name, column, source, count) for name, column in self.columns.items()}

    def _column(self, name: str, column: ColumnProfile, source: Columns, count: int) -> pa.DictionaryArray:
        if column.constant is not None:
            return constant_column(column.constant, count)
        there = [source[each] for each in column.source if each in source]
        if not there:
            return empty_column(count)
        cells = self._changed(name, column, there[0] if len(there) == 1 else combined(there, column.combine))
        return cells if column.default is None else filled_with(cells, column.default)

    def _changed(self, name: str, column: ColumnProfile, cells: pa.DictionaryArray) -> pa.DictionaryArray:
        kind = DELETED.kind if name == DELETED.name else self.table.target.column(name).kind
        dates = (column.dates or self.profile.dates) if kind in _DATES else ()
        numeric = kind in _NUMBERS and self.table.columns is not None
        absent = {*self.profile.missing, *column.missing}
        if not (absent or column.values or column.extract or column.whole_number or column.factor or dates or numeric):
            return cells

        def change(texts: pa.StringArray) -> pa.StringArray:
            return pa.array(
                [
                    None
                    if text is None or text in absent
                    else cell_text(text, column, dates, self.profile.timezone, numeric=numeric)
                    for text in texts.to_pylist()
                ],
                pa.string(),
            )

        return map_distinct(cells, change)

    def _long(self, source: Columns, rows: npt.NDArray[np.int64]) -> tuple[Columns, npt.NDArray[np.int64]]:
        """One row per cell that isn't empty, by source row and then by the profile's order of columns."""
        unpivot = self.table.unpivot
        if unpivot is None:
            return source, rows
        fixed = self._contract_columns(source, len(rows))
        parts: list[Columns] = []
        positions: list[npt.NDArray[np.intp]] = []
        for name, wide in unpivot.columns.items():
            if name not in source:
                continue
            own = ColumnProfile.model_validate(
                {
                    "from": (name,),
                    "decimal": unpivot.decimal,
                    "thousands": unpivot.thousands,
                    "factor": wide.factor,
                    "missing": wide.missing,
                    "values": wide.values,
                }
            )
            cells = self._changed(unpivot.into, own, source[name])
            there = np.flatnonzero(~missing(cells))
            part = {key: column.take(pa.array(there)) for key, column in {**fixed, unpivot.into: cells}.items()}
            part |= {key: constant_column(text, len(there)) for key, text in wide.set.items()}
            parts.append(part)
            positions.append(there)
        order = np.argsort(np.concatenate([np.array([], np.intp), *positions]), kind="stable")
        names = list(dict.fromkeys(name for part in parts for name in part))
        lengths = [len(each) for each in positions]
        long = {
            name: stacked(
                [part.get(name, empty_column(length)) for part, length in zip(parts, lengths, strict=True)]
            ).take(pa.array(order))
            for name in names
        }
        taken = rows[np.concatenate([np.array([], np.intp), *positions])[order]]
        return long, taken


def table_mapping(
    profile: SourceProfile,
    table: TableProfile,
    header: Sequence[str],
    found: Mapping[str, Mapping[str, str]] | None = None,
) -> TableMapping:
    """Fits a table's profile to a header; UnreadableFileError when a key column isn't there or one is there twice.

    `found` holds, for each of the table's lookups, what its files say: key → value. Flattened JSON names only what some
    record holds, so a column that isn't there is an empty one.
    """
    lenient = profile.read_options(table).flatten
    contract = (*table.target.columns, DELETED)
    if table.columns is None:
        columns = {each.name: ColumnProfile.model_validate(each.name) for each in contract}
    else:
        columns = dict(table.columns)
    needed = table.source_columns if table.columns is not None else (*columns, *table.source_columns)
    for name in needed:
        if header.count(name) > 1:
            raise UnreadableFileError(f"its header has the column {name!r} {header.count(name)} times")
    there = {*header, *table.lookups, *(table.source_columns if lenient else ())}
    needed_by_rows = (*table.where, *table.where_matches, *table.skip_where, *table.fill_down)
    for name in (*needed_by_rows, *(lookup.by for lookup in table.lookups.values())):
        if name not in there:
            raise _missing_column(name, header, needed)
    for key in table.target.key_columns:
        mapped = columns.get(key.name)
        if mapped is not None and mapped.constant is None and not set(mapped.source) & there:
            raise _missing_column(mapped.source[0], header, needed)
    _require_wide_columns(table, header)
    if not lenient:
        _refuse_misspelt_deleted(columns.get(DELETED.name), header)
    present = {name: each for name, each in columns.items() if each.constant is not None or set(each.source) & there}
    return TableMapping(
        profile=profile,
        table=table,
        columns=present,
        wanted=tuple(name for name in dict.fromkeys(needed) if lenient or name in header),
        absent=_absent(table, contract, present),
        # Of nested records no reader knows all names, and no table needs more than a few of them.
        unused=() if lenient else tuple(name for name in header if name not in needed),
        found=found or {name: {} for name in table.lookups},
        lenient=lenient,
    )


def _absent(table: TableProfile, contract: Iterable[Column], present: Mapping[str, ColumnProfile]) -> tuple[str, ...]:
    """Contract columns that the file has nothing for (`deleted` is no loss)."""
    filled = set(present)
    if table.unpivot is not None:
        filled |= {table.unpivot.into, *(name for each in table.unpivot.columns.values() for name in each.set)}
    return tuple(each.name for each in contract if each.name not in filled and each is not DELETED)


def _require_wide_columns(table: TableProfile, header: Sequence[str]) -> None:
    if table.unpivot is not None and not set(table.unpivot.columns) & set(header):
        raise _missing_column(next(iter(table.unpivot.columns)), header, table.source_columns)


def _missing_column(name: str, header: Sequence[str], expected: Iterable[str] = ()) -> UnreadableFileError:
    """Names columns of the header by their number alone: where no header was delivered, they are a patient's row."""
    why = f"its key column {name!r} is missing from the header"
    alike, near = _alike(name, header), _nearest(name, header)
    if alike is not None:
        hint = f"; its column {alike} is called so but for capitals, blanks or signs: write it exactly so"
    elif near is not None:
        hint = f"; nearest is its column {near}: rename it"
    elif not {*expected} & {*header}:
        return UnreadableFileError(
            f"{why}; none of the {len(header)} names there is one of the feed: does the file begin with a header line?"
        )
    else:
        return UnreadableFileError(f"{why}; add it, or map another column in a source profile")
    return UnreadableFileError(f"{why}{hint}, or map it in a source profile")


def _alike(name: str, header: Sequence[str]) -> int | None:
    """The first column (from 1) whose name differs in capitals, blanks and signs only."""
    plain = _UNSPOKEN.sub("", name.casefold())
    return next((at for at, each in enumerate(header, 1) if _UNSPOKEN.sub("", each.casefold()) == plain), None)


def _nearest(name: str, header: Sequence[str]) -> int | None:
    """The column (from 1) of the nearest name; one with a digit that isn't wanted is more likely somebody's id."""
    folded = [each.casefold() for each in header]
    words = [each for each in folded if _DIGIT.search(name) or not _DIGIT.search(each)]
    near = get_close_matches(name.casefold(), words, 1, _LOOKALIKE)
    return folded.index(near[0]) + 1 if near else None


def _refuse_misspelt_deleted(deleted: ColumnProfile | None, header: Sequence[str]) -> None:
    """A `Deleted` is no unknown column: without it every row that it deletes would come to life again."""
    names = deleted.source if deleted is not None else ()
    if {*names} & {*header}:
        return
    for name in names:
        alike = _alike(name, header)
        if alike is not None:
            raise UnreadableFileError(
                f"its column {alike} is called {name!r} but for capitals, blanks or signs: write it exactly so, or map "
                "it in a source profile; otherwise rows that it deletes would stay"
            )


def _filtered(
    source: Columns, rows: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]
) -> tuple[Columns, npt.NDArray[np.int64]]:
    if kept.all():
        return source, rows
    mask = pa.array(kept)
    return {name: column.filter(mask) for name, column in source.items()}, rows[kept]


def _matching(source: Columns, conditions: Mapping[str, str], count: int) -> npt.NDArray[np.bool_]:
    """Rows in which any of the columns matches its regular expression; an empty cell is the empty text."""
    found = np.zeros(count, np.bool_)
    for name, expression in conditions.items():
        cells = source[name]
        marks = pc.match_substring_regex(cells.dictionary, expression).to_numpy(zero_copy_only=False)
        found |= rows_where(cells, np.asarray(marks, np.bool_))
        if pc.match_substring_regex(pa.array([""]), expression)[0].as_py():
            found |= missing(cells)
    return found


def among(source: Columns, conditions: Mapping[str, Sequence[str]], count: int) -> npt.NDArray[np.bool_]:
    """Rows in which every column says one of its texts; the empty text stands for an empty cell."""
    kept = np.ones(count, np.bool_)
    for name, texts in conditions.items():
        cells = source[name]
        marks = pc.is_in(cells.dictionary, pa.array(list(texts), pa.string())).to_numpy(zero_copy_only=False)
        kept &= rows_where(cells, np.asarray(marks, np.bool_)) | (missing(cells) & ("" in texts))
    return kept


def _looked_up(keys: pa.DictionaryArray, found: Mapping[str, str]) -> pa.DictionaryArray:
    """What was found for each key; NULL for a key that no row of the other file has."""
    return map_distinct(keys, lambda texts: pa.array([found.get(text) for text in texts.to_pylist()], pa.string()))


def _filled(
    cells: pa.DictionaryArray,
    rows: npt.NDArray[np.int64],
    broken: Sequence[BrokenRow],
    name: str,
    above: FillDown,
) -> pa.DictionaryArray:
    """Empty cells take the value above them, but not across a broken row: it may have begun another block."""
    count = len(cells)
    barriers = np.sort(np.array([row.row for row in broken], np.int64))
    since = np.searchsorted(barriers, rows)
    first_after = np.searchsorted(rows, np.concatenate([[0], barriers]))[since] if count else since
    own = np.where(missing(cells), -1, np.arange(count))
    last = np.maximum.accumulate(own) if count else own
    carried = above.last.get(name)
    with_carried = stacked([cells, constant_column(carried, 1)]) if carried is not None else cells
    source = np.where(last >= first_after, last, -1)
    if carried is not None:
        source = np.where((source < 0) & (since == 0), count, source)
    filled = with_carried.take(pa.array(source, mask=source < 0))
    _remember(above, name, filled, rows, barriers)
    return filled


def _remember(
    above: FillDown,
    name: str,
    filled: pa.DictionaryArray,
    rows: npt.NDArray[np.int64],
    barriers: npt.NDArray[np.int64],
) -> None:
    """What the next chunk's first rows may take over: the last value, unless a broken row came after it."""
    if len(filled):
        value = filled[len(filled) - 1].as_py()
        above.last.pop(name, None)
        if value is not None:
            above.last[name] = value
    if len(barriers) and (not len(rows) or barriers[-1] > rows[-1]):
        above.last.pop(name, None)


def _converted(columns: Columns, conversion: UnitConversion) -> Columns:
    """Rows of the conversion's unit: the value times the factor, the unit replaced."""
    unit, value = columns.get("unit"), columns.get("value")
    if unit is None or value is None:
        return columns
    marked = among(columns, {"unit": (conversion.unit,)}, len(unit))
    if conversion.loinc and "loinc" in columns:
        marked &= among(columns, {"loinc": conversion.loinc}, len(unit))
    if not marked.any():
        return columns
    scaled = map_distinct(value, lambda texts: _scaled(texts, conversion.factor))
    replaced = constant_column(conversion.to, len(unit))
    return {**columns, "value": chosen(marked, scaled, value), "unit": chosen(marked, replaced, unit)}


def _scaled(texts: pa.StringArray, factor: Decimal) -> pa.StringArray:
    return pa.array([None if text is None else multiplied(text, factor) for text in texts.to_pylist()], pa.string())
