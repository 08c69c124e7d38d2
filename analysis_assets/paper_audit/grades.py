"""Statements about a grade "or worse" against the numbers printed grade by grade."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analysis_assets.paper_audit.counts import Counts, Evidence, Population, possible_counts, winners
from analysis_assets.paper_audit.printed import Cell, Finding, name_of


def audit_grade_bounds(counts: Counts) -> Iterator[Finding]:
    """`grade ≥ 3` in one place against the sum of grades III, IV and V in another."""
    loose = [cell for section in counts.unassigned for cell in section.cells if cell.statistic in ("n", "pct")]
    for population in counts.populations:
        graded = _single_grades(population)
        stated = [e for pieces in population.evidence.values() for e in pieces]
        for piece in stated + [_as_evidence(cell, population.denominator) for cell in loose]:
            if _is_bound(piece) and piece.name.words in graded:
                yield from _against(piece, graded[piece.name.words], population.denominator)


def _as_evidence(cell: Cell, denominator: int) -> Evidence:
    possible: frozenset[int] = frozenset()
    if cell.interval is not None:
        exact = frozenset([round(cell.value)])
        possible = exact if cell.statistic == "n" else possible_counts(cell.interval, denominator)
    return Evidence(name_of(cell.item, cell.level), cell.table, cell, cell.statistic, possible)


def _is_bound(piece: Evidence) -> bool:
    level = piece.name.level
    return level.kind == "grade" and (math.isinf(level.low) or math.isinf(level.high))


def _single_grades(population: Population) -> dict[frozenset[str], dict[float, int]]:
    """Agreed numbers of patients by name and single grade."""
    graded: dict[frozenset[str], dict[float, int]] = {}
    for name, pieces in population.evidence.items():
        level, agreed = name.level, winners(pieces)
        if level.kind == "grade" and level.low == level.high and len(agreed) == 1:
            graded.setdefault(name.words, {})[level.low] = agreed[0]
    return graded


def _against(piece: Evidence, grades: dict[float, int], denominator: int) -> Iterator[Finding]:
    level = piece.name.level
    chosen = {
        g: n
        for g, n in grades.items()
        if (g > level.low or (g == level.low and not level.low_open))
        and (g < level.high or (g == level.high and not level.high_open))
    }
    if len(chosen) < 2 or sum(chosen.values()) in piece.possible:
        return
    total = sum(chosen.values())
    expected = str(total) if piece.kind == "n" else f"{100 * total / denominator:.1f}"
    listed = " + ".join(str(n) for n in chosen.values())
    text = f"The single grades make {listed} = {total} of {denominator} patients, printed {piece.cell.text}."
    yield Finding("text", piece.cell, expected, text)
