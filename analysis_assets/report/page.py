"""One self-contained page: tables, figures and evidence put together; nothing is fetched when it is opened."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analysis_assets.tables import DisplayTable, number_text, to_html

if TYPE_CHECKING:
    from analysis_assets.gallery import InlinedFigure
    from analysis_assets.report.changes import Changes, HeadlineChange
    from analysis_assets.report.quarantine import Trend

TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass
class Section:
    """A part of the page: blocks of finished HTML under a heading."""

    name: str
    title: str
    lead: str = ""
    blocks: list[str] = field(default_factory=list)
    short: str = ""


@dataclass(frozen=True)
class Tile:
    """A headline number: label, value that opens its evidence, a line below."""

    label: str
    value: str
    evidence: int | None
    more: str = ""
    bad: bool = False


def tiles_html(tiles: Iterable[Tile]) -> str:
    """Headline numbers as a description list."""
    parts = []
    for tile in tiles:
        value = escape(tile.value)
        if tile.evidence is not None:
            value = f'<button type="button" class="ev" data-e="{tile.evidence}" aria-haspopup="dialog">{value}</button>'
        more = f'<dd class="more">{escape(tile.more)}</dd>' if tile.more else ""
        kind = "tile bad" if tile.bad else "tile"
        parts.append(f'<div class="{kind}"><dt>{escape(tile.label)}</dt><dd class="value">{value}</dd>{more}</div>')
    return f'<dl class="tiles">{"".join(parts)}</dl>'


def table_html(table: DisplayTable, *, heading: bool = True) -> str:
    """A table in its card, with its query and its files."""
    title = escape(table.title)
    top = f'<h3 id="t-{table.name}">{title}</h3>' if heading else f'<h3 id="t-{table.name}" hidden>{title}</h3>'
    if not table.rows:
        return f'<div class="card">{top}<p>{escape(table.empty)}</p></div>'
    files = "".join(f'<a href="tables/{table.name}.{kind}" download>{kind.upper()}</a>' for kind in ("csv", "docx"))
    sql = f'<details class="sql"><summary>Query of this table</summary><pre>{escape(table.sql)}</pre></details>'
    return (
        f'<div class="card">{top}<div class="scroll" role="region" aria-labelledby="t-{table.name}" tabindex="0">'
        f'{to_html(table)}</div><p class="downloads">{files}</p>{sql if table.sql else ""}</div>'
    )


def folded(title: str, blocks: Iterable[str]) -> str:
    """Blocks that open on demand."""
    inside = "\n".join(blocks)
    return f'<details class="group"><summary>{escape(title)}</summary><div class="inside">{inside}</div></details>'


def paragraph(text: str) -> str:
    """A paragraph in a card."""
    return f'<div class="card"><p>{escape(text)}</p></div>'


# --- figures -------------------------------------------------------------------------------------------------------


def figure_slot(name: str) -> str:
    """Where a figure will stand: the page is laid out while figures are still being drawn."""
    return f"<!--figure {escape(name)}-->"


def fill_slots(page: str, figures: Iterable[InlinedFigure]) -> str:
    """Return the page with each figure in its place."""
    drawn = {figure_slot(figure.name): figure_html(figure) for figure in figures}
    return re.sub(r"<!--figure [^>]*-->", lambda slot: drawn[slot.group()], page)


def figure_html(figure: InlinedFigure) -> str:
    """A figure inlined as an SVG image with its alternative text."""
    svg = figure.inline_svg
    width, height = _svg_size(svg)
    files = "".join(
        f'<a href="figures/{name}" download>{kind}</a>' for name, kind in ((figure.svg, "SVG"), (figure.png, "PNG"))
    )
    return (
        f'<figure class="card" id="fig-{escape(figure.name)}">'
        f'<img src="{data_uri(svg)}" width="{width}" height="{height}" '
        f'alt="{escape(figure.alternative_text, quote=True)}"><figcaption><strong>{escape(figure.title)}</strong>'
        f'<details class="words"><summary>In words</summary><p>{escape(figure.alternative_text)}</p></details>'
        f'<span class="downloads">{files}</span></figcaption></figure>'
    )


def small_svg(svg: str) -> str:
    """The drawing without prolog, metadata, comments and the digits of its coordinates that no eye sees."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' d="([^"]*)"', lambda found: f' d="{_short_path(found.group(1))}"', svg)
    svg = re.sub(r'( [xy]="|translate\()[^")]*', lambda found: _rounded(found.group()), svg)
    return re.sub(r"\s{2,}", " ", re.sub(r">\s+<", "><", svg.replace("\n", " "))).strip()


def _short_path(path: str) -> str:
    # Nothing is put back, here and below: in Python 3.11 a group in the replacement is Python work for every match, and
    # a page has 600,000.
    return re.sub(r" (?:(?=[A-Za-z])|(?<=[A-Za-z] ))", "", _rounded(" ".join(path.split())))


def _rounded(numbers: str) -> str:
    return re.sub(r"(?<=\.\d{2})\d+", "", numbers)


def data_uri(svg: str) -> str:
    """The drawing as a data address inside a double-quoted attribute; only what would end or change it is escaped."""
    quoted = svg.replace("'", "&apos;").replace('"', "'")
    return "data:image/svg+xml," + quoted.replace("%", "%25").replace("#", "%23").replace("&", "&amp;")


def _svg_size(svg: str) -> tuple[int, int]:
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    return (round(float(found.group(1))), round(float(found.group(2)))) if found else (640, 480)


# --- from night to night ---------------------------------------------------------------------------------------------

_TREND_WIDTH, _TREND_HEIGHT, _MOST_BARS = 300, 64, 100


def trend_html(trends: Sequence[Trend]) -> str:
    """Small charts of the share of rejected rows, one bar a night; of many nights one bar for several."""
    charts = "".join(_trend_chart(trend) for trend in trends)
    return f'<div class="card"><h3>Share of rejected rows, night by night</h3><div class="trends">{charts}</div></div>'


def _trend_chart(trend: Trend) -> str:
    at_once = -(-len(trend.nights) // _MOST_BARS)
    starts = range(0, len(trend.nights), at_once)
    shares = [
        sum(trend.rejected[i : i + at_once]) / (sum(trend.rows[i : i + at_once]) or 1) for i in starts
    ]  # fmt: skip
    top, now = max(shares), trend.rejected[-1] / (trend.rows[-1] or 1)
    step = _TREND_WIDTH / max(len(shares), 12)
    bars = "".join(
        f'<rect x="{step * i:.1f}" y="{_TREND_HEIGHT * (1 - share / top):.1f}" width="{max(step - 1, 0.8):.1f}" '
        f'height="{_TREND_HEIGHT * share / top:.1f}"/>'
        for i, share in enumerate(shares) if share
    )  # fmt: skip
    span = trend.nights[0] if len(trend.nights) == 1 else f"{trend.nights[0]} to {trend.nights[-1]}"
    said = (
        f"{len(trend.nights)} nights, {span}: highest {number_text(100 * top, 1)}%, newest {number_text(100 * now, 1)}%"
    )
    together = f"; each bar is {at_once} nights" if at_once > 1 else ""
    label = escape(f"{trend.label}: share of rejected rows, {said}", quote=True)
    return (
        f'<figure class="trend"><svg viewBox="0 0 {_TREND_WIDTH} {_TREND_HEIGHT + 1}" role="img" aria-label="{label}">'
        f'<line x1="0" x2="{_TREND_WIDTH}" y1="{_TREND_HEIGHT + 0.5}" y2="{_TREND_HEIGHT + 0.5}"/>{bars}</svg>'
        f"<figcaption><strong>{escape(trend.label)}</strong> {escape(said + together)}</figcaption></figure>"
    )


# --- what changed ----------------------------------------------------------------------------------------------------


def changes_html(changes: Changes) -> list[str]:
    """What moved since the last published night."""
    if changes.remark:
        return [paragraph(changes.remark)]
    since = f" since the night of {changes.previous_run}" if changes.previous_run else ""
    if not changes.changed:
        return [paragraph(f"No headline number and no patient's outcome changed{since}.")]
    still = len(changes.headlines) - len(changes.changed)
    blocks = [_change_html(headline) for headline in changes.changed]
    blocks.append(paragraph(f"{still} other headline numbers are as they were{since}."))
    return blocks


def _change_html(headline: HeadlineChange) -> str:
    top = (
        f'<div class="change"><span class="label">{escape(headline.label)}</span><span>{escape(headline.before)}</span>'
        f'<span class="arrow" role="img" aria-label="is now">→</span><strong>{escape(headline.now)}</strong></div>'
    )
    if not headline.n_moved:
        return f'<div class="card">{top}</div>'
    rows = {move: "".join(f"<li>{escape(row)}</li>" for row in move.source_rows) for move in headline.moves}
    listed = "".join(
        f'<details class="traced"><summary><span class="key">{escape(move.patient_key[:12])}…</span> '
        f"{escape(move.before)} → {escape(move.now)}</summary>"
        f'<p class="key">{escape(move.patient_key)}</p><ul>{rows[move]}</ul></details>'
        for move in headline.moves
    )
    cut = ""
    if len(headline.moves) < headline.n_moved:
        cut = f"<p>The first {len(headline.moves)} of {headline.n_moved} patients by key.</p>"
    moved = "1 patient" if headline.n_moved == 1 else f"{headline.n_moved} patients"
    return f'<div class="card">{top}<details><summary>{moved} moved</summary>{cut}{listed}</details></div>'


# --- the page --------------------------------------------------------------------------------------------------------


def render(
    *, title: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section], evidence: dict[str, Any],
    synthetic: bool, footer: str,
) -> str:  # fmt: skip
    """The whole page as text."""
    from jinja2 import Environment, FileSystemLoader, select_autoescape
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(default=True))
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    # `<` never stands in the data, so nothing in it can end the script element
    data = json.dumps(evidence, ensure_ascii=False, separators=(",", ":"), default=str).replace("<", "\\u003c")
    page = environment.get_template("report.html.j2").render(
        title=title,
        facts=facts,
        sections=[
            {
                "name": s.name,
                "title": s.title,
                "short": s.short or s.title,
                "lead": s.lead,
                "blocks": [Markup(b) for b in s.blocks],  # noqa: S704 - escaped where it was made
            }
            for s in sections
        ],
        css=Markup(css),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        evidence=Markup(data),  # noqa: S704 - escaped above
        synthetic=synthetic,
        footer=footer,
    )
    return page
