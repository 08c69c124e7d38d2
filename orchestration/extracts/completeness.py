"""From delivery to delivery: feeds that shrink, feeds that stop coming, and how many rows are rejected each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from orchestration.extracts.feeds import FEEDS
from orchestration.extracts.lake import Lake, LedgerRow


@dataclass(frozen=True)
class DeliveredFeed:
    """One feed in one extract, all its files together."""

    extract: str
    mode: str
    rows: int
    rejected: int


@dataclass(frozen=True)
class FeedHistory:
    """A feed of one source system from extract to extract, oldest first."""

    feed: str
    source_system: str
    deliveries: tuple[DeliveredFeed, ...]
    system_extracts: tuple[str, ...]

    @property
    def shrunk_by(self) -> float:
        """Share of its rows that the newest snapshot lost against the one before; 0 where it grew or stands alone."""
        snapshots = [each.rows for each in self.deliveries if each.mode == "snapshot"][-2:]
        if len(snapshots) < 2 or not snapshots[0]:
            return 0.0
        return max(0.0, 1 - snapshots[1] / snapshots[0])

    @property
    def missing_since(self) -> str | None:
        """The first extract of its system without the feed after it had come; None while it still comes."""
        if not self.deliveries:
            return None
        later = [extract for extract in self.system_extracts if extract > self.deliveries[-1].extract]
        return later[0] if later else None


def feed_histories(lake: Lake, key_id: str | None = None) -> tuple[FeedHistory, ...]:
    """The history of every feed of every source system that has delivered anything, in contract order.

    Deltas hold what changed: a feed that one of them lacks may just not have changed; judge `missing_since` by mode.
    """
    rows = lake.current_rows(key_id)
    histories = []
    for system in sorted({row.source_system for row in rows}):
        own = [row for row in rows if row.source_system == system]
        extracts = tuple(sorted({row.extract for row in own}))
        for feed in FEEDS:
            deliveries = _deliveries([row for row in own if row.feed == feed])
            histories.append(FeedHistory(feed, system, deliveries, extracts))
    return tuple(histories)


def _deliveries(rows: Sequence[LedgerRow]) -> tuple[DeliveredFeed, ...]:
    by_extract = groupby(sorted(rows, key=lambda row: row.extract), key=lambda row: row.extract)
    return tuple(_delivered(extract, list(own)) for extract, own in by_extract)


def _delivered(extract: str, rows: Sequence[LedgerRow]) -> DeliveredFeed:
    return DeliveredFeed(extract, rows[0].mode, sum(row.rows for row in rows), sum(row.rejected for row in rows))
