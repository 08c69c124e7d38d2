"""ADaM exports of six patients worked out by hand (see conftest)."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from interchange import ADAM_DATASETS, InterchangeError, adam, write_adam
from study import Study

CENSORS_AT_HSCT = Study.model_validate({"hsct": {"censor_at_hsct": True}})


def day(number: int) -> dt.date:
    return dt.date(2018, 1, 1) + dt.timedelta(days=number)


def read(folder: Path, dataset: str, columns: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as reader:
        return reader.execute(f"select {columns} from '{folder / dataset}.parquet'").fetchall()


@pytest.fixture
def exported(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> Path:
    write_adam(marts, CENSORS_AT_HSCT, tmp_path / "adam")
    return tmp_path / "adam"


def test_writes_one_file_a_dataset_and_makes_the_folder(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    paths = write_adam(marts, Study(), tmp_path / "exports" / "adam")
    assert [path.name for path in paths] == ["adsl.parquet", "adrs.parquet", "adtte.parquet", "adae.parquet"]
    assert [path.stem.upper() for path in paths] == list(ADAM_DATASETS)
    assert all(path.parent == tmp_path / "exports" / "adam" and path.is_file() for path in paths)


def test_adsl_has_every_subject_with_population_flags(exported: Path) -> None:
    columns = "USUBJID, FASFL, SAFFL, EXCLREAS, TRTSDT, TRTSDTF, TRT01A, AGE, AGEU, SEX, CRFL, DTHFL, DTHDT, DTHCAUS"
    start, product = day(0), "CD19 CAR-T"
    assert read(exported, "adsl", columns) == [
        ("early_death", "Y", "Y", None, start, None, product, 40, "YEARS", "M", "N", "Y", day(5), "CRS"),
        ("excluded", "N", "Y", "no follow-up", start, None, product, 50, "YEARS", "F", None, None, None, None),
        ("failed", "Y", "Y", None, start, "D", product, 30, "YEARS", "F", "N", None, None, None),
        ("never", "N", "N", "no dated first CAR-T infusion", None, None, None, None, None, "U", None, None, None, None),
        ("relapsed", "Y", "Y", None, start, None, product, 10, "YEARS", "F", "Y", "Y", day(200),
         "leukemia\tand\nsepsis"),
        ("transplanted", "Y", "Y", None, start, None, product, 20, "YEARS", "M", "Y", None, None, None),
    ]  # fmt: skip


def test_adtte_says_how_and_by_which_row_every_time_ended(exported: Path) -> None:
    columns = "USUBJID, PARAMCD, AVAL, CNSR, CNSDTDSC, STARTDT, ADT, ADY, SRCDOM, SRCVAR, SRCSEQ"
    marrow, visits = "marrow_assessments", "follow_ups"
    assert read(exported, "adtte", columns) == [
        ("early_death", "EFS", 5, 0, None, day(0), day(5), 6, visits, "death_on", 41),
        ("early_death", "OS", 5, 0, None, day(0), day(5), 6, visits, "death_on", 41),
        ("early_death", "TTCR", 5, 3, "death", day(0), day(5), 6, visits, "death_on", 41),
        ("failed", "EFS", 28, 0, None, day(0), day(28), 29, marrow, "sampled_on", 31),
        ("failed", "OS", 90, 1, "last contact", day(0), day(90), 91, visits, "visited_on", 32),
        ("failed", "RELAPSE", 28, 5, "treatment failure", day(0), day(28), 29, marrow, "sampled_on", 31),
        ("relapsed", "EFS", 100, 0, None, day(0), day(100), 101, marrow, "sampled_on", 12),
        ("relapsed", "OS", 200, 0, None, day(0), day(200), 201, visits, "death_on", 13),
        ("relapsed", "RFS", 90, 0, None, day(10), day(100), 101, marrow, "sampled_on", 12),
        ("relapsed", "NRM", 100, 4, "relapse", day(0), day(100), 101, marrow, "sampled_on", 12),
        ("relapsed", "FOLLOWUP", 200, 3, "death", day(0), day(200), 201, visits, "death_on", 13),
        ("transplanted", "EFS", 40, 2, "allogeneic HSCT", day(0), day(40), 41, "procedures", "performed_on", 23),
        ("transplanted", "OS", 300, 1, "last contact", day(0), day(300), 301, visits, "visited_on", 22),
        ("transplanted", "TTCR", 10, 0, None, day(0), day(10), 11, "extramedullary_assessments", "assessed_on", 21),
    ]


def test_adtte_gives_days_with_their_unit_and_months_beside(exported: Path) -> None:
    rows = read(exported, "adtte", "AVAL, AVALU, AVALMO, EVNTDESC, SRCFILE, SRCEXTDT, SRCCNT, DTIMPFL")
    assert rows[7] == (200.0, "DAYS", pytest.approx(6.570841889, rel=1e-9), "death", "follow_ups.csv",
                       dt.date(2018, 12, 31), 2, "N")  # fmt: skip


def test_a_transplant_is_no_censoring_where_the_study_follows_patients_beyond_it(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    marts.execute("update marts.outcomes set event_date = date '2018-10-28', time_days = 300 "
                  "where patient_key = 'transplanted' and endpoint = 'EFS'")  # fmt: skip
    write_adam(marts, Study(), tmp_path)
    rows = read(tmp_path, "adtte", "USUBJID, PARAMCD, CNSR, CNSDTDSC, SRCSEQ")
    assert ("transplanted", "EFS", 1, "last contact", 9) in rows


def test_an_event_after_the_ending_is_not_its_source(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    later = "update marts.events set source_row = 99, event_date = event_date + ? where event_type = 'relapse'"
    marts.execute(later, [0])
    write_adam(marts, CENSORS_AT_HSCT, tmp_path)
    assert ("relapsed", "EFS", 99) in read(tmp_path, "adtte", "USUBJID, PARAMCD, SRCSEQ")
    marts.execute(later, [1])
    write_adam(marts, CENSORS_AT_HSCT, tmp_path)
    assert ("relapsed", "EFS", 12) in read(tmp_path, "adtte", "USUBJID, PARAMCD, SRCSEQ")


def test_adrs_has_findings_by_assessment_and_responses_by_rule_set(exported: Path) -> None:
    columns = "USUBJID, PARAMCD, AVAL, AVALC, ADT, ADY, ANL01FL, RULESET, SRCDOM, SRCSEQ"
    marrow, sites = "marrow_assessments", "extramedullary_assessments"
    rows = read(exported, "adrs", columns)
    assert rows == [
        ("relapsed", "OVRLRESP", None, "CR", day(10), 11, "Y", "paper", marrow, 11),
        ("relapsed", "OVRLRESP", None, "NR", day(100), 101, None, "paper", marrow, 12),
        ("relapsed", "BMBLAST", 1.5, None, day(10), 11, "Y", "paper", marrow, 11),
        ("relapsed", "BMBLAST", 40.0, None, day(100), 101, None, "paper", marrow, 12),
        ("relapsed", "CBLAST", 0.0, "N", day(10), 11, "Y", "paper", "lab_results", 7),
        ("relapsed", "EMD", None, "Y", day(100), 101, None, "paper", sites, 5),
        ("relapsed", "MRD", None, "positive", day(100), 101, None, "paper", "mrd_results", 6),
        ("relapsed", "BORCIBMT", None, "CR not held", None, None, None, "cibmtr", marrow, 11),
        ("relapsed", "BORELN", None, "CRi", None, None, None, "eln", marrow, 11),
        ("relapsed", "BORPAPER", None, "CR", day(10), 11, "Y", "paper", marrow, 11),
        ("relapsed", "CRCIBMT", 0.0, "N", None, None, None, "cibmtr", marrow, 11),
        ("relapsed", "CRELN", 0.0, "N", None, None, None, "eln", marrow, 11),
        ("relapsed", "CRPAPER", 1.0, "Y", day(10), 11, "Y", "paper", marrow, 11),
    ]
    assert read(exported, "adrs", "EMASUMFL, PBASUMFL")[0] == ("Y", "N")


def test_adae_counts_days_without_a_day_zero_and_flags_what_began_after_treatment(exported: Path) -> None:
    columns = (
        "USUBJID, AESEQ, AETERM, AEPARENT, AEPHASE, AETOXGR, AESDTH, ASTDT, ASTDY, TRTEMFL, NOHSCTFL, FASFL, SRCCNT"
    )
    assert read(exported, "adae", columns) == [
        ("early_death", 1, "CRS", None, "cart", "5", "Y", day(2), 3, "Y", "N", "Y", 2),
        ("excluded", 1, "infection", None, "cart", "2", "N", day(-1), -1, None, "N", "N", 2),
        ("excluded", 2, "neurotoxicity", None, "cart", "1", "N", None, None, "Y", "N", "N", 2),
        ("relapsed", 1, "CRS", None, "cart", "3", "N", day(0), 1, "Y", "N", "Y", 2),
        ("relapsed", 2, "fever", "CRS", "cart", "2", "N", day(1), 2, "Y", "N", "Y", 2),
        ("relapsed", 3, "GVHD", None, "hsct", None, None, day(120), 121, "Y", "Y", "Y", 2),
    ]


@pytest.mark.parametrize("dataset", ADAM_DATASETS)
def test_every_column_has_a_label_within_the_limits_of_the_standard(exported: Path, dataset: str) -> None:
    schema = pq.read_schema(exported / f"{dataset.lower()}.parquet")
    assert schema.names[:2] == ["STUDYID", "USUBJID"]
    for field in schema:
        assert re.fullmatch(r"[A-Z][A-Z0-9]{0,7}", field.name)
        assert 0 < len(field.metadata[b"label"].decode("ascii")) <= 40, field.name
    assert schema.metadata[b"dataset"].decode() == dataset
    assert pq.read_table(exported / f"{dataset.lower()}.parquet").num_rows > 0


@pytest.mark.parametrize("at_a_time", [1, 2, 3])
def test_the_files_do_not_depend_on_how_many_patients_are_laid_out_at_a_time(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    together = [path.read_bytes() for path in write_adam(marts, CENSORS_AT_HSCT, tmp_path / "together")]
    monkeypatch.setattr(adam, "_PATIENTS_AT_A_TIME", at_a_time)
    parts = [path.read_bytes() for path in write_adam(marts, CENSORS_AT_HSCT, tmp_path / "parts")]
    assert parts == together
    ((patients,),) = marts.execute("select count(*) from marts.patients").fetchall()
    assert patients > at_a_time


def test_same_rows_give_same_bytes_whatever_their_order_and_the_threads(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    first = [path.read_bytes() for path in write_adam(marts, Study(), tmp_path / "first")]
    for (table,) in marts.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall():
        marts.execute(f"create or replace table marts.{table} as select * from marts.{table} order by rowid desc")
    marts.execute("set threads = 4")
    second = [path.read_bytes() for path in write_adam(marts, Study(), tmp_path / "second")]
    assert first == second


def test_columns_beyond_the_contract_may_be_absent(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    marts.execute("alter table marts.patients drop column infusion_date_precision")
    marts.execute("alter table marts.adverse_events drop column without_transplant")
    write_adam(marts, Study(), tmp_path)
    assert {row[0] for row in read(tmp_path, "adsl", "TRTSDTF")} == {None}
    assert {row[0] for row in read(tmp_path, "adae", "NOHSCTFL")} == {None}


def test_a_missing_mart_or_column_is_named(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    marts.execute("alter table marts.outcomes drop column event_kind")
    with pytest.raises(InterchangeError, match=r"marts\.outcomes lacks event_kind"):
        write_adam(marts, Study(), tmp_path)
    marts.execute("drop table marts.events")
    with pytest.raises(InterchangeError, match=r"no table marts\.events"):
        write_adam(marts, Study(), tmp_path)


def test_every_subject_and_every_time_is_exported_once(marts: duckdb.DuckDBPyConnection, exported: Path) -> None:
    subjects = [row[0] for row in read(exported, "adsl", "USUBJID")]
    assert len(subjects) == len(set(subjects)) == marts.execute("select count(*) from marts.patients").fetchone()[0]
    expected = marts.execute(
        "select sum(time_days), count(*) from marts.outcomes where kind = 'time_to_event'"
    ).fetchone()
    assert read(exported, "adtte", "sum(AVAL), count(*)")[0] == expected
    for dataset in ("adrs", "adtte", "adae"):
        assert {row[0] for row in read(exported, dataset, "USUBJID")} <= set(subjects)
