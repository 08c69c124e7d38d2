"""The audit trail: complete, append-only, chained, and whole after a kill."""

from __future__ import annotations

import hashlib
import json

import pytest

from orchestration.operations import OperationsError, audit_trail, record_builds
from tests.operations.conftest import Night
from warehouse import WarehouseHome

FIELDS = {
    "version", "run_id", "published_at", "who", "host", "code_version", "study_sha256", "key_id",
    "inputs_sha256", "new_inputs", "results", "previous",
}  # fmt: skip


def test_each_build_is_noted_with_who_when_what_and_results(home: WarehouseHome, night: Night) -> None:
    night(1)
    night(2)
    first, second = audit_trail(home)
    assert set(first.content) == FIELDS
    assert (first.content["run_id"], second.content["run_id"]) == ("run1", "run2")
    assert first.content["code_version"] == "0.1.0+abc"
    export = home.versions / first.version / "exports" / "patients.parquet"
    assert first.content["results"]["patients.parquet"] == hashlib.sha256(export.read_bytes()).hexdigest()
    assert [source["feed"] for source in first.content["new_inputs"]] == ["lab_results", "patients"]
    assert second.content["new_inputs"] == []
    assert first.content["inputs_sha256"] == second.content["inputs_sha256"]
    assert first.content["results"] != second.content["results"]


def test_the_trail_only_grows(home: WarehouseHome, night: Night) -> None:
    path = home.lake / "ledger" / "builds.jsonl"
    before = b""
    for number in range(1, 6):
        night(number)
        now = path.read_bytes()
        assert now.startswith(before)
        before = now
    assert len(audit_trail(home)) == 5  # though only three versions are kept
    assert record_builds(home) == []
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_changed_or_removed_line_shows(home: WarehouseHome, night: Night, change: str) -> None:
    for number in (1, 2, 3):
        night(number)
    path = home.lake / "ledger" / "builds.jsonl"
    lines = path.read_text().splitlines()
    second = json.loads(lines[1])
    second["who"] = "nobody"
    lines[1:2] = [json.dumps(second)] if change == "edit" else []
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(OperationsError, match="was changed or lost a line"):
        audit_trail(home)


def test_a_torn_last_line_is_noted_again(home: WarehouseHome, night: Night) -> None:
    night(1)
    version = night(2)
    path = home.lake / "ledger" / "builds.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert len(audit_trail(home)) == 1
    assert record_builds(home) == [version.name]
    assert path.read_bytes() == whole


def test_an_unreadable_line_is_named(home: WarehouseHome) -> None:
    (home.lake / "ledger" / "builds.jsonl").write_text("[]\n")
    with pytest.raises(OperationsError, match="line 1 can't be read"):
        audit_trail(home)
