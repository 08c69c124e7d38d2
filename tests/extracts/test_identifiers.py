"""Nothing that names a patient leaves ingestion, wherever it was hidden."""

from __future__ import annotations

import gzip
import json
import pickle
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.extracts import (
    ExtractError,
    ExtractRefused,
    KeyRefused,
    Pseudonymiser,
    Verb,
    ingestion,
    parse_key,
    rotate_key,
)
from orchestration.extracts.delivery import discover_extracts
from orchestration.extracts.feeds import Kind
from orchestration.extracts.fingerprints import long_key, phrase_key, read_fingerprints, short_key, sorted_once
from orchestration.extracts.identifiers import MASK, KnownIdentifiers
from orchestration.extracts.profiles import TableProfile

from .conftest import IDENTIFIERS, KEY, PATIENTS, Night, without_hashes


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
    identifiers = ["1001", "HOSP-0001", "Wang Xiaoming", "张晓明", "13800138001", "110101199001021234", "F"]
    known = KnownIdentifiers([pa.array(identifiers)])
    assert known.scrub_column(pa.array([text]), kind).to_pylist() == [masked]


def test_identifiers_taken_as_columns_are_the_ones_taken_one_by_one() -> None:
    """Plain ASCII ones go through Arrow, all others through Python: what is remembered of both is the same."""
    forms = {
        " (010) 6552-9988 ": [long_key("(010) 6552-9988"), long_key("01065529988")],
        "SYN/0001.A": [long_key("syn/0001.a"), long_key("syn0001a")],
        "１2 Liberation Road": [long_key("12 liberation road"), long_key("12liberationroad")],
        "MÜLLER STRASSE 5": [long_key("müller strasse 5"), long_key("müllerstrasse5")],
        "ab-12": [phrase_key(("ab", "12"))],
        "abc-123": [long_key("abc-123"), long_key("abc123")],
        "1234567": [long_key("1234567")],
        "Li Na": [phrase_key(("li", "na"))],
        "张晓明": [phrase_key(("张", "晓", "明"))],
        "7": [short_key("7")],
    }
    together = set(KnownIdentifiers([pa.array(list(forms))]).keys())
    assert {key for key in together if not key.startswith(b"start:")} == {key for own in forms.values() for key in own}
    for text in forms:
        assert set(KnownIdentifiers([pa.array([text])]).keys()) <= together
        assert KnownIdentifiers([pa.array([text])]).is_identifier(text)


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
    assert re.fullmatch(r"marrow_assessments-masked-[0-9a-f]{10}\.csv", result.file)
    assert b"13800138" not in night.lake_bytes()
    assert night.rejected_rows()[0]["source_file"] == result.file


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


# A hospital whose ids are plain five-digit numbers, as a laboratory value might be.
NUMBERED = (
    "patient_id,sex,birth_date,name,national_id,phone,address\n"
    "10023,F,1990-01-02,Wang Xiaoming,110101199001021234,13800138001,12 Liberation Road\n"
    "10024,M,1985-05-06,Li Na,110101198505061234,13900139002,14 Liberation Road\n"
    "7,M,1985-05-07,Ng,,,\n"
)
NUMBERED_INFUSIONS = "patient_id,infusion_id,infused_at\n10023,88801,2018-01-01\n10024,88802,2018-01-02\n"
LABS = "patient_id,collected_at,specimen,loinc,test_name,value,unit\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2018-03-01,blood,6690-2,WBC,10023,10*9/L", "no key: patient_id is empty"),
        ("10024,,blood,6690-2,WBC,10023.0,10*9/L", "no key: collected_at is empty"),
        ("10024,2018-03-01,blood,,10023,5,10*9/L", "no key: loinc is empty"),
        (",10023,2018-03-01,blood,6690-2,WBC,5.5", "no key: patient_id is empty"),
        ("10024,2018-03-01,blood,6690-2,WBC,10023\n10024,2018-03-01,blood,6690-2,WBC,7,10*9/L", "broken line: 6"),
        (
            "10024,2018-03-01,blood,6690-2,WBC,10023,10*9/L\n10024,2018-03-01,blood,6690-2,WBC,4,10*9/L",
            "duplicate key with different contents",
        ),
        ("10024,,blood,6690-2,WBC,7,10*9/L", "no key: collected_at is empty"),
    ],
)
def test_a_short_numeric_id_is_not_shown_in_a_rejected_row(night: Night, row: str, reason: str) -> None:
    night.deliver(patients__csv=NUMBERED, cart_infusions__csv=NUMBERED_INFUSIONS, lab_results__csv=f"{LABS}{row}\n")
    night.ingest_all()
    rejected = night.rejected_rows()
    assert rejected[0]["reason"].startswith(reason)
    contents = [json.loads(each["content"]) for each in rejected]
    assert all(set(content.values()).isdisjoint({"10023", "10023.0", "10024", "7"}) for content in contents)
    if not reason.startswith("broken"):
        assert any(MASK in content.values() for content in contents)
    assert b"10023" not in _rows_of_patients(night)


