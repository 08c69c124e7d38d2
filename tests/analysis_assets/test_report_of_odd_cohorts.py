"""The report's tables where patients are few, values are missing or feeds were never delivered."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docx import Document

from analysis_assets.report import build_report
from analysis_assets.report.context import read_context
from analysis_assets.report.evidence import EvidenceBook
from analysis_assets.report.sections import Sections
from analysis_assets.tables import DisplayTable
from study import Study
from study.models import Privacy
from tests.analysis_assets.marts_fixture import Marts
from tests.analysis_assets.reference_warehouse import with_analyses


def laid_out(marts: Marts, *tables: str, **changed: Any) -> Sections:
    """The report's tables of a cohort; ``tables`` are the analysis tables that they are made of."""
    study = Study().model_copy(update=changed)
    return Sections(read_context(with_analyses(marts, study, *tables), study), EvidenceBook())


def texts(table: DisplayTable, *, group: str | None = None) -> dict[str, list[str]]:
    """Texts of the cells by the row's heading."""
    return {r.heading.text: [c.text for c in r.cells] for r in table.rows if group is None or r.group == group}


def white_cells(*values: float | None) -> Marts:
    marts = Marts()
    for number, wbc in enumerate(values):
        marts.add_patient(f"p{number}", wbc=wbc)
    return marts


# --- characteristics ------------------------------------------------------------------------------------------------


def test_as_many_are_known_as_the_evidence_lists() -> None:
    marts = white_cells(5, 9, None)
    sections = laid_out(marts, "baseline_characteristics")
    rows = [row for row in sections.baseline().rows if row.group == "WBC (×10⁹/L)"]
    resolved = sections.book.resolve(marts.connection)
    known = {row.heading.text: row.cells[1] for row in rows}
    assert {said: cell.text for said, cell in known.items()} == {"median (range)": "2", "missing": "2"}
    for cell in known.values():
        assert cell.evidence is not None
        assert resolved["sets"][resolved["items"][cell.evidence]["s"]]["n"] == 2
    assert rows[1].cells[0].text == "1 (33.3)"


@pytest.mark.parametrize(
    ("missing", "shown"), [(2, ["20 (62.5)", "*", "<5"]), (7, ["20 (62.5)", "12 (37.5)", "7 (17.9)"])]
)
def test_no_level_follows_from_the_missing_while_small_counts_are_hidden(missing: int, shown: list[str]) -> None:
    """20 and 12 of 34 patients would tell that 2 are missing."""
    marts = white_cells(*[5.0] * 20, *[50.0] * 12, *[None] * missing)
    rows = texts(
        laid_out(marts, "baseline_characteristics", privacy=Privacy(small_cell_below=5)).baseline(), group="WBC"
    )
    assert [cells[0] for cells in rows.values()] == shown


def test_nor_where_the_row_of_the_missing_stands_under_the_measurement() -> None:
    """The covariate of the previous chemotherapies has none of its own."""
    marts = Marts()
    for number, previous in enumerate([*[2] * 20, *[6] * 12, None, None]):
        marts.add_patient(f"p{number}", prior_chemotherapies=previous)
    sections = laid_out(marts, "baseline_characteristics", privacy=Privacy(small_cell_below=5))
    rows = texts(sections.baseline(), group="Number of previous chemotherapies")
    assert (rows["<4"][0], rows["≥4"][0], rows["missing"][0]) == ("20 (62.5)", "*", "<5")


def test_no_band_follows_from_the_known_while_small_counts_are_hidden() -> None:
    """Of 37 known patients the three large bands would tell that 3 stand in the small one."""
    marts = Marts()
    for number, age in enumerate([*[10] * 20, *[25] * 3, *[40] * 6, *[70] * 8, *[None] * 10]):
        marts.add_patient(f"p{number}", age_years=age)
    sections = laid_out(marts, "baseline_characteristics", privacy=Privacy(small_cell_below=5))
    rows = texts(sections.baseline(), group="Age (years)")
    shown = {"<18": "20 (54.1)", "18–30": "<5", "31–60": "*", ">60": "8 (21.6)", "missing": "10 (21.3)"}
    assert {band: rows[band][0] for band in shown} == shown


