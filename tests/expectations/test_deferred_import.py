"""A deferred module is the real one as soon as somebody uses it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import inspect, sys
from expectations.deferred_import import defer_import
defer_import("colorsys", "json")
import colorsys
assert sys.modules["colorsys"].__class__.__name__ == "_Deferred"
inspect.getmodule(inspect.currentframe())  # walks over every module
assert sys.modules["colorsys"].__class__.__name__ == "_Deferred"
assert sys.modules["json"].__class__.__name__ == "module"  # was loaded: inspect's own imports
assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
assert sys.modules["colorsys"].__class__.__name__ == "module"
assert colorsys.hsv_to_rgb(0, 0, 1) == (1, 1, 1)
try:
    colorsys.no_such_name
except AttributeError as error:
    assert "no_such_name" in str(error)
else:
    raise AssertionError
"""


def test_the_real_module_is_imported_with_the_first_name_and_one_that_is_loaded_stays() -> None:
    done = subprocess.run([sys.executable, "-c", f"import json\n{SCRIPT}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
