"""The printed figures of a paper beside the computed ones, cell by cell.

`reproduced`: the unrounded computed figure lies within half a unit of the last printed digit; or a dash is printed, and
what was computed gave no figure. `misprint`: not so, and the audit has proven the print wrong. `differs`: not so, and
the audit has not; where two places of the paper draw, neither is proven wrong. `not_computable`: no analysis table
holds the figure, or nothing was computed.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis_assets.frames import Kind, table
from analysis_assets.paper_audit import UNDECIDED, audit_published
from analysis_assets.paper_audit.printed import Cell, Level, parse_level, parse_statistic, read_cells

if TYPE_CHECKING:
    import duckdb

    from analysis_assets.published import PublishedFigures
    from study import Study

COMPARISON_COLUMNS: Mapping[str, Kind] = {
    "source_table": "text", "source_row": "count", "item": "text", "level": "text", "statistic": "text",
    "printed": "text", "published": "figure", "computed": "figure", "difference": "figure", "verdict": "text",
    "note": "text", "analysis_table": "text", "analysis_keys": "text", "analysis_column": "text", "convention": "text",
}  # fmt: skip
AUDIT_TABLE_COLUMNS: Mapping[str, Kind] = {
    "check": "text", "source_table": "text", "item": "text", "level": "text", "statistic": "text", "printed": "text",
    "expected": "text", "explanation": "text", "convention": "text",
}  # fmt: skip
COMPARED_TABLES = (
    "baseline_characteristics", "subgroup_response", "logistic_models", "cox_models", "adverse_event_rates",
    "km_summary", "km_landmarks", "logrank_tests", "response_rates", "response_times", "follow_up",
    "subsequent_therapies", "selection_steps",
)  # fmt: skip
# What SPSS prints on a separated row stands beside the honest estimate in the logistic table.
_SPSS_COLUMNS = {
    "odds_ratio": "spss_odds_ratio", "ci_low": "spss_ci_low", "ci_high": "spss_ci_high", "p_value": "spss_p_value"
}  # fmt: skip
# SPSS leaves the cell empty (or prints a dash) where a ratio has no room in its column.
_SPSS_OVERFLOW = 1e6
_WHOLE_ROW_CHECKS = frozenset(["swapped_rows", "duplicate_row", "odds_ratio"])
_LONG_DASHES = ("–", "-", "—")


def published_audit(figures: PublishedFigures, convention: str) -> pd.DataFrame:
    """`analysis.published_audit`: one row per finding of the paper against itself."""
    findings = audit_published(figures.figures)
    rows = [{str(k): v for k, v in record.items()} for record in findings.to_dict(orient="records")]
    return table(rows, AUDIT_TABLE_COLUMNS, convention)


@dataclass(frozen=True)
class _Answer:
    """The computed counterpart of a printed figure.

    Attributes:
        found: a row and column hold it, or would.
        empty: it was computed that there is no such figure, as where a dash is printed; not that nothing was computed.
    """

    analysis_table: str = ""
    keys: str = ""
    column: str = ""
    value: float | None = None
    note: str = ""
    found: bool = False
    empty: bool = False


def published_comparison(
    computed: Mapping[str, pd.DataFrame], figures: PublishedFigures, audit: pd.DataFrame, convention: str
) -> pd.DataFrame:
    """`analysis.published_comparison`: one row per printed figure, in the order of print.

    Args:
        computed: analysis tables by name; a table that is missing makes its figures `not_computable`.
        figures: the paper with its mapping rules.
        audit: findings of `published_audit` on the same paper.
        convention: name of the convention that made the computed tables.
    """
    rules = [{str(k): str(v) for k, v in record.items()} for record in figures.mapping.to_dict(orient="records")]
    proven = _proven(audit)
    records = {
        name: [{str(k): v for k, v in r.items()} for r in frame.to_dict(orient="records")]
        for name, frame in computed.items()
    }
    rows = [_compared(cell, _answer(cell, rules, records), proven) for cell in read_cells(figures.figures)]
    return table(rows, COMPARISON_COLUMNS, convention)


# --- finding the computed cell -------------------------------------------------------------------------------------


def _answer(cell: Cell, rules: list[dict[str, str]], records: Mapping[str, list[dict[str, Any]]]) -> _Answer:
    mapped, mapped_keys = "", dict[str, str]()
    for rule in rules:
        places = _matches(rule, cell)
        if places is None:
            continue
        name = rule["analysis_table"]
        keys = dict(pair.partition("=")[::2] for pair in _filled(rule["keys"], places).split(";"))
        mapped, mapped_keys = (mapped, mapped_keys) if mapped else (name, keys)
        row = next((r for r in records.get(name, []) if all(_same(r.get(k), v) for k, v in keys.items())), None)
        if row is not None:
            column = _filled(rule["column"], places)
            return _from_row(row, name, keys, column, float(rule["scale"] or 1))
    if not mapped:
        return _Answer(note="no rule of the mapping leads to this figure")
    if parse_statistic(cell.statistic).model.startswith("multi") and cell.interval is None:
        return _outside_the_model(mapped, mapped_keys, records)
    reason = "has no such row" if records.get(mapped) else "is empty or missing"
    return _Answer(mapped, note=f"analysis.{mapped} {reason}")


def _outside_the_model(name: str, keys: Mapping[str, str], records: Mapping[str, list[dict[str, Any]]]) -> _Answer:
    """What stands beside a dash in place of a multivariate figure: what the selection kept, if one ran at all."""
    outcome, family = keys.get("outcome") or keys.get("endpoint", ""), name.removesuffix("_models")
    steps = [
        step
        for step in records.get("selection_steps", [])
        if _same(step.get("outcome"), outcome) and _same(step.get("model_family"), family)
    ]
    if not any((_number(step.get("step")) or 0) > 0 for step in steps):  # step 0: it could not begin
        why = "; ".join(str(step["note"]) for step in steps if isinstance(step.get("note"), str))
        return _Answer(name, note=f"no selection ran for {outcome}" + (f": {why}" if why else ""))
    own = [
        row
        for row in records.get(name, [])
        if all(_same(row.get(k), v) for k, v in keys.items() if k in ("outcome", "endpoint"))
    ]
    kept = [str(row.get("term")) for row in own if _same(row.get("model"), keys.get("model", ""))]
    if not kept:
        return _Answer(name, found=True, empty=True, note="no factor entered the model, as printed")
    if any(_same(row.get(k), v) for row in own for k, v in keys.items() if k in ("term", "term_label")):
        return _Answer(name, found=True, empty=True, note="the factor did not enter the model, as printed")
    return _Answer(name, found=True, note=f"no number is printed; the model holds {', '.join(kept)}")


def _matches(rule: dict[str, str], cell: Cell) -> dict[str, str] | None:
    if rule["source_table"] not in ("*", cell.table):
        return None
    if not (fnmatchcase(cell.item, rule["item"]) and fnmatchcase(cell.level, rule["level"])):
        return None
    pattern = (
        re.escape(rule["statistic"]).replace(r"\{model\}", "(?P<model>.+)").replace(r"\{month\}", r"(?P<month>\d+)")
    )
    found = re.fullmatch(pattern.replace(r"\*", ".*"), cell.statistic)
    if found is None:
        return None
    level = parse_level(cell.level)
    return {
        "item": cell.item,
        "level": cell.level,
        "label": re.sub(r"\s*\([^)]*\)", "", cell.level).strip(),
        "tail": cell.item.rpartition(": ")[2],
        "grade": f"{level.low:g}" if level.kind == "grade" else "",
        "statistic": cell.statistic,
        **found.groupdict(),
    }


def _filled(template: str, places: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: places.get(match.group(1), ""), template)


_ALIKE = str.maketrans({"≥": ">=", "≤": "<=", "×": "x", "–": "-", "⁹": "^9", "⁶": "^6", "µ": "u"})


@functools.lru_cache(maxsize=65536, typed=True)  # the same few values are asked for by every figure
def _same(value: object, wanted: str) -> bool:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return wanted == ""
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    if isinstance(value, (int, float)):
        return wanted != "" and float(value) == float(wanted)
    left, right = (str(v).translate(_ALIKE).casefold().strip() for v in (value, wanted))
    if left == right:
        return True
    bounds = parse_level(left), parse_level(right)
    return bounds[0].kind in ("range", "grade") and bounds[0] == bounds[1] != Level("present")


def _from_row(row: dict[str, Any], name: str, keys: Mapping[str, str], column: str, scale: float) -> _Answer:
    shown = "; ".join(f"{k}={v}" for k, v in keys.items())
    note = str(row["note"]) if isinstance(row.get("note"), str) else ""
    if row.get("estimator") == "firth" and column in _SPSS_COLUMNS and _number(row.get("spss_p_value")) is not None:
        value = _number(row.get(_SPSS_COLUMNS[column]))
        value = None if value is not None and value > _SPSS_OVERFLOW else value
        told = "separated: compared with what SPSS prints; the row itself holds Firth's estimate"
        return _Answer(name, shown, _SPSS_COLUMNS[column], value, told, found=True, empty=value is None)
    value = None
    if "-" in column:
        parts = [_number(row.get(part)) for part in column.split("-")]
        if parts[0] is not None and parts[1] is not None:
            value = parts[0] - parts[1]
    else:
        value = _number(row.get(column))
    value = None if value is None else value * scale
    empty = value is None and (_number(row.get("n")) or 0) > 0  # patients were looked at, and there is no such figure
    return _Answer(name, shown, column, value, note, found=column in row or "-" in column, empty=empty)


def _number(value: object) -> float | None:
    if value is None or value is pd.NA or isinstance(value, (str, bool)):
        return None
    number = float(value)  # type: ignore[arg-type]  # what is left is a number of pandas or numpy
    return None if math.isnan(number) else number


# --- verdicts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Proof:
    """Why the audit names a figure."""

    check: str
    explanation: str

    @property
    def decided(self) -> bool:
        """False where two places draw: that tonight's figure agrees with the other one proves nothing by the paper."""
        return not self.explanation.endswith(UNDECIDED)


