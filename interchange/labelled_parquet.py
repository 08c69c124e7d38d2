"""Parquet files whose columns carry labels, written by DuckDB alone.

DuckDB writes metadata of the file but not of a column. Readers of Arrow (pyarrow, R's arrow, polars) take a column's
metadata from the file key `ARROW:schema`, an Arrow schema in base64, so that key is written with the labels in it.
For readers that don't know Arrow the same labels stand as JSON under the key `labels`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa

from interchange.naming import literal

Kind = Literal["text", "whole", "number", "date"]

_SQL_TYPES: dict[Kind, str] = {"text": "varchar", "whole": "integer", "number": "double", "date": "date"}
_ARROW_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "whole": pa.int32(),
    "number": pa.float64(),
    "date": pa.date32(),
}
ROW_GROUP_ROWS = 122_880  # fixed, so that the bytes don't depend on DuckDB's default


@dataclass(frozen=True)
class Variable:
    """One column: its name and label in the standard, its kind, and the SQL that gives it."""

    name: str
    label: str
    kind: Kind
    sql: str


@dataclass(frozen=True)
class Dataset:
    """One file: name and label in the standard, its columns, where they are read from and the columns that order it.

    An empty key says that the source is ordered already.
    """

    name: str
    label: str
    variables: Sequence[Variable]
    source: str
    key: Sequence[str]


def write_dataset(connection: duckdb.DuckDBPyConnection, dataset: Dataset, folder: Path) -> Path:
    """Write `<name>.parquet`, ordered by the dataset's key; the same rows give the same bytes.

    Args:
        connection: a connection whose own database holds what `dataset.source` reads.
        dataset: what to write; its rows must be totally ordered.
        folder: an existing folder.

    Returns:
        Path of the file.
    """
    path = folder / f"{dataset.name.lower()}.parquet"
    columns = ", ".join(f"cast({v.sql} as {_SQL_TYPES[v.kind]}) as {v.name}" for v in dataset.variables)
    metadata = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in _file_metadata(dataset).items())
    order = f"order by {', '.join(dataset.key)}" if dataset.key else ""
    # Every column may be empty, whatever a table's statistics say: they remember what has long been replaced.
    connection.execute("set disabled_optimizers = 'statistics_propagation'")
    try:
        connection.execute(
            f"copy (select * from (select {columns} {dataset.source}) {order}) "  # noqa: S608
            f"to {literal(str(path))} "
            f"(format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS}, kv_metadata {{{metadata}}})"
        )
    finally:
        connection.execute("reset disabled_optimizers")
    return path


def _file_metadata(dataset: Dataset) -> dict[str, str]:
    schema = pa.schema(
        [pa.field(v.name, _ARROW_TYPES[v.kind], metadata={"label": v.label}) for v in dataset.variables],
        metadata={"dataset": dataset.name, "label": dataset.label},
    )
    return {
        "ARROW:schema": base64.b64encode(schema.serialize().to_pybytes()).decode("ascii"),
        "dataset": dataset.name,
        "label": dataset.label,
        "labels": json.dumps({v.name: v.label for v in dataset.variables}),
    }
