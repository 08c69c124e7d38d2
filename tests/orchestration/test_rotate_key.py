"""A home has one pseudonym key: another one is refused before anything is read, and `make rotate-key` changes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from orchestration.extracts import (
    FEEDS,
    KeyRefused,
    Lake,
    Pseudonymiser,
    discover_extracts,
    ingest_feed,
    load_profile,
    parse_key,
    require_key_of,
)
from orchestration.guarded import guarded_refresh
from orchestration.operations import verify
from orchestration.rotate_key import rotate
from orchestration.settings import ROOT, Settings
from tests.night import TEST_KEY, Night, run_refresh
from tests.orchestration.test_refusals import small_extract
from warehouse import WarehouseHome, list_versions

OTHER_KEY = "0dd5" * 16


def run_module(module: str, home: Path, extracts: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CART_", "DAGSTER_"))}
    environment = {**kept, "CART_HOME": str(home), "CART_EXTRACTS": str(extracts), **settings}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def every_file(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a home whose lake holds a small extract under the test key."""
    extracts = small_extract(tmp_path / "extracts")
    home = WarehouseHome(tmp_path / "home").prepare()
    (extract,) = discover_extracts(extracts)
    for feed in FEEDS:
        ingest_feed(
            extract,
            feed,
            profile=load_profile("canonical"),
            pseudonymiser=Pseudonymiser(parse_key(TEST_KEY)),
            lake=Lake(home.lake),
        )
    return Settings(extracts, ROOT / "study.yml", home, pseudonym_key=TEST_KEY)


@pytest.mark.parametrize(
    ("module", "arguments"), [("orchestration.refresh", ()), ("orchestration.backfill", ("2018-07-30",))]
)
def test_another_key_than_the_homes_is_refused_with_the_way_to_change_it(
    settings: Settings, module: str, arguments: tuple[str, ...]
) -> None:
    before = every_file(settings.home.lake)
    status, _, said = run_module(
        module, settings.home.root, settings.extracts, *arguments, CART_PSEUDONYM_KEY=OTHER_KEY
    )
    assert status == 2
    own, other = (Pseudonymiser(parse_key(key)).key_id for key in (TEST_KEY, OTHER_KEY))
    for text in ("refused: CART_PSEUDONYM_KEY", own, other, str(settings.home.root), "make rotate-key"):
        assert text in said
    assert TEST_KEY not in said
    assert OTHER_KEY not in said
    assert every_file(settings.home.lake) == before
    assert not settings.home.database.exists()
    assert list(settings.home.dagster.iterdir()) == []


@pytest.mark.parametrize(("key", "ends_well"), [(TEST_KEY, True), (OTHER_KEY, False), (None, True)])
def test_a_run_of_the_daemon_or_the_pages_is_guarded_too(
    settings: Settings, tmp_path: Path, key: str | None, ends_well: bool
) -> None:
    @dg.op(required_resource_keys={"refresh"})
    def step() -> None:
        pass

    @dg.job(resource_defs={"refresh": guarded_refresh(replace(settings, pseudonym_key=key))})
    def chosen_steps() -> None:
        step()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        result = chosen_steps.execute_in_process(instance=instance, raise_on_error=False)
        assert result.success is ends_well
        (run,) = instance.get_runs()
    assert ("dagster/max_retries" in run.tags) is not ends_well


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (TEST_KEY, "ab", "CART_NEW_PSEUDONYM_KEY has 1 bytes"),
        (TEST_KEY, "x" * 64, "CART_NEW_PSEUDONYM_KEY is not hexadecimal"),
        ("ab", OTHER_KEY, "CART_PSEUDONYM_KEY has 1 bytes"),
        (OTHER_KEY, "ab12" * 16, "CART_PSEUDONYM_KEY is the key"),
    ],
    ids=["new short", "new not hex", "old short", "old not the home's"],
)
def test_a_rotation_names_the_key_that_is_wrong_and_changes_nothing(
    settings: Settings, old: str, new: str, named: str
) -> None:
    lake = every_file(settings.home.lake)
    with pytest.raises(KeyRefused, match=f"^{named}"):
        rotate(replace(settings, pseudonym_key=old, new_pseudonym_key=new))
    assert every_file(settings.home.lake) == lake


@pytest.mark.slow
def test_a_rotated_home_is_rebuilt_and_takes_the_new_key_alone(
    published_night: Night, reference_extracts: Path, tmp_path: Path
) -> None:
    shutil.copytree(published_night.home, tmp_path / "home", symlinks=True)
    home = WarehouseHome(tmp_path / "home")
    keys = {"CART_PSEUDONYM_KEY": TEST_KEY, "CART_NEW_PSEUDONYM_KEY": OTHER_KEY}
    status, _, said = run_module("orchestration.rotate_key", home.root, tmp_path / "no_extracts", **keys)
    assert status == 0, said
    (version,) = list_versions(home)  # whoever has the old key could tell the patients of those before
    assert version.sequence == 2
    assert verify(home).problems == ()

    before = every_file(home.versions)
    refused = run_refresh(home.root, reference_extracts)
    assert refused.status == 2
    assert "The last published warehouse is unchanged." in refused.stderr
    assert every_file(home.versions) == before
    require_key_of(Lake(home.lake), Pseudonymiser(parse_key(OTHER_KEY)))
