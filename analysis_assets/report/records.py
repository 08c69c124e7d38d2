"""Tables about the figures rather than from them: the paper's audit, checks, deliveries, rejected and ignored rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from analysis_assets.report import queries
from analysis_assets.report.context import Record, ReportContext
from analysis_assets.report.evidence import Evidence, EvidenceBook
from analysis_assets.tables import Cell, Column, DisplayTable, Row, number_text

VERDICTS = ("reproduced", "misprint", "differs", "not_computable")
LISTED_EXTRACT_FILES = 60
VERDICT_NAMES = {
    "reproduced": "Reproduced", "misprint": "Misprint in the paper", "differs": "Differs",
    "not_computable": "Not computable",
}  # fmt: skip


def _table_name(source: str) -> str:
    return source.replace("text_figures", "Text").replace("_", " ").replace("table", "Table ")


def comparison_counts(context: ReportContext) -> Counter[str]:
    """How many printed figures got each verdict."""
    return Counter(str(r["verdict"]) for r in context.table("published_comparison"))


def comparison_summary(context: ReportContext, book: EvidenceBook) -> DisplayTable:
    """Verdicts by table of the paper."""
    table = DisplayTable(
        "published_comparison_summary", "Printed and computed figures, by table of the paper",
        tuple(Column(VERDICT_NAMES[v]) for v in VERDICTS), heading="Table",
        remarks=("Reproduced: the unrounded figure lies within half a unit of the last printed digit. "
                 "Misprint: it does not, and the paper's other figures prove it wrong.",),
        sql=queries.analysis_table("published_comparison"),
    )  # fmt: skip
    by_table: dict[str, Counter[str]] = {}
    for record in context.table("published_comparison"):
        by_table.setdefault(str(record["source_table"]), Counter())[str(record["verdict"])] += 1
    for source, counts in by_table.items():
        cells = []
        for verdict in VERDICTS:
            sql = queries.counted(queries.analysis_row("published_comparison", source_table=source, verdict=verdict))
            said = f"{_table_name(source)}: {VERDICT_NAMES[verdict].lower()}"
            cells.append(Cell(str(counts[verdict]), book.add(Evidence(said, sql))))
        table.rows.append(Row(Cell(_table_name(source)), tuple(cells)))
    return table


def comparison_details(context: ReportContext, book: EvidenceBook, verdict: str) -> DisplayTable:
    """Every printed figure with one verdict."""
    table = DisplayTable(
        f"published_{verdict}", f"{VERDICT_NAMES[verdict]}: figure by figure",
        (Column("Statistic", "left"), Column("Printed"), Column("Computed"), Column("Why", "left")),
        heading="Item", sql=queries.analysis_row("published_comparison", verdict=verdict),
    )  # fmt: skip
    for record in context.table("published_comparison"):
        if record["verdict"] == verdict:
            table.rows.append(_compared_row(record, book))
    return table


def _compared_row(record: Record, book: EvidenceBook) -> Row:
    item = ", ".join(str(record[k]) for k in ("item", "level") if record[k])
    printed = str(record.get("printed") or record["published"])
    digits = len(printed.partition(".")[2])
    computed = Cell("–")
    if record["computed"] is not None:
        sql = queries.analysis_row(
            "published_comparison",
            source_table=record["source_table"],
            item=record["item"],
            level=record["level"] or "",
            statistic=record["statistic"],
        )
        if record.get("analysis_table"):
            keys = _keys(str(record.get("analysis_keys") or ""))
            source = queries.analysis_table(str(record["analysis_table"]))
            sql = f"{source} -- column {record['analysis_column']}, row {keys}\n;\n{sql}"
        text = number_text(record["computed"], digits + 2 if digits else 0)
        computed = Cell(text, book.add(Evidence(f"{item}: {record['statistic']}", sql)))
    why = str(record["note"] or "")
    statistic = str(record["statistic"]).replace("_", " ")
    return Row(
        Cell(item), (Cell(statistic), Cell(printed), computed, Cell(why)), _table_name(str(record["source_table"]))
    )


def _keys(keys: str) -> str:
    return keys.replace("; ", " and ")


def audit(context: ReportContext, book: EvidenceBook) -> DisplayTable:
    """The paper against itself."""
    table = DisplayTable(
        "published_audit", "The paper against itself",
        (Column("Check", "left"), Column("Statistic", "left"), Column("Printed"), Column("Expected"),
         Column("Proof", "left")),
        heading="Item", sql=queries.analysis_table("published_audit"),
        remarks=("Found from the printed figures alone, without any patient data.",),
        empty="The printed figures agree with each other.",
    )  # fmt: skip
    for record in context.table("published_audit"):
        item = ", ".join(str(record[k]) for k in ("item", "level") if record[k])
        keys = {k: record[k] or "" for k in ("source_table", "item", "level", "statistic")}
        evidence = book.add(Evidence(f"Audit: {item}", queries.analysis_row("published_audit", **keys)))
        cells = (
            Cell(str(record["check"]).replace("_", " ")),
            Cell(str(record["statistic"]).replace("_", " ")),
            Cell(str(record["printed"]), evidence),
            Cell(str(record["expected"] or "–")),
            Cell(str(record["explanation"])),
        )
        table.rows.append(Row(Cell(item), cells, _table_name(str(record["source_table"]))))
    return table


# --- quality -------------------------------------------------------------------------------------------------------


def check_totals(context: ReportContext) -> Counter[str]:
    """Checks by state over all suites; `errors_failed` and `warnings_failed` tell failures apart by severity."""
    totals: Counter[str] = Counter()
    for record in context.rows(queries.CHECKS_BY_SUITE):
        for key in ("passed", "not_applicable"):
            totals[key] += int(record[key])
        kind = "errors_failed" if record["severity"] == "error" else "warnings_failed"
        totals[kind] += int(record["failed"]) + int(record["errors"])
    return totals


def checks(context: ReportContext, book: EvidenceBook) -> DisplayTable:
    """Results of all checks by suite and severity."""
    states = ("passed", "failed", "not_applicable", "errors")
    table = DisplayTable(
        "check_results", "Checks of this night", tuple(Column(s.replace("_", " ").capitalize()) for s in states),
        heading="Severity", sql="select * from quality.check_results",
        remarks=("A failed check of severity error stops publication; not applicable means that there was no data to "
                 "judge, which is no pass.",),
    )  # fmt: skip
    for record in context.rows(queries.CHECKS_BY_SUITE):
        said = f"{record['suite']}, {record['severity']}"
        cells = []
        for state in states:
            sql = queries.checks_in_state(str(record["suite"]), str(record["severity"]), state)
            cells.append(Cell(str(record[state]), book.add(Evidence(f"{said}: {state.replace('_', ' ')}", sql))))
        table.rows.append(Row(Cell(str(record["severity"])), tuple(cells), str(record["suite"])))
    return table


def checks_not_passed(context: ReportContext) -> DisplayTable:
    """Every check that did not pass."""
    guard = context.guard
    table = DisplayTable(
        "checks_not_passed", "Checks that did not pass",
        (Column("Severity", "left"), Column("Failing rows"), Column("What was found", "left"),
         Column("What to do", "left")),
        heading="Check", sql="select * from quality.check_results where not passed", empty="Every check passed.",
        remarks=(guard.remark,) if guard.active else (),
    )  # fmt: skip
    for record in context.rows(queries.CHECKS_NOT_PASSED):
        failing = record["failing_rows"]
        count = "–" if failing is None else guard.text(int(failing), shown(int(failing)), guard.small(int(failing)))
        found = "–" if guard.active else shown(record["message"])  # the sentence holds counts
        idle = record["status"] == "not_applicable"
        cells = (record["severity"], count, found, "–" if idle else record["action"])
        group = f"{record['suite']}: {str(record['status']).replace('_', ' ')}"
        table.rows.append(Row(Cell(str(record["check_name"])), tuple(Cell(shown(c)) for c in cells), group))
    return table


def extracts(context: ReportContext) -> DisplayTable:
    """The newest files that this warehouse was made of."""
    guard = context.guard
    table = DisplayTable(
        "extracts", "Extracts",
        (Column("Feed", "left"), Column("Extract", "left"), Column("Mode", "left"), Column("Source", "left"),
         Column("Rows"), Column("Accepted"), Column("Rejected")),
        heading="File", sql="select * from quality.extracts",
    )  # fmt: skip
    found = context.rows(queries.EXTRACTS, [LISTED_EXTRACT_FILES])
    for record in found:
        rejected = int(record["rejected"])
        hidden = guard.small(rejected)
        counts = (shown(record["rows"]), "*" if hidden else shown(record["accepted"]),
                  guard.text(rejected, shown(rejected), hidden))  # fmt: skip
        cells = (*(shown(record[key]) for key in ("feed", "extract", "mode", "source_system")), *counts)
        table.rows.append(Row(Cell(str(record["file"])), tuple(Cell(c) for c in cells)))
    remarks = [guard.remark] if guard.active else []
    if found and int(found[0]["n_files"]) > len(found):
        remarks.insert(0, f"The newest {len(found)} of {shown(int(found[0]['n_files']))} files.")
    table.remarks = tuple(remarks)
    return table


def ignored(context: ReportContext) -> DisplayTable:
    """Rows dated after the data cut-off."""
    table = DisplayTable(
        "ignored_rows", "Rows dated after the data cut-off, left out",
        (Column("Dated by", "left"), Column("Rows"), Column("First day"), Column("Last day")), heading="Feed",
        sql="select * from quality.ignored_rows", empty="No row is dated after the data cut-off.",
    )  # fmt: skip
    for record in context.rows(queries.IGNORED_ROWS):
        keys = ("dated_by", "n", "first_day", "last_day")
        table.rows.append(Row(Cell(str(record["feed"])), tuple(Cell(shown(record[k])) for k in keys)))
    return table


def shown(value: Any) -> str:
    """A cell as text; nothing is a dash."""
    if value is None:
        return "–"
    if hasattr(value, "date"):
        return str(value.date())
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)