def _rows_of_patients(night: Night) -> bytes:
    """Bytes and cells of what holds rows: five digits are found in hashes and times by chance."""
    parts = []
    for path in [*night.lake.root.glob("raw/**/*.parquet"), *night.lake.root.glob("rejected/**/*.parquet")]:
        rows = [
            {name: value for name, value in row.items() if not (isinstance(value, str) and len(value) in {32, 64})}
            for row in pq.read_table(path).to_pylist()
        ]
        contents = [json.loads(row.pop("content", "{}")) for row in rows]
        hashed = {"patient_key", "infusion_id", "event_id", "parent_event_id", "encounter_id"}
        parts.append(repr([{k: v for k, v in each.items() if k not in hashed} for each in [*rows, *contents]]).encode())
        with pq.ParquetFile(path) as opened:
            groups = [opened.metadata.row_group(at) for at in range(opened.num_row_groups)]
        for column in (group.column(at) for group in groups for at in range(group.num_columns)):
            if column.path_in_schema not in {*hashed, "content"}:
                start = column.dictionary_page_offset or column.data_page_offset
                parts.append(path.read_bytes()[start : start + column.total_compressed_size])
    return b"\n".join(parts)


def test_a_row_that_has_slipped_is_not_shown_either_when_it_is_accepted(night: Night) -> None:
    """Its patient id looks like none that is known, so it's a cell of another column."""
    night.deliver(
        patients__csv=NUMBERED,
        cart_infusions__csv=NUMBERED_INFUSIONS,
        lab_results__csv=LABS
        + "4.5,2018-03-01,blood,6690-2,WBC,10023,10*9/L\n10024,2018-03-01,blood,777-3,PLT,10023,u\n",
    )
    night.ingest_all()
    slipped, sound = night.lake_rows("lab_results")
    assert slipped["value"] == MASK
    assert sound["value"] == "10023", "a number of a sound row is a number, whoever's id it may be"


def test_what_belongs_to_no_row_of_the_feed_is_not_in_its_file(night: Night) -> None:
    """A Parquet file has a dictionary of texts, which would hold those of rejected and skipped rows as well."""
    labs = {"feed": "lab_results", "files": ("lab_results",), "skip_where": {"test_name": "^total"}}
    own = [table for table in night.profile.tables if table.feed != "lab_results"]
    night.profile = night.profile.model_copy(update={"tables": (*own, TableProfile.model_validate(labs))})
    night.deliver(
        patients__csv=NUMBERED,
        cart_infusions__csv=NUMBERED_INFUSIONS,
        lab_results__csv=(
            f"{LABS}10024,2018-03-01,blood,6690-2,WBC,5,u\n10023,2018-03-01,blood,6690-2,totals,10023,u\n"
            "10023,2018-03-01,blood,6690-2,totals of 77778888,10023,u\n,2018-03-01,blood,6690-2,secret word,3,u\n"
        ),
    )
    night.ingest_all()
    (written,) = (night.lake.root / "raw" / "lab_results").rglob("*.parquet")
    for text in (b"10023", b"77778888", b"secret"):
        assert text not in written.read_bytes()


def test_other_ids_of_the_hospital_are_not_shown_in_a_rejected_row(night: Night) -> None:
    night.deliver(
        adverse_events__csv=(
            "patient_id,event_id,term,grade,started_on\n"
            "HOSP-0001,550123,CRS,2,2018-01-02\n,550124,550123,550124,2018-01-03\n"
        )
    )
    night.ingest_all()
    (row,) = night.rejected_rows()
    content = json.loads(row["content"])
    assert (content["term"], content["grade"]) == (MASK, MASK)
    assert content["started_on"] == "2018-01-03"


PROCEDURES = "patient_id,procedure,performed_on,detail\n"


