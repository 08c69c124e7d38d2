"""An identifier is found however it is spelled: full-width, with other dashes, decomposed, a name turned round."""

from __future__ import annotations

import json
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.extracts.feeds import Kind
from orchestration.extracts.fingerprints import Fingerprints, hashes_of, sorted_once
from orchestration.extracts.identifiers import MASK, KnownIdentifiers
from orchestration.extracts.spellings import Spelling, folded, squeezed

from .conftest import Night, leaks_of

KNOWN = (
    "13800138000",
    "110105194912310021",
    "Wei Zhang-Miller",
    "Wang Xiaoming",
    "José Núñez",
    "SYN-001",
    "7731",
    "Li Wei",
    "Ana Sofia Ruiz",
    "May Will",
    "12 Liberation Road",
    "解放大道1277号",
    "张晓明",
    "AB-12",
)


def full_width(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("infection, call １３８００１３８０００ now", f"infection, call {MASK} now"),
        ("rash １１０１０５１９４９１２３１００２１", f"rash {MASK}"),
        ("138–0013–8000", MASK),
        ("138—0013—8000", MASK),
        ("138\u20110013\u20118000", MASK),
        ("138−0013−8000", MASK),
        ("138_0013_8000", MASK),
        ("138·0013·8000", MASK),
        ("138,0013,8000", MASK),
        ("138\u202f0013\u202f8000", MASK),
        ("at 13\u200b800138\u00ad000 zw", f"at {MASK} zw"),
        ("١٣٨٠٠١٣٨٠٠٠", MASK),
        ("ＳＹＮ－００１ again", f"{MASK} again"),
        ("SYN–001 again", f"{MASK} again"),
        ("syn_001", MASK),
        ("seen as ７７３１.", f"seen as {MASK}."),
        ("seen as 7７3１.", f"seen as {MASK}."),
        ("seen as 77310.", "seen as 77310."),
        (unicodedata.normalize("NFD", "pt José Núñez, é"), unicodedata.normalize("NFD", f"pt {MASK}, é")),
        ("pt JOSÉ NÚÑEZ", f"pt {MASK}"),
        ("ﬁne ½ é① 13800138000 ﬁ", f"ﬁne ½ é① {MASK} ﬁ"),
        ("lives at １２ Liberation Road", f"lives at {MASK}"),
        ("住解放大道１２７７号", f"住{MASK}"),
        ("张·晓·明复发", f"{MASK}复发"),
        ("rash of Zhang-Miller Wei", f"rash of {MASK}"),
        ("pt ZHANG-MILLER, Wei seen", f"pt {MASK} seen"),
        ("pt zhang miller wei seen", f"pt {MASK} seen"),
        ("says xiaoming wang,", f"says {MASK},"),
        ("Xiaoming (3) Wang", "Xiaoming (3) Wang"),
        ("Xiaoming and Wang", "Xiaoming and Wang"),
        ("Núñez, José", MASK),
        ("Ruiz Ana Sofia", MASK),
        ("Sofia Ruiz", "Sofia Ruiz"),
        ("of Wei Li.", f"of {MASK}."),
        ("of ＷＥＩ, Li.", f"of {MASK}."),
        ("of wei li.", "of wei li."),
        ("of Wei. And (Li)", "of Wei. And (Li)"),
        ("fever will may be back", "fever will may be back"),
        ("fever may will be back", f"fever {MASK} be back"),
        ("12-AB", "12-AB"),
        ("明张晓", "明张晓"),
        ("WBC 3.5×10⁹/L，好转", "WBC 3.5×10⁹/L，好转"),
    ],
)
def test_other_spellings_are_masked_where_they_stand(text: str, masked: str) -> None:
    known = KnownIdentifiers([pa.array(KNOWN)])
    assert known.scrub_column(pa.array([text]), Kind.TEXT).to_pylist() == [masked]
    earlier = _as_earlier(known)
    assert earlier.scrub_column(pa.array([text]), Kind.TEXT).to_pylist() == [masked]


def test_the_end_of_a_text_ends_what_is_found_in_it() -> None:
    """Of two identifiers with the same start the longer one reaches beyond the text."""
    known = KnownIdentifiers([pa.array(["110105194912310021", "1101051949123100210033"])])
    assert known.mask("é 110105194912310021") == f"é {MASK}"
    assert KnownIdentifiers([pa.array(["Li Na", "Li Na Bo"])]).mask("é of Li Na") == f"é of {MASK}"


def _as_earlier(known: KnownIdentifiers) -> KnownIdentifiers:
    """The same identifiers, but only as fingerprints of what an earlier patients file said."""
    secret = bytes(32)
    hashes = sorted_once([hashes_of(sorted(known.keys()), secret)])
    return KnownIdentifiers(earlier=Fingerprints(secret, hashes, known.traits))


