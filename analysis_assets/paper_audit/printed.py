"""What a paper prints: numbers with their rounding intervals, and names made comparable across its tables.

Nothing here knows a disease, a gene or a table: names are compared after dropping the words that only say where in
the paper a figure stands ("results text", "fig 2a") or what kind of noun follows ("disease", "mutation").
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-9
_TEXTS = 4096  # distinct names, levels and statistics of a paper; each stands in it many times
LONG_COLUMNS = ("table", "row", "item", "level", "statistic", "value", "value_num")


@dataclass(frozen=True)
class Interval:
    """All numbers that round to one printed figure; both ends count as possible (either rounding rule may be used)."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether `value` could have been printed as this figure."""
        slack = TOLERANCE * max(1.0, abs(value))
        return self.low - slack <= value <= self.high + slack

    def meets(self, other: Interval) -> bool:
        """Whether one number could have been printed as both figures."""
        return self.low <= other.high + TOLERANCE and other.low <= self.high + TOLERANCE


@dataclass(frozen=True)
class Cell:
    """One printed figure of the paper and the names it stands under."""

    table: str
    row: int
    item: str
    level: str
    statistic: str
    text: str
    interval: Interval | None

    @property
    def value(self) -> float:
        """The printed number itself (NaN where a dash is printed)."""
        if self.interval is None:
            return math.nan
        if math.isinf(self.interval.high):
            return self.interval.low
        return (self.interval.low + self.interval.high) / 2


_NUMBER = re.compile(r"^([<>≤≥]|<=|>=)?\s*([+-]?(?:\d+(?:,\d{3})+|\d*)(?:\.(\d+))?)\s*%?$")
_COUNTS = re.compile(r"^(n|denominator|count|n_[a-z].*)$")


def printed_interval(text: str, statistic: str = "", decimals: int | None = None) -> Interval | None:
    """Interval of numbers that print as `text`: the value ± half a unit of its last digit, exact for counts.

    `<0.001` is everything from 0 up to that bound. Returns None for a dash, a date or any other text.
    """
    match = _NUMBER.match(text.strip().replace("−", "-"))
    if match is None or not re.search(r"\d", match.group(2)):
        return None
    bound, digits, fraction = match.groups()
    value = float(digits.replace(",", ""))
    if bound in ("<", "<=", "≤"):
        return Interval(0.0, value)
    if bound in (">", ">=", "≥"):
        return Interval(value, math.inf)
    if _COUNTS.match(statistic):
        return Interval(value, value)
    places = len(fraction or "") if decimals is None else decimals
    half = 0.5 * 10.0**-places
    return Interval(value - half, value + half)


def _plain(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>":
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value).strip()


def read_cells(published: pd.DataFrame) -> list[Cell]:
    """Cells of a paper in the long format `table, row, item, level, statistic, value, value_num`.

    Where a reader has already turned the column `value` into numbers, trailing zeros are lost; the number of printed
    decimals is then taken as the largest one of the same statistic in the same table.

    Raises:
        ValueError: a column of the long format is missing.
    """
    missing = [c for c in LONG_COLUMNS[:-1] if c not in published.columns]
    if missing:
        raise ValueError(f"The published figures lack the column(s) {', '.join(missing)}; needed: {LONG_COLUMNS}.")
    records: list[dict[str, Any]] = [
        {str(k): v for k, v in record.items()} for record in published.to_dict(orient="records")
    ]
    decimals: dict[tuple[str, str], int] = {}
    for record in records:
        if isinstance(record["value"], float):
            key = (str(record["table"]), str(record["statistic"]))
            fraction = _plain(record["value"]).partition(".")[2]
            decimals[key] = max(decimals.get(key, 0), len(fraction))
    return [_cell(position, record, decimals) for position, record in enumerate(records, start=1)]


def _cell(position: int, record: dict[str, Any], decimals: dict[tuple[str, str], int]) -> Cell:
    value = record["value"]
    text = _plain(value) or _plain(record.get("value_num"))
    statistic = _plain(record["statistic"]).lower()
    places = decimals.get((str(record["table"]), str(record["statistic"]))) if isinstance(value, float) else None
    row = _plain(record["row"])
    return Cell(
        table=_plain(record["table"]),
        row=int(float(row)) if row else position,
        item=_plain(record["item"]),
        level=_plain(record["level"]),
        statistic=statistic,
        text=text,
        interval=printed_interval(text, statistic, places),
    )


