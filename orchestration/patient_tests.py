"""Which dbt tests judge patient by patient: on a delta night they need to look at the changed patients alone.

Such a test finds something on the whole warehouse exactly where it finds something among one patient's rows. So where
it found nothing last night, and tonight nothing among the patients who changed, it finds nothing tonight on the whole.
Every other test, and one that has found something, is made on the whole warehouse (decision 1).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestration.dbt_worker import RUN_RESULTS
from warehouse import WarehouseHome, connect_read_only

_PATIENT = "patient_key"
_PATIENT_NUMBER = "patient_number"  # stands for the key in work tables
_BY_PATIENT = "patient"
_STAGING = "staging"
# A condition or a threshold makes a verdict of more than one patient's rows.
_PLAIN = {"where": None, "limit": None, "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0"}

Arguments = Mapping[str, Any]


def _of_each_row(_given: Arguments) -> bool:
    return True


# Generic tests and when their verdict on tables by patient is one patient's at a time; one that is not named never is.
_GENERIC: dict[str, Callable[[Arguments], bool]] = {
    "accepted_values": _of_each_row,
    "not_null": _of_each_row,
    "is_not_negative": _of_each_row,
    "is_empty": _of_each_row,
    "nothing_after_death": _of_each_row,  # joined by patient
    "unique": lambda given: given["column_name"] == _PATIENT,
    "one_row_per": lambda given: not {_PATIENT, _PATIENT_NUMBER}.isdisjoint(given["columns"]),
    "relationships": lambda given: given["column_name"] == given["field"] == _PATIENT,
}


def by_patient_tests(manifest: Mapping[str, Any], by_patient: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the tests that judge patient by patient: name by unique id.

    Generic tests are told by their kind and columns, a test of one's own says so itself (`meta: {rows_depend_on:
    patient}`). Either way it reads tables by patient, staging views among them, and code lists alone.

    Args:
        manifest: dbt's manifest.
        by_patient: tables by patient, schema and name; work tables, which a delta night has of the changed patients
            alone, among them.
    """
    nodes, tables = manifest["nodes"], set(by_patient)

    def reads_patients_alone(test: Mapping[str, Any]) -> bool:
        read = [nodes[unique_id] for unique_id in test["depends_on"]["nodes"]]
        patients = [node for node in read if _is_by_patient(node, tables)]
        return bool(patients) and all(node in patients or node["resource_type"] == "seed" for node in read)

    return {
        unique_id: test["name"]
        for unique_id, test in nodes.items()
        if test["resource_type"] == "test" and _judges_patients(test) and reads_patients_alone(test)
    }


def _is_by_patient(node: Mapping[str, Any], tables: set[tuple[str, str]]) -> bool:
    staged = node["schema"] == _STAGING and _PATIENT in node["columns"]
    return node["resource_type"] == "model" and (staged or (node["schema"], node["name"]) in tables)


def _judges_patients(test: Mapping[str, Any]) -> bool:
    config = test["config"]
    if any(config.get(name) != plain for name, plain in _PLAIN.items()):
        return False
    generic = test.get("test_metadata")
    if generic is None:
        return bool(config["meta"].get("rows_depend_on") == _BY_PATIENT)
    judges = _GENERIC.get(generic["name"])
    return judges is not None and judges(generic["kwargs"])


def passed_last_night(home: WarehouseHome) -> frozenset[str]:
    """Return the names of the dbt tests that found nothing in the published warehouse."""
    with connect_read_only(home.database) as published:
        rows = published.execute(
            """select "check" from quality.check_results where suite = 'dbt' and status = 'passed'"""
        ).fetchall()
    return frozenset(str(name) for (name,) in rows)


def statuses_of_tests(target: Path) -> dict[str, str]:
    """Return dbt's word for the result of each test that its last run in this folder made, by unique id."""
    return {
        result["unique_id"]: result["status"]
        for result in _read(target)["results"]
        if result["unique_id"].startswith("test.")
    }


def failed_by_tests_alone(target: Path) -> bool:
    """Say whether dbt's last run failed because of tests that found something, while every model could be made."""
    failed = [result for result in _read(target)["results"] if result["status"] in ("error", "fail")]
    return bool(failed) and all(result["unique_id"].startswith("test.") for result in failed)


def add_results(target: Path, of_patients: Path, settled: Iterable[str]) -> None:
    """Add to the results of the run on the whole warehouse those of the tests that the changed patients settled.

    Args:
        target: folder of the run on the whole.
        of_patients: folder of the run on the changed patients.
        settled: unique ids of tests that the run on the whole did not make.
    """
    wanted, results = set(settled), _read(target)
    results["results"] += [each for each in _read(of_patients)["results"] if each["unique_id"] in wanted]
    scratch = target / f"{RUN_RESULTS}.partial"
    scratch.write_text(json.dumps(results), encoding="utf-8")
    shutil.move(scratch, target / RUN_RESULTS)


def _read(target: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((target / RUN_RESULTS).read_text(encoding="utf-8"))
    return content
