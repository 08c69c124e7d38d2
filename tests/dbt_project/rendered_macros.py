"""The project's macros by themselves, rendered without dbt."""

from __future__ import annotations

from typing import Any

import jinja2

from orchestration.settings import DBT_PROJECT_DIR


def rendered_macros(*files: str, **known: Any) -> Any:
    """Return the macros of these files of `macros/` as attributes; ``known`` is what they ask of dbt, by name."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    environment.globals.update(known)
    texts = ((DBT_PROJECT_DIR / "macros" / name).read_text(encoding="utf-8") for name in files)
    return environment.from_string("".join(texts)).module
