"""Splicing: last night's file with some patients' rows replaced has the bytes of a file that is written whole."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pytest

from warehouse.exports import ROW_GROUP_ROWS, every_column_optional, export_table
from warehouse.splicing import SplicingError, splice_lines, splice_parquet

MANY = 150_000
"""Rows of more than one row group, a patient's lying on both sides of the cut."""


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema marts")
    return connection


def make_rows(connection: duckdb.DuckDBPyConnection, rows: int = MANY) -> None:
    """Seven rows a patient, of every type that marts have."""
    connection.execute(
        f"""
        create or replace table marts.events as
        select
            md5((i // 7)::varchar) as patient_key, 'term ' || i % 13 as term, i as n, (i % 100)::tinyint as grade,
            i / 3 as value, date '2018-01-01' + (i % 500)::integer as day, i % 2 = 0 as flag,
            timestamp '2018-01-01 08:00:00' + interval (i) second as moment,
            if(i % 5 = 0, null, 'text ' || i) as detail,
            [{{'feed': 'labs', 'extract': date '2018-07-30', 'file': 'a', 'row': i}}] as evidence
        from range({rows}) as numbers (i)
        order by all
        """
    )


def keys(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute("select distinct patient_key from marts.events order by 1").fetchall()
    return [key for (key,) in rows]


def exported(connection: duckdb.DuckDBPyConnection, path: Path) -> Path:
    export_table(connection, "marts", "events", path)
    return path


def part_of(connection: duckdb.DuckDBPyConnection, patients: list[str], path: Path) -> Path:
    """The rows of some patients as an export of their own."""
    with duckdb.connect() as own:
        own.execute("create schema marts")
        chosen = connection.sql(
            "select * from marts.events where list_contains(?, patient_key) order by all", params=[patients]
        ).to_arrow_table()
        own.register("chosen", chosen)
        own.execute("create table marts.events as select * from chosen")
        return exported(own, path)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [MANY, ROW_GROUP_ROWS, 70])
def test_replaced_new_and_vanished_patients_give_the_bytes_of_the_whole(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, rows: int
) -> None:
    make_rows(connection, rows)
    before = exported(connection, tmp_path / "before.parquet")
    known = keys(connection)
    cut = connection.execute(f"select patient_key from marts.events offset {min(rows, ROW_GROUP_ROWS) - 1} limit 1")
    ((at_the_cut,),) = cut.fetchall()
    changed = {known[0], known[-1], at_the_cut, *random.Random(1).sample(known, min(50, len(known) // 2))}
    vanished = known[len(known) // 2]
    connection.execute("delete from marts.events where patient_key = ?", [vanished])
    connection.execute("delete from marts.events where list_contains(?, patient_key) and n % 3 = 0", [list(changed)])
    connection.execute("update marts.events set detail = 'new' where list_contains(?, patient_key)", [list(changed)])
    for newcomer in ("", "zzz", known[3] + "x"):
        connection.execute(
            "insert into marts.events select * replace (? as patient_key, null as day) from marts.events limit 3",
            [newcomer],
        )
        changed.add(newcomer)
    patients = sorted({*changed, vanished})
    own = part_of(connection, patients, tmp_path / "own.parquet")
    expected = exported(connection, tmp_path / "expected.parquet")
    ((count,),) = connection.execute("select count(*) from marts.events").fetchall()
    assert splice_parquet(before, own, patients, "patient_key", tmp_path / "spliced.parquet") == count
    assert (tmp_path / "spliced.parquet").read_bytes() == expected.read_bytes()


def test_what_a_file_notes_is_kept(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    make_rows(connection, 70)
    before = tmp_path / "before.parquet"
    with every_column_optional(connection):
        connection.execute(
            f"copy (select * from marts.events order by all) to '{before}' (format parquet, compression zstd, "
            "row_group_size 122880, kv_metadata {'dataset': 'it''s', 'label': 'L', 'labels': '{\"a\": 1}'})"
        )
    own = part_of(connection, keys(connection)[2:4], tmp_path / "own.parquet")
    splice_parquet(before, own, keys(connection)[2:4], "patient_key", tmp_path / "spliced.parquet")
    assert (tmp_path / "spliced.parquet").read_bytes() == before.read_bytes()


def test_a_file_without_rows_is_begun(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    make_rows(connection, 0)
    before = exported(connection, tmp_path / "before.parquet")
    make_rows(connection, 70)
    expected = exported(connection, tmp_path / "expected.parquet")
    own = part_of(connection, keys(connection), tmp_path / "own.parquet")
    splice_parquet(before, own, keys(connection), "patient_key", tmp_path / "spliced.parquet")
    assert (tmp_path / "spliced.parquet").read_bytes() == expected.read_bytes()


def test_files_that_do_not_fit_are_refused(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    make_rows(connection)
    before = exported(connection, tmp_path / "before.parquet")
    patients = keys(connection)[:2]
    own = part_of(connection, patients, tmp_path / "own.parquet")
    with pytest.raises(SplicingError, match="not among"):
        splice_parquet(before, own, patients[:1], "patient_key", tmp_path / "spliced.parquet")
    connection.execute("create or replace table marts.events as select * from marts.events order by n")
    connection.execute(f"copy marts.events to '{before}' (format parquet)")
    with pytest.raises(SplicingError):
        splice_parquet(before, own, patients, "patient_key", tmp_path / "spliced.parquet")
    connection.execute("alter table marts.events drop column flag")
    with pytest.raises(SplicingError, match="other columns"):
        splice_parquet(exported(connection, before), own, patients, "patient_key", tmp_path / "spliced.parquet")


HEADER = "#Name\tAge\n#STRING\tNUMBER\nPATIENT_ID\tAGE\n"


@pytest.mark.parametrize("header", [HEADER, "PATIENT_ID\tAGE\n"])
def test_lines_are_replaced_added_and_left_out(tmp_path: Path, header: str) -> None:
    rng = random.Random(2)
    lines = {f"{number:04x}": [f"{number:04x}\t{n}\n" for n in range(rng.randint(0, 4))] for number in range(0, 900, 3)}
    before, own, spliced = (tmp_path / name for name in ("before", "own", "spliced"))
    before.write_text(header + "".join(line for key in sorted(lines) for line in lines[key]))
    changed = {key: [f"{key}\tnew\n"] * rng.randint(0, 3) for key in [*rng.sample(sorted(lines), 40), "0000", "ffff"]}
    changed |= {f"{number:04x}": [f"{number:04x}\tnewcomer\n"] for number in rng.sample(range(1, 900, 3), 20)}
    own.write_text(header + "".join(line for key in sorted(changed) for line in changed[key]))
    splice_lines(before, own, sorted(changed), spliced)
    after = {**lines, **changed}
    assert spliced.read_text() == header + "".join(line for key in sorted(after) for line in after[key])


def test_lines_under_another_header_are_refused(tmp_path: Path) -> None:
    before, own = tmp_path / "before", tmp_path / "own"
    before.write_text("PATIENT_ID\tAGE\na\t1\n")
    own.write_text("PATIENT_ID\tSEX\na\tF\n")
    with pytest.raises(SplicingError, match="other columns"):
        splice_lines(before, own, ["a"], tmp_path / "spliced")
    own.write_text("PATIENT_ID\tAGE\nb\t1\n")
    with pytest.raises(SplicingError, match="not changed"):
        splice_lines(before, own, ["a"], tmp_path / "spliced")
