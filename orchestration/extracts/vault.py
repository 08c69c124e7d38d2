"""The sealed ids of a lake file: what key rotation needs to hash them anew, readable by nobody without the key.

One blob per lake file, encrypted with AES-256-GCM under a key that is derived from the pseudonym key. Who holds the
pseudonym key could find an id by trying them all anyway; without it the blob says nothing.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping, Set
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestration.extracts.errors import KeyRefused

_MAGIC = b"cart-vault-1"
_NONCE_BYTES = 12
Ids = Mapping[str, Set[str]]
"""Hospital ids by kind: patient, infusion, event, encounter."""


def write_vault(path: Path, ids: Ids, sealing_key: bytes) -> None:
    """Seals the ids into `path`."""
    kinds = [kind for kind in sorted(ids) for _ in ids[kind]]
    texts = [text for kind in sorted(ids) for text in sorted(ids[kind])]
    plain = io.BytesIO()
    pq.write_table(pa.table({"kind": pa.array(kinds, pa.string()), "id": pa.array(texts, pa.string())}), plain)
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
    for row in pq.read_table(io.BytesIO(plain)).to_pylist():
        ids.setdefault(row["kind"], set()).add(row["id"])
    return ids
