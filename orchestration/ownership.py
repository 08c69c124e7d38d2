"""Who answers for an asset."""

from __future__ import annotations

from typing import Final

DATA_ENGINEERING: Final = "team:data-engineering"
CLINICAL_DATA: Final = "team:clinical-data"
STATISTICS: Final = "team:statistics"
