"""Rules of CRS side by side, imputed dates, and the transplant phase, on marts that dbt builds from named patients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analysis_assets.adverse_event_rates import adverse_event_rates
from analysis_assets.inputs import StudyInputs
from analysis_assets.report import build_report
from analysis_assets.sensitivity import crs_grading, date_sensitivity
from study import Study
from tests.cohort import Cohort
from warehouse import write_table


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[duckdb.DuckDBPyConnection, Study]]:
    """Six patients: two transplanted, one with an event of the transplant phase though never transplanted."""
    folder = tmp_path_factory.mktemp("sensitivity")
    cohort = Cohort()
    fever = cohort.patient("fever, called grade 1").vital(3, "temperature", 39).adverse_event("CRS", 3, grade=1)
    fever.follow_up(100)
    low = cohort.patient("hypotension, called grade 1").vital(3, "temperature", 39).vital(4, "systolic_bp", 80)
    low.adverse_event("CRS", 3, grade=1).follow_up(100)
    cohort.patient("called CRS without a grade").adverse_event("CRS", 3).follow_up(100)
    cohort.patient("GVHD after a transplant").hsct(50).adverse_event("GVHD", 70, grade=2, phase="hsct").follow_up(100)
    cohort.patient("transplanted").hsct(50).died("2017-06", visit=200)
    cohort.patient("GVHD without a transplant").adverse_event("GVHD", 70, grade=3, phase="hsct").died(30, visit=40)
    cohort.build(folder).close()
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        yield connection, cohort.study


def _rows(frame: Any, *keys: str) -> dict[Any, dict[str, Any]]:
    return {tuple(row[key] for key in keys): row for row in frame.to_dict(orient="records")}


@pytest.mark.slow
def test_events_of_the_transplant_phase_count_among_the_transplanted_alone(
    built: tuple[duckdb.DuckDBPyConnection, Study],
) -> None:
    connection, study = built
    rows = _rows(adverse_event_rates(StudyInputs(connection, study), study), "phase", "term")
    gvhd = rows["hsct", "GVHD"]
    assert (gvhd["n"], gvhd["n_total"]) == (1, 2)


@pytest.mark.slow
def test_grades_side_by_side_add_up_and_agree_where_both_are_known(
    built: tuple[duckdb.DuckDBPyConnection, Study],
) -> None:
    connection, study = built
    rows = _rows(crs_grading(StudyInputs(connection, study), study), "rule_set", "level")
    counts = {key: row["n"] for key, row in rows.items()}
    assert counts == {
        ("recorded", "0"): 3,
        ("recorded", "1"): 2,
        ("recorded", "unknown"): 1,
        ("lee2014", "0"): 4,
        ("lee2014", "1"): 1,
        ("lee2014", "2"): 1,
        ("lee2014", "agrees with the recorded grade"): 4,
        ("astct2019", "0"): 4,
        ("astct2019", "1"): 1,
        ("astct2019", "2"): 1,
        ("astct2019", "agrees with the recorded grade"): 4,
    }
    assert rows["lee2014", "agrees with the recorded grade"]["n_total"] == 5
    assert rows["lee2014", "agrees with the recorded grade"]["pct"] == pytest.approx(80)


@pytest.mark.slow
def test_an_imputed_death_moves_the_median_within_its_month(built: tuple[duckdb.DuckDBPyConnection, Study]) -> None:
    connection, study = built
    row = _rows(date_sensitivity(StudyInputs(connection, study), study), "endpoint")[("OS",)]
    # Infusion 2017-03-01: 1 June is day 92, the 15th day 106, the 30th day 121. At risk then: this patient alone.
    assert (row["n_imputed"], row["n_total"]) == (1, 6)
    assert (row["days_earlier_at_most"], row["days_later_at_most"]) == (14, 15)
    # Died on day 30 and in June, four seen until day 100. In June as late as possible the curve falls to 0 on day 121;
    # on 1 June five are at risk, and it stays at 5/6 x 4/5 = 2/3.
    assert row["median_months"] == pytest.approx(106 / 30.4375)
    assert row["median_months_longest"] == pytest.approx(121 / 30.4375)
    assert row["median_months_shortest"] != row["median_months_shortest"]


def test_without_the_marts_there_is_nothing_to_compare() -> None:
    from tests.analysis_assets.marts_fixture import Marts

    inputs = StudyInputs(Marts().connection, Study.model_validate({"study": {"name": "empty"}, "published": None}))
    assert (inputs.crs_grade_counts(), inputs.imputed_times()) == ({}, [])


def _page(built: tuple[duckdb.DuckDBPyConnection, Study], folder: Path, study: Study) -> str:
    connection, _ = built
    inputs = StudyInputs(connection, study)
    for name, build in (("crs_grading", crs_grading), ("date_sensitivity", date_sensitivity)):
        write_table(connection, "analysis", name, build(inputs, study))
    write_table(connection, "analysis", "adverse_event_rates", adverse_event_rates(inputs, study))
    build_report(connection, study, folder)
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_report_shows_both(built: tuple[duckdb.DuckDBPyConnection, Study], tmp_path: Path) -> None:
    html = _page(built, tmp_path, built[1])
    shown = re.sub(r"<[^>]*>", " ", html[html.index('id="t-crs_grading"') :])
    assert "By ASTCT 2019, n (%)" in shown
    assert "4/5 (80.0%)" in shown
    dates = re.sub(r"<[^>]*>", " ", html[html.index('id="t-date_sensitivity"') :])
    assert re.search(r"Overall survival\s+1/6\s+14\s+15\s+3\.5\s+NR\s+4\.0", dates)


@pytest.mark.slow
def test_neither_is_shown_while_small_counts_are_hidden(
    built: tuple[duckdb.DuckDBPyConnection, Study], tmp_path: Path
) -> None:
    hiding = built[1].model_copy(update={"privacy": built[1].privacy.model_copy(update={"small_cell_below": 5})})
    html = _page(built, tmp_path, hiding)
    assert "t-crs_grading" not in html
    assert "t-date_sensitivity" not in html
