"""The only reader of environment variables: what is refreshed, by which study, into which home."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestration.operations.notices import NoticeSettings
from warehouse import WarehouseHome

ROOT = Path(__file__).resolve().parents[1]
DBT_PROJECT_DIR = ROOT / "dbt_project"
_NOT_LITERAL = frozenset("*?[\\")


class SettingsError(ValueError):
    """A setting is missing or can't be used; the message says which and what to set."""


@dataclass(frozen=True)
class Settings:
    """Settings of one refresh.

    Attributes:
        extracts: folder of extract folders (`CART_EXTRACTS`).
        study: the study file (`CART_STUDY`).
        home: the warehouse home (`CART_HOME`, default `var/` in the checkout).
        source_profile: name or path of the source profile (`CART_SOURCE_PROFILE`).
        pseudonym_key: the secret as hex text (`CART_PSEUDONYM_KEY`); never shown.
        new_pseudonym_key: the key that a rotation changes to (`CART_NEW_PSEUDONYM_KEY`); never shown.
        nightly_cron: when the schedule starts a refresh (`CART_NIGHTLY_CRON`).
        timezone: time zone of the schedule (`CART_TIMEZONE`).
        keep_versions: published nights kept for rollback and as-of queries (`CART_KEEP_VERSIONS`).
        memory_limit: DuckDB's memory limit (`CART_MEMORY_LIMIT`).
        time_limit_seconds: a refresh that runs longer is stopped (`CART_TIME_LIMIT_SECONDS`).
        lock_wait_seconds: how long a second refresh waits for the first (`CART_LOCK_WAIT_SECONDS`).
        settle_seconds: an extract without a manifest is complete when nothing in it changed for this long
            (`CART_SETTLE_SECONDS`).
        delta_from_rows: from so many rows of history on, a small delta builds the changed patients alone
            (`CART_DELTA_FROM_ROWS`).
        interchange: publish ADaM-style and cBioPortal files as well (`CART_INTERCHANGE`: on, off).
        ui_port: port of the Dagster UI on loopback (`CART_UI_PORT`).
        notices: who is told of a failed night, see `NoticeSettings.from_mapping`.
    """

    extracts: Path
    study: Path
    home: WarehouseHome
    source_profile: str = "canonical"
    pseudonym_key: str | None = field(default=None, repr=False)
    new_pseudonym_key: str | None = field(default=None, repr=False)
    nightly_cron: str = "0 2 * * *"
    timezone: str = "UTC"
    keep_versions: int = 7
    memory_limit: str = "4GB"
    time_limit_seconds: int = 6 * 3600
    lock_wait_seconds: int = 5
    settle_seconds: int = 120
    delta_from_rows: int = 10_000_000
    interchange: bool = True
    ui_port: int = 3000
    notices: NoticeSettings = field(default_factory=NoticeSettings)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; SettingsError for a number that is none and a home whose path DuckDB can't be given."""
        env = os.environ if environment is None else environment

        def path(name: str, default: Path) -> Path:
            return Path(env[name]).expanduser().resolve() if env.get(name) else default

        return cls(
            extracts=path("CART_EXTRACTS", ROOT / "var" / "extracts"),
            study=path("CART_STUDY", ROOT / "study.yml"),
            home=_home(path("CART_HOME", ROOT / "var")),
            source_profile=env.get("CART_SOURCE_PROFILE") or "canonical",
            pseudonym_key=env.get("CART_PSEUDONYM_KEY") or None,
            new_pseudonym_key=env.get("CART_NEW_PSEUDONYM_KEY") or None,
            nightly_cron=env.get("CART_NIGHTLY_CRON") or "0 2 * * *",
            timezone=env.get("CART_TIMEZONE") or "UTC",
            keep_versions=_count(env, "CART_KEEP_VERSIONS", 7),
            memory_limit=env.get("CART_MEMORY_LIMIT") or "4GB",
            time_limit_seconds=_count(env, "CART_TIME_LIMIT_SECONDS", 6 * 3600),
            lock_wait_seconds=_count(env, "CART_LOCK_WAIT_SECONDS", 5),
            settle_seconds=_count(env, "CART_SETTLE_SECONDS", 120),
            delta_from_rows=_count(env, "CART_DELTA_FROM_ROWS", 10_000_000),
            interchange=_switch(env, "CART_INTERCHANGE"),
            ui_port=_count(env, "CART_UI_PORT", 3000),
            notices=NoticeSettings.from_mapping(env),
        )

    def dbt_environment(self) -> dict[str, str]:
        """Return the variables that dbt's own `env_var()` calls read."""
        return {
            "CART_LAKE": str(self.home.lake),
            "CART_BUILD_DATABASE": str(self.home.build_database),
            "CART_UNPUBLISHED_DATABASE": str(self.home.unpublished_database),
            "CART_MEMORY_LIMIT": self.memory_limit,
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_LOG_LEVEL_FILE": "none",  # the refresh keeps dbt's lines; its debug log is megabytes a night
            "DO_NOT_TRACK": "1",
        }


def _home(root: Path) -> WarehouseHome:
    """Refuse at once what DuckDB takes for a pattern of many paths, or for a separator."""
    odd = sorted(_NOT_LITERAL & set(str(root)))
    if odd:
        raise SettingsError(
            f"CART_HOME is {root}, but a path with {' '.join(odd)} in it is not one folder to DuckDB; "
            "set CART_HOME to a folder without"
        )
    return WarehouseHome(root)


def _count(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name)
    if not text:
        return default
    if not text.isdigit() or int(text) < 1:
        raise SettingsError(f"{name} must be a whole number of at least 1, but is {text!r}")
    return int(text)


def _switch(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name) or "on"
    if text not in ("on", "off"):
        raise SettingsError(f"{name} must be on or off, but is {text!r}")
    return text == "on"
