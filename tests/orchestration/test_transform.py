"""How dbt is asked, and when it begins: one model at a time where memory decides, ahead where all is built anyway."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration.settings import ROOT, Settings
from orchestration.transform import begin_whole_build, one_model_at_a_time
from warehouse import WarehouseHome


@pytest.mark.parametrize(("rows", "options"), [(49_999_999, []), (50_000_000, ["--threads", "1"])])
def test_a_very_long_history_is_built_one_model_at_a_time(rows: int, options: list[str]) -> None:
    ledger = [SimpleNamespace(accepted=rows - 1), SimpleNamespace(accepted=1)]
    refresh: Any = SimpleNamespace(ledger=ledger)
    assert one_model_at_a_time(refresh) == options


class Begun:
    """Stands for dbt's process: says what it was asked to begin with."""

    def __init__(self) -> None:
        self.arguments: list[str] = []

    def begin(self, arguments: list[str], environment: object, prebuilt: object) -> None:
        self.arguments = arguments


@pytest.mark.parametrize(("rows", "begins"), [(99, True), (100, False)])
def test_dbt_begins_beside_the_checks_only_where_no_delta_night_may_follow(
    tmp_path: Path, rows: int, begins: bool
) -> None:
    settings = Settings(tmp_path, ROOT / "study.yml", WarehouseHome(tmp_path).prepare(), delta_from_rows=100)
    refresh: Any = SimpleNamespace(
        ledger=[SimpleNamespace(accepted=rows)], settings=settings, home=settings.home, dbt=Begun()
    )
    begin_whole_build(refresh)
    assert (refresh.dbt.arguments != []) == begins
