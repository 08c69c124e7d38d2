"""All checks of a paper's figures, in order.

Every comparison is made between the intervals of numbers that round to the printed figures, so that a paper without
contradictions yields no finding. See `docs/paper-audit.md` for the checks one by one.
"""

from __future__ import annotations

import pandas as pd

from analysis_assets.paper_audit import AUDIT_COLUMNS
from analysis_assets.paper_audit.counts import Counts, Evidence, audit_counts, audit_sums, gather_counts, winners
from analysis_assets.paper_audit.crosstabs import audit_crosstabs, crossed_items
from analysis_assets.paper_audit.effects import (
    audit_consistency,
    audit_odds,
    audit_repeats,
    effect_rows,
    odds_tables,
    solved_margins,
    spss_rows,
)
from analysis_assets.paper_audit.grades import audit_grade_bounds
from analysis_assets.paper_audit.printed import Cell, Finding, Name, read_cells
from analysis_assets.paper_audit.statements import (
    audit_parts,
    audit_quoted,
    audit_ranges,
    audit_repeated_keys,
    audit_survival,
    audit_thresholds,
)


def findings_of(published: pd.DataFrame) -> pd.DataFrame:
    """Findings of a paper's figures against each other, one row each; no row where the paper agrees with itself.

    Args:
        published: the printed figures in the long format; `value` as printed (text), so that its digits are known.

    Returns:
        Frame with the columns of `analysis.published_audit` in the order of the printed figures.
    """
    cells = read_cells(published)
    position = {id(cell): i for i, cell in enumerate(cells)}
    findings = sorted(_findings(cells), key=lambda f: (position[id(f.cell)], f.check))
    unique = {(f.check, id(f.cell)): f for f in reversed(findings)}
    rows = [
        (f.check, f.cell.table, f.cell.item, f.cell.level, f.cell.statistic, f.cell.text, f.expected, f.explanation)
        for f in reversed(unique.values())
    ]
    return pd.DataFrame(rows, columns=list(AUDIT_COLUMNS), dtype="object")


def _findings(cells: list[Cell]) -> list[Finding]:
    repeated = list(audit_repeated_keys(cells))
    again = {id(f.cell) for f in repeated}
    cells = [c for c in cells if id(c) not in again]
    crossed = crossed_items(cells)
    counts = gather_counts(cells, crossed)
    effects = effect_rows(cells)
    tables = odds_tables(effects, counts)
    solved = solved_margins(tables)
    in_crosstabs = list(audit_crosstabs(crossed))
    in_counts = list(audit_counts(counts, solved))
    spoilt = {f"{f.cell.table}|{f.cell.item}" for f in [*in_crosstabs, *in_counts]}
    in_odds = list(audit_odds(tables, counts, solved, spoilt))
    explained = {(f.cell.table, f.cell.row) for f in in_odds}
    return [
        *repeated,
        *in_counts,
        *audit_sums(cells, counts),
        *in_crosstabs,
        *in_odds,
        *(f for f in audit_consistency(effects) if (f.cell.table, f.cell.row) not in explained),
        *(f for f in audit_repeats(effects, counts) if (f.cell.table, f.cell.row) not in explained),
        *audit_ranges(cells),
        *audit_thresholds(cells, _agreed(counts, solved), counts.total),
        *audit_grade_bounds(counts),
        *audit_parts(cells, counts.total),
        *audit_survival(cells, spss=spss_rows(tables, counts) > 0),
        *audit_quoted(cells),
    ]


def _agreed(counts: Counts, solved: list[Evidence]) -> dict[Name, int]:
    """Numbers of patients on which the whole cohort's tables agree."""
    agreed: dict[Name, int] = {}
    for population in counts.whole_cohort():
        for name, pieces in population.evidence.items():
            best = winners(pieces + [e for e in solved if e.name == name])
            if len(best) == 1 and any(e.kind in ("n", "crossed") for e in pieces):
                agreed[name] = best[0]
    return agreed
