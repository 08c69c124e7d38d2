"""A key has one spelling in the lake, so that whoever compares texts finds the same row again."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.extracts.feeds import Kind
from orchestration.extracts.key_spelling import key_spelling
from study import Study
from tests.cohort import connect, run_dbt

from .conftest import Night


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        ("2015-07-16 06:58:00", Kind.DATETIME, "2015-07-16T06:58"),
        ("2015-07-16 06:58", Kind.DATETIME, "2015-07-16T06:58"),
        ("2015-07-16T06:58:00", Kind.DATETIME, "2015-07-16T06:58"),
        ("2015-07-16T06:58:00.000", Kind.DATETIME, "2015-07-16T06:58"),
        ("2015-07-16 06:58:01", Kind.DATETIME, "2015-07-16T06:58:01"),
        ("2015-07-16T06:58:00.120", Kind.DATETIME, "2015-07-16T06:58:00.12"),
        ("2015-07-16T06:58:10.010", Kind.DATETIME, "2015-07-16T06:58:10.01"),
        ("2015-07-16T06:58:10.0", Kind.DATETIME, "2015-07-16T06:58:10"),
        ("2015-07-16 00:00:00", Kind.DATETIME, "2015-07-16T00:00"),
        ("2015-07-16", Kind.DATETIME, "2015-07-16"),
        ("2015-07-16 06:58:00+08:00", Kind.DATETIME, "2015-07-16T06:58+08:00"),
        ("2015-07-16T06:58:00.50Z", Kind.DATETIME, "2015-07-16T06:58:00.5Z"),
        ("2016-02-29 06:58:00", Kind.DATETIME, "2016-02-29T06:58"),
        ("2000-02-29 06:58:00", Kind.DATETIME, "2000-02-29T06:58"),
        ("2015-02-29 06:58:00", Kind.DATETIME, "2015-02-29 06:58:00"),
        ("1900-02-29 06:58:00", Kind.DATETIME, "1900-02-29 06:58:00"),
        ("2015-04-31 06:58:00", Kind.DATETIME, "2015-04-31 06:58:00"),
        ("2015-04-30 24:00:00", Kind.DATETIME, "2015-04-30 24:00:00"),
        ("2015-04-30 23:60:00", Kind.DATETIME, "2015-04-30 23:60:00"),
        ("2015-04-30 23:59:60", Kind.DATETIME, "2015-04-30 23:59:60"),
        ("2015-04-30 06:58 PM", Kind.DATETIME, "2015-04-30 06:58 PM"),
        ("31/02/2018 06:58:00", Kind.DATETIME, "31/02/2018 06:58:00"),
        ("[identifier] 2015-07-16 06:58:00", Kind.DATETIME, "[identifier] 2015-07-16 06:58:00"),
        ("2017-04-30T00:00:00", Kind.DATE, "2017-04-30"),
        ("2017-04-30 00:00", Kind.DATE, "2017-04-30"),
        ("2017-04-30T00:00:00.000Z", Kind.DATE, "2017-04-30"),
        ("2017-04-30T00:00:01", Kind.DATE, "2017-04-30T00:00:01"),
        ("2017-04-30 06:30:00", Kind.DATE, "2017-04-30 06:30:00"),
        ("2017-04-31T00:00:00", Kind.DATE, "2017-04-31T00:00:00"),
        ("2017-04", Kind.DATE, "2017-04"),
        ("1.0", Kind.INTEGER, "1"),
        ("12.000", Kind.INTEGER, "12"),
        ("1.5", Kind.INTEGER, "1.5"),
        ("0.0", Kind.INTEGER, "0.0"),
        ("x1.0", Kind.INTEGER, "x1.0"),
        ("1.0", Kind.CODE, "1.0"),
        ("2017-04-30 06:30:00", Kind.TEXT, "2017-04-30 06:30:00"),
    ],
)
def test_what_spelling_a_key_gets(text: str, kind: Kind, key: str) -> None:
    assert key_spelling(pa.array([text, "x"]), kind).to_pylist() == [key, "x"]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["2015-07-16T06:58", "2015-07-16", "2015", "未查"], Kind.DATETIME),
        (["2015-07-16", "2015", "x"], Kind.DATE),
        (["1", "12", "x"], Kind.INTEGER),
        ([], Kind.DATETIME),
    ],
)
def test_texts_that_have_the_spelling_are_not_touched(texts: list[str], kind: Kind) -> None:
    """The same object: the column's dictionary isn't made anew for a hundred million rows."""
    column = pa.array(texts, pa.string())
    assert key_spelling(column, kind) is column


PARTS = ["2015-07-16", "2016-02-29", "2015-02-29", " ", "T", "06:58", "00:00", ":00", ":59", ":60", ".000", ".50", "Z"]


@settings(deadline=None)
@given(st.lists(st.sampled_from([*PARTS, "+08:00", "-0330"]), max_size=5).map("".join))
def test_every_key_is_read_as_the_text_was(text: str) -> None:
    read = "select try_cast($1 as timestamp), try_cast($2 as timestamp), contains($1, ':'), contains($2, ':')"
    with duckdb.connect() as connection:
        for kind in (Kind.DATETIME, Kind.DATE):
            (key,) = key_spelling(pa.array([text]), kind).to_pylist()
            before, after, timed, timed_after = connection.execute(read, [text, key]).fetchone() or ()
            assert before == after
            assert timed == timed_after or kind is Kind.DATE
            assert before is not None or key == text
            assert key_spelling(pa.array([key]), kind).to_pylist() == [key]


LABS = "patient_id,collected_at,loinc,value,deleted\n"


def test_one_instant_told_twice_in_a_file_is_one_key(night: Night) -> None:
    night.deliver(
        lab_results__csv=(
            f"{LABS}HOSP-0001,2018-01-01T08:00,6690-2,3,\nHOSP-0001,2018-01-01 08:00:00,6690-2,4,\n"
            "HOSP-0001,2018-01-02T08:00:00,6690-2,5,\nHOSP-0001,2018-01-02 08:00,6690-2,5,\n"
            "HOSP-0001,2018-01-03,6690-2,6,\nHOSP-0001,2018-01-03T00:00,6690-2,7,\n"
        ),
        prior_therapies__csv="patient_id,line,regimen\nHOSP-0001,1,a\nHOSP-0001,1.0,b\nHOSP-0001,2.0,c\n",
    )
    (labs,) = night.ingest("lab_results").files
    (lines,) = night.ingest("prior_therapies").files
    assert (labs.accepted, labs.rejected, lines.accepted, lines.rejected) == (4, 2, 1, 2)
    assert {row["reason"] for row in night.rejected_rows()} == {"duplicate key with different contents"}
    assert [row["collected_at"] for row in night.lake_rows("lab_results")] == [
        "2018-01-02T08:00", "2018-01-02T08:00", "2018-01-03", "2018-01-03T00:00",
    ]  # fmt: skip
    assert night.lake_rows("prior_therapies")[0]["line"] == "2"


def test_a_masked_key_is_noted_and_no_other(night: Night) -> None:
    """What only gets another spelling held no identifier."""
    night.deliver(
        lab_results__csv=f"{LABS}HOSP-0001,2018-01-01 08:00:00,6690-2,3,\nHOSP-0001,HOSP-0002 8 h,6690-2,3,\n"
    )
    (labs,) = night.ingest("lab_results").files
    assert labs.masked_cells == 1
    assert {"note": "identifier masked", "column": "collected_at", "row": 2} in labs.notes


def test_only_keys_get_another_spelling(night: Night) -> None:
    night.deliver(
        medications__csv="patient_id,drug,started_at,ended_at\nHOSP-0001,a,2018-01-01 08:00:00,2018-01-02 08:00:00\n"
    )
    night.ingest("medications")
    (row,) = night.lake_rows("medications")
    assert (row["started_at"], row["ended_at"]) == ("2018-01-01T08:00", "2018-01-02 08:00:00")


@pytest.mark.slow
def test_a_delta_replaces_and_deletes_rows_that_it_spells_differently(night: Night) -> None:
    """Through the lake to staging, which compares texts."""
    night.deliver(
        "2018-07-01",
        lab_results__csv=(
            f"{LABS}HOSP-0001,2018-01-01 08:00:00,6690-2,3,\nHOSP-0001,2018-01-02 08:00:00,6690-2,4,\n"
            "HOSP-0001,2018-01-03 08:00:00,6690-2,5,\nHOSP-0001,31/02/2018 08:00:00,6690-2,6,\n"
        ),
        follow_ups__csv="patient_id,visited_on,vital_status\nHOSP-0001,2018-03-01,alive\n",
    )
    night.write(
        "2018-07-02",
        "lab_results.csv",
        f"{LABS}HOSP-0001,2018-01-01T08:00,6690-2,,true\nHOSP-0001,2018-01-02T08:00:00,6690-2,40,\n",
    )
    night.write(
        "2018-07-02", "follow_ups.csv", "patient_id,visited_on,vital_status\nHOSP-0001,2018-03-01T00:00:00,dead\n"
    )
    night.manifest("2018-07-02", {}, mode="delta")
    for day in ("2018-07-01", "2018-07-02"):
        night.ingest_all(day)
    night.lake.write_plan()
    database = night.lake.root.parent / "warehouse.duckdb"
    command = ["build", "--resource-type", "model", "--resource-type", "seed"]
    command += ["--select", "path:models/staging", "path:models/quality", "lab_analytes", "lab_units"]
    study = Study.model_validate(
        {"study": {"name": "keys", "data_cutoff": "2018-12-31"}, "published": None, "cohort": {}}
    )
    run_dbt(command, study, lake=night.lake.root, database=database)
    with connect(database) as connection:
        labs = "select collected_at::varchar, value from unpublished.staging.stg_emr__lab_results order by 1"
        assert connection.execute(labs).fetchall() == [
            ("2018-01-02 08:00:00", 40.0), ("2018-01-03 08:00:00", 5.0), (None, 6.0),
        ]  # fmt: skip
        visits = "select visited_on::varchar, vital_status from unpublished.staging.stg_emr__follow_ups"
        assert connection.execute(visits).fetchall() == [("2018-03-01", "dead")]
        unreadable = "select text from quality.rejected_values where \"column\" = 'collected_at'"
        assert connection.execute(unreadable).fetchall() == [("31/02/2018 08:00:00",)]
