"""The regression guard: ratios of this run beside the committed ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import LIMIT, Figure

COMMITTED = Path(__file__).with_name("committed_ratios.json")
# A shared machine moves a ratio by a tenth or two from run to run; beyond a quarter it is news.
NEWS_FACTOR = 1.25
# Of a fixed limit: a query of 12 ms takes 30 on a slower machine, and its limit is a second.
NEWS_OF_LIMIT = 0.1


@dataclass(frozen=True)
class Move:
    """A ratio that moved.

    Attributes:
        name: of the figure.
        before: committed ratio.
        now: this run's.
    """

    name: str
    before: float
    now: float

    @property
    def worse(self) -> bool:
        """True where the ratio grew."""
        return self.now > self.before

    def sentence(self) -> str:
        """What to tell."""
        return f"{'worse' if self.worse else 'better'}: {self.name}: {self.before:.3g} -> {self.now:.3g}"


def guarded_ratio(figure: Figure) -> float | None:
    """Return the ratio that is kept: of processor time where it was measured, which load on the machine moves least."""
    if not figure.guarded:
        return None
    return figure.extra.get("cpu_ratio", figure.ratio)


def moved(figures: Iterable[Figure], committed: Mapping[str, float]) -> list[Move]:
    """Return the figures whose ratio moved by more than a quarter; new figures and unmeasured ones are no news.

    Beside a fixed limit it must have moved by more than a tenth of that limit too.
    """
    moves: list[Move] = []
    for figure in figures:
        now, before = guarded_ratio(figure), committed.get(figure.name)
        if now is None or before is None:
            continue
        if figure.peer_name == LIMIT and abs(now - before) <= NEWS_OF_LIMIT:
            continue
        if now > before * NEWS_FACTOR or now < before / NEWS_FACTOR:
            moves.append(Move(figure.name, before, now))
    return moves


def read_committed(path: Path = COMMITTED) -> dict[str, float]:
    """Return the committed ratios by figure; none where the file is missing."""
    if not path.exists():
        return {}
    ratios: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return ratios


def accept(figures: Sequence[Figure], path: Path = COMMITTED) -> None:
    """Write this run's ratios over the committed ones; figures that this run did not measure keep theirs."""
    ratios = read_committed(path)
    for figure in figures:
        ratio = guarded_ratio(figure)
        if ratio is not None:
            ratios[figure.name] = float(f"{ratio:.4g}")
    path.write_text(json.dumps(ratios, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
