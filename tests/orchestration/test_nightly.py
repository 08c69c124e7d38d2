"""Which extracts a run ingests, when an extract counts as landed, and that the run state outlives its process."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import time
from pathlib import Path

import dagster as dg
import pytest

from orchestration.extracts import ExtractFolder
from orchestration.nightly import (
    changed_extracts,
    fingerprint,
    is_complete,
    partitions_to_run,
    register_partitions,
    remember_deliveries,
)
from orchestration.settings import Settings
from warehouse import WarehouseHome


def extract(folder: Path, name: str, content: str = "a") -> ExtractFolder:
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "patients.csv").write_text(content, encoding="utf-8")
    return ExtractFolder(dt.date.fromisoformat(name), path)


def settings(tmp_path: Path) -> Settings:
    home = WarehouseHome(tmp_path / "home").prepare()
    return Settings(extracts=tmp_path / "extracts", study=tmp_path / "study.yml", home=home)


@pytest.mark.parametrize(
    ("known", "landed", "changed", "expected"),
    [
        (["a"], ["a"], {"a"}, ("a", "a")),
        (["a", "b", "c"], ["a", "b", "c"], {"b", "c"}, ("b", "c")),
        (["a", "b", "c"], ["a", "b", "c"], set(), ("c", "c")),
        (["b", "c", "a"], ["a", "b", "c"], {"a"}, ("a", "a")),
        (["a", "b", "c"], ["a", "b", "c"], {"a", "c"}, ("a", "c")),
        (["gone", "b"], ["b"], {"gone", "b"}, ("b", "b")),
    ],
    ids=["first", "two new", "nothing new", "late arrival", "span with a known one", "folder removed"],
)
def test_partitions_to_run(known: list[str], landed: list[str], changed: set[str], expected: tuple[str, str]) -> None:
    assert partitions_to_run(known, landed, changed) == expected


@pytest.mark.parametrize(
    ("known", "changed", "incomplete", "expected"),
    [
        (["a", "b"], {"b"}, {"b"}, ("a", "a")),
        (["a", "b", "c"], {"a", "b", "c"}, {"b"}, ("a", "a")),
        (["a", "b", "c"], {"a", "b", "c"}, {"a"}, ("b", "c")),
        (["a", "b", "c"], {"a", "b", "c"}, {"c"}, ("a", "b")),
    ],
    ids=["only new one", "in the middle", "first", "last"],
)
def test_an_extract_that_is_still_written_is_not_touched(
    known: list[str], changed: set[str], incomplete: set[str], expected: tuple[str, str]
) -> None:
    assert partitions_to_run(known, known, changed, incomplete) == expected


def test_an_extract_is_new_until_it_was_ingested_and_again_when_it_changes(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    first, second = (extract(tmp_path / "extracts", name) for name in ("2018-07-30", "2018-07-31"))
    assert changed_extracts(chosen, [first, second]) == {"2018-07-30", "2018-07-31"}
    remember_deliveries(chosen, [first, second])
    assert changed_extracts(chosen, [first, second]) == set()
    extract(tmp_path / "extracts", "2018-07-30", "delivered again")
    assert changed_extracts(chosen, [first, second]) == {"2018-07-30"}


def test_a_fingerprint_holds_no_file_name(tmp_path: Path) -> None:
    delivered = extract(tmp_path, "2018-07-30")
    (delivered.path / "HOSP123 Jane Roe.csv").write_text("x", encoding="utf-8")
    assert "Roe" not in fingerprint(delivered)


SETTLE = 120


def last_change(delivered: ExtractFolder) -> float:
    return max(path.stat().st_ctime for path in delivered.path.rglob("*"))


@pytest.mark.parametrize(
    ("age", "complete"), [(SETTLE, True), (SETTLE - 1, False), (-3600, True)], ids=["settled", "not yet", "clock back"]
)
def test_without_a_manifest_an_extract_must_have_settled(tmp_path: Path, age: int, complete: bool) -> None:
    delivered = extract(tmp_path, "2018-07-30")
    # The time of writing that the source gave the file says nothing of when it arrived here.
    os.utime(delivered.path / "patients.csv", (1_000_000, 1_000_000))
    assert is_complete(delivered, SETTLE, last_change(delivered) + age) is complete


def test_an_empty_folder_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "2018-07-30").mkdir()
    assert not is_complete(ExtractFolder(dt.date(2018, 7, 30), tmp_path / "2018-07-30"), SETTLE, time.time() + SETTLE)


def test_a_manifest_is_believed_when_every_file_of_it_is_there(tmp_path: Path) -> None:
    delivered = extract(tmp_path, "2018-07-30", "all of it")
    listed = {
        "feed": "patients",
        "path": "patients.csv",
        "rows": 0,
        "sha256": hashlib.sha256(b"all of it").hexdigest(),
    }
    manifest = json.dumps({"files": [listed]})
    path, now = delivered.path / "manifest.json", last_change(delivered)
    path.write_text(manifest[:40], encoding="utf-8")
    assert not is_complete(delivered, SETTLE, now)
    path.write_text(manifest, encoding="utf-8")
    assert is_complete(delivered, SETTLE, now)
    extract(tmp_path, "2018-07-30", "all of")
    assert not is_complete(delivered, SETTLE, now)
    (delivered.path / "patients.csv").unlink()
    assert not is_complete(delivered, SETTLE, now)
    # It stays like that: the refresh shall say what is wrong with it.
    assert is_complete(delivered, SETTLE, last_change(delivered) + SETTLE)


def test_partitions_are_registered_once_and_late_ones_at_the_end(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        newer, older = extract(tmp_path, "2018-07-31"), extract(tmp_path, "2018-07-30")
        assert register_partitions(instance, [newer]) == ["2018-07-31"]
        assert register_partitions(instance, [older, newer]) == ["2018-07-31", "2018-07-30"]
