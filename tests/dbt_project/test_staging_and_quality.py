"""What becomes of deltas, deletions, unreadable values, unknown patients and rows after the cut-off."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.extracts.feeds import FEEDS
from study import Study
from tests.cohort import Cohort, connect, patient_key, run_dbt

Row = Mapping[str, str | None]
Part = tuple[str, str, Sequence[Row]]
"""One file of a feed: extract date, file name, rows."""

STAGING_AND_QUALITY = ("path:models/staging", "path:models/quality", "lab_analytes", "lab_units")


def write_parts(
    lake: Path, feeds: Mapping[str, Sequence[Part]], *, rejected: int = 0, repeats_in_oldest: Collection[str] = ()
) -> None:
    """Write a lake of several extracts with its ledger; `rejected` rows of the first patients file never got in.

    `repeats_in_oldest`: feeds of whose oldest extract the plan says that it holds a key more than once.
    """
    plan: dict[str, Any] = {"feeds": {}, "ledger": [], "rejected": [], "newest_extract": None}
    for name, feed in FEEDS.items():
        files = []
        for extract, file, rows in feeds.get(name, ()):
            relative = f"raw/{name}/{extract}/{file.removesuffix('.csv')}-00000000.parquet"
            columns = [*(column.lake_name for column in feed.lake_columns), "deleted"]
            table = {column: pa.array([row.get(column) for row in rows], pa.string()) for column in columns}
            table["source_extract"] = pa.array([extract] * len(rows), pa.string())
            table["source_file"] = pa.array([file] * len(rows), pa.string())
            table["source_row"] = pa.array(range(1, len(rows) + 1), pa.int64())
            write(lake / relative, table)
            refused = rejected if name == "patients" and not files else 0
            files.append(relative)
            ledger = f"ledger/{extract}/{name}--{file}.parquet"
            write_ledger(lake / ledger, name, extract, file, relative, accepted=len(rows), rejected=refused)
            plan["ledger"].append(ledger)
            plan["newest_extract"] = max(extract, plan["newest_extract"] or "")
        extracts = {extract for extract, _, _ in feeds.get(name, ())}
        plan["feeds"][name] = {"files": files, "deduplicate": len(extracts) > 1 or name in repeats_in_oldest}
        plan["feeds"][name]["repeats_in_oldest"] = name in repeats_in_oldest
    if rejected:
        plan["rejected"].append("rejected/patients.parquet")
        table = {name: pa.array(["patients"] * rejected) for name in ("source_feed",)}
        table["source_extract"] = pa.array(["2020-01-01"] * rejected)
        table["source_file"] = pa.array(["patients.csv"] * rejected)
        table["source_row"] = pa.array(range(1, rejected + 1), pa.int64())
        table["reason"] = pa.array(["no patient_id"] * rejected)
        table["content"] = pa.array(["{}"] * rejected)
        write(lake / "rejected/patients.parquet", table)
    (lake / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


def write(path: Path, table: Mapping[str, pa.Array]) -> None:
    """Write Parquet, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(table)), path)


def write_ledger(
    path: Path, feed: str, extract: str, file: str, lake_file: str, *, accepted: int, rejected: int
) -> None:
    """Write one ledger row with the columns that the quality tables read."""
    texts = {"feed": feed, "extract": extract, "file": file, "mode": "snapshot", "source_system": "his", "sha256": file}
    texts |= {"profile": "canonical", "profile_sha256": "0", "key_id": "0", "lake_file": lake_file}
    table = {name: pa.array([text]) for name, text in texts.items()}
    counts = {"rows": accepted + rejected, "accepted": accepted, "rejected": rejected}
    table |= {name: pa.array([count], pa.int64()) for name, count in counts.items()}
    table["loaded_at"] = pa.array([0], pa.timestamp("us"))
    write(path, table)


def study(cutoff: str | None = "2020-12-31") -> Study:
    """A study without criteria."""
    return Study.model_validate({"study": {"name": "staging", "data_cutoff": cutoff}, "published": None, "cohort": {}})


def built(folder: Path, *, cutoff: str | None = "2020-12-31") -> duckdb.DuckDBPyConnection:
    """Run staging and the quality tables on the lake under `folder`."""
    command = ["build", "--resource-type", "model", "--resource-type", "seed", "--select", *STAGING_AND_QUALITY]
    run_dbt(command, study(cutoff), lake=folder / "lake", database=folder / "warehouse.duckdb")
    return connect(folder / "warehouse.duckdb")


def person(name: str, **columns: str | None) -> Row:
    """A row of a patient."""
    return {"patient_key": patient_key(name), **columns}


