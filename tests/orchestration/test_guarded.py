"""The guard around a run: what a whole night begins with, and which runs are one."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from orchestration import guarded
from orchestration.jobs import JOB_NAME, STARTED_BY_COMMAND, is_whole_night
from orchestration.settings import ROOT, Settings
from tests.night import TEST_KEY
from warehouse import WarehouseHome


@pytest.mark.parametrize(("tags", "left"), [(STARTED_BY_COMMAND, False), ({}, True)])
def test_the_commands_night_begins_with_recovery_and_chosen_steps_keep_their_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], left: bool
) -> None:
    (tmp_path / "extracts").mkdir()
    home = WarehouseHome(tmp_path / "home")
    home.prepare()
    leftover = home.build / "warehouse.duckdb"
    leftover.write_bytes(b"of a killed refresh")
    begun: list[Settings] = []
    monkeypatch.setattr(guarded.RefreshContext, "begin", lambda refresh: begun.append(refresh.settings))
    settings = Settings(tmp_path / "extracts", ROOT / "study.yml", home, pseudonym_key=TEST_KEY)

    @dg.op(required_resource_keys={"refresh"})
    def step() -> None:
        assert leftover.exists() is left

    @dg.job(name=JOB_NAME, resource_defs={"refresh": guarded.guarded_refresh(settings)})
    def night() -> None:
        step()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        # Dagster names every step of a run in this process, as if they were chosen.
        assert night.execute_in_process(instance=instance, tags=tags).success
    assert begun == ([] if left else [settings])


def test_a_night_of_the_daemon_is_whole_unless_steps_are_chosen() -> None:
    assert is_whole_night(dg.DagsterRun(job_name=JOB_NAME))
    assert not is_whole_night(dg.DagsterRun(job_name=JOB_NAME, step_keys_to_execute=["report__html"]))
    assert not is_whole_night(dg.DagsterRun(job_name="__ASSET_JOB", tags=STARTED_BY_COMMAND))
    assert not is_whole_night(None)
