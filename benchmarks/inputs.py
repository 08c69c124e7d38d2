"""What is measured on: extracts of any size in a work folder, made once, and the commands that work on them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import Command, python, run

LABS_PER_PATIENT = 100
# One in a thousand patients has something new in a night.
DELTA_SHARE = 0.001
_DELTA_SEED = 20180731
_KEY = "c0ffee" * 10 + "d00d"  # the patients are invented: this key protects nothing
_DBT = Path(sys.executable).parent / "dbt"


@dataclass(frozen=True)
class Workplace:
    """The work folder of a benchmark run.

    Attributes:
        root: folder for extracts (kept between runs), homes and the peers' output.
        memory_limit: what each side may give to DuckDB.
    """

    root: Path
    memory_limit: str = "4GB"

    def reference_extract(self) -> Path:
        """Return the folder of extracts that holds the reference extract, made if missing."""
        return self._made("reference", ("-m", "synthetic_emr", "reference"))

    def scaled_extract(self, patients: int, file_format: str) -> Path:
        """Return the folder of extracts with a synthetic snapshot of that size, made if missing."""
        return self._made(f"{patients}-{file_format}", self._scale(patients, file_format))

    def delta_extract(self, patients: int, file_format: str) -> Path:
        """Return the folder of extracts with a snapshot of that size and, a day later, a delta of 0.1% of its rows."""
        folder = self.root / "extracts" / f"{patients}-{file_format}-delta"
        if folder.is_dir():
            return folder
        snapshot = self.scaled_extract(patients, file_format)
        changed = max(1, round(patients * DELTA_SHARE))
        delta = self._made(
            f"delta-{changed}-{file_format}",
            (*self._scale(changed, file_format), "--seed", str(_DELTA_SEED)),
        )
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (night,) = snapshot.iterdir()
        (partial / night.name).symlink_to(night, target_is_directory=True)
        next_day = (date.fromisoformat(night.name) + timedelta(days=1)).isoformat()
        shutil.copytree(next(delta.iterdir()), partial / next_day)
        _as_delta(partial / next_day, next_day)
        partial.rename(folder)
        return folder

    def fresh(self, name: str) -> Path:
        """Return an empty folder of that name; what an earlier round left there is gone."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def refresh(self, extracts: Path, home: Path) -> Command:
        """Return `make refresh` without make."""
        return python(
            "-m",
            "orchestration.refresh",
            environment={
                "CART_EXTRACTS": str(extracts),
                "CART_HOME": str(home),
                "CART_PSEUDONYM_KEY": _KEY,
                "CART_MEMORY_LIMIT": self.memory_limit,
                "CART_KEEP_VERSIONS": "1",
            },
        )

    def dbt_build(self, home: Path, out: Path) -> Command:
        """Return bare `dbt build` of the project on the lake of `home`, into a file of its own."""
        from orchestration.manifest import dbt_variables
        from orchestration.settings import DBT_PROJECT_DIR, ROOT

        project = ("--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR))
        paths = ("--target-path", str(out / "target"), "--log-path", str(out / "logs"))
        study = dbt_variables(ROOT / "study.yml")
        return Command(
            (str(_DBT), "build", "--exclude-resource-type", "unit_test", "--vars", study, *project, *paths),
            {
                "CART_LAKE": str(home / "lake"),
                "CART_BUILD_DATABASE": str(out / "bare.duckdb"),
                "CART_UNPUBLISHED_DATABASE": str(out / "unpublished.duckdb"),
                "CART_MEMORY_LIMIT": self.memory_limit,
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
                "DO_NOT_TRACK": "1",
            },
        )

    def bare_script(self, extract: Path, home: Path, out: Path) -> Command:
        """Return the plain SQL script on one extract and the home that a refresh has filled from it."""
        return python("-m", "benchmarks.bare_duckdb", str(extract), str(home), str(out), self.memory_limit)

    @staticmethod
    def _scale(patients: int, file_format: str) -> tuple[str, ...]:
        size = ("--patients", str(patients), "--labs-per-patient", str(LABS_PER_PATIENT))
        return ("-m", "synthetic_emr", "scale", *size, "--format", file_format)

    def _made(self, name: str, arguments: tuple[str, ...]) -> Path:
        folder = self.root / "extracts" / name
        if not folder.is_dir():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            say(f"making the extract {name} ...")
            run(python(*arguments, "--out", str(partial)))
            partial.rename(folder)
        return folder


def prepare_environment() -> None:
    """Bring into being what a nightly server has from its installation: bytecode and the dbt manifest."""
    packages = ("study", "warehouse", "orchestration", "analysis_assets", "expectations")
    run(python("-m", "compileall", "-q", *packages))
    run(python("-m", "orchestration.manifest"))


def say(text: str) -> None:
    """Tell the person who waits; standard output is for figures."""
    load = os.getloadavg()[0]
    print(f"[load {load:.1f}] {text}", file=sys.stderr, flush=True)


def nothing() -> None:
    """Prepare nothing before a round."""


Preparation = Callable[[], None]


def _as_delta(folder: Path, day: str) -> None:
    """Make a snapshot's manifest that of a delta of `day`."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest |= {"mode": "delta", "extract_date": day}
    for file in manifest["files"]:
        if hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest() != file["sha256"]:
            raise ValueError(f"{file['path']} is not what its manifest says; delete the folder {folder.parent}")
    path.write_text(json.dumps(manifest), encoding="utf-8")
