"""Finds the patients' own identifiers where they don't belong: in values, comments, file and column names.

What is known is what the extract's patients files say (patient id, name, national id, phone, address) and, in a delta,
what earlier ones said (`fingerprints`). All are compared in one spelling (`spellings`). Matching works on distinct
texts, by words (Latin) or characters (Chinese), plus a sliding window for long ones hidden in a word, so that the cost
does not grow with patients times cells.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.extracts.feeds import Kind
from orchestration.extracts.fingerprints import (
    LONG_START,
    Fingerprints,
    Traits,
    long_key,
    long_keys,
    phrase_key,
    short_key,
    start_key,
)
from orchestration.extracts.patient_keys import PatientKeys
from orchestration.extracts.spellings import SQUEEZED_ASCII, Spelling, folded, squeezed, words_of

MASK = "[identifier]"
"""Stands where an identifier stood."""

_CJK = re.compile(r"[⺀-鿿가-힯豈-﫿]")
_FIRST_CJK = "⺀"
_BETWEEN_NAMES = re.compile(r"[\s,.'’-]*")
_PRINTABLE_ASCII = "^[ -~]*$"
_MIN_WORD = 4
_MIN_CJK = 2
_MIN_LONG_NUMBER = 7
_MIN_LONG_CODE = LONG_START
_MIN_LONG_WORD = 8
_MOST_WORDS = 4
"""Of a long name whose words are looked for turned round."""
_MOST_SHAPES = 200
_PLAIN_NUMBER = r"^[<>≤≥=~]{0,2}\s*[-+]?\d{1,8}([.,]\d{1,8})?([eE][-+]?\d{1,2})?\s*%?$"
_PLAIN_TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_WHOLE_FLOAT = re.compile(r"(?<=\d)\.0+$")
_DATE_LIKE = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(\D|$)")
_LOINC = r"^\d{1,5}-\d$"
_HARMLESS = {
    Kind.NUMBER: f"{_PLAIN_NUMBER}",
    Kind.INTEGER: f"{_PLAIN_NUMBER}",
    Kind.DATE: _PLAIN_TIME,
    Kind.DATETIME: _PLAIN_TIME,
    Kind.CODE: _LOINC,
}


class KnownIdentifiers:
    """The identifiers of one extract's patients, ready to be looked for."""

    def __init__(
        self,
        identifiers: Iterable[pa.StringArray] = (),
        patient_ids: pa.StringArray | None = None,
        earlier: Fingerprints | None = None,
        patient_keys: PatientKeys | None = None,
    ) -> None:
        """Takes the identifiers as they stand; those too short to tell from ordinary words count as whole cells only.

        `patient_ids` are those among them whose make-up tells what a patient id looks like at this source; `earlier`
        is what patients files of earlier extracts said; `patient_keys` are those of the patients file at hand.
        """
        self.patient_keys = patient_keys or PatientKeys()
        self._earlier = earlier
        self._shapes = _shapes(patient_ids) if patient_ids is not None else frozenset()
        self._short: set[str] = set()
        self._phrases: set[tuple[str, ...]] = set()
        self._phrase_lengths: dict[str, frozenset[int]] = {}
        self._long: set[str] = set()
        # The same as columns: for fingerprints of a million patients, 6.8 s in place of 11.3 through the set.
        self._long_forms: list[pa.StringArray] = []
        self._long_lengths: dict[str, frozenset[int]] = {}
        for texts in identifiers:
            self._add_texts(texts)

    def _add_texts(self, texts: pa.StringArray) -> None:
        """Nearly all identifiers of a source are long and plain ASCII: these are taken as whole columns."""
        plain = pc.match_substring_regex(texts, _PRINTABLE_ASCII)
        spaced = pc.ascii_lower(pc.ascii_trim_whitespace(texts.filter(plain)))
        close = pc.replace_substring_regex(spaced, SQUEEZED_ASCII, "")
        long = pc.greater_equal(pc.binary_length(close), _MIN_LONG_WORD)
        unlike = pc.and_(long, pc.not_equal(pc.binary_length(spaced), pc.binary_length(close)))
        self._add_long(close.filter(long))
        self._add_long(spaced.filter(unlike))
        others = (*texts.filter(pc.invert(plain)).to_pylist(), *spaced.filter(pc.invert(long)).to_pylist())
        by_folded = {text: squeezed(text) for text in (folded(each).strip() for each in others)}
        long_others = {text: form for text, form in by_folded.items() if _is_long(form)}
        self._add_long(pa.array([*long_others, *long_others.values()], pa.string()))
        for text, form in by_folded.items():
            if text not in long_others:
                self._add_words(text, form)

    def _add_words(self, text: str, form: str) -> None:
        tokens = words_of(text)
        if tokens and _is_telling(text, tokens):
            self._phrases.add(tokens)
            _add_length(self._phrase_lengths, tokens[0], len(tokens))
        elif form:
            self._short.add(form)

    def _add_long(self, forms: pa.StringArray) -> None:
        self._long.update(forms.to_pylist())
        self._long_forms.append(forms)
        starts = {"start": pc.utf8_slice_codeunits(forms, 0, _MIN_LONG_CODE), "length": pc.utf8_length(forms)}
        distinct = pa.table(starts).group_by(["start", "length"]).aggregate([])
        for start, length in zip(*(distinct.column(name).to_pylist() for name in starts), strict=True):
            _add_length(self._long_lengths, start, length)

    def __bool__(self) -> bool:
        """True when there is anything to look for."""
        return bool(self._phrases or self._long or self._short or self._earlier)

    @property
    def shapes(self) -> frozenset[str]:
        """What a patient id of this source looks like, letters and digits made alike; empty when nothing is known."""
        return self._shapes | (self._earlier.traits.shapes if self._earlier else frozenset())

    @property
    def traits(self) -> Traits:
        """What a later extract must know of these identifiers to look for them."""
        return Traits(
            frozenset[int]().union(*set(self._phrase_lengths.values())),
            frozenset[int]().union(*set(self._long_lengths.values())),
            self._shapes,
        )

    def keys(self) -> Iterator[bytes]:
        """Every identifier of this extract as its fingerprint is taken."""
        for forms in self._long_forms:
            yield from long_keys(forms)
        yield from map(start_key, self._long_lengths)
        yield from map(phrase_key, self._phrases)
        yield from map(short_key, self._short)

    def unlike_any_patient_id(self, texts: pa.StringArray) -> pa.BooleanArray:
        """True for texts that no patient id of this source resembles; nowhere when no kind is known, or too many."""
        shapes = self.shapes
        if not 0 < len(shapes) <= _MOST_SHAPES:
            return pa.array([False] * len(texts), pa.bool_())
        return pc.invert(pc.match_substring_regex(texts, f"^(?:{'|'.join(sorted(map(_pattern, shapes)))})$"))

    def unknown_ids(self, texts: pa.StringArray) -> pa.BooleanArray:
        """True for patient ids that are none of the identifiers, long enough to tell from a number of the day."""
        lowered = pc.ascii_lower(texts).to_pylist()
        return pa.array(
            [
                not (low in self._long or (low,) in self._phrases)
                and is_telling_id(text)
                and not self.is_identifier(text)
                for text, low in zip(texts.to_pylist(), lowered, strict=True)
            ],
            pa.bool_(),
        )

    def withheld(self, texts: pa.StringArray, ids: Set[str] = frozenset()) -> pa.StringArray:
        """Distinct texts of rows that are wrong somewhere: here nothing that may be an identifier is shown.

        As in `scrub_column`, but plain numbers, dates and codes are looked at, too, and a text that is an identifier as
        a whole, or one of the hospital's `ids`, goes however short it is.
        """
        alike = {folded(each) for each in ids}
        masked = [
            None if text is None else MASK if folded(text) in alike or self.is_identifier(text) else self.mask(text)
            for text in texts.to_pylist()
        ]
        return pa.array(masked, pa.string())

    def is_identifier(self, text: str) -> bool:
        """True when the text as a whole is an identifier in whatever spelling, the `.0` of a spreadsheet aside."""
        spelled = whole_cell(text)
        close = squeezed(spelled)
        turns = list(_turns(words_of(spelled)))
        if close in self._short or close in self._long or not self._phrases.isdisjoint(turns):
            return True
        keys = [short_key(close), long_key(close), *map(phrase_key, turns)]
        return self._earlier is not None and any(self._earlier.knows(keys))

    def scrub_column(self, texts: pa.StringArray, kind: Kind) -> pa.StringArray:
        """Distinct texts of a column of that kind, identifiers masked; the same object when there were none."""
        if not self or len(texts) == 0:
            return texts
        pattern = _HARMLESS.get(kind)
        suspicious = pc.fill_null(
            pc.invert(pc.match_substring_regex(texts, pattern)) if pattern else pc.is_valid(texts), False
        )
        chosen = texts.filter(suspicious).to_pylist()
        masked = [self.mask(text) for text in chosen]
        if masked == chosen:
            return texts
        return pc.replace_with_mask(texts, suspicious, pa.array(masked, pa.string()))

    def mask(self, text: str) -> str:
        """The text with every identifier in it replaced by `MASK`; the whole text when one hides in its spacing."""
        spelling = Spelling(text)
        # What is long is known with and without its spacing: where none is found without, none is there with it.
        hidden = self._holds_long(squeezed(spelling.folded))
        spans = sorted(self._spans(spelling, hidden=hidden))
        if not spans:
            return MASK if hidden else text
        pieces, at = [], 0
        for start, end in (spelling.original_span(*span) for span in spans):
            if start >= at:
                pieces += [text[at:start], MASK]
            at = max(at, end)
        masked = "".join([*pieces, text[at:]])
        return MASK if self._holds_long(squeezed(folded(masked))) else masked

    def _spans(self, spelling: Spelling, *, hidden: bool) -> Iterator[tuple[int, int]]:
        """Where identifiers stand in the folded text."""
        for first, last in self._runs(spelling):
            yield spelling.word_spans[first][0], spelling.word_spans[last][1]
        if hidden:
            yield from self._windows(spelling.folded)

    def _runs(self, spelling: Spelling) -> Iterator[tuple[int, int]]:
        """First and last word of what is an identifier by its words."""
        words = spelling.words
        for at in [at for at, word in enumerate(words) if word in self._phrase_lengths]:
            for length in self._phrase_lengths[words[at]]:
                for start in range(at, max(at - (length if length <= _MOST_WORDS else 1), -1), -1):
                    end = start + length
                    known = end <= len(words) and (*words[at:end], *words[start:at]) in self._phrases
                    if known and (start == at or _is_a_name(spelling, start, end)):
                        yield start, end - 1
        for form, first, last in _turned_names(words, self._long_lengths):
            if form in self._long:
                yield first, last
        if self._earlier is not None:
            yield from self._earlier_runs(spelling, self._earlier)

    def _earlier_runs(self, spelling: Spelling, earlier: Fingerprints) -> Iterator[tuple[int, int]]:
        """The same for what an earlier extract said."""
        words = spelling.words
        runs = [
            (turned, start, start + length - 1)
            for length in sorted(earlier.traits.phrase_lengths)
            for start in range(len(words) - length + 1)
            for turned in (
                _turns(words[start : start + length])
                if _is_a_name(spelling, start, start + length)
                else [words[start : start + length]]
            )
        ]
        known = earlier.knows([phrase_key(turned) for turned, _, _ in runs])
        names = list(_turned_names(words, earlier.begun({each for _, starts in _starts(words) for each in starts})))
        long = earlier.knows([long_key(form) for form, _, _ in names])
        for (_, first, last), there in zip([*runs, *names], [*known, *long], strict=True):
            if there:
                yield first, last

    def _holds_long(self, text: str) -> bool:
        return any(True for _ in self._windows(text))

    def _windows(self, text: str) -> Iterator[tuple[int, int]]:
        if self._earlier is not None:
            yield from self._earlier.windows(text)
        known = self._long_lengths
        every = range(len(text) - _MIN_LONG_CODE + 1)
        for start in [at for at in every if text[at : at + _MIN_LONG_CODE] in known]:
            for length in known[text[start : start + _MIN_LONG_CODE]]:
                if start + length <= len(text) and text[start : start + length] in self._long:
                    yield start, start + length


