"""Write `docs/data-dictionary.md` from dbt's manifest: every table that analysts query, column by column.

Run by `make dictionary`. The page is made, never edited: descriptions stand beside the models. `--check` writes
nothing and fails when the page is not what the project says.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner

REPOSITORY = Path(__file__).resolve().parents[1]
DBT_PROJECT = REPOSITORY / "dbt_project"
PAGE = REPOSITORY / "docs" / "data-dictionary.md"

SCHEMAS = {
    "marts": "What analysts query. Types are enforced by contract.",
    "quality": "What the night saw and refused. `check_results` and `build` are written by the night itself.",
    "intermediate": "One clinical concept a table: how the marts come about. Free to change between versions.",
    "staging": "The extract's rows, typed, one view a feed.",
}


def parse_manifest() -> Mapping[str, Any]:
    """Return the manifest of the project, parsed afresh; SystemExit with dbt's message if it can't be parsed."""
    with tempfile.TemporaryDirectory() as target:
        folders = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
        parsed = dbtRunner().invoke(["--quiet", "parse", *folders, "--target-path", target, "--log-path", target])
        if not parsed.success:
            raise SystemExit(f"dbt can't parse {DBT_PROJECT.name}: {parsed.exception}")
        manifest: Mapping[str, Any] = json.loads((Path(target) / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def cell(text: str) -> str:
    """Return text as it stands in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def table_lines(node: Mapping[str, Any]) -> Iterable[str]:
    """Yield the section of one table."""
    yield f"### `{node['schema']}.{node['alias']}`"
    yield ""
    yield " ".join(node["description"].split())
    yield ""
    typed = any(column["data_type"] for column in node["columns"].values())
    yield "| column | type | meaning |" if typed else "| column | meaning |"
    yield "| --- | --- | --- |" if typed else "| --- | --- |"
    for name, column in node["columns"].items():
        kind = f" {cell(column['data_type'] or '')} |" if typed else ""
        yield f"| `{name}` |{kind} {cell(column['description'])} |"
    yield ""


def seed_lines(nodes: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Yield the list of code lists."""
    yield "## Code lists and constants"
    yield ""
    yield "Seeds, in `dbt_project/seeds`: versioned with the code, never literals in SQL."
    yield ""
    yield "| seed | what it holds |"
    yield "| --- | --- |"
    for node in nodes:
        yield f"| `{node['name']}` | {cell(node['description'])} |"
    yield ""


def dictionary(manifest: Mapping[str, Any]) -> str:
    """Return the whole page."""
    nodes = sorted(manifest["nodes"].values(), key=lambda node: str(node["name"]))
    lines = [
        "# Data dictionary",
        "",
        "Made from the dbt project by `make dictionary`; don't edit it, edit the descriptions beside the models.",
        "Dates are DATE; `study_day` counts from the first CAR-T infusion (day 0); patients appear as `patient_key`.",
        "",
    ]
    for schema, about in SCHEMAS.items():
        lines += [f"## Schema `{schema}`", "", about, ""]
        for node in nodes:
            if node["resource_type"] == "model" and node["schema"] == schema:
                lines += table_lines(node)
    lines += seed_lines(node for node in nodes if node["resource_type"] == "seed")
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the page is not current; write nothing")
    chosen = parser.parse_args(arguments)
    page = dictionary(parse_manifest())
    if not chosen.check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    print("docs/data-dictionary.md is not what the dbt project says: run `make dictionary`.", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
