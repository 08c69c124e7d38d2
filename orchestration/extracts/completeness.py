"""From delivery to delivery: feeds that shrink, feeds that stop coming, and how many rows are rejected each time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

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
    """A feed of one source system from extract to extract, oldest first.

    `system_extracts` are the extracts of the system with any feed at all, each with its mode.
    """

    feed: str
    source_system: str
    deliveries: tuple[DeliveredFeed, ...]
    system_extracts: tuple[tuple[str, str], ...]

    @property
    def snapshots(self) -> tuple[DeliveredFeed, ...]:
        """The feed's snapshots; deltas hold what changed and say nothing of the feed's size."""
        return tuple(each for each in self.deliveries if each.mode == "snapshot")

    @property
    def shrunk_by(self) -> float | None:
        """Share of its rows that the newest snapshot lost against the one before (0: none lost); None without two."""
        if len(self.snapshots) < 2 or not self.snapshots[-2].rows:
            return None
        before, now = self.snapshots[-2:]
        return max(0.0, 1 - now.rows / before.rows)

    @property
    def missing_since(self) -> str | None:
        """The first extract of its system without the feed after it had come; None while it still comes."""
        return next((extract for extract, _ in self._extracts_since), None)

    @property
    def snapshots_missed(self) -> int:
        """Snapshots of its system without the feed since it came last; the staging then reads its last rows."""
        return sum(mode == "snapshot" for _, mode in self._extracts_since)

    @property
    def quiet_days(self) -> int:
        """Days from the feed's last delivery to the newest delta of its system; 0 where that one holds it.

        A delta that lacks the feed may just mean that nothing changed: how many days are too many depends on the feed.
        """
        deltas = [extract for extract, mode in self._extracts_since if mode == "delta"]
        if not deltas:
            return 0
        return (date.fromisoformat(deltas[-1]) - date.fromisoformat(self.deliveries[-1].extract)).days

    @property
    def _extracts_since(self) -> tuple[tuple[str, str], ...]:
        if not self.deliveries:
            return ()
        return tuple(each for each in self.system_extracts if each[0] > self.deliveries[-1].extract)

    def as_record(self) -> dict[str, Any]:
        """What the checks read of a history that has deliveries, as plain values."""
        before, now = self.snapshots[-2:] if self.shrunk_by is not None else (None, None)
        return {
            "feed": self.feed,
            "source_system": self.source_system,
            "shrunk_by": self.shrunk_by,
            "extract_before": before.extract if before else None,
            "rows_before": before.rows if before else None,
            "extract_now": now.extract if now else None,
            "rows_now": now.rows if now else None,
            "last_extract": self.deliveries[-1].extract,
            "missing_since": self.missing_since,
            "snapshots_missed": self.snapshots_missed,
            "quiet_days": self.quiet_days,
        }


def feed_histories(lake: Lake, key_id: str | None = None) -> tuple[FeedHistory, ...]:
    """The history of every feed of every source system that has delivered anything, in contract order."""
    rows = lake.current_rows(key_id)
    histories = []
    for system in sorted({row.source_system for row in rows}):
        own = [row for row in rows if row.source_system == system]
        extracts = tuple(sorted({row.extract: row.mode for row in own}.items()))
        by_feed: dict[str, list[LedgerRow]] = {feed: [] for feed in FEEDS}
        for row in own:
            by_feed[row.feed].append(row)
        histories += [FeedHistory(feed, system, _deliveries(by_feed[feed]), extracts) for feed in FEEDS]
    return tuple(histories)


def history_records(histories: Iterable[FeedHistory]) -> list[dict[str, Any]]:
    """The histories of delivered feeds as the checks read them."""
    return [history.as_record() for history in histories if history.deliveries]


def _deliveries(rows: Sequence[LedgerRow]) -> tuple[DeliveredFeed, ...]:
    by_extract = groupby(sorted(rows, key=lambda row: row.extract), key=lambda row: row.extract)
    return tuple(_delivered(extract, list(own)) for extract, own in by_extract)


def _delivered(extract: str, rows: Sequence[LedgerRow]) -> DeliveredFeed:
    return DeliveredFeed(extract, rows[0].mode, sum(row.rows for row in rows), sum(row.rejected for row in rows))
