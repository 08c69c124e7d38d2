"""Optional per-patient date shift: every date of a patient moves by the same number of days, so intervals stay."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.extracts.columns import missing
from orchestration.extracts.pseudonymise import Pseudonymiser

WITHHELD = "[date withheld]"
"""Stands where a date could not be read and therefore not be shifted."""

_ISO_DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])($|[T ])"
_DATE_LENGTH = 10


def shift_days(patient_id: str, pseudonymiser: Pseudonymiser, most: int) -> int:
    """Days by which this patient's dates move, from -most to +most; known only to who has the key."""
    return pseudonymiser.derive(f"date shift:{patient_id}") % (2 * most + 1) - most


def shifted(
    dates: pa.DictionaryArray, patients: pa.DictionaryArray, pseudonymiser: Pseudonymiser, most: int
) -> pa.DictionaryArray:
    """ISO dates and datetimes moved patient by patient, the time of day kept; what can't be read is withheld."""
    return shifted_by(dates, patients, lambda patient_id: shift_days(patient_id, pseudonymiser, most))


def shifted_by(
    dates: pa.DictionaryArray, patients: pa.DictionaryArray, days_of: Callable[[str], int]
) -> pa.DictionaryArray:
    """The same with any rule that tells a patient's days."""
    days = np.array([days_of(each) for each in patients.dictionary.to_pylist()], np.int64)
    texts = dates.dictionary
    readable = np.asarray(pc.match_substring_regex(texts, _ISO_DATE).to_numpy(zero_copy_only=False), np.bool_)
    there = ~missing(dates)
    text_of = pc.fill_null(dates.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    patient_of = pc.fill_null(patients.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    movable = there & ~missing(patients)
    pairs, pair_of = np.unique(text_of * max(len(days), 1) + patient_of, return_inverse=True)
    moved = [
        _moved(texts[int(pair // max(len(days), 1))].as_py(), int(days[pair % max(len(days), 1)]))
        if len(texts) and len(days) and readable[pair // max(len(days), 1)]
        else WITHHELD
        for pair in pairs
    ]
    encoded = pa.array([*moved, WITHHELD], pa.string()).dictionary_encode()
    chosen = np.where(movable, pair_of, len(moved))
    indices = encoded.indices.take(pa.array(_masked(chosen, there)))
    return pa.DictionaryArray.from_arrays(indices, encoded.dictionary)


def _masked(positions: npt.NDArray[np.int64], there: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(positions, mask=~there)


@lru_cache(maxsize=65_536)
def _day(text: str) -> np.datetime64 | None:
    try:
        return np.datetime64(text, "D")
    except ValueError:
        return None


def _moved(text: str, days: int) -> str:
    day = _day(text[:_DATE_LENGTH])
    return WITHHELD if day is None else f"{day + np.timedelta64(days, 'D')}{text[_DATE_LENGTH:]}"
