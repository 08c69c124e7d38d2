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
from warehouse.home import UNWRITABLE

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


_SQLITE_OR_DUCKDB = ("OperationalError", "IOException")
_READ_ONLY = re.compile(r"Read-only file system|Permission denied|attempt to write a readonly database")
_FULL = re.compile(r"database or disk is full|disk I/O error|No space left on device")  # SQLite's WAL says the second


def describe_bug(error: BaseException) -> str:
    """Say where an unforeseen error arose; its text is left out, for it may quote a row of the source.

    A full disk and one that has become read-only are met wherever something happens to be written, and are no bug: they
    are called by their names.
    """
    if _found(error, (errno.ENOSPC, errno.EDQUOT), _FULL):
        return "No space left on device, or the disk fails; make room (docs/runbook.md, Disk) and refresh again"
    if denied := _found(error, UNWRITABLE, _READ_ONLY):
        file = getattr(denied, "filename", None)  # its own name may hold an identifier
        where = f" in {Path(file).parent}" if isinstance(file, str) else ""
        return (
            f"Read-only file system or permission denied{where}; check the mount, and that this user owns CART_HOME "
            "and may read CART_EXTRACTS; then refresh again"
        )
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-4:]]
    return (
        f"unforeseen {type(error).__name__} at {' > '.join(places)}; this is a fault of the program, please report it"
    )


def _found(error: BaseException | None, codes: tuple[int, ...], words: re.Pattern[str]) -> BaseException | None:
    """The error of the system with one of these codes, or of SQLite or DuckDB in these words, that this is or wraps."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in codes:
            return error
        if type(error).__name__ in _SQLITE_OR_DUCKDB and words.search(str(error)):
            return error
        error = error.__cause__ or error.__context__
    return None
