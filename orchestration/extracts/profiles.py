"""Source profiles: how one hospital system's files become the contract's feeds, as validated YAML.

`docs/adding-a-source.md` explains every key to the person who writes one.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from orchestration.extracts.errors import ProfileError
from orchestration.extracts.feeds import DELETED, FEEDS, Feed, Verb

_SHIPPED = Path(__file__).resolve().parents[2] / "source_profiles"
_ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "gbk", "latin-1", "cp1252", "big5", "shift_jis")
_PROFILE_VERBS = (Verb.KEEP, Verb.DROP, Verb.YEAR)
NUMERIC_DATES = ("excel", "epoch_s", "epoch_ms")
_DATE_DIRECTIVES = frozenset("YmdHMSyBbpIfzj%")
_WILD = re.compile(r"(\*|<number>)")
_PART_DIGITS = 4
_TEXTS = tuple[str, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class ReadOptions(_Strict):
    """How the bytes of a file become cells."""

    encoding: str = "utf-8"
    delimiter: str | None = None
    quote: str = '"'
    header_row: int = Field(default=1, ge=1)
    sheet: str | None = None
    flatten: bool = False
    skip_lines: str | None = None

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        if encoding.lower() not in _ENCODINGS:
            raise ValueError(unknown("encoding", encoding, _ENCODINGS))
        return codecs.lookup(encoding).name

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_sign(cls, sign: str | None) -> str | None:
        if sign is not None and (len(sign.encode()) != 1 or sign in "\r\n\0"):
            raise ValueError(f"must be one ASCII character, not {sign!r}")
        return sign

    @field_validator("skip_lines")
    @classmethod
    def _expression(cls, expression: str | None) -> str | None:
        return expression if expression is None else _compiled(expression)


class ColumnProfile(_Strict):
    """Where a contract column comes from and what is done to its text, in the order of the fields below."""

    source: _TEXTS = Field(default=(), alias="from")
    combine: Literal["join", "concat", "first"] = "join"
    constant: str | None = None
    default: str | None = None
    extract: str | None = None
    missing: _TEXTS = ()
    values: dict[str, str] = {}
    whole_number: bool = False
    decimal: str = "."
    thousands: str = ""
    factor: Decimal | None = None
    dates: _TEXTS = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"from": (given,)}
        if isinstance(given, Mapping) and isinstance(given.get("from"), str):
            return {**given, "from": (given["from"],)}
        return given

    @field_validator("extract")
    @classmethod
    def _expression(cls, expression: str | None) -> str | None:
        return expression if expression is None else _compiled(expression)

    @field_validator("dates")
    @classmethod
    def _date_formats(cls, formats: _TEXTS) -> _TEXTS:
        for each in formats:
            _check_date_format(each)
        return formats

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnProfile:
        if bool(self.source) == (self.constant is not None):
            raise ValueError("give either `from` (a source column) or `constant` (a text), not both")
        if self.decimal not in {".", ","} or self.thousands not in {"", ",", ".", " ", "'"}:
            raise ValueError("decimal is '.' or ','; thousands is ',', '.', ' ', \"'\" or ''")
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands can't both be {self.decimal!r}")
        return self


class Lookup(_Strict):
    """One more column, from another file of the delivery: its `value` where `prefix` + its `key` equals our `by`.

    `key_prefix` is what its key begins with and our `by` doesn't.
    """

    files: _TEXTS = Field(min_length=1)
    by: str
    key: str
    value: str
    prefix: str = ""
    key_prefix: str = ""
    where: dict[str, _TEXTS] = {}
    read: ReadOptions | None = None

    def matches(self, stem: str) -> bool:
        """True when a file of that stem is meant."""
        return _any_pattern(self.files, stem)


class UnpivotedColumn(_Strict):
    """One column of a wide table: the contract columns that its header stands for, and a factor for its values."""

    set: dict[str, str] = {}
    factor: Decimal | None = None
    missing: _TEXTS = ()
    values: dict[str, str] = {}


class Unpivot(_Strict):
    """A wide table's value columns, one long row per cell that isn't empty; the cell goes to the column `into`."""

    into: str = "value"
    decimal: str = "."
    thousands: str = ""
    columns: dict[str, UnpivotedColumn] = Field(min_length=1)


class UnitConversion(_Strict):
    """Rows with this unit (and LOINC code, if any is named): value times factor, unit replaced."""

    unit: str
    to: str
    factor: Decimal
    loinc: _TEXTS = ()


class TableProfile(_Strict):
    """One kind of source file and the feed it fills; without `columns` every column maps to itself."""

    feed: str
    files: tuple[str, ...] = Field(min_length=1)
    read: ReadOptions | None = None
    columns: dict[str, ColumnProfile] | None = None
    lookups: dict[str, Lookup] = {}
    where: dict[str, _TEXTS] = {}
    where_matches: dict[str, str] = {}
    skip_where: dict[str, str] = {}
    fill_down: _TEXTS = ()
    unpivot: Unpivot | None = None
    convert: tuple[UnitConversion, ...] = ()

    @field_validator("feed")
    @classmethod
    def _known_feed(cls, feed: str) -> str:
        if feed not in FEEDS:
            raise ValueError(unknown("feed", feed, FEEDS))
        return feed

    @field_validator("skip_where", "where_matches")
    @classmethod
    def _expressions(cls, conditions: dict[str, str]) -> dict[str, str]:
        return {column: _compiled(expression) for column, expression in conditions.items()}

    @model_validator(mode="after")
    def _known_columns(self) -> TableProfile:
        names = [column.name for column in (*self.target.columns, DELETED)]
        targets = [*(self.columns or {})]
        if self.unpivot is not None:
            targets.append(self.unpivot.into)
            targets += [name for each in self.unpivot.columns.values() for name in each.set]
        for target in targets:
            if target not in names:
                raise ValueError(unknown(f"column of {self.feed}", target, names))
        if self.columns is not None:
            absent = [column.name for column in self.target.key_columns if column.name not in targets]
            if absent:
                raise ValueError(f"the key column {absent[0]!r} of {self.feed} is mapped from nothing")
        if self.convert and not {"value", "unit"} <= set(names):
            raise ValueError(f"convert: {self.feed} has no columns value and unit")
        return self

    def matches(self, stem: str) -> bool:
        """True when a file of that stem (name without folder and format) is meant."""
        return _any_pattern(self.files, stem)

    @property
    def target(self) -> Feed:
        """The feed that the table fills."""
        return FEEDS[self.feed]

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every source column that the table reads; none when columns map to themselves."""
        named = [name for column in (self.columns or {}).values() for name in column.source]
        wide = [*self.unpivot.columns] if self.unpivot else []
        filters = [*self.where, *self.where_matches, *self.skip_where, *self.fill_down]
        keys = [lookup.by for lookup in self.lookups.values()]
        names = dict.fromkeys([*named, *wide, *filters, *keys])
        return tuple(name for name in names if name not in self.lookups)


