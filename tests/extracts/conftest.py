"""A delivery builder: small extract folders written by the test itself, ingested as a night would."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestration.extracts import (
    FEEDS,
    Delivery,
    ExtractFolder,
    FeedIngestion,
    Lake,
    Pseudonymiser,
    SourceProfile,
    check_delivery,
    ingest_feed,
    load_profile,
)
from orchestration.extracts.spellings import folded, squeezed

KEY = bytes(range(32))
PATIENTS = (
    "patient_id,sex,birth_date,name,national_id,phone,address\n"
    "HOSP-0001,F,1990-01-02,Wang Xiaoming,110101199001021234,13800138001,12 Liberation Road\n"
    "HOSP-0002,M,1985-05-06,张晓明,110101198505061234,13900139002,解放大道1277号\n"
)
INFUSIONS = "patient_id,infusion_id,infused_at\nHOSP-0001,HOSP-0001-1,2018-01-01\nHOSP-0002,HOSP-0002-1,2018-01-02\n"
IDENTIFIERS = (
    "HOSP-0001",
    "HOSP-0002",
    "Wang Xiaoming",
    "张晓明",
    "110101199001021234",
    "110101198505061234",
    "13800138001",
    "13900139002",
    "12 Liberation Road",
    "解放大道1277号",
)


@dataclass
class Night:
    """An extracts folder, a lake, and the profile and key that go with them."""

    folder: Path
    lake: Lake
    profile: SourceProfile
    pseudonymiser: Pseudonymiser = field(default_factory=lambda: Pseudonymiser(KEY))

    def extract(self, day: str) -> ExtractFolder:
        """The extract folder of that day."""
        return ExtractFolder(date.fromisoformat(day), self.folder / day)

    def deliver(self, day: str = "2018-07-30", **files: str | bytes) -> ExtractFolder:
        """Writes an extract; `patients__csv` becomes patients.csv; the two required feeds are filled in."""
        extract = self.extract(day)
        extract.path.mkdir(parents=True, exist_ok=True)
        given = {name.replace("__", "."): content for name, content in files.items()}
        stems = {name.split(".")[0].split("-")[0] for name in given}
        for stem, content in (("patients", PATIENTS), ("cart_infusions", INFUSIONS)):
            if stem not in stems:
                given[f"{stem}.csv"] = content
        for name, content in given.items():
            self.write(day, name, content)
        return extract

    def write(self, day: str, name: str, content: str | bytes) -> Path:
        """Writes one file of an extract."""
        path = self.folder / day / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def manifest(self, day: str, feeds: Mapping[str, tuple[str, int]], **more: Any) -> None:
        """Writes a manifest for `{file name: (feed, rows)}`."""
        files = [
            {
                "feed": feed,
                "path": name,
                "rows": rows,
                "sha256": hashlib.sha256((self.folder / day / name).read_bytes()).hexdigest(),
            }
            for name, (feed, rows) in feeds.items()
        ]
        content = {"source_system": "his", "extract_date": day, "mode": "snapshot", "files": files, **more}
        self.write(day, "manifest.json", json.dumps(content))

    def check(self, day: str = "2018-07-30") -> Delivery:
        """Checks the delivery as a night does first."""
        return check_delivery(self.extract(day), self.profile)

    def ingest(self, feed: str, day: str = "2018-07-30") -> FeedIngestion:
        """Ingests one feed."""
        return ingest_feed(
            self.extract(day), feed, profile=self.profile, pseudonymiser=self.pseudonymiser, lake=self.lake
        )

    def ingest_all(self, day: str = "2018-07-30") -> dict[str, FeedIngestion]:
        """Checks the delivery and ingests all fifteen feeds."""
        self.check(day)
        return {feed: self.ingest(feed, day) for feed in FEEDS}

    def lake_rows(self, feed: str) -> list[dict[str, Any]]:
        """The rows that tonight's staging would read, by file and row."""
        files = self.lake.write_plan().feeds[feed].files
        rows = [row for file in files for row in pq.read_table(self.lake.root / file).to_pylist()]
        return sorted(rows, key=lambda row: (row["source_extract"], row["source_file"], row["source_row"]))

    def rejected_rows(self) -> list[dict[str, Any]]:
        """The rejected rows of tonight's plan."""
        files = self.lake.write_plan().rejected
        rows = [row for file in files for row in pq.read_table(self.lake.root / file).to_pylist()]
        return sorted(rows, key=lambda row: (row["source_feed"], row["source_extract"], row["source_row"]))

    def lake_bytes(self) -> bytes:
        """Every byte under the lake, Parquet cells decoded, file names included.

        Not decoded is the moment of loading: its microseconds would now and then be the digits that a test looks for.
        """
        parts: list[bytes] = []
        for path in sorted(self.lake.root.rglob("*")):
            parts.append(str(path.relative_to(self.lake.root)).encode())
            if path.is_file():
                parts.append(path.read_bytes())
            if path.suffix == ".parquet":
                cells = pq.read_table(path).to_pylist()
                parts.append(json.dumps(cells, default=_no_moment, ensure_ascii=False).encode())
        return b"\n".join(parts)

    def lake_words(self) -> bytes:
        """As `lake_bytes` without hashes, whose digits would now and then be those of a short number."""
        return without_hashes(self.lake_bytes())


def leaks_of(identifiers: Iterable[str], root: Path) -> list[str]:
    """Which identifiers stand in a Parquet cell or a file name under `root`, in whatever spelling."""
    texts = [path.name for path in root.rglob("*")]
    for path in root.rglob("*.parquet"):
        texts += [text for row in pq.read_table(path).to_pylist() for text in row.values() if isinstance(text, str)]
    said = [squeezed(folded(text)) for text in texts]
    return [identifier for identifier in identifiers if any(squeezed(folded(identifier)) in text for text in said)]


_HASHES = re.compile(rb'(?:"hash": \d+)|[0-9a-f]{8,}')  # of the vault's fingerprints, and hexadecimal
_LETTERS_OF_A_HASH = 3  # a number that leaked may stand right after one or two letters of a word


def without_hashes(content: bytes) -> bytes:
    return _HASHES.sub(_unless_a_hash, content)


def _unless_a_hash(digits: re.Match[bytes]) -> bytes:
    letters = sum(digit in b"abcdef" for digit in digits.group())
    is_a_hash = digits.group().startswith(b'"') or letters >= _LETTERS_OF_A_HASH
    return b"" if is_a_hash else digits.group()


def _no_moment(value: object) -> str:
    if isinstance(value, datetime):
        return "a moment"
    raise TypeError(f"the lake holds no {type(value).__name__}")


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A fresh night under the canonical profile."""
    return Night(tmp_path / "extracts", Lake(tmp_path / "home" / "lake"), load_profile("canonical"))


@pytest.fixture
def make_night(tmp_path: Path) -> Callable[[str, SourceProfile], Night]:
    """Nights of other names and profiles side by side."""

    def make(name: str, profile: SourceProfile) -> Night:
        return Night(tmp_path / name / "extracts", Lake(tmp_path / name / "lake"), profile)

    return make
