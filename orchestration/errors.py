"""Which errors are for a person to mend (imports no Dagster, so that a refusal comes at once)."""

from __future__ import annotations

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


def describe_bug(error: BaseException) -> str:
    """Say where an unforeseen error arose; its text is left out, for it may quote a row of the source."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-4:]]
    return (
        f"unforeseen {type(error).__name__} at {' > '.join(places)}; this is a fault of the program, please report it"
    )
