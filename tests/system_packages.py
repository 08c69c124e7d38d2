"""Programs that pip can't bring: taken from the system's package manager by `make test` where it may.

Where it may not, a developer's run leaves out the tests that need one and says how to get it; CI leaves out nothing.
"""

from __future__ import annotations

import os
import shutil

import pytest


def program(*names: str, package: str) -> str:
    """Return the path of the first of these programs that is there."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        message = f"none of {', '.join(names)} is on the PATH: install your system's package `{package}`"
        if os.environ.get("CI"):
            raise RuntimeError(message)
        pytest.skip(message)
    return found
