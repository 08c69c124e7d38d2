"""How dbt is asked: one model at a time where memory decides."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orchestration.transform import one_model_at_a_time


@pytest.mark.parametrize(("rows", "options"), [(99, []), (100, ["--threads", "1"])])
def test_a_long_history_is_built_one_model_at_a_time(rows: int, options: list[str]) -> None:
    ledger = [SimpleNamespace(accepted=rows - 1), SimpleNamespace(accepted=1)]
    refresh: Any = SimpleNamespace(ledger=ledger, settings=SimpleNamespace(delta_from_rows=100))
    assert one_model_at_a_time(refresh) == options
