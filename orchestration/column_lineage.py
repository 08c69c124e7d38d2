"""Which column of which table each model column comes from, read from dbt's compiled SQL.

Computed once per version of the dbt project, when its manifest is made, and attached to every materialisation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Lineage = dict[str, dict[str, list[list[str]]]]
"""Model (`schema.name`) to column to `[upstream table, upstream column]` pairs; a feed of the lake is `raw.<feed>`."""

_DIALECT = "duckdb"
_NOT_IN_LAKE = re.compile(r"_(precision|has_time|text|comparator)$")


def compute_lineage(manifest: Mapping[str, Any]) -> Lineage:
    """Return the lineage of every model of a manifest that holds compiled SQL.

    A column whose SQL can't be followed (an aggregate over a constant, a generated value) has no upstream columns.
    """
    models = {
        node["relation_name"].replace('"', "").split(".", 1)[-1]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node.get("compiled_code")
    }
    schema = _schema(manifest)
    return {name: _model_lineage(node, schema, manifest) for name, node in models.items()}


def _schema(manifest: Mapping[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Known columns of every model and seed, for resolving `select *`: documented columns, or the seed's header."""
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] in ("model", "seed"):
            columns = {name: column.get("data_type") or "varchar" for name, column in node["columns"].items()}
            if columns:
                schema.setdefault(node["schema"], {})[node["name"]] = columns
    return schema


def _model_lineage(
    node: Mapping[str, Any], schema: Mapping[str, Any], manifest: Mapping[str, Any]
) -> dict[str, list[list[str]]]:
    feed = _feed_of(node, manifest)
    if feed is not None:
        return {column: [[f"raw.{feed}", _NOT_IN_LAKE.sub("", column)]] for column in node["columns"]}
    return _traced_columns(node["compiled_code"], list(node["columns"]), schema)


def _feed_of(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> str | None:
    """A staging model reads one feed, through a list of files that SQL alone does not name."""
    parents = [parent for parent in node["depends_on"]["nodes"] if parent.startswith("source.")]
    return manifest["sources"][parents[0]]["name"] if node["schema"] == "staging" and len(parents) >= 1 else None


def _traced_columns(sql: str, columns: list[str], schema: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    try:
        tree = qualify(
            parse_one(sql, dialect=_DIALECT),
            schema=dict(schema),
            dialect=_DIALECT,
            validate_qualify_columns=False,
        )
        scope = build_scope(tree)
    except SqlglotError:
        return {column: [] for column in columns}
    traced: dict[str, list[list[str]]] = {}
    for column in columns:
        sources: set[tuple[str, str]] = set()
        try:
            for leaf in lineage(column, tree, schema=dict(schema), scope=scope, dialect=_DIALECT).walk():
                if isinstance(leaf.source, exp.Table) and leaf.source.db:
                    sources.add((f"{leaf.source.db}.{leaf.source.name}", leaf.name.split(".")[-1].strip('"')))
        except (SqlglotError, ValueError):
            sources = set()
        traced[column] = [list(pair) for pair in sorted(sources)]
    return traced


def origins_table(lineage: Lineage, table: str) -> str:
    """Return a Markdown table of a model's columns: what each is made of one step before, and in the raw feeds.

    Dagster's own pages draw assets, not columns; this is what a person reads there.
    """
    known: dict[tuple[str, str], frozenset[str]] = {}
    lines = ["| column | made of | raw columns |", "| --- | --- | --- |"]
    for column, parents in lineage[table].items():
        raw = sorted(_raw_columns(lineage, table, column, known))
        lines.append(f"| {column} | {', '.join('.'.join(pair) for pair in parents)} | {', '.join(raw)} |")
    return "\n".join(lines)


def _raw_columns(
    lineage: Lineage, table: str, column: str, known: dict[tuple[str, str], frozenset[str]]
) -> frozenset[str]:
    """The columns of raw feeds that a column comes from; models have no circles."""
    if table.startswith("raw."):
        return frozenset({f"{table.removeprefix('raw.')}.{column}"})
    if (table, column) not in known:
        parents = lineage.get(table, {}).get(column, [])
        found = (_raw_columns(lineage, source, name, known) for source, name in parents)
        known[table, column] = frozenset[str]().union(*found)
    return known[table, column]


def read_lineage(path: Path) -> Lineage:
    """Return the lineage kept beside the manifest; empty when there is none."""
    if not path.exists():
        return {}
    lineage: Lineage = json.loads(path.read_text(encoding="utf-8"))
    return lineage