class SourceProfile(_Strict):
    """One hospital system's profile; `verbs` overrides single fields, as in `diagnoses.description: keep`."""

    name: str
    description: str = ""
    source_system: str = ""
    read: ReadOptions = ReadOptions()
    missing: _TEXTS = ()
    dates: _TEXTS = ()
    timezone: str = "UTC"
    date_shift_days: int = Field(default=0, ge=0, le=3650)
    tables: tuple[TableProfile, ...] = Field(min_length=1)
    verbs: dict[str, Verb] = {}

    @field_validator("dates")
    @classmethod
    def _date_formats(cls, formats: _TEXTS) -> _TEXTS:
        for each in formats:
            _check_date_format(each)
        return formats

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"unknown time zone {zone!r}; write it like Asia/Shanghai") from None
        return zone

    @field_validator("verbs")
    @classmethod
    def _known_fields(cls, verbs: dict[str, Verb]) -> dict[str, Verb]:
        for field, verb in verbs.items():
            _check_verb(field, verb)
        return verbs

    @property
    def sha256(self) -> str:
        """Digest of the profile's content; comments and order of keys don't count."""
        content = json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    def tables_for(self, stem: str) -> tuple[TableProfile, ...]:
        """The tables that a file of that stem fills (several, when one file feeds several feeds)."""
        return tuple(table for table in self.tables if table.matches(stem))

    def lookups_for(self, stem: str) -> tuple[Lookup, ...]:
        """What tables look up in files of that stem."""
        return tuple(each for table in self.tables for each in table.lookups.values() if each.matches(stem))

    def patterns_for(self, stem: str) -> tuple[str, ...]:
        """The file patterns of every table and lookup that a file of that stem is meant for."""
        tables = [pattern for table in self.tables_for(stem) for pattern in table.files]
        return (*tables, *(pattern for lookup in self.lookups_for(stem) for pattern in lookup.files))

    def read_options(self, table: TableProfile | Lookup) -> ReadOptions:
        """How a table's or lookup's files are read: its own word, key by key, else the profile's."""
        if table.read is None:
            return self.read
        own = {key: getattr(table.read, key) for key in table.read.model_fields_set}
        return self.read.model_copy(update=own)

    def verb(self, feed: str, column: str) -> Verb:
        """What happens to a field: the profile's word, else the contract's."""
        chosen = self.verbs.get(f"{feed}.{column}")
        return chosen if chosen is not None else FEEDS[feed].column(column).verb