def _proven(audit: pd.DataFrame) -> dict[tuple[str, str, str, str], _Proof]:
    proofs: dict[tuple[str, str, str, str], _Proof] = {}
    records = audit.to_dict(orient="records")
    for record in sorted(records, key=lambda r: str(r["explanation"]).endswith(UNDECIDED)):  # proofs before draws
        check, statistic = str(record["check"]), str(record["statistic"])
        place = (str(record["source_table"]), str(record["item"]), str(record["level"]))
        proof = _Proof(check, str(record["explanation"]))
        proofs.setdefault((*place, statistic), proof)
        if check in _WHOLE_ROW_CHECKS:
            model = parse_statistic(statistic).model
            for kind in ("or", "hr", "rr", "ci_low", "ci_high", "p"):
                proofs.setdefault((*place, f"{model}_{kind}" if model else kind), proof)
    return proofs


def _compared(cell: Cell, answer: _Answer, proven: Mapping[tuple[str, str, str, str], _Proof]) -> dict[str, object]:
    proof = proven.get((cell.table, cell.item, cell.level, cell.statistic))
    verdict, note = _verdict(cell, answer, proof)
    number = None if cell.interval is None else cell.value
    return {
        "source_table": cell.table,
        "source_row": cell.row,
        "item": cell.item,
        "level": cell.level,
        "statistic": cell.statistic,
        "printed": cell.text,
        "published": number,
        "computed": answer.value,
        "difference": None if number is None or answer.value is None else answer.value - number,
        "verdict": verdict,
        "note": note or None,
        "analysis_table": answer.analysis_table or None,
        "analysis_keys": answer.keys or None,
        "analysis_column": answer.column or None,
    }


