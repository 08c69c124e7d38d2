"""Reads a study file and says, by line and nearest valid name, what is wrong with it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarbool import ScalarBoolean

from study.models import Study

Location = tuple[str | int, ...]


class StudyError(ValueError):
    """The study file can't be used; the message names file, line, key and the nearest valid name."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__(f"Study file {path.name}: " + "; ".join(problems))


class _Constructor(RoundTripConstructor):
    """Leaves as text what YAML takes for a date or number and can't read (2018-02-30): the study's types refuse it."""

    def construct_non_recursive_object(self, node: Any, tag: str | None = None) -> Any:
        try:
            value = super().construct_non_recursive_object(node, tag)
        except ValueError:
            if isinstance(node, ScalarNode):
                return node.value
            raise
        return bool(value) if isinstance(value, ScalarBoolean) else value  # true with an anchor is an int of its own


def load_study(path: Path) -> Study:
    """Load and validate the study file; raises StudyError with every problem found."""
    document = _read(path)
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        raise StudyError(path, [_describe(problem, document) for problem in error.errors()]) from None
    unknown = list(_unknown_covariates(study, document))
    if unknown:
        raise StudyError(path, unknown)
    return study


def study_sha256(path: Path) -> str:
    """SHA-256 of the study file's bytes, for the audit trail."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> CommentedMap:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StudyError(path, [f"there is no such file: {path}"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(path, [f"can't be read ({error.__class__.__name__}); it must be UTF-8 text"]) from None
    yaml = YAML(typ="rt")
    yaml.Constructor = _Constructor
    try:
        document = yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise StudyError(path, [f"line {line}: not valid YAML: {error.problem}"]) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise StudyError(path, [f"line {line}: not valid YAML: {error.reason}"]) from None
    if document is None:
        return CommentedMap()
    if not isinstance(document, CommentedMap):
        raise StudyError(path, ["line 1: expected keys such as `study:` and `cohort:`"])
    return document


def _describe(problem: Any, document: CommentedMap) -> str:
    location: Location = (*problem["loc"], *problem.get("ctx", {}).get("at", ()))
    where = f"line {_line(document, location)}: `{_dotted(location)}`"
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{where} is not a key of the study file{_nearest(str(location[-1]), _keys_at(location[:-1]))}"
    if kind == "literal_error":
        allowed = [part.strip().strip("'") for part in str(problem["ctx"]["expected"]).replace(" or ", ", ").split(",")]
        return f"{where} has the unknown value {problem['input']!r}{_nearest(str(problem['input']), allowed)}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "tuple_type":
        return f"{where}: write a list, or [] for none (found {_short(problem['input'])})"
    if kind == "repeated":
        return f"{where}: {problem['msg']}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message} (found {_short(problem['input'])})"


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


def _line(node: Any, location: Location) -> int:
    """Line (from 1) of the deepest part of `location` that the file holds."""
    line = 1
    for part in location:
        if isinstance(node, CommentedMap) and part in node:
            line = node.lc.key(part)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0] + 1
        else:
            break
        node = node[part]
    return line


def _keys_at(location: Location) -> Iterable[str]:
    model: Any = Study
    for part in location:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[part].annotation
        for inner in get_args(model):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    return model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else ()


def _nearest(word: str, valid: Iterable[str]) -> str:
    candidates = list(valid)
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.5)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; valid: {', '.join(candidates)}" if candidates else ""


def _unknown_covariates(study: Study, document: CommentedMap) -> Iterable[str]:
    """Model lists may name only covariates that the study defines."""
    names = [covariate.name for covariate in study.covariates]
    for section, key in (
        ("subgroups", "factors"),
        ("survival", "factors"),
        ("cox", "covariates"),
        ("logistic", "covariates"),
    ):
        for position, name in enumerate(getattr(getattr(study.models, section), key)):
            if name not in names:
                location: Location = ("models", section, key, position)
                yield (
                    f"line {_line(document, location)}: `{_dotted(location)}` names the covariate {name!r}, "
                    f"which `covariates` does not define{_nearest(name, names)}"
                )
