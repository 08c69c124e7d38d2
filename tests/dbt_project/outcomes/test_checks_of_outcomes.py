"""The dbt tests of outcomes fail on the trouble that each is there for."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from study import Study
from tests.cohort import Cohort, copied_build, run_dbt

pytestmark = pytest.mark.slow

WARNINGS = (
    "crs_begins_within_30_days",
    "transplant_events_have_a_transplant",
    "recorded_relapses_follow_a_remission",
    "days_of_death_agree",
    "mrd_negative_not_before_remission",
    "nothing_after_death_events_",
)
ERRORS = {
    "outcomes_are_complete": "delete from marts.outcomes where endpoint = 'OS'",
    "outcomes_agree": "update marts.outcomes set time_days = 9999 where endpoint = 'EFS'",
}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    """A warehouse of one patient per trouble; closed."""
    folder = tmp_path_factory.mktemp("troubled")
    cohort = Cohort()
    cohort.patient("late CRS").adverse_event("CRS", 31, grade=1).follow_up(60)
    cohort.patient("GVHD without a transplant").adverse_event("GVHD", 40, grade=1, phase="hsct").follow_up(60)
    cohort.patient("relapse before remission").marrow(14, 30).marrow(40, 1).follow_up(60, relapse=30)
    cohort.patient("died twice").died(50, visit=60).died(55, visit=70)
    cohort.patient("MRD negative too soon").marrow(14, 30).mrd(14, 0.001).marrow(30, 1).follow_up(60)
    cohort.patient("rash after death").died(50).adverse_event("rash", 51, grade=1)
    cohort.build(folder).close()
    return folder, cohort.study


def statuses(troubled: tuple[Path, Study], folder: Path, tests: list[str], *, tamper: str = "") -> dict[str, str]:
    """Return each selected test's status on a copy of the warehouse, tampered with."""
    built, study = troubled
    database = copied_build(built / "warehouse.duckdb", folder)
    if tamper:
        with duckdb.connect(str(database)) as connection:
            connection.execute(tamper)
    results = run_dbt(["test", "--select", *tests], study, lake=built / "lake", database=database)
    return {result.node.name: str(result.status) for result in results.results}


def test_trouble_at_the_source_warns(troubled: tuple[Path, Study], tmp_path: Path) -> None:
    assert statuses(troubled, tmp_path, list(WARNINGS)) == dict.fromkeys(WARNINGS, "warn")


def test_untouched_outcomes_pass(troubled: tuple[Path, Study], tmp_path: Path) -> None:
    assert statuses(troubled, tmp_path, list(ERRORS)) == dict.fromkeys(ERRORS, "pass")


@pytest.mark.parametrize("test", ERRORS)
def test_broken_outcomes_stop_the_night(troubled: tuple[Path, Study], tmp_path: Path, test: str) -> None:
    with pytest.raises(RuntimeError, match=test):
        statuses(troubled, tmp_path, [test], tamper=ERRORS[test])
