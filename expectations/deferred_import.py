"""Modules that a library imports for parts of it which we don't use, imported when one of their names is asked for."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands in for a module until a name of it is used, then takes itself out of the way."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what merely walks over loaded modules, as `inspect` does
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def defer_import(*names: str) -> None:
    """Let `import name` cost nothing until a name of the module is used; one that is loaded stays as it is.

    Args:
        names: full names of modules, such as `scipy.stats`.
    """
    for name in names:
        sys.modules.setdefault(name, _Deferred(name))
