"""The report's tables where patients are few, values are missing or feeds were never delivered."""

from __future__ import annotations

from typing import Any

import pytest

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
