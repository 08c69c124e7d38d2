"""`make rotate-key`: lake and warehouse under a new pseudonym key, without the sources.

Versions published under the old key are removed at the end: whoever has the old key could tell their patients.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from orchestration.errors import USER_ERRORS
from orchestration.extracts import Lake, Pseudonymiser, parse_key, require_key_of, rotate_key
from orchestration.operations import RefreshLock
from orchestration.refresh import refresh
from orchestration.settings import Settings, SettingsError
from orchestration.terminal import leave
from warehouse.versions import prune


def rotate(settings: Settings) -> int:
    """Re-key the lake, publish a warehouse from it, drop older versions; returns how many lake files were re-keyed.

    Raises:
        SettingsError: the new key is missing or the old one again, or the warehouse could not be published.
        KeyRefused: a key is unfit, or the old one is not the home's.
    """
    old = Pseudonymiser(parse_key(settings.pseudonym_key))
    if settings.new_pseudonym_key is None:
        raise SettingsError("CART_NEW_PSEUDONYM_KEY is missing: set it to the key to change to (64 hex digits or more)")
    new = Pseudonymiser(parse_key(settings.new_pseudonym_key, "CART_NEW_PSEUDONYM_KEY"))
    if new.key_id == old.key_id:
        raise SettingsError("CART_NEW_PSEUDONYM_KEY is the key in use; give another one")
    settings.home.prepare()
    lake = Lake(settings.home.lake)
    with RefreshLock(settings.home, "key rotation"):
        require_key_of(lake, old, new)
        files = rotate_key(lake, old, new)
    outcome = refresh(replace(settings, pseudonym_key=settings.new_pseudonym_key), from_lake=True)
    if outcome.status:
        raise SettingsError(
            f"the lake has its new key, but the warehouse could not be published: {outcome.message}; "
            "mend that and run `make refresh` with the new key as CART_PSEUDONYM_KEY"
        )
    prune(settings.home, 1)
    return files


def main() -> int:
    """Rotate and say what is to be done next."""
    try:
        files = rotate(Settings.from_environment())
    except USER_ERRORS as error:
        sys.stderr.write(f"Key rotation refused: {error}\n")
        return 2
    sys.stdout.write(
        f"{files} lake files carry the new key. From now on CART_PSEUDONYM_KEY must be that key; destroy the old one.\n"
    )
    return 0


if __name__ == "__main__":
    leave(main())