def test_an_unknown_yes_or_no_is_not_headed_as_a_measurement() -> None:
    rows = texts(laid_out(white_cells(5), "baseline_characteristics").baseline(), group="CNSL")
    assert rows == {"not known": ["–", "0"]}


# --- response -------------------------------------------------------------------------------------------------------


def test_a_rate_that_rests_on_a_feed_never_delivered_is_not_computable() -> None:
    marts = Marts()
    for key, achieved in (("a", True), ("b", False)):
        marts.add_patient(key)
        marts.add_binary(key, "CR", achieved)
        marts.add_binary(key, "SEVERE_CRS", None)
    table = laid_out(marts, "response_rates").response_rates()
    rows = texts(table)
    assert rows["Severe CRS"] == ["not computable", "–", "–", "–"]
    assert rows["Complete remission"][:2] == ["1/2", "50.0"]
    severe = next(row for row in table.rows if row.heading.text == "Severe CRS")
    assert severe.cells[0].notes[0].startswith("Not computable: ")


@pytest.mark.parametrize(
    ("days", "said"), [([28], "28.0"), ([20, 40], "30.0 ± 14.1"), ([], "–")], ids=["one", "two", "nobody"]
)
def test_one_responder_has_a_mean_without_a_deviation(days: list[int], said: str) -> None:
    marts = Marts()
    marts.add_patient("never")
    marts.add_time("never", "TIME_TO_CR", 90, False)
    for day in days:
        marts.add_patient(f"day {day}")
        marts.add_time(f"day {day}", "TIME_TO_CR", day, True)
    assert texts(laid_out(marts, "response_times").response_times())["Time to CR"][1] == said


@pytest.mark.parametrize(("convention", "said"), [("spss", "without continuity"), ("r", "with Yates' continuity")])
def test_the_note_on_the_chi_square_is_that_of_the_convention(convention: str, said: str) -> None:
    marts = Marts()
    for key, sex, achieved in (("a", "M", True), ("b", "F", False), ("c", "F", True)):
        marts.add_patient(key, sex=sex)
        marts.add_binary(key, "CR", achieved)
    table = laid_out(marts, "subgroup_response", conventions=convention).subgroup_response("CR")
    assert table.columns[2].notes == (f"Pearson's χ² {said} correction, two-sided.",)


def test_a_response_that_is_not_computable_has_no_counts_by_factor() -> None:
    marts = Marts()
    marts.add_patient("a", sex="M")
    table = laid_out(marts, "subgroup_response").subgroup_response("CR")
    assert texts(table, group="Gender") == {"–": ["–"] * 5}
    assert table.rows[0].cells[2].notes[0].startswith("Not computable: ")


# --- survival -------------------------------------------------------------------------------------------------------


def followed(*patients: tuple[int, bool, bool]) -> Marts:
    """Patients by day, death and CNS leukaemia."""
    marts = Marts()
    for number, (day, died, cns) in enumerate(patients):
        marts.add_patient(f"p{number}", cns_leukemia=cns)
        marts.add_time(f"p{number}", "OS", day, died)
        marts.add_time(f"p{number}", "RELAPSE", day, died, event_kind="relapse" if died else "censored")
    return marts


def test_a_median_is_not_reached_only_where_somebody_was_followed() -> None:
    marts = followed((100, True, True), (200, False, True), (300, False, True))
    table = laid_out(marts, "km_summary", "km_landmarks", "logrank_tests").survival_by_factor("OS")
    assert texts(table, group="CNSL")["yes"][:3] == ["3", "1", "NR"]
    assert texts(table, group="CNSL")["no"][:3] == ["0", "0", "–"]
    assert texts(table, group="SH2B3 mutation") == {"–": ["–"] * 6}


def test_nor_is_it_for_an_endpoint_without_data() -> None:
    rows = texts(laid_out(followed((100, True, True)), "km_summary", "km_landmarks").survival())
    assert rows["Event-free survival"][2] == "–"
    assert rows["Overall survival"][2] == "3.3"


