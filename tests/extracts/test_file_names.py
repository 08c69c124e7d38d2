"""Names of files as evidence: they tell one file of a feed from another, and name nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.extracts import SourceProfile, load_profile
from orchestration.extracts.profiles import name_parts
from orchestration.extracts.shaping import FileLoad

from .conftest import PATIENTS, Night

NUMBERED = "patient_id,name,phone\n" + "".join(f"{n:04d},,\n" for n in range(1, 40))
LABS = "patient_id,collected_at,loinc,value\n"
PER_PATIENT = """
name: per_patient
tables:
  - {feed: patients, files: [patients]}
  - {feed: cart_infusions, files: [cart_infusions]}
  - {feed: lab_results, files: ["labs *", "HOSP-<number>", "lab-<number>"]}
"""

MakeNight = Callable[[str, SourceProfile], Night]


@pytest.fixture
def per_patient(tmp_path: Path) -> SourceProfile:
    path = tmp_path / "per_patient.yml"
    path.write_text(PER_PATIENT, encoding="utf-8")
    return load_profile(path)


def _lab_files(night: Night, *names: str) -> list[str]:
    """Delivers one lab row in each file; returns the names under which the lake holds them."""
    for number, name in enumerate(names, 1):
        night.write("2018-07-30", name, LABS + f"HOSP-0001,2018-01-0{number},6690-2,3\n")
    night.deliver()
    return [file.file for file in night.ingest_all()["lab_results"].files]


def test_the_part_numbers_of_a_split_feed_are_not_patients(night: Night) -> None:
    night.write("2018-07-30", "lab_results-0001.csv", LABS + "0001,2018-01-01,6690-2,3\n")
    night.write("2018-07-30", "lab_results-0002.csv", LABS + "0002,2018-01-01,6690-2,4\n")
    night.deliver(patients__csv=NUMBERED, cart_infusions__csv="patient_id,infusion_id\n0001,I1\n0002,I2\n")
    night.ingest_all()
    rows = night.lake_rows("lab_results")
    assert [(row["source_file"], row["source_row"]) for row in rows] == [
        ("lab_results-0001.csv", 1),
        ("lab_results-0002.csv", 1),
    ]


def test_files_of_one_patient_each_are_told_apart_without_their_names(
    make_night: MakeNight, per_patient: SourceProfile
) -> None:
    night = make_night("first", per_patient)
    names = _lab_files(night, "labs 张晓明.csv", "labs 13800138001.csv", "labs a.csv")
    assert len(set(names)) == 3
    assert names[1] == "labs a.csv"
    assert [name.startswith("labs masked-") for name in names] == [True, False, True]
    assert {row["source_file"] for row in night.lake_rows("lab_results")} == set(names)
    words = night.lake_words().decode(errors="replace")
    assert "张晓明" not in words
    assert "13800138001" not in words


def test_a_masked_name_depends_on_name_and_key_alone(make_night: MakeNight, per_patient: SourceProfile) -> None:
    (alone,) = _lab_files(make_night("alone", per_patient), "labs 张晓明.csv")
    assert alone in _lab_files(make_night("beside", per_patient), "labs 13800138001.csv", "labs 张晓明.csv")
    other = make_night("other", per_patient)
    other.pseudonymiser = type(other.pseudonymiser)(bytes(range(1, 33)))
    assert _lab_files(other, "labs 张晓明.csv") != [alone]


@pytest.mark.parametrize(("number", "kept"), [("1234", True), ("12345", False)])
def test_a_number_too_long_for_a_part_is_looked_at(night: Night, number: str, kept: bool) -> None:
    night.write("2018-07-30", f"lab_results-{number}.csv", LABS + f"{number},2018-01-01,6690-2,3\n")
    night.deliver(patients__csv=PATIENTS + f"{number},F,1990-01-01,,,,\n")
    (file,) = night.ingest_all()["lab_results"].files
    assert (file.file == f"lab_results-{number}.csv") is kept
    assert (number.encode() in night.lake_words()) is kept


def test_an_identifier_across_word_and_number_is_masked(make_night: MakeNight, per_patient: SourceProfile) -> None:
    own, other = _lab_files(make_night("night", per_patient), "HOSP-0001.csv", "HOSP-0007.csv")
    assert own.startswith("masked-")
    assert other == "HOSP-0007.csv"


@pytest.mark.parametrize(
    ("stem", "own"),
    [
        ("labs 7", [("labs ", True), ("7", False), ("", True)]),
        ("labs ", [("labs ", True), ("", True), ("", True)]),
        ("labs *", [("labs ", True), ("*", True), ("", True)]),
        ("lab-0007", [("lab-", True), ("0007", True), ("", True)]),
        ("lab-00007", [("lab-", True), ("00007", False), ("", True)]),
        ("lab", []),
    ],
)
def test_the_parts_of_a_name(stem: str, own: list[tuple[str, bool]]) -> None:
    assert [part[:2] for part in name_parts(["labs *", "lab-<number>"], stem)] == own


def test_files_that_an_earlier_version_gave_one_name_are_read_again(
    make_night: MakeNight, per_patient: SourceProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = make_night("night", per_patient)
    files = ("labs 张晓明.csv", "labs 13800138001.csv")
    with monkeypatch.context() as earlier:
        earlier.setattr(FileLoad, "stem", property(lambda _: "labs masked"))
        assert _lab_files(night, *files) == ["labs masked.csv"] * 2
    first, second = (_lab_files(night, *files) for _ in range(2))
    assert len(set(first)) == 2
    assert second == first
    assert [file.already_in_lake for file in night.ingest("lab_results").files] == [True, True]
    rows = night.lake_rows("lab_results")
    assert sorted(row["source_file"] for row in rows) == sorted(first)


def test_a_masked_name_of_an_earlier_version_that_is_alone_stays(
    make_night: MakeNight, per_patient: SourceProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = make_night("night", per_patient)
    with monkeypatch.context() as earlier:
        earlier.setattr(FileLoad, "stem", property(lambda _: "labs masked"))
        _lab_files(night, "labs 张晓明.csv")
    assert _lab_files(night, "labs 张晓明.csv") == ["labs masked.csv"]
