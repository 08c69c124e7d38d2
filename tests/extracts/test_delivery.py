"""Manifests, completeness, snapshots and deltas: the plan depends on the set of extracts alone."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.extracts import ExtractRefused, SourceProfile, files_left_alone, load_profile

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


@pytest.mark.parametrize("name", ["lab_results.csv", "manifest.json", "patients-0002.csv"])
@pytest.mark.parametrize("target", ["nothing.csv", "/nothing.csv", None], ids=["inside", "outside", "itself"])
def test_a_link_that_leads_nowhere_is_named(night: Night, name: str, target: str | None) -> None:
    night.deliver()
    (night.folder / "2018-07-30" / name).symlink_to(target or name)
    assert f"{name} is a link to a file that isn't there; deliver the file itself" in _refusal(night)


def test_a_link_to_a_file_beside_it_is_read(night: Night) -> None:
    night.deliver()
    night.write("2018-07-30", "labs_of_the_night.dat", "patient_id,collected_at,loinc\nHOSP-0001,2018-01-01,6690-2\n")
    (night.folder / "2018-07-30" / "lab_results.csv").symlink_to("labs_of_the_night.dat")
    assert night.ingest_all()["lab_results"].accepted == 1


def test_a_listed_link_that_leads_nowhere_is_named(night: Night) -> None:
    night.deliver()
    night.manifest("2018-07-30", {"patients.csv": ("patients", 2)})
    (night.folder / "2018-07-30" / "patients.csv").unlink()
    (night.folder / "2018-07-30" / "patients.csv").symlink_to("patients.csv")
    assert "patients.csv is a link to a file that isn't there" in _refusal(night)


def test_a_folder_called_manifest_is_no_manifest(night: Night) -> None:
    night.deliver()
    (night.folder / "2018-07-30" / "manifest.json").mkdir()
    assert "manifest.json is no file" in _refusal(night)


def test_a_listed_file_that_the_profile_does_not_read_is_refused(night: Night) -> None:
    night.deliver(labs_night__csv="patient_id,collected_at,loinc\n")
    night.manifest("2018-07-30", {"labs_night.csv": ("lab_results", 0)})
    message = _refusal(night)
    assert "labs_night.csv is listed in manifest.json for feed lab_results, but the source profile canonical" in message
    assert "name it lab_results or lab_results-<number> with an ending that is read, or take it off the list" in message


def test_a_listed_file_of_a_format_that_is_not_read_is_refused(night: Night) -> None:
    night.deliver(lab_results__dat="patient_id,collected_at,loinc\n")
    night.manifest("2018-07-30", {"lab_results.dat": ("lab_results", 0)})
    assert "lab_results.dat is listed in manifest.json for feed lab_results, but the source profile" in _refusal(night)


def test_a_file_that_is_listed_for_another_feed_is_refused(night: Night) -> None:
    night.deliver()
    night.manifest("2018-07-30", {"patients.csv": ("lab_results", 2)})
    assert (
        "patients.csv is listed in manifest.json for feed lab_results, but its name makes it a file of patients"
        in _refusal(night)
    )


@pytest.mark.parametrize("rows", [(2, 2), (7, 2), (2, 7)])
def test_a_file_that_is_listed_twice_is_refused(night: Night, rows: tuple[int, int]) -> None:
    night.deliver()
    night.manifest("2018-07-30", {"patients.csv": ("patients", 2)})
    manifest = json.loads((night.folder / "2018-07-30" / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = [manifest["files"][0] | {"rows": count} for count in rows]
    night.write("2018-07-30", "manifest.json", json.dumps(manifest))
    message = _refusal(night)
    assert f"patients.csv is listed in manifest.json twice: {rows[0]} rows, " in message
    assert f"and {rows[1]} rows, " in message


LOOKED_UP = """
name: looked_up
tables:
  - {feed: patients, files: [patients]}
  - {feed: cart_infusions, files: [cart_infusions]}
  - feed: lab_results
    files: ["chemistry *", chemistry]
    columns: {patient_id: pid, collected_at: at, loinc: code}
    lookups: {pid: {files: [visits, "visits *"], by: visit, key: number, value: pid}}
  - feed: vital_signs
    files: [chemistry]
    columns: {patient_id: visit, measured_at: at, sign: code}
