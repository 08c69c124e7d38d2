"""Every rule among the dbt tests fails on the trouble that it is there for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from study import Study
from tests.cohort import Cohort, copied_build, run_dbt

pytestmark = pytest.mark.slow
STUDY = {"cohort": {"diagnosis_prefixes": ["C91.0"]}}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    """A warehouse of patients with troubles at the source; closed."""
    folder = tmp_path_factory.mktemp("troubled")
    cohort = Cohort(STUDY)
    ann = cohort.patient("ann").diagnosis(-100, "C91.02").follow_up(100)
    ann.marrow(-1, 4).marrow(-1, 5).marrow(10, "<5").lab(-1, "leukocytes", 3, unit="cups")
    ann.prior_therapy(1, -100, -50, "complete_remission")
    stranger = cohort.patient("stranger", infused=False).marrow(1, 4)
    stranger.rows["patients"].clear()
    cohort.build(folder).close()
    return folder, cohort.study


def statuses(troubled: tuple[Path, Study], folder: Path, tests: str, *, tamper: str = "select 1") -> dict[str, Any]:
    """Return each selected test's status on a copy of the warehouse, tampered with."""
    built, study = troubled
    database = copied_build(built / "warehouse.duckdb", folder)
    with duckdb.connect(str(database)) as connection:
        connection.execute(tamper)
    try:
        results = run_dbt(["test", "--select", *tests.split()], study, lake=built / "lake", database=database)
    except RuntimeError as failure:
        return {"error": str(failure)}
    return {result.node.name: str(result.status) for result in results.results}


WARNINGS = (
    "one_row_per_stg_emr__marrow_assessments_patient_key__sampled_on__allowed",
    "is_empty_rejected_rows_",
    "is_empty_rejected_values_",
    "lab_units_are_known",
    "recorded_disease_labels_agree",
)


def test_trouble_at_the_source_warns(troubled: tuple[Path, Study], tmp_path: Path) -> None:
    assert statuses(troubled, tmp_path, " ".join(WARNINGS)) == dict.fromkeys(WARNINGS, "warn")


BROKEN = [
    (
        "accepted_and_rejected_rows_add_up",
        "insert into quality.extracts (feed, rows, accepted, rejected) values ('patients', 3, 1, 1)",
    ),
    ("cohort_flow_adds_up", "update marts.cohort_flow set n_remaining = 7 where step = 0"),
    ("cohort_flow_adds_up", "update marts.cohort_flow set n_remaining = 7 where step = 3"),
    ("excluded_patients_have_a_reason", "update marts.patients set exclusion_reason = 'no reason'"),
    ("excluded_patients_have_a_reason", "update marts.patients set included = false"),
    ("one_row_per_patients_patient_key", "insert into marts.patients select * from marts.patients"),
    (
        "one_row_per_int_prior_therapy_patient_key",
        "insert into intermediate.int_prior_therapy select * from intermediate.int_prior_therapy",
    ),
    ("one_row_per_int_prior_therapy_patient_key", "update intermediate.int_prior_therapy set patient_key = null"),
]


def test_sound_models_pass(troubled: tuple[Path, Study], tmp_path: Path) -> None:
    tests = sorted({test for test, _ in BROKEN})
    assert statuses(troubled, tmp_path, " ".join(tests)) == dict.fromkeys(tests, "pass")


@pytest.mark.parametrize(("test", "tamper"), BROKEN)
def test_a_broken_model_is_an_error(troubled: tuple[Path, Study], tmp_path: Path, test: str, tamper: str) -> None:
    assert test in statuses(troubled, tmp_path, test, tamper=tamper).get("error", "")