@pytest.mark.parametrize(
    "known_as", ["１３８００１３８０００", "138–0013–8000", "138_0013_8000", "+1３８", "José Núñez", "ＳＹＮ－００１"]
)
def test_the_identifier_itself_may_have_the_other_spelling(known_as: str) -> None:
    known = KnownIdentifiers([pa.array([known_as])])
    plain = unicodedata.normalize("NFKC", known_as).replace("–", "-")
    for text in (plain, plain.upper(), unicodedata.normalize("NFD", plain), full_width(plain)):
        assert known.is_identifier(text)
        assert known.withheld(pa.array([text])).to_pylist() == [MASK]


@pytest.mark.parametrize("text", ["wei li", "ＡＢ－１２", "７７３１", "7731.0", "7\u200b731", "Wei Zhang‐Miller"])
def test_a_whole_cell_is_an_identifier_in_any_spelling(text: str) -> None:
    known = KnownIdentifiers([pa.array(KNOWN)])
    assert known.is_identifier(text)
    assert _as_earlier(known).is_identifier(text)


def test_a_hospital_id_is_withheld_in_another_spelling() -> None:
    texts = pa.array(["ｅｖ５５", "EV55", "EV5"])
    assert KnownIdentifiers().withheld(texts, frozenset({"ev55"})).to_pylist() == [MASK, MASK, "EV5"]


DASHES = "-‐‑‒–—―−﹘－"
BLANKS = " \u00a0\u2009\u202f\u3000"
NOTHING = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
LETTERS = "abcdefgijkmnoprstuwyzéñü"
words = st.text(LETTERS, min_size=4, max_size=9).map(str.capitalize)
numbers = st.text("0123456789", min_size=7, max_size=18)
codes = st.tuples(st.text("ABCXYZ", min_size=3, max_size=4), st.text("0123456789", min_size=3, max_size=6)).map(
    "-".join
)
names = st.lists(words, min_size=2, max_size=3).map(" ".join)
around = st.sampled_from(["", "fever ", "ﬁ ½ (", "患者", "é① "])


@st.composite
def spelled_again(draw: st.DrawFn) -> tuple[str, str]:
    """An identifier and another spelling of it."""
    identifier = draw(st.one_of(numbers, codes, names))
    text = identifier
    if " " in text and draw(st.booleans()):
        parts = text.split(" ")
        turn = draw(st.integers(1, len(parts) - 1))
        text = draw(st.sampled_from([" ", ", "])).join([*parts[turn:], *parts[:turn]])
    for sign, others in (("-", DASHES), (" ", BLANKS)):
        text = text.replace(sign, draw(st.sampled_from(others)))
    if text.isdigit() and draw(st.booleans()):
        at = draw(st.integers(1, len(text) - 1))
        text = text[:at] + draw(st.sampled_from(f"_·,./{DASHES}{BLANKS}")) + text[at:]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(NOTHING)) + text[at:]
    change = draw(st.sampled_from(["as it is", "upper", "NFD", "NFKC", "full width"]))
    if change == "upper":
        text = text.upper()
    elif change == "full width":
        text = full_width(text)
    elif change != "as it is":
        text = unicodedata.normalize("NFD" if change == "NFD" else "NFKC", text)
    return identifier, text


@given(spelled=spelled_again(), before=around, after=around)
def test_no_spelling_of_an_identifier_outlives_the_mask(spelled: tuple[str, str], before: str, after: str) -> None:
    identifier, text = spelled
    known = KnownIdentifiers([pa.array([identifier])])
    for searched in (known, _as_earlier(known)):
        masked = searched.mask(f"{before}{text} {after}")
        assert MASK in masked
        for form in (identifier, text):
            assert squeezed(folded(form)) not in squeezed(folded(masked))


@given(st.text(max_size=12))
def test_each_folded_sign_knows_where_it_came_from(text: str) -> None:
    """What lies between two places folds to what lies between the signs; else the whole text is the place."""
    spelling = Spelling(text)
    for at in range(len(spelling.folded)):
        start, end = spelling.original_span(at, at + 1)
        assert 0 <= start < end <= len(text)
        assert spelling.folded[at] in folded(text[start:end]) or (start, end) == (0, len(text))


def test_other_spellings_reach_no_file_of_the_lake(night: Night) -> None:
    """In values, in rejected rows, in the names of columns that are kept out."""
    night.deliver(
        lab_results__csv=(
            "patient_id,collected_at,loinc,value,test_name,１３８００１３８００１,tel 138–0013–8001\n"
            "HOSP-0001,2018-01-01,6690-2,3,call １３８００１３８００１,x,y\n"
            ",2018-01-01,6690-2,１３８００１３８００１,138–0013–8001,x,y\n"
            "HOSP-0002,,6690-2,ＨＯＳＰ－０００１,Xiaoming WANG,x,y\n"
        )
    )
    night.ingest_all()
    assert [row["test_name"] for row in night.lake_rows("lab_results")] == [f"call {MASK}"]
    contents = [json.loads(row["content"]) for row in night.rejected_rows()]
    assert [(each["value"], each["test_name"]) for each in contents] == [(MASK, MASK)] * 2
    assert leaks_of(["13800138001", "HOSP-0001", "Wang Xiaoming", "Xiaoming Wang"], night.lake.root) == []