def lab(name: str, value: str | None, **columns: str | None) -> Row:
    """A leukocyte count."""
    return person(
        name, **{"collected_at": "2020-01-01", "loinc": "6690-2", "value": value, "unit": "10*9/L", **columns}
    )


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """A lake with one of every trouble."""
    folder = tmp_path_factory.mktemp("troubled")
    write_parts(
        folder / "lake",
        {
            "patients": [
                (
                    "2020-01-01",
                    "patients.csv",
                    [person("ann", sex="f"), person("bob", sex="X", birth_date="31/02/2018")],
                ),
            ],
            "lab_results": [
                (
                    "2020-01-01",
                    "lab_results.csv",
                    [lab("ann", "1"), lab("ann", "2", loinc="777-3"), lab("ann", "3", loinc="718-7")],
                ),
                ("2020-01-02", "lab_results.csv", [lab("ann", "10"), lab("ann", None, loinc="777-3", deleted="true")]),
                ("2020-01-03", "lab_results.csv", [lab("ann", "未查", loinc="777-3"), lab("stranger", "<5")]),
            ],
            "marrow_assessments": [
                (
                    "2020-01-01",
                    "marrow_assessments.csv",
                    [
                        person("ann", sampled_on="2020-12-31", blast_percent="<5"),
                        person("ann", sampled_on="2021-01-01", blast_percent="4"),
                        person("stranger", sampled_on="2020-01-01", blast_percent="4"),
                    ],
                )
            ],
        },
        rejected=2,
    )
    return built(folder)


def test_the_newest_row_of_a_key_counts_and_deleted_ones_are_gone(troubled: duckdb.DuckDBPyConnection) -> None:
    rows = troubled.execute(
        "select loinc, value, cast(source_extract as varchar), source_row from unpublished.staging.stg_emr__lab_results"
        " where patient_key = ? order by loinc",
        [patient_key("ann")],
    ).fetchall()
    assert rows == [
        ("6690-2", 10.0, "2020-01-02", 1),
        ("718-7", 3.0, "2020-01-01", 3),
        ("777-3", None, "2020-01-03", 1),  # deleted on the second day, there again on the third, unreadable
    ]


@pytest.mark.slow
@pytest.mark.parametrize("later", [True, False])
def test_a_row_told_twice_in_the_oldest_extract_counts_once_whatever_came_later(tmp_path: Path, *, later: bool) -> None:
    first = [
        ("2020-01-01", "lab_results-0001.csv", [lab("ann", "1"), lab("ann", "1"), lab("ann", "2", loinc="777-3")]),
        ("2020-01-01", "lab_results-0002.csv", [lab("ann", "1"), lab("bob", "1"), lab("ann", "3", loinc="718-7")]),
    ]
    second = [("2020-01-02", "lab_results-0001.csv", [lab("ann", "20", loinc="777-3"), lab("bob", "10")])]
    write_parts(
        tmp_path / "lake",
        {
            "patients": [("2020-01-01", "patients.csv", [person("ann"), person("bob")])],
            "lab_results": [*first, *(second if later else ())],
        },
        repeats_in_oldest=["lab_results", "patients"],
    )
    connection = built(tmp_path)
    rows = connection.execute(
        "select loinc, value, source_file[13:16], source_row from unpublished.staging.stg_emr__lab_results order by all"
    ).fetchall()
    assert rows == [
        ("6690-2", 1.0, "0002", 1),
        ("6690-2", 10.0, "0001", 2) if later else ("6690-2", 1.0, "0002", 2),
        ("718-7", 3.0, "0002", 3),
        ("777-3", 20.0, "0001", 1) if later else ("777-3", 2.0, "0001", 3),
    ]
    repeated = connection.execute(
        "select feed, source_file[13:16], source_row from unpublished.staging.stg_emr__repeated_rows"
    )
    assert sorted(repeated.fetchall()) == [("lab_results", "0001", 1), ("lab_results", "0001", 2)]


@pytest.mark.slow
def test_a_patient_whom_the_newer_row_of_one_extract_deletes_is_unknown(tmp_path: Path) -> None:
    """Told by two tables of the oldest extract: whether a person is known follows the row that counts."""
    write_parts(
        tmp_path / "lake",
        {
            "patients": [
                ("2020-01-01", "a.csv", [person("ann"), person("bob")]),
                ("2020-01-01", "b.csv", [person("ann", deleted="true")]),
            ],
            "procedures": [
                ("2020-01-01", "procedures.csv", [person(name, procedure="allo_hsct") for name in ("ann", "bob")])
            ],
        },
        repeats_in_oldest=["patients"],
    )
    rows = built(tmp_path).execute("select patient_key from unpublished.staging.stg_emr__procedures").fetchall()
    assert rows == [(patient_key("bob"),)]


def test_unreadable_values_are_listed_as_they_stood(troubled: duckdb.DuckDBPyConnection) -> None:
    rows = troubled.execute(
        'select feed, file, "row", "column", "text", reason from quality.rejected_values order by all'
    ).fetchall()
    assert rows == [
        ("lab_results", "lab_results.csv", 1, "value", "未查", "not a number"),
        ("marrow_assessments", "marrow_assessments.csv", 1, "blast_percent", "<5", "not a number"),
        ("patients", "patients.csv", 2, "birth_date", "31/02/2018", "not a date (YYYY-MM-DD, YYYY-MM or YYYY)"),
        ("patients", "patients.csv", 2, "sex", "X", "not one of F, M"),
    ]