"""
CHEMISTRY, VISITS = "visit,at,code\nV1,2018-01-01,6690-2\n", "number,pid\nV1,HOSP-0001\nV2,HOSP-0002\n"


@pytest.fixture
def looked_up(night: Night, tmp_path: Path) -> Night:
    """A night of a profile in which one file fills two feeds and another is only looked up."""
    (tmp_path / "looked_up.yml").write_text(LOOKED_UP, encoding="utf-8")
    night.profile = load_profile(tmp_path / "looked_up.yml")
    night.deliver(chemistry__csv=CHEMISTRY, visits__csv=VISITS)
    return night


def test_a_file_may_be_listed_once_for_each_feed_that_it_fills(looked_up: Night) -> None:
    looked_up.manifest("2018-07-30", {"chemistry.csv": ("lab_results", 1)})
    manifest = json.loads((looked_up.folder / "2018-07-30" / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"].append(manifest["files"][0] | {"feed": "vital_signs"})
    looked_up.write("2018-07-30", "manifest.json", json.dumps(manifest))
    assert looked_up.check().mode == "snapshot"
    manifest["files"][1]["rows"] = 2
    looked_up.write("2018-07-30", "manifest.json", json.dumps(manifest))
    assert "chemistry.csv is listed in manifest.json twice: 1 rows" in _refusal(looked_up)


@pytest.mark.parametrize(("rows", "agrees"), [(2, True), (1, False)])
def test_the_rows_of_a_listed_file_that_is_only_looked_up_are_counted(
    looked_up: Night, rows: int, *, agrees: bool
) -> None:
    looked_up.manifest("2018-07-30", {"visits.csv": ("lab_results", rows)})
    if agrees:
        assert looked_up.check().unknown == ()
    else:
        assert f"visits.csv has 2 rows, the manifest says {rows}" in _refusal(looked_up)


def test_a_refusal_shows_a_file_of_one_patient_by_its_pattern_and_place(looked_up: Night) -> None:
    looked_up.write("2018-07-30", "chemistry 13800138001.csv", CHEMISTRY)
    looked_up.write("2018-07-30", "chemistry 张晓明.csv", "at,code\n")
    assert "refused: chemistry *.csv (file 2 of 2 by name): its key column 'visit' is missing" in _refusal(looked_up)
    (looked_up.folder / "2018-07-30" / "chemistry 13800138001.csv").unlink()
    assert "refused: chemistry *.csv: its key column 'visit' is missing" in _refusal(looked_up)


def test_a_refusal_shows_a_listed_file_of_one_patient_by_its_pattern_and_number(looked_up: Night) -> None:
    looked_up.write("2018-07-30", "chemistry 张晓明.csv", CHEMISTRY)
    looked_up.manifest("2018-07-30", {"patients.csv": ("patients", 2), "chemistry 张晓明.csv": ("lab_results", 7)})
    assert "chemistry *.csv has 1 rows, the manifest says 7" in _refusal(looked_up)
    (looked_up.folder / "2018-07-30" / "chemistry 张晓明.csv").unlink()
    assert "chemistry *.csv, number 2 of the list, is listed in manifest.json with 7 rows" in _refusal(looked_up)


def test_a_refusal_shows_a_looked_up_file_of_one_patient_by_its_pattern(looked_up: Night) -> None:
    looked_up.write("2018-07-30", "visits 张晓明.csv", "nr,pid\n")
    with pytest.raises(ExtractRefused) as refusal:
        looked_up.ingest("lab_results")
    assert "a lookup reads column 'number' of visits *.csv, which has none" in str(refusal.value)


@pytest.mark.parametrize(("name", "shown"), [("张晓明 1234.csv", "* 1234.csv"), ("labs 12345.csv", "labs *.csv")])
def test_a_refusal_shows_no_long_number_and_no_chinese_name_of_a_file_that_no_pattern_takes(
    night: Night, name: str, shown: str
) -> None:
    night.deliver()
    entry = {"feed": "patients", "path": name, "rows": 2, "sha256": "0" * 64}
    night.write("2018-07-30", "manifest.json", json.dumps({"files": [entry]}))
    assert f"refused: {shown}, number 1 of the list, is listed in manifest.json with 2 rows but" in _refusal(night)


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


def test_files_of_no_feed_are_told_with_the_nearest_feed_and_without_identifiers(night: Night) -> None:
    names = {
        "lab_result.csv": ("lab_result.csv", "lab_results"),
        "encounters_0001.csv": ("encounters_0001.csv", "encounters"),
        "Medications.csv": ("Medications.csv", "medications"),
        "procedures.xls": ("procedures.xls", "procedures"),
        "readme.txt": ("readme.txt", ""),
        "张晓明 13800138001.pdf": ("masked masked.pdf", ""),
    }
    night.deliver()
    for name in names:
        night.write("2018-07-30", name, "x")
    found = files_left_alone(night.check(), night.profile, night.pseudonymiser, night.lake)
    assert sorted(found) == sorted(names.values())


def test_a_delivery_without_other_files_tells_of_none(night: Night) -> None:
    night.deliver()
    assert files_left_alone(night.check(), night.profile, night.pseudonymiser, night.lake) == ()


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