def _verdict(cell: Cell, answer: _Answer, proof: _Proof | None) -> tuple[str, str]:
    if not answer.found:
        return "not_computable", answer.note
    if cell.interval is None:
        if cell.text in _LONG_DASHES and answer.empty:
            return "reproduced", answer.note or "no figure, as printed"
        return "not_computable", answer.note or "no number is printed"
    if answer.value is None:
        return "not_computable", answer.note or "the analysis table holds no value here"
    if cell.interval.holds(answer.value):
        told = f"the audit doubts the print all the same: {proof.explanation}" if proof is not None else ""
        return "reproduced", "; ".join(part for part in (told, _brief(answer)) if part)
    if proof is not None:
        return "misprint" if proof.decided else "differs", f"{proof.check}: {proof.explanation}"
    return "differs", answer.note


def _brief(answer: _Answer) -> str:
    return answer.note if "SPSS" in answer.note and answer.column.startswith("spss") else ""


def build_published_tables(connection: duckdb.DuckDBPyConnection, study: Study) -> dict[str, pd.DataFrame]:
    """`published_audit` and `published_comparison` of the study's paper against the analysis tables of a warehouse.

    Both are empty where the study compares with no paper.

    Raises:
        PublishedFiguresError: the figures that the study names can't be read.
    """
    from analysis_assets.published import read_published

    figures = read_published(study.published)
    if figures is None:
        return {
            "published_audit": table([], AUDIT_TABLE_COLUMNS, study.conventions),
            "published_comparison": table([], COMPARISON_COLUMNS, study.conventions),
        }
    held = {
        str(row[0])
        for row in connection.execute(
            "select table_name from information_schema.tables where table_schema = 'analysis'"
        ).fetchall()
    }
    computed = {name: connection.sql(f'from analysis."{name}"').df() for name in COMPARED_TABLES if name in held}
    audit = published_audit(figures, study.conventions)
    comparison = published_comparison(computed, figures, audit, study.conventions)
    return {"published_audit": audit, "published_comparison": comparison}
