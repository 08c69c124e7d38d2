"""Odds ratios and hazard ratios: intervals against P values, 2×2 tables behind the odds ratios, repeated rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from analysis_assets.paper_audit.counts import Counts, Evidence, winners
from analysis_assets.paper_audit.crosstabs import CrossedItem
from analysis_assets.paper_audit.printed import Cell, Finding, Interval, Name, name_of, parse_statistic

Z95 = 1.959963984540054
_LEVELS_OF_CONFIDENCE = (0.95, 0.90, 0.99)
# Fewer rows than this say nothing about a table's conventions.
_FEWEST_ROWS = 3
_MAJORITY = 0.6
# SPSS stops its Newton iteration after 20 steps; the log-odds of a separated row then stand at this value and their
# standard error at this constant divided by the root of the size of the group without events.
SPSS_SEPARATED_LOG_ODDS = 21.203
SPSS_SEPARATED_ERROR = 40192.97


@dataclass
class EffectRow:
    """One printed odds or hazard ratio with its interval and P value."""

    table: str
    row: int
    item: str
    level: str
    model: str
    measure: str
    cells: dict[str, Cell] = field(default_factory=dict)

    def interval(self, kind: str) -> Interval | None:
        """Rounding interval of `ratio`, `ci_low`, `ci_high` or `p`; None where nothing readable is printed."""
        cell = self.cells.get(kind)
        return None if cell is None else cell.interval

    @property
    def finite(self) -> bool:
        """Whether the ratio and both limits are printed and positive."""
        parts = [self.interval(k) for k in ("ratio", "ci_low", "ci_high")]
        return all(i is not None and i.high > 0 and math.isfinite(i.high) for i in parts) and parts[2] is not None

    @property
    def names(self) -> tuple[Name, Name] | None:
        """Names of the exposed and the reference patients, from a contrast such as `male vs female`."""
        exposed, separator, reference = self.level.partition(" vs ")
        if not separator:
            return None
        return name_of(self.item, exposed), name_of(self.item, reference)

    def printed(self) -> tuple[str, ...]:
        """The printed figures."""
        return tuple(self.cells[k].text for k in ("ratio", "ci_low", "ci_high", "p") if k in self.cells)

    def shown(self) -> str:
        """The row as a reader sees it."""
        texts = {k: c.text for k, c in self.cells.items()}
        ratio, low, high, p = (texts.get(kind, "–") for kind in ALL_KINDS)
        return f"{ratio} ({low}–{high}), P {p}"


def effect_rows(cells: list[Cell]) -> list[EffectRow]:
    """Rows that print an odds or hazard ratio together with its interval."""
    rows: dict[tuple[str, int, str, str, str], EffectRow] = {}
    for cell in cells:
        statistic = parse_statistic(cell.statistic)
        if statistic.kind not in ("p", "or", "hr", "rr", "ci_low", "ci_high"):
            continue
        key = (cell.table, cell.row, cell.item, cell.level, statistic.model)
        row = rows.setdefault(key, EffectRow(*key, measure=""))
        if statistic.kind in ("or", "hr", "rr"):
            row.measure = statistic.kind
        row.cells.setdefault("ratio" if statistic.kind in ("or", "hr", "rr") else statistic.kind, cell)
    return [r for r in rows.values() if r.measure and {"ci_low", "ci_high"} <= r.cells.keys()]


# --- one row against itself --------------------------------------------------------------------------------------

ALL_KINDS = ("ratio", "ci_low", "ci_high", "p")
Polygon = list[tuple[float, float]]


def _clip(polygon: Polygon, a: float, b: float, c: float) -> Polygon:
    """The part of a polygon of (β, SE) points where aβ + bSE ≤ c."""
    slack = 1e-12 * max(1.0, abs(c))
    kept: Polygon = []
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        d1, d2 = a * x1 + b * y1 - c, a * x2 + b * y2 - c
        if d1 <= slack:
            kept.append((x1, y1))
        if (d1 <= slack) != (d2 <= slack):
            share = d1 / (d1 - d2)
            kept.append((x1 + share * (x2 - x1), y1 + share * (y2 - y1)))
    return kept


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -60.0


def feasible_estimates(row: EffectRow, kinds: tuple[str, ...], z: float = Z95) -> list[Polygon]:
    """All (β, SE) that print as the row's figures of the given kinds: convex regions, one per sign of β."""
    regions = []
    for sign in (1, -1):
        polygon: Polygon = [(0.0, 1e-6), (60.0 * sign, 1e-6), (60.0 * sign, 60.0), (0.0, 60.0)]
        for factor, kind in ((0.0, "ratio"), (-z, "ci_low"), (z, "ci_high")):
            interval = row.interval(kind)
            if kind not in kinds or interval is None or not polygon:
                continue
            polygon = _clip(polygon, 1, factor, min(_log(interval.high), 60.0))
            if interval.low > 0 and polygon:
                polygon = _clip(polygon, -1, -factor, -_log(interval.low))
        p = row.interval("p")
        if "p" in kinds and p is not None and polygon:
            largest = special.ndtri(1 - max(p.low, 1e-300) / 2) if p.low > 0 else 60.0
            smallest = special.ndtri(1 - min(p.high, 1.0) / 2)
            polygon = _clip(polygon, sign, -largest, 0.0)
            polygon = _clip(polygon, -sign, smallest, 0.0) if polygon else polygon
        if polygon:
            regions.append(polygon)
    return regions


