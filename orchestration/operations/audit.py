"""Audit trail: who made which warehouse, when, with which code, study and extracts, and what came out.

`lake/ledger/builds.jsonl` is only ever appended to, one line per published version. Each line carries the SHA-256 of
the line before it, so that a line changed or removed later shows. The lines are made from the versions' own
`night.json`: a kill between publishing and noting loses nothing, the next call notes it.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestration.operations.errors import OperationsError
from warehouse import Version, WarehouseHome, list_versions
from warehouse.files import flush_directory, sha256_of

AUDIT_NAME = "builds.jsonl"
_FACTS = ("who", "host", "code_version", "study_sha256", "key_id")


class LedgerLine(Protocol):
    """What the trail takes from ingestion's ledger."""

    @property
    def feed(self) -> str:
        """Feed."""

    @property
    def extract(self) -> str:
        """Extract date."""

    @property
    def file(self) -> str:
        """Base name of the source file."""

    @property
    def sha256(self) -> str:
        """Hash of the source file."""

    @property
    def lake_file(self) -> str:
        """Lake file, relative to the lake."""


@dataclass(frozen=True)
class AuditEntry:
    """One line of the trail.

    Attributes:
        version: the published version.
        content: everything noted of it.
        line: the line as it stands in the file.
    """

    version: str
    content: Mapping[str, Any]
    line: str


def audit_facts(
    home: WarehouseHome, ledger: Iterable[LedgerLine], code_version: str, study_sha256: str, key_id: str
) -> dict[str, Any]:
    """Return the facts to hand to `warehouse.publish`, so that they stand in `night.json` and in the trail.

    Lake files never change, so each is hashed once: hashes known from the trail are taken over, and `verify` compares
    them with the files.

    Args:
        home: the warehouse home.
        ledger: ledger rows of the extracts that tonight reads.
        code_version: version of the code.
        study_sha256: hash of the study file.
        key_id: which pseudonym key (not the key).
    """
    known = known_lake_hashes(home, key_id)
    rows = sorted(ledger, key=lambda row: (row.extract, row.feed, row.file, row.sha256))
    return {
        "who": getpass.getuser(),
        "host": socket.gethostname(),
        "code_version": code_version,
        "study_sha256": study_sha256,
        "key_id": key_id,
        "inputs": [
            {
                "feed": row.feed,
                "extract": row.extract,
                "file": row.file,
                "sha256": row.sha256,
                "lake_file": row.lake_file,
                "lake_sha256": known.get(row.lake_file) or sha256_of(home.lake / row.lake_file),
            }
            for row in rows
        ],
    }


def known_lake_hashes(home: WarehouseHome, key_id: str | None) -> dict[str, str]:
    """Return the SHA-256 of every lake file as noted when it was first used under this pseudonym key."""
    return {
        source["lake_file"]: source["lake_sha256"]
        for entry in audit_trail(home)
        if entry.content["key_id"] == key_id
        for source in entry.content["new_inputs"]
    }


def audit_trail(home: WarehouseHome) -> list[AuditEntry]:
    """Return the trail, oldest first, after checking its chain.

    Raises:
        OperationsError: a line was changed, removed or can't be read.
    """
    path = _path(home)
    if not path.exists():
        return []
    entries: list[AuditEntry] = []
    text = path.read_text(encoding="utf-8")
    whole_lines = text[: text.rfind("\n") + 1]  # a kill may tear the last line; its version is noted again
    previous = ""
    for number, line in enumerate(whole_lines.splitlines(), start=1):
        content = _parse(line, path, number)
        if content.get("previous") != previous:
            raise OperationsError(
                f"{path}, line {number}: the audit trail was changed or lost a line before this one. "
                "Compare it with the backup."
            )
        entries.append(AuditEntry(str(content["version"]), content, line))
        previous = hashlib.sha256(line.encode()).hexdigest()
    return entries


def record_builds(home: WarehouseHome) -> list[str]:
    """Append every kept version that is not in the trail yet.

    Call it after publishing and at the start of a refresh, while holding the refresh lock.

    Returns:
        Names of the versions noted now.
    """
    entries = audit_trail(home)
    noted = {entry.version for entry in entries}
    known = {
        (entry.content["key_id"], source["lake_file"]) for entry in entries for source in entry.content["new_inputs"]
    }
    new = [version for version in list_versions(home) if version.name not in noted]
    _cut_torn_line(_path(home))
    previous = hashlib.sha256(entries[-1].line.encode()).hexdigest() if entries else ""
    for version in new:
        content = _content(version, previous, known)
        line = json.dumps(content, sort_keys=True, ensure_ascii=False)
        _append(_path(home), line)
        known |= {(content["key_id"], source["lake_file"]) for source in content["new_inputs"]}
        previous = hashlib.sha256(line.encode()).hexdigest()
    return [version.name for version in new]


def _content(version: Version, previous: str, known: set[tuple[str | None, str]]) -> dict[str, Any]:
    """Inputs that an earlier line names are not repeated: `inputs_sha256` stands for the whole set."""
    manifest = version.manifest()
    inputs = manifest.get("inputs") or []
    return {
        **_facts_of(version.name, manifest),
        "new_inputs": [source for source in inputs if (manifest.get("key_id"), source["lake_file"]) not in known],
        "previous": previous,
    }


def _facts_of(version: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    inputs = manifest.get("inputs") or []
    return {
        "version": version,
        "run_id": manifest["run_id"],
        "published_at": manifest["published_at"],
        **{name: manifest.get(name) for name in _FACTS},
        "inputs_sha256": hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
        "results": results_of(manifest),
    }


def changed_facts(entry: AuditEntry, manifest: Mapping[str, Any]) -> list[str]:
    """Return what a line says otherwise than the `night.json` of its version, results aside.

    The chain shows a change of any line but the last; this shows one of the last line too.
    """
    facts = _facts_of(entry.version, manifest)
    changed = [name for name, value in facts.items() if name != "results" and entry.content.get(name) != value]
    foreign = [source for source in entry.content["new_inputs"] if source not in (manifest.get("inputs") or [])]
    return [*changed, *(["new_inputs"] if foreign else [])]


def results_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of every export by file name."""
    return {
        path.removeprefix("exports/"): str(digest)
        for path, digest in manifest["sha256"].items()
        if path.startswith("exports/")
    }


def _path(home: WarehouseHome) -> Path:
    return home.lake / "ledger" / AUDIT_NAME


def _parse(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        content = json.loads(line)
        if not isinstance(content, dict) or "version" not in content:
            raise ValueError
    except ValueError:
        raise OperationsError(f"{path}, line {number} can't be read. Take the file from the backup.") from None
    return content


def _cut_torn_line(path: Path) -> None:
    """Remove a last line without its end: all that a kill while appending can leave."""
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)


def _append(path: Path, line: str) -> None:
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        flush_directory(path.parent)
