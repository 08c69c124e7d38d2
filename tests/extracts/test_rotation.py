"""Key rotation gives the lake that the new key would have given, without the sources."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from orchestration.extracts import (
    ExtractError,
    KeyRefused,
    Pseudonymiser,
    SourceProfile,
    load_profile,
    require_key_of,
    rotate_key,
)

from .conftest import IDENTIFIERS, Night

NEW_KEY = bytes(range(100, 132))
FILES = {
    "marrow_assessments__csv": (
        "patient_id,sampled_on,blast_percent\nHOSP-0001,2018-01-01,5\nHOSP-0002,,6\nHOSP-0002,2018-01-03,7\nbroken\n"
    ),
    "adverse_events__csv": (
        "patient_id,event_id,parent_event_id,term,started_on\n"
        "HOSP-0001,E1,,CRS,2018-01-02\nHOSP-0001,E2,E1,fever,2018-01-02\n,E3,E1,fever,2018-01-03\n"
    ),
}


def _content(night: Night) -> dict[str, list[dict[str, object]]]:
    plan = night.lake.write_plan(night.pseudonymiser.key_id)
    files = {path for feed in plan.feeds.values() for path in feed.files} | set(plan.rejected)
    return {path: pq.read_table(night.lake.root / path).to_pylist() for path in sorted(files)}


@pytest.mark.parametrize("date_shift_days", [0, 50])
def test_a_rotated_lake_is_the_lake_of_the_new_key(
    make_night: Callable[[str, SourceProfile], Night], date_shift_days: int
) -> None:
    profile = load_profile("canonical").model_copy(update={"date_shift_days": date_shift_days})
    rotated, direct = make_night("rotated", profile), make_night("direct", profile)
    direct.pseudonymiser = Pseudonymiser(NEW_KEY)
    for night in (rotated, direct):
        night.deliver(**FILES)
        night.ingest_all()
    shutil.rmtree(rotated.folder)
    before = rotated.pseudonymiser
    assert rotate_key(rotated.lake, before, Pseudonymiser(NEW_KEY)) == 4
    assert rotate_key(rotated.lake, before, Pseudonymiser(NEW_KEY)) == 0
    rotated.pseudonymiser = Pseudonymiser(NEW_KEY)
    assert _content(rotated) == _content(direct)
    everything = rotated.lake_bytes()
    assert before.patient_key("HOSP-0001").encode() not in everything
    assert not [each for each in IDENTIFIERS if each.encode() in everything]
    rotated.deliver(**FILES)
    again = rotated.ingest_all()
    assert all(each.already_in_lake for result in again.values() for each in result.files)


def test_the_wrong_old_key_changes_nothing(night: Night) -> None:
    night.deliver(**FILES)
    night.ingest_all()
    before = night.lake_bytes()
    assert rotate_key(night.lake, Pseudonymiser(NEW_KEY), Pseudonymiser(bytes(32))) == 0
    (vault, *_) = sorted((night.lake.root / "vault").rglob("*.sealed"))
    sealed = vault.read_bytes()
    vault.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(KeyRefused, match="not the one that sealed"):
        rotate_key(night.lake, night.pseudonymiser, Pseudonymiser(NEW_KEY))
    vault.unlink()
    with pytest.raises(ExtractError, match="has no sealed ids"):
        rotate_key(night.lake, night.pseudonymiser, Pseudonymiser(NEW_KEY))
    vault.write_bytes(sealed)
    assert night.lake_bytes() == before


def test_a_lake_belongs_to_the_keys_of_its_files(night: Night) -> None:
    own, other = night.pseudonymiser, Pseudonymiser(NEW_KEY)
    require_key_of(night.lake, other)
    night.deliver(**FILES)
    night.ingest_all()
    require_key_of(night.lake, own)
    require_key_of(night.lake, other, own)
    with pytest.raises(KeyRefused, match=f"is the key {other.key_id}.*under the key {own.key_id}\\. Nothing"):
        require_key_of(night.lake, other)
    night.pseudonymiser = other
    night.ingest_all()
    for key, foreign in ((own, other), (other, own)):
        with pytest.raises(KeyRefused, match=f"under the key {foreign.key_id} .*if a rotation was interrupted"):
            require_key_of(night.lake, key)