def test_an_unknown_patients_own_id_is_not_shown_in_its_row(night: Night) -> None:
    """The patients file doesn't say that it is one, but the row does; staging rejects such rows whole."""
    night.deliver(
        procedures__csv=(
            f"{PROCEDURES}HOSP-0901,biopsy of HOSP-0901,2018-03-01,hosp–0901 and HOSP-0902\n"
            "HOSP-0902,biopsy,2018-03-01,alone\nHOSP-0001,biopsy,2018-03-01,HOSP-0901\n"
        ),
        lab_results__csv=LABS
        + "90807061,2018-03-01,blood,6690-2,WBC,90807061,u\n90807061,2018-03-02,blood,6690-2,WBC,4.0,u\n"
        + "901,2018-03-01,blood,6690-2,WBC,901,u\nblood,2018-03-01,blood,6690-2,WBC,9,u\n"
        + "HOSP-0001,2018-03-01,blood,6690-2,WBC,90807061,u\n",
    )
    results = night.ingest_all()
    rows = [(row["procedure"], row["detail"]) for row in night.lake_rows("procedures")]
    assert rows == [(f"biopsy of {MASK}", f"{MASK} and {MASK}"), ("biopsy", "alone"), ("biopsy", "HOSP-0901")]
    assert results["procedures"].files[0].masked_cells == 2
    assert {"note": "identifier masked", "column": "procedure", "row": 1} in results["procedures"].files[0].notes
    labs = [(row["specimen"], row["value"]) for row in night.lake_rows("lab_results")]
    assert labs == [("blood", MASK), ("blood", "4.0"), ("blood", "901"), ("blood", "9"), ("blood", "90807061")]


def test_of_a_known_patient_nothing_more_is_masked_than_before(night: Night) -> None:
    night.deliver(
        patients__csv=NUMBERED,
        cart_infusions__csv=NUMBERED_INFUSIONS,
        lab_results__csv=LABS + "10024,2018-03-01,blood,777-3,PLT,10024,u\n",
    )
    night.ingest_all()
    assert [row["value"] for row in night.lake_rows("lab_results")] == ["10024"]
    night.write("2018-08-01", "lab_results.csv", LABS + "10023,2018-08-01,blood,777-3,PLT,10023,u\n")
    night.write("2018-08-01", "procedures.csv", PROCEDURES + "HOSP-0901,biopsy,2018-08-01,of HOSP-0901\n")
    night.manifest("2018-08-01", {}, mode="delta")
    night.ingest_all("2018-08-01")
    assert [row["value"] for row in night.lake_rows("lab_results")] == ["10024", "10023"]
    assert [row["detail"] for row in night.lake_rows("procedures")] == [f"of {MASK}"]


DELTA = {
    "procedures.csv": (
        "patient_id,procedure,performed_on,detail\n"
        "10023,allo_hsct,2018-08-01,donor: brother of Li Na\n"
        "10024,allo_hsct,2018-08-01,asked wang xiaoming on 138 0013 8001 (10023)\n"
        "10024,auto_hsct,2018-08-02,lives at 14 LIBERATION ROAD; id110101199001021234x\n"
        "10024,auto_hsct,2018-08-03,nothing to hide in CD19 2018-08-03\n"
        "10024,,2018-08-03,10023\n"
    ),
    "marrow_assessments.csv": (
        "patient_id,sampled_on,blast_percent,method\n,2018-08-04,10023,flow\n10024,,7,Ng\nblood,2018-08-05,10024,flow\n"
    ),
}


def _deliver_delta(night: Night, day: str) -> None:
    for name, content in DELTA.items():
        night.write(day, name, content)
    night.manifest(day, {}, mode="delta")
    night.ingest_all(day)


def test_a_delta_without_patients_knows_who_came_before(night: Night) -> None:
    night.deliver(patients__csv=NUMBERED, cart_infusions__csv=NUMBERED_INFUSIONS)
    night.ingest_all()
    _deliver_delta(night, "2018-08-05")
    assert [row["detail"] for row in night.lake_rows("procedures")] == [
        f"donor: brother of {MASK}",
        MASK,
        f"lives at {MASK}; id{MASK}x",
        "nothing to hide in CD19 2018-08-03",
    ]
    assert [row["blast_percent"] for row in night.lake_rows("marrow_assessments")] == [MASK]
    contents = [json.loads(row["content"]) for row in night.rejected_rows()]
    assert [content.get("blast_percent", content.get("detail")) for content in contents] == [MASK, MASK, MASK]
    everything, words = night.lake_bytes(), night.lake_words()
    for identifier in ("Wang", "wang", "Li Na", "13800138001", "LIBERATION", "110101199001021"):
        assert identifier.encode() not in everything, identifier
    for short_number in ("10023", "10024", "8001"):
        assert short_number.encode() not in words, short_number


def test_numbers_are_looked_for_everywhere_but_in_hashes() -> None:
    said = b'call13800138001 id110101199001021x 10023 deadbeat {"hash": 7110023} 9f86d08110024c7d'
    assert without_hashes(said) == b"call13800138001 id110101199001021x 10023 deadbeat {} "


def test_a_delta_knows_the_patients_of_an_extract_that_comes_in_the_same_night(night: Night) -> None:
    """Feeds come in any order: here the delta's procedures before the snapshot's patients."""
    night.deliver(patients__csv=NUMBERED, cart_infusions__csv=NUMBERED_INFUSIONS)
    night.deliver("2018-07-29", patients__csv="no header at all\n")
    _deliver_delta(night, "2018-08-05")
    assert night.lake_rows("procedures")[0]["detail"] == f"donor: brother of {MASK}"
    night.ingest_all()
    assert b"Li Na" not in night.lake_bytes()


