"""Which column of which table each model column comes from, read from dbt's compiled SQL.

Computed once per version of the dbt project, when its manifest is made, and attached to every materialisation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

Origins = frozenset[tuple[str, str]]
Lineage = dict[str, dict[str, list[list[str]]]]
"""Model (`schema.name`) to column to `[upstream table, upstream column]` pairs; a feed of the lake is `raw.<feed>`."""

ROWS: Final = "*"
"""Stands for a column where a table counts by which rows it has; also what decides the rows of a model itself."""
KEY: Final = "patient_key"
_FEED = "source_feed"  # the name of the feed, which none of its columns holds
_NAMES_OF_ROWS = frozenset({KEY, _FEED, "source_extract", "source_file", "source_row"})
_NOT_IN_LAKE = re.compile(r"_(precision|has_time|text|comparator)$")


def compute_lineage(manifest: Mapping[str, Any]) -> Lineage:
    """Return the lineage of every model of a manifest that holds compiled SQL.

    A column that no data decide (a constant, the name of a rule) has no upstream columns.
    """
    nodes = list(manifest["nodes"].values())
    models = {_relation(node): node for node in nodes if node["resource_type"] == "model" and node.get("compiled_code")}
    seeds = {_relation(node) for node in nodes if node["resource_type"] == "seed"}
    schema = _schema(manifest)
    traced = {name: _model_origins(node, schema, seeds, manifest) for name, node in models.items()}
    deciding = _deciding_rows(traced)
    return {
        name: {column: _resolved(column, pairs, deciding) for column, pairs in columns.items() if column != ROWS}
        for name, columns in traced.items()
    }


def _relation(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}.{node['name']}"


def _schema(manifest: Mapping[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Known columns of every model and seed, for resolving `select *`: documented columns, or the seed's header."""
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] in ("model", "seed"):
            columns = {name: column.get("data_type") or "varchar" for name, column in node["columns"].items()}
            if columns:
                schema.setdefault(node["schema"], {})[node["name"]] = columns
    return schema


def _model_origins(
    node: Mapping[str, Any], schema: Mapping[str, Any], seeds: Collection[str], manifest: Mapping[str, Any]
) -> dict[str, Origins]:
    # Imported here: a night reads what was computed when the manifest was made.
    from orchestration.column_tracing import trace_select

    feeds = _feeds_of(node, manifest)
    if feeds and node["schema"] == "staging":
        return {
            column: frozenset((f"raw.{feed}", _NOT_IN_LAKE.sub("", column)) for feed in feeds if column != _FEED)
            for column in node["columns"]
        }
    lake = f"raw.{feeds[0]}" if len(feeds) == 1 else ""
    return trace_select(node["compiled_code"], list(node["columns"]), schema, seeds, lake)


def _deciding_rows(traced: Mapping[str, Mapping[str, Origins]]) -> dict[str, Origins]:
    """Per model, the columns that decide which rows it has: a presence test of a model is made of these."""
    found: dict[str, Origins] = {}

    def deciding(name: str) -> Origins:
        if name not in found:
            columns = traced.get(name, {})
            pairs = columns.get(ROWS, frozenset())
            through = (deciding(table) for table, column in pairs if column == ROWS)
            conditions = frozenset(pair for pair in pairs if pair[1] != ROWS).union(*through)
            found[name] = conditions or frozenset({(name, KEY)} if KEY in columns else ())
        return found[name]

    for name in traced:
        deciding(name)
    return found


def _resolved(column: str, pairs: Origins, deciding: Mapping[str, Origins]) -> list[list[str]]:
    """Pairs of real columns, less those that only name a row (the patient's key, the file) wherever more is known.

    Ties are broken by file and row; only evidence is made of them.
    """
    real = {pair for pair in pairs if pair[1] != ROWS}
    real.update(*(deciding.get(table, frozenset()) for table, name in pairs if name == ROWS))
    telling = {pair for pair in real if pair[1] not in _NAMES_OF_ROWS}
    return [list(pair) for pair in sorted(real if names_rows(column) else telling or real)]


def names_rows(column: str) -> bool:
    """Whether a column says which rows of which files a value stands on, or whose they are."""
    return column in _NAMES_OF_ROWS or column.endswith("evidence")


def _feeds_of(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """The feeds that a model reads through lists of files, which SQL alone does not name.

    The columns of a staging model are named as the feed's are.
    """
    return [manifest["sources"][one]["name"] for one in node["depends_on"]["nodes"] if one.startswith("source.")]


def origins_table(lineage: Lineage, table: str, known: dict[tuple[str, str], frozenset[str]] | None = None) -> str:
    """Return a Markdown table of a model's columns: what each is made of one step before, and in the raw feeds.

    Dagster's own pages draw assets, not columns; this is what a person reads there. `known` is as in `raw_columns`.
    """
    known = {} if known is None else known
    lines = ["| column | made of | raw columns |", "| --- | --- | --- |"]
    for column, parents in lineage[table].items():
        raw = raw_columns(lineage, table, column, known)
        lines.append(f"| {column} | {', '.join('.'.join(pair) for pair in parents)} | {', '.join(sorted(raw))} |")
    return "\n".join(lines)


def raw_columns(
    lineage: Lineage, table: str, column: str, known: dict[tuple[str, str], frozenset[str]]
) -> frozenset[str]:
    """Return the columns of raw feeds (`feed.column`) that a column comes from; what is found is added to `known`."""
    if table.startswith("raw."):
        return frozenset({f"{table.removeprefix('raw.')}.{column}"})
    if (table, column) not in known:
        parents = lineage.get(table, {}).get(column, [])
        found = (raw_columns(lineage, source, name, known) for source, name in parents)
        known[table, column] = frozenset[str]().union(*found)
    return known[table, column]


def read_lineage(path: Path) -> Lineage:
    """Return the lineage kept beside the manifest; empty when there is none."""
    if not path.exists():
        return {}
    lineage: Lineage = json.loads(path.read_text(encoding="utf-8"))
    return lineage
