"""A figure of the benchmarks: one JSON line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from benchmarks.measure import Pair, median_cpu, median_seconds, peak_mb

LIMIT = "limit"
"""The peer's name where the figure stands beside a fixed limit, which a slow machine does not move with us."""


@dataclass(frozen=True)
class Figure:
    """One line of `make bench`.

    Attributes:
        name: what was measured, with its size.
        unit: unit of `ours` and `peer`.
        ours: this project's figure; None where it could not be measured, `note` says why.
        peer: the peer's.
        peer_name: who the peer is.
        goal: the largest ratio that meets the goal.
        peak_mb: our peak memory.
        note: what a reader must know.
        extra: further figures: processor seconds, the peer's peak.
        guarded: False where a move of the ratio says nothing, as that of a rounding difference.
    """

    name: str
    unit: str
    ours: float | None
    peer: float | None
    peer_name: str
    goal: float
    peak_mb: float | None = None
    note: str = ""
    extra: dict[str, float] = field(default_factory=dict)
    guarded: bool = True

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's; None where either is missing."""
        return None if self.ours is None or not self.peer else self.ours / self.peer

    @property
    def meets_goal(self) -> bool | None:
        """True where the ratio is at most the goal."""
        return None if self.ratio is None else self.ratio <= self.goal

    def as_json(self) -> str:
        """The line."""
        line: dict[str, object] = {
            "name": self.name,
            "unit": self.unit,
            "ours": _rounded(self.ours),
            "peer": _rounded(self.peer),
            "peer_name": self.peer_name,
            "ratio": _rounded(self.ratio),
            "goal": self.goal,
            "meets_goal": self.meets_goal,
            "peak_mb": None if self.peak_mb is None else round(self.peak_mb),
            **{name: _rounded(value) for name, value in self.extra.items()},
        }
        if self.note:
            line["note"] = self.note
        return json.dumps(line, ensure_ascii=False)


def figure_of(name: str, pair: Pair, peer_name: str, goal: float, note: str = "") -> Figure:
    """Return the figure of medians of wall time, with processor seconds beside it.

    On a machine that others use too, processor seconds are the steadier figure.
    """
    return Figure(
        name=name,
        unit="s",
        ours=median_seconds(pair.ours),
        peer=median_seconds(pair.peer),
        peer_name=peer_name,
        goal=goal,
        peak_mb=peak_mb(pair.ours),
        note=note,
        extra={
            "ours_cpu": median_cpu(pair.ours),
            "peer_cpu": median_cpu(pair.peer),
            "cpu_ratio": median_cpu(pair.ours) / max(median_cpu(pair.peer), 1e-9),
            "peer_peak_mb": peak_mb(pair.peer),
        },
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
