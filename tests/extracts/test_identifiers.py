"""Nothing that names a patient leaves ingestion, wherever it was hidden."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pytest

from orchestration.extracts import ExtractError, ExtractRefused, KeyRefused, Pseudonymiser, Verb, parse_key
from orchestration.extracts.feeds import Kind
from orchestration.extracts.identifiers import MASK, KnownIdentifiers

from .conftest import IDENTIFIERS, KEY, PATIENTS, Night


@pytest.mark.parametrize("text", [None, "", "  ", "ab" * 31, "zz" * 32, "abc"])
def test_a_missing_short_or_malformed_key_is_refused_without_being_repeated(text: str | None) -> None:
    with pytest.raises(KeyRefused, match="CART_PSEUDONYM_KEY") as refusal:
        parse_key(text)
    assert not text or not text.strip() or text not in str(refusal.value)


def test_a_key_is_read_from_hexadecimal() -> None:
    assert parse_key(f" {KEY.hex().upper()}\n") == KEY
    assert Pseudonymiser(KEY).key_id == "630dcd29"
    assert KEY.hex() not in repr(Pseudonymiser(KEY))


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_planted_identifiers_reach_no_byte_of_the_lake(night: Night, identifier: str) -> None:
    night.deliver(
        patients__csv=PATIENTS + f"HOSP-0003,F,{identifier},X,{identifier},1,1,1,1\n,F,{identifier},N,,,\n",
        diagnoses__csv=(
            f"patient_id,diagnosed_on,code_system,code,description,immunophenotype,method,{identifier}\n"
            f"HOSP-0001,2017-01-01,ICD-10,C91.0,seen by {identifier},CD19+,{identifier},{identifier}\n"
        ),
        lab_results__csv=(
            "patient_id,collected_at,specimen,loinc,test_name,value,unit,remark\n"
            f"HOSP-0001,2018-01-01,blood,6690-2,WBC ({identifier}),{identifier},{identifier},{identifier}\n"
            f"HOSP-0001,2018-01-02 {identifier},blood,{identifier},WBC,4,u,r\n"
            f'HOSP-0001,"2018-01-03,blood,718-7,{identifier},4,u,r\n'
            f"HOSP-0001,{identifier},blood,718-7,{identifier}\n"
            f"HOSP-0001,,blood,718-7,x{identifier}y {identifier},{identifier},u,r\n"
        ),
        adverse_events__csv=(
            "patient_id,event_id,parent_event_id,term,grade,started_on,phase,deleted\n"
            f"HOSP-0001,{identifier},{identifier}-1,CRS {identifier},{identifier},2018-01-02,cart,{identifier}\n"
        ),
        follow_ups__csv=(
            "patient_id,visited_on,vital_status,cause_of_death,relapse_site\n"
            f"HOSP-0001,2018-03-01,{identifier},told by {identifier.upper()} on the phone,{identifier}\n"
            f"HOSP-0001,2018-03-01,dead,told by {identifier} on the phone,{identifier}\n"
        ),
    )
    results = night.ingest_all()
    night.lake.write_plan()
    everything = night.lake_bytes()
    assert identifier.encode() not in everything
    assert identifier.upper().encode() not in everything
    assert MASK.encode() in everything
    said = repr(results)
    assert identifier not in said
    assert all(result.rows == result.accepted + result.rejected for result in results.values())


def test_masked_cells_are_counted_and_noted(night: Night) -> None:
    night.deliver(
        procedures__csv=(
            "patient_id,procedure,performed_on,detail,surgeon\n"
            "HOSP-0001,allo_hsct,2018-03-01,donor: brother of 张晓明,Dr Who\n"
            "HOSP-0002,allo_hsct,2018-03-02,donor: brother,\n"
        )
    )
    (result,) = night.ingest("procedures").files
    assert result.masked_cells == 1
    assert {"note": "identifier masked", "column": "detail", "row": 1} in result.notes
    assert {"note": "unknown column kept out", "column": "surgeon"} in result.notes
    assert [row["detail"] for row in night.lake_rows("procedures")] == [f"donor: brother of {MASK}", "donor: brother"]


def test_free_text_is_carried_only_where_a_profile_says_so(night: Night) -> None:
    night.deliver(
        diagnoses__csv="patient_id,diagnosed_on,code,description\nHOSP-0001,2017-01-01,C91.0,B-ALL of Wang Xiaoming\n"
    )
    night.ingest("diagnoses")
    assert night.lake_rows("diagnoses")[0]["description"] is None
    night.profile = night.profile.model_copy(update={"verbs": {"diagnoses.description": Verb.KEEP}})
    night.ingest("diagnoses")
    assert night.lake_rows("diagnoses")[0]["description"] == f"B-ALL of {MASK}"


def test_messages_name_the_file_and_no_patient(night: Night) -> None:
    no_header = PATIENTS.split("\n", 1)[1]
    night.deliver(patients__csv=no_header)
    with pytest.raises(ExtractRefused, match=r"2018-07-30.*patients\.csv.*'patient_id' is missing") as refusal:
        night.check()
    assert not [identifier for identifier in IDENTIFIERS if identifier in str(refusal.value)]
    assert "\n" not in str(refusal.value)


def test_a_truncated_gzip_is_refused_before_anything_is_ingested(night: Night) -> None:
    night.deliver(
        lab_results__csv__gz=gzip.compress(b"patient_id,collected_at,loinc\n" + b"HOSP-0001,2018,1\n" * 999)[:-20]
    )
    with pytest.raises(ExtractError, match=r"lab_results\.csv\.gz.*cut short"):
        night.ingest_all()
    assert not night.lake.root.exists()


@pytest.mark.parametrize(
    ("text", "kind", "masked"),
    [
        ("relapse, says wang xiaoming", Kind.TEXT, f"relapse, says {MASK}"),
        ("HOSP-0001-aGVHD", Kind.CODE, f"{MASK}-aGVHD"),
        ("张晓明复发", Kind.TEXT, f"{MASK}复发"),
        ("138 0013 8001", Kind.TEXT, MASK),
        ("138-0013-8001", Kind.NUMBER, MASK),
        ("id110101199001021234x", Kind.TEXT, f"id{MASK}x"),
        ("1001", Kind.NUMBER, "1001"),
        ("seen as 1001", Kind.TEXT, f"seen as {MASK}"),
        ("11001", Kind.TEXT, "11001"),
        ("Wang", Kind.TEXT, "Wang"),
        ("6690-2", Kind.CODE, "6690-2"),
        ("2018-07-30", Kind.DATE, "2018-07-30"),
    ],
)
def test_what_counts_as_an_identifier(text: str, kind: Kind, masked: str) -> None:
    known = KnownIdentifiers(["1001", "HOSP-0001", "Wang Xiaoming", "张晓明", "13800138001", "110101199001021234", "F"])
    assert known.scrub_column(pa.array([text]), kind).to_pylist() == [masked]


def test_quarantined_content_is_pseudonymised_json(night: Night) -> None:
    night.deliver(follow_ups__csv="patient_id,visited_on,cause_of_death\nHOSP-0001,,asked 13800138001\n")
    night.ingest("follow_ups")
    (row,) = night.rejected_rows()
    content = json.loads(row["content"])
    assert content["cause_of_death"] == f"asked {MASK}"
    assert content["patient_key"] == night.pseudonymiser.patient_key("HOSP-0001")


def test_an_identifier_in_a_file_name_is_masked(night: Night) -> None:
    content = "patient_id,sampled_on\nHOSP-0001,2018-01-01\n,2018-01-02\n"
    night.write("2018-07-30", "marrow_assessments-13800138.csv", content)
    night.deliver(patients__csv=PATIENTS.replace("13800138001", "13800138"))
    (result,) = night.ingest_all()["marrow_assessments"].files
    assert result.file == "marrow_assessments-masked.csv"
    assert b"13800138" not in night.lake_bytes()
    assert night.rejected_rows()[0]["source_file"] == "marrow_assessments-masked.csv"


def test_a_delta_without_patients_still_knows_its_own_ids(night: Night) -> None:
    night.write("2018-07-30", "marrow_assessments.csv", "patient_id,sampled_on,method\nHOSP-0001,2018-01-01,flow\n")
    night.write(
        "2018-07-30",
        "procedures.csv",
        ("patient_id,procedure,performed_on,detail\nHOSP-0002,allo_hsct,2018-03-01,donor of HOSP-0001\n"),
    )
    night.manifest("2018-07-30", {}, mode="delta")
    night.ingest_all()
    assert [row["detail"] for row in night.lake_rows("procedures")] == [f"donor of {MASK}"]
    assert b"HOSP-000" not in night.lake_bytes()
