"""What is said of a failed run: on the terminal all of it, outward only the house's own words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from typing import NoReturn

import dagster as dg
import pytest

from orchestration.errors import USER_ERRORS, describe_bug
from orchestration.failures import why_failed
from orchestration.settings import SettingsError


def events_of(body: Callable[[], object]) -> list[dg.DagsterEvent]:
    @dg.op
    def step() -> None:
        body()

    @dg.job
    def night() -> None:
        step()

    with dg.DagsterInstance.ephemeral() as instance:
        return night.execute_in_process(instance=instance, raise_on_error=False).all_events


def quoting() -> NoReturn:
    raise ValueError("could not convert 'Jane Roe' to DATE")


def refusing() -> NoReturn:
    raise dg.Failure(description="extract 2018-07-30 refused: patients.csv has 38 rows")


def mistaken() -> NoReturn:
    raise SettingsError("CART_TIMEZONE is none")


@pytest.mark.parametrize(
    ("body", "outward", "said"),
    [
        (quoting, False, "Step step failed: ValueError: could not convert 'Jane Roe' to DATE"),
        (quoting, True, "Step step failed with ValueError; its page in the Dagster UI says why."),
        (refusing, True, "extract 2018-07-30 refused: patients.csv has 38 rows"),
        (mistaken, True, "CART_TIMEZONE is none"),
    ],
)
def test_why_a_run_failed(body: Callable[[], object], outward: bool, said: str) -> None:
    assert SettingsError in USER_ERRORS
    assert why_failed(events_of(body), outward=outward) == said


def test_blocking_checks_are_named() -> None:
    @dg.asset
    def patients() -> None: ...

    @dg.asset_check(asset=patients, blocking=True)
    def enough() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    job = dg.Definitions(assets=[patients], asset_checks=[enough]).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        events = job.execute_in_process(instance=instance, raise_on_error=False).all_events
    expected = "Checks of error severity failed, so nothing was published:\n  patients: enough"
    assert why_failed(events, outward=True) == expected


def test_a_check_that_broke_down_is_not_called_a_failed_one() -> None:
    @dg.asset
    def patients() -> None: ...

    @dg.asset_check(asset=patients, blocking=True)
    def enough() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, metadata={"status": "error"})

    job = dg.Definitions(assets=[patients], asset_checks=[enough]).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        events = job.execute_in_process(instance=instance, raise_on_error=False).all_events
    assert why_failed(events, outward=True) == (
        "Checks could not run (disk or memory?), so nothing was published:\n  patients: enough"
    )


@pytest.mark.parametrize(
    ("error", "is_bug"),
    [
        (sqlite3.OperationalError("database or disk is full"), False),
        (sqlite3.OperationalError("disk I/O error"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (sqlite3.OperationalError("no such column: Jane Roe"), True),
        (ValueError("No space left on device"), True),
    ],
)
def test_a_full_disk_is_no_fault_of_the_program(error: Exception, is_bug: bool) -> None:
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        said = describe_bug(each)
        assert ("fault of the program" in said) is is_bug
        assert ("No space left on device" in said) is not is_bug
        assert "Jane Roe" not in said


@pytest.mark.parametrize(
    ("error", "is_bug"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/srv/home/dagster/Jane Roe.csv"), False),
        (OSError(errno.EACCES, "Permission denied", "/srv/home/dagster/Jane Roe.csv"), False),
        (OSError(errno.EPERM, "Operation not permitted", "/srv/home/dagster/Jane Roe.csv"), False),
        (sqlite3.OperationalError("attempt to write a readonly database"), False),
        (OSError(errno.ENOENT, "No such file or directory", "/srv/home/dagster/Jane Roe.csv"), True),
        (ValueError("Read-only file system"), True),
    ],
)
def test_a_home_that_becomes_read_only_is_no_fault_of_the_program(error: Exception, is_bug: bool) -> None:
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        said = describe_bug(each)
        assert ("fault of the program" in said) is is_bug
        assert ("check the mount" in said) is not is_bug
        assert ("denied in /srv/home/dagster;" in said) is (not is_bug and isinstance(error, OSError))
        assert "Jane Roe" not in said
