"""Oracle files: what another program answered, for which input, made how."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

ORACLES = Path(__file__).parent
ROOT = ORACLES.parents[1]


def oracle_files() -> list[Path]:
    return sorted(ORACLES.glob("*/*.json"))


def input_file(described: dict[str, str]) -> Path:
    """The input of an oracle: in the repository, or inside an installed package."""
    if "package" not in described:
        return ROOT / described["file"]
    spec = importlib.util.find_spec(described["package"])
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / described["file"]


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def answers(name: str) -> dict[str, Any]:
    """Answers of the oracle ``folder/file.json``, after its inputs were found unchanged."""
    oracle: dict[str, Any] = json.loads((ORACLES / name).read_text(encoding="utf-8"))
    for described in oracle["inputs"]:
        assert checksum(input_file(described)) == described["sha256"], described
    result: dict[str, Any] = oracle["answers"]
    return result


def simulated_patients() -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Columns of r/simulated.csv; R's NA is NaN."""
    with (ORACLES / "r" / "simulated.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return {name: np.array([float(row[name].replace("NA", "nan")) for row in rows]) for name in rows[0]}
