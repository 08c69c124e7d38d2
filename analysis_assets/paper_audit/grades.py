"""Statements about a grade "or worse" against the numbers printed grade by grade."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analysis_assets.paper_audit.counts import Counts, Evidence, Population, possible_counts
from analysis_assets.paper_audit.printed import Finding


def audit_grade_bounds(counts: Counts) -> Iterator[Finding]:
    """`grade ≥ 3` in one place against the sum of grades III, IV and V in another."""
    sections = [s for s in counts.unassigned]
    for population in counts.populations:
        graded = _by_words(population)
        bounds = [e for pieces in population.evidence.values() for e in pieces if _is_bound(e)]
        for piece in bounds:
            yield from _against(piece, graded.get(piece.name.words, {}), population.denominator)
    yield from _unassigned_bounds(counts, sections)


def _is_bound(piece: Evidence) -> bool:
    level = piece.name.level
    return level.kind == "grade" and (math.isinf(level.low) or math.isinf(level.high))


def _by_words(population: Population) -> dict[frozenset[str], dict[float, int]]:
    graded: dict[frozenset[str], dict[float, int]] = {}
    for name, pieces in population.evidence.items():
        level = name.level
        counted = {k for e in pieces if e.kind == "n" for k in e.possible}
        if level.kind == "grade" and level.low == level.high and len(counted) == 1:
            graded.setdefault(name.words, {})[level.low] = next(iter(counted))
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


def _unassigned_bounds(counts: Counts, sections: list) -> Iterator[Finding]:  # type: ignore[type-arg]
    from analysis_assets.paper_audit.printed import name_of

    for section in sections:
        for cell in section.cells:
            if cell.interval is None or cell.statistic not in ("n", "pct"):
                continue
            name = name_of(cell.item, cell.level)
            for population in counts.populations:
                grades = _by_words(population).get(name.words)
                if grades:
                    possible = (
                        frozenset([round(cell.value)])
                        if cell.statistic == "n"
                        else possible_counts(cell.interval, population.denominator)
                    )
                    piece = Evidence(name, cell.table, cell, cell.statistic, possible)
                    if _is_bound(piece):
                        yield from _against(piece, grades, population.denominator)
