"""One spelling for the many that a text may have: identifiers and the texts they hide in are compared by it.

Letter case, full width, ligatures and composed letters (Unicode's NFKC and case folding), every dash, every blank, the
digits of all scripts and signs that nobody sees are made alike. Plain ASCII, nearly all of a source, takes the short
way.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

_SQUEEZED_SIGNS = " \t\n\r\v\f-.,()/_'’·•‧・、。⁄∕"
_SQUEEZED_AWAY = {ord(sign): None for sign in _SQUEEZED_SIGNS}
SQUEEZED_ASCII = f"[{re.escape(''.join(sign for sign in _SQUEEZED_SIGNS if ' ' <= sign <= '~'))}]"
"""The printable ones of the signs that `squeezed` leaves out, as a class of a regular expression."""

_WORD = re.compile(r"[⺀-鿿가-힯豈-﫿]|[^\W_⺀-鿿가-힯豈-﫿]+")
_DASHES_BY_ANOTHER_NAME = "\u2212\u2043\u2500\u2501"  # minus sign, hyphen bullet, lines of a box
_UNSEEN_MARKS = re.compile("[\u034f\u180b-\u180d\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # joiner, variation selectors
_JOINED_TO_THE_SIGN_BEFORE = re.compile("[\u1160-\u11ff\uff9e\uff9f]")  # Korean vowels and ends, half-width voice marks


class _Alike(dict[int, str | None]):
    """What each sign counts as, found when it is met first: going through all of Unicode takes a tenth of a second."""

    def __missing__(self, code: int) -> str | None:
        sign = chr(code)
        kind = unicodedata.category(sign)
        alike: str | None = sign
        if kind == "Pd" or sign in _DASHES_BY_ANOTHER_NAME:
            alike = "-"
        elif kind in {"Zs", "Zl", "Zp"}:
            alike = " "
        elif kind == "Cf" or _UNSEEN_MARKS.match(sign):
            alike = None
        elif kind == "Nd":
            alike = str(unicodedata.decimal(sign))
        elif kind == "Pc":
            alike = "_"
        self[code] = alike
        return alike


_ALIKE = _Alike()


def folded(text: str) -> str:
    """The text in the one spelling by which it is compared; what stands between its words stays."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text.translate(_ALIKE)).casefold()
    return unicodedata.normalize("NFKC", plain)


def squeezed(folded_text: str) -> str:
    """A folded text without its blanks, dashes, dots, commas, slashes, apostrophes and brackets."""
    return folded_text.translate(_SQUEEZED_AWAY)


def words_of(folded_text: str) -> tuple[str, ...]:
    """The words of a folded text; a Chinese or Korean sign is one by itself."""
    return tuple(_WORD.findall(folded_text))


class Spelling:
    """A text, its folded form and the words in it, and which signs of the one the signs of the other came from."""

    def __init__(self, text: str) -> None:
        """Folds the text; where each word stands and each sign came from is found only when it is asked for."""
        self.text = text
        self.folded = folded(text)
        self.words = words_of(self.folded)

    @cached_property
    def word_spans(self) -> list[tuple[int, int]]:
        """Where in the folded text each word begins and ends."""
        return [word.span() for word in _WORD.finditer(self.folded)]

    @cached_property
    def capitals(self) -> list[bool]:
        """For each word whether it begins with a capital letter as it stands in the text."""
        return [self.text[self.original_span(*span)[0]].isupper() for span in self.word_spans]

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text the folded signs from `start` to before `end` stand; `start` is less than `end`."""
        if self.text.isascii():
            return start, end
        return self._places[start][0], self._places[end - 1][1]

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """For each folded sign from where to where it stood; the whole text for each where that can't be told."""
        cuts = [at for at, sign in enumerate(self.text) if at == 0 or not _belongs_to_the_sign_before(sign)]
        pieces = [
            (start, end, folded(self.text[start:end])) for start, end in zip(cuts, [*cuts[1:], None], strict=True)
        ]
        if "".join(piece for _, _, piece in pieces) != self.folded:
            return [(0, len(self.text))] * len(self.folded)
        return [(start, end or len(self.text)) for start, end, piece in pieces for _ in piece]


def _belongs_to_the_sign_before(sign: str) -> bool:
    return unicodedata.combining(sign) > 0 or _JOINED_TO_THE_SIGN_BEFORE.match(sign) is not None
