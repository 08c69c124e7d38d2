"""The published figures to compare with, and the rules that say which computed cell answers which printed one.

A paper is a folder of CSV files in the long format `table, row, item, level, statistic, value, value_num` (the bundled
one, or any folder named under `published` in the study file), with an optional `mapping.csv` of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_assets.paper_audit.printed import LONG_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

BUNDLED = "paper"
MAPPING_FILE = "mapping.csv"
_BUNDLED_FOLDER = Path(__file__).parents[1] / "dbt_project" / "seeds" / "published"
_BUNDLED_MAPPING = Path(__file__).parent / "published_mapping.csv"
MAPPING_COLUMNS = ("source_table", "item", "level", "statistic", "analysis_table", "keys", "column", "scale")


class PublishedFiguresError(Exception):
    """The published figures can't be read; the text says which file and what to do."""


@dataclass(frozen=True)
class PublishedFigures:
    """Printed figures of one paper (all text) with the rules that find their computed counterparts."""

    figures: pd.DataFrame
    mapping: pd.DataFrame


def read_published(published: str | None) -> PublishedFigures | None:
    """Read the figures that the study file names: `paper` (bundled), a folder, or None for no comparison.

    Raises:
        PublishedFiguresError: the folder or a file can't be read, or lacks a column of the long format.
    """
    import pandas as pd

    if published is None:
        return None
    folder = _BUNDLED_FOLDER if published == BUNDLED else Path(published).expanduser()
    files = sorted(path for path in folder.glob("*.csv") if path.name != MAPPING_FILE)
    if not files:
        raise PublishedFiguresError(
            f"published: no CSV file in the folder {folder}; give a folder of CSV files with the columns "
            f"{', '.join(LONG_COLUMNS)}, `paper` for the bundled figures, or null for no comparison."
        )
    figures = pd.concat([_read(path, LONG_COLUMNS[:-1]) for path in files], ignore_index=True)
    own_mapping = folder / MAPPING_FILE
    mapping = _read(own_mapping if own_mapping.is_file() else _BUNDLED_MAPPING, MAPPING_COLUMNS)
    return PublishedFigures(figures, mapping)


def _read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise PublishedFiguresError(f"published: {path.name} can't be read as a UTF-8 CSV file ({error}).") from error
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise PublishedFiguresError(f"published: {path.name} lacks the column(s) {', '.join(missing)}.")
    return frame
