"""Dagster's one entry point, for its servers: the definitions for the settings of the environment."""

from __future__ import annotations

from orchestration.code_location import build_definitions
from orchestration.settings import Settings

defs = build_definitions(Settings.from_environment())
