"""Marts of many patients from those of fewer: `python -m benchmarks.multiplied_marts WAREHOUSE TARGET COPIES`.

For measuring tables, readers and exports at a million patients without a refresh of a hundred million laboratory rows.
Each copy of a patient gets a key of its own, everything else is repeated: the distributions, and with them the number
of distinct times and covariate patterns, are those of the smaller warehouse. Tables without patients are copied once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import duckdb

from warehouse.tables import list_tables, quote

KEY = "patient_key"
# What readers and analyses read; the intermediate models are no part of it.
SCHEMAS = ("marts", "analysis", "quality", "published")


def multiply(warehouse: Path, target: Path, copies: int, memory_limit: str = "2GB") -> None:
    """Write the marts of `warehouse` into the new file `target`, each patient `copies` times.

    Args:
        warehouse: a published warehouse; it is only read.
        target: the file to make; spilled data goes beside it.
        copies: how many times each patient stands in the new marts.
        memory_limit: what DuckDB may use.
    """
    with duckdb.connect(target) as connection:
        connection.execute("set threads = 2")
        connection.execute("set memory_limit = ?", [memory_limit])
        connection.execute("set temp_directory = ?", [str(target.with_suffix(".tmp"))])
        connection.execute(f"attach '{warehouse}' as source (read_only)")
        connection.execute("use source")
        tables = list_tables(connection, SCHEMAS)
        name = target.stem
        connection.execute(f"use {quote(name)}")
        for schema, table in tables:
            connection.execute(f"create schema if not exists {quote(schema)}")
            connection.execute(_copied(connection, schema, table, copies))
        connection.execute("detach source")
        connection.execute("checkpoint")


def _copied(connection: duckdb.DuckDBPyConnection, schema: str, table: str, copies: int) -> str:
    place = f"{quote(schema)}.{quote(table)}"
    columns = [row[0] for row in connection.execute(f"describe source.{place}").fetchall()]
    if KEY not in columns:
        return f"create table {place} as select * from source.{place}"
    # The hash keeps the key's shape: 64 hexadecimal digits in no order.
    return f"""
        create table {place} as
        select original.* replace (sha256(original.{KEY} || copies.number) as {KEY})
        from range({int(copies)}) as copies (number)
        cross join source.{place} as original
    """


def main(arguments: list[str] | None = None) -> None:
    """Multiply as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.multiplied_marts", description=__doc__)
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("copies", type=int)
    parser.add_argument("--memory-limit", default="2GB")
    chosen = parser.parse_args(arguments)
    multiply(chosen.warehouse, chosen.target, chosen.copies, chosen.memory_limit)


if __name__ == "__main__":
    main()
