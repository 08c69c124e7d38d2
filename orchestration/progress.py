"""What a person sees on the terminal while a refresh runs: one line per finished step, warnings as they come."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import dagster as dg

_STEP_NAMES = {
    "raw_expectations": "Great Expectations on the lake",
    "warehouse_models": "dbt: staging, intermediate, marts, quality and their tests",
    "mart_expectations": "Great Expectations on the marts",
    "night_record": "record of checks and build",
    "analysis_tables": "analysis tables",
    "published_figures": "audit of and comparison with the published figures",
    "report": "figures and report",
    "published__dbt_docs": "dbt's documentation",
    "published__interchange": "ADaM and cBioPortal files",
    "published__warehouse": "publish",
}


# Dagster tells of every step that a failed one left undone; the one message at the end says what failed.
_FOLLOWS_FROM_A_FAILURE = "Dependencies for step"


class ProgressHandler(logging.Handler):
    """Prints a line when a step ends; steps of one feed each are counted together."""

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}
        self._feeds = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Print what the record says, if a person wants to know it."""
        event: Any = getattr(record, "dagster_event", None) or record.__dict__.get("dagster_meta", {}).get(
            "dagster_event"
        )
        if event is None:
            message = record.__dict__.get("dagster_meta", {}).get("orig_message", record.getMessage())
            if record.levelno >= logging.WARNING and not message.startswith(_FOLLOWS_FROM_A_FAILURE):
                self._print(f"  ! {message}")
            return
        kind, step = event.event_type_value, event.step_key
        if kind == "STEP_START":
            self._started[step] = time.monotonic()
        elif kind == "STEP_SUCCESS":
            self._finish(step)

    def _finish(self, step: str) -> None:
        seconds = time.monotonic() - self._started.get(step, time.monotonic())
        if step.startswith("raw__") and step != "raw__lake_plan":
            self._feeds += 1
            return
        name = f"{self._feeds} feeds to the lake" if step == "raw__lake_plan" else _STEP_NAMES.get(step, step)
        self._print(f"  ✓ {name} ({seconds:.1f} s)")

    @staticmethod
    def _print(line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


@dg.logger(config_schema={}, description="One line per finished step on standard error.")
def progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """Return a logger with the progress handler alone."""
    logger = logging.getLogger("cart.progress")
    logger.handlers = [ProgressHandler()]
    logger.propagate = False
    logger.setLevel(logging.DEBUG)  # Dagster logs step events as debug
    return logger
