"""Counts and percentages: the same patients counted in several places must be the same number.

Every printed count, percentage, crossed margin and (from `effects`) every 2×2 table solved from an odds ratio is one
piece of evidence for how many patients bear a name. Each table, and the running text, has one vote; a margin whose
printed P value is reproduced from its cells counts a little more. What the winner contradicts is a finding; where two
candidates draw, each of them is.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from analysis_assets.paper_audit import UNDECIDED
from analysis_assets.paper_audit.crosstabs import CrossedItem, group_totals, independence_p_values
from analysis_assets.paper_audit.printed import (
    TOLERANCE,
    TOTAL_WORDS,
    Cell,
    Finding,
    Interval,
    Level,
    Name,
    name_of,
    parse_level,
    place_of,
    words_of,
)

_PEOPLE = frozenset(["patient", "case", "subject", "participant"])
_EVERYONE = _PEOPLE | {"all", "cohort", "total", "everyone"}
_REPRODUCED_BONUS = 0.25


def possible_counts(percentage: Interval, denominator: int) -> frozenset[int]:
    """All numbers of patients out of `denominator` that print as this percentage."""
    low = math.ceil(percentage.low * denominator / 100 - TOLERANCE * denominator)
    high = math.floor(percentage.high * denominator / 100 + TOLERANCE * denominator)
    return frozenset(range(max(0, low), min(denominator, high) + 1))


@dataclass(frozen=True)
class Evidence:
    """One place that says how many patients bear a name."""

    name: Name
    table: str
    cell: Cell
    kind: str  # n, pct, crossed, solved
    possible: frozenset[int]
    weight: float = 1.0


@dataclass
class Section:
    """A table, or the part of the running text that speaks of one group of patients."""

    key: str
    table: str
    is_text: bool
    cells: list[Cell] = field(default_factory=list)
    denominator: int | None = None


@dataclass
class Population:
    """Sections that count the same patients, with all their evidence by name."""

    denominator: int
    sections: list[Section]
    evidence: dict[Name, list[Evidence]] = field(default_factory=dict)

    def candidates(self, name: Name) -> set[int]:
        """Every number that direct counting gives for a name."""
        return {k for e in self.evidence.get(name, []) if e.kind in ("n", "crossed") for k in e.possible}


@dataclass
class Counts:
    """All countable statements of a paper, sorted by the patients they count."""

    total: int | None
    populations: list[Population]
    unassigned: list[Section]
    crossed: list[CrossedItem]

    def whole_cohort(self) -> list[Population]:
        """Populations of all patients."""
        return [p for p in self.populations if p.denominator == self.total]

    def candidates(self, name: Name) -> set[int]:
        """Numbers of patients, of the whole cohort, that direct counting gives for a name."""
        return {k for population in self.whole_cohort() for k in population.candidates(name)}


def is_text_table(table: str, cells: Iterable[Cell]) -> bool:
    """Whether a "table" really collects figures from the running text."""
    return "text" in table.lower() or sum(bool(place_of(c.level)) for c in cells) >= 2


def _countable(cell: Cell) -> bool:
    return cell.statistic in ("n", "pct", "denominator") and cell.interval is not None


def _sections(cells: list[Cell]) -> list[Section]:
    by_table: dict[str, list[Cell]] = {}
    for cell in cells:
        by_table.setdefault(cell.table, []).append(cell)
    sections: dict[str, Section] = {}
    for table, own in by_table.items():
        text = is_text_table(table, own)
        for cell in own:
            key = table if not text else _text_section(cell)
            sections.setdefault(key, Section(key, table, text)).cells.append(cell)
    return list(sections.values())


def _text_section(cell: Cell) -> str:
    place = place_of(cell.level)
    # "(text)" alone says too little to put unrelated sentences together, "results text" is one paragraph
    if place and place != "text" and not place.startswith("fig"):
        return f"{cell.table}|place {place}"
    return f"{cell.table}|item {cell.item}"


def _pairs(cells: Iterable[Cell]) -> list[tuple[Cell, Cell, Cell | None]]:
    """Count and percentage printed in one row, with the row's own denominator where it has one."""
    rows: dict[tuple[str, int, str, str], dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.table, cell.row, cell.item, cell.level), {}).setdefault(cell.statistic, cell)
    return [(row["n"], row["pct"], row.get("denominator")) for row in rows.values() if "n" in row and "pct" in row]


