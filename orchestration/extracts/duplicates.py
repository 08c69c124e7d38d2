"""Keys that occur more than once in one file: identical rows may stay, contradicting ones are all set aside."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.extracts.feeds import DELETED, Feed

_FEW_ROWS = 100_000
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {"threads": 2, "memory_limit": "6GB", "temp_directory": ""}
"""Nothing may spill to disk outside the warehouse home."""


@dataclass(frozen=True)
class RepeatedKeys:
    """Rows whose key occurs more than once: positions (from 0) of contradicting ones, number of identical ones."""

    contradicting: npt.NDArray[np.int64]
    identical: int


def repeated_keys(lake_file: Path, feed: Feed, patients: Collection[str] = ()) -> RepeatedKeys:
    """Finds them; rows whose `patient_key` is in `patients` contradict each other whatever the lake holds of them."""
    none = RepeatedKeys(np.array([], np.int64), 0)
    if not patients and _few_and_distinct(lake_file, [column.lake_name for column in feed.key_columns]):
        return none
    keys = ", ".join(f'"{column.lake_name}"' for column in feed.key_columns)
    with duckdb.connect(":memory:", config=_SETTINGS) as connection:
        hashes = _repeated_hashes(connection, lake_file, keys)
        if not len(hashes) and not patients:
            return none
        connection.register("repeated", pa.table({"hash": hashes}))
        connection.register("patients", pa.table({"patient_key": pa.array(sorted(patients), pa.string())}))
        content = ", ".join(f'"{name}"' for name in (*(c.lake_name for c in feed.lake_columns), DELETED.name))
        found = connection.execute(
            f"""
            with candidate as (
                select {keys}, file_row_number as position, hash({content}) as content
                from read_parquet($file, file_row_number = true)
                where hash({keys}) in (select hash from repeated)
                    or patient_key in (select patient_key from patients)
            ),
            judged as (
                select
                    {keys},
                    count(*) as rows,
                    min(content) <> max(content)
                        or any_value(patient_key) in (select patient_key from patients) as contradicting
                from candidate group by {keys}
            )
            select position, contradicting from candidate inner join judged using ({keys})
            where contradicting or rows > 1
            order by position
            """,  # noqa: S608 - column names are the contract's own
            {"file": str(lake_file)},
        ).fetchnumpy()
    contradicting = np.asarray(found["contradicting"], np.bool_)
    return RepeatedKeys(np.asarray(found["position"], np.int64)[contradicting], int((~contradicting).sum()))


def _few_and_distinct(lake_file: Path, keys: list[str]) -> bool:
    """True for a small file without repeated keys: the usual nightly delta, judged without starting an engine."""
    with pq.ParquetFile(lake_file) as file:
        rows = file.metadata.num_rows
        return rows <= _FEW_ROWS and bool(file.read(columns=keys).group_by(keys).aggregate([]).num_rows == rows)


def _repeated_hashes(connection: duckdb.DuckDBPyConnection, lake_file: Path, keys: str) -> npt.NDArray[np.uint64]:
    """Hashes of keys that occur more than once: 8 bytes a row, sorted in place, whatever the file's length."""
    hashes = np.empty(pq.read_metadata(lake_file).num_rows, np.uint64)
    filled = 0
    query = f"select hash({keys}) as hash from read_parquet(?)"  # noqa: S608 - column names are the contract's own
    for batch in connection.sql(query, params=[str(lake_file)]).to_arrow_reader(1 << 20):
        values = batch.column(0).to_numpy()
        hashes[filled : filled + len(values)] = values
        filled += len(values)
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
