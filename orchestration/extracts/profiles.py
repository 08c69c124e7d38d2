"""Source profiles: how one hospital system's files become the contract's feeds, as validated YAML."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orchestration.extracts.errors import ProfileError
from orchestration.extracts.feeds import FEEDS, Feed, Verb

_SHIPPED = Path(__file__).resolve().parents[2] / "source_profiles"
_ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "latin-1", "cp1252", "big5", "shift_jis")
_PROFILE_VERBS = (Verb.KEEP, Verb.DROP, Verb.YEAR)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadOptions(_Strict):
    """How the bytes of a file become cells."""

    encoding: str = "utf-8"
    delimiter: str | None = None
    quote: str = '"'

    @model_validator(mode="after")
    def _known(self) -> ReadOptions:
        if self.encoding.lower() not in _ENCODINGS:
            raise ValueError(_unknown("encoding", self.encoding, _ENCODINGS))
        for name in ("delimiter", "quote"):
            sign = getattr(self, name)
            if sign is not None and (len(sign.encode()) != 1 or sign in "\r\n\0"):
                raise ValueError(f"{name} must be one ASCII character, not {sign!r}")
        return self


class TableProfile(_Strict):
    """One kind of source file and the feed it fills; without `columns` every column maps to itself."""

    feed: str
    files: tuple[str, ...]
    read: ReadOptions = ReadOptions()

    @model_validator(mode="after")
    def _known(self) -> TableProfile:
        if self.feed not in FEEDS:
            raise ValueError(_unknown("feed", self.feed, FEEDS))
        if not self.files:
            raise ValueError("files: name at least one file pattern")
        return self

    def matches(self, stem: str) -> bool:
        """True when a file of that stem (name without folder and format) is meant."""
        return any(_pattern(pattern).fullmatch(stem) for pattern in self.files)

    @property
    def target(self) -> Feed:
        """The feed that the table fills."""
        return FEEDS[self.feed]


class SourceProfile(_Strict):
    """One hospital system's profile; `verbs` overrides single fields, as in `diagnoses.description: keep`."""

    name: str
    description: str = ""
    source_system: str = ""
    tables: tuple[TableProfile, ...] = Field(min_length=1)
    verbs: dict[str, Verb] = {}

    @model_validator(mode="after")
    def _known(self) -> SourceProfile:
        for field, verb in self.verbs.items():
            _check_verb(field, verb)
        return self

    @property
    def sha256(self) -> str:
        """Digest of the profile's content; comments and order of keys don't count."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    def tables_for(self, stem: str) -> tuple[TableProfile, ...]:
        """The tables that a file of that stem fills (several, when one file feeds several feeds)."""
        return tuple(table for table in self.tables if table.matches(stem))

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
        return SourceProfile.model_validate(content)
    except ValidationError as problem:
        raise ProfileError(f"{path}: {_first_problem(problem)}") from None


def _pattern(text: str) -> re.Pattern[str]:
    """A file pattern: `*` stands for anything, `<number>` for digits, every other character for itself."""
    parts = re.split(r"(\*|<number>)", text)
    return re.compile("".join({"*": ".*", "<number>": r"\d+"}.get(part, re.escape(part)) for part in parts))


def _profile_path(name_or_path: str) -> Path:
    given = Path(name_or_path)
    if given.suffix in {".yml", ".yaml"} or "/" in name_or_path:
        if not given.is_file():
            raise ProfileError(f"source profile {given} doesn't exist")
        return given
    shipped = _SHIPPED / f"{name_or_path}.yml"
    if not shipped.is_file():
        names = sorted(path.stem for path in _SHIPPED.glob("*.yml"))
        raise ProfileError(_unknown("source profile", name_or_path, names))
    return shipped


def _check_verb(field: str, verb: Verb) -> None:
    feed, _, column = field.partition(".")
    if feed not in FEEDS:
        raise ValueError(_unknown("verbs: feed", feed, FEEDS))
    names = [column.name for column in FEEDS[feed].columns]
    if column not in names:
        raise ValueError(_unknown(f"verbs: column of {feed}", column, names))
    if verb not in _PROFILE_VERBS:
        raise ValueError(f"verbs: {field} can be keep, drop or year, not {verb.value}")
    if FEEDS[feed].column(column).verb in {Verb.REMOVE, Verb.PSEUDONYMISE}:
        raise ValueError(f"verbs: {field} identifies a patient; a profile can't change what happens to it")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        last = str(problem["loc"][-1])
        return f"{key}: {_unknown('key', last, _all_keys())}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def _all_keys() -> set[str]:
    names: set[str] = set()
    for model in (SourceProfile, TableProfile, ReadOptions):
        names |= set(model.model_fields)
    return names


def _unknown(what: str, given: str, valid: Iterable[str]) -> str:
    names = list(valid)
    near = get_close_matches(given, names, 1, 0.6)
    hint = f"nearest is {near[0]!r}" if near else f"valid: {', '.join(sorted(names))}"
    return f"unknown {what} {given!r}; {hint}"
