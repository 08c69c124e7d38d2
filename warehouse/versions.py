"""Published versions: which one readers see, which ones are kept, and how to go back.

A version is a folder `versions/<sequence>-<UTC time>-<run>` with the warehouse, its exports and documents, and a
`night.json` that says what it is. The sequence orders versions, not the time: the clock may jump.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import WarehouseError
from warehouse.files import flush_directory, replace_link
from warehouse.home import DATABASE_NAME, PUBLISHED_FOLDERS, WarehouseHome

MANIFEST_NAME = "night.json"
PARTIAL_SUFFIX = ".partial"
DELETED_SUFFIX = ".deleted"
_NAME = re.compile(r"^(?P<sequence>\d{6})-\d{8}T\d{6}Z-[0-9A-Za-z_]+$")


@dataclass(frozen=True)
class Version:
    """One published night.

    Attributes:
        name: folder name, `<sequence>-<UTC time>-<run>`.
        folder: its folder.
        sequence: 1, 2, ... in the order of publishing.
        is_current: readers see this one.
    """

    name: str
    folder: Path
    sequence: int
    is_current: bool

    @property
    def database(self) -> Path:
        """The warehouse file of that night: attach it read-only for a query as of then."""
        return self.folder / DATABASE_NAME

    def manifest(self) -> Mapping[str, Any]:
        """Return `night.json`: run id, time, row counts, SHA-256 of every file and what the publisher added.

        Raises:
            WarehouseError: the file is missing or damaged.
        """
        path = self.folder / MANIFEST_NAME
        try:
            loaded = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WarehouseError(
                f"{path} is missing or damaged, so version {self.name} can't be checked. Run 'make refresh'."
            ) from error
        return dict(loaded)


def list_versions(home: WarehouseHome) -> list[Version]:
    """Return the kept versions, oldest first."""
    if not home.versions.is_dir():
        return []
    current = _current_name(home)
    found = [
        Version(folder.name, folder, int(match["sequence"]), folder.name == current)
        for folder in home.versions.iterdir()
        if (match := _NAME.match(folder.name)) and folder.is_dir()
    ]
    return sorted(found, key=lambda version: version.sequence)


def current_version(home: WarehouseHome) -> Version | None:
    """Return the version that readers see, or None before the first publish."""
    return next((version for version in list_versions(home) if version.is_current), None)


def rollback(home: WarehouseHome, to: str | None = None) -> Version:
    """Let readers see an earlier version again, in one atomic step. Nothing is deleted.

    Args:
        home: the warehouse home.
        to: a version's name or its beginning (the sequence number); None for the one before the current one.

    Returns:
        The version that readers see now.

    Raises:
        WarehouseError: there is no such version; the current one stays.
    """
    versions = list_versions(home)
    chosen = _version_before(versions) if to is None else _version_named(versions, to)
    if chosen is None:
        kept = ", ".join(version.name for version in versions) or "none"
        wanted = "no version before the current one" if to is None else f"no version '{to}'"
        raise WarehouseError(f"There is {wanted} to go back to. Kept versions: {kept}.")
    if not chosen.database.is_file():
        raise WarehouseError(f"Version {chosen.name} has lost its {DATABASE_NAME}; choose another one.")
    point_readers_at(home, chosen.name)
    return Version(chosen.name, chosen.folder, chosen.sequence, True)


def next_sequence(home: WarehouseHome) -> int:
    """Return the sequence number of the next version."""
    return max((version.sequence for version in list_versions(home)), default=0) + 1


def point_readers_at(home: WarehouseHome, name: str) -> None:
    """Move every published path to a version by one rename.

    The links through `current` are laid first: until `current` exists they lead nowhere, so the first publish too
    becomes visible as a whole.
    """
    for entry in (DATABASE_NAME, *PUBLISHED_FOLDERS):
        _lay_link(home, entry)
    replace_link(home.current, os.path.join("versions", name))


def prune(home: WarehouseHome, keep: int) -> list[str]:
    """Delete the oldest versions beyond `keep`; never the one readers see. Open readers keep their file.

    Returns:
        Names of the deleted versions.

    Raises:
        WarehouseError: `keep` is below 1.
    """
    if keep < 1:
        raise WarehouseError(f"At least one version must be kept, not {keep}.")
    versions = list_versions(home)
    superfluous = [version for version in versions[: max(len(versions) - keep, 0)] if not version.is_current]
    for version in superfluous:
        doomed = version.folder.with_name(version.name + DELETED_SUFFIX)
        version.folder.rename(doomed)
        shutil.rmtree(doomed)
    return [version.name for version in superfluous]


def recover(home: WarehouseHome) -> list[str]:
    """Remove what a killed publish left behind. Safe at any time while no other refresh runs.

    Returns:
        Names of the removed leftovers.
    """
    leftovers = [
        folder
        for folder in (home.versions.iterdir() if home.versions.is_dir() else ())
        if folder.name.endswith((PARTIAL_SUFFIX, DELETED_SUFFIX))
    ]
    for folder in leftovers:
        shutil.rmtree(folder)
    links = [path for path in home.root.glob(".*.link") if path.is_symlink()] if home.root.is_dir() else []
    for link in links:
        link.unlink()
    return sorted(path.name for path in [*leftovers, *links])


def _current_name(home: WarehouseHome) -> str | None:
    return Path(os.readlink(home.current)).name if home.current.is_symlink() else None


def _version_before(versions: list[Version]) -> Version | None:
    current = next((version.sequence for version in versions if version.is_current), None)
    earlier = [version for version in versions if current is not None and version.sequence < current]
    return earlier[-1] if earlier else None


def _version_named(versions: list[Version], wanted: str) -> Version | None:
    beginning = wanted.zfill(6) if wanted.isdigit() else wanted
    matching = [version for version in versions if version.name.startswith(beginning)]
    return matching[0] if len(matching) == 1 else None


def _lay_link(home: WarehouseHome, entry: str) -> None:
    link = home.root / entry
    target = os.path.join("current", entry)
    if link.is_symlink() and os.readlink(link) == target:
        return
    if link.is_dir() and not link.is_symlink():
        # A real folder can't be replaced by a link in one step; it holds generated output only, so it steps aside.
        link.rename(link.with_name(f"{entry}.replaced-{next_sequence(home)}"))
        flush_directory(home.root)
    replace_link(link, target)
