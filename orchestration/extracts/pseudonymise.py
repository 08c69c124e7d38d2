"""Hospital ids become keyed hashes here, and nowhere else; the key itself is never written anywhere.

Keyed hash of an id: the first 32 hexadecimal digits of HMAC-SHA-256(key, "<kind>:" + id). `patient_key`: all 64 digits
of HMAC-SHA-256(key, patient_id).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from orchestration.extracts.errors import KeyRefused
from orchestration.extracts.identifiers import KnownIdentifiers

_MIN_KEY_BYTES = 32
_KEY_ID_DIGITS = 8
_SHORT_HASH_DIGITS = 32


def parse_key(text: str | None, setting: str = "CART_PSEUDONYM_KEY") -> bytes:
    """The key's bytes from its hexadecimal text; refuses a missing, short or malformed one without repeating it.

    `setting` is the variable that the text came from, for the message.
    """
    stripped = (text or "").strip()
    remedy = "make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"
    if not stripped:
        raise KeyRefused(f"{setting} is not set: patients' ids can't be pseudonymised; {remedy}")
    try:
        key = bytes.fromhex(stripped)
    except ValueError:
        raise KeyRefused(f"{setting} is not hexadecimal (0-9, a-f, an even number of digits); {remedy}") from None
    if len(key) < _MIN_KEY_BYTES:
        raise KeyRefused(f"{setting} has {len(key)} bytes, at least {_MIN_KEY_BYTES} are needed; {remedy}")
    return key


class Pseudonymiser:
    """Turns hospital ids into keyed hashes; one instance holds one key."""

    def __init__(self, key: bytes) -> None:
        """Takes the key's bytes as `parse_key` returns them; refuses fewer than 32."""
        if len(key) < _MIN_KEY_BYTES:
            raise KeyRefused(f"the pseudonym key has {len(key)} bytes, at least {_MIN_KEY_BYTES} are needed")
        self._key = bytes(key)
        self._patients: dict[str, str] = {}
        self._done: set[str] = set()
        self._identifiers: tuple[str, KnownIdentifiers] | None = None

    def __repr__(self) -> str:
        """Shows which key, never the key."""
        return f"Pseudonymiser(key_id={self.key_id!r})"

    @property
    def key_id(self) -> str:
        """The first 8 hexadecimal digits of SHA-256 of the key: says which key, not the key."""
        return hashlib.sha256(self._key).hexdigest()[:_KEY_ID_DIGITS]

    @property
    def sealing_key(self) -> bytes:
        """A 32-byte key of its own for sealing ids, derived from the pseudonym key."""
        return hmac.digest(self._key, b"seal:ids", "sha256")

    def patient_key(self, patient_id: str) -> str:
        """64 hexadecimal digits for the hospital's patient id (stripped text)."""
        known = self._patients.get(patient_id)
        if known is None:
            known = self._digest(patient_id)
            self._patients[patient_id] = known
        return known

    def keyed_hash(self, kind: str, identifier: str) -> str:
        """The keyed hash of an id of that kind: `patient`, `infusion`, `event` or `encounter`."""
        if kind == "patient":
            return self.patient_key(identifier)
        return self._digest(f"{kind}:{identifier}")[:_SHORT_HASH_DIGITS]

    def keyed_hashes(self, kind: str, identifiers: Sequence[str]) -> list[str]:
        """The keyed hash of each id of that kind; many at once, because most patients come again in every feed."""
        if kind != "patient":
            return [digest[:_SHORT_HASH_DIGITS] for digest in self._digests(identifiers, f"{kind}:")]
        found = list(map(self._patients.get, identifiers))
        unknown = [identifier for identifier, known in zip(identifiers, found, strict=True) if known is None]
        hashed = dict(zip(unknown, self._digests(unknown), strict=True))
        self._patients.update(hashed)
        return [known or hashed[identifier] for identifier, known in zip(identifiers, found, strict=True)]

    def remembered(self, fingerprint: str, read: Callable[[], KnownIdentifiers]) -> KnownIdentifiers:
        """The known identifiers of the delivery in hand, read once while its feeds are ingested one by one."""
        if self._identifiers is None or self._identifiers[0] != fingerprint:
            self._identifiers = (fingerprint, read())
        return self._identifiers[1]

    def forget(self) -> None:
        """Let go of every id and identifier that was read: once ingestion is done nothing else may know them.

        Of a million patients they are over a gigabyte. What is asked for afterwards is read anew.
        """
        self._patients = {}
        self._identifiers = None

    def first_time(self, what: str) -> bool:
        """True when nobody has asked this of this instance before: work that one run needs to do once."""
        new = what not in self._done
        self._done.add(what)
        return new

    def derive(self, purpose: str) -> int:
        """A number in [0, 2**64) that only this key gives for `purpose`."""
        return int(self._digest(f"derive:{purpose}")[:16], 16)

    def _digest(self, text: str) -> str:
        return next(self._digests((text,)))

    def _digests(self, texts: Iterable[str], start: str = "") -> Iterator[str]:
        """The digest of each text with `start` before it; begun once and copied takes a third of `hmac.digest`."""
        begun = HMAC(self._key, SHA256())
        begun.update(start.encode())
        for text in texts:
            whole = begun.copy()
            whole.update(text.encode("utf-8", "surrogatepass"))
            yield whole.finalize().hex()
