"""Tables for people: one description, shown as HTML (great_tables), CSV or an editable Word document.

What a table says stands in `DisplayTable` as text; a cell may name the piece of evidence that it opens. No arithmetic
and no SQL here; great_tables and python-docx are imported only when a table is rendered.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from analysis_assets.xml_text import xml_text

# Private-use characters that mark a cell's evidence on its way through great_tables, which escapes everything else.
_OPEN, _MIDDLE, _CLOSE = "\ue000", "\ue001", "\ue002"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Cell:
    """Text of one cell, the evidence that it opens, the notes that it refers to."""

    text: str
    evidence: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column: heading, alignment, the spanner above it and the notes that explain it."""

    label: str
    align: str = "right"
    spanner: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One line: its heading in the first column and its cells."""

    heading: Cell
    cells: tuple[Cell, ...]
    group: str = ""


@dataclass
class DisplayTable:
    """A whole table. `remarks` stand under it without a mark; `sql` is the query that reads its analysis table."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: list[Row] = field(default_factory=list)
    heading: str = ""
    remarks: tuple[str, ...] = ()
    sql: str = ""
    empty: str = "Nothing to show."

    def notes(self) -> dict[str, str]:
        """Marks by note, in the order in which a reader meets the notes."""
        met: dict[str, str] = {}
        cells = (cell for row in self.rows for cell in (row.heading, *row.cells))
        for notes in (*(column.notes for column in self.columns), *(cell.notes for cell in cells)):
            for note in notes:
                met.setdefault(note, mark(len(met)))
        return met


def _marks(notes: Iterable[str], marks: Mapping[str, str]) -> str:
    return ",".join(marks[note] for note in notes)


def mark(position: int) -> str:
    """A, b, ..., z, aa, ab, ... in lower case."""
    first, second = divmod(position, len(_LETTERS))
    return (_LETTERS[first - 1] if first else "") + _LETTERS[second]


# --- HTML ----------------------------------------------------------------------------------------------------------


def to_html(table: DisplayTable) -> str:
    """The table as accessible HTML without styles, scripts or ids; evidence cells are buttons with `data-e`."""
    import pandas as pd
    from great_tables import GT, html

    keys = [f"c{i}" for i in range(len(table.columns))]
    marks = table.notes()
    grouped = any(row.group for row in table.rows)
    records = [
        {
            "group": row.group,
            "heading": _marked(row.heading, marks),
            **{key: _marked(cell, marks) for key, cell in zip(keys, row.cells, strict=True)},
        }
        for row in table.rows
    ]
    frame = pd.DataFrame(records, columns=["group", "heading", *keys], dtype="object")
    frame = frame if grouped else frame.drop(columns="group")
    built = GT(frame, rowname_col="heading", groupname_col="group" if grouped else None)
    if table.heading:
        built = built.tab_stubhead(label=table.heading)
    for key, column in zip(keys, table.columns, strict=True):
        label = escape(column.label) + _superscript(_marks(column.notes, marks))
        built = built.cols_label(cases={key: html(label)}).cols_align(align=_align(column), columns=[key])
    for spanner in dict.fromkeys(column.spanner for column in table.columns if column.spanner):
        under = [key for key, column in zip(keys, table.columns, strict=True) if column.spanner == spanner]
        built = built.tab_spanner(label=spanner, columns=under)
    for note, letters in marks.items():
        built = built.tab_source_note(html(f"{_superscript(letters)} {escape(note)}"))
    for remark in table.remarks:
        built = built.tab_source_note(html(escape(remark)))
    return _plain_markup(built.as_raw_html())


def _align(column: Column) -> Any:
    return column.align


def _superscript(marks: str) -> str:
    return f"<sup>{marks}</sup>" if marks else ""


def _marked(cell: Cell, marks: Mapping[str, str]) -> str:
    letters = _marks(cell.notes, marks)
    text = f"{cell.text}{_OPEN}^{letters}{_CLOSE}" if letters else cell.text
    return text if cell.evidence is None else f"{_OPEN}{cell.evidence}{_MIDDLE}{text}{_CLOSE}{_CLOSE}"


def _plain_markup(raw: str) -> str:
    """Drop what great_tables adds around its table: wrapper, styles, and ids that would clash on one page."""
    table = raw[raw.index("<table") : raw.rindex("</table>") + len("</table>")]
    table = re.sub(r' (?:id|headers|aria-labelledby|aria-describedby|data-quarto-\w+(?:-\w+)?)="[^"]*"', "", table)
    table = re.sub(r' (?:rowspan|colspan)="1"', "", table)
    table = re.sub(rf"{_OPEN}\^([a-z,]+){_CLOSE}", r"<sup>\1</sup>", table)
    table = re.sub(
        rf"{_OPEN}(\d+){_MIDDLE}(.*?){_CLOSE}{_CLOSE}",
        r'<button type="button" class="ev" data-e="\1" aria-haspopup="dialog">\2</button>',
        table,
        flags=re.DOTALL,
    )
    return re.sub(r"\n\s*", "\n", table)


# --- CSV and DOCX ----------------------------------------------------------------------------------------------------


def _flat_header(table: DisplayTable) -> list[str]:
    labels = [f"{c.spanner}: {c.label}" if c.spanner else c.label for c in table.columns]
    return (["Group"] if any(row.group for row in table.rows) else []) + [table.heading or "Item", *labels]