# --- names ------------------------------------------------------------------------------------------------------

_PLACE_WORDS = frozenset([
    "text", "result", "results", "method", "methods", "discussion", "abstract", "introduction", "conclusion",
    "conclusions", "fig", "figure", "table", "panel", "supplement", "legend"
])  # fmt: skip
_FILLER_WORDS = frozenset([
    "of", "the", "for", "in", "a", "an", "and", "number", "no.", "n", "to", "grade", "class", "stage"
])  # fmt: skip
_KIND_WORDS = frozenset([
    "disease", "mutation", "mutations", "injection", "regimen", "patient", "case", "gene", "symptom", "event",
    "text", "reaction", "status"
])  # fmt: skip
_PRESENT = frozenset(["", "any", "yes", "positive", "present", "+", "all", "total", "overall", "pos"])
_ABSENT = frozenset(["no", "negative", "absent", "without", "neg", "-"])
TOTAL_WORDS = frozenset(["any", "all", "total", "overall"])
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}
_COMPARED = re.compile(r"(<=|>=|<|>|≤|≥)\s*(\d+(?:\.\d+)?)")
_RANGE = re.compile(r"^(\d+(?:\.\d+)?)\s*(?:-|–|to)\s*(\d+(?:\.\d+)?)(?=\s|$|[^\d.])")
_GRADE = re.compile(r"^(?:grade|class|stage)?\s*([ivx]+|[0-9]|[a-f])(?:\s*[-–]\s*([ivx]+|[0-9]|[a-f]))?$")


@dataclass(frozen=True)
class Level:
    """What a level says: present, absent, a grade, a numeric range or a category of its own."""

    kind: str
    words: frozenset[str] = frozenset()
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def within(self, other: Level) -> bool:
        """Whether every number of this range belongs to `other` as well."""
        low_fits = self.low > other.low or (self.low == other.low and (self.low_open or not other.low_open))
        high_fits = self.high < other.high or (self.high == other.high and (self.high_open or not other.high_open))
        return low_fits and high_fits


@dataclass(frozen=True)
class Name:
    """An item and a level made comparable: equal names in two tables mean the same patients."""

    words: frozenset[str]
    level: Level = field(default_factory=lambda: Level("present"))

    def label(self) -> str:
        """Readable form for explanations."""
        return " ".join(sorted(self.words))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "is", "us")):
        return word[:-1]
    return word


@lru_cache(maxsize=_TEXTS)
def words_of(text: str) -> frozenset[str]:
    """Lower-case words of a name without parentheses, filler and plural endings."""
    bare = re.sub(r"\([^)]*\)", " ", text.lower())
    found = re.findall(r"[^\s,;:\"']+", bare)
    return frozenset(_singular(w) for w in found if w not in _FILLER_WORDS)


def _without_kind_words(words: frozenset[str]) -> frozenset[str]:
    kept = words - _KIND_WORDS
    return kept or words


@lru_cache(maxsize=_TEXTS)
def place_of(level: str) -> str:
    """The place in the paper that a level names ("results text", "methods", "fig 1a"), else the empty string."""
    for part in [*re.findall(r"\(([^)]*)\)", level), level]:
        if re.search(r"[<>=≤≥%]", part):
            continue
        tokens = re.findall(r"[a-z]+|\d+[a-z]?", part.lower())
        if (
            tokens
            and any(t in _PLACE_WORDS for t in tokens)
            and all(t in _PLACE_WORDS or re.fullmatch(r"\d*[a-z]?", t) for t in tokens)
        ):
            return str(part).lower().strip()
    return ""


def _grade_number(text: str) -> float | None:
    if text in _ROMAN:
        return float(_ROMAN[text])
    if text.isdigit():
        return float(text)
    if len(text) == 1 and "a" <= text <= "f":
        return float(ord(text) - ord("a") + 1)
    return None


