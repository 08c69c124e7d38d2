"""Column lineage of the dbt models: how one SELECT is read, and that published columns reach the raw feeds."""

from __future__ import annotations

import pytest

from orchestration.column_lineage import Lineage, compute_lineage, raw_columns, read_lineage
from orchestration.manifest import LINEAGE, ensure_manifest

SCHEMA = {
    "staging": {"drugs": {"patient_key": "varchar", "drug": "varchar", "given_on": "date", "purpose": "varchar"}},
    "intermediate": {"zero": {"patient_key": "varchar", "day": "date"}, "classes": {"text": "varchar", "class": "int"}},
}

# A mart's column that no feed decides, and why; anything else must reach a raw feed.
NOT_FROM_A_FEED = {
    "marts.cohort_flow.step": "position of a criterion that the study file applies",
    "marts.cohort_flow.criterion": "words for a criterion of the study file",
    "marts.lab_toxicity.version": "version of CTCAE: every one is shown",
    "marts.lab_toxicity.chosen": "whether the study file names this version",
    "marts.outcome_date_sensitivity.endpoint": "name of an endpoint: every patient has all of them",
    "marts.outcomes.endpoint": "name of an endpoint: every patient has all of them",
    "marts.outcomes.kind": "constant: one of the two kinds of endpoint",
    "marts.response_assessments.rule_set": "name of a rule set: every one is shown",
    "marts.response_by_rule.rule_set": "name of a rule set: every one is shown",
    "marts.response_by_rule.chosen": "whether the study file names this rule set",
}
# Written about files as they came, from the ledger and the lake's files themselves, not from columns of a feed.
ABOUT_FILES = ("extracts", "ignored_rows", "rejected_rows", "rejected_values")


@pytest.fixture(scope="module")
def lineage() -> Lineage:
    ensure_manifest()
    return read_lineage(LINEAGE)


def traced(sql: str, column: str) -> set[str]:
    """The columns that a column of one SELECT is made of, less the schema."""
    from orchestration.column_tracing import trace_select

    origins = trace_select(sql, [column], SCHEMA, ["intermediate.classes"])[column]
    return {f"{table.split('.')[1]}.{name}" for table, name in origins}


@pytest.mark.parametrize(
    ("sql", "origins"),
    [
        ("select upper(drug) as x from staging.drugs where purpose = 'a'", {"drugs.drug"}),
        ("select max(given_on) as x from staging.drugs where purpose = 'a'", {"drugs.given_on", "drugs.purpose"}),
        ("select count(*) as x from staging.drugs", set()),
        ("select given_on, count(*) as x from staging.drugs group by all", {"drugs.given_on"}),
        # a value of a code list comes from what is looked up in it
        (
            "select c.class as x from staging.drugs d join intermediate.classes c on contains(d.drug, c.text)",
            {"classes.class", "classes.text", "drugs.drug"},
        ),
        # a constant comes from the conditions of its own branch; the key that joins says nothing
        (
            "with signs as (select patient_key, 'a' as x from staging.drugs where purpose = 'b' "
            "union all select d.patient_key, 'c' from staging.drugs d join intermediate.zero z using (patient_key)) "
            "select x from signs",
            {"drugs.purpose"},
        ),
        ("select null as x from staging.drugs where purpose = 'b'", set()),
        ("select 'a' as x from staging.drugs", set()),
        # is there such a row?
        (
            "with given as (select distinct patient_key from staging.drugs where purpose = 'a') "
            "select given.patient_key is not null as x "
            "from intermediate.zero left join given on zero.patient_key = given.patient_key",
            {"drugs.patient_key", "drugs.purpose"},
        ),
        (
            "select coalesce(d.given_on > z.day, false) as x from intermediate.zero z "
            "left join staging.drugs d on z.patient_key = d.patient_key and d.purpose = 'a'",
            {"drugs.given_on", "drugs.purpose", "zero.day"},
        ),
        (
            "select count(d.drug) as x from intermediate.zero z "
            "left join staging.drugs d on z.patient_key = d.patient_key and coalesce(d.given_on < z.day, true) "
            "group by z.patient_key",
            {"drugs.drug", "drugs.given_on", "zero.day"},
        ),
        (
            "select exists (select true from staging.drugs d where d.patient_key = z.patient_key and d.drug = 'a') "
            "as x from intermediate.zero z",
            {"drugs.drug"},
        ),
    ],
)
def test_one_select(sql: str, origins: set[str]) -> None:
    assert {origin for origin in traced(sql, "x") if not origin.endswith("*")} == origins


