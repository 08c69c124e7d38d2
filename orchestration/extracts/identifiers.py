"""Finds the patients' own identifiers where they don't belong: in values, comments, file and column names.

What is known is what the extract's patients files say: patient id, name, national id, phone, address. Matching works on
distinct texts, by words (Latin) or characters (Chinese), plus a sliding window for long ones hidden in a word, so
that the cost does not grow with patients times cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.extracts.feeds import Kind

MASK = "[identifier]"
"""Stands where an identifier stood."""

_TOKEN = re.compile(r"[⺀-鿿가-힯豈-﫿]|[^\W_⺀-鿿가-힯豈-﫿]+")
_CJK = re.compile(r"[⺀-鿿가-힯豈-﫿]")
_SQUEEZED_AWAY = {ord(sign): None for sign in " \t\n\r\u3000\u00a0-.()/（）－"}
_MIN_WORD = 4
_MIN_CJK = 2
_MIN_LONG_NUMBER = 7
_MIN_LONG_CODE = 6
_MIN_LONG_WORD = 8
_PLAIN_NUMBER = r"^[<>≤≥=~]{0,2}\s*[-+]?\d{1,8}([.,]\d{1,8})?([eE][-+]?\d{1,2})?\s*%?$"
_PLAIN_TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
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

    def __init__(self, identifiers: Iterable[str]) -> None:
        """Takes the identifiers as they stand; those too short to tell from ordinary words are not looked for."""
        self._phrases: set[tuple[str, ...]] = set()
        self._phrase_lengths: dict[str, frozenset[int]] = {}
        self._long: set[str] = set()
        self._long_lengths: dict[str, frozenset[int]] = {}
        for identifier in identifiers:
            self._add(identifier.casefold().strip())

    def _add(self, folded: str) -> None:
        squeezed = folded.translate(_SQUEEZED_AWAY)
        if _is_long(squeezed):
            self._add_long(squeezed)
            if len(folded) != len(squeezed):
                self._add_long(folded)
            return
        tokens = tuple(_TOKEN.findall(folded))
        if tokens and _is_telling(folded, tokens):
            self._phrases.add(tokens)
            _add_length(self._phrase_lengths, tokens[0], len(tokens))

    def _add_long(self, form: str) -> None:
        self._long.add(form)
        _add_length(self._long_lengths, form[:_MIN_LONG_CODE], len(form))

    def __bool__(self) -> bool:
        """True when there is anything to look for."""
        return bool(self._phrases or self._long)

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
        yield from self._windows(folded)

    def _windows(self, text: str) -> Iterator[tuple[int, int]]:
        for start in range(len(text) - _MIN_LONG_CODE + 1):
            for length in self._long_lengths.get(text[start : start + _MIN_LONG_CODE], ()):
                if text[start : start + length] in self._long:
                    yield start, start + length


def _add_length(lengths: dict[str, frozenset[int]], start: str, length: int) -> None:
    known = lengths.get(start)
    if known is None or length not in known:
        lengths[start] = _only(length) if known is None else known | _only(length)


@lru_cache(maxsize=1024)
def _only(length: int) -> frozenset[int]:
    """One set for each single length, shared by the many identifiers that have it: a million sets would fill memory."""
    return frozenset((length,))


def _is_telling(folded: str, tokens: tuple[str, ...]) -> bool:
    if _CJK.search(folded):
        return len(folded) >= _MIN_CJK
    return sum(len(token) for token in tokens) >= _MIN_WORD


def _is_long(squeezed: str) -> bool:
    if squeezed.isdigit():
        return len(squeezed) >= _MIN_LONG_NUMBER
    has_digit = any(sign.isdigit() for sign in squeezed)
    return len(squeezed) >= (_MIN_LONG_CODE if has_digit or _CJK.search(squeezed) else _MIN_LONG_WORD)