def _flat_rows(table: DisplayTable) -> list[list[str]]:
    grouped = any(row.group for row in table.rows)
    return [
        ([row.group] if grouped else []) + [row.heading.text, *(cell.text for cell in row.cells)] for row in table.rows
    ]


def write_csv(table: DisplayTable, folder: Path) -> Path:
    """Write `<name>.csv` (UTF-8 with BOM, so that spreadsheet programs read it); notes follow as comment lines."""
    path = folder / f"{table.name}.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_flat_header(table))
        writer.writerows([_safe(text) for text in row] for row in _flat_rows(table))
        writer.writerows([f"# {note}"] for note in [table.title, *table.notes(), *table.remarks])
    return path


def _safe(text: str) -> str:
    """Text that a spreadsheet program would take for a formula is quoted."""
    return f"'{text}" if text[:1] in ("=", "+", "@") or (text[:1] == "-" and not text[1:2].isdigit()) else text


def write_docx(table: DisplayTable, folder: Path, header: str) -> Path:
    """Write `<name>.docx`: title, editable table with a repeated heading row, notes; `header` stands on every page."""
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.oxml import parse_xml
    from docx.shared import Pt

    document = Document()
    section = document.sections[0]
    if len(table.columns) > 4:
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = section.page_height, section.page_width
    section.header.paragraphs[0].text = xml_text(header)
    document.add_heading(xml_text(table.title), level=1)
    # one parse of the whole table: python-docx's own cell-by-cell calls take seconds for a long one
    document.element.body.insert(-1, parse_xml(xml_text(_docx_table(table))))
    remarks = [f"{letters}  {note}" for note, letters in table.notes().items()] + list(table.remarks)
    for remark in remarks:
        document.add_paragraph(xml_text(remark)).runs[0].font.size = Pt(8)
    path = folder / f"{table.name}.docx"
    document.save(str(path))
    return path


_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def _docx_table(table: DisplayTable) -> str:
    """The table in WordprocessingML."""
    marks = table.notes()
    sides = ["left"] + ["left" if c.align == "left" else "right" for c in table.columns]
    width = len(sides)
    labels = [f"{c.spanner}: {c.label}" if c.spanner else c.label for c in table.columns]
    noted = [_with_marks(label, _marks(c.notes, marks)) for label, c in zip(labels, table.columns, strict=True)]
    lines = [_docx_row([table.heading, *noted], sides, bold=True, repeated=True)]
    group = ""
    for row in table.rows:
        if row.group != group:
            group = row.group
            lines.append(_docx_row([group], ["left"], bold=True, span=width))
        texts = [_with_marks(cell.text, _marks(cell.notes, marks)) for cell in (row.heading, *row.cells)]
        lines.append(_docx_row(texts, sides))
    borders = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="808080"/>' for side in ("top", "bottom", "insideH")
    )
    return (
        f'<w:tbl xmlns:w="{_WORD}"><w:tblPr><w:tblW w:w="5000" w:type="pct"/><w:tblBorders>{borders}</w:tblBorders>'
        f"</w:tblPr><w:tblGrid>{'<w:gridCol/>' * width}</w:tblGrid>{''.join(lines)}</w:tbl>"
    )


def _docx_row(
    texts: Iterable[str], sides: Iterable[str], *, bold: bool = False, repeated: bool = False, span: int = 1
) -> str:
    properties = "<w:trPr><w:cantSplit/>" + ("<w:tblHeader/>" if repeated else "") + "</w:trPr>"
    spanned = f'<w:tcPr><w:gridSpan w:val="{span}"/></w:tcPr>' if span > 1 else ""
    letters = f'<w:rPr>{"<w:b/>" if bold else ""}<w:sz w:val="16"/></w:rPr>'
    cells = "".join(
        f'<w:tc>{spanned}<w:p><w:pPr><w:spacing w:after="0"/><w:jc w:val="{side}"/></w:pPr>'
        f'<w:r>{letters}<w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p></w:tc>'
        for text, side in zip(texts, sides, strict=True)
    )
    return f"<w:tr>{properties}{cells}</w:tr>"


def _with_marks(text: str, letters: str) -> str:
    return f"{text} ({letters})" if letters else text


# --- numbers as text -------------------------------------------------------------------------------------------------


def number_text(value: object, digits: int) -> str:
    """A number with `digits` decimals, half away from zero; an en dash for a missing one."""
    from decimal import ROUND_HALF_UP, Decimal

    if _missing(value):
        return "–"
    return str(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP))  # type: ignore[arg-type]


def p_text(value: object) -> str:
    """A P value with three decimals, or < 0.001."""
    if _missing(value):
        return "–"
    return "<0.001" if float(value) < 0.0005 else number_text(value, 3)  # type: ignore[arg-type]


def interval_text(low: object, high: object, digits: int) -> str:
    """`low–high` with `to` between negative numbers, a dash where neither is known, NR for an unknown end."""
    if _missing(low) and _missing(high):
        return "–"
    ends = ["NR" if _missing(end) else number_text(end, digits) for end in (low, high)]
    return "–".join(ends)


def _missing(value: object) -> bool:
    if value is None:
        return True
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return True
    return number != number
