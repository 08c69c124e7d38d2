"""Hospital ids on their way: hashed many at once, and collected from chunk to chunk to be sealed."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pyarrow as pa
import pytest

from orchestration.extracts import Pseudonymiser, vault
from orchestration.extracts.vault import SeenIds, read_vault, write_vault

KEY = bytes(range(32))
IDS = ["HOSP-0002", "HOSP-0001", "患者-3", "HOSP-0002"]


def _hmac(text: str) -> str:
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


def test_many_hashes_at_once_are_those_of_the_contract() -> None:
    pseudonymiser = Pseudonymiser(KEY)
    assert pseudonymiser.patient_key("HOSP-0001") == _hmac("HOSP-0001")  # one is known already, the others are not
    assert pseudonymiser.keyed_hashes("patient", IDS) == [_hmac(each) for each in IDS]
    for kind in ("infusion", "event", "encounter"):
        expected = [_hmac(f"{kind}:{each}")[:32] for each in IDS]
        assert pseudonymiser.keyed_hashes(kind, IDS) == expected
        assert [pseudonymiser.keyed_hash(kind, each) for each in IDS] == expected


@pytest.mark.parametrize("most_waiting", [0, 3, 1_000_000])
def test_ids_of_all_chunks_are_sealed_each_once(
    most_waiting: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "_MOST_WAITING", most_waiting)
    seen = SeenIds()
    for event, parent in ((["e1", "e2"], ["e1"]), (["e3"], []), (["e2", "e4"], ["e3", "e5"])):
        columns = [pa.array(event, pa.string()), pa.array(parent, pa.string())]
        seen.add({"event": pa.chunked_array(columns), "patient": pa.chunked_array([pa.array(["p1"])])})
    assert seen.by_kind()["event"].to_pylist() == ["e1", "e2", "e3", "e4", "e5"]
    assert seen.by_kind()["patient"].to_pylist() == ["p1"]
    write_vault(tmp_path / "ids.sealed", seen.by_kind(), KEY)
    assert read_vault(tmp_path / "ids.sealed", KEY) == {"event": {"e1", "e2", "e3", "e4", "e5"}, "patient": {"p1"}}


def test_a_file_without_ids_has_an_empty_vault(tmp_path: Path) -> None:
    write_vault(tmp_path / "ids.sealed", SeenIds().by_kind(), KEY)
    assert read_vault(tmp_path / "ids.sealed", KEY) == {}
