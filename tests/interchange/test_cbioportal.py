"""cBioPortal study folder of six patients worked out by hand (see conftest)."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from interchange import InterchangeError, study_identifier, write_cbioportal
from study import Study

INCLUDED = ["early_death", "failed", "relapsed", "transplanted"]


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a data file below its header lines and its line of names."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert all(len(line) == len(lines[0]) for line in lines)
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.fixture
def exported(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> Path:
    write_cbioportal(marts, Study(), tmp_path / "cbioportal")
    return tmp_path / "cbioportal"


def test_every_data_file_has_a_meta_file_that_names_it(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    paths = write_cbioportal(marts, Study(), tmp_path / "new")
    names = [path.name for path in paths]
    kinds = ("clinical_patient", "clinical_sample", "timeline_status", "timeline_toxicity", "timeline_treatment")
    assert names == sorted(
        ["meta_study.txt", *(f"meta_{kind}.txt" for kind in kinds), *(f"data_{kind}.txt" for kind in kinds)]
    )
    for kind, datatype in zip(kinds, ("PATIENT_ATTRIBUTES", "SAMPLE_ATTRIBUTES", *["TIMELINE"] * 3), strict=True):
        assert (tmp_path / "new" / f"meta_{kind}.txt").read_text().splitlines() == [
            "cancer_study_identifier: car_t_in_relapsed_or_refractory_b_all",
            "genetic_alteration_type: CLINICAL",
            f"datatype: {datatype}",
            f"data_filename: data_{kind}.txt",
        ]


def test_meta_study_stays_one_line_a_field_whatever_the_name(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    study = Study.model_validate(
        {
            "study": {"name": "It's\nB-ALL", "data_cutoff": "2018-07-30"},
            "cohort": {"diagnosis_prefixes": ["C91.0"], "immunophenotype": "CD19+"},
        }
    )
    write_cbioportal(marts, study, tmp_path)
    assert (tmp_path / "meta_study.txt").read_text().splitlines() == [
        "type_of_cancer: bll",
        "cancer_study_identifier: it_s_b_all",
        "name: It's B-ALL",
        "description: Outcomes after CAR-T infusion, pseudonymised. Day 0 of the timelines is the first infusion. "
        "Data cut-off 2018-07-30.",
        "add_global_case_list: true",
    ]
    assert {row["CANCER_TYPE"] for row in table(tmp_path / "data_clinical_sample.txt")} == {"Leukemia"}


@pytest.mark.parametrize("level", ["patient", "sample"])
def test_clinical_files_begin_with_four_header_lines_of_equal_width(exported: Path, level: str) -> None:
    lines = (exported / f"data_clinical_{level}.txt").read_text().splitlines()
    assert [line[0] == "#" for line in lines[:6]] == [True] * 4 + [False] * 2
    cells = [line.removeprefix("#").split("\t") for line in lines[:5]]
    assert {len(line) for line in cells} == {len(cells[0])}
    assert all(cell for line in cells for cell in line)
    assert set(cells[2]) <= {"STRING", "NUMBER", "BOOLEAN"}
    assert all(cell.isdigit() for cell in cells[3])
    assert len(set(cells[4])) == len(cells[4])
    assert cells[4][0] == "PATIENT_ID"


def test_survival_of_the_included_patients(exported: Path) -> None:
    columns = ("PATIENT_ID", "OS_STATUS", "OS_MONTHS", "DFS_STATUS", "DFS_MONTHS", "EFS_STATUS", "EFS_MONTHS", "SEX")
    rows = table(exported / "data_clinical_patient.txt")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("early_death", "1:DECEASED", "0.1643", "", "", "1:Event", "0.1643", "Male"),
        ("failed", "0:LIVING", "2.9569", "", "", "1:Event", "0.9199", "Female"),
        ("relapsed", "1:DECEASED", "6.5708", "1:Recurred/Progressed", "2.9569", "1:Event", "3.2854", "Female"),
        ("transplanted", "0:LIVING", "9.8563", "", "", "0:EventFree", "1.3142", "Male"),
    ]
    assert [row["REFRACTORY"] for row in rows] == ["FALSE", "TRUE", "FALSE", "FALSE"]
    assert rows[0]["MRD_NEGATIVE"] == ""


def test_one_sample_a_patient(exported: Path) -> None:
    rows = table(exported / "data_clinical_sample.txt")
    assert [(row["PATIENT_ID"], row["SAMPLE_ID"]) for row in rows] == [(key, f"{key}-BASELINE") for key in INCLUDED]
    assert {row["SAMPLE_TYPE"] for row in rows} == {"Recurrence"}


def test_treatment_timeline_shows_a_transplant_once(exported: Path) -> None:
    rows = table(exported / "data_timeline_treatment.txt")
    assert [(row["PATIENT_ID"], row["START_DATE"], row["SUBTYPE"], row["AGENT"], row["DOSE"]) for row in rows] == [
        ("early_death", "0", "CAR-T cells", "CD19 CAR-T", ""),
        ("failed", "0", "CAR-T cells", "CD19 CAR-T", ""),
        ("relapsed", "0", "CAR-T cells", "CD19 CAR-T", ""),
        ("relapsed", "2", "Treatment of CRS", "tocilizumab mg/kg", "8.0"),
        ("transplanted", "0", "CAR-T cells", "CD19 CAR-T", ""),
        ("transplanted", "40", "Transplantation", "Allogeneic HSCT", ""),
        ("transplanted", "60", "Chemotherapy", "salvage chemotherapy", ""),
    ]
    assert {(row["STOP_DATE"], row["EVENT_TYPE"]) for row in rows} == {("", "TREATMENT")}


def test_status_timeline_runs_by_day_and_text_can_not_break_its_lines(exported: Path) -> None:
    rows = [row for row in table(exported / "data_timeline_status.txt") if row["PATIENT_ID"] == "relapsed"]
    assert [(row["START_DATE"], row["STATUS"], row["DETAIL"]) for row in rows] == [
        ("10", "complete remission", ""),
        ("100", "relapse", "marrow"),
        ("200", "death", "leukemia and sepsis"),
        ("200", "last contact", ""),
    ]


def test_toxicity_timeline_has_term_and_grade(exported: Path) -> None:
    assert table(exported / "data_timeline_toxicity.txt") == [
        {"PATIENT_ID": "relapsed", "START_DATE": "0", "STOP_DATE": "", "EVENT_TYPE": "TOXICITY", "SUBTYPE": "CRS",
         "GRADE": "3"}
    ]  # fmt: skip


def test_excluded_patients_appear_nowhere(exported: Path) -> None:
    for path in exported.glob("data_*.txt"):
        assert {row["PATIENT_ID"] for row in table(path)} <= set(INCLUDED)


def test_ids_fit_cbioportal_and_a_clash_is_refused(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    marts.execute("update marts.patients set patient_key = repeat('a', 64) where patient_key = 'failed'")
    write_cbioportal(marts, Study(), tmp_path)
    ids = [row["PATIENT_ID"] for row in table(tmp_path / "data_clinical_patient.txt")]
    assert "a" * 32 in ids
    marts.execute("update marts.patients set patient_key = repeat('a', 63) || 'b' where patient_key = 'relapsed'")
    with pytest.raises(InterchangeError, match="first 32 digits"):
        write_cbioportal(marts, Study(), tmp_path)


def test_same_rows_give_same_bytes(marts: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_cbioportal(marts, Study(), tmp_path / "first")]
    for (name,) in marts.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall():
        marts.execute(f"create or replace table marts.{name} as select * from marts.{name} order by rowid desc")
    marts.execute("set threads = 4")
    assert [path.read_bytes() for path in write_cbioportal(marts, Study(), tmp_path / "second")] == first


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("CAR-T in relapsed or refractory B-ALL", "car_t_in_relapsed_or_refractory_b_all"),
        ("CAR-T 研究一", "car_t_350e64fe"),
        ("急性淋巴细胞白血病", "study_"),
        ("x" * 101, "x" * 91 + "_"),
    ],
)
def test_identifier_of_a_study(name: str, identifier: str) -> None:
    made = study_identifier(Study.model_validate({"study": {"name": name}}))
    assert made.startswith(identifier)
    assert made.isascii()
    assert len(made) <= 100


def test_studies_that_differ_in_another_script_keep_different_identifiers() -> None:
    first, second = (
        study_identifier(Study.model_validate({"study": {"name": name}})) for name in ("CAR-T 研究一", "CAR-T 研究二")
    )
    assert first != second