def _turns(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The words as they stand first; those of a name in Latin letters also begun with each of the others."""
    if len(words) > _MOST_WORDS or not all(map(_is_latin, words)):
        return [words]
    return [(*words[at:], *words[:at]) for at in range(max(len(words), 1))]


def _turned_names(words: Sequence[str], starts: Container[str]) -> Iterator[tuple[str, int, int]]:
    """Runs of two to four words with the last ones put first, without spacing: `wang wei` may be the name `weiwang`.

    Runs that begin with none of the `starts` of what is looked for are left out. Yields the form and the places of the
    first and the last word.
    """
    for at, begun in _starts(words):
        for each in begun:
            if each in starts or len(each) < LONG_START:
                break
        else:
            continue
        before = ""
        for start in range(at - 1, max(at - _MOST_WORDS, -1), -1):
            if not _is_latin(words[start]):
                break
            before = words[start] + before
            after = ""
            for end in range(at, min(start + _MOST_WORDS, len(words))):
                if not _is_latin(words[end]):
                    break
                after += words[end]
                yield after + before, start, end


def _starts(words: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """With each word that follows another one the first six characters of what it may begin.

    Those of a shorter word are completed by the next word or one of the three before it.
    """
    latin = [word if word.isalpha() and word < _FIRST_CJK else "" for word in words]
    for at in range(1, len(latin)):
        word = latin[at]
        if word and latin[at - 1]:
            if len(word) >= LONG_START:
                yield at, [word[:LONG_START]]
            else:
                others = latin[max(at - _MOST_WORDS + 1, 0) : at] + latin[at + 1 : at + 2]
                yield at, [(word + other)[:LONG_START] for other in others if other]


def _is_latin(word: str) -> bool:
    return word.isalpha() and word < _FIRST_CJK


def _is_a_name(spelling: Spelling, start: int, end: int) -> bool:
    """True for words in Latin letters that all begin with a capital, nothing but blanks and the like between them."""
    if end - start < 2 or not all(spelling.capitals[start:end]):
        return False
    spans = spelling.word_spans[start:end]
    return all(map(_is_latin, spelling.words[start:end])) and all(
        _BETWEEN_NAMES.fullmatch(spelling.folded, one[1], two[0]) for one, two in itertools.pairwise(spans)
    )


def _add_length(lengths: dict[str, frozenset[int]], start: str, length: int) -> None:
    known = lengths.get(start)
    if known is None or length not in known:
        lengths[start] = _only(length) if known is None else known | _only(length)


def telling_ids(ids: Mapping[str, pa.StringArray | pa.ChunkedArray]) -> frozenset[str]:
    """Of hospital ids by kind those long enough to tell from a grade or a number of the day."""
    every = (text for texts in ids.values() for text in texts.to_pylist() if text is not None)
    return frozenset(filter(is_telling_id, every))


def is_telling_id(text: str) -> bool:
    """True for an id that is long enough to be told from a grade or a number of the day."""
    return len(text) >= _MIN_WORD and may_be_an_id(text)


def whole_cell(text: str) -> str:
    """A text as it is compared with an identifier as a whole: folded, without the `.0` of a spreadsheet."""
    return _WHOLE_FLOAT.sub("", folded(text).strip())


def may_be_an_id(text: str) -> bool:
    """True for a text with a digit in it that is no date: what an id column may hold where no patients file says."""
    return any(sign.isdigit() for sign in text) and not _DATE_LIKE.match(text)


def _shapes(texts: pa.StringArray) -> frozenset[str]:
    """Digits as 9, letters as a, everything else as it stands: SYN-001 is aaa-999."""
    digits_alike = pc.unique(pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"\p{Nd}", "9"))
    return frozenset(pc.unique(pc.replace_substring_regex(digits_alike, r"\p{L}", "a")).to_pylist())


def _pattern(shape: str) -> str:
    """The regular expression of the texts of a shape."""
    kinds = {"9": r"\p{Nd}", "a": r"\p{L}"}
    runs = ((sign, len(list(run))) for sign, run in itertools.groupby(shape))
    return "".join(f"{kinds.get(sign, re.escape(sign))}{{{length}}}" for sign, length in runs)


@lru_cache(maxsize=1024)
def _only(length: int) -> frozenset[int]:
    """One set for each single length, shared by the many identifiers that have it: a million sets would fill memory."""
    return frozenset((length,))


def _is_telling(folded: str, tokens: tuple[str, ...]) -> bool:
    if _CJK.search(folded):
        return len(folded) >= _MIN_CJK
    return sum(len(token) for token in tokens) >= _MIN_WORD


def _is_long(squeezed: str) -> bool:
    if not _MIN_LONG_CODE <= len(squeezed) < _MIN_LONG_WORD:
        return len(squeezed) >= _MIN_LONG_WORD
    if squeezed.isdigit():
        return len(squeezed) >= _MIN_LONG_NUMBER
    has_digit = any(sign.isdigit() for sign in squeezed)
    return len(squeezed) >= (_MIN_LONG_CODE if has_digit or _CJK.search(squeezed) else _MIN_LONG_WORD)
