"""A user's mistake ends with one clear message, no stack trace, and leaves the last published warehouse as it was."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest

from orchestration.settings import Settings, SettingsError
from tests.night import TEST_KEY, Night, run_refresh, study_of_few_figures

PATIENTS = "patient_id,sex,birth_date\nP1,F,1990-01-01\n"
INFUSIONS = "patient_id,infusion_id,infused_at,course,fraction,target,cells_per_kg\nP1,I1,2018-01-05,1,1,CD19,5e6\n"


def small_extract(folder: Path, **files: str | bytes) -> Path:
    """An extract of the two required feeds, with further files or other contents."""
    extract = folder / "2018-07-30"
    extract.mkdir(parents=True)
    contents: dict[str, str | bytes] = {"patients.csv": PATIENTS, "cart_infusions.csv": INFUSIONS, **files}
    for name, content in contents.items():
        if isinstance(content, bytes):
            (extract / name).write_bytes(content)
        elif content:
            (extract / name).write_text(content, encoding="utf-8")
    return folder


def assert_refused(night: Night, *expected: str) -> None:
    assert night.status != 0
    assert "Traceback" not in night.stdout + night.stderr
    for text in expected:
        assert text in night.stderr, night.stderr
    assert "Nothing is published yet." in night.stderr
    assert not (night.home / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    ("key", "expected"),
    [(None, "CART_PSEUDONYM_KEY"), ("abcd", "CART_PSEUDONYM_KEY"), ("x" * 64, "CART_PSEUDONYM_KEY")],
    ids=["none", "short", "not hex"],
)
def test_key_missing_or_unfit(tmp_path: Path, key: str | None, expected: str) -> None:
    extracts = small_extract(tmp_path / "extracts")
    assert_refused(run_refresh(tmp_path / "home", extracts, key=key), expected)


def test_unknown_study_key(tmp_path: Path) -> None:
    study = tmp_path / "study.yml"
    study.write_text("study: {name: A}\nconventons: r\n", encoding="utf-8")
    night = run_refresh(tmp_path / "home", small_extract(tmp_path / "extracts"), CART_STUDY=str(study))
    assert_refused(night, "line 2", "conventons", "`conventions`")


def test_extracts_folder_does_not_exist(tmp_path: Path) -> None:
    assert_refused(run_refresh(tmp_path / "home", tmp_path / "absent"), "absent", "CART_EXTRACTS")


def test_unknown_source_profile(tmp_path: Path) -> None:
    night = run_refresh(tmp_path / "home", small_extract(tmp_path / "extracts"), CART_SOURCE_PROFILE="canonicle")
    assert_refused(night, "canonicle", "canonical")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cart_infusions.csv": ""}, ["cart_infusions"]),
        ({"patients.csv": "sex,birth_date\nF,1990-01-01\n"}, ["patients.csv", "patient_id"]),
        ({"patients.csv": "patient_id,sex,birth_date\n"}, ["patients", "no row"]),
        ({"lab_results.csv": b""}, ["lab_results.csv"]),
        ({"lab_results.csv.gz": gzip.compress(b"patient_id,collected_at,loinc\n" * 50)[:40]}, ["lab_results.csv.gz"]),
        ({"lab_results.parquet": b"not parquet"}, ["lab_results.parquet"]),
        (
            {
                "manifest.json": json.dumps(
                    {
                        "source_system": "his",
                        "extract_date": "2018-07-30",
                        "mode": "snapshot",
                        "files": [{"feed": "patients", "path": "patients.csv", "rows": 2, "sha256": "0" * 64}],
                    }
                )
            },
            ["patients.csv"],
        ),
    ],
    ids=[
        "required feed missing",
        "key column missing",
        "no patient",
        "0 bytes",
        "truncated gzip",
        "not Parquet",
        "manifest differs",
    ],
)
def test_extract_that_cannot_be_used(tmp_path: Path, files: dict[str, str | bytes], expected: list[str]) -> None:
    night = run_refresh(tmp_path / "home", small_extract(tmp_path / "extracts", **files))
    assert_refused(night, *expected)


@pytest.mark.slow
def test_the_required_feeds_are_enough_and_a_refused_night_leaves_the_published_one(tmp_path: Path) -> None:
    extracts = small_extract(tmp_path / "extracts")
    home = tmp_path / "home"
    study = str(study_of_few_figures(tmp_path / "study.yml", "2018-07-30"))
    first = run_refresh(home, extracts, CART_STUDY=study)
    assert first.status == 0, first.stderr
    assert "1 known" in first.stdout
    published = (home / "warehouse.duckdb").read_bytes()
    later = extracts / "2018-07-31"
    shutil.copytree(extracts / "2018-07-30", later)
    (later / "patients.csv").write_text("sex\nF\n", encoding="utf-8")
    second = run_refresh(home, extracts, CART_STUDY=study)
    assert second.status != 0
    assert "The last published warehouse is unchanged." in second.stderr
    assert (home / "warehouse.duckdb").read_bytes() == published


@pytest.mark.slow
def test_an_empty_optional_feed_is_no_mistake(tmp_path: Path) -> None:
    header = "patient_id,collected_at,specimen,loinc,test_name,value,unit\n"
    extracts = small_extract(tmp_path / "extracts", **{"lab_results.csv": header})
    study = study_of_few_figures(tmp_path / "study.yml", "2018-07-30")
    night = run_refresh(tmp_path / "home", extracts, CART_STUDY=str(study))
    assert night.status == 0, night.stderr
    assert "1 known" in night.stdout


@pytest.mark.parametrize("name", ["a[b]c", "a*c", "a?c", "a\\c"])
def test_a_home_that_duckdb_would_take_for_a_pattern_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"^CART_HOME is .*{re.escape(name)}.*in it is not one folder to DuckDB"):
        Settings.from_environment({"CART_HOME": str(tmp_path / name / "home")})


@pytest.mark.parametrize("name", ["a b", "o'clock", "a]c", "{a,b}", "a%20c", "é", "~a", "#1"])
def test_a_home_of_any_other_name_is_taken(tmp_path: Path, name: str) -> None:
    settings = Settings.from_environment({"CART_HOME": str(tmp_path / name)})
    assert settings.home.root == tmp_path / name


def test_a_home_with_brackets_is_refused_before_it_is_made(tmp_path: Path) -> None:
    night = run_refresh(tmp_path / "a[b]", small_extract(tmp_path / "extracts"))
    assert night.status == 2
    assert night.stderr.startswith("Refresh refused: CART_HOME is ")
    assert night.stderr.count("\n") == 1
    assert not (tmp_path / "a[b]").exists()


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    night = run_refresh(tmp_path / "home", tmp_path / "absent", key=TEST_KEY)
    assert TEST_KEY not in night.stdout + night.stderr
