"""The study's identifier in files of other systems, and SQL literals."""

from __future__ import annotations

import hashlib
import re

from study import Study

MAX_IDENTIFIER = 100
HASH_DIGITS = 8


def study_identifier(study: Study) -> str:
    """Return the study's name as lower-case letters, digits and underscores.

    A name that loses letters by that (another script) or is too long ends in digits of its SHA-256, so that two
    studies never share an identifier only because of what was cut off.
    """
    name = study.study.name.strip()
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    loses_letters = any(letter.isalnum() and not letter.isascii() for letter in name)
    if slug and not loses_letters and len(slug) <= MAX_IDENTIFIER:
        return slug
    digits = hashlib.sha256(name.encode()).hexdigest()[:HASH_DIGITS]
    kept = slug[: MAX_IDENTIFIER - HASH_DIGITS - 1].strip("_") or "study"
    return f"{kept}_{digits}"


def one_line(text: str) -> str:
    """Return a text with every run of white space as one blank: nothing may break a line of a meta file."""
    return " ".join(text.split())


def literal(text: str) -> str:
    """Return a text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
