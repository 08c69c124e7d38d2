"""Mutants of SQL: every comparison turned and every number moved, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

# What may stand in for each comparison: its boundary twin and its opposite.
TURNED = {
    "<": ("<=", ">"),
    "<=": ("<", ">="),
    ">": (">=", "<"),
    ">=": (">", "<="),
    "=": ("<>",),
    "<>": ("=",),
}

_TOKEN = re.compile(
    r"""
      (?P<no_rule>/\*\ evidence\ \*/.*?/\*\ end\ of\ evidence\ \*/|/\*\ packed\ \*/.*?/\*\ end\ of\ packed\ \*/)
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>"[^"]*"|[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<named>:=|=>|->|\|\||::)
    | (?P<comparison><=|>=|<>|!=|<|>|=)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Mutant:
    """One change of one model or seed: what it was, what it became, and the whole changed SQL."""

    place: str
    line: int
    was: str
    became: str
    sql: str
    position: int = -1

    def at(self, position: int) -> Mutant:
        """Return the mutant with its position among all."""
        return replace(self, position=position)

    def __str__(self) -> str:
        return f"{self.place} line {self.line}: {self.was} -> {self.became}"


def mutants(place: str, sql: str) -> Iterator[Mutant]:
    """Yield every mutant of a statement; text in quotes, comments, names, merging and packing are left alone.

    How two lists of source rows become one is no clinical rule: which comparison finds that one follows the other
    changes no list. `test_merged_evidence.py` tries that macro on every kind of pair. Nor is where the parts of a
    packed number stand: `test_packed.py` holds its order against that of its parts.
    """
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "comparison":
            replacements = TURNED["<>" if token.group() == "!=" else token.group()]
        elif token.lastgroup == "number":
            replacements = moved(token.group())
        else:
            continue
        line = sql.count("\n", 0, token.start()) + 1
        for became in replacements:
            changed = sql[: token.start()] + became + sql[token.end() :]
            yield Mutant(place, line, _around(sql, token), became, changed)


def moved(number: str) -> tuple[str, ...]:
    """Return a number a little lower and a little higher: 1 away from a whole one, a tenth from a fraction."""
    value = float(number)
    if value == int(value):
        return (str(int(value) + 1), str(int(value) - 1))
    return (f"{value * 1.1:.10g}", f"{value * 0.9:.10g}")


def _around(sql: str, token: re.Match[str]) -> str:
    before = sql[: token.start()].rsplit("\n", 1)[-1].strip()[-40:]
    after = sql[token.end() :].split("\n", 1)[0].strip()[:30]
    return f"{before} [{token.group()}] {after}".strip()
