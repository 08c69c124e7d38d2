"""What a killed refresh left behind, removed before the next one. Call it while holding the refresh lock.

Everything under `build/` belongs to the refresh that made it and is worth nothing to another one; half-written lake
files carry temporary names and no ledger row; a half-filled version carries its own suffix; scratch folders of checks
and verifications begin with a dot. None of it was ever seen by a reader.
"""

from __future__ import annotations

import shutil

from warehouse import WarehouseHome, recover


def recover_home(home: WarehouseHome) -> list[str]:
    """Remove leftovers of an earlier refresh.

    Args:
        home: a prepared home on which no other process works.

    Returns:
        Paths relative to the home, sorted: for the log.
    """
    removed = [f"versions/{name}" for name in recover(home)]
    for path in home.build.iterdir() if home.build.is_dir() else ():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        removed.append(f"build/{path.name}")
    for path in (*home.root.glob(".verify-*"), *home.root.glob(".checks-*")):
        shutil.rmtree(path)
        removed.append(path.name)
    for path in home.lake.rglob(".*.tmp") if home.lake.is_dir() else ():
        path.unlink()
        removed.append(str(path.relative_to(home.root)))
    return sorted(removed)
