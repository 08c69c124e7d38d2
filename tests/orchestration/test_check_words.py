"""Every dbt test says on its page what it means and what to do."""

from __future__ import annotations

import json

import pytest

from orchestration.check_words import describe_test
from orchestration.code_location import build_definitions
from orchestration.column_lineage import origins_table
from orchestration.manifest import ensure_manifest
from orchestration.settings import Settings


def test_every_check_of_the_graph_has_a_description() -> None:
    graph = build_definitions(Settings.from_environment({})).resolve_asset_graph()
    assert [key for key in graph.asset_check_keys if not graph.get_check_spec(key).description] == []


def test_every_dbt_test_is_put_into_words_that_are_more_than_its_name() -> None:
    nodes = json.loads(ensure_manifest().read_text(encoding="utf-8"))["nodes"].values()
    tests = [node for node in nodes if node["resource_type"] == "test"]
    assert len(tests) > 100
    plain = [test["name"] for test in tests if describe_test(test).split(" What to do:")[0] == _name_alone(test)]
    assert plain == []


def _name_alone(test: dict[str, str]) -> str:
    return str(test["name"]).replace("_", " ").capitalize() + "."


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            {"test_metadata": {"name": "one_row_per", "kwargs": {"columns": ["patient_key", "day"]}}},
            "The grain: one row per `patient_key`, `day`.",
        ),
        (
            {
                "test_metadata": {
                    "name": "relationships",
                    "kwargs": {"column_name": "patient_key", "field": "patient_key", "to": "ref('patients')"},
                }
            },
            "Every `patient_key` stands in `patient_key` of `patients`.",
        ),
        (
            {"raw_code": "{{ config() }}\n-- Rows add up,\n-- in every file.\nselect 1 -- not this\n", "name": "x"},
            "Rows add up, in every file.",
        ),
    ],
)
def test_words(test: dict[str, object], words: str) -> None:
    assert describe_test({**test, "meta": {"action": "Mend it."}}) == f"{words} What to do: Mend it."


def test_a_column_is_traced_to_the_raw_feeds() -> None:
    lineage = {
        "staging.stg": {"sex": [["raw.patients", "sex"]], "born": [["raw.patients", "birth_date"]]},
        "marts.patients": {"sex": [["staging.stg", "sex"]], "label": [["staging.stg", "sex"], ["staging.stg", "born"]]},
    }
    assert origins_table(lineage, "marts.patients").splitlines()[2:] == [
        "| sex | staging.stg.sex | patients.sex |",
        "| label | staging.stg.sex, staging.stg.born | patients.birth_date, patients.sex |",
    ]
