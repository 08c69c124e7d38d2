"""Tables that cross a factor with an outcome: percentages, column totals and tests recomputed from printed counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy import special, stats

from analysis_assets.paper_audit.printed import (
    TOTAL_WORDS,
    Cell,
    Finding,
    Name,
    name_of,
    parse_statistic,
)

# Fisher's exact test of a table with more than two rows is enumerated only up to this many tables.
_MOST_ENUMERATED = 200_000
_MOST_PATIENTS_FOR_FISHER = 2_000


@dataclass
class CrossedLevel:
    """One level of a factor with its counts by outcome group."""

    level: str
    name: Name
    counts: dict[str, Cell] = field(default_factory=dict)
    percentages: dict[str, Cell] = field(default_factory=dict)

    def count(self, group: str) -> int:
        """Printed count in one outcome group."""
        return round(self.counts[group].value)

    def total(self) -> int:
        """Patients of this level in all outcome groups."""
        return sum(self.count(group) for group in self.counts)


@dataclass
class CrossedItem:
    """A factor crossed with an outcome: its levels, and the printed P value where there is one."""

    table: str
    item: str
    groups: tuple[str, ...]
    levels: list[CrossedLevel]
    p: Cell | None = None

    def matrix(self) -> np.ndarray:
        """Counts, shape (levels, groups)."""
        return np.array([[level.count(g) for g in self.groups] for level in self.levels], dtype=float)


def crossed_items(cells: list[Cell]) -> list[CrossedItem]:
    """Every factor that the paper crosses with an outcome by counts (`n_<group>` statistics, two groups or more)."""
    found: dict[tuple[str, str], dict[str, CrossedLevel]] = {}
    tests: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        statistic = parse_statistic(cell.statistic)
        key = (cell.table, cell.item)
        if statistic.kind == "p" and not statistic.model:
            tests.setdefault(key, cell)
        if statistic.kind not in ("group_n", "group_pct") or cell.interval is None:
            continue
        if cell.level.lower() in TOTAL_WORDS:
            continue
        level = found.setdefault(key, {}).setdefault(
            cell.level, CrossedLevel(cell.level, name_of(cell.item, cell.level))
        )
        target = level.counts if statistic.kind == "group_n" else level.percentages
        target.setdefault(statistic.model, cell)
    items = []
    for key, levels in found.items():
        groups = tuple(dict.fromkeys(g for level in levels.values() for g in level.counts))
        complete = [level for level in levels.values() if set(level.counts) == set(groups)]
        if len(groups) >= 2 and complete:
            items.append(CrossedItem(key[0], key[1], groups, complete, tests.get(key)))
    return items


def group_totals(items: list[CrossedItem]) -> dict[str, dict[str, int]]:
    """Patients per outcome group and table: the total that most factors of the table add up to."""
    votes: dict[tuple[str, str], Counter[int]] = {}
    for item in items:
        for group in item.groups:
            votes.setdefault((item.table, group), Counter())[sum(lv.count(group) for lv in item.levels)] += 1
    totals: dict[str, dict[str, int]] = {}
    for (table, group), counter in votes.items():
        totals.setdefault(table, {})[group] = counter.most_common(1)[0][0]
    return totals


def audit_crosstabs(items: list[CrossedItem]) -> Iterator[Finding]:
    """Findings of all crossed factors."""
    totals = group_totals(items)
    by_row = _tables_with_row_percentages(items, totals)
    convention = _usual_tests(items)
    for item in items:
        test_fits = item.p is None or item.p.interval is None or bool(_matching_tests(item))
        yield from _sums(item, totals[item.table], [i for i in items if i.table == item.table], test_fits)
        yield from _percentages(item, totals[item.table], by_row[item.table])
        if item.p is not None and not test_fits:
            yield _test_finding(item, item.p, convention.get(item.table, "pearson"))


def _sums(
    item: CrossedItem, totals: dict[str, int], neighbours: list[CrossedItem], test_fits: bool
) -> Iterator[Finding]:
    for group in item.groups:
        total = sum(level.count(group) for level in item.levels)
        if total == totals[group] or len(item.levels) < 2:
            continue
        agreeing = sum(sum(lv.count(group) for lv in other.levels) == totals[group] for other in neighbours)
        missing_data = total < totals[group] and test_fits and not _wrong_percentages(item)
        if agreeing < 2 or agreeing * 4 < len(neighbours) * 3 or missing_data:
            continue
        cell = item.levels[-1].counts[group]
        yield Finding(
            "sum",
            cell,
            str(totals[group]),
            f"The levels of {item.item} add up to {total} in group {group}; {agreeing} of the {len(neighbours)} "
            f"factors of {item.table} add up to {totals[group]}.",
        )


def _wrong_percentages(item: CrossedItem) -> bool:
    columns = {g: sum(level.count(g) for level in item.levels) for g in item.groups}
    wrong_rows = wrong_columns = False
    for level in item.levels:
        for group, cell in level.percentages.items():
            if cell.interval is None or group not in level.counts:
                continue
            wrong_rows |= not cell.interval.holds(100 * level.count(group) / max(1, level.total()))
            wrong_columns |= not cell.interval.holds(100 * level.count(group) / max(1, columns[group]))
    return wrong_rows and wrong_columns


def _tables_with_row_percentages(items: list[CrossedItem], totals: dict[str, dict[str, int]]) -> dict[str, bool]:
    fits: dict[str, list[int]] = {}
    for item in items:
        tally = fits.setdefault(item.table, [0, 0])
        for level in item.levels:
            for group, cell in level.percentages.items():
                if cell.interval is None or group not in level.counts:
                    continue
                tally[0] += cell.interval.holds(100 * level.count(group) / max(1, level.total()))
                tally[1] += cell.interval.holds(100 * level.count(group) / max(1, totals[item.table][group]))
    return {table: tally[0] >= tally[1] for table, tally in fits.items()}


def _percentages(item: CrossedItem, totals: dict[str, int], by_row: bool) -> Iterator[Finding]:
    columns = {g: sum(level.count(g) for level in item.levels) for g in item.groups}
    for level in item.levels:
        for group, cell in level.percentages.items():
            if cell.interval is None or group not in level.counts:
                continue
            count = level.count(group)
            denominators = [level.total()] if by_row else [totals[group], columns[group]]
            shares = [100 * count / d for d in denominators if d]
            if not shares or any(cell.interval.holds(share) for share in shares):
                continue
            yield Finding(
                "percentage",
                cell,
                _like(cell.text, shares[0]),
                f"{count}/{denominators[0]} is {shares[0]:.3f}%, printed {cell.text}%.",
            )


def _like(text: str, value: float) -> str:
    """`value` with as many decimals as `text`."""
    return f"{value:.{len(text.partition('.')[2])}f}"


# --- tests of independence ---------------------------------------------------------------------------------------


def independence_p_values(table: np.ndarray) -> dict[str, float]:
    """Two-sided P values of the usual tests on a table of counts, shape (levels, groups).

    Pearson's χ² without and with Yates's correction (2×2), the likelihood ratio, linear-by-linear association, and
    Fisher's exact test (2×2, or enumerated for two groups where that is feasible).
    """
    return dict(_independence_p_values(tuple(map(tuple, table.tolist()))))


@lru_cache(maxsize=1024)  # an audit asks twice of each table, once for the usual test and once for the finding
def _independence_p_values(counts: tuple[tuple[float, ...], ...]) -> Mapping[str, float]:
    table = np.array(counts)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return {}
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    gaps = np.abs(table - expected)
    answers = {
        "pearson": float(stats.chi2.sf((gaps**2 / expected).sum(), df)),
        "likelihood ratio": float(stats.chi2.sf(2 * special.xlogy(table, table / expected).sum(), df)),
        "linear-by-linear": _linear_by_linear(table),
    }
    if table.shape == (2, 2):
        corrected = np.maximum(0.0, gaps - np.minimum(0.5, gaps))
        answers["yates"] = float(stats.chi2.sf((corrected**2 / expected).sum(), 1))
    if table.sum() <= _MOST_PATIENTS_FOR_FISHER:
        fisher = _fisher(table.astype(int))
        if fisher is not None:
            answers["fisher"] = fisher
    return answers


def _linear_by_linear(table: np.ndarray) -> float:
    n = table.sum()
    rows, columns = np.arange(table.shape[0]), np.arange(table.shape[1])
    row_mean, column_mean = (table.sum(1) @ rows) / n, (table.sum(0) @ columns) / n
    covariance = (rows - row_mean) @ table @ (columns - column_mean)
    row_spread, column_spread = table.sum(1) @ (rows - row_mean) ** 2, table.sum(0) @ (columns - column_mean) ** 2
    return float(stats.chi2.sf((n - 1) * covariance**2 / (row_spread * column_spread), 1))


def _fisher(table: np.ndarray) -> float | None:
    if table.shape == (2, 2):
        return float(stats.fisher_exact(table).pvalue)
    if table.shape[1] != 2:
        table = table.T
    if table.shape[1] != 2:
        return None
    rows, first = table.sum(axis=1), int(table[:, 0].sum())
    if np.prod([float(r + 1) for r in rows[:-1]]) > _MOST_ENUMERATED:
        return None
    grids = np.meshgrid(*[np.arange(r + 1) for r in rows[:-1]], indexing="ij")
    free = np.stack([g.ravel() for g in grids])
    last = first - free.sum(axis=0)
    possible = np.vstack([free, last])[:, (last >= 0) & (last <= rows[-1])]
    log_p = sum(
        special.gammaln(r + 1) - special.gammaln(x + 1) - special.gammaln(r - x + 1)
        for r, x in zip(rows, possible, strict=True)
    )
    observed = sum(
        special.gammaln(r + 1) - special.gammaln(x + 1) - special.gammaln(r - x + 1)
        for r, x in zip(rows, table[:, 0], strict=True)
    )
    weights = np.exp(log_p - np.max(log_p))
    return float(weights[log_p <= observed + 1e-7].sum() / weights.sum())


def _matching_tests(item: CrossedItem) -> list[str]:
    if item.p is None or item.p.interval is None:
        return []
    answers = independence_p_values(item.matrix())
    if not answers or ("fisher" not in answers and item.matrix().sum() <= _MOST_PATIENTS_FOR_FISHER):
        return ["unknown"]  # nothing to test, or a test that can't be recomputed here: no claim either way
    return [test for test, p in answers.items() if item.p.interval.holds(p)]


def _usual_tests(items: list[CrossedItem]) -> dict[str, str]:
    votes: dict[str, Counter[str]] = {}
    for item in items:
        votes.setdefault(item.table, Counter()).update(t for t in _matching_tests(item) if t != "unknown")
    return {table: counter.most_common(1)[0][0] for table, counter in votes.items() if counter}


def _test_finding(item: CrossedItem, printed: Cell, usual: str) -> Finding:
    answers = independence_p_values(item.matrix())
    shown = ", ".join(f"{test} {p:.4f}" for test, p in answers.items())
    counts = "; ".join("/".join(str(level.count(g)) for g in item.groups) for level in item.levels)
    return Finding(
        "chi_square",
        printed,
        _like(printed.text, answers.get(usual, answers["pearson"])),
        f"No usual test of the printed counts ({counts}) gives P = {printed.text}: {shown}. "
        f"The other factors of {item.table} follow the {usual} test.",
    )
