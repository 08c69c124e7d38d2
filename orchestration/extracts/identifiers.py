"""Finds the patients' own identifiers where they don't belong: in values, comments, file and column names.

What is known is what the extract's patients files say (patient id, name, national id, phone, address) and, in a delta,
what earlier ones said (`fingerprints`). Matching works on distinct texts, by words (Latin) or characters (Chinese),
plus a sliding window for long ones hidden in a word, so that the cost does not grow with patients times cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import lru_cache
from itertools import groupby

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

MASK = "[identifier]"
"""Stands where an identifier stood."""

_TOKEN = re.compile(r"[⺀-鿿가-힯豈-﫿]|[^\W_⺀-鿿가-힯豈-﫿]+")
_CJK = re.compile(r"[⺀-鿿가-힯豈-﫿]")
_SQUEEZED_AWAY = {ord(sign): None for sign in " \t\n\r\u3000\u00a0-.()/（）－"}
_PRINTABLE_ASCII = "^[ -~]*$"
_SQUEEZED_ASCII = f"[{re.escape(''.join(sign for sign in map(chr, _SQUEEZED_AWAY) if ' ' <= sign <= '~'))}]"
_MIN_WORD = 4
_MIN_CJK = 2
_MIN_LONG_NUMBER = 7
_MIN_LONG_CODE = LONG_START
_MIN_LONG_WORD = 8
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
    ) -> None:
        """Takes the identifiers as they stand; those too short to tell from ordinary words count as whole cells only.

        `patient_ids` are those among them whose make-up tells what a patient id looks like at this source; `earlier`
        is what patients files of earlier extracts said.
        """
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
        folded = pc.ascii_lower(pc.ascii_trim_whitespace(texts.filter(plain)))
        squeezed = pc.replace_substring_regex(folded, _SQUEEZED_ASCII, "")
        long = pc.greater_equal(pc.binary_length(squeezed), _MIN_LONG_WORD)
        spaced = pc.and_(long, pc.not_equal(pc.binary_length(folded), pc.binary_length(squeezed)))
        self._add_long(squeezed.filter(long))
        self._add_long(folded.filter(spaced))
        others = (*texts.filter(pc.invert(plain)).to_pylist(), *folded.filter(pc.invert(long)).to_pylist())
        by_folded = {text: text.translate(_SQUEEZED_AWAY) for text in (each.casefold().strip() for each in others)}
        long_others = {text: form for text, form in by_folded.items() if _is_long(form)}
        self._add_long(pa.array([*long_others, *long_others.values()], pa.string()))
        for text, form in by_folded.items():
            if text not in long_others:
                self._add_words(text, form)

    def _add_words(self, folded: str, squeezed: str) -> None:
        tokens = tuple(_TOKEN.findall(folded))
        if tokens and _is_telling(folded, tokens):
            self._phrases.add(tokens)
            _add_length(self._phrase_lengths, tokens[0], len(tokens))
        elif squeezed:
            self._short.add(squeezed)

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

    def withheld(self, texts: pa.StringArray, ids: Set[str] = frozenset()) -> pa.StringArray:
        """Distinct texts of rows that are wrong somewhere: here nothing that may be an identifier is shown.

        As in `scrub_column`, but plain numbers, dates and codes are looked at, too, and a text that is an identifier as
        a whole, or one of the hospital's `ids`, goes however short it is.
        """
        masked = [
            None if text is None else MASK if text in ids or self.is_identifier(text) else self.mask(text)
            for text in texts.to_pylist()
        ]
        return pa.array(masked, pa.string())

    def is_identifier(self, text: str) -> bool:
        """True when the text as a whole is an identifier, spacing and the `.0` of a spreadsheet aside."""
        folded = _WHOLE_FLOAT.sub("", text.casefold().strip())
        squeezed = folded.translate(_SQUEEZED_AWAY)
        tokens = tuple(_TOKEN.findall(folded))
        if squeezed in self._short or squeezed in self._long or tokens in self._phrases:
            return True
        keys = [short_key(squeezed), long_key(squeezed), phrase_key(tokens)]
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
        folded = text.casefold()
        if len(folded) != len(text):
            folded = text.lower() if len(text.lower()) == len(text) else text
        squeezed = folded.translate(_SQUEEZED_AWAY)
        spans = sorted(self._spans(folded))
        if not spans:
            return MASK if any(True for _ in self._windows(squeezed)) else text
        pieces, at = [], 0
        for start, end in spans:
            if start >= at:
                pieces += [text[at:start], MASK]
            at = max(at, end)
        masked = "".join([*pieces, text[at:]])
        return MASK if any(True for _ in self._windows(masked.casefold().translate(_SQUEEZED_AWAY))) else masked

    def _spans(self, folded: str) -> Iterator[tuple[int, int]]:
        found = [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(folded)]
        for at, (token, start, _) in enumerate(found):
            for length in self._phrase_lengths.get(token, ()):
                words = found[at : at + length]
                if tuple(word for word, _, _ in words) in self._phrases:
                    yield start, words[-1][2]
        if self._earlier is not None:
            yield from self._earlier_phrases(found)
        yield from self._windows(folded)

    def _earlier_phrases(self, found: list[tuple[str, int, int]]) -> Iterator[tuple[int, int]]:
        """Runs of words that were a phrase of an earlier extract."""
        if self._earlier is None:
            return
        runs = [
            (at, length)
            for length in sorted(self._earlier.traits.phrase_lengths)
            for at in range(len(found) - length + 1)
        ]
        keys = [phrase_key(tuple(word for word, _, _ in found[at : at + length])) for at, length in runs]
        for (at, length), known in zip(runs, self._earlier.knows(keys), strict=True):
            if known:
                yield found[at][1], found[at + length - 1][2]

    def _windows(self, text: str) -> Iterator[tuple[int, int]]:
        if self._earlier is not None:
            yield from self._earlier.windows(text)
        for start in range(len(text) - _MIN_LONG_CODE + 1):
            for length in self._long_lengths.get(text[start : start + _MIN_LONG_CODE], ()):
                if text[start : start + length] in self._long:
                    yield start, start + length


def _add_length(lengths: dict[str, frozenset[int]], start: str, length: int) -> None:
    known = lengths.get(start)
    if known is None or length not in known:
        lengths[start] = _only(length) if known is None else known | _only(length)


def telling_ids(ids: Mapping[str, pa.StringArray | pa.ChunkedArray]) -> frozenset[str]:
    """Of hospital ids by kind those long enough to tell from a grade or a number of the day."""
    every = (text for texts in ids.values() for text in texts.to_pylist() if text is not None)
    return frozenset(text for text in every if len(text) >= _MIN_WORD and may_be_an_id(text))


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
    runs = ((sign, len(list(run))) for sign, run in groupby(shape))
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
