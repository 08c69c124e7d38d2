"""Dagster's home inside the warehouse home, and the environment that dbt and Dagster read."""

from __future__ import annotations

import os
from pathlib import Path

from ruamel.yaml import YAML

from orchestration.settings import ROOT, Settings
from warehouse import writing

_POSTGRES = {"postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}}


def prepare_environment(settings: Settings) -> Path:
    """Write dagster.yaml into the warehouse home and set DAGSTER_HOME and dbt's variables; returns DAGSTER_HOME.

    Raises:
        WarehouseError: the home can't be written.
    """
    home = settings.home.dagster
    yaml = YAML(typ="safe")
    content = yaml.load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    if os.environ.get("DAGSTER_PG_URL"):
        content["storage"] = _POSTGRES
    path = home / "dagster.yaml"
    with writing(path), path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices are small; more threads only wait for each other
    _find_house_from_anywhere()
    os.environ.update(settings.dbt_environment())
    return home


def _find_house_from_anywhere() -> None:
    """Dagster's servers load the run storage named in dagster.yaml from processes that don't start in the checkout."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(ROOT) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in (str(ROOT), *paths) if path)