def _fitting_denominators(n: float, percentage: Interval) -> range:
    if n <= 0 or percentage.low <= 0:
        return range(0)
    return range(math.ceil(100 * n / percentage.high - TOLERANCE), math.floor(100 * n / percentage.low + TOLERANCE) + 1)


def _likely_denominator(cells: list[Cell], known: Counter[int]) -> int | None:
    explicit = Counter(round(c.value) for c in cells if c.statistic == "denominator")
    if explicit:
        return explicit.most_common(1)[0][0]
    votes: Counter[int] = Counter()
    pairs = _pairs(cells)
    for n, pct, _ in pairs:
        if pct.interval is not None:
            votes.update(d for d in _fitting_denominators(n.value, pct.interval) if d >= n.value)
    if not votes:
        return None
    best = max(votes, key=lambda d: (votes[d], known[d], -d))
    return best if votes[best] >= 2 and 2 * votes[best] >= len(pairs) else None


def _everyone(cell: Cell) -> bool:
    level = words_of(cell.level) if not place_of(cell.level) else frozenset()
    words = level if level and level <= _PEOPLE else words_of(cell.item) | level
    return cell.statistic == "n" and bool(words) and words <= _EVERYONE


def gather_counts(cells: list[Cell], crossed: list[CrossedItem]) -> Counts:
    """Sort all counts and percentages of the paper into the groups of patients that they describe."""
    countable = [c for c in cells if _countable(c)]
    totals = {table: sum(groups.values()) for table, groups in group_totals(crossed).items()}
    known = Counter([round(c.value) for c in countable if _everyone(c)] + list(totals.values()))
    sections = _sections(countable)
    for section in sections:
        if not section.is_text:
            section.denominator = _likely_denominator(section.cells, known)
    for section in sections:
        if section.denominator is not None:
            known[section.denominator] += 2
    total = max(known, key=lambda d: (known[d], d)) if known else None
    populations = _populations(sections, crossed, totals, total)
    unassigned = [s for s in sections if s.is_text and not _assign(s, populations)]
    unassigned = [s for s in unassigned if not _assign_by_item(s, populations)]
    return Counts(total, populations, unassigned, crossed)


def _populations(
    sections: list[Section], crossed: list[CrossedItem], totals: dict[str, int], total: int | None
) -> list[Population]:
    populations: list[Population] = []
    tables = [s for s in sections if not s.is_text]
    for table in totals:
        if all(s.table != table for s in tables):
            tables.append(Section(table, table, False))
    for section in tables:
        section.denominator = totals.get(section.table) or section.denominator or total
        if section.denominator is None:
            continue
        own = Population(section.denominator, [section])
        _add(own, _evidence(section, section.denominator))
        _add(own, _crossed_evidence([c for c in crossed if c.table == section.table]))
        populations.append(own)
    return _merged(populations)


def _add(population: Population, evidence: Iterable[Evidence]) -> None:
    for piece in evidence:
        population.evidence.setdefault(piece.name, []).append(piece)


def _merged(populations: list[Population]) -> list[Population]:
    merged: list[Population] = []
    for population in populations:
        home = next((m for m in merged if _same_patients(m, population)), None)
        if home is None:
            merged.append(population)
            continue
        home.sections += population.sections
        for pieces in population.evidence.values():
            _add(home, pieces)
    return merged


def _same_patients(left: Population, right: Population) -> bool:
    if left.denominator != right.denominator:
        return False
    agree = disagree = 0
    for name in left.evidence.keys() & right.evidence.keys():
        here, there = left.candidates(name), right.candidates(name)
        if here and there:
            agree += bool(here & there)
            disagree += not here & there
    return agree >= 1 and (agree > disagree or (agree >= 2 and agree == disagree))


