"""What a dbt test means, in words for the page of its check: the rule, and what to do when it fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_COMMENT = re.compile(r"^--\s?(.*)$", re.MULTILINE)
_REFERENCE = re.compile(r"ref\('(\w+)'\)")

Arguments = Mapping[str, Any]
_RULES: dict[str, Callable[[Arguments], str]] = {
    "one_row_per": lambda given: f"The grain: one row per {_listed(given['columns'])}.{_nulls(given)}",
    "accepted_values": lambda given: f"`{given['column_name']}` is one of {_listed(given['values'])}.",
    "not_null": lambda given: f"`{given['column_name']}` is filled in every row.",
    "unique": lambda given: f"`{given['column_name']}` is another one in every row.",
    "relationships": lambda given: (
        f"Every `{given['column_name']}` stands in `{given['field']}` of `{_referenced(given['to'])}`."
    ),
    "is_empty": lambda _given: "This list of troubles is empty: every row of it is one trouble.",
    "is_not_negative": lambda given: f"`{given['column_name']}` is never below zero.",
    "nothing_after_death": lambda _given: "No event is dated after the patient's death.",
}


def describe_test(test: Mapping[str, Any]) -> str:
    """Return the rule of a test and what to do when it fails.

    Args:
        test: its node in dbt's manifest; a test of one's own begins with a comment that says its rule.
    """
    rule, action = _rule(test), test["meta"].get("action")
    return f"{rule} What to do: {action}" if action else rule


def _rule(test: Mapping[str, Any]) -> str:
    generic = test.get("test_metadata")
    if generic is None:
        return " ".join(_header(test["raw_code"])) or str(test["name"]).replace("_", " ").capitalize() + "."
    words = _RULES.get(generic["name"])
    if words is not None:
        return words(generic["kwargs"])
    column = generic["kwargs"].get("column_name")
    where = f" of `{column}`" if column else ""
    return f"{str(generic['name']).replace('_', ' ').capitalize()}{where}."


def _header(sql: str) -> list[str]:
    """The first comment's lines."""
    found: list[str] = []
    end = 0
    for line in _COMMENT.finditer(sql):
        if found and line.start() > end + 1:
            break
        found.append(line.group(1).strip())
        end = line.end()
    return found


def _listed(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _nulls(given: Arguments) -> str:
    return " Rows with an empty one among them are left out." if given.get("nulls") == "allowed" else ""


def _referenced(to: str) -> str:
    found = _REFERENCE.search(to)
    return found.group(1) if found else to
