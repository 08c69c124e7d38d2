"""The report: every number opens its evidence, nothing is fetched, nothing overflows, small counts can be hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pytest

from analysis_assets.gallery import INDEX_NAME, plots
from analysis_assets.report import build_report, evidence
from analysis_assets.report.changes import read_changes
from analysis_assets.report.context import read_context
from analysis_assets.report.evidence import Evidence, EvidenceBook, PatientQuery
from analysis_assets.report.page import data_uri, small_svg
from analysis_assets.report.suppression import CountGuard
from study import Study
from study.models import Privacy
from tests.analysis_assets.browser import Browser
from tests.analysis_assets.reference_warehouse import reference_study, reference_warehouse

DRAWN = ("response_rates", "km_efs", "km_efs_age", "forest_cox_efs", "swimmer")


@pytest.fixture(scope="module")
def study() -> Study:
    return reference_study()


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    return reference_warehouse()


@pytest.fixture(scope="module")
def folder(warehouse: duckdb.DuckDBPyConnection, study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built report with a few figures."""
    from analysis_assets.figures import save_figure

    out = tmp_path_factory.mktemp("report")
    index = []
    for plot in plots(warehouse, study, synthetic=True):
        if plot.name in DRAWN:
            text = plot.describe()
            svg, png = save_figure(plot.draw(), out / "figures", plot.name, description=text)
            index.append(
                {"name": plot.name, "title": plot.title, "section": plot.section, "alternative_text": text,
                 "svg": svg.name, "png": png.name}
            )  # fmt: skip
    (out / "figures" / INDEX_NAME).write_text(json.dumps(index), encoding="utf-8")
    build_report(warehouse, study, out)
    return out


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="evidence-data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    loaded: dict[str, Any] = json.loads(found.group(1))
    return loaded


def table_buttons(html: str, name: str) -> list[tuple[int, str]]:
    card = html[html.index(f'id="t-{name}"') :]
    card = card[: card.index("</table>")]
    return [
        (int(n), re.sub(r"<sup>.*?</sup>", "", text))
        for n, text in re.findall(r'data-e="(\d+)"[^>]*>(.*?)</button>', card)
    ]


# --- evidence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "at_least"),
    [("baseline_characteristics", 40), ("response_rates", 5), ("subgroup_response_cr", 50), ("subsequent_therapies", 9),
     ("adverse_events_cart", 20), ("adverse_events_hsct", 9)],
)  # fmt: skip
def test_the_patients_behind_a_count_are_as_many_as_it_says(
    html: str, data: dict[str, Any], table: str, at_least: int
) -> None:
    counted = 0
    for number, text in table_buttons(html, table):
        shown = re.fullmatch(r"(\d+)(?:/39| \([\d.]+\))", text)
        if shown:
            listed = data["sets"][data["items"][number]["s"]]
            assert (listed["n"], len(listed["of"])) == (int(shown.group(1)),) * 2, (table, text)
            counted += 1
    assert counted >= at_least


def test_the_shown_query_gives_the_listed_patients(warehouse: duckdb.DuckDBPyConnection, data: dict[str, Any]) -> None:
    for listed in data["sets"]:
        keys = [row[0] for row in warehouse.execute(listed["q"]).fetchall()]
        assert keys == [data["patients"][position] for position in listed["of"]]


def test_the_shown_query_of_every_number_runs_and_finds_a_row(
    warehouse: duckdb.DuckDBPyConnection, data: dict[str, Any]
) -> None:
    for query in {item["q"] for item in data["items"]}:
        for part in query.split(";"):
            assert warehouse.execute(part).fetchall(), query


def test_an_outcome_opens_the_source_rows_that_decided_it(data: dict[str, Any], html: str) -> None:
    number = next(n for n, text in table_buttons(html, "response_rates") if text == "36/39")
    item = data["items"][number]
    listed = data["sets"][item["s"]]["of"]
    said, rows = data["traces"][item["r"]][str(listed[0])]
    assert said.startswith("achieved")
    assert re.fullmatch(r"follow_ups · 2018-07-30 · follow_ups\.csv", data["files"][rows[0][0]])
    assert rows[0][1] >= 1


