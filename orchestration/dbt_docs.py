"""The static dbt docs: dbt's own page with this project's manifest and the columns of tonight's build inside.

`dbt docs generate --static` does the same in a process of its own, which takes as long as a parse.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from warehouse import connect_read_only

_CATALOG_VERSION = "https://schemas.getdbt.com/dbt/catalog/v1.json"


def write_dbt_docs(manifest: Mapping[str, Any], databases: Sequence[Path], folder: Path) -> Path:
    """Write `index.html` into `folder` and return its path.

    Args:
        manifest: dbt's manifest; absolute paths of this machine are left out of the page.
        databases: closed DuckDB files of the build, for columns and types.
        folder: made when missing.
    """
    page = (importlib.resources.files("dbt.task.docs") / "index.html").read_text(encoding="utf-8")
    nodes = {unique_id: _without_paths(node) for unique_id, node in manifest["nodes"].items()}
    shown = {**manifest, "nodes": nodes}
    page = page.replace('"MANIFEST.JSON INLINE DATA"', json.dumps(shown))
    page = page.replace('"CATALOG.JSON INLINE DATA"', json.dumps(_catalog(manifest, databases)))
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def _without_paths(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in ("root_path", "compiled_path", "build_path")}


def _catalog(manifest: Mapping[str, Any], databases: Sequence[Path]) -> dict[str, Any]:
    rows = [row for database in databases for row in _columns(database)]
    columns: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for schema, table, index, column, kind in rows:
        columns.setdefault((schema, table), {})[column] = {
            "type": kind,
            "index": index,
            "name": column,
            "comment": None,
        }
    nodes = {}
    for unique_id, node in manifest["nodes"].items():
        found = columns.get((node["schema"], node["name"]))
        if node["resource_type"] in ("model", "seed") and found:
            nodes[unique_id] = {
                "unique_id": unique_id,
                "metadata": {
                    "type": "VIEW" if node["config"]["materialized"] == "view" else "BASE TABLE",
                    "schema": node["schema"],
                    "name": node["name"],
                    "database": "warehouse",
                    "comment": None,
                    "owner": None,
                },
                "columns": found,
                "stats": {"has_stats": {"id": "has_stats", "label": "Has Stats?", "value": False, "include": False}},
            }
    metadata = {"dbt_schema_version": _CATALOG_VERSION, **manifest["metadata"]}
    return {"metadata": metadata, "nodes": nodes, "sources": {}, "errors": None}


def _columns(database: Path) -> list[tuple[str, str, int, str, str]]:
    with connect_read_only(database) as connection:
        return connection.execute(
            """
            select schema_name, table_name, column_index, column_name, data_type
            from duckdb_columns()
            where database_name = current_database() and not internal
            order by all
            """
        ).fetchall()