@lru_cache(maxsize=_TEXTS)
def parse_level(text: str) -> Level:
    """The meaning of a printed level."""
    bare = re.sub(r"\([^)]*\)", " ", text.lower()).strip()
    if place_of(text) == bare:
        bare = ""
    if bare in _PRESENT:
        return Level("present")
    if bare in _ABSENT:
        return Level("absent")
    ranged = _RANGE.match(bare)
    if ranged:
        return Level("range", low=float(ranged.group(1)), high=float(ranged.group(2)))
    graded = _GRADE.match(bare)
    if graded:
        first = _grade_number(graded.group(1))
        last = _grade_number(graded.group(2)) if graded.group(2) else first
        if first is not None and last is not None:
            return Level("grade", low=first, high=last)
    compared = _COMPARED.search(bare)
    if compared:
        return _threshold(compared, "grade" if "grade" in bare else "range")
    return Level("category", words=words_of(text))


def _threshold(match: re.Match[str], kind: str) -> Level:
    sign, bound = match.group(1), float(match.group(2))
    if sign in ("<", "<=", "≤"):
        return Level(kind, high=bound, high_open=sign == "<")
    return Level(kind, low=bound, low_open=sign == ">")


@lru_cache(maxsize=_TEXTS)
def name_of(item: str, level: str) -> Name:
    """Comparable name of a cell: `Gene mutation / SH2B3` and `SH2B3 mutation / positive` become equal.

    A category names itself; what stands before a colon is only its heading. "Others" means nothing without its item.
    """
    parsed = parse_level(level)
    head = item.rpartition(":")[2] or item
    if parsed.kind == "category":
        words = _without_kind_words(parsed.words)
        if words & {"other", "others", "none", "unknown"} or not words:
            return Name(words | words_of(head))
        return Name(words)
    graded = re.search(r"\(grade\s*(?:<=|>=|<|>|≤|≥)\s*\d+\)", item.lower())
    if graded and parsed.kind == "present":
        bound = _COMPARED.search(graded.group(0))
        if bound is not None:
            return Name(_without_kind_words(words_of(head)) - {"severe"}, _threshold(bound, "grade"))
    return Name(_without_kind_words(words_of(head)), parsed)


@dataclass(frozen=True)
class Statistic:
    """A statistic's name split into its model or group and its kind."""

    kind: str
    model: str = ""


_EFFECT_KINDS = {
    "p": "p", "p_value": "p", "or": "or", "odds_ratio": "or", "hr": "hr", "hazard_ratio": "hr", "rr": "rr",
    "ci_low": "ci_low", "ci_high": "ci_high", "lower": "ci_low", "upper": "ci_high",
}  # fmt: skip


@lru_cache(maxsize=_TEXTS)
def parse_statistic(statistic: str) -> Statistic:
    """`univariate_ci_low` → kind `ci_low`, model `univariate`; `n_cr` → kind `group_n`, model `cr`."""
    for suffix, kind in sorted(_EFFECT_KINDS.items(), key=lambda pair: -len(pair[0])):
        if statistic == suffix:
            return Statistic(kind)
        if statistic.endswith("_" + suffix):
            return Statistic(kind, statistic[: -len(suffix) - 1])
    survival = re.fullmatch(r"(?:pct|survival)_(\d+(?:\.\d+)?)_?(m|y|months?|years?|d|days?)", statistic)
    if survival:
        unit = {"m": 1.0, "y": 12.0, "d": 12 / 365.25}[survival.group(2)[0]]
        return Statistic("survival_pct", str(float(survival.group(1)) * unit))
    grouped = re.fullmatch(r"(n|pct)_([a-z].*)", statistic)
    if grouped:
        return Statistic("group_" + grouped.group(1), grouped.group(2))
    return Statistic({"count": "n", "percent": "pct", "percentage": "pct"}.get(statistic, statistic))


def rows_of(cells: Iterable[Cell]) -> dict[tuple[str, int, str, str], list[Cell]]:
    """Cells that stand in one printed row, by (table, row, item, level)."""
    rows: dict[tuple[str, int, str, str], list[Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.table, cell.row, cell.item, cell.level), []).append(cell)
    return rows


@dataclass(frozen=True)
class Finding:
    """One contradiction inside the paper: what is printed, what the rest of the paper demands, and why."""

    check: str
    cell: Cell
    expected: str
    explanation: str
    statistic: str = ""