@pytest.mark.parametrize("early", [0, 9, 10, 20, 38, 39, 40])
def test_lists_of_a_large_cohort_are_cut_while_counts_and_queries_stay_whole(
    warehouse: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, early: int
) -> None:
    """Wherever among the patients the early ones end, and where there are fewer."""
    monkeypatch.setattr(evidence, "LISTED_PATIENTS", 4)
    monkeypatch.setattr(evidence, "SCANNED_PATIENTS", 10)
    monkeypatch.setattr(evidence, "_EARLY_PATIENTS", early)
    book = EvidenceBook()
    wanted = [
        PatientQuery("outcomes", "p.included and o.endpoint = 'CR'", "o.achieved"),
        PatientQuery("outcomes", "p.included and o.endpoint = 'CR'", "not o.achieved"),
        PatientQuery("patients", "p.included"),
    ]
    for query in wanted:
        book.add(Evidence(query.condition, "select 1", query))
    resolved = book.resolve(warehouse)
    assert [(s["n"], len(s["of"])) for s in resolved["sets"]] == [(36, 4), (3, 3), (39, 4)]
    for listed in resolved["sets"]:
        keys = [row[0] for row in warehouse.execute(listed["q"]).fetchall()]
        assert [resolved["patients"][position] for position in listed["of"]] == keys[: len(listed["of"])]


# --- the page on paper --------------------------------------------------------------------------------------------


def test_headline_figures_stand_on_the_page(html: str) -> None:
    tiles = html[html.index('<dl class="tiles">') :]
    tiles = " ".join(re.sub(r"<[^>]+>", " ", tiles[: tiles.index("</dl>")]).split())
    for text in (
        "Patients 39",
        "36 (92.3%)",
        "30 (76.9%)",
        "17 (43.6%)",
        "11.6 months",
        "14.0 months",
        "Checks passed 1",
    ):
        assert text in tiles


def test_nothing_on_the_page_points_to_a_network(html: str, folder: Path) -> None:
    addresses = re.findall(r'(?:src|href|action|data|poster)="([^"#][^"]*)"', html)
    outside = [a for a in addresses if not a.startswith(("data:", "tables/", "figures/"))]
    assert outside == []
    assert not re.search(r"@import|url\(\s*['\"]?http", html)
    for address in addresses:
        if not address.startswith("data:"):
            assert (folder / address).is_file()


def test_every_table_is_there_as_csv_and_docx(folder: Path, html: str) -> None:
    names = set(re.findall(r'href="tables/([a-z_0-9]+)\.csv"', html))
    assert {"baseline_characteristics", "cox_efs", "logistic_severe_crs", "published_audit", "extracts"} <= names
    assert {path.stem for path in (folder / "tables").glob("*.docx")} == names


def test_footnotes_name_test_interval_convention_and_denominator(html: str) -> None:
    for words in ("Pearson’s χ²", "Clopper–Pearson", "Convention: SPSS", "Denominator: ", "Log-rank", "Wald interval"):
        assert words.replace("’", "&#x27;") in html or words.replace("’", "'") in html, words


def test_text_of_the_data_cannot_break_the_page(html: str) -> None:
    assert "no key: &lt;patient_id&gt; is empty" in html
    assert html.count("</script>") == 2


def test_figures_lose_digits_but_nothing_else() -> None:
    svg = '<?xml version="1.0"?>\n<svg viewBox="0 0 10 20">\n<metadata>x</metadata><!-- A -->\n'
    svg += '<path d="M 1.23456 2.5 \nL 3 4 \nz" transform="scale(0.015625)"/></svg>'
    small = small_svg(svg)
    assert small == '<svg viewBox="0 0 10 20"><path d="M1.23 2.5L3 4z" transform="scale(0.015625)"/></svg>'
    assert data_uri("<a b=\"c&#x27;d\" e='#f'/>").startswith("data:image/svg+xml,<a b='c")
    assert "%23f" in data_uri("<a e='#f'/>")


