"""Old runs leave Dagster's history with their files; the newest stay."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest

from orchestration.instance import prepare_environment
from orchestration.prune_runs import main, prune_runs
from orchestration.settings import Settings
from tests.night import ROOT
from warehouse import WarehouseHome


@pytest.mark.slow
def test_the_newest_runs_stay_and_the_files_of_the_others_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.op
    def step() -> None: ...

    @dg.job
    def night() -> None:
        step()

    home = WarehouseHome(tmp_path / "home").prepare()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CART_", "DAGSTER_"))}
    monkeypatch.setattr(os, "environ", {**kept, "CART_HOME": str(home.root)})  # the preparation sets more
    prepare_environment(Settings(tmp_path, ROOT / "study.yml", home))
    with dg.DagsterInstance.get() as instance:
        runs = [night.execute_in_process(instance=instance).run_id for _ in range(4)]
    files = {path.name.partition(".")[0] for path in home.dagster.glob("history/runs/*-*.db")}
    assert files == set(runs)
    assert main(["2"]) == 0
    with dg.DagsterInstance.get() as instance:
        assert [run.run_id for run in instance.get_runs()] == runs[:1:-1]
        assert prune_runs(instance, 2) == []
        assert len(instance.all_logs(runs[3])) > 3
    assert {path.name.partition(".")[0] for path in home.dagster.glob("history/runs/*-*.db*")} == set(runs[2:])
    assert main(["0"]) == 2
