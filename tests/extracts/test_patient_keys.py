"""Keys of many patients at once: in the order of the patients file, in any other, and of one who isn't in it."""

from __future__ import annotations

import pyarrow as pa
import pytest

from orchestration.extracts.patient_keys import PatientKeys

IDS = [f"H-{number:03}" for number in range(100)]


def _keys_of(ids: list[str]) -> list[str] | None:
    keys = PatientKeys(pa.array(IDS), pa.array([f"key of {each}" for each in IDS])).of(pa.array(ids, pa.string()))
    return None if keys is None else keys.to_pylist()


@pytest.mark.parametrize(
    "ids",
    [
        IDS,
        IDS[40:60],
        [IDS[7]],
        ["H-005", "H-007", "H-006", "H-008"],  # in a run, not in order
        ["H-010", "H-013"],  # first and last, four apart: just a run
        ["H-010", "H-018"],  # nine apart: none
        ["H-099", "H-000", "H-050"],
        ["H-005", "H-090", "H-006"],  # first and last are near, one between them is not
        [],
    ],
)
def test_each_id_has_its_own_key_wherever_it_stands(ids: list[str]) -> None:
    assert _keys_of(ids) == [f"key of {each}" for each in ids]


@pytest.mark.parametrize(
    "ids", [["H-100"], ["H-000", "h-001", "H-002"], ["H-000", "H-001", "H-100"], ["X", *IDS], ["H-000 "]]
)
def test_one_unknown_id_leaves_no_key_for_any(ids: list[str]) -> None:
    assert _keys_of(ids) is None


def test_without_a_patients_file_nobody_is_known() -> None:
    assert PatientKeys().of(pa.array(["H-001"])) is None
    assert PatientKeys().of(pa.array([], pa.string())).to_pylist() == []  # type: ignore[union-attr]