# --- what changed ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def last_night(warehouse: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse of the night before: two remissions not yet seen, one patient's death not yet known."""
    path = tmp_path_factory.mktemp("previous") / "warehouse.duckdb"
    warehouse.execute(f"attach '{path}' as copied").fetchall()
    for schema, tables in (
        ("marts", ("patients", "outcomes")),
        ("analysis", ("response_rates", "km_summary")),
        ("quality", ("build",)),
    ):
        warehouse.execute(f"create schema copied.{schema}").fetchall()
        for table in tables:
            warehouse.execute(f"create table copied.{schema}.{table} as from {schema}.{table}").fetchall()
    changed = "copied.marts.outcomes"
    warehouse.execute(
        f"update {changed} set achieved = false where endpoint = 'CR' and patient_key in ('SYN-001', 'SYN-002')"
    ).fetchall()
    warehouse.execute("update copied.analysis.response_rates set n = 34 where endpoint = 'CR'").fetchall()
    warehouse.execute(f"delete from {changed} where endpoint = 'OS' and patient_key = 'SYN-003'").fetchall()
    warehouse.execute(
        "update copied.marts.patients set included = false, exclusion_reason = 'no follow-up' "
        "where patient_key = 'SYN-003'"
    ).fetchall()
    warehouse.execute("detach copied").fetchall()
    return path


def test_changes_name_the_patients_and_rows_that_moved_a_headline(
    warehouse: duckdb.DuckDBPyConnection, study: Study, last_night: Path
) -> None:
    changes = read_changes(read_context(warehouse, study, last_night))
    moved = {headline.label: headline for headline in changes.changed}
    assert set(moved) == {"Patients in the analysis", "Complete remission", "Overall survival, median"}
    cohort = moved["Patients in the analysis"]
    assert (cohort.before, cohort.now, cohort.moves[0].before) == ("38", "39", "no follow-up")
    remission = moved["Complete remission"]
    assert (remission.before, remission.now) == ("34/39 (87.2%)", "36/39 (92.3%)")
    assert [move.patient_key for move in remission.moves] == ["SYN-001", "SYN-002"]
    assert remission.moves[0].before.startswith("not achieved")
    assert remission.moves[0].source_rows[0].startswith("follow_ups · 2018-07-30 · follow_ups.csv row ")
    assert moved["Overall survival, median"].moves[0].before == "not in the analysis"


@pytest.mark.slow
def test_the_same_warehouse_twice_changes_nothing(
    warehouse: duckdb.DuckDBPyConnection, study: Study, last_night: Path, tmp_path: Path
) -> None:
    page = build_report(warehouse, study, tmp_path, previous=last_night).read_text(encoding="utf-8")
    assert "34/39 (87.2%)" in page
    first = build_report(warehouse, study, tmp_path).read_text(encoding="utf-8")
    assert "This is the first published night" in first
    attached = {row[0] for row in warehouse.execute("select database_name from duckdb_databases()").fetchall()}
    assert "previous" not in attached


# --- for the people at the source ------------------------------------------------------------------------------------


def cells_of(html: str, name: str) -> list[list[str]]:
    """Text of a table's body, row by row."""
    card = html[html.index(f'id="t-{name}"') :]
    body = re.search(r"<tbody.*?</tbody>", card, re.DOTALL)
    assert body is not None
    rows = re.findall(r"<tr.*?</tr>", body.group(), re.DOTALL)
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)]
        for row in rows
    ]


def test_a_file_with_rejected_rows_says_where_they_lie(html: str) -> None:
    base = "quarantine/2018-07-30/lab_results--lab_results.csv"
    assert cells_of(html, "quarantine_files") == [
        ["lab_results"],
        ["lab_results.csv", "2018-07-30", "4 100", "1", "0.0%", "1", f"{base}.rows.csv, {base}.values.csv"],
    ]


def test_each_reason_names_rows_an_example_without_ids_and_what_to_do(html: str) -> None:
    assert cells_of(html, "quarantine_reasons") == [
        ["lab_results · 2018-07-30 · lab_results.csv"],
        ["no key: <patient_id> is empty", "whole rows", "1", "12", "collected_at: 2018-01-02; loinc: <718-7>",
         "Fill in the key column, or leave the row out of the export."],
        ["not a number", "cells of value", "1", "13", "“x”",
         "Correct the number, or name the text in the source profile as a code for missing."],
    ]  # fmt: skip
    assert "c0ffee" not in html