def test_the_folder_of_extracts_is_looked_through_once_for_many_deltas_and_again_when_one_comes(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at every extract for every delta took half the time of reading three years of them."""
    looks = []
    monkeypatch.setattr(
        ingestion, "discover_extracts", lambda folder: looks.append(folder) or discover_extracts(folder)
    )
    for number in range(10):
        night.write(f"2018-08-{number + 10}", "procedures.csv", DELTA["procedures.csv"])
        night.manifest(f"2018-08-{number + 10}", {}, mode="delta")
    for number in range(10):
        night.ingest("procedures", f"2018-08-{number + 10}")
    assert len(looks) == 1
    assert night.lake_rows("procedures")[0]["detail"] == "donor: brother of Li Na"  # nobody has said who that is
    night.deliver("2018-08-01", patients__csv=NUMBERED, cart_infusions__csv=NUMBERED_INFUSIONS)
    _deliver_delta(night, "2018-08-20")
    assert night.lake_rows("procedures")[-4]["detail"] == f"donor: brother of {MASK}"
    assert len(looks) == 2


def test_what_came_before_is_known_after_a_key_rotation(night: Night) -> None:
    night.deliver(patients__csv=NUMBERED, cart_infusions__csv=NUMBERED_INFUSIONS)
    night.ingest_all()
    new = Pseudonymiser(bytes(range(50, 82)))
    rotate_key(night.lake, night.pseudonymiser, new)
    night.pseudonymiser = new
    _deliver_delta(night, "2018-08-05")
    assert night.lake_rows("procedures")[0]["detail"] == f"donor: brother of {MASK}"


def test_without_the_key_nothing_can_be_read_out_of_what_is_remembered(night: Night) -> None:
    night.deliver(patients__csv=NUMBERED, cart_infusions__csv=NUMBERED_INFUSIONS)
    night.ingest_all()
    right = read_fingerprints(night.lake, night.pseudonymiser.sealing_key)
    assert right.knows([phrase_key(("li", "na")), phrase_key(("na", "li")), short_key("7")]) == [True, False, True]
    assert not read_fingerprints(night.lake, Pseudonymiser(bytes(range(1, 33))).sealing_key)
    names = [path.name for path in (night.lake.root / "vault" / "known").iterdir()]
    assert [path.stat().st_mode & 0o777 for path in (night.lake.root / "vault" / "known").iterdir()] == [0o600] * len(
        names
    )


def test_after_ingestion_no_identifier_is_left_in_memory(night: Night) -> None:
    night.deliver(patients__csv=NUMBERED, cart_infusions__csv=NUMBERED_INFUSIONS)
    night.ingest_all()
    identifiers = (b"10023", b"13800138001", b"xiaoming")
    held = pickle.dumps(night.pseudonymiser)
    assert all(each in held for each in identifiers)
    night.pseudonymiser.forget()
    held = pickle.dumps(night.pseudonymiser)
    assert not any(each in held for each in identifiers)


@pytest.mark.slow
def test_what_is_remembered_does_not_grow_with_the_nights(night: Night) -> None:
    for number in range(60):
        extra = f"{20000 + number},F,1990-01-02,Person Number{number},,,\n"
        night.deliver(f"2018-08-{number % 28 + 1:02d}", patients__csv=NUMBERED + extra)
        night.ingest("patients", f"2018-08-{number % 28 + 1:02d}")
    known = read_fingerprints(night.lake, night.pseudonymiser.sealing_key)
    assert all(
        known.knows(
            [phrase_key(("20000",)), phrase_key(("20059",)), long_key("personnumber31"), phrase_key(("10023",))]
        )
    )
    assert len(list((night.lake.root / "vault" / "known").glob("*.parquet"))) <= 24


@pytest.mark.parametrize("files", [[[1, 2, 5]], [[1, 5], [2, 5]], [[5], [1, 2, 5], []], [[]]])
def test_hashes_of_all_files_lie_in_order_each_once(files: list[list[int]]) -> None:
    """A search by halves finds nothing in what is out of order."""
    found = sorted_once([np.array(hashes, np.uint64) for hashes in files])
    assert found.tolist() == sorted({one for hashes in files for one in hashes})


def test_a_slipped_word_in_a_delta_is_not_taken_for_an_id(night: Night) -> None:
    night.write(
        "2018-07-30",
        "lab_results.csv",
        LABS + "HOSP-0001,2018-01-01,blood,6690-2,WBC,4,u\nblood,2018-01-01,6690-2,WBC,4,u,\n",
    )
    night.manifest("2018-07-30", {}, mode="delta")
    night.ingest_all()
    assert night.lake_rows("lab_results")[0]["specimen"] == "blood"
