"""Where everything of one warehouse lies: the only place that knows the folder names of `CART_HOME`."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import WarehouseError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
DATABASE_NAME = "warehouse.duckdb"
UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
PUBLISHED_FOLDERS = ("exports", "report", "data_docs", "dbt_docs", "interchange")


@dataclass(frozen=True)
class WarehouseHome:
    """Paths of one warehouse home.

    `database`, `exports`, `report`, `data_docs` and `dbt_docs` are what readers use. They are links through the one
    link `current` into `versions/<night>/`, so that a single rename moves all of them to the next night at once.
    `staged(...)` and `build_database` are what a running refresh writes.

    Attributes:
        root: the folder `CART_HOME`.
    """

    root: Path

    @property
    def database(self) -> Path:
        """The published warehouse (read-only for everybody)."""
        return self.root / DATABASE_NAME

    @property
    def current(self) -> Path:
        """The link to the published version's folder."""
        return self.root / "current"

    @property
    def versions(self) -> Path:
        """One folder per published night that is still kept."""
        return self.root / "versions"

    @property
    def build(self) -> Path:
        """Everything that the running refresh makes; worth nothing once the refresh has ended."""
        return self.root / "build"

    @property
    def build_database(self) -> Path:
        """The next warehouse, while a refresh runs."""
        return self.build / DATABASE_NAME

    @property
    def unpublished_database(self) -> Path:
        """What the published file must not hold: views over the lake (`staging`) and work tables of long feeds."""
        return self.build / "unpublished.duckdb"

    @property
    def lake(self) -> Path:
        """Append-only Parquet copy of all extracts."""
        return self.root / "lake"

    @property
    def lake_plan(self) -> Path:
        """What this night's staging reads."""
        return self.lake / "plan.json"

    @property
    def exports(self) -> Path:
        """Published Parquet files, one per mart and analysis table."""
        return self.root / "exports"

    @property
    def report(self) -> Path:
        """Published report folder."""
        return self.root / "report"

    @property
    def data_docs(self) -> Path:
        """Published Great Expectations pages."""
        return self.root / "data_docs"

    @property
    def dbt_docs(self) -> Path:
        """Published dbt documentation."""
        return self.root / "dbt_docs"

    @property
    def interchange(self) -> Path:
        """Published ADaM-style and cBioPortal files."""
        return self.root / "interchange"

    @property
    def quarantine(self) -> Path:
        """Rejected rows as CSV for the people at the source."""
        return self.root / "quarantine"

    @property
    def dagster(self) -> Path:
        """Dagster's run state."""
        return self.root / "dagster"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.root / "logs"

    def staged(self, folder: str) -> Path:
        """Where the running refresh writes a folder that `publish` will put in place.

        Args:
            folder: one of `PUBLISHED_FOLDERS`.

        Raises:
            WarehouseError: the name is no published folder.
        """
        if folder not in PUBLISHED_FOLDERS:
            raise WarehouseError(f"'{folder}' is not a published folder; known: {', '.join(PUBLISHED_FOLDERS)}")
        return self.build / folder

    def prepare(self) -> WarehouseHome:
        """Create every folder that a refresh needs, readable by the owner alone.

        The mode is set explicitly because the caller's umask applies to `mkdir`, and an existing folder keeps its
        own mode. The published folders are not created here: they appear with the first publish. Whether a prepared
        home may be written is not asked: the web pages may write `dagster` and `logs` alone.

        Raises:
            WarehouseError: a folder can't be created, or belongs to somebody else.
        """
        folders = (
            self.root,
            self.versions,
            self.build,
            self.lake,
            self.lake / "raw",
            self.lake / "rejected",
            self.lake / "ledger",
            self.quarantine,
            self.dagster,
            self.logs,
        )
        for folder in folders:
            _private_directory(folder)
        return self


def restrict_new_files() -> None:
    """Make every file that this process creates from now on private to its owner (umask 077).

    For entry points only: the umask belongs to the whole process, so a library must not change it behind a caller.
    """
    os.umask(0o077)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of a file in the home, where it may not be written, which one it is and what to do.

    Raises:
        WarehouseError: the file system is read-only, or the file belongs to somebody else.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise WarehouseError(
            f"{path} can't be written: {error.strerror}. Check the mount and the owner of the home: "
            "CART_HOME must be a folder that this user owns and may write to."
        ) from error


def _private_directory(folder: Path) -> None:
    try:
        folder.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o777 != DIRECTORY_MODE:
            folder.chmod(DIRECTORY_MODE)
    except FileExistsError as error:
        raise WarehouseError(
            f"{folder} is a file, but the warehouse home needs a folder there; move it away"
        ) from error
    except OSError as error:
        raise WarehouseError(
            f"The folder {folder} can't be prepared: {error.strerror}. "
            "Give CART_HOME a folder that this user owns and may write to."
        ) from error