def _range_of(kind: str, regions: list[Polygon], z: float) -> tuple[float, float]:
    points = [point for region in regions for point in region]
    if kind == "p":
        values = [2 * special.ndtr(-abs(beta) / se) for beta, se in points]
    else:
        factor = {"ratio": 0.0, "ci_low": -z, "ci_high": z}[kind]
        values = [math.exp(min(beta + factor * se, 700.0)) for beta, se in points]
    return min(values), max(values)


def _confidence(rows: list[EffectRow]) -> float | None:
    """Normal quantile of the interval that most rows follow; None where most of them are no Wald intervals."""
    best: tuple[int, float] | None = None
    for level in _LEVELS_OF_CONFIDENCE:
        z = float(special.ndtri(0.5 + level / 2))
        fitting = sum(bool(feasible_estimates(row, ALL_KINDS, z)) for row in rows)
        if best is None or fitting > best[0]:
            best = (fitting, z)
    if best is None or best[0] < _MAJORITY * len(rows):
        return None
    return best[1]


def audit_consistency(rows: list[EffectRow]) -> Iterator[Finding]:
    """Rows whose ratio, interval and P value cannot come from one Wald estimate, where most rows of their kind can."""
    for measure in ("or", "hr", "rr"):
        finite = [r for r in rows if r.measure == measure and r.finite]
        groups: dict[str, list[EffectRow]] = {}
        for row in finite:
            groups.setdefault(row.table, []).append(row)
        for own in groups.values():
            pool = own if len(own) >= _FEWEST_ROWS else finite
            z = _confidence(pool) if len(pool) >= _FEWEST_ROWS else None
            if z is None:
                continue
            for row in own:
                if not feasible_estimates(row, ALL_KINDS, z):
                    yield _inconsistent(row, z)


def _inconsistent(row: EffectRow, z: float) -> Finding:
    suspects: dict[str, str] = {}
    for kind in ALL_KINDS:
        rest = tuple(k for k in ALL_KINDS if k != kind)
        regions = feasible_estimates(row, rest, z)
        if regions and row.interval(kind) is not None:
            low, high = _range_of(kind, regions, z)
            suspects[kind] = _span(low, high, row.cells[kind].text)
    order = ["p", "ci_high", "ci_low", "ratio"]
    kind = next((k for k in order if k in suspects), "ci_high")
    checks = {"p": "p_value", "ratio": "odds_ratio" if row.measure == "or" else "hazard_ratio"}
    check = checks.get(kind, "interval") if len(suspects) == 1 else "interval"
    said = {"ratio": row.measure.upper(), "ci_low": "lower limit", "ci_high": "upper limit", "p": "P"}
    choices = "; or ".join(f"{said[k]} {v} would fit the rest" for k, v in suspects.items())
    text = f"{row.shown()} cannot come from one Wald estimate" + (f": {choices}." if choices else ".")
    return Finding(check, row.cells[kind], suspects.get(kind, ""), text)