def test_a_statement_that_cannot_be_read_has_no_origins() -> None:
    assert traced("select from where", "x") == set()


def test_a_model_may_read_one_feed_of_the_lake() -> None:
    """Without a lake, the SQL has NULLs in place of the feed's columns."""
    from orchestration.column_tracing import trace_select

    sql = (
        "with lake as (select cast(null as varchar) as source_file, cast(null as varchar) as visited_on where false) "
        "select 'x' as feed, cast(source_file as varchar) as file, max(visited_on) as last, null as nothing from lake"
    )
    traced = trace_select(sql, ["feed", "file", "last", "nothing"], {}, [], "raw.follow_ups")
    assert {name: sorted(column for _, column in pairs) for name, pairs in traced.items() if name != "*"} == {
        "feed": [], "file": ["source_file"], "last": ["visited_on"], "nothing": [],
    }  # fmt: skip


def test_whether_a_model_has_a_row_comes_from_its_own_conditions() -> None:
    """A presence test of a model is made of what decided that model's rows, however many models away."""

    def model(name: str, sql: str, *columns: str) -> dict[str, object]:
        documented: dict[str, dict[str, str]] = {column: {} for column in columns}
        return {
            "resource_type": "model", "schema": "intermediate", "name": name, "columns": documented,
            "compiled_code": sql, "depends_on": {"nodes": []},
        }  # fmt: skip

    nodes = [
        model("given", "select patient_key from intermediate.drugs where purpose = 'a'", "patient_key"),
        model("first_given", "select patient_key from intermediate.given", "patient_key"),
        model(
            "flags",
            "select z.patient_key, g.patient_key is not null as given from intermediate.zero z "
            "left join intermediate.first_given g on z.patient_key = g.patient_key",
            "patient_key", "given",
        ),
    ]  # fmt: skip
    lineage = compute_lineage({"nodes": dict(enumerate(nodes)), "sources": {}})
    assert lineage["intermediate.flags"] == {
        "patient_key": [["intermediate.zero", "patient_key"]],
        "given": [["intermediate.drugs", "purpose"]],
    }


def test_every_column_of_a_mart_reaches_a_raw_feed_or_says_why_not(lineage: Lineage) -> None:
    known: dict[tuple[str, str], frozenset[str]] = {}
    unreached = {
        f"{table}.{column}"
        for table, columns in lineage.items()
        if table.startswith("marts.")
        for column in columns
        if not raw_columns(lineage, table, column, known)
    }
    assert unreached == set(NOT_FROM_A_FEED)


def test_only_tables_about_files_are_outside(lineage: Lineage) -> None:
    assert {table for table in lineage if table.startswith("quality.")} == {f"quality.{name}" for name in ABOUT_FILES}


@pytest.mark.parametrize(
    ("column", "raw"),
    [
        ("infection", {"adverse_events.term", "adverse_events.phase"}),
        ("glucocorticoids", {"medications.drug", "medications.purpose"}),
        ("tocilizumab", {"medications.drug", "medications.purpose"}),
        ("icu_admission", {"encounters.care_unit", "encounters.admitted_at"}),
        ("relapsed_because", {"prior_therapies.outcome", "marrow_assessments.blast_percent", "lab_results.value"}),
        ("recorded_refractory", {"diagnoses.code", "diagnoses.description"}),
        ("recorded_relapsed", {"diagnoses.code", "diagnoses.description"}),
        ("bridged_to_hsct", {"procedures.performed_on", "procedures.procedure"}),
        ("wbc", {"lab_results.value", "lab_results.unit", "lab_results.loinc"}),
        ("sex", {"patients.sex"}),
    ],
)
def test_a_column_of_the_patients_comes_from(lineage: Lineage, column: str, raw: set[str]) -> None:
    assert raw <= raw_columns(lineage, "marts.patients", column, {})


def test_what_only_names_a_row_is_left_out(lineage: Lineage) -> None:
    """Ties are broken by file and row; that is not what a value is made of."""
    assert raw_columns(lineage, "marts.patients", "marrow_blast_percent", {}) == {
        "marrow_assessments.blast_percent", "marrow_assessments.sampled_on", "cart_infusions.infused_at",
    }  # fmt: skip
