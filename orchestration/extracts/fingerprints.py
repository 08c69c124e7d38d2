"""What earlier extracts said of their patients, kept as keyed hashes: enough to recognise a name, not to read one.

A delta often comes without a patients file, and then nothing of its own tells which words are names. So the identifiers
of every patients file are kept as 64-bit keyed hashes (BLAKE2b) under a secret of the lake, which is sealed under the
pseudonym key: without that key a hash can neither be computed nor tested, and no identifier can be read out of it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.extracts.errors import KeyRefused
from orchestration.extracts.lake import Lake
from orchestration.extracts.vault import opened, sealed

_SECRET_BYTES = 32
_HASH_BYTES = 8
_MOST_FILES = 24
_LONG_TEXT = 100_000
LONG_START = 6
"""No long identifier is shorter."""
_ABOUT = b"about"
_LONG = b"long:"
Hashes = npt.NDArray[np.uint64]


def long_key(text: str) -> bytes:
    """How a long identifier, found inside of words too, is hashed."""
    return _LONG + text.encode("utf-8", "surrogatepass")


def long_keys(texts: pa.StringArray) -> list[bytes]:
    """`long_key` of each of many texts, as a whole column."""
    keys: list[bytes] = pc.binary_join_element_wise(_LONG, texts.cast(pa.binary()), b"").to_pylist()
    return keys


def start_key(text: str) -> bytes:
    """How the first `LONG_START` characters of a long identifier are hashed: where none fits, none can begin."""
    return b"start:" + text.encode("utf-8", "surrogatepass")


def phrase_key(words: tuple[str, ...]) -> bytes:
    """How an identifier of whole words is hashed."""
    return b"phrase:" + "\x1f".join(words).encode("utf-8", "surrogatepass")


def short_key(text: str) -> bytes:
    """How an identifier too short to tell from a word, so that only a whole cell counts, is hashed."""
    return b"short:" + text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Traits:
    """What one must know of identifiers to look for them: words of phrases, characters of long ones, make-up of ids."""

    phrase_lengths: frozenset[int] = frozenset()
    long_lengths: frozenset[int] = frozenset()
    shapes: frozenset[str] = frozenset()

    def __or__(self, other: Traits) -> Traits:
        """Both together."""
        return Traits(
            self.phrase_lengths | other.phrase_lengths,
            self.long_lengths | other.long_lengths,
            self.shapes | other.shapes,
        )


@dataclass(frozen=True)
class Fingerprints:
    """Identifiers of all patients files that the lake has seen, as sorted keyed hashes."""

    secret: bytes
    hashes: Hashes
    traits: Traits

    def __bool__(self) -> bool:
        """True when anything is known."""
        return len(self.hashes) > 0

    def knows(self, keys: Sequence[bytes]) -> list[bool]:
        """For each key whether some patients file held its identifier."""
        if not keys or not len(self.hashes):
            return [False] * len(keys)
        wanted = hashes_of(keys, self.secret)
        places = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        return [bool(found) for found in self.hashes[places] == wanted]

    def begun(self, starts: Collection[str]) -> set[str]:
        """Those of the texts with which a long identifier of some patients file begins."""
        known = self.knows([start_key(start) for start in starts])
        return {start for start, there in zip(starts, known, strict=True) if there}

    def windows(self, text: str) -> Iterator[tuple[int, int]]:
        """Where long identifiers stand in a text; in a very long one only those that begin a word are looked for."""
        every: Iterable[int] = range(len(text) - LONG_START + 1)
        if len(text) > _LONG_TEXT:
            every = [at for at in every if at == 0 or not text[at - 1].isalnum()]
        tried = list(every)
        begun = self.knows([start_key(text[at : at + LONG_START]) for at in tried])
        starts = [at for at, known in zip(tried, begun, strict=True) if known]
        lengths = [length for length in sorted(self.traits.long_lengths) if length <= len(text)]
        runs = [(at, at + length) for at in starts for length in lengths if at + length <= len(text)]
        known = self.knows([long_key(text[start:end]) for start, end in runs])
        yield from (run for run, found in zip(runs, known, strict=True) if found)


def hashes_of(keys: Iterable[bytes], secret: bytes) -> Hashes:
    """The keyed hash of each key."""
    begun = hashlib.blake2b(key=secret, digest_size=_HASH_BYTES)  # once, then copied: the key takes as long as a text

    def digest(key: bytes) -> bytes:
        whole = begun.copy()
        whole.update(key)
        return whole.digest()

    return np.frombuffer(b"".join(map(digest, keys)), np.uint64)


def read_fingerprints(lake: Lake, sealing_key: bytes) -> Fingerprints:
    """What the lake remembers; nothing when no patients file has come yet or another key sealed the secret."""
    secret = _read_secret(lake, sealing_key)
    return _read(_files(lake), secret)


def remember(lake: Lake, sealing_key: bytes, keys: Iterable[bytes], traits: Traits) -> None:
    """Adds the identifiers of a patients file to what the lake remembers; those that are there stay as they are."""
    secret = _read_secret(lake, sealing_key) or _new_secret(lake, sealing_key)
    files = _files(lake)
    before = _read(files, secret)
    new = _those_not_in(before.hashes, sorted_once([hashes_of(keys, secret)]))
    if len(files) < _MOST_FILES:
        if len(new) or before.traits | traits != before.traits:
            _write(lake, new, traits)
        return
    kept = _write(lake, np.union1d(new, before.hashes), before.traits | traits)
    for path in files:
        if path != kept:
            path.unlink(missing_ok=True)


def seal_again(lake: Lake, old_sealing_key: bytes, new_sealing_key: bytes) -> None:
    """Seals the lake's secret under another key, so that what is remembered outlives a key rotation."""
    secret = _read_secret(lake, old_sealing_key)
    if secret:
        _new_secret(lake, new_sealing_key, secret)


