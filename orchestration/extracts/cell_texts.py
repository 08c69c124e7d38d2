"""Single cells, from a source's way of writing to the contract's; what doesn't fit stays as it stands, unguessed."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from zoneinfo import ZoneInfo

from orchestration.extracts.profiles import NUMERIC_DATES, ColumnProfile

UNREADABLE = " [not readable]"
"""Follows a number that would mean something else downstream than it did at the source."""

_COMPARATOR = re.compile(r"^\s*(<=|>=|[<>≤≥~]?)\s*")
_PLAIN_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_EXCEL_EPOCH = datetime(1899, 12, 30)
_LAST_EXCEL_DAY = 2_958_465
_LAST_EPOCH_SECOND = 253_402_300_799
_SECONDS_PER_DAY = 86_400
_EPOCH_UNITS = {"epoch_s": 1, "epoch_ms": 1000}


def number_text(text: str, decimal: str, thousands: str) -> str:
    """A number in the source's notation with `.` as decimal sign and no grouping; a comparator before it stays."""
    plain = unicodedata.normalize("NFKC", text)
    start = _COMPARATOR.match(plain)
    comparator = start.group(1) if start else ""
    digits = plain[start.end() :].strip() if start else plain.strip()
    if _grouped(decimal, thousands).fullmatch(digits):
        return comparator + digits.replace(thousands or "\0", "").replace(decimal, ".")
    if decimal != "." and _PLAIN_NUMBER.fullmatch(digits):
        return text + UNREADABLE
    return text


@lru_cache(maxsize=64)
def _grouped(decimal: str, thousands: str) -> re.Pattern[str]:
    groups = rf"|\d{{1,3}}({re.escape(thousands)}\d{{3}})+" if thousands else ""
    return re.compile(rf"[-+]?(\d+{groups})({re.escape(decimal)}\d+)?([eE][-+]?\d+)?")


def multiplied(text: str, factor: Decimal) -> str:
    """A plain number times `factor`, exactly, its comparator kept; any other text as it stands."""
    start = _COMPARATOR.match(text)
    comparator = start.group(1) if start else ""
    try:
        product = Decimal(text[start.end() if start else 0 :].strip()) * factor
    except InvalidOperation:
        return text
    if not product.is_finite():
        return text
    return comparator + f"{product.normalize():f}"


def whole_number(text: str) -> str:
    """`12.0` as `12`; any other text as it stands."""
    return re.sub(r"^([-+]?\d+)\.0+$", r"\1", text)


def date_text(text: str, formats: tuple[str, ...], timezone: str) -> str:
    """The first format that fits, as an ISO date, datetime or (without a day) month; other text as it stands."""
    for each in formats:
        found = _numeric_date(text, each, timezone) if each in NUMERIC_DATES else _written_date(text, each)
        if found is not None:
            return found
    return text


def _written_date(text: str, form: str) -> str | None:
    try:
        moment = datetime.strptime(text, form)
    except ValueError:
        return None
    if "%H" in form or "%I" in form:
        return moment.strftime("%Y-%m-%d %H:%M:%S" if "%S" in form else "%Y-%m-%d %H:%M")
    if "%j" in form or "%d" in form:
        return moment.strftime("%Y-%m-%d")
    return moment.strftime("%Y-%m" if "%m" in form or "%b" in form or "%B" in form else "%Y")


def _numeric_date(text: str, form: str, timezone: str) -> str | None:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        return None
    number = float(text)
    if form == "excel":
        if not 1 <= number <= _LAST_EXCEL_DAY:
            return None
        return _moment_text(_EXCEL_EPOCH + timedelta(seconds=round(number * _SECONDS_PER_DAY)))
    seconds = number / _EPOCH_UNITS[form]
    if seconds > _LAST_EPOCH_SECOND:
        return None
    moment = datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(timezone))
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _moment_text(moment: datetime) -> str:
    timed = moment.hour or moment.minute or moment.second
    return moment.strftime("%Y-%m-%d %H:%M:%S" if timed else "%Y-%m-%d")


def cell_text(text: str, column: ColumnProfile, dates: tuple[str, ...], timezone: str, *, numeric: bool) -> str | None:
    """A stripped cell after everything that its column's profile asks for."""
    if column.extract is not None:
        found = re.search(column.extract, text)
        if found is not None:
            text = found.group(1) if found.re.groups else found.group(0)
    if text in column.values:
        return column.values[text] or None
    if column.whole_number:
        text = whole_number(text)
    if numeric:
        text = number_text(text, column.decimal, column.thousands)
    if column.factor is not None:
        text = multiplied(text, column.factor)
    return date_text(text, dates, timezone) if dates else text
