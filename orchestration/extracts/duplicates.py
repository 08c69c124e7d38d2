"""Keys that occur more than once in one file: identical rows may stay, contradicting ones are all set aside."""

from __future__ import annotations

from collections.abc import Collection
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


def conflicting_positions(lake_file: Path, feed: Feed, patients: Collection[str] = ()) -> npt.NDArray[np.int64]:
    """Positions (from 0) of the rows whose key stands for two contents, or whose `patient_key` is in `patients`."""
    if not patients and _few_and_distinct(lake_file, [column.lake_name for column in feed.key_columns]):
        return np.array([], np.int64)
    keys = ", ".join(f'"{column.lake_name}"' for column in feed.key_columns)
    with duckdb.connect(":memory:", config=_SETTINGS) as connection:
        repeated = _repeated_hashes(connection, lake_file, keys)
        if not len(repeated) and not patients:
            return np.array([], np.int64)
        connection.register("repeated", pa.table({"hash": repeated}))
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
            contradicting as (
                select {keys} from candidate group by {keys}
                having min(content) <> max(content) or any_value(patient_key) in (select patient_key from patients)
            )
            select position from candidate inner join contradicting using ({keys}) order by position
            """,  # noqa: S608 - column names are the contract's own
            {"file": str(lake_file)},
        ).fetchnumpy()
    return np.asarray(found["position"], np.int64)


def _few_and_distinct(lake_file: Path, keys: list[str]) -> bool:
    """True for a small file without repeated keys: the usual nightly delta, judged without starting an engine."""
    rows = pq.read_metadata(lake_file).num_rows
    if rows > _FEW_ROWS:
        return False
    return bool(pq.read_table(lake_file, columns=keys).group_by(keys).aggregate([]).num_rows == rows)


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
