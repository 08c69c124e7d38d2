"""The sealed ids of a lake file: what key rotation needs to hash them anew, readable by nobody without the key.

One blob per lake file, encrypted with AES-256-GCM under a key that is derived from the pseudonym key. Who holds the
pseudonym key could find an id by trying them all anyway; without it the blob says nothing.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestration.extracts.errors import KeyRefused

_MAGIC = b"cart-vault-1"
_NONCE_BYTES = 12
_MOST_WAITING = 1_000_000
Ids = Mapping[str, pa.StringArray]
"""Hospital ids by kind: patient, infusion, event, encounter; each once."""


class SeenIds:
    """The hospital ids met in a file so far: as Arrow's texts, for as Python's a million of them fill memory."""

    def __init__(self) -> None:
        """Holds none."""
        self._distinct: dict[str, pa.StringArray] = {}
        self._waiting: dict[str, list[pa.StringArray]] = {}

    def add(self, ids: Mapping[str, pa.ChunkedArray]) -> None:
        """Takes a chunk's ids by kind; most of them may have been met before."""
        for kind, texts in ids.items():
            waiting = self._waiting.setdefault(kind, [])
            waiting += texts.chunks
            if sum(map(len, waiting)) > max(_MOST_WAITING, len(self._distinct.get(kind, ()))):
                self._settle(kind)

    def by_kind(self) -> Ids:
        """All of them, each once, in the order in which they came."""
        for kind in self._waiting:
            self._settle(kind)
        return self._distinct

    def _settle(self, kind: str) -> None:
        known = self._distinct.get(kind, pa.array([], pa.string()))
        self._distinct[kind] = pc.unique(pa.chunked_array([known, *self._waiting[kind]], pa.string()))
        self._waiting[kind] = []


def write_vault(path: Path, ids: Ids, sealing_key: bytes) -> None:
    """Seals the ids into `path`."""
    kinds = [pa.repeat(pa.scalar(kind, pa.string()), len(texts)) for kind, texts in ids.items()]
    columns = {"kind": pa.chunked_array(kinds, pa.string()), "id": pa.chunked_array([*ids.values()], pa.string())}
    plain = io.BytesIO()
    pq.write_table(pa.table(columns), plain)
    path.write_bytes(sealed(plain.getvalue(), sealing_key))


def sealed(content: bytes, sealing_key: bytes) -> bytes:
    """Bytes that nobody can read or change without the key."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _MAGIC + nonce + AESGCM(sealing_key).encrypt(nonce, content, _MAGIC)


def opened(path: Path, sealing_key: bytes) -> bytes:
    """What was sealed into `path`; KeyRefused when the key is another one or the file was changed."""
    content = path.read_bytes()
    nonce, rest = content[len(_MAGIC) : len(_MAGIC) + _NONCE_BYTES], content[len(_MAGIC) + _NONCE_BYTES :]
    try:
        return AESGCM(sealing_key).decrypt(nonce, rest, _MAGIC)
    except InvalidTag:
        raise KeyRefused(
            f"{path.name}: the old key is not the one that sealed these ids; nothing was changed"
        ) from None


def read_vault(path: Path, sealing_key: bytes) -> dict[str, set[str]]:
    """The ids by kind; KeyRefused when the key is another one or the file was changed."""
    plain = opened(path, sealing_key)
    ids: dict[str, set[str]] = {}
    for row in pq.ParquetFile(io.BytesIO(plain)).read().to_pylist():
        ids.setdefault(row["kind"], set()).add(row["id"])
    return ids
