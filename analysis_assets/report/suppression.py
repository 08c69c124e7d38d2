"""Small counts kept out of report and exports, together with those that would give them away by subtraction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

HIDDEN = "*"
REMARKS = ("note", "warning")
"""Columns of an analysis table that hold sentences, in which a figure may be a count."""


def without_figures(remark: str) -> str | None:
    """The parts of a remark (between semicolons) in which nothing can be a count; None where none is left.

    A study day (`day 60`) stays; `1.1 events per candidate variable` and `1 patients left out` go.
    """
    parts = [part for part in remark.split("; ") if not re.search(r"\d", re.sub(r"\bday \d+", "", part))]
    return "; ".join(parts) or None


@dataclass(frozen=True)
class CountGuard:
    """Hides counts from 1 to `below` less one; `below` = None hides nothing."""

    below: int | None = None

    @property
    def active(self) -> bool:
        """Whether anything may be hidden."""
        return self.below is not None

    def small(self, count: int) -> bool:
        """Whether a count by itself must not be shown. Zero may."""
        return self.below is not None and 0 < count < self.below

    def hidden(self, counts: Sequence[int], total: int | None = None) -> list[bool]:
        """Which counts of a partition are hidden.

        Where exactly one is small (what `total` leaves over counts as one more), the smallest other count above zero is
        hidden with it: else the small one is the total less the rest.
        """
        every = list(counts)
        if total is not None and total > sum(every):
            every.append(total - sum(every))
        flags = [self.small(count) for count in every]
        if sum(flags) == 1:
            others = [i for i, count in enumerate(every) if not flags[i] and count > 0]
            if others:
                flags[min(others, key=lambda i: every[i])] = True
        return flags[: len(counts)]

    def text(self, count: int, shown: str, hidden: bool) -> str:
        """`shown`, or what stands in its place: `<5` for a small count, a star for one hidden along with it."""
        if not hidden:
            return shown
        return f"<{self.below}" if self.small(count) else HIDDEN

    @property
    def remark(self) -> str:
        """Footnote for a table with hidden counts; empty where nothing is hidden."""
        if self.below is None:
            return ""
        return (
            f"Counts from 1 to {self.below - 1} are shown as <{self.below}; * hides a count that would give one away."
        )
