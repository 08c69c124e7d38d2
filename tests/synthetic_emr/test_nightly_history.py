"""Night by night: applying the deltas to the first snapshot ends at the reference extract."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from orchestration.extracts import ExtractFolder, check_delivery, load_profile
from synthetic_emr import SyntheticExtractError, build_reference_extract, write_nightly_history
from synthetic_emr.contract import FEEDS, HAPPENED, KEYS
from tests.synthetic_emr.derivation import manifest, read_feeds

State = dict[str, dict[tuple[str, ...], dict[str, str]]]


def state_after(folders: list[Path]) -> tuple[State, int, int]:
    """Apply the extracts in order; also how many rows were replaced and how many deleted."""
    state: State = {feed: {} for feed in FEEDS}
    replaced = deleted = 0
    for folder in folders:
        for feed, frame in read_feeds(folder).items():
            for row in frame.to_dict("records"):
                key = tuple(row[column] for column in KEYS[feed])
                if row.pop("deleted", "") == "true":
                    del state[feed][key]
                    deleted += 1
                else:
                    replaced += key in state[feed]
                    state[feed][key] = row
    return state, replaced, deleted


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_nightly_history(tmp_path_factory.mktemp("nights"), nights=40)


@pytest.mark.slow
def test_the_last_night_stands_as_the_reference_extract(folders: list[Path]) -> None:
    state, replaced, deleted = state_after(folders)
    reference = build_reference_extract()
    known = {row["patient_id"] for row in reference["patients"]}
    for feed, rows in reference.items():
        usable = [row for row in rows if row["patient_id"] in known and all(row[column] for column in KEYS[feed])]
        expected = {
            tuple(row[column] for column in KEYS[feed]): {c: row.get(c, "") for c in FEEDS[feed]} for row in usable
        }
        assert state[feed] == expected, feed
    assert replaced > 50
    assert deleted > 10


def test_every_night_is_one_that_a_refresh_takes_in(folders: list[Path]) -> None:
    """The first night knows a referred patient and no infusion yet: as a snapshot it would be refused."""
    profile = load_profile("canonical")
    for folder in folders:
        delivery = check_delivery(ExtractFolder(date.fromisoformat(folder.name), folder), profile)
        assert delivery.mode == "delta"


def test_nothing_arrives_before_it_happened(folders: list[Path]) -> None:
    assert folders[-1].name == "2018-07-30"
    assert set(read_feeds(folders[0])) == set(FEEDS)
    for folder in folders:
        assert manifest(folder)["extract_date"] == folder.name
        for feed, frame in read_feeds(folder).items():
            if feed in HAPPENED:
                assert (frame[HAPPENED[feed]].str[:10] <= folder.name).all(), (folder.name, feed)


def test_stays_arrive_open_and_are_closed_later(folders: list[Path]) -> None:
    versions: dict[str, list[str]] = {}
    for folder in folders:
        for row in read_feeds(folder).get("encounters", read_feeds(folders[0])["encounters"][:0]).to_dict("records"):
            versions.setdefault(row["encounter_id"], []).append(row["discharged_at"])
    reopened = [ends for ends in versions.values() if len(ends) == 2]
    assert len(reopened) > 10
    assert all(first == "" and second != "" for first, second in reopened)


def test_every_night_of_three_years_can_be_written(tmp_path: Path) -> None:
    folders = write_nightly_history(tmp_path, nights=1095)
    assert len(folders) > 800
    assert date.fromisoformat(folders[0].name) == date(2015, 8, 1)


@pytest.mark.parametrize("nights", [1, 1096])
def test_impossible_numbers_of_nights_are_refused(tmp_path: Path, nights: int) -> None:
    with pytest.raises(SyntheticExtractError, match=f"nights must be 2 to 1095, not {nights}"):
        write_nightly_history(tmp_path, nights=nights)