def test_nights_are_compared_by_feed_also_those_that_a_newer_snapshot_replaced(html: str) -> None:
    assert cells_of(html, "rejected_by_night") == [
        ["2018-07-30", "4 139", "1", "0.0%", "1 (0.0%)"],
        ["2018-07-29", "4 000", "90", "2.3%", "90 (2.3%)"],
    ]
    charts = re.findall(r'<figure class="trend">.*?aria-label="(.*?)"', html)
    said = "2 nights, 2018-07-29 to 2018-07-30: highest 2.3%, newest 0.0%"
    assert charts == [f"All feeds: share of rejected rows, {said}", f"lab_results: share of rejected rows, {said}"]


@pytest.mark.slow
def test_a_check_that_did_not_pass_says_what_was_found_and_what_to_do(
    warehouse: duckdb.DuckDBPyConnection, study: Study, tmp_path: Path
) -> None:
    warehouse.execute("begin")
    warehouse.execute("create or replace table quality.check_results as select *, 'A tenth is gone.' as message, "
                      "'Deliver again.' as action from quality.check_results").fetchall()  # fmt: skip
    page = build_report(warehouse, study, tmp_path).read_text(encoding="utf-8")
    warehouse.execute("rollback")
    rows = cells_of(page, "checks_not_passed")
    assert rows == [
        ["marts: failed"],
        ["ages_plausible", "warn", "2", "A tenth is gone.", "Deliver again."],
        ["marts: not applicable"],
        ["events_row_drop", "warn", "–", "A tenth is gone.", "–"],  # nothing to judge, nothing to do
    ]


def test_of_three_years_the_newest_nights_and_files_are_listed(study: Study, tmp_path: Path) -> None:
    connection = duckdb.connect()
    connection.execute(
        """
        create schema marts; create schema quality;
        create table marts.patients (patient_key varchar, included boolean);
        create table quality.extracts as
            select feed, date '2015-08-01' + i::integer as extract, feed || '.csv' as file, 'delta' as mode,
                'his' as source_system, 100 as rows, 100 - i % 5 as accepted, i % 5 as rejected
            from range(1095) nights(i) cross join (values ('lab_results'), ('vital_signs')) as feeds(feed);
        create table quality.rejected_rows as
            select feed, extract, file, unnest(range(1, rejected + 1)) as "row", 'broken line: NUL byte' as reason,
                '{"withheld": "the cells"}' as content
            from quality.extracts;
        create table quality.rejected_values as
            select *, 'value' as "column", 'x' as text from quality.rejected_rows where false;
        """
    ).fetchall()
    page = build_report(connection, study, tmp_path).read_text(encoding="utf-8")
    assert len(cells_of(page, "extracts")) == 60
    assert "The newest 60 of 2 190 files." in page
    assert len(cells_of(page, "rejected_by_night")) == 30
    assert "The newest 30 of 1 095 nights." in page
    files = [row for row in cells_of(page, "quarantine_files") if len(row) > 1]
    assert [row[3] for row in files] == ["4"] * 40
    assert "The 40 files with most rejected rows of 1 752." in page
    chart = page[page.index('<figure class="trend">') :]
    assert chart[: chart.index("</figure>")].count("<rect") == 100
    assert "each bar is 11 nights" in chart
    assert len(page) < 200_000


