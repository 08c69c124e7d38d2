"""The one spelling of a key: the lake, staging and the search for repeated keys compare texts, not instants.

Only what is read as the same value either way is spelled anew; what can't be read stays as the source wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.extracts.feeds import Kind

_WITHOUT_SECONDS = len("2015-07-16T06:58")
_DATE_ALONE = len("2015-07-16")
_LEAP_YEAR = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY_OF_ANY_YEAR = (
    r"(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8])"
)
_DATE = rf"(?:\d{{4}}-(?:{_DAY_OF_ANY_YEAR})|{_LEAP_YEAR}-02-29)"
_ZONE = r"(?:Z|[+-]\d{2}(?::?\d{2})?)"
_INSTANT = rf"^{_DATE}[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?{_ZONE}?$"
_MIDNIGHT = rf"^{_DATE}[T ]00:00(?::00(?:\.0+)?)?{_ZONE}?$"
_WHOLE_NUMBER = r"^[1-9]\d*\.0+$"


def key_spelling(texts: pa.StringArray, kind: Kind) -> pa.StringArray:
    """Distinct texts of a key column of that kind in the spelling of keys; the same object where all have it already.

    A time is `YYYY-MM-DDTHH:MM`, with seconds and their fraction only where they aren't zero and a time zone as it
    stands; a date alone stays one, for it means an unknown time. A date column's midnight is left out, and so is the
    `.0` of a whole number. Two texts may become equal.
    """
    known = _SPELLINGS.get(kind)
    if known is None or not _may_be_spelled_differently(texts, kind):
        return texts
    pattern, spelled = known
    fitting = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    if not pc.any(fitting).as_py():
        return texts
    return pc.replace_with_mask(texts, fitting, spelled(texts.filter(fitting)))


def _may_be_spelled_differently(texts: pa.StringArray, kind: Kind) -> bool:
    """False for nearly all columns; a look at lengths takes a twentieth of the time of a look at patterns."""
    if kind is Kind.INTEGER:
        return bool(pc.any(pc.match_substring(texts, ".")).as_py())
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if kind is Kind.DATE:
        return bool(longest > _DATE_ALONE)
    return bool(longest > _WITHOUT_SECONDS or pc.any(pc.match_substring(texts, " ")).as_py())


def _instant(texts: pa.StringArray) -> pa.StringArray:
    texts = pc.replace_substring(texts, " ", "T")
    texts = pc.replace_substring_regex(texts, r"\.0+(\D.*)?$", r"\1")
    texts = pc.replace_substring_regex(texts, r"(\.\d*[1-9])0+(\D.*)?$", r"\1\2")
    return pc.replace_substring_regex(texts, r"^(.{16}):00([^.].*)?$", r"\1\2")


def _date(texts: pa.StringArray) -> pa.StringArray:
    return pc.utf8_slice_codeunits(texts, 0, _DATE_ALONE)


def _whole_number(texts: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring_regex(texts, r"\.0+$", "")


_SPELLINGS: Mapping[Kind, tuple[str, Callable[[pa.StringArray], pa.StringArray]]] = MappingProxyType(
    {Kind.DATETIME: (_INSTANT, _instant), Kind.DATE: (_MIDNIGHT, _date), Kind.INTEGER: (_WHOLE_NUMBER, _whole_number)}
)
