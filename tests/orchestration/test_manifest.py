"""Whether dbt's project is compiled anew: when a file of it changed, whatever the clock said at the time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from orchestration import manifest

A_YEAR = 365 * 24 * 3600


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A small project in place of the real one; the list grows by one with every compilation."""
    target = tmp_path / "dbt_project" / "target"
    (tmp_path / "dbt_project" / "models").mkdir(parents=True)
    (tmp_path / "dbt_project" / "models" / "a.sql").write_text("select 1")
    monkeypatch.setattr(manifest, "DBT_PROJECT_DIR", tmp_path / "dbt_project")
    monkeypatch.setattr(manifest, "ROOT", Path("/"))
    monkeypatch.setattr(manifest, "MANIFEST", target / "manifest.json")
    monkeypatch.setattr(manifest, "LINEAGE", target / "column_lineage.json")
    monkeypatch.setattr(manifest, "MADE_FROM", target / "made_from.sha256")
    times: list[str] = []

    def compile_it() -> None:
        for path in (manifest.MANIFEST, manifest.LINEAGE):
            path.write_text("{}")
        manifest.MADE_FROM.write_text(manifest.project_digest())
        times.append(manifest.project_digest())

    monkeypatch.setattr(manifest, "_compile", compile_it)
    manifest.ensure_manifest()
    manifest.ensure_manifest()
    assert len(times) == 1
    return times


def test_a_file_dated_in_the_future_is_no_reason_to_compile(compiled: list[str]) -> None:
    model = manifest.DBT_PROJECT_DIR / "models" / "a.sql"
    os.utime(model, (time.time() + A_YEAR, time.time() + A_YEAR))
    manifest.ensure_manifest()
    assert len(compiled) == 1


def test_a_change_made_after_the_clock_was_put_back_is_compiled(compiled: list[str]) -> None:
    model = manifest.DBT_PROJECT_DIR / "models" / "a.sql"
    model.write_text("select 2")
    os.utime(model, (time.time() - A_YEAR, time.time() - A_YEAR))
    manifest.ensure_manifest()
    assert len(compiled) == 2


@pytest.mark.parametrize("change", ["added", "renamed", "removed"])
def test_files_that_come_and_go_are_changes(compiled: list[str], change: str) -> None:
    model = manifest.DBT_PROJECT_DIR / "models" / "a.sql"
    if change == "added":
        model.with_name("b.sql").write_text("")
    elif change == "renamed":
        model.rename(model.with_name("b.sql"))
    else:
        model.unlink()
    manifest.ensure_manifest()
    assert len(compiled) == 2
