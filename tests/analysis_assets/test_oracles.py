"""Tests on the tests: oracles say where they come from, and no tolerance is too loose to fail."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.oracles.reading import ROOT, checksum, input_file, oracle_files

LOOSEST = 1e-3
# Half a unit of a figure printed with one decimal; figures with more decimals stay below LOOSEST.
HALF_A_PRINTED_UNIT = 0.05
TOLERANCE = re.compile(r"\b(rel|rtol|abs|atol|rel_tol|abs_tol)\s*=\s*([0-9][0-9_.]*(?:e[+-]?[0-9]+)?)", re.IGNORECASE)
# Pixels and points of a layout are no statistics.
LAYOUT = "figures"


def too_loose(path: Path) -> list[str]:
    found = []
    for keyword, number in TOLERANCE.findall(path.read_text(encoding="utf-8")):
        absolute = keyword.lower().startswith("a")
        if float(number) > LOOSEST and not (absolute and float(number) == HALF_A_PRINTED_UNIT):
            found.append(f"{keyword}={number}")
    return found


def test_no_test_of_numbers_has_a_tolerance_looser_than_one_in_a_thousand() -> None:
    files = [path for path in sorted((ROOT / "tests").rglob("*.py")) if LAYOUT not in path.parts]
    assert len(files) > 5
    assert {path.name: too_loose(path) for path in files if too_loose(path)} == {}


def test_the_search_for_tolerances_sees_a_loose_one(tmp_path: Path) -> None:
    written = tmp_path / "test_loose.py"
    # Written with ~ for =, or the search would find this very file.
    written.write_text("approx(2, rel~0.5)\nallclose(a, b, atol ~ 1e-2)\napprox(69.2, abs~0.05)\n".replace("~", "="))
    assert [text.split("=")[1] for text in too_loose(written)] == ["0.5", "1e-2"]


@pytest.mark.parametrize("path", oracle_files(), ids=lambda path: path.relative_to(path.parents[1]).as_posix())
def test_every_oracle_names_its_tool_versions_recipe_and_unchanged_inputs(path: Path) -> None:
    oracle = json.loads(path.read_text(encoding="utf-8"))
    assert oracle["tool"]
    assert oracle["versions"]
    assert oracle["recipe"]
    assert oracle["answers"]
    assert oracle["inputs"]
    for described in oracle["inputs"]:
        assert checksum(input_file(described)) == described["sha256"]


def test_there_are_oracles_of_r_and_of_spss() -> None:
    tools = {json.loads(path.read_text(encoding="utf-8"))["tool"].split()[0] for path in oracle_files()}
    assert {"R", "IBM"} <= tools
