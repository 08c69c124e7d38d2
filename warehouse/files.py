"""Files on disk: durable, private, hashed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from warehouse.home import DIRECTORY_MODE, FILE_MODE


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex, reading it in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every regular file below a folder, in a fixed order."""
    yield from sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def flush_directory(folder: Path) -> None:
    """Force a folder's entries (creations and renames) to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal_tree(folder: Path) -> None:
    """Make a tree private to its owner and force it to disk, deepest entries first."""
    directories = [path for path in folder.rglob("*") if path.is_dir()]
    for path in files_below(folder):
        path.chmod(FILE_MODE)
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    for directory in [*sorted(directories, reverse=True), folder]:
        directory.chmod(DIRECTORY_MODE)
        flush_directory(directory)


def write_durably(path: Path, text: str) -> None:
    """Write a small text file so that a crash leaves either the old or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(FILE_MODE)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_directory(path.parent)


def replace_link(link: Path, target: str) -> None:
    """Point a symbolic link at a target in one atomic step, whether or not it exists yet."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    flush_directory(link.parent)
