"""The reference extract as it would have arrived night by night, as deltas from the hospital's first patient on.

Rows arrive when they have happened; stays and events arrive open and are closed later; some lab values are corrected
the next night; some vital signs, entered by mistake, are deleted again. After the last night everything stands as in
the reference extract.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from synthetic_emr.contract import ENDED, FEEDS, HAPPENED, KEYS, Extract, Row, without_unusable_rows
from synthetic_emr.course import stream
from synthetic_emr.files import SyntheticExtractError, sort_rows, write_extract
from synthetic_emr.reference import REFERENCE_DATE, REFERENCE_SEED, build_reference_extract

_FIRST_NIGHT = date(2015, 8, 1)
# A patient's history is entered when the patient is referred, this many days before the infusion.
_REFERRAL_DAYS = 45
_SHARE_CORRECTED = 0.01
_SHARE_DELETED = 0.005


def nightly_extracts(nights: int, *, seed: int = REFERENCE_SEED) -> list[tuple[date, Extract]]:
    """What each of the nights brings: the first one all feeds, later ones only feeds with new, changed or deleted rows.

    Args:
        nights: 2 or more, spread evenly from 2015-08-01 to 2018-07-30 (1095 gives every night).
        seed: of the reference extract and of the corrections.

    Raises:
        SyntheticExtractError: fewer nights than 2 or more than there are days.
    """
    days = (REFERENCE_DATE - _FIRST_NIGHT).days
    if not 2 <= nights <= days + 1:
        raise SyntheticExtractError(f"nights must be 2 to {days + 1}, not {nights}")
    dates = [_FIRST_NIGHT + timedelta(days=round(night * days / (nights - 1))) for night in range(nights)]
    reference = without_unusable_rows(build_reference_extract(seed=seed))
    arrivals: list[Extract] = [{} for _ in dates]
    for feed in FEEDS:
        arrivals[0][feed] = []
        for night, row in _arrivals(feed, reference, dates, seed):
            arrivals[night].setdefault(feed, []).append(row)
    for extract in arrivals:
        sort_rows(extract, KEYS)
    return list(zip(dates, arrivals, strict=True))


def write_nightly_history(out_dir: Path, *, nights: int = 30, seed: int = REFERENCE_SEED) -> list[Path]:
    """Write one extract folder per night that brings something.

    The first is a snapshot if somebody has been infused by then; the others are deltas, and so is a first one without
    an infusion: a snapshot of no infusions says that all were deleted, which no refresh believes.

    Args:
        out_dir: the folder of extracts, made if it is missing.
        nights: see `nightly_extracts`.
        seed: see `nightly_extracts`.

    Returns:
        The extract folders in order of their dates.

    Raises:
        SyntheticExtractError: see `nightly_extracts`.
    """
    return [
        write_extract(out_dir / on.isoformat(), extract, on, mode=_mode(place, extract))
        for place, (on, extract) in enumerate(nightly_extracts(nights, seed=seed))
        if extract
    ]


def _mode(place: int, extract: Extract) -> str:
    return "snapshot" if place == 0 and extract["cart_infusions"] else "delta"


def _arrivals(feed: str, reference: Extract, dates: Sequence[date], seed: int) -> Iterator[tuple[int, Row]]:
    """Every version of every row of a feed with the number of the night that brings it."""
    referred = _referrals(reference)
    chance = stream(seed, "nightly", feed)
    last = len(dates) - 1

    def night_of(row: Row, column: str) -> int:
        happened = date.fromisoformat(row[column][:10]) if column in row else date.min
        return bisect_left(dates, max(happened, referred[row["patient_id"]]), hi=last)

    for row in reference[feed]:
        arrives = night_of(row, HAPPENED.get(feed, ""))
        ended = ENDED.get(feed, "")
        closes = night_of(row, ended) if row.get(ended) else arrives
        if closes > arrives:
            yield arrives, row | {ended: ""}
            yield closes, row
            continue
        share = chance.random()
        if arrives < last and feed == "lab_results" and share < _SHARE_CORRECTED:
            yield arrives, row | {"value": "1"}
            yield arrives + 1, row
            continue
        if arrives < last and feed == "vital_signs" and share < _SHARE_DELETED:
            mistaken = row | {"measured_at": f"{row['measured_at'][:10]}T03:33", "value": "99"}
            yield arrives, mistaken
            yield arrives + 1, {column: mistaken[column] for column in KEYS[feed]} | {"deleted": "true"}
        yield arrives, row


def _referrals(reference: Extract) -> dict[str, date]:
    firsts = [row for row in reference["cart_infusions"] if (row["course"], row["fraction"]) == ("1", "1")]
    return {
        row["patient_id"]: date.fromisoformat(row["infused_at"][:10]) - timedelta(days=_REFERRAL_DAYS) for row in firsts
    }