def _evidence(section: Section, denominator: int) -> Iterator[Evidence]:
    own_denominators = {(c.row, c.item): round(c.value) for c in section.cells if c.statistic == "denominator"}
    for cell in section.cells:
        if cell.interval is None or cell.statistic == "denominator" or _everyone(cell):
            continue
        name = name_of(cell.item, cell.level)
        if cell.statistic == "n":
            possible = frozenset([round(cell.value)])
        else:
            possible = possible_counts(cell.interval, own_denominators.get((cell.row, cell.item), denominator))
        yield Evidence(name, section.table, cell, cell.statistic, possible)


def _crossed_evidence(items: list[CrossedItem]) -> Iterator[Evidence]:
    totals = group_totals(items)
    for item in items:
        p_values = independence_p_values(item.matrix()) if item.p is not None and item.p.interval is not None else {}
        reproduced = any(item.p.interval.holds(p) for p in p_values.values()) if item.p and item.p.interval else False
        weight = 1.0 + _REPRODUCED_BONUS * reproduced
        for level in item.levels:
            cell = level.counts[item.groups[0]]
            yield Evidence(level.name, item.table, cell, "crossed", frozenset([level.total()]), weight)
    for item in items[:1]:
        for group in item.groups:
            name = name_of(group.replace("_", " "), "")
            size = frozenset([totals[item.table][group]])
            yield Evidence(name, item.table, item.levels[0].counts[group], "crossed", size)


def _assign(section: Section, populations: list[Population]) -> bool:
    """Put a part of the running text to the tables that it agrees with most; False where it agrees with none."""
    best: tuple[int, int] | None = None
    home: Population | None = None
    for population in populations:
        agree = disagree = 0
        for piece in _evidence(section, population.denominator):
            known = population.candidates(piece.name)
            printed = [e.cell.interval for e in population.evidence.get(piece.name, []) if e.kind == "pct"]
            if not known and not printed:
                continue
            same_percentage = piece.kind == "pct" and any(
                i is not None and piece.cell.interval is not None and i.meets(piece.cell.interval) for i in printed
            )
            fits = bool(piece.possible & known) or same_percentage
            agree += fits
            disagree += not fits
        if agree >= 1 and agree >= disagree and (best is None or (agree, -disagree) > best):
            best, home = (agree, -disagree), population
    if home is None:
        return False
    section.denominator = home.denominator
    home.sections.append(section)
    _add(home, _evidence(section, home.denominator))
    return True


def _assign_by_item(section: Section, populations: list[Population]) -> bool:
    """Put a lone sentence to the patients whom the rest of the text counts under the same item."""
    items = {c.item.lower() for c in section.cells}
    for population in populations:
        elsewhere = {c.item.lower() for s in population.sections if s.table == section.table for c in s.cells}
        if len(items) == 1 and items <= elsewhere:
            section.denominator = population.denominator
            population.sections.append(section)
            _add(population, _evidence(section, population.denominator))
            return True
    return False


# --- findings ----------------------------------------------------------------------------------------------------


def audit_counts(counts: Counts, solved: list[Evidence]) -> Iterator[Finding]:
    """Contradictions between counts, percentages and margins.

    Args:
        counts: the sorted statements of the paper.
        solved: margins of 2×2 tables solved from odds ratios; they vote, but findings on them are made in `effects`.
    """
    for population in counts.populations:
        subsets = _subset_denominators(population)
        for name, pieces in population.evidence.items():
            extra = [e for e in solved if e.name == name and population.denominator == counts.total]
            yield from _consensus(name, pieces, extra, population, subsets)
        yield from _denominators(population)
    yield from _everyone_counted(counts)
    yield from _unassigned(counts)


