"""Which code made a warehouse: the version in pyproject.toml and a hash of what decides numbers."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache

from orchestration.settings import ROOT

_ROOMS = ("study", "warehouse", "orchestration", "analysis_assets", "expectations", "dbt_project", "source_profiles")
_KINDS = {".py", ".sql", ".yml", ".csv", ".html", ".css", ".js"}
_NOT_CODE = {"target", "logs", "__pycache__"}


@cache
def code_version() -> str:
    """Return `<version>+<first 12 hex digits of the SHA-256 of all code, models and seeds>`."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in _KINDS and path.is_file() and not _NOT_CODE & set(path.parts):
                digest.update(path.relative_to(ROOT).as_posix().encode())
                digest.update(path.read_bytes())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return f"{version}+{digest.hexdigest()[:12]}"