def test_rows_of_unknown_patients_are_rejected_whole(troubled: duckdb.DuckDBPyConnection) -> None:
    rows = troubled.execute(
        'select feed, "row", reason, content, rejected_by from quality.rejected_rows'
        " where rejected_by = 'warehouse' order by all"
    ).fetchall()
    assert [(feed, row, reason) for feed, row, reason, _, _ in rows] == [
        ("lab_results", 2, "no such patient in the patients feed"),
        ("marrow_assessments", 3, "no such patient in the patients feed"),
    ]
    assert json.loads(rows[1][3])["blast_percent"] == "4"


def test_accepted_and_rejected_rows_are_the_rows_of_the_file(troubled: duckdb.DuckDBPyConnection) -> None:
    rows = troubled.execute(
        "select feed, cast(extract as varchar), rows, accepted, rejected from quality.extracts order by all"
    ).fetchall()
    assert rows == [
        ("lab_results", "2020-01-01", 3, 3, 0),
        ("lab_results", "2020-01-02", 2, 2, 0),
        ("lab_results", "2020-01-03", 2, 1, 1),
        ("marrow_assessments", "2020-01-01", 3, 2, 1),
        ("patients", "2020-01-01", 4, 2, 2),
    ]
    counted = troubled.execute(
        "select feed, cast(extract as varchar), count(*) from quality.rejected_rows group by all order by all"
    ).fetchall()
    assert counted == [(feed, extract, rejected) for feed, extract, _, _, rejected in rows if rejected]


def test_rows_after_the_cutoff_are_left_out_and_counted(troubled: duckdb.DuckDBPyConnection) -> None:
    kept = troubled.execute(
        "select cast(sampled_on as varchar) from unpublished.staging.stg_emr__marrow_assessments"
    ).fetchall()
    ignored = troubled.execute(
        "select feed, dated_by, rows_ignored, cast(last_day as varchar) from quality.ignored_rows"
    ).fetchall()
    assert (kept, ignored) == ([("2020-12-31",)], [("marrow_assessments", "sampled_on", 1, "2021-01-01")])


@pytest.mark.slow
def test_an_open_cutoff_is_the_newest_extract(tmp_path: Path) -> None:
    marrows = [person("ann", sampled_on=day, blast_percent="4") for day in ("2020-01-05", "2020-01-06")]
    write_parts(
        tmp_path / "lake",
        {
            "patients": [("2020-01-05", "patients.csv", [person("ann")])],
            "marrow_assessments": [("2020-01-05", "marrow_assessments.csv", marrows)],
        },
    )
    with built(tmp_path, cutoff=None) as warehouse:
        assert warehouse.sql(
            "select cast(sampled_on as varchar) from unpublished.staging.stg_emr__marrow_assessments"
        ).fetchall() == [("2020-01-05",)]


@pytest.mark.slow
def test_the_order_of_files_changes_nothing(tmp_path: Path) -> None:
    days = [f"2020-01-{day:02d}" for day in range(1, 8)]
    shuffled = days.copy()
    random.Random(1).shuffle(shuffled)
    answers = []
    for folder, order in (("straight", days), ("shuffled", shuffled)):
        write_parts(
            tmp_path / folder / "lake",
            {
                "patients": [(days[0], "patients.csv", [person("ann")])],
                "lab_results": [
                    (day, "lab_results.csv", [lab("ann", str(index), deleted="true" if day == days[5] else None)])
                    for index, day in enumerate(order)
                    for index in [days.index(day)]
                ],
            },
        )
        with built(tmp_path / folder) as warehouse:
            answers.append(
                warehouse.sql("select value, source_extract from unpublished.staging.stg_emr__lab_results").fetchall()
            )
    assert answers[0] == answers[1]
    assert [value for value, _ in answers[0]] == [6.0]


def test_a_lake_without_a_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    with pytest.raises(RuntimeError, match=r"holds no plan\.json"):
        run_dbt(
            ["run", "--select", "stg_emr__patients"],
            study(),
            lake=tmp_path / "lake",
            database=tmp_path / "warehouse.duckdb",
        )


@pytest.mark.slow
def test_five_feeds_are_enough(tmp_path: Path) -> None:
    """What can't be computed is NULL, and nothing fails."""
    cohort = Cohort()
    cohort.patient("ann", sex="F").gene("PAX5").follow_up(400).add(
        "adverse_events", event_id="e", term="acute GVHD", grading_scale="NIH", started_on="2017-04-01", phase="cart"
    )
    warehouse = cohort.build(tmp_path)
    ann = warehouse.one("marts.patients", "ann")
    unknown = ("prior_chemotherapies", "refractory", "relapsed", "marrow_blast_percent", "extramedullary_disease")
    unknown += ("cns_leukemia", "fusion_gene", "bcr_abl1", "other_fusion_gene", "sh2b3", "other_mutation", "wbc")
    unknown += ("lymphodepletion_regimen", "flu_cy")
    warehouse.close()
    assert (ann["included"], ann["pax5"], ann["cart_target"]) == (True, True, "CD19")
    assert [ann[column] for column in unknown] == [None] * len(unknown)
