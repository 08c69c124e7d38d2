"""The tables of the report: which numbers stand where, and the evidence that each one opens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from analysis_assets.baseline import MISSING_LEVEL
from analysis_assets.conventions import convention
from analysis_assets.report import conditions as where
from analysis_assets.report import queries
from analysis_assets.report.context import Record, ReportContext
from analysis_assets.report.evidence import Evidence, EvidenceBook, PatientQuery
from analysis_assets.tables import Cell, Column, DisplayTable, Row, interval_text, number_text, p_text

ENDPOINT_NAMES = {
    "CR": "Complete remission", "MRD_NEGATIVE_CR": "CR, MRD negative", "MRD_POSITIVE_CR": "CR, MRD positive",
    "HSCT_BRIDGE": "Bridged to allo-HSCT", "SEVERE_CRS": "Severe CRS", "EFS": "Event-free survival",
    "OS": "Overall survival", "RFS": "Relapse-free survival", "DOR": "Duration of response", "RELAPSE": "Relapse",
    "NON_RELAPSE_MORTALITY": "Death without relapse", "FOLLOW_UP": "Follow-up", "TIME_TO_CR": "Time to CR",
    "TIME_TO_MRD_NEGATIVE": "Time to MRD negativity",
}  # fmt: skip
CRS_RULE_NAMES = {"recorded": "As recorded", "lee2014": "By Lee 2014", "astct2019": "By ASTCT 2019"}
INTERVAL_NAMES = {"clopper_pearson": "Clopper–Pearson", "wilson": "Wilson"}
CONVENTION_NAMES = {"spss": "SPSS (the paper's)", "r": "R", "sas": "SAS"}


def endpoint_name(endpoint: str) -> str:
    """Endpoint in words."""
    return ENDPOINT_NAMES.get(endpoint, endpoint)


def notes_of(record: Record) -> tuple[str, ...]:
    """The warning or remark that an analysis row carries, as a sentence."""
    note = str(record.get("note") or "").strip()
    if not note:
        return ()
    first = note if note.split(" ")[0].count("_") else note[0].upper() + note[1:]
    return (first if first.endswith(".") else f"{first}.",)


class Sections:
    """Builds the tables of one report; every count and estimate registers its evidence."""

    def __init__(self, context: ReportContext, book: EvidenceBook) -> None:
        """Remember the warehouse and the book of evidence."""
        self.context = context
        self.book = book
        self.guard = context.guard
        self.convention = f"Convention: {CONVENTION_NAMES[context.study.conventions]}."

    # --- evidence ------------------------------------------------------------------------------------------------

    def opened(
        self, text: str, title: str, sql: str, patients: PatientQuery | None = None, trace: str = "",
        notes: tuple[str, ...] = (),
    ) -> Cell:  # fmt: skip
        """A cell that opens its evidence; a dash opens nothing."""
        if text == "–":
            return Cell(text, notes=notes)
        return Cell(text, self.book.add(Evidence(title, sql, patients, trace)), notes)

    def remarks(self, *remarks: str) -> tuple[str, ...]:
        """Footnotes without mark: the given ones, the convention, and the rule for hidden counts."""
        return tuple(r for r in (*remarks, self.convention, self.guard.remark) if r)

    # --- cohort ----------------------------------------------------------------------------------------------------

    def cohort_flow(self) -> DisplayTable:
        """Patients left after each criterion."""
        table = DisplayTable(
            "cohort_flow", "Patients from the extract to the analysis",
            (Column("Excluded"), Column("Remaining")), heading="Criterion",
            remarks=self.remarks("Criteria are applied in this order."), sql=queries.analysis_table("cohort_flow"),
        )  # fmt: skip
        for record in self.context.table("cohort_flow"):
            sql = queries.analysis_row("cohort_flow", step=record["step"])
            criterion = str(record["criterion"])
            excluded = None
            if record["n_excluded"]:
                excluded = PatientQuery("patients", "", f"p.exclusion_reason = {queries.text(criterion)}")
            removed = self._count(record["n_excluded"], record["n_excluded"], f"Excluded: {criterion}", sql, excluded)
            kept = self._count(record["n_remaining"], record["n_remaining"], f"Remaining after: {criterion}", sql, None)
            table.rows.append(Row(Cell(criterion), (removed, kept)))
        return table

    def _count(self, count: int, shown: object, title: str, sql: str, patients: PatientQuery | None) -> Cell:
        hidden = self.guard.small(int(count))
        return self.opened(self.guard.text(int(count), str(shown), hidden), title, sql, patients)

    def baseline(self) -> DisplayTable:
        """Patient characteristics before the infusion."""
        records = [r for r in self.context.table("baseline_characteristics") if r.get("timing") != "after infusion"]
        table = DisplayTable(
            "baseline_characteristics", "Characteristics of the patients before infusion",
            (Column("Patients", notes=("n (%), or median (range); mean ± SD where Shapiro–Wilk P is at least 0.05.",)),
             Column("Known in", notes=("Patients with a known value: the denominator of the percentage. Of those "
                                       "missing, it is a percentage of all patients.",))),
            heading="Characteristic", remarks=self.remarks(), sql=queries.analysis_table("baseline_characteristics"),
        )  # fmt: skip
        for block in _blocks(records, "characteristic", "column_name"):
            flags = self._baseline_flags([r for r in block if r["level"]])
            for record in block:
                hidden = flags.get(id(record), False)
                table.rows.append(self._baseline_row(record, hidden))
        return table

    def _baseline_flags(self, records: Sequence[Record]) -> dict[int, bool]:
        """Levels make up the known, and with a small number of missing patients everybody: neither total may tell."""
        if not records:
            return {}
        levels = [r for r in records if r["level"] != MISSING_LEVEL]
        counts = [int(r["n"] or 0) for r in levels]
        known, missing = int(records[0]["n_total"] or 0), int(records[0].get("n_missing") or 0)
        exclusive = sum(counts) <= known
        flags = self._flags(levels, exclusive)
        if exclusive and self.guard.small(missing):
            hidden = self.guard.hidden([*counts, missing], known + missing)
            flags |= {id(r): flags[id(r)] or flag for r, flag in zip(levels, hidden, strict=False)}
        of_missing = self.guard.small(missing) or self.guard.small(known)
        return flags | {id(r): of_missing for r in records if r["level"] == MISSING_LEVEL}

    def _flags(self, records: Sequence[Record], exclusive: bool) -> dict[int, bool]:
        if exclusive and records:
            total = int(records[0]["n_total"] or 0)
            hidden = self.guard.hidden([int(r["n"] or 0) for r in records], total)
            return {id(r): flag for r, flag in zip(records, hidden, strict=True)}
        return {id(r): self.guard.hidden([int(r["n"] or 0)], int(r["n_total"] or 0))[0] for r in records}

    def _flags_of_parts(self, records: Sequence[Record]) -> dict[int, bool]:
        """Hidden flags of groups that make up all patients."""
        hidden = self.guard.hidden([int(r["n"] or 0) for r in records])
        return {id(r): flag for r, flag in zip(records, hidden, strict=True)}

    def _baseline_row(self, record: Record, hidden: bool) -> Row:
        characteristic, level = str(record["characteristic"]), str(record["level"] or "")
        column = str(record.get("column_name") or "")
        condition = where.baseline_level(
            column, characteristic, level, self.context.covariates, self.context.patient_columns
        )
        sql = queries.analysis_row("baseline_characteristics", characteristic=characteristic, level=level)
        patients = None if condition is None else where.all_patients(condition)
        title = f"{characteristic}{': ' + level if level else ''}"
        shown = str(record["display"] or "–")
        text = self.guard.text(int(record["n"] or 0), shown, hidden)
        notes = notes_of(record)
        return Row(
            Cell(level or _described(shown)),
            (self.opened(text, title, sql, patients, notes=notes), self._known(record, column, title)),
            group=characteristic,
        )

    def _known(self, record: Record, column: str, title: str) -> Cell:
        sql = queries.analysis_row(
            "baseline_characteristics", characteristic=record["characteristic"], level=record["level"] or ""
        )
        known = None
        if not column or column in self.context.patient_columns:
            known = where.all_patients(f"p.{queries.name(column)} is not null" if column else "")
        n, missing = int(record["n_total"] or 0), int(record.get("n_missing") or 0)
        shown = self.guard.text(n, str(n), self.guard.small(n) or self.guard.small(missing))
        return self.opened(shown, f"{title}: patients with a known value", sql, known)

    # --- response ----------------------------------------------------------------------------------------------------

    def response_rates(self) -> DisplayTable:
        """Rates of the binary endpoints with their intervals."""
        table = DisplayTable(
            "response_rates", "Response, bridging and severe CRS",
            (Column("n/N", notes=("Denominator: all included patients; never assessed counts as no response.",)),
             Column("%"), Column("95% CI, Clopper–Pearson"), Column("95% CI, Wilson")),
            heading="Endpoint", remarks=self.remarks("Two-sided 95% intervals."),
            sql=queries.analysis_table("response_rates"),
        )  # fmt: skip
        by_endpoint: dict[str, dict[str, Record]] = {}
        for record in self.context.table("response_rates"):
            by_endpoint.setdefault(str(record["endpoint"]), {})[str(record["ci_method"])] = record
        for endpoint, methods in by_endpoint.items():
            table.rows.append(self._rate_row(endpoint, methods))
        return table

    def _rate_row(self, endpoint: str, methods: dict[str, Record]) -> Row:
        exact = methods.get("clopper_pearson") or next(iter(methods.values()))
        if not exact["n_total"]:
            sql = queries.analysis_row("response_rates", endpoint=endpoint, ci_method=exact["ci_method"])
            said = self.opened("not computable", endpoint_name(endpoint), sql, notes=notes_of(exact))
            return Row(Cell(endpoint_name(endpoint)), (said, Cell("–"), Cell("–"), Cell("–")))
        patients = where.outcome(endpoint, "o.achieved")
        n, total = int(exact["n"] or 0), int(exact["n_total"] or 0)
        hidden = self.guard.hidden([n], total)[0]

        def cell(text: str, method: str) -> Cell:
            sql = queries.analysis_row("response_rates", endpoint=endpoint, ci_method=method)
            return self.opened(
                self.guard.text(n, text, hidden), endpoint_name(endpoint), sql, patients, f"outcome:{endpoint}"
            )

        intervals = [
            cell(interval_text(methods[m]["ci_low"], methods[m]["ci_high"], 1), m) if m in methods else Cell("–")
            for m in ("clopper_pearson", "wilson")
        ]
        counted = cell(f"{n}/{total}", "clopper_pearson")
        counted = Cell(counted.text, counted.evidence, notes_of(exact))
        return Row(
            Cell(endpoint_name(endpoint)), (counted, cell(number_text(exact["pct"], 1), "clopper_pearson"), *intervals)
        )

    def response_times(self) -> DisplayTable:
        """Days to remission and MRD negativity."""
        table = DisplayTable(
            "response_times", "Time to response",
            (Column("Responders"), Column("Mean ± SD, days"), Column("Median (range), days")),
            heading="Endpoint", remarks=self.remarks("From the first infusion; responders only."),
            sql=queries.analysis_table("response_times"),
        )  # fmt: skip
        for record in self.context.table("response_times"):
            endpoint = str(record["endpoint"])
            patients = where.outcome(endpoint, "o.event")
            sql = queries.analysis_row("response_times", endpoint=endpoint)
            mean = number_text(record["mean"], 1)
            if record["sd"] is not None:
                mean += f" ± {number_text(record['sd'], 1)}"
            middle = (
                f"{number_text(record['median'], 1)} ({number_text(record['min'], 0)}–{number_text(record['max'], 0)})"
            )
            n = int(record["n"] or 0)
            texts = (self.guard.text(n, str(n), self.guard.small(n)), mean, middle) if n else ("0", "–", "–")
            title = endpoint_name(endpoint)
            cells = tuple(self.opened(t, title, sql, patients, f"outcome:{endpoint}") for t in texts)
            table.rows.append(Row(Cell(title), cells))
        return table

    def subgroup_response(self, endpoint: str) -> DisplayTable:
        """One binary endpoint by factor (the paper's Table 2)."""
        name = endpoint_name(endpoint)
        corrected = convention(self.context.study.conventions).chi_square_correction
        correction = "with Yates' continuity correction" if corrected else "without continuity correction"
        table = DisplayTable(
            f"subgroup_response_{endpoint.lower()}", f"{name} by factor",
            (Column(f"{name}: yes", notes=("n (%) of the patients at the level.",)), Column(f"{name}: no"),
             Column("P", notes=(f"Pearson's χ² {correction}, two-sided.",)),
             Column("P, Fisher", notes=("Fisher's exact test, two-sided: to be read below 5 expected.",)),
             Column("Smallest expected")),
            heading="Factor", remarks=self.remarks("Patients without a known level are left out of a factor."),
            sql=queries.analysis_table("subgroup_response"),
        )  # fmt: skip
        records = [r for r in self.context.table("subgroup_response") if r["endpoint"] == endpoint]
        for block in _blocks(records, "factor"):
            small = any(self.guard.small(int(r[c] or 0)) for r in block for c in ("n_responders", "n_non_responders"))
            for position, record in enumerate(block):
                table.rows.append(self._subgroup_row(endpoint, record, first=position == 0, hidden=small))
        return table

    def _subgroup_row(self, endpoint: str, record: Record, *, first: bool, hidden: bool) -> Row:
        factor, level = str(record["factor"]), str(record["level"] or "")
        label = str(record.get("factor_label") or factor)
        sql = queries.analysis_row("subgroup_response", endpoint=endpoint, factor=factor, level=level)
        covariate = self.context.study.covariate(factor)
        at_level = where.covariate_level(covariate, level)
        cells = []
        for column, achieved in (("responders", "o.achieved"), ("non_responders", "not o.achieved")):
            patients = where.outcome(endpoint, achieved, at_level)
            text = str(record.get(f"display_{column}") or number_text(record[f"n_{column}"], 0))
            shown = self.guard.text(int(record[f"n_{column}"] or 0), text, hidden)
            said = "yes" if column == "responders" else "no"
            title = f"{label}, {level}: {endpoint_name(endpoint)} {said}"
            cells.append(self.opened(shown, title, sql, patients, f"outcome:{endpoint}"))
        tested = where.outcome(endpoint, f"p.{queries.name(covariate.column)} is not null")
        if first:
            title = f"{endpoint_name(endpoint)} by {label}"
            notes = notes_of(record)
            cells.append(self.opened(p_text(record["p_value"]), f"{title}: {record['test']}", sql, tested, notes=notes))
            cells.append(self.opened(p_text(record["p_fisher"]), f"{title}: Fisher's exact test", sql, tested))
            smallest = number_text(record.get("smallest_expected"), 1)
            cells.append(self.opened(smallest, f"{title}: smallest expected count", sql, tested))
        else:
            cells += [Cell(""), Cell(""), Cell("")]
        return Row(Cell(level or "–"), tuple(cells), group=label)

    def subsequent_therapies(self) -> DisplayTable:
        """What came after the first infusion."""
        table = DisplayTable(
            "subsequent_therapies", "Treatment after the first infusion", (Column("n (%)"),), heading="Therapy",
            remarks=self.remarks("Denominator: the patients of the group."),
            sql=queries.analysis_table("subsequent_therapies"),
        )  # fmt: skip
        everything = self.context.table("subsequent_therapies")
        evaluable = "response_evaluable" in self.context.patient_columns
        flags = self._flags_of_parts([r for r in everything if not r["therapy"]])
        for block in _blocks(everything, "patient_group"):
            flags |= self._flags([r for r in block if r["therapy"]], exclusive=True)
            for record in block:
                group, therapy = str(record["patient_group"]), str(record["therapy"] or "")
                sql = queries.analysis_row("subsequent_therapies", patient_group=group, therapy=therapy)
                patients = None
                if therapy:
                    said = f"coalesce(p.subsequent_therapy, 'none recorded') = {queries.text(therapy)}"
                    patients = where.all_patients(where.both(_group_condition(group, evaluable), said))
                else:
                    patients = where.all_patients(_group_condition(group, evaluable))
                hidden = flags.get(id(record), False)
                text = self.guard.text(int(record["n"] or 0), str(record["display"]), hidden)
                table.rows.append(
                    Row(
                        Cell(therapy or "all"),
                        (self.opened(text, f"{group}: {therapy or 'all'}", sql, patients),),
                        group,
                    )
                )
        return table

    # --- survival ----------------------------------------------------------------------------------------------------

    def survival(self) -> DisplayTable:
        """Medians and landmark probabilities of the whole cohort."""
        months = self.context.study.landmark_months
        landmark_columns = tuple(Column(f"At {m} months, % (95% CI)") for m in months)
        table = DisplayTable(
            "survival", "Survival of the whole cohort",
            (Column("Patients"), Column("Events"), Column("Median, months (95% CI)"), *landmark_columns),
            heading="Endpoint", remarks=self.remarks("Kaplan–Meier; NR = not reached.", *self._methods("km_summary")),
            sql=queries.analysis_table("km_summary"),
        )  # fmt: skip
        for record in self._primary("km_summary"):
            if record["factor"] or record["endpoint"] == "FOLLOW_UP":
                continue
            table.rows.append(self._survival_row(record, Cell(endpoint_name(str(record["endpoint"])))))
        return table

    def _primary(self, name: str) -> list[Record]:
        return [r for r in self.context.table(name) if r.get("is_primary", True)]

    def _methods(self, name: str) -> list[str]:
        methods = dict.fromkeys(str(r["ci_method"]) for r in self._primary(name) if r.get("ci_method"))
        shown = [m for m in methods if "follow" not in m.lower() and "reverse" not in m.lower() and "range" not in m]
        return [f"Interval of the median: {'; '.join(shown)}."] if shown else []

    def _survival_row(self, record: Record, heading: Cell, hidden: bool = False, extra: tuple[Cell, ...] = ()) -> Row:
        endpoint, factor, level = (str(record[k] or "") for k in ("endpoint", "factor", "level"))
        at_level = ""
        if factor:
            at_level = where.covariate_level(self.context.study.covariate(factor), level)
        everyone = where.outcome(endpoint, at_level)
        events = where.outcome(endpoint, "o.event", at_level)
        keys: dict[str, object] = {"endpoint": endpoint, "factor": factor, "level": level}
        sql = queries.analysis_row("km_summary", **keys)
        title = f"{endpoint_name(endpoint)}{f', {factor}: {level}' if factor else ''}"
        trace = f"outcome:{endpoint}"
        counts = [
            Cell("–")
            if n is None
            else self.opened(
                self.guard.text(int(n), str(n), hidden or self.guard.small(int(n))), f"{title}: {said}", sql, who, trace
            )
            for n, said, who in ((record["n"], "patients", everyone), (record["n_events"], "events", events))
        ]
        median = "NR" if record["n"] and record["median_months"] is None else number_text(record["median_months"], 1)
        shown = _with_interval(median, record["median_ci_low"], record["median_ci_high"])
        cells = [*counts, self.opened(shown, f"{title}: median", sql, events, trace)]
        for month in self.context.study.landmark_months:
            cells.append(self._landmark(keys, month, f"{title}: at {month} months", everyone, trace))
        return Row(heading, (*cells, *extra), group="")

    def _landmark(self, keys: dict[str, object], month: int, title: str, everyone: PatientQuery, trace: str) -> Cell:
        for record in self._primary("km_landmarks"):
            if record["month"] == month and all((record[k] or "") == v for k, v in keys.items()):
                if record["survival"] is None:
                    return Cell("–", notes=notes_of(record))
                ends = [None if record[k] is None else 100 * record[k] for k in ("ci_low", "ci_high")]
                text = _with_interval(number_text(100 * record["survival"], 1), *ends)
                return self.opened(
                    text, title, queries.analysis_row("km_landmarks", **keys, month=month), everyone, trace
                )
        return Cell("–")

    def survival_by_factor(self, endpoint: str) -> DisplayTable:
        """Medians by level of every factor, with the log-rank test."""
        months = self.context.study.landmark_months
        table = DisplayTable(
            f"survival_by_factor_{endpoint.lower()}", f"{endpoint_name(endpoint)} by factor",
            (Column("Patients"), Column("Events"), Column("Median, months (95% CI)"),
             *(Column(f"At {m} months, % (95% CI)") for m in months),
             Column("P", notes=("Log-rank (Mantel–Cox) over all levels, two-sided.",))),
            heading="Factor", remarks=self.remarks("Kaplan–Meier; NR = not reached.", *self._methods("km_summary")),
            sql=queries.analysis_table("km_summary"),
        )  # fmt: skip
        tests = {(t["endpoint"], t["factor"]): t for t in self.context.table("logrank_tests")}
        records = [r for r in self._primary("km_summary") if r["endpoint"] == endpoint and r["factor"]]
        for block in _blocks(records, "factor"):
            factor = str(block[0]["factor"])
            covariate = self.context.study.covariate(factor)
            test = tests.get((endpoint, factor))
            small = any(self.guard.small(int(r[c] or 0)) for r in block for c in ("n", "n_events"))
            for position, record in enumerate(block):
                extra = Cell("")
                if position == 0 and test is not None:
                    sql = queries.analysis_row("logrank_tests", endpoint=endpoint, factor=factor)
                    who = where.outcome(endpoint, f"p.{queries.name(covariate.column)} is not null")
                    title = f"{endpoint_name(endpoint)} by {covariate.label}: log-rank test"
                    extra = self.opened(p_text(test["p_value"]), title, sql, who, f"outcome:{endpoint}", notes_of(test))
                row = self._survival_row(record, Cell(str(record["level"] or "–")), small, (extra,))
                table.rows.append(Row(row.heading, row.cells, group=covariate.label))
        return table

    def follow_up(self) -> DisplayTable:
        """Length of follow-up by two methods."""
        table = DisplayTable(
            "follow_up", "Follow-up", (Column("Median, months"), Column("95% CI"), Column("Range, months")),
            heading="Method", sql=queries.analysis_table("follow_up"),
            remarks=self.remarks("The plain median is the paper's; reverse Kaplan–Meier counts death as censoring."),
        )  # fmt: skip
        everyone = where.outcome("FOLLOW_UP")
        for record in self.context.table("follow_up"):
            sql = queries.analysis_row("follow_up", method=record["method"])
            texts = (
                number_text(record["median_months"], 1),
                interval_text(record["median_ci_low"], record["median_ci_high"], 1),
                interval_text(record["min_months"], record["max_months"], 1),
            )
            title = f"Follow-up, {record['method']}"
            cells = tuple(self.opened(t, title, sql, everyone, "outcome:FOLLOW_UP") for t in texts)
            table.rows.append(Row(Cell(str(record["method"]), notes=notes_of(record)), cells))
        return table

    def competing_risks(self) -> DisplayTable:
        """Cumulative incidence of competing endpoints at the landmarks."""
        months = self.context.study.landmark_months
        table = DisplayTable(
            "competing_risks", "Relapse and death without relapse",
            tuple(Column(f"At {m} months, % (95% CI)") for m in months), heading="Endpoint",
            sql=queries.analysis_table("cumulative_incidence"),
            remarks=self.remarks("Aalen–Johansen cumulative incidence; each endpoint competes with the other."),
        )  # fmt: skip
        curves: dict[str, list[Record]] = {}
        for record in self.context.table("cumulative_incidence"):
            if not record["factor"]:
                curves.setdefault(str(record["endpoint"]), []).append(record)
        for endpoint, steps in curves.items():
            steps.sort(key=lambda step: float(step["time_months"]))
            who = where.outcome(endpoint)
            cells = tuple(self._incidence(endpoint, steps, month, who) for month in months)
            table.rows.append(Row(Cell(endpoint_name(endpoint)), cells))
        return table

    def _incidence(self, endpoint: str, steps: list[Record], month: int, who: PatientQuery) -> Cell:
        if float(steps[-1]["time_months"]) < month:  # past the last follow-up
            return Cell("–")
        sql = queries.analysis_row("cumulative_incidence", endpoint=endpoint, factor="")
        reached = [step for step in steps if float(step["time_months"]) <= month]
        if reached:
            last = reached[-1]
            ends = [None if last[k] is None else 100 * last[k] for k in ("ci_low", "ci_high")]
            text = _with_interval(number_text(100 * last["incidence"], 1), *ends)
            sql += f" and time_months <= {month} order by time_months desc limit 1"
        else:  # everybody is still followed, to the first row at least
            text = number_text(0, 1)
            sql += " order by time_months limit 1"
        return self.opened(text, f"{endpoint_name(endpoint)} at {month} months", sql, who, f"outcome:{endpoint}")

    def date_sensitivity(self) -> DisplayTable:
        """How far imputed dates can move the medians; left out while small counts are hidden."""
        table = DisplayTable(
            "date_sensitivity", "Dates known by month or year alone: how far they can move the results",
            (Column("Times imputed"), Column("Days earlier, at most"), Column("Days later, at most"),
             Column("Median, months"), Column("All as early as possible"), Column("All as late as possible")),
            heading="Endpoint", sql=queries.analysis_table("date_sensitivity"),
            remarks=self.remarks(
                "A month counts as its 15th, a year as 1 July. The last two columns are the Kaplan–Meier median with "
                "every such time as short, or as long, as the source allows. NR = not reached."
            ),
        )  # fmt: skip
        for record in [] if self.guard.active else self.context.table("date_sensitivity"):
            endpoint = str(record["endpoint"])
            sql = queries.analysis_row("date_sensitivity", endpoint=endpoint)
            title = f"{endpoint_name(endpoint)}: imputed dates"
            who = where.outcome(endpoint, "o.date_imputed")
            texts = (
                f"{int(record['n_imputed'])}/{int(record['n_total'])}",
                *(str(int(record[column])) for column in ("days_earlier_at_most", "days_later_at_most")),
                *(
                    "NR" if record[column] is None else number_text(record[column], 1)
                    for column in ("median_months", "median_months_shortest", "median_months_longest")
                ),
            )
            cells = tuple(self.opened(text, title, sql, who, f"outcome:{endpoint}") for text in texts)
            table.rows.append(Row(Cell(endpoint_name(endpoint)), cells))
        return table

    # --- models ------------------------------------------------------------------------------------------------------

    def cox(self, endpoint: str) -> DisplayTable:
        """Univariate and multivariate Cox models of an endpoint (the paper's Tables 4 and 5)."""
        rows = [r for r in self.context.table("cox_models") if r["endpoint"] == endpoint]
        ties = next((str(r["ties"]) for r in rows if r.get("ties")), "")
        return self._models(
            f"cox_{endpoint.lower()}", f"{endpoint_name(endpoint)}: Cox regression", rows, "cox_models",
            ("endpoint", endpoint, "hazard_ratio", "HR"),
            (f"Hazard ratio, Wald interval and P; ties: {ties.capitalize() or 'as the convention'}.",),
        )  # fmt: skip

    def logistic(self, outcome: str) -> DisplayTable:
        """Univariate and multivariate logistic models of an outcome (the paper's Tables 3 and 7)."""
        rows = [r for r in self.context.table("logistic_models") if r["outcome"] == outcome]
        return self._models(
            f"logistic_{outcome.lower()}", f"{endpoint_name(outcome)}: logistic regression", rows, "logistic_models",
            ("outcome", outcome, "odds_ratio", "OR"),
            ("Odds ratio, Wald interval and P; separated rows: Firth's estimate, profile-likelihood interval.",),
        )  # fmt: skip

    def _models(
        self, name: str, title: str, rows: list[Record], source: str, subject: tuple[str, str, str, str],
        remarks: tuple[str, ...],
    ) -> DisplayTable:  # fmt: skip
        key, value, measure, short = subject
        q_note = "Benjamini–Hochberg q over the univariate P values of the table."
        steps_note = "Forward selection: entry by score test, removal by conditional likelihood ratio; see the steps."
        if rows and all(record["model"] != "multivariate" for record in rows):
            remarks = (*remarks, "No factor entered the multivariate model.")
        table = DisplayTable(
            name, title,
            (Column(f"{short} (95% CI)", spanner="Univariate"), Column("P", spanner="Univariate"),
             Column("q", spanner="Univariate", notes=(q_note,)),
             Column(f"{short} (95% CI)", spanner="Multivariate", notes=(steps_note,)),
             Column("P", spanner="Multivariate")),
            heading="Factor", remarks=self.remarks(*remarks), sql=queries.analysis_table(source),
        )  # fmt: skip
        by_term: dict[str, dict[str, Record]] = {}
        for record in rows:
            if record["model"] in ("univariate", "multivariate"):
                by_term.setdefault(str(record["term"]), {})[str(record["model"])] = record
        for models in by_term.values():
            any_model = next(iter(models.values()))
            cells: list[Cell] = []
            for model in ("univariate", "multivariate"):
                record = models.get(model, {})
                cells += self._effect_cells(record, source, key, value, measure, model)
            label = str(any_model.get("term_label") or any_model["term"])
            table.rows.append(Row(Cell(f"{label}, {any_model['contrast']}"), tuple(cells)))
        return table

    def _effect_cells(self, record: Record, source: str, key: str, value: str, measure: str, model: str) -> list[Cell]:
        width = 3 if model == "univariate" else 2
        if not record:
            return [Cell("")] * width
        term = str(record["term"])
        sql = queries.analysis_row(source, **{key: value, "model": model, "term": term})
        column = queries.name(self.context.study.covariate(term).column)
        who = where.outcome(value, f"p.{column} is not null")
        title = f"{endpoint_name(value)}: {record.get('term_label') or term}, {model}"
        text = f"{_ratio(record[measure])} ({_ratio(record['ci_low'])}–{_ratio(record['ci_high'])})"
        if record[measure] is None:
            text = "–"
        trace = f"outcome:{value}"
        cells = [
            self.opened(text, title, sql, who, trace, notes_of(record)),
            self.opened(p_text(record["p_value"]), f"{title}: P", sql, who, trace),
        ]
        if model == "univariate":
            cells.append(self.opened(p_text(record.get("q_value")), f"{title}: q", sql, who, trace))
        return cells

    def after_time_zero(self) -> DisplayTable:
        """Covariates that become known after the infusion: naive, landmark and time-dependent models side by side."""
        models = ("univariate", "landmark_60d", "landmark_100d", "time_dependent")
        labels = ("Naive", "Landmark, day 60", "Landmark, day 100", "Time-dependent")
        biased = "Takes as known on day 0 what happened later: immortal-time bias."
        table = DisplayTable(
            "after_time_zero", "Transplantation and MRD status: naive, landmark and time-dependent",
            tuple(Column(f"{label}: HR (95% CI), P", notes=(biased,) if label == "Naive" else ()) for label in labels),
            heading="Covariate", sql=queries.analysis_table("cox_models"),
            remarks=self.remarks("Cox regression; a landmark model counts patients free of the event on that day."),
        )  # fmt: skip
        found: dict[tuple[str, str], dict[str, Record]] = {}
        for record in self.context.table("cox_models"):
            if record["model"] in models:
                found.setdefault((str(record["endpoint"]), str(record["term"])), {})[str(record["model"])] = record
        for (endpoint, term), by_model in found.items():
            if not by_model.keys() - {"univariate"}:
                continue
            cells = tuple(self._timed(by_model.get(model), endpoint, term, model) for model in models)
            label = self.context.study.covariate(term).label
            table.rows.append(Row(Cell(label), cells, group=endpoint_name(endpoint)))
        return table

    def _timed(self, record: Record | None, endpoint: str, term: str, model: str) -> Cell:
        if record is None or record["hazard_ratio"] is None:
            return Cell("–", notes=notes_of(record) if record else ())
        sql = queries.analysis_row("cox_models", endpoint=endpoint, model=model, term=term)
        ends = f"{_ratio(record['ci_low'])}–{_ratio(record['ci_high'])}"
        text = f"{_ratio(record['hazard_ratio'])} ({ends}), {p_text(record['p_value'])}"
        who = where.outcome(endpoint)
        notes = tuple(n for n in notes_of(record) if model != "univariate")
        return self.opened(text, f"{endpoint_name(endpoint)}: {term}, {model}", sql, who, f"outcome:{endpoint}", notes)

    def selection(self) -> DisplayTable:
        """Every step of the forward selections."""
        table = DisplayTable(
            "selection_steps", "Steps of the forward selections",
            (Column("Action", "left"), Column("Factor", "left"), Column("Test", "left"), Column("Statistic"),
             Column("P")),
            heading="Step", sql=queries.analysis_table("selection_steps"),
            remarks=self.remarks("The last step names the candidate that came nearest to entering."),
        )  # fmt: skip
        for record in self.context.table("selection_steps"):
            outcome, step = str(record["outcome"]), record["step"]
            sql = queries.analysis_row("selection_steps", outcome=outcome, step=step)
            label = self._label(record["term"])
            title = f"{endpoint_name(outcome)}, step {step}: {record['action']} {label}"
            cells = (
                Cell(str(record["action"]), notes=notes_of(record)),
                Cell(label),
                Cell(str(record.get("test") or "–")),
                self.opened(number_text(record["statistic"], 3), title, sql),
                self.opened(p_text(record["p_value"]), title, sql),
            )
            group = f"{endpoint_name(outcome)} ({record['model_family']})"
            table.rows.append(Row(Cell(str(step)), cells, group))
        return table

    def _label(self, term: Any) -> str:
        labels = {c.name: c.label for c in self.context.study.covariates}
        return labels.get(str(term), str(term or "–"))

    def diagnostics(self) -> DisplayTable:
        """Assumptions of the models and tests of competing risks."""
        kept = ("proportional_hazards", "gray_test", "fine_gray", "separation")
        table = DisplayTable(
            "model_diagnostics", "Assumptions of the models, competing risks",
            (Column("Diagnostic", "left"), Column("Model", "left"), Column("Statistic"), Column("Estimate (95% CI)"),
             Column("P")),
            heading="Factor", sql=queries.analysis_table("model_diagnostics"),
            remarks=self.remarks("Proportional hazards: Schoenfeld score test. Competing risks: Gray, Fine–Gray."),
        )  # fmt: skip
        for record in self.context.table("model_diagnostics"):
            if record["diagnostic"] not in kept:
                continue
            outcome, term, diagnostic = (str(record[k] or "") for k in ("outcome", "term", "diagnostic"))
            keys = {"outcome": outcome, "term": record["term"], "diagnostic": diagnostic, "model": record.get("model")}
            sql = queries.analysis_row("model_diagnostics", **keys)
            title = f"{endpoint_name(outcome)}: {self._label(term)}, {diagnostic.replace('_', ' ')}"
            estimate = "–"
            if record.get("estimate") is not None:
                ends = f"{_ratio(record['ci_low'])}–{_ratio(record['ci_high'])}"
                estimate = f"{_ratio(record['estimate'])} ({ends})"
            cells = (
                Cell(diagnostic.replace("_", " "), notes=notes_of(record)),
                Cell(" ".join(str(record.get(k) or "") for k in ("model_family", "model")).strip() or "–"),
                self.opened(number_text(record["statistic"], 3), title, sql),
                self.opened(estimate, title, sql),
                self.opened(p_text(record["p_value"]), title, sql),
            )
            table.rows.append(Row(Cell(self._label(term)), cells, endpoint_name(outcome)))
        return table

    # --- safety ------------------------------------------------------------------------------------------------------

    def adverse_events(self, phase: str) -> DisplayTable:
        """Adverse events of one phase (the paper's Tables 6 and 8)."""
        title = {"cart": "Adverse events after CAR-T cells", "hsct": "Adverse events after transplantation"}[phase]
        who = {"cart": "all included patients", "hsct": "the patients transplanted"}[phase]
        table = DisplayTable(
            f"adverse_events_{phase}", title,
            (Column("n (%)"), Column("95% CI, %", notes=("Clopper–Pearson.",))), heading="Event",
            remarks=self.remarks(f"Worst grade per patient. Denominator: {who}."),
            sql=queries.analysis_table("adverse_event_rates"),
        )  # fmt: skip
        records = [r for r in self.context.table("adverse_event_rates") if r["phase"] == phase]
        parents = {str(r["parent_term"]) for r in records if r["parent_term"]}
        for block in _blocks(records, "parent_term", "term"):
            grades = [r for r in block if r["grade"] is not None]
            flags = self._flags(grades, exclusive=True) | self._flags([r for r in block if r["grade"] is None], True)
            for record in block:
                parent = str(record["parent_term"] or record["term"])
                group = (parent if parent in parents else "Other events") if parents else ""
                table.rows.append(self._adverse_row(phase, record, flags[id(record)], group))
        return table

    def crs_grading(self) -> DisplayTable:
        """CRS as recorded and as two rules derive it; left out while small counts are hidden."""
        records = [] if self.guard.active else self.context.table("crs_grading")
        rule_sets = [name for name in CRS_RULE_NAMES if any(r["rule_set"] == name for r in records)]
        table = DisplayTable(
            "crs_grading", "Grade of CRS by the rule that grades it",
            tuple(Column(f"{CRS_RULE_NAMES[name]}, n (%)") for name in rule_sets), heading="Grade",
            sql=queries.analysis_table("crs_grading"),
            remarks=self.remarks(
                "Derived from temperature, blood pressure, oxygen, vasopressors, ventilation and liver values; Lee's "
                "and ASTCT's grades of one patient may differ by definition.",
                "Agreement: of the patients who have both grades.",
                f"The study counts CRS {CRS_RULE_NAMES[self.context.study.rules.crs].lower()}.",
            ),
        )  # fmt: skip
        by_cell = {(str(r["rule_set"]), str(r["level"])): r for r in records}
        for level in sorted({level for _, level in by_cell}):
            cells = tuple(self._crs_cell(by_cell.get((name, level)), name, level) for name in rule_sets)
            heading = f"grade {level}" if level.isdigit() else level
            table.rows.append(Row(Cell("no CRS" if level == "0" else heading), cells))
        table.rows.sort(key=lambda row: row.heading.text.startswith("agrees"))
        return table

    def _crs_cell(self, record: Record | None, rule_set: str, level: str) -> Cell:
        if record is None:
            return Cell("–")
        sql = queries.analysis_row("crs_grading", rule_set=rule_set, level=level)
        shown = str(record["display"])
        if level.startswith("agrees"):
            shown = f"{int(record['n'])}/{int(record['n_total'])} ({number_text(record['pct'], 1)}%)"
        return self.opened(shown, f"CRS, {CRS_RULE_NAMES[rule_set]}: {level}", sql)

    def _adverse_row(self, phase: str, record: Record, hidden: bool, group: str) -> Row:
        term, grade = str(record["term"]), record["grade"]
        sql = queries.analysis_row("adverse_event_rates", phase=phase, term=term, grade=grade)
        patients, trace = self._adverse_patients(phase, term, None if grade is None else int(grade))
        said = term if grade is None else f"{term}, grade {int(grade)}"
        text = self.guard.text(int(record["n"] or 0), str(record["display"] or "–"), hidden)
        ends = interval_text(record["ci_low"], record["ci_high"], 1)
        interval = self.guard.text(int(record["n"] or 0), ends, hidden)
        heading = said if grade is None else f"\u2003grade {int(grade)}"
        cells = (
            self.opened(text, said, sql, patients, trace, notes_of(record)),
            self.opened(interval, f"{said}: interval", sql, patients, trace),
        )
        return Row(Cell(heading), cells, group[:1].upper() + group[1:])

    def _adverse_patients(self, phase: str, term: str, grade: int | None) -> tuple[PatientQuery, str]:
        column = {"ICU admission": "icu_admission"}.get(term, term)
        if phase == "cart" and grade is None and column in ("icu_admission", "glucocorticoids", "tocilizumab"):
            return where.all_patients(f"p.{queries.name(column)}"), ""
        transplanted = ""
        if phase == "hsct":
            dated = "hsct_date" in self.context.patient_columns
            transplanted = "p.hsct_date is not null" if dated else "coalesce(p.bridged_to_hsct, false)"
        return where.adverse_event(phase, term, grade, transplanted), f"adverse_event:{phase}|{term}"


def _with_interval(text: str, low: object, high: object) -> str:
    """An estimate with its interval in brackets, or alone where there is none."""
    ends = interval_text(low, high, 1)
    return text if ends == "–" else f"{text} ({ends})"


def _described(shown: str) -> str:
    """What a characteristic without levels is described by."""
    if shown == "–":
        return "not known"
    if "±" in shown:
        return "mean ± SD"
    return "median (range)" if "–" in shown else "all"


def _group_condition(group: str, evaluable: bool) -> str:
    remitted = "if(p.response_evaluable, p.complete_remission, null)" if evaluable else "p.complete_remission"
    if group == "response never assessed":
        return f"{remitted} is null"
    remission = f"not {remitted}" if group.startswith("no ") else remitted
    if "not bridged" in group:
        return where.both(remission, "not coalesce(p.bridged_to_hsct, false)")
    return where.both(remission, "p.bridged_to_hsct") if "bridged" in group else remission


def _ratio(value: object) -> str:
    if value is None:
        return "NR"
    number = float(value)  # type: ignore[arg-type]
    if number != number:
        return "NR"
    return ">1000" if number > 1000 else number_text(number, 3 if number < 10 else 2 if number < 100 else 1)


def _blocks(records: Iterable[Record], *keys: str) -> list[list[Record]]:
    """Records that follow each other with equal keys."""
    blocks: list[list[Record]] = []
    previous: tuple[object, ...] | None = None
    for record in records:
        key = tuple(record.get(k) for k in keys)
        if key != previous:
            blocks.append([])
            previous = key
        blocks[-1].append(record)
    return blocks
