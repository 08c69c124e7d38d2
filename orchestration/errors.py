"""Which errors are for a person to mend (imports no Dagster, so that a refusal comes at once)."""

from __future__ import annotations

import errno
import re
import traceback
from pathlib import Path

from analysis_assets.published import PublishedFiguresError
from expectations.errors import ExpectationsError
from interchange import InterchangeError
from orchestration.extracts import ExtractError
from orchestration.manifest import ManifestError
from orchestration.settings import SettingsError
from study import StudyError
from warehouse import WarehouseError

USER_ERRORS = (
    ExtractError,
    StudyError,
    SettingsError,
    WarehouseError,
    ManifestError,
    PublishedFiguresError,
    ExpectationsError,
    InterchangeError,
)


_FULL = re.compile(r"database or disk is full|disk I/O error|No space left on device")  # SQLite's WAL says the second


def describe_bug(error: BaseException) -> str:
    """Say where an unforeseen error arose; its text is left out, for it may quote a row of the source.

    A full disk is met wherever something happens to be written, and is no bug: it is called by its name.
    """
    if _is_full_disk(error):
        return "No space left on device, or the disk fails; make room (docs/runbook.md, Disk) and refresh again"
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-4:]]
    return (
        f"unforeseen {type(error).__name__} at {' > '.join(places)}; this is a fault of the program, please report it"
    )


def _is_full_disk(error: BaseException | None) -> bool:
    """Whether the system, SQLite or DuckDB ran out of space, or something that only wrapped their error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if type(error).__name__ in ("OperationalError", "IOException") and _FULL.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False