def winners(pieces: list[Evidence]) -> list[int]:
    """The number(s) of patients with most votes; each table shares one vote among its own statements."""
    statements = Counter(e.table for e in pieces if e.possible)
    votes: dict[int, float] = {}
    direct = {k for e in pieces if e.kind in ("n", "crossed") for k in e.possible}
    for piece in pieces:
        share = piece.weight / statements[piece.table] if piece.possible else 0.0
        for k in piece.possible & direct or piece.possible if len(piece.possible) > 1 else piece.possible:
            votes[k] = votes.get(k, 0.0) + share
    if not votes:
        return []
    most = max(votes.values())
    return sorted(k for k, v in votes.items() if v > most - 1e-9)


def _subset_denominators(population: Population) -> dict[tuple[str, str], int]:
    """Items whose percentages refer to fewer patients than the table, by (table, item)."""
    found: dict[tuple[str, str], int] = {}
    for section in population.sections:
        by_item: dict[str, list[tuple[Cell, Cell, Cell | None]]] = {}
        for n, pct, explicit in _pairs(section.cells):
            by_item.setdefault(n.item, []).append((n, pct, explicit))
        for item, pairs in by_item.items():
            if any(explicit is not None for _, _, explicit in pairs):
                continue
            common = _common_denominator(pairs, population.denominator)
            if common is not None:
                found[section.table, item] = common
    return found


def _common_denominator(pairs: list[tuple[Cell, Cell, Cell | None]], usual: int) -> int | None:
    intervals = [(n.value, pct.interval) for n, pct, _ in pairs if pct.interval is not None and n.value > 0]
    misfits = sum(not interval.holds(100 * n / usual) for n, interval in intervals)
    if misfits < 2:
        return None
    choices = set.intersection(*[set(_fitting_denominators(n, interval)) for n, interval in intervals])
    smaller = [d for d in choices if max(n for n, _ in intervals) <= d < usual]
    return max(smaller) if smaller else None


def _consensus(
    name: Name,
    pieces: list[Evidence],
    solved: list[Evidence],
    population: Population,
    subsets: dict[tuple[str, str], int],
) -> Iterator[Finding]:
    own = [_rescaled(e, subsets) for e in pieces]
    best = winners(own + solved)
    if not best:
        best = winners([e for e in own if e.kind != "pct"])
    if len(best) == 2 and {e.table for e in own} == {own[0].table} and not solved:
        # a count and its percentage contradict each other and nothing else speaks: the count is taken as the figure
        counted = [k for k in best if any(e.kind == "n" and k in e.possible for e in own)]
        best = counted if len(counted) == 1 and counted[0] <= population.denominator else best
    texts = {e.cell for s in population.sections if s.is_text for e in own if e.cell in s.cells}
    for piece in own:
        if best and (len(best) > 1 or not piece.possible & set(best)) and not _agrees(piece, best):
            finding = _contradiction(piece, best, own + solved, population, subsets, piece.cell in texts)
            if finding is not None:
                yield finding


def _agrees(piece: Evidence, best: list[int]) -> bool:
    return len(best) == 1 and bool(piece.possible & set(best))


def _rescaled(piece: Evidence, subsets: dict[tuple[str, str], int]) -> Evidence:
    denominator = subsets.get((piece.table, piece.cell.item))
    if denominator is None or piece.kind != "pct" or piece.cell.interval is None:
        return piece
    return Evidence(
        piece.name, piece.table, piece.cell, "pct", possible_counts(piece.cell.interval, denominator), piece.weight
    )


