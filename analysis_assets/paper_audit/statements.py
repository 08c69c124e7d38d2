"""Statements about one quantity in several places: ranges, medians, survival figures, effects quoted in the text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from analysis_assets.paper_audit import UNDECIDED
from analysis_assets.paper_audit.counts import is_text_table
from analysis_assets.paper_audit.effects import EffectRow, effect_rows
from analysis_assets.paper_audit.printed import (
    TOLERANCE,
    Cell,
    Finding,
    Level,
    Name,
    name_of,
    parse_level,
    parse_statistic,
    words_of,
)

_CONTINUOUS = ("median", "min", "max", "mean", "sd")
_MODEL_WORDS = frozenset([
    "univariate", "multivariate", "univariable", "multivariable", "adjusted", "unadjusted", "cox", "logistic",
    "regression", "analysis", "chi-square", "model", "text", "test"
])  # fmt: skip


def audit_repeated_keys(cells: list[Cell]) -> Iterator[Finding]:
    """The same statistic of the same item and level printed twice in one table."""
    seen: dict[tuple[str, str, str, str], Cell] = {}
    for cell in cells:
        key = (cell.table, cell.item.lower(), cell.level.lower(), cell.statistic)
        first = seen.setdefault(key, cell)
        if first is not cell:
            again = f"Row {cell.row} of {cell.table} prints {cell.statistic} of {cell.item} again"
            text = f"{again}; row {first.row} has {first.text}."
            yield Finding("duplicate_row", cell, first.text, text)


# --- medians and ranges --------------------------------------------------------------------------------------------


def _quantities(cells: list[Cell]) -> dict[Name, list[list[Cell]]]:
    """Blocks of continuous statistics by the name of what they describe."""
    blocks: dict[Name, dict[tuple[str, int], list[Cell]]] = {}
    for cell in cells:
        if cell.statistic in _CONTINUOUS and cell.interval is not None:
            name = name_of(cell.item, cell.level)
            blocks.setdefault(name, {}).setdefault((cell.table, cell.row), []).append(cell)
    return {name: list(own.values()) for name, own in blocks.items()}


def audit_ranges(cells: list[Cell]) -> Iterator[Finding]:
    """Order of minimum, median and maximum, and the same quantity described differently in two places."""
    for blocks in _quantities(cells).values():
        for block in blocks:
            yield from _ordered(block)
        if len(blocks) > 1:
            yield from _places_disagree(blocks)
    for row in _rows_with(cells, "ci_low", "ci_high"):
        yield from _estimate_inside(row)


def _ordered(block: list[Cell]) -> Iterator[Finding]:
    by = {c.statistic: c for c in block}
    for low, high in (("min", "median"), ("median", "max"), ("min", "max"), ("min", "mean"), ("mean", "max")):
        if low in by and high in by and _surely_above(by[low], by[high]):
            text = f"The {low} {by[low].text} is above the {high} {by[high].text}."
            yield Finding("range", by[high], "", text)


def _surely_above(left: Cell, right: Cell) -> bool:
    return (
        left.interval is not None and right.interval is not None and left.interval.low > right.interval.high + TOLERANCE
    )


def _places_disagree(blocks: list[list[Cell]]) -> Iterator[Finding]:
    for statistic in _CONTINUOUS:
        printed = [c for block in blocks for c in block if c.statistic == statistic and c.interval is not None]
        support = [sum(_meet(c, other) for other in printed) for c in printed]
        for cell, agreeing in zip(printed, support, strict=True):
            others = [o for o in printed if not _meet(cell, o)]
            most = max((support[printed.index(o)] for o in others), default=0)
            if others and agreeing <= most:
                said = "; ".join(f"{o.text} in {_place(o)}" for o in others)
                text = f"{statistic} of {cell.item}: {cell.text} in {_place(cell)}, but {said}."
                text += f" {UNDECIDED}" if agreeing == most else ""
                yield Finding("text", cell, others[0].text, text)


def _meet(left: Cell, right: Cell) -> bool:
    return left.interval is not None and right.interval is not None and left.interval.meets(right.interval)


def _place(cell: Cell) -> str:
    return f"{cell.table} ({cell.level})" if cell.level else cell.table


def _rows_with(cells: list[Cell], *statistics: str) -> list[dict[str, Cell]]:
    rows: dict[tuple[str, int, str, str, str], dict[str, Cell]] = {}
    for cell in cells:
        parsed = parse_statistic(cell.statistic)
        landmark = parsed.kind == "survival_pct"
        key = (cell.table, cell.row, cell.item, cell.level, "" if landmark else parsed.model)
        rows.setdefault(key, {})[f"{parsed.kind}:{parsed.model}" if landmark else parsed.kind] = cell
    return [row for row in rows.values() if all(s in row for s in statistics)]


def _estimate_inside(row: dict[str, Cell]) -> Iterator[Finding]:
    low, high = row["ci_low"], row["ci_high"]
    if _surely_above(low, high):
        yield Finding("interval", high, "", f"The lower limit {low.text} is above the upper limit {high.text}.")
        return
    for kind in ("median", "pct", "mean", "or", "hr", "rr"):
        if kind in row and (_surely_above(low, row[kind]) or _surely_above(row[kind], high)):
            text = f"{row[kind].text} is outside its own interval {low.text} to {high.text}."
            yield Finding("interval", row[kind], "", text)


# --- thresholds against ranges and medians --------------------------------------------------------------------------


def audit_thresholds(cells: list[Cell], counted: dict[Name, int], total: int | None) -> Iterator[Finding]:
    """Numbers of patients below and above a bound against each other, and against the median.

    Args:
        cells: all printed figures.
        counted: agreed numbers of patients by name, whole cohort.
        total: patients in all.
    """
    if total is None:
        return
    ranges: dict[frozenset[str], list[tuple[Level, int]]] = {}
    for name, n in counted.items():
        if name.level.kind == "range":
            ranges.setdefault(name.words, []).append((name.level, n))
    sources = {(n.words, n.level): c for c in cells if c.statistic.startswith("n") for n in [name_of(c.item, c.level)]}
    for words, levels in ranges.items():
        yield from _nested(words, levels, sources)
    for name, blocks in _quantities(cells).items():
        for block in blocks:
            median = next((c for c in block if c.statistic == "median"), None)
            if median is not None and name.level.kind == "present":
                yield from _median_side(median, ranges.get(name.words, []), total)


def _nested(
    words: frozenset[str], levels: list[tuple[Level, int]], sources: dict[tuple[frozenset[str], Level], Cell]
) -> Iterator[Finding]:
    for outer, n_outer in levels:
        inside = sorted({(lv, n) for lv, n in levels if lv != outer and lv.within(outer)}, key=lambda p: p[0].low)
        picked: list[tuple[Level, int]] = []
        for level, n in inside:
            if (
                not picked
                or picked[-1][0].high < level.low
                or (picked[-1][0].high == level.low and (picked[-1][0].high_open or level.low_open))
            ):
                picked.append((level, n))
        found = sum(n for _, n in picked)
        cell = sources.get((words, picked[-1][0])) if picked else None
        if found > n_outer and cell is not None:
            text = f"{found} patients lie in ranges inside one that holds {n_outer} ({' '.join(sorted(words))})."
            yield Finding("margin", cell, "", text)


def _median_side(median: Cell, levels: list[tuple[Level, int]], total: int) -> Iterator[Finding]:
    if median.interval is None:
        return
    for level, n in levels:
        below = n if math.isinf(level.low) else total - n if math.isinf(level.high) else None
        bound = level.high if math.isinf(level.low) else level.low
        if below is None:
            continue
        impossible = (2 * below > total + 1 and median.interval.low > bound) or (
            2 * below < total - 1 and median.interval.high < bound
        )
        if impossible:
            text = f"{below} of {total} patients lie below {bound:g}, so {median.text} cannot be the median."
            yield Finding("range", median, "", text)


# --- survival figures ------------------------------------------------------------------------------------------------


def audit_survival(cells: list[Cell], spss: bool) -> Iterator[Finding]:
    """Survival at landmarks falls with time and passes 50% at the median; SPSS makes symmetric median intervals.

    Args:
        cells: all printed figures.
        spss: whether other rows of the paper prove SPSS, whose median intervals are symmetric.
    """
    medians = _rows_with(cells, "median", "ci_low", "ci_high")
    for row in _rows_with(cells):
        landmarks = sorted(
            (float(parse_statistic(c.statistic).model), c) for k, c in row.items() if k.startswith("survival_pct")
        )
        for (month, early), (later, late) in itertools.pairwise(landmarks):
            if _surely_above(late, early):
                text = f"{late.text}% at {later:g} months is above {early.text}% at {month:g} months."
                yield Finding("range", late, "", text)
        if "median" in row:
            yield from _median_between(row["median"], landmarks)
    symmetric = [row for row in medians if _is_symmetric(row)]
    for row in medians:
        if spss and len(symmetric) >= 1 and not _is_symmetric(row):
            low, mid, high = (row[k] for k in ("ci_low", "median", "ci_high"))
            text = (
                f"The paper's other median intervals are symmetric, as SPSS makes them; {low.text} to {high.text} is "
                f"not symmetric around {mid.text}."
            )
            yield Finding("interval", high, f"{2 * mid.value - low.value:.1f}", text)


def _median_between(median: Cell, landmarks: list[tuple[float, Cell]]) -> Iterator[Finding]:
    if median.interval is None:
        return
    for month, cell in landmarks:
        if cell.interval is None:
            continue
        too_late = cell.interval.high < 50 and median.interval.low > month
        too_early = cell.interval.low > 50 and median.interval.high < month
        if too_late or too_early:
            text = f"{cell.text}% are event-free at {month:g} months, so the median cannot be {median.text} months."
            yield Finding("range", median, "", text)


def _is_symmetric(row: dict[str, Cell]) -> bool:
    low, mid, high = (row[k].interval for k in ("ci_low", "median", "ci_high"))
    if low is None or mid is None or high is None:
        return False
    return low.low + high.low - TOLERANCE <= 2 * mid.high and 2 * mid.low <= low.high + high.high + TOLERANCE


# --- effects and P values quoted in the text ---------------------------------------------------------------------


def audit_quoted(cells: list[Cell]) -> Iterator[Finding]:
    """Ratios and P values in the running text against the tables they quote."""
    by_table: dict[str, list[Cell]] = {}
    for cell in cells:
        by_table.setdefault(cell.table, []).append(cell)
    texts = {t for t, own in by_table.items() if is_text_table(t, own)}
    rows = [r for r in effect_rows(cells) if r.table not in texts]
    tests = [c for c in cells if c.table not in texts and c.statistic in ("p", "p_value") and c.interval is not None]
    topics: dict[frozenset[str], list[Cell]] = {}
    for cell in cells:
        kind = parse_statistic(cell.statistic).kind
        if cell.table in texts and cell.interval is not None and kind in ("p", "or", "hr", "rr"):
            topics.setdefault(words_of(cell.item) - _MODEL_WORDS, []).append(cell)
    for quoted in topics.values():
        yield from _quoted_topic(quoted, rows, tests)


def _quoted_topic(quoted: list[Cell], rows: list[EffectRow], tests: list[Cell]) -> Iterator[Finding]:
    best: tuple[int, int, list[tuple[Cell, Cell]]] | None = None
    for table in dict.fromkeys([r.table for r in rows] + [c.table for c in tests]):
        own_rows, own_tests = [r for r in rows if r.table == table], [c for c in tests if c.table == table]
        pairs = [(cell, source) for cell in quoted if (source := _quoted_cell(cell, own_rows, own_tests))]
        agree = sum(_meet(cell, source) for cell, source in pairs)
        if agree and (best is None or (agree, agree - len(pairs)) > best[:2]):
            best = (agree, agree - len(pairs), pairs)
    if best is None or 2 * best[0] < len(best[2]):
        return
    for cell, source in best[2]:
        if not _meet(cell, source):
            text = f"The text quotes {cell.statistic} {cell.text}; {source.table} prints {source.text} ({source.item})."
            yield Finding("text", cell, source.text, text)


def _quoted_cell(cell: Cell, rows: list[EffectRow], tests: list[Cell]) -> Cell | None:
    topic = cell.item.lower()
    subject = words_of(cell.level)
    kind = parse_statistic(cell.statistic).kind
    is_effect = any(word in topic for word in ("cox", "logistic", "regression")) or kind != "p"
    if not is_effect:
        found = [c for c in tests if _speaks_of(subject, words_of(c.item))]
        return found[0] if len(found) == 1 else None
    wanted = "multi" if "multi" in topic else "uni" if "uni" in topic else ""
    matches = [
        r
        for r in rows
        if r.model.startswith(wanted)
        and (kind == "p" or r.measure == kind)
        and _speaks_of(subject, words_of(r.item), words_of(r.level.partition(" vs ")[0]))
    ]
    if len(matches) != 1:
        return None
    return matches[0].cells.get("p" if kind == "p" else "ratio")


def _speaks_of(subject: frozenset[str], item: frozenset[str], exposed: frozenset[str] = frozenset()) -> bool:
    return bool(subject & item) and subject <= item | exposed


def audit_parts(cells: list[Cell], total: int | None) -> Iterator[Finding]:
    """`X with Y negative` and `X with Y positive` make up `X`, counted in whole patients."""
    if total is None:
        return
    percentages = [c for c in cells if c.statistic == "pct" and c.interval is not None]
    shares = {c.item.lower(): c for c in percentages if " with " in c.item.lower()}
    wholes = {c.item.lower(): c for c in percentages if parse_level(c.level).kind == "present"}
    for item, negative in shares.items():
        if not item.endswith(" negative"):
            continue
        positive = shares.get(item.removesuffix("negative") + "positive")
        whole = wholes.get(item.partition(" with ")[0])
        if positive is None or whole is None:
            continue
        counts = [round(c.value * total / 100) for c in (negative, positive, whole)]
        if counts[0] + counts[1] != counts[2]:
            parts = f"{counts[0]} ({negative.text}%) and {counts[1]} ({positive.text}%) patients"
            text = f"{parts} do not make {counts[2]} ({whole.text}%)."
            yield Finding("sum", negative, "", text)
