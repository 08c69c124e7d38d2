"""Runs a refresh as a user would: in a process of its own, with an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TEST_KEY = "5eed" * 16


@dataclass(frozen=True)
class Night:
    """A refresh that was run as a user would: its home, its exit status and what it printed."""

    home: Path
    status: int
    stdout: str
    stderr: str

    @property
    def database(self) -> Path:
        return self.home / "warehouse.duckdb"


def study_of_few_figures(path: Path, data_cutoff: str | None) -> Path:
    """Write the project's study file with one factor in place of sixteen: a quarter of a night is drawing figures."""
    study = yaml.safe_load((ROOT / "study.yml").read_text(encoding="utf-8"))
    study["study"]["data_cutoff"] = data_cutoff
    for models in study["models"].values():
        models |= {name: ["age"] for name in ("factors", "covariates") if name in models}
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def run_refresh(
    home: Path, extracts: Path, *, module: str = "orchestration.refresh", key: str | None = TEST_KEY, **settings: str
) -> Night:
    """Run a refresh in a process of its own with an environment of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CART_", "DAGSTER_"))}
    environment |= {"CART_HOME": str(home), "CART_EXTRACTS": str(extracts), **settings}
    if key is not None:
        environment["CART_PSEUDONYM_KEY"] = key
    done = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return Night(home, done.returncode, done.stdout, done.stderr)