def _span(low: float, high: float, like: str) -> str:
    places = len(like.partition(".")[2])
    first, last = f"{low:.{places}f}", f"{high:.{places}f}"
    return first if first == last else f"{first} to {last}"


# --- 2×2 tables behind odds ratios -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """Wald estimate from a 2×2 table; arrays broadcast over tables."""

    ratio: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    p: np.ndarray


def wald_odds_ratio(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, z: float = Z95) -> Estimate:
    """Odds ratio ad/bc, its interval exp(ln OR ± z·SE) with SE² = 1/a + 1/b + 1/c + 1/d, and the Wald P value.

    Tables with an empty cell give NaN.
    """
    cells = np.stack(np.broadcast_arrays(a, b, c, d)).astype(float)
    cells = np.where((cells > 0).all(axis=0), cells, np.nan)
    beta = np.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    error = np.sqrt((1 / cells).sum(axis=0))
    limits = np.exp(beta - z * error), np.exp(beta + z * error)
    return Estimate(np.exp(beta), limits[0], limits[1], 2 * special.ndtr(-np.abs(beta) / error))


def _arrays(cells: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return np.array(cells[0]), np.array(cells[1]), np.array(cells[2]), np.array(cells[3])


def _fits(row: EffectRow, estimate: Estimate, kinds: tuple[str, ...] = ALL_KINDS) -> np.ndarray:
    fits = np.isfinite(estimate.ratio)
    for kind in kinds:
        interval = row.interval(kind)
        if interval is not None:
            values = getattr(estimate, kind)
            slack = 1e-9 * np.maximum(1.0, np.abs(values))
            fits &= (interval.low - slack <= values) & (values <= interval.high + slack)
    return np.asarray(fits)


def _first_cells(ratio: float, exposed: np.ndarray, events: np.ndarray, n: int) -> np.ndarray:
    """Real-valued events among the exposed of the table with these margins and this odds ratio."""
    if not math.isfinite(ratio):
        return np.asarray(np.minimum(exposed, events), dtype=float)
    quadratic = 1.0 - ratio
    linear = n - exposed - events + ratio * (exposed + events)
    constant = -ratio * exposed * events
    if abs(quadratic) < 1e-12:
        return np.asarray(-constant / linear)
    root = np.sqrt(np.maximum(linear**2 - 4 * quadratic * constant, 0.0))
    return np.asarray(2 * -constant / (linear + root))


def solve_tables(row: EffectRow, exposed: np.ndarray, events: np.ndarray, n: int) -> list[tuple[int, int, int]]:
    """All integer 2×2 tables (exposed, events, events among the exposed) that print as the row.

    `exposed` and `events` broadcast against each other; `n` patients in all. A Wald estimate as SPSS prints it.
    """
    ratio = row.interval("ratio")
    if ratio is None:
        return []
    exposed, events = (x.ravel() for x in np.broadcast_arrays(exposed, events))
    low = np.ceil(_first_cells(max(ratio.low, 1e-12), exposed, events, n) - 1e-6)
    high = np.floor(_first_cells(ratio.high, exposed, events, n) + 1e-6)
    found: list[tuple[int, int, int]] = []
    for step in range(int(max(0.0, np.max(high - low, initial=0.0))) + 1):
        a = low + step
        b, c = exposed - a, events - a
        estimate = wald_odds_ratio(a, b, c, n - exposed - c)
        fits = _fits(row, estimate) & (a <= high)
        found += [(int(m), int(k), int(x)) for m, k, x in zip(exposed[fits], events[fits], a[fits], strict=True)]
    return found


@dataclass
class OddsTable:
    """Odds-ratio rows of one table and model, with the outcome's total once it is known."""

    rows: list[EffectRow]
    n: int
    events: int | None = None
    crossed: tuple[str, str] | None = None  # table and outcome group whose printed counts give these odds ratios


def odds_tables(rows: list[EffectRow], counts: Counts) -> list[OddsTable]:
    """Univariate odds-ratio tables whose outcome total can be worked out from the rows themselves."""
    if counts.total is None:
        return []
    grouped: dict[tuple[str, str], list[EffectRow]] = {}
    for row in rows:
        if row.measure == "or" and not row.model.startswith("multi") and "adjust" not in row.model and row.names:
            grouped.setdefault((row.table, row.model), []).append(row)
    tables = []
    for own in grouped.values():
        table = OddsTable(own, counts.total)
        table.crossed = _matching_crosstab(own, counts.crossed)
        table.events = _event_total(table, counts)
        tables.append(table)
    return tables


def _crossed_pair(row: EffectRow, items: list[CrossedItem]) -> tuple[CrossedItem, int, int] | None:
    names = row.names
    for item in items:
        positions = {level.name: i for i, level in enumerate(item.levels)}
        if names and len(item.groups) == 2 and names[0] in positions and names[1] in positions:
            return item, positions[names[0]], positions[names[1]]
    return None


def _from_counts(row: EffectRow, items: list[CrossedItem], group: str) -> tuple[int, int, int, int] | None:
    pair = _crossed_pair(row, items)
    if pair is None or group not in pair[0].groups:
        return None
    matrix = pair[0].matrix()
    column = pair[0].groups.index(group)
    exposed, reference = matrix[pair[1]], matrix[pair[2]]
    return (int(exposed[column]), int(exposed[1 - column]), int(reference[column]), int(reference[1 - column]))


def _matching_crosstab(rows: list[EffectRow], crossed: list[CrossedItem]) -> tuple[str, str] | None:
    best: tuple[float, tuple[str, str]] | None = None
    for table in dict.fromkeys(item.table for item in crossed):
        items = [i for i in crossed if i.table == table]
        for group in items[0].groups:
            fits = tries = 0
            for row in rows:
                cells = _from_counts(row, items, group)
                if cells is not None and row.finite and min(cells) > 0:
                    tries += 1
                    fits += bool(_fits(row, wald_odds_ratio(*_arrays(cells)), ("ratio", "ci_low", "ci_high")))
            if fits >= 2 and fits >= _MAJORITY * tries and (best is None or fits > best[0]):
                best = (fits, (table, group))
    return None if best is None else best[1]


def _margins(row: EffectRow, counts: Counts) -> set[int]:
    """Numbers of exposed patients that the paper's counts allow."""
    if row.names is None or counts.total is None:
        return set()
    exposed, reference = row.names
    return counts.candidates(exposed) | {counts.total - k for k in counts.candidates(reference)}


def _event_total(table: OddsTable, counts: Counts) -> int | None:
    votes: Counter[int] = Counter()
    tries = 0
    totals = np.arange(1, table.n)
    for row in table.rows:
        margins = np.array(sorted(m for m in _margins(row, counts) if 0 < m < table.n))
        if row.finite and margins.size:
            tries += 1
            votes.update({k for _, k, _ in solve_tables(row, margins[:, None], totals[None, :], table.n)})
    if not votes:
        return None
    (best, fits), *rest = votes.most_common(2)
    unique = not rest or rest[0][1] < fits
    return best if fits >= _FEWEST_ROWS and fits >= _MAJORITY * tries and unique else None


def solved_margins(tables: list[OddsTable]) -> list[Evidence]:
    """How many exposed patients each finite odds ratio proves, for the vote over counts."""
    found = []
    for table in tables:
        if table.events is None:
            continue
        for row in table.rows:
            if row.finite and row.names is not None:
                solutions = _all_solutions(row, table)
                margins = frozenset(m for m, _, _ in solutions)
                cell = row.cells["ratio"]
                if margins:
                    found.append(Evidence(row.names[0], row.table, cell, "solved", margins))
                    rest = frozenset(table.n - m for m in margins)
                    found.append(Evidence(row.names[1], row.table, cell, "solved", rest))
    return found


def _all_solutions(row: EffectRow, table: OddsTable) -> list[tuple[int, int, int]]:
    if table.events is None:
        return []
    return solve_tables(row, np.arange(1, table.n), np.array(table.events), table.n)


def audit_odds(tables: list[OddsTable], counts: Counts, solved: list[Evidence], spoilt: set[str]) -> Iterator[Finding]:
    """Odds ratios against the counts of other tables; exchanged and repeated rows among them.

    Args:
        tables: odds-ratio tables of the paper.
        counts: its counts and percentages.
        solved: margins that the odds ratios prove.
        spoilt: items whose crossed counts have a finding of their own already, as `table|item`.
    """
    for table in tables:
        wrong = {id(row): row for row in table.rows if _contradicts(row, table, counts, solved)}
        exchanged = _exchanged(list(wrong.values()), table, counts, solved)
        for row in wrong.values():
            if id(row) in exchanged:
                yield _exchange_finding(row, exchanged[id(row)], table)
                continue
            twin = _twin(row, table.rows, wrong)
            if twin is not None:
                yield _duplicate_finding(row, twin, table, counts, solved)
            elif row.finite:
                yield from _odds_findings(row, table, counts, solved, spoilt)
        yield from _separated(table, counts, wrong)


def _agreed_margin(row: EffectRow, table: OddsTable, counts: Counts, solved: list[Evidence]) -> set[int]:
    if row.names is None:
        return set()
    answers: set[int] = set()
    for position, name in enumerate(row.names):
        pieces = [e for p in counts.whole_cohort() for e in p.evidence.get(name, [])]
        if not any(e.kind in ("n", "crossed") for e in pieces):
            continue
        best = winners(pieces + [e for e in solved if e.name == name])
        answers |= set(best) if position == 0 else {table.n - k for k in best}
    return answers


def _contradicts(row: EffectRow, table: OddsTable, counts: Counts, solved: list[Evidence]) -> bool:
    if not row.finite:
        return False
    if table.crossed is not None:
        items = [i for i in counts.crossed if i.table == table.crossed[0]]
        cells = _from_counts(row, items, table.crossed[1])
        if cells is not None and min(cells) > 0:
            return not bool(_fits(row, wald_odds_ratio(*_arrays(cells))))
    margins = _agreed_margin(row, table, counts, solved)
    if table.events is None or not margins:
        return False
    return not solve_tables(row, np.array(sorted(margins)), np.array(table.events), table.n)


def _exchanged(
    wrong: list[EffectRow], table: OddsTable, counts: Counts, solved: list[Evidence]
) -> dict[int, EffectRow]:
    """Pairs of rows of which each has the figures that fit the other one's patients."""
    if table.events is None:
        return {}
    pairs: dict[int, EffectRow] = {}
    for i, left in enumerate(wrong):
        for right in wrong[i + 1 :]:
            if left.printed() == right.printed() or not (left.finite and right.finite):
                continue
            if _would_fit(left, right, table, counts, solved) and _would_fit(right, left, table, counts, solved):
                pairs[id(left)], pairs[id(right)] = right, left
    return pairs


def _would_fit(figures: EffectRow, place: EffectRow, table: OddsTable, counts: Counts, solved: list[Evidence]) -> bool:
    if table.crossed is not None:
        items = [i for i in counts.crossed if i.table == table.crossed[0]]
        cells = _from_counts(place, items, table.crossed[1])
        if cells is not None and min(cells) > 0:
            return bool(_fits(figures, wald_odds_ratio(*_arrays(cells))))
    elsewhere = [e for e in solved if e.cell is not place.cells["ratio"]]
    margins = _agreed_margin(place, table, counts, elsewhere)
    if not margins or table.events is None:
        return False
    return bool(solve_tables(figures, np.array(sorted(margins)), np.array(table.events), table.n))


def _exchange_finding(row: EffectRow, other: EffectRow, table: OddsTable) -> Finding:
    margins = sorted({m for m, _, _ in _all_solutions(row, table)})
    exposed = ", ".join(map(str, margins))
    proof = f" The 2×2 table behind {row.shown()} has {exposed} exposed patients." if margins else ""
    text = (
        f"The rows of {row.item} and {other.item} are exchanged: each has the figures that fit the counts of the "
        f"other.{proof}"
    )
    return Finding("swapped_rows", row.cells["ratio"], other.cells["ratio"].text, text)


def _twin(row: EffectRow, rows: list[EffectRow], wrong: dict[int, EffectRow]) -> EffectRow | None:
    for other in rows:
        if other is not row and other.printed() == row.printed() and id(other) not in wrong:
            return other
    return None


def _duplicate_finding(
    row: EffectRow, twin: EffectRow, table: OddsTable, counts: Counts, solved: list[Evidence]
) -> Finding:
    elsewhere = [e for e in solved if e.cell is not row.cells["ratio"]]
    margins = sorted(_agreed_margin(row, table, counts, elsewhere))
    proven = sorted({m for m, _, _ in _all_solutions(row, table)})
    text = (
        f"{row.shown()} repeats the row of {twin.item}. Its 2×2 table has {', '.join(map(str, proven)) or 'other'} "
        f"exposed patients, {row.item} has {', '.join(map(str, margins))}."
    )
    return Finding("duplicate_row", row.cells["ratio"], _attainable(row, table, margins), text)


def _attainable(row: EffectRow, table: OddsTable, margins: list[int]) -> str:
    """The odds ratios nearest to the printed one that the row's own patients can have."""
    ratio = row.interval("ratio")
    if table.events is None or not margins or ratio is None:
        return ""
    m, k = margins[0], table.events
    a = np.arange(max(1, m + k - table.n + 1), min(m, k))
    if not a.size:
        return ""
    estimate = wald_odds_ratio(a, m - a, k - a, table.n - m - k + a)
    nearest = np.argsort(np.abs(np.log(estimate.ratio) - math.log(row.cells["ratio"].value)))[:2]
    return " or ".join(f"{estimate.ratio[i]:.3f}" for i in sorted(nearest))


def _odds_findings(
    row: EffectRow, table: OddsTable, counts: Counts, solved: list[Evidence], spoilt: set[str]
) -> Iterator[Finding]:
    cells = None
    if table.crossed is not None:
        items = [i for i in counts.crossed if i.table == table.crossed[0]]
        cells = _from_counts(row, items, table.crossed[1])
    if cells is not None and min(cells) > 0 and table.crossed is not None:
        if f"{table.crossed[0]}|{row.item}" in spoilt and _solvable(row, table, counts, solved):
            return  # the counts are at fault, and said so
        estimate = wald_odds_ratio(*_arrays(cells))
        yield from _differences(row, estimate, cells, table.crossed[0])
        return
    margins = sorted(_agreed_margin(row, table, counts, [e for e in solved if e.cell is not row.cells["ratio"]]))
    solutions = _all_solutions(row, table)
    proven = ", ".join(str(m) for m in sorted({m for m, _, _ in solutions}))
    hint = f" Only tables with {proven} exposed patients print so." if proven else " No other margin does either."
    text = (
        f"No 2×2 table of {table.n} patients with {table.events} events and {', '.join(map(str, margins))} exposed "
        f"prints as {row.shown()}.{hint}"
    )
    yield Finding("odds_ratio", row.cells["ratio"], _attainable(row, table, margins), text)


def _solvable(row: EffectRow, table: OddsTable, counts: Counts, solved: list[Evidence]) -> bool:
    margins = _agreed_margin(row, table, counts, solved)
    return table.events is not None and bool(
        margins and solve_tables(row, np.array(sorted(margins)), np.array(table.events), table.n)
    )


def _differences(
    row: EffectRow, estimate: Estimate, cells: tuple[int, int, int, int], source: str
) -> Iterator[Finding]:
    checks = {"ratio": "odds_ratio", "ci_low": "interval", "ci_high": "interval", "p": "p_value"}
    for kind, check in checks.items():
        interval = row.interval(kind)
        value = float(getattr(estimate, kind))
        if interval is None or interval.holds(value):
            continue
        cell = row.cells[kind]
        expected = f"{value:.{len(cell.text.partition('.')[2])}f}"
        counted = f"{cells[0]}/{cells[1]} against {cells[2]}/{cells[3]}"
        text = f"The counts of {source} ({counted}) give {value:.4f}, printed {cell.text}."
        yield Finding(check, cell, expected, text)


# --- separated rows ----------------------------------------------------------------------------------------------


def spss_separated_p(empty_group: int) -> float:
    """P value that SPSS prints for a logistic row with an empty cell in a group of this size."""
    return float(2 * special.ndtr(-SPSS_SEPARATED_LOG_ODDS * math.sqrt(empty_group) / SPSS_SEPARATED_ERROR))


def _separated(table: OddsTable, counts: Counts, wrong: dict[int, EffectRow]) -> Iterator[Finding]:
    if table.crossed is None:
        return
    items = [i for i in counts.crossed if i.table == table.crossed[0]]
    empty = [(row, cells) for row in table.rows if (cells := _from_counts(row, items, table.crossed[1])) and 0 in cells]
    unbounded = [pair for pair in empty if not pair[0].finite]
    follow_spss = [pair for pair in unbounded if _prints_as_spss(*pair)]
    for row, cells in empty:
        p = row.cells.get("p")
        counted = f"{cells[0]}/{cells[1]} against {cells[2]}/{cells[3]}"
        if row.finite and len(unbounded) >= 2 and id(row) not in wrong:
            text = f"An empty cell ({counted}) gives no finite odds ratio; the other such rows print none."
            yield Finding("odds_ratio", row.cells["ratio"], "–", text)
        elif not row.finite and _wrong_side(row, cells):
            side = "0" if _is_zero(cells) else "without bound"
            text = f"With an empty cell ({counted}) the odds ratio is {side}, printed {row.cells['ratio'].text}."
            yield Finding("odds_ratio", row.cells["ratio"], side, text)
        elif not row.finite and not _prints_as_spss(row, cells) and len(follow_spss) >= 2 and p is not None:
            value = spss_separated_p(_empty_group(cells))
            text = f"With an empty cell ({counted}) the program of the other rows prints P = {value:.4f}."
            yield Finding("p_value", p, f"{value:.3f}", text)
    for row in table.rows:
        counted_cells = _from_counts(row, items, table.crossed[1])
        if counted_cells and 0 not in counted_cells and not row.finite:
            estimate = wald_odds_ratio(*_arrays(counted_cells))
            text = f"The counts {counted_cells} have no empty cell and give {float(estimate.ratio):.3f}."
            yield Finding("odds_ratio", row.cells["ratio"], f"{float(estimate.ratio):.3f}", text)


def _is_zero(cells: tuple[int, int, int, int]) -> bool:
    """Whether the odds ratio of a table with an empty cell is 0 rather than unbounded."""
    return cells[0] * cells[3] == 0


def _wrong_side(row: EffectRow, cells: tuple[int, int, int, int]) -> bool:
    """Whether a number near 0 is printed for an unbounded ratio, or a huge one for 0; a dash says neither."""
    ratio = row.interval("ratio")
    if ratio is None or (cells[0] * cells[3] == 0 and cells[1] * cells[2] == 0):
        return False
    return ratio.low > 1 if _is_zero(cells) else ratio.high < 1


def _empty_group(cells: tuple[int, int, int, int]) -> int:
    return cells[0] + cells[1] if 0 in cells[:2] else cells[2] + cells[3]


def _prints_as_spss(row: EffectRow, cells: tuple[int, int, int, int]) -> bool:
    p = row.interval("p")
    return p is not None and p.holds(spss_separated_p(_empty_group(cells)))


def spss_rows(tables: list[OddsTable], counts: Counts) -> int:
    """How many rows with an empty cell print just what SPSS prints for them."""
    found = 0
    for table in tables:
        if table.crossed is None:
            continue
        items = [i for i in counts.crossed if i.table == table.crossed[0]]
        for row in table.rows:
            cells = _from_counts(row, items, table.crossed[1])
            found += cells is not None and 0 in cells and not row.finite and _prints_as_spss(row, cells)
    return found


# --- repeated rows where no 2×2 table can be solved ----------------------------------------------------------------


def audit_repeats(rows: list[EffectRow], counts: Counts) -> Iterator[Finding]:
    """Estimates that agree in every printed digit although the patients, or the models, differ."""
    precise = [r for r in rows if r.finite and len(r.printed()) == 4 and _is_telling(r)]
    by_figures: dict[tuple[str, ...], list[EffectRow]] = {}
    for row in precise:
        by_figures.setdefault((row.measure, *row.printed()), []).append(row)
    for same in by_figures.values():
        for i, row in enumerate(same):
            for other in same[:i]:
                reason = _why_impossible(row, other, rows, counts)
                if reason:
                    text = f"{row.shown()} repeats {other.table}, {other.item} ({other.model or 'row'}): {reason}."
                    yield Finding("duplicate_row", row.cells["ratio"], "", text)
                    break


def _is_telling(row: EffectRow) -> bool:
    """Whether an agreement in all digits by chance is out of the question (less than about 1 in 100,000)."""
    ratio, low, high = row.interval("ratio"), row.interval("ci_low"), row.interval("ci_high")
    if ratio is None or low is None or high is None or low.low <= 0:
        return False
    width_beta = math.log(ratio.high / ratio.low)
    width_error = (math.log(high.high / high.low) + math.log(low.high / low.low)) / (2 * Z95)
    return width_beta * width_error < 1e-5


def _why_impossible(row: EffectRow, other: EffectRow, rows: list[EffectRow], counts: Counts) -> str:
    if row.measure == "or" and not (row.model.startswith("multi") or other.model.startswith("multi")):
        return ""  # equal 2×2 tables give equal odds ratios; their margins are judged in `audit_odds`
    if (row.item, row.level) == (other.item, other.level):
        return _same_item_repeated(row, other, rows)
    if row.table != other.table or row.model != other.model:
        return "different factors in different models agree in every digit"
    mine, theirs = _margins(row, counts), _margins(other, counts)
    if mine and theirs and not mine & theirs:
        return f"but {row.item} has {sorted(mine)} exposed patients, {other.item} {sorted(theirs)}"
    if _differ_elsewhere(row, other, rows):
        return f"but {row.item} and {other.item} differ in other tables, so they are not the same patients"
    return ""


def _same_item_repeated(row: EffectRow, other: EffectRow, rows: list[EffectRow]) -> str:
    if row.table == other.table and row.model != other.model:
        adjusted = row if row.model.startswith("multi") else other
        terms = [r for r in rows if (r.table, r.model) == (adjusted.table, adjusted.model)]
        return "adjusting for other factors cannot leave every digit as it was" if len(terms) > 1 else ""
    if row.table != other.table and row.model == other.model:
        return "the models of two outcomes agree in every digit"
    return ""


def _differ_elsewhere(row: EffectRow, other: EffectRow, rows: list[EffectRow]) -> bool:
    def elsewhere(item: str) -> dict[tuple[str, str], tuple[str, ...]]:
        return {(r.table, r.model): r.printed() for r in rows if r.item == item and r.table != row.table}

    mine, theirs = elsewhere(row.item), elsewhere(other.item)
    return any(mine[key] != theirs[key] for key in mine.keys() & theirs.keys())