def load_profile(name_or_path: str | Path) -> SourceProfile:
    """The profile of a shipped name (`canonical`) or of a YAML file; ProfileError names file, key and nearest name."""
    path = _profile_path(str(name_or_path))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        where = getattr(problem, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise ProfileError(f"{path}{line}: not readable as YAML; check indentation, colons and quotes") from None
    if not isinstance(content, Mapping):
        raise ProfileError(f"{path}: a profile is a mapping with the keys name and tables")
    try:
        return SourceProfile.model_validate({key: value for key, value in content.items() if key != "anchors"})
    except ValidationError as problem:
        raise ProfileError(f"{path}: {_first_problem(problem)}") from None


def unknown(what: str, given: str, valid: Iterable[str]) -> str:
    """The message for a name that isn't valid, with the nearest that is."""
    names = list(valid)
    near = get_close_matches(given, names, 1, 0.6)
    hint = f"nearest is {near[0]!r}" if near else f"valid: {', '.join(sorted(names))}"
    return f"unknown {what} {given!r}; {hint}"


class NamePart(NamedTuple):
    """A piece of a file name; `own` when the profile says it (a word of the pattern, a part number)."""

    text: str
    own: bool
    pattern: str


def name_parts(patterns: Iterable[str], stem: str) -> tuple[NamePart, ...]:
    """The stem in the pieces of the first pattern that it matches, those without `*` first; empty when it matches none.

    A number of up to four digits is a part's, as in `lab_results-0001`; a longer one may be a patient's.
    """
    for pattern in sorted(patterns, key=lambda each: "*" in each):
        match = _pattern(pattern).fullmatch(stem)
        if match is not None:
            pieces = _WILD.split(pattern)
            wild = iter(match.groups())
            texts = [next(wild) if _WILD.fullmatch(piece) else piece for piece in pieces]
            return tuple(
                NamePart(text, piece == text or len(text) <= (0 if piece == "*" else _PART_DIGITS), piece)
                for text, piece in zip(texts, pieces, strict=True)
            )
    return ()


def _any_pattern(patterns: Iterable[str], stem: str) -> bool:
    return any(_pattern(pattern).fullmatch(stem) for pattern in patterns)


def _pattern(text: str) -> re.Pattern[str]:
    """A file pattern: `*` stands for anything, `<number>` for up to eight digits, every other character for itself."""
    wild = {"*": "(.*)", "<number>": r"(\d{1,8})"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in _WILD.split(text)))


def _compiled(expression: str) -> str:
    try:
        re.compile(expression)
    except re.error as problem:
        raise ValueError(f"{expression!r} is no regular expression: {problem}") from None
    return expression


def _check_date_format(text: str) -> None:
    if text in NUMERIC_DATES:
        return
    directives = re.findall(r"%(.)", text)
    if not directives:
        near = get_close_matches(text, NUMERIC_DATES, 1, 0.6)
        hint = f"nearest is {near[0]!r}" if near else f"write it like %Y-%m-%d, or one of {', '.join(NUMERIC_DATES)}"
        raise ValueError(f"unknown date format {text!r}; {hint}")
    wrong = [sign for sign in directives if sign not in _DATE_DIRECTIVES]
    if wrong:
        raise ValueError(f"unknown date format {text!r}: %{wrong[0]} means nothing; %Y %m %d %H %M %S are usual")


def _profile_path(name_or_path: str) -> Path:
    given = Path(name_or_path)
    if given.suffix in {".yml", ".yaml"} or "/" in name_or_path:
        if not given.is_file():
            raise ProfileError(f"source profile {given} doesn't exist; CART_SOURCE_PROFILE is a shipped name or a file")
        return given
    shipped = _SHIPPED / f"{name_or_path}.yml"
    if not shipped.is_file():
        names = sorted(path.stem for path in _SHIPPED.glob("*.yml"))
        raise ProfileError(unknown("source profile", name_or_path, names))
    return shipped


def _check_verb(field: str, verb: Verb) -> None:
    feed, _, column = field.partition(".")
    if feed not in FEEDS:
        raise ValueError(unknown("feed", feed, FEEDS))
    names = [column.name for column in FEEDS[feed].columns]
    if column not in names:
        raise ValueError(unknown(f"column of {feed}", column, names))
    if verb not in _PROFILE_VERBS:
        raise ValueError(f"{field} can be keep, drop or year, not {verb.value}")
    if FEEDS[feed].column(column).verb in {Verb.REMOVE, Verb.PSEUDONYMISE}:
        raise ValueError(f"{field} identifies a patient; a profile can't change what happens to it")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        models = (
            SourceProfile,
            TableProfile,
            ReadOptions,
            ColumnProfile,
            Unpivot,
            UnpivotedColumn,
            UnitConversion,
            Lookup,
        )
        keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
        return f"{key}: {unknown('key', str(problem['loc'][-1]), keys)}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