def _folder(lake: Lake) -> Path:
    return lake.root / "vault" / "known"


def _files(lake: Lake) -> list[Path]:
    return sorted(_folder(lake).glob("*.parquet"))


def _secret_file(lake: Lake) -> Path:
    return _folder(lake) / "secret.sealed"


def _read_secret(lake: Lake, sealing_key: bytes) -> bytes:
    """The lake's secret; none when there is none or another key sealed it."""
    try:
        return opened(_secret_file(lake), sealing_key)
    except (FileNotFoundError, KeyRefused):
        return b""


def _new_secret(lake: Lake, sealing_key: bytes, secret: bytes | None = None) -> bytes:
    """Seals a secret; what was remembered under one that can't be read any more is worthless and goes."""
    if secret is None:
        secret = secrets.token_bytes(_SECRET_BYTES)
        for path in _files(lake):
            path.unlink(missing_ok=True)
    with lake.writing(_secret_file(lake)) as temporary:
        temporary.write_bytes(sealed(secret, sealing_key))
    return secret


def _read(files: Sequence[Path], secret: bytes) -> Fingerprints:
    if not secret or not files:
        return Fingerprints(secret, np.array([], np.uint64), Traits())
    tables = [_read_table(path) for path in files]
    traits = Traits()
    for table in tables:
        about = json.loads((table.schema.metadata or {})[_ABOUT])
        traits |= Traits(**{name: frozenset(values) for name, values in about.items()})
    return Fingerprints(secret, sorted_once([table.column("hash").to_numpy() for table in tables]), traits)


def _read_table(path: Path) -> pa.Table:
    # A quarter of the time of `pq.read_table`, which makes a dataset of each small file.
    with pq.ParquetFile(path) as file:
        return file.read()


def sorted_once(files: Sequence[Hashes]) -> Hashes:
    """The hashes of all files in order, each once.

    A file is written in order, and one alone is not sorted again: at a million patients that takes a delta's first feed
    longer than everything else.
    """
    hashes = np.concatenate(files)
    if not _is_rising(hashes):
        hashes = np.sort(hashes, kind="stable")
        hashes = hashes[np.concatenate([[True], hashes[1:] != hashes[:-1]])]
    return hashes


def _is_rising(hashes: Hashes) -> bool:
    return bool(np.all(hashes[1:] > hashes[:-1]))


def _those_not_in(known: Hashes, hashes: Hashes) -> Hashes:
    """Those of the sorted hashes that are not among the known, which are sorted too."""
    if not len(known):
        return hashes
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    new: Hashes = hashes[known[places] != hashes]
    return new


def _write(lake: Lake, hashes: Hashes, traits: Traits) -> Path:
    about = json.dumps({name: sorted(values) for name, values in vars(traits).items()}).encode()
    name = hashlib.sha256(hashes.tobytes() + about).hexdigest()[:16]
    target = _folder(lake) / f"{name}.parquet"
    table = pa.table({"hash": pa.array(hashes, pa.uint64())}).replace_schema_metadata({_ABOUT: about})
    with lake.writing(target) as temporary:
        pq.write_table(table, temporary)
    return target
