"""Which tables and figures stand in which section, and the headline numbers above them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_assets.gallery import without_counts
from analysis_assets.report import conditions as where
from analysis_assets.report import page, quarantine, queries, records
from analysis_assets.report.changes import read_changes
from analysis_assets.report.evidence import Evidence, EvidenceBook
from analysis_assets.report.page import Section, Tile, folded, table_html
from analysis_assets.report.sections import CONVENTION_NAMES, Sections, endpoint_name
from analysis_assets.tables import DisplayTable, interval_text, number_text, write_csv, write_docx

if TYPE_CHECKING:
    from analysis_assets.gallery import DrawnFigure, Plot
    from analysis_assets.report.context import Record, ReportContext


def lay_out(context: ReportContext, figures: Sequence[Plot | DrawnFigure], out_dir: Path) -> str:
    """Write `tables/` into `out_dir` and return the page, with a slot for each figure (`page.fill_slots`)."""
    book = EvidenceBook(shows_patients=not context.guard.active)
    report = _Report(context, book, without_counts(figures) if context.guard.active else figures)
    sections = [part for part in report.sections() if part.blocks]
    html = page.render(
        title=context.study.study.name,
        facts=_facts(context),
        sections=sections,
        evidence=book.resolve(context.connection),
        synthetic=context.synthetic,
        footer=_footer(context),
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    report.write_tables(out_dir / "tables")
    return html


def _facts(context: ReportContext) -> list[tuple[str, str]]:
    build = context.build
    cutoff = build.get("data_cutoff") or context.study.study.data_cutoff
    extracts = build.get("extracts")
    facts = [
        ("Data cut-off", _day(cutoff)),
        ("Built", _minute(build.get("finished") or build.get("started"))),
        ("Extracts", _listed(extracts)),
        ("Statistics", CONVENTION_NAMES[context.study.conventions]),
        ("Code", str(build.get("code_version") or "")),
    ]
    return [(label, value) for label, value in facts if value]


def _day(value: Any) -> str:
    return "" if value is None else str(value)[:10]


def _minute(value: Any) -> str:
    return "" if value is None else str(value)[:16]


def _listed(extracts: Any) -> str:
    if extracts is None:
        return ""
    days = [_day(e) for e in extracts]
    return ", ".join(days) if len(days) <= 3 else f"{len(days)}, {days[0]} to {days[-1]}"


def _footer(context: ReportContext) -> str:
    run = context.build.get("run_id")
    parts = [f"Run {run}." if run else "", "Patients appear under a keyed hash only."]
    if context.synthetic:
        parts.append("All data are synthetic.")
    return " ".join(part for part in parts if part)


def _not_computable(label: str, record: Record) -> Tile:
    """A headline without a figure, and why."""
    reason = str(record.get("note") or "").removeprefix("not computable: ")
    return Tile(label, "–", None, f"Not computable: {reason}" if reason else "Not computable")


class _Report:
    """Collects the sections and remembers every table for the exports."""

    def __init__(self, context: ReportContext, book: EvidenceBook, figures: Sequence[Plot | DrawnFigure]) -> None:
        self.context = context
        self.book = book
        self.tables: list[DisplayTable] = []
        self.laid_out = Sections(context, book)
        self.figures = figures

    def sections(self) -> list[Section]:
        """All sections in the order of the page."""
        return [
            self.headline(),
            self.changes(),
            self.cohort(),
            self.response(),
            self.survival(),
            self.models(),
            self.safety(),
            self.patients(),
            self.paper(),
            self.quality(),
            self.quarantine(),
        ]

    def write_tables(self, folder: Path) -> None:
        """Write every table of the page as CSV and DOCX."""
        folder.mkdir(parents=True, exist_ok=True)
        kind = "SYNTHETIC DATA - " if self.context.synthetic else ""
        header = f"{kind}{self.context.study.study.name}"
        for table in self.tables:
            if table.rows:
                write_csv(table, folder)
                write_docx(table, folder, header)

    # --- parts -----------------------------------------------------------------------------------------------------

    def _table(self, table: DisplayTable, *, always: bool = False) -> list[str]:
        if not table.rows and not always:
            return []
        self.tables.append(table)
        return [table_html(table)]

    def _figures(self, section: str, *, small: bool = False) -> list[str]:
        slots = [page.figure_slot(figure.name) for figure in self.figures if figure.section == section]
        return [f'<div class="gallery">{"".join(slots)}</div>'] if small and slots else slots

    def headline(self) -> Section:
        """The numbers that are looked at first."""
        tiles = [*self._cohort_tile(), *self._rate_tiles(), *self._median_tiles(), *self._record_tiles()]
        return Section("headline", "Headline figures", blocks=[page.tiles_html(tiles)])

    def _cohort_tile(self) -> Iterable[Tile]:
        flow = self.context.table("cohort_flow")
        if flow:
            n = int(flow[-1]["n_remaining"])
            sql = queries.analysis_row("cohort_flow", step=flow[-1]["step"])
            evidence = self.book.add(Evidence("Patients in the analysis", sql, where.all_patients()))
            known = int(flow[0]["n_remaining"])
            yield Tile("Patients", str(n), evidence, f"of {known} known" if known != n else "all that are known")

    def _rate_tiles(self) -> Iterable[Tile]:
        for record in self.context.table("response_rates"):
            if record["ci_method"] != "clopper_pearson" or record["endpoint"] == "MRD_POSITIVE_CR":
                continue
            endpoint = str(record["endpoint"])
            n, total = int(record["n"] or 0), int(record["n_total"] or 0)
            hidden = self.context.guard.hidden([n], total)[0]
            sql = queries.analysis_row("response_rates", endpoint=endpoint, ci_method="clopper_pearson")
            who = where.outcome(endpoint, "o.achieved")
            evidence = self.book.add(Evidence(endpoint_name(endpoint), sql, who, f"outcome:{endpoint}"))
            value = self.context.guard.text(n, f"{n} ({number_text(record['pct'], 1)}%)", hidden)
            if not total or record["pct"] is None:
                yield _not_computable(endpoint_name(endpoint), record)
                continue
            more = f"of {total}; 95% CI {interval_text(record['ci_low'], record['ci_high'], 1)}"
            yield Tile(endpoint_name(endpoint), value, evidence, "" if hidden else more)

    def _median_tiles(self) -> Iterable[Tile]:
        for record in self.context.table("km_summary"):
            whole = not record["factor"] and record.get("is_primary", True)
            if not whole or record["endpoint"] not in self.context.study.models.survival.endpoints:
                continue
            endpoint = str(record["endpoint"])
            if not record["n"]:
                yield _not_computable(f"Median {endpoint}", record)
                continue
            keys: dict[str, object] = {"endpoint": endpoint, "factor": "", "level": ""}
            sql = queries.analysis_row("km_summary", **keys)
            who = where.outcome(endpoint, "o.event")
            title = f"{endpoint_name(endpoint)}, median"
            evidence = self.book.add(Evidence(title, sql, who, f"outcome:{endpoint}"))
            median = record["median_months"]
            value = "not reached" if median is None else f"{number_text(median, 1)} months"
            ends = interval_text(record["median_ci_low"], record["median_ci_high"], 1)
            n = int(record["n_events"] or 0)
            events = self.context.guard.text(n, str(n), self.context.guard.small(n))
            interval = "" if ends == "–" else f"95% CI {ends}; "
            yield Tile(f"Median {endpoint}", value, evidence, f"{interval}{events} events")

    def _record_tiles(self) -> Iterable[Tile]:
        totals = records.check_totals(self.context)
        if totals.total():
            failed = totals["errors_failed"]
            warned, skipped = totals["warnings_failed"], totals["not_applicable"]
            more = f"{failed} errors, {warned} warnings, {skipped} without data to judge"
            evidence = self.book.add(Evidence("Checks of this night", "select * from quality.check_results"))
            yield Tile("Checks passed", str(totals["passed"]), evidence, more, bad=failed > 0)
        counts = records.comparison_counts(self.context)
        if counts:
            sql = "select verdict, count(*) from analysis.published_comparison group by verdict"
            evidence = self.book.add(Evidence("Comparison with the paper", sql))
            more = (
                f"of {sum(counts.values())} printed figures; {counts['misprint']} misprints, {counts['differs']} differ"
            )
            yield Tile("Paper reproduced", str(counts["reproduced"]), evidence, more)

    def changes(self) -> Section:
        """What moved since the last night."""
        return Section(
            "changes", "What changed since the last published night", short="Changes",
            blocks=page.changes_html(read_changes(self.context)),
        )  # fmt: skip

    def cohort(self) -> Section:
        """Who is in the analysis."""
        laid = self.laid_out
        blocks = [*self._figures("cohort"), *self._table(laid.cohort_flow()), *self._table(laid.baseline())]
        return Section("cohort", "Cohort", blocks=blocks)

    def response(self) -> Section:
        """Remission and what came after it."""
        laid = self.laid_out
        blocks = [*self._table(laid.response_rates()), *self._figures("response"), *self._table(laid.response_times())]
        for endpoint in self.context.study.models.subgroups.endpoints:
            blocks += self._table(laid.subgroup_response(endpoint))
        return Section("response", "Response", blocks=[*blocks, *self._table(laid.subsequent_therapies())])

    def survival(self) -> Section:
        """Time to event."""
        laid = self.laid_out
        blocks = [*self._table(laid.survival()), *self._figures("survival")]
        for endpoint in self.context.study.models.survival.endpoints:
            blocks += self._table(laid.survival_by_factor(endpoint))
        curves = self._figures("subgroup survival", small=True)
        if curves:
            blocks.append(folded("Curves by factor", curves))
        return Section(
            "survival", "Survival",
            blocks=[
                *blocks, *self._table(laid.competing_risks()), *self._table(laid.follow_up()),
                *self._table(laid.date_sensitivity()),
            ],
        )  # fmt: skip

    def models(self) -> Section:
        """Regression."""
        laid, study = self.laid_out, self.context.study
        blocks: list[str] = []
        for endpoint in study.models.cox.endpoints:
            blocks += self._table(laid.cox(endpoint)) + self._forest(f"forest_cox_{endpoint.lower()}")
        for outcome in study.models.logistic.endpoints:
            blocks += self._table(laid.logistic(outcome)) + self._forest(f"forest_logistic_{outcome.lower()}")
        blocks += self._table(laid.after_time_zero())
        details = [*self._table(laid.selection()), *self._table(laid.diagnostics())]
        if details:
            blocks.append(folded("Selection steps and assumptions", details))
        return Section("models", "Models", blocks=blocks)

    def _forest(self, name: str) -> list[str]:
        return [page.figure_slot(f.name) for f in self.figures if f.name == name]

    def safety(self) -> Section:
        """Adverse events."""
        laid = self.laid_out
        blocks = [*self._figures("safety"), *self._table(laid.adverse_events("cart"))]
        blocks += [*self._table(laid.crs_grading()), *self._table(laid.adverse_events("hsct"))]
        return Section("safety", "Safety", blocks=blocks)

    def patients(self) -> Section:
        """Every patient's course."""
        return Section("patients", "Patients", blocks=self._figures("patients"))

    def paper(self) -> Section:
        """The reference paper."""
        context, book = self.context, self.book
        if not context.table("published_comparison"):
            return Section("paper", "Paper")
        blocks = self._table(records.comparison_summary(context, book))
        if not context.guard.active:
            blocks += self._table(records.comparison_details(context, book, "misprint"))
            for verdict in ("differs", "not_computable"):
                details = self._table(records.comparison_details(context, book, verdict))
                if details:
                    blocks.append(folded(f"{records.VERDICT_NAMES[verdict]}: figure by figure", details))
        blocks += self._table(records.audit(context, book), always=True)
        lead = "The figures that the paper prints beside the computed ones, and against each other."
        return Section("paper", "Comparison with the paper", lead, blocks, "Paper")

    def quality(self) -> Section:
        """What was delivered, what could not be used, which checks failed."""
        context = self.context
        blocks: list[str] = []
        if context.has("quality", "check_results"):
            blocks += self._table(records.checks(context, self.book))
            blocks += self._table(records.checks_not_passed(context), always=True)
        for table, name in (
            (records.ignored(context), "ignored_rows"),
            (records.extracts(context), "extracts"),
        ):
            blocks += self._table(table, always=context.has("quality", name))
        return Section("quality", "Data quality", blocks=blocks)

    def quarantine(self) -> Section:
        """What the people at the source can mend, and whether it gets better."""
        context = self.context
        if not all(context.has("quality", table) for table in ("extracts", "rejected_rows", "rejected_values")):
            return Section("quarantine", "Quarantine")
        trends = quarantine.trends(context)
        blocks = [
            *self._table(quarantine.files(context), always=True),
            *self._table(quarantine.reasons(context)),
            *([page.trend_html(trends)] if trends else []),
            *self._table(quarantine.rejected_by_night(context)),
        ]
        lead = (
            "For the people at the source: what could not be used, why, and in which row of which file. The CSV files "
            "lie under the warehouse home and hold the rows themselves, under keyed hashes."
        )
        return Section("quarantine", "Rejected rows and values", lead, blocks, "Quarantine")