@pytest.mark.parametrize(("month", "said"), [(3, "0.0"), (4, "33.3"), (9, "33.3"), (10, "–")])
def test_incidence_is_zero_before_anybody_left_and_unknown_past_the_last_follow_up(month: int, said: str) -> None:
    """Day 100 lies in month 4, day 300 in month 10."""
    marts = followed((100, True, True), (200, False, True), (300, False, True))
    sections = laid_out(marts, "cumulative_incidence", landmark_months=(month,))
    cell = sections.competing_risks().rows[0].cells[0]
    assert cell.text.split(" (")[0] == said
    assert (cell.evidence is None) == (said == "–")
    if cell.evidence is not None:
        query = list(sections.book.items)[cell.evidence].sql
        assert len(marts.connection.execute(query).fetchall()) == 1


@pytest.mark.parametrize(("days", "said"), [((30, 487), "0.0"), ((30, 488), "50.0 (0.0–100.0)")])
def test_a_survival_without_interval_stands_alone(days: tuple[int, int], said: str) -> None:
    """Month 16 is day 487; where everybody has died there is no standard error."""
    marts = followed(*((day, True, True) for day in days))
    table = laid_out(marts, "km_summary", "km_landmarks", landmark_months=(16,)).survival()
    assert texts(table)["Overall survival"][3] == said


# --- the whole report -----------------------------------------------------------------------------------------------


def nobody_included() -> Marts:
    marts = Marts()
    marts.add_patient("a", included=False, exclusion_reason="infused too early")
    return marts


def no_optional_feed() -> Marts:
    marts = Marts()
    for key in "ab":
        marts.add_patient(key, included=True)
    return marts


def one_patient() -> Marts:
    marts = Marts()
    marts.add_patient("a", sex="M", age_years=20, wbc=5, cells_per_kg=1_001_000, complete_remission=True)
    for endpoint in ("CR", "MRD_NEGATIVE_CR", "SEVERE_CRS"):
        marts.add_binary("a", endpoint, endpoint == "CR")
    for endpoint in ("OS", "EFS", "FOLLOW_UP", "RELAPSE", "NON_RELAPSE_MORTALITY", "TIME_TO_CR"):
        marts.add_time("a", endpoint, 28 if endpoint == "TIME_TO_CR" else 100, endpoint in ("EFS", "TIME_TO_CR"))
    marts.add_adverse_event("a", "CRS", None)
    return marts


def everybody_dies_on_day_0() -> Marts:
    marts = Marts()
    for key in "abcd":
        marts.add_patient(key, sex="M" if key in "ab" else "F", age_years=20)
        marts.add_binary(key, "SEVERE_CRS", True)
        for endpoint in ("OS", "EFS", "FOLLOW_UP", "RELAPSE", "NON_RELAPSE_MORTALITY"):
            marts.add_time(key, endpoint, 0, endpoint in ("OS", "EFS", "NON_RELAPSE_MORTALITY"))
        marts.add_adverse_event(key, "CRS", 5)
    return marts


@pytest.mark.slow
@pytest.mark.parametrize("cohort", [nobody_included, no_optional_feed, one_patient, everybody_dies_on_day_0])
def test_no_table_shows_what_a_program_calls_nothing(cohort: Callable[[], Marts], tmp_path: Path) -> None:
    study = Study()
    page = build_report(with_analyses(cohort(), study), study, tmp_path).read_text(encoding="utf-8")
    shown = re.findall(r"<(?:t[dh]|dd|dt|small)\b[^>]*>(.*?)</", page, re.DOTALL)
    files = sorted((tmp_path / "tables").glob("*.csv"))
    for path in files:
        with path.open(encoding="utf-8-sig", newline="") as file:
            shown += [text for row in csv.reader(file) for text in row]
        document = Document(str(path.with_suffix(".docx")))
        shown += [cell.text for row in document.tables[0].rows for cell in row.cells]
    assert len(files) >= 5
    assert "–" in shown
    assert [text for text in shown if re.search(r"\b(None(?! of )|nan|NaN|NaT|inf)\b|<NA>", text)] == []


def test_a_headline_median_of_nobody_is_not_computable(tmp_path: Path) -> None:
    study = Study()
    connection = with_analyses(nobody_included(), study, "km_summary")
    page = build_report(connection, study, tmp_path).read_text(encoding="utf-8")
    tiles = page[page.index('<dl class="tiles">') :]
    said = " ".join(re.sub(r"<[^>]+>", " ", tiles[: tiles.index("</dl>")]).split())
    assert "not reached" not in said
    assert "Median OS – Not computable: " in said