def test_hidden_small_counts_hide_rejected_rows_and_what_would_give_them_away(study: Study, tmp_path: Path) -> None:
    connection = duckdb.connect()
    connection.execute(
        """
        create schema marts; create schema quality;
        create table marts.patients (patient_key varchar, included boolean);
        create table quality.extracts as select *, date '2018-07-30' as extract, feed || '.csv' as file,
            'snapshot' as mode, 'his' as source_system, rows - rejected as accepted
            from (values ('lab_results', 4000, 17), ('vital_signs', 700, 3)) as t(feed, rows, rejected);
        create table quality.rejected_rows as
            select feed, extract, file, unnest(range(1, rejected + 1)) as "row", '{"loinc": "718-7"}' as content
            from quality.extracts;
        alter table quality.rejected_rows add column reason varchar;
        update quality.rejected_rows set reason = if("row" > 15, 'broken line: NUL byte', 'no key: loinc is empty');
        create table quality.rejected_values as
            select *, 'value' as "column", 'x' as text from quality.rejected_rows where false;
        """
    ).fetchall()
    private = study.model_copy(update={"privacy": Privacy(small_cell_below=5)})
    page = build_report(connection, private, tmp_path).read_text(encoding="utf-8")
    files = {row[0]: row[2:5] for row in cells_of(page, "quarantine_files") if len(row) > 1}
    assert files == {"lab_results.csv": ["4 000", "17", "0.4%"], "vital_signs.csv": ["700", "<5", "*"]}
    reasons = [row[:5] for row in cells_of(page, "quarantine_reasons") if len(row) > 1]
    assert [row[2] for row in reasons] == ["*", "<5", "<5"]  # 15 of 17 would tell that 2 are left
    assert {(row[3], row[4]) for row in reasons} == {("–", "–")}
    assert cells_of(page, "rejected_by_night") == [["2018-07-30", "4 700", "*", "*", "17 (0.4%)", "<5"]]
    accepted = {row[0]: row[6:] for row in cells_of(page, "extracts")}
    assert accepted == {"lab_results.csv": ["3 983", "17"], "vital_signs.csv": ["*", "<5"]}
    assert '<figure class="trend">' not in page
    assert "718-7" not in page


# --- less than everything -------------------------------------------------------------------------------------------


def test_a_warehouse_of_few_tables_still_gives_a_page(study: Study, tmp_path: Path) -> None:
    connection = duckdb.connect()
    connection.execute("create schema marts").fetchall()
    connection.execute("create table marts.patients (patient_key varchar, included boolean)").fetchall()
    page = build_report(connection, study, tmp_path).read_text(encoding="utf-8")
    assert "<h1>" in page
    assert "Synthetic data" not in page


# --- small counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "total", "hidden"),
    [([27, 12], 39, [False, False]), ([36, 3], 39, [True, True]),
     ([20, 3, 6, 8, 1], 38, [False, True, False, False, True]),
     ([20, 3, 6, 8], 37, [False, True, True, False]), ([3, 0, 20], 23, [True, False, True]),
     ([37], 39, [True]), ([12], 39, [False]), ([0], 39, [False])],
)  # fmt: skip
def test_small_counts_and_those_that_give_them_away(counts: list[int], total: int, hidden: list[bool]) -> None:
    assert CountGuard(5).hidden(counts, total) == hidden


def test_without_a_bound_nothing_is_hidden() -> None:
    guard = CountGuard(None)
    assert guard.hidden([1, 38], 39) == [False, False]
    assert guard.text(1, "1 (2.6)", False) == "1 (2.6)"
    assert guard.remark == ""


@pytest.mark.slow
def test_small_counts_leave_page_exports_and_evidence(
    warehouse: duckdb.DuckDBPyConnection, study: Study, tmp_path: Path
) -> None:
    private = study.model_copy(update={"privacy": Privacy(small_cell_below=5)})
    page = build_report(warehouse, private, tmp_path).read_text(encoding="utf-8")
    assert "SYN-0" not in page
    assert "Counts from 1 to 4 are shown as &lt;5" in page
    tables = "".join(re.findall(r"<table.*?</table>", page, re.DOTALL))
    shown = [int(n) for n in re.findall(r">(\d+) \([\d.]+\)<", tables)]
    assert shown
    assert not [n for n in shown if 0 < n < 5]
    for path in (tmp_path / "tables").glob("*.csv"):
        listed = re.findall(r"(?:^|,)([1-4]) \([\d.]+\)", path.read_text(encoding="utf-8-sig"), re.MULTILINE)
        assert listed == [], path.name


# --- in a browser -----------------------------------------------------------------------------------------------------

