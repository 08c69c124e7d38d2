"""One description of a table, three renderings: what a reader sees, a spreadsheet reads and Word edits."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from docx import Document

from analysis_assets.tables import (
    Cell,
    Column,
    DisplayTable,
    Row,
    interval_text,
    mark,
    number_text,
    p_text,
    to_html,
    write_csv,
    write_docx,
)
from analysis_assets.xml_text import xml_text


@pytest.fixture
def table() -> DisplayTable:
    return DisplayTable(
        "response", "Response <by> factor",
        (Column("n (%)", notes=("Of all patients.",)), Column("P", spanner="Test", notes=("Pearson.",)),
         Column("Why", "left")),
        [
            Row(Cell("<18 & under"), (Cell("24 (88.9)", 7), Cell("0.229", 8, ("Sparse.",)), Cell("=1+1")), "Age"),
            Row(Cell("≥18"), (Cell("12 (100.0)", 9), Cell(""), Cell("-x")), "Age"),
            Row(Cell("male"), (Cell("20 (90.9)"), Cell("0.709", None, ("Of all patients.",)), Cell("–")), "Sex"),
        ],
        heading="Factor", remarks=("Convention: SPSS.",),
    )  # fmt: skip


def test_notes_get_their_marks_in_reading_order(table: DisplayTable) -> None:
    assert table.notes() == {"Of all patients.": "a", "Pearson.": "b", "Sparse.": "c"}
    assert [mark(i) for i in (0, 25, 26, 27, 52)] == ["a", "z", "aa", "ab", "ba"]


def test_html_holds_numbers_as_buttons_and_escapes_all_text(table: DisplayTable) -> None:
    html = to_html(table)
    buttons = re.findall(r'<button type="button" class="ev" data-e="(\d+)" aria-haspopup="dialog">(.*?)</button>', html)
    assert buttons == [("7", "24 (88.9)"), ("8", "0.229<sup>c</sup>"), ("9", "12 (100.0)")]
    assert "&lt;18 &amp; under" in html
    assert "<sup>a</sup> Of all patients." in html
    assert "Convention: SPSS." in html
    assert html.count("<tr") == html.count("</tr>")


def test_html_has_headers_for_screen_readers_and_nothing_that_clashes_on_a_page(table: DisplayTable) -> None:
    html = to_html(table)
    assert 'scope="row"' in html
    assert 'scope="col"' in html
    assert not re.search(r"<style|<script|\sid=|\sheaders=|style=", html)
    assert not re.search("[\ue000-\uf8ff]", html)


def test_csv_is_what_a_spreadsheet_reads_without_running_anything(table: DisplayTable, tmp_path: Path) -> None:
    path = write_csv(table, tmp_path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["Group", "Factor", "n (%)", "Test: P", "Why"]
    assert lines[1] == ["Age", "<18 & under", "24 (88.9)", "0.229", "'=1+1"]
    assert lines[2][-1] == "'-x"
    assert [line[0] for line in lines[4:]] == [
        "# Response <by> factor", "# Of all patients.", "# Pearson.", "# Sparse.", "# Convention: SPSS.",
    ]  # fmt: skip


def test_docx_is_an_editable_table_with_a_repeated_heading_row(table: DisplayTable, tmp_path: Path) -> None:
    document = Document(str(write_docx(table, tmp_path, "SYNTHETIC DATA")))
    assert document.sections[0].header.paragraphs[0].text == "SYNTHETIC DATA"
    grid = document.tables[0]
    texts = [[cell.text for cell in row.cells] for row in grid.rows]
    assert texts[0] == ["Factor", "n (%) (a)", "Test: P (b)", "Why"]
    assert set(texts[1]) == {"Age"}
    assert texts[2] == ["<18 & under", "24 (88.9)", "0.229 (c)", "=1+1"]
    assert "tblHeader" in grid.rows[0]._tr.xml
    assert "tblHeader" not in grid.rows[1]._tr.xml
    assert [p.text for p in document.paragraphs][-4:] == [
        "a  Of all patients.",
        "b  Pearson.",
        "c  Sparse.",
        "Convention: SPSS.",
    ]


def test_docx_shows_a_sign_in_place_of_what_xml_forbids(tmp_path: Path) -> None:
    """A vertical tab in one cell of the hospital's must not stop the night."""
    row = Row(Cell("rash\x0b, tab\t"), (Cell("1\x00"),), "Skin\x1f")
    columns, remarks = (Column("n\x0c"),), ("Note\x0b.",)
    odd = DisplayTable("odd", "Title\x0b", columns, [row], heading="Term\x01", remarks=remarks)
    document = Document(str(write_docx(odd, tmp_path, "HEADER\x0b")))
    assert document.sections[0].header.paragraphs[0].text == "HEADER\ufffd"
    assert [[cell.text for cell in row.cells] for row in document.tables[0].rows] == [
        ["Term\ufffd", "n\ufffd"],
        ["Skin\ufffd", "Skin\ufffd"],
        ["rash\ufffd, tab\t", "1\ufffd"],
    ]
    assert [p.text for p in document.paragraphs] == ["Title\ufffd", "Note\ufffd."]


@pytest.mark.parametrize("kept", ["\t", "\n", "\r", " ", "\x7f", "\ud7ff", "\ue000", "\ufffd", "\U00010000", "Ａ未"])
def test_text_that_xml_may_hold_stays(kept: str) -> None:
    assert xml_text(f"a{kept}b") == f"a{kept}b"


FORBIDDEN = (0x00, 0x08, 0x0B, 0x0C, 0x0E, 0x1F, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF)


@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_text_that_xml_forbids_is_replaced(forbidden: int) -> None:
    assert xml_text(f"a{chr(forbidden)}b") == "a\ufffdb"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(17.95, 1, "18.0"), (0.25, 1, "0.3"), (2.5, 0, "3"), (None, 1, "–"), (float("nan"), 2, "–"), (12, 0, "12")],
)
def test_numbers_round_half_away_from_zero(value: float | None, digits: int, text: str) -> None:
    assert number_text(value, digits) == text


def test_p_values_and_intervals_as_text() -> None:
    assert [p_text(p) for p in (0.0004, 0.0005, 0.0496, None)] == ["<0.001", "0.001", "0.050", "–"]
    assert interval_text(4.004, 19.19, 1) == "4.0–19.2"
    assert interval_text(4.0, None, 1) == "4.0–NR"
    assert interval_text(None, None, 1) == "–"
