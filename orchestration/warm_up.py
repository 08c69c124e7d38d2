"""Imports that later steps need, made on a second thread while dbt works in its own process.

pandas, scipy and matplotlib take seconds to import; dbt's own process leaves this one idle longer.
"""

from __future__ import annotations

import importlib
import threading

MODULES = (
    "pandas",
    "firthmodels",
    "scipy.stats",
    "scipy.optimize",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "matplotlib.backends.backend_agg",
    "great_tables",
    "docx",
    "analysis_assets.catalogue",
    "analysis_assets.published_comparison",
    "analysis_assets.gallery",
    "analysis_assets.report",
)


def start_warm_up() -> threading.Thread:
    """Start importing in the background; a module that can't be imported fails where it is used."""
    thread = threading.Thread(target=_import_all, name="warm-up", daemon=True)
    thread.start()
    return thread


def _import_all() -> None:
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
