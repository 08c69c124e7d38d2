"""Manifests, completeness, snapshots and deltas: the plan depends on the set of extracts alone."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.extracts import ExtractRefused, SourceProfile, load_profile

from .conftest import INFUSIONS, PATIENTS, Night

MARROW = "patient_id,sampled_on,blast_percent,deleted\n"


def _refusal(night: Night) -> str:
    with pytest.raises(ExtractRefused) as refusal:
        night.check()
    message = str(refusal.value)
    assert message.startswith("extract 2018-07-30 refused: ")
    assert "\n" not in message
    return message


def test_a_complete_delivery_passes(night: Night) -> None:
    night.deliver()
    night.manifest("2018-07-30", {"patients.csv": ("patients", 2), "cart_infusions.csv": ("cart_infusions", 2)})
    delivery = night.check()
    assert (delivery.mode, delivery.source_system) == ("snapshot", "his")
    assert list(delivery.files) == ["patients", "cart_infusions"]


def test_a_wrong_row_count_names_file_and_both_figures(night: Night) -> None:
    night.deliver()
    night.manifest("2018-07-30", {"patients.csv": ("patients", 39)})
    message = _refusal(night)
    assert "patients.csv has 2 rows, the manifest says 39" in message


def test_a_wrong_digest_names_file_and_both_figures(night: Night) -> None:
    night.deliver()
    night.manifest("2018-07-30", {"patients.csv": ("patients", 2)})
    night.write("2018-07-30", "patients.csv", PATIENTS.replace("1990", "1991"))
    message = _refusal(night)
    assert "patients.csv has SHA-256 " in message
    assert len([word for word in message.replace(";", " ").split() if len(word) == 64]) == 2


def test_a_listed_file_that_is_not_there_is_named(night: Night) -> None:
    night.deliver()
    night.write("2018-07-30", "lab_results.csv", "patient_id,collected_at,loinc\n")
    night.manifest("2018-07-30", {"lab_results.csv": ("lab_results", 7)})
    (night.folder / "2018-07-30" / "lab_results.csv").unlink()
    assert "lab_results.csv is listed in manifest.json with 7 rows but isn't there" in _refusal(night)


@pytest.mark.parametrize("path", ["../patients.csv", "/etc/passwd", "sub/patients.csv", "..\\patients.csv", "..", ""])
def test_paths_out_of_the_folder_are_refused(night: Night, path: str) -> None:
    night.deliver()
    entry = {"feed": "patients", "path": path, "rows": 2, "sha256": "0" * 64}
    night.write("2018-07-30", "manifest.json", json.dumps({"files": [entry]}))
    assert "outside the extract's folder" in _refusal(night)


@pytest.mark.parametrize("path", ["patients.csv\0", "a" * 5_000, "\u202epatients.csv", "patients\r\n.csv", "医" * 100])
def test_a_path_that_is_no_file_name_is_refused_without_being_printed(night: Night, path: str) -> None:
    night.deliver()
    entry = {"feed": "patients", "path": path, "rows": 2, "sha256": "0" * 64}
    night.write("2018-07-30", "manifest.json", json.dumps({"files": [entry]}))
    message = _refusal(night)
    assert "can't be a file's name" in message
    assert path not in message


@pytest.mark.parametrize("path", ["C:patients.csv", "PATIENTS.CSV", "{{ 7 * 7 }}.csv", "'; drop table x; --.csv"])
def test_an_odd_name_that_is_not_there_is_told(night: Night, path: str) -> None:
    night.deliver()
    entry = {"feed": "patients", "path": path, "rows": 2, "sha256": "0" * 64}
    night.write("2018-07-30", "manifest.json", json.dumps({"files": [entry]}))
    assert f"{path} is listed in manifest.json with 2 rows but isn't there" in _refusal(night)


def test_a_link_out_of_the_folder_is_refused(night: Night, tmp_path: Path) -> None:
    night.deliver()
    (tmp_path / "elsewhere.csv").write_text("patient_id,collected_at,loinc\n")
    (night.folder / "2018-07-30" / "lab_results.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert "lab_results.csv is a link" in _refusal(night)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not readable JSON"),
        ("[" * 100_000, "not readable JSON"),
        ("[]", "the whole"),
        ('{"files": [null]}', "files.0"),
        ('{"mode": "full"}', "mode"),
        ('{"extract_date": "2018-07-29"}', "extract_date 2018-07-29"),
        ('{"files": [{"feed": "patients", "path": "patients.csv", "rows": -1, "sha256": "00"}]}', "files.0.rows"),
        (
            '{"files": [{"feed": "patient", "path": "patients.csv", "rows": 2, "sha256": "%s"}]}' % ("0" * 64),
            "'patients'",
        ),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(night: Night, content: str, said: str) -> None:
    night.deliver()
    night.write("2018-07-30", "manifest.json", content)
    assert said in _refusal(night)


def test_required_feeds_are_required_of_snapshots_alone(night: Night) -> None:
    night.deliver()
    (night.folder / "2018-07-30" / "cart_infusions.csv").rename(night.folder / "2018-07-30" / "cart_infusion.csv")
    assert "required feed cart_infusions (a file of a similar name is there" in _refusal(night)
    night.manifest("2018-07-30", {}, mode="delta")
    assert night.check().mode == "delta"


def test_one_feed_in_two_formats_is_refused(night: Night) -> None:
    night.deliver(
        lab_results__csv="patient_id,collected_at,loinc\n", lab_results__tsv="patient_id\tcollected_at\tloinc\n"
    )
    assert "feed lab_results comes as .csv and .tsv" in _refusal(night)


def _deliver_history(night: Night) -> list[str]:
    """A snapshot, two deltas, and an older snapshot that arrives whenever."""
    for day, mode, rows in (
        ("2018-07-01", "snapshot", "HOSP-0001,2018-01-01,90,\nHOSP-0001,2018-01-15,80,\n"),
        ("2018-07-10", "snapshot", "HOSP-0001,2018-01-01,91,\nHOSP-0001,2018-01-15,80,\n"),
        ("2018-07-11", "delta", "HOSP-0001,2018-01-15,1,\nHOSP-0002,2018-01-20,2,\n"),
        ("2018-07-12", "delta", "HOSP-0001,2018-01-01,,true\n"),
    ):
        night.deliver(day, marrow_assessments__csv=MARROW + rows)
        night.manifest(day, {}, mode=mode)
    return ["2018-07-01", "2018-07-10", "2018-07-11", "2018-07-12"]


def test_the_plan_is_the_same_in_any_order_of_arrival(
    make_night: Callable[[str, SourceProfile], Night],
) -> None:
    plans = set()
    for number, order in enumerate([*itertools.permutations(range(4))][::5]):
        night = make_night(str(number), load_profile("canonical"))
        days = _deliver_history(night)
        for at in (*order, order[0]):
            night.ingest("marrow_assessments", days[at])
        plans.add(night.lake.write_plan().as_json())
    (plan,) = plans
    feed = json.loads(plan)["feeds"]["marrow_assessments"]
    assert [path.split("/")[2] for path in feed["files"]] == ["2018-07-10", "2018-07-11", "2018-07-12"]
    assert feed["deduplicate"] is True


def test_two_source_systems_keep_their_own_snapshots(night: Night) -> None:
    for day, system in (("2018-07-01", "his"), ("2018-07-02", "lis")):
        night.deliver(day, marrow_assessments__csv=MARROW + "HOSP-0001,2018-01-01,90,\n")
        night.manifest(day, {}, source_system=system)
        night.ingest("marrow_assessments", day)
    assert len(night.lake.write_plan().feeds["marrow_assessments"].files) == 2


MARROW_ROW = "HOSP-0001,2018-01-01,90,\n"


@pytest.mark.parametrize(
    ("snapshot", "delta", "repeats"),
    [(MARROW_ROW, MARROW_ROW, False), (MARROW_ROW * 2, MARROW_ROW, True), (MARROW_ROW, MARROW_ROW * 2, False)],
)
def test_the_plan_says_when_the_oldest_extract_repeats_a_key(
    night: Night, snapshot: str, delta: str, *, repeats: bool
) -> None:
    """Keys of later extracts are looked up anyway; a repetition within the oldest must be looked for."""
    for day, mode, rows in (("2018-07-01", "snapshot", snapshot), ("2018-07-02", "delta", delta)):
        night.deliver(day, marrow_assessments__csv=MARROW + rows)
        night.manifest(day, {}, mode=mode)
        night.ingest("marrow_assessments", day)
    feed = night.lake.write_plan().feeds["marrow_assessments"]
    assert (feed.deduplicate, feed.repeats_in_oldest) == (True, repeats)


@pytest.mark.parametrize("named", [["2018-07-01"], ["2018-07-02"]])
def test_a_snapshot_without_manifest_replaces_that_of_the_only_named_system(night: Night, named: list[str]) -> None:
    for day in ("2018-07-01", "2018-07-02"):
        night.deliver(day, marrow_assessments__csv=MARROW + "HOSP-0001,2018-01-01,90,\n")
        if day in named:
            night.manifest(day, {})
        night.ingest("marrow_assessments", day)
    (file,) = night.lake.write_plan().feeds["marrow_assessments"].files
    assert file.split("/")[2] == "2018-07-02"


def test_a_snapshot_without_manifest_replaces_nothing_where_two_systems_are_named(night: Night) -> None:
    for day, system in (("2018-07-01", "his"), ("2018-07-02", "lis"), ("2018-07-03", None)):
        night.deliver(day, marrow_assessments__csv=MARROW + "HOSP-0001,2018-01-01,90,\n")
        if system:
            night.manifest(day, {}, source_system=system)
        night.ingest("marrow_assessments", day)
    assert len(night.lake.write_plan().feeds["marrow_assessments"].files) == 3


def test_files_of_no_feed_are_reported(night: Night) -> None:
    night.deliver(lab_result__csv="patient_id\n", readme__txt="hello")
    assert night.check().unknown == ("lab_result.csv", "readme.txt")


def test_another_key_starts_its_own_plan(night: Night) -> None:
    night.deliver()
    night.ingest_all()
    first = night.lake.write_plan()
    night.pseudonymiser = type(night.pseudonymiser)(bytes(range(1, 33)))
    night.ingest_all()
    second = night.lake.write_plan()
    assert len(second.feeds["patients"].files) == 1
    assert set(first.feeds["patients"].files).isdisjoint(second.feeds["patients"].files)


def test_lone_files_of_a_redelivered_feed_leave_the_plan(night: Night) -> None:
    night.deliver()
    night.write("2018-07-30", "cart_infusions.csv", INFUSIONS.splitlines()[0] + "\n")
    night.write("2018-07-30", "cart_infusions-2.csv", INFUSIONS)
    night.ingest("cart_infusions")
    assert len(night.lake_rows("cart_infusions")) == 2
    (night.folder / "2018-07-30" / "cart_infusions-2.csv").unlink()
    night.ingest("cart_infusions")
    assert night.lake_rows("cart_infusions") == []
