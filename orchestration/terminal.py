"""How a command ends."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """End the process with a status.

    Exit functions run, but the interpreter is not taken down: at that point DuckDB's binding complains on the terminal
    about objects that other libraries still hold.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(status)