OVERFLOW = """
(() => {
  const width = document.documentElement.clientWidth;
  const found = document.documentElement.scrollWidth > width ? ["page"] : [];
  for (const part of document.querySelectorAll("body *")) {
    if (part.closest(".scroll, dialog, .skip") || !part.checkVisibility()) continue;
    const box = part.getBoundingClientRect();
    if (box.right > width + 1 || box.left < -1) found.push(part.tagName + "." + part.className);
    const cut = part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).overflowX !== "visible";
    if (part.clientWidth && cut) found.push("cut " + part.tagName + "." + part.className);
  }
  return found;
})()
"""
OPEN_EVERY_NUMBER = """
(() => {
  const dialog = document.getElementById("evidence-dialog");
  const failed = [];
  const buttons = document.querySelectorAll("button.ev");
  for (const button of buttons) {
    button.click();
    const good = dialog.open && document.getElementById("evidence-title").textContent
      && dialog.querySelector("pre").textContent.startsWith("select");
    if (!good) failed.push(button.textContent);
    dialog.close();
  }
  return [buttons.length, failed];
})()
"""


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    with Browser() as started:
        started.resize(1440)
        started.open(folder / "index.html")
        yield started


def test_the_page_says_no_error_and_asks_no_network(browser: Browser, folder: Path) -> None:
    assert browser.console == []
    asked = {url for url in browser.requests if not url.startswith("data:")}
    assert asked == {(folder / "index.html").resolve().as_uri()}


def test_every_figure_is_drawn_and_described(browser: Browser) -> None:
    figures = browser.run("[...document.images].map(i => [i.complete && i.naturalWidth > 0, i.alt.length > 40])")
    assert figures == [[True, True]] * len(DRAWN)


def test_every_number_opens_its_evidence(browser: Browser, html: str) -> None:
    buttons, failed = browser.run(OPEN_EVERY_NUMBER)
    assert failed == []
    assert buttons == html.count('class="ev"') > 500


@pytest.mark.parametrize(("width", "phone"), [(1440, False), (375, True)])
def test_nothing_overflows(browser: Browser, width: int, phone: bool) -> None:
    browser.resize(width, phone=phone)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.run(OVERFLOW) == []
    browser.run("document.querySelector('button.ev').click()")
    assert browser.run("document.getElementById('evidence-dialog').getBoundingClientRect().right") <= width
    browser.run("document.getElementById('evidence-dialog').close()")
    browser.resize(1440)


def test_evidence_opens_and_closes_by_keyboard_and_gives_the_focus_back(browser: Browser) -> None:
    browser.run("document.querySelector('.tile button.ev').focus()")
    browser.key("Enter", 13)
    assert browser.run("document.getElementById('evidence-dialog').open") is True
    assert browser.run("document.activeElement.id") == "evidence-title"
    browser.key("Escape", 27)
    assert browser.run("document.getElementById('evidence-dialog').open") is False
    assert browser.run("document.activeElement.className") == "ev"


def test_light_and_dark_have_readable_contrast(browser: Browser) -> None:
    contrast = """
    (() => {
      const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const card = light(getComputedStyle(document.querySelector(".card")).backgroundColor);
      return ["tbody td", "tfoot td", "thead th", "summary", ".downloads a"].map(
        (where) => ratio(card, light(getComputedStyle(document.querySelector(where)).color)));
    })()
    """
    grounds = []
    for dark in (False, True):
        browser.resize(1440, dark=dark)
        grounds.append(browser.run("getComputedStyle(document.body).backgroundColor"))
        assert min(browser.run(contrast)) >= 4.5
    assert grounds[0] != grounds[1]
    browser.resize(1440)


@pytest.mark.slow
def test_it_prints_with_every_part_open(browser: Browser, tmp_path: Path) -> None:
    browser.run("document.querySelectorAll('details').forEach(d => d.open = false)")
    count_closed = "window.closed_parts = document.querySelectorAll('details.group:not([open])').length"
    browser.run(f"window.addEventListener('beforeprint', () => {{ {count_closed} }})")
    browser.pdf(tmp_path / "report.pdf")
    printed = (tmp_path / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert browser.run("window.closed_parts") == 0
    assert browser.run("document.querySelectorAll('details.group[open]').length") == 0


def test_without_javascript_the_numbers_and_queries_are_still_there(folder: Path) -> None:
    with Browser() as plain:
        plain.call("Emulation.setScriptExecutionDisabled", value=True)
        plain.resize(1440)
        plain.open(folder / "index.html")
        text = plain.call("DOM.getDocument", depth=1)
        assert text["root"]["nodeName"] == "#document"
        nodes = plain.call("DOM.querySelectorAll", nodeId=text["root"]["nodeId"], selector="noscript p.hint")
        assert len(nodes["nodeIds"]) == 1
