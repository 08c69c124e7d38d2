"""Which errors are for a person to mend (imports no Dagster, so that a refusal comes at once)."""

from __future__ import annotations

from orchestration.extracts import ExtractError
from orchestration.manifest import ManifestError
from orchestration.settings import SettingsError
from study import StudyError
from warehouse import WarehouseError

USER_ERRORS = (ExtractError, StudyError, SettingsError, WarehouseError, ManifestError)