def _contradiction(
    piece: Evidence,
    best: list[int],
    everything: list[Evidence],
    population: Population,
    subsets: dict[tuple[str, str], int],
    in_text: bool,
) -> Finding | None:
    denominator = subsets.get((piece.table, piece.cell.item), _own_denominator(piece.cell, population))
    others = sorted({_where(e) for e in everything if e.cell is not piece.cell and e.possible & set(best)})
    support = "; ".join(others[:5]) or "nothing else"
    right = " or ".join(str(k) for k in best)
    draw = f" {UNDECIDED}" if len(best) > 1 and piece.possible & set(best) else ""
    if piece.kind == "pct":
        expected = " or ".join(_percent_like(piece.cell.text, k, denominator) for k in best)
        if not piece.possible:
            printed = f"{piece.cell.text}% is no whole number of {denominator} patients"
            text = f"{printed}; {right}/{denominator} is {expected}%."
            return Finding("percentage", piece.cell, expected, text)
        row_count = _count_in_row(piece.cell, population)
        check = "percentage" if row_count in best else "text" if in_text else "margin"
        text = f"{piece.cell.text}% stands against {right} of {denominator} ({expected}%) in {support}.{draw}"
        return Finding(check, piece.cell, expected, text)
    check = "text" if in_text else "margin"
    printed = "/".join(str(k) for k in sorted(piece.possible))
    if len(best) > 1 and piece.possible <= set(best):
        rest = [k for k in best if k not in piece.possible]
        right = " or ".join(str(k) for k in rest)
        support = "; ".join(sorted({_where(e) for e in everything if e.possible & set(rest)})[:5])
    return Finding(check, piece.cell, right, f"{printed} patients here, {right} by {support}.{draw}")


def _where(piece: Evidence) -> str:
    kind = {"n": "count", "pct": "percentage", "crossed": "margin", "solved": "2×2 table behind the odds ratio"}
    place = ", ".join(part for part in (piece.cell.item, piece.cell.level) if part)
    return f"{kind[piece.kind]} of {piece.table} ({place})"


def _percent_like(text: str, count: int, denominator: int) -> str:
    places = len(text.partition(".")[2].rstrip("%"))
    scaled = 100 * count / denominator * 10**places
    return f"{math.floor(scaled + 0.5 + TOLERANCE) / 10**places:.{places}f}"


def _own_denominator(cell: Cell, population: Population) -> int:
    for section in population.sections:
        for other in section.cells:
            if other.statistic == "denominator" and (other.table, other.row, other.item) == (
                cell.table,
                cell.row,
                cell.item,
            ):
                return round(other.value)
    return population.denominator


def _count_in_row(cell: Cell, population: Population) -> int | None:
    for section in population.sections:
        for other in section.cells:
            if other.statistic == "n" and (other.table, other.row, other.item) == (cell.table, cell.row, cell.item):
                return round(other.value)
    return None


def _denominators(population: Population) -> Iterator[Finding]:
    for section in population.sections:
        explicit = [c for c in section.cells if c.statistic == "denominator"]
        usual = Counter(round(c.value) for c in explicit).most_common(1)
        if not usual or usual[0][1] < 2:
            continue
        for n, pct, denominator in _pairs(section.cells):
            if denominator is None or pct.interval is None or round(denominator.value) == usual[0][0]:
                continue
            if pct.interval.holds(100 * n.value / usual[0][0]):
                text = f"{n.text} ({pct.text}%) fits {usual[0][0]} patients, as in the other rows of {section.table}."
                yield Finding("margin", denominator, str(usual[0][0]), text)


def _everyone_counted(counts: Counts) -> Iterator[Finding]:
    sections = [s for p in counts.populations for s in p.sections] + counts.unassigned
    for section in sections:
        size = section.denominator or counts.total
        for cell in section.cells:
            if _everyone(cell) and size is not None and round(cell.value) != size:
                text = f"{cell.text} patients are stated, but the counts and percentages refer to {size}."
                yield Finding("text" if section.is_text else "sum", cell, str(size), text)


def _unassigned(counts: Counts) -> Iterator[Finding]:
    """Percentages in the text that no table repeats: some whole number of some printed group must give them."""
    groups = {round(c.value) for p in counts.populations for s in p.sections for c in s.cells if c.statistic == "n"}
    groups |= {round(c.value) for s in counts.unassigned for c in s.cells if c.statistic == "n"}
    groups |= {p.denominator for p in counts.populations} | ({counts.total} if counts.total else set())
    groups -= {0}
    for section in counts.unassigned:
        paired = {pct: n for n, pct, _ in _pairs(section.cells)}
        for cell in section.cells:
            if cell.statistic != "pct" or cell.interval is None or not groups:
                continue
            count = paired.get(cell)
            if count is not None:
                fits = any(cell.interval.holds(100 * count.value / d) for d in groups if d >= count.value)
            else:
                fits = any(possible_counts(cell.interval, d) for d in groups)
            if not fits:
                what = f"{count.text} of" if count is not None else "a whole number of"
                text = f"{cell.text}% is not {what} any group of patients that the paper counts."
                expected = ""
                if count is not None and counts.total:
                    expected = _percent_like(cell.text, round(count.value), counts.total)
                yield Finding("percentage", cell, expected, text)


# --- sums ----------------------------------------------------------------------------------------------------------


def audit_sums(cells: list[Cell], counts: Counts) -> Iterator[Finding]:
    """Levels that must add up: grades to "any", parts to "all", ranges and yes/no pairs to all patients."""
    partitions = {frozenset(lv.name for lv in c.levels): c for c in counts.crossed if len(c.levels) >= 2}
    size = {s.table: p.denominator for p in counts.populations for s in p.sections if not s.is_text}
    items: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.statistic == "n" and cell.interval is not None:
            items.setdefault((cell.table, cell.item), []).append(cell)
    for (table, _), own in items.items():
        total = next((c for c in own if c.level.lower().strip() in TOTAL_WORDS), None)
        parts = [c for c in own if c is not total]
        if not parts:
            continue
        levels = [parse_level(c.level) for c in parts]
        target, complete = _target(total, parts, levels, size.get(table), cells, partitions)
        found = sum(round(c.value) for c in parts)
        if target is None or found == target or (found < target and not complete):
            continue
        listed = " + ".join(c.text for c in parts)
        against = f"the {total.level} of {total.item}" if total is not None else "all patients"
        text = f"{listed} = {found}, but {against} is {target}."
        yield Finding("sum", total or parts[-1], str(found) if total is not None else str(target), text)


def _target(
    total: Cell | None,
    parts: list[Cell],
    levels: list[Level],
    size: int | None,
    cells: list[Cell],
    partitions: dict[frozenset[Name], CrossedItem],
) -> tuple[int | None, bool]:
    """What the parts must add up to, and whether the list of parts is complete (too few is an error as well)."""
    kinds = {level.kind for level in levels}
    if kinds == {"grade"} and all(not math.isinf(level.low) and not math.isinf(level.high) for level in levels):
        lowest = min(level.low for level in levels)
        if total is not None:
            return round(total.value), lowest <= 1
        return size, False
    if total is not None:
        exhaustive = total.level.lower().strip() in ("all", "total", "overall") and len(parts) >= 2
        return (round(total.value), True) if exhaustive and kinds == {"category"} else (None, False)
    if kinds == {"range"} and _disjoint(levels):
        return size, _covers(levels, parts[0], cells)
    if kinds == {"present", "absent"} and len(parts) == 2 and all(c.level for c in parts):
        return size, True
    names = frozenset(name_of(c.item, c.level) for c in parts)
    if names in partitions or (len(parts) == 2 and _negated(parts[0].level, parts[1].level)):
        return size, True
    return None, False


def _negated(left: str, right: str) -> bool:
    short, long = sorted([left.lower().strip(), right.lower().strip()], key=len)
    return bool(short) and long in {f"non-{short}", f"no {short}", f"not {short}", f"non {short}"}


def _disjoint(levels: list[Level]) -> bool:
    ordered = sorted(levels, key=lambda level: (level.low, level.high))
    for left, right in itertools.pairwise(ordered):
        if left.high > right.low or (left.high == right.low and not (left.high_open or right.low_open)):
            return False
    return True


def _covers(levels: list[Level], example: Cell, cells: list[Cell]) -> bool:
    """Whether the ranges reach from the smallest to the largest value that the table prints for the item."""
    printed = {c.statistic: c.value for c in cells if (c.table, c.item) == (example.table, example.item)}
    low, high = min(level.low for level in levels), max(level.high for level in levels)
    return low <= printed.get("min", -math.inf) and high >= printed.get("max", math.inf)
