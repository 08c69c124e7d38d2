"""A clock that is put back while the daemon runs, and a time limit that no clock moves."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)

from orchestration.future_ticks import date_future_ticks_now
from orchestration.guarded import guarded_refresh
from orchestration.operations.clock import ClockWatch
from orchestration.settings import Settings
from tests.night import ROOT, TEST_KEY
from warehouse import WarehouseHome

NOW = 1_800_000_000.0
A_YEAR = 365 * 24 * 3600.0


def test_a_clock_put_back_is_seen_once_and_one_put_forward_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = 0.0
    real = time.time
    monkeypatch.setattr("orchestration.operations.clock.time.time", lambda: real() + ahead)
    watch = ClockWatch()
    assert abs(watch.put_back_by()) < 1
    ahead = A_YEAR
    assert abs(watch.put_back_by() + A_YEAR) < 1
    ahead = -60
    assert abs(watch.put_back_by() - (A_YEAR + 60)) < 1
    assert abs(watch.put_back_by()) < 1


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def noted(instance: dg.DagsterInstance, name: str, moment: float, data: object, kind: InstigatorType) -> str:
    """Have Dagster remember a schedule or sensor with a tick at that moment; returns its selector."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("orchestration"), "__repository__")
    origin = RemoteInstigatorOrigin(repository, name)
    instance.add_instigator_state(InstigatorState(origin, kind, InstigatorStatus.RUNNING, data))  # type: ignore[arg-type]
    selector = origin.get_selector().get_id()
    for earlier in (A_YEAR, 0.0):
        instance.create_tick(
            TickData(origin.get_id(), name, kind, TickStatus.SKIPPED, moment - 2 * earlier, selector_id=selector)
        )
    return selector


def test_what_lies_in_the_future_is_dated_now_and_the_past_is_kept(instance: dg.DagsterInstance) -> None:
    future, past = NOW + A_YEAR, NOW - 60
    schedule = ScheduleInstigatorData("0 2 * * *", start_timestamp=past, last_iteration_timestamp=future)
    sensor = SensorInstigatorData(
        last_tick_timestamp=future, last_tick_start_timestamp=future, cursor="kept", sensor_type=SensorType.STANDARD
    )
    noted(instance, "nightly_refresh", future, schedule, InstigatorType.SCHEDULE)
    noted(instance, "landing", future, sensor, InstigatorType.SENSOR)
    noted(instance, "failure_notice", past, SensorInstigatorData(last_tick_timestamp=past), InstigatorType.SENSOR)
    redated = date_future_ticks_now(instance, NOW)
    assert redated.names == ("landing", "nightly_refresh")
    assert redated.ticks == 2
    kept = {state.name: state for state in instance.all_instigator_state()}
    assert kept["nightly_refresh"].instigator_data == schedule._replace(last_iteration_timestamp=NOW)
    assert kept["landing"].instigator_data == sensor._replace(last_tick_timestamp=NOW, last_tick_start_timestamp=NOW)
    for name, newest in (("nightly_refresh", NOW), ("landing", NOW), ("failure_notice", past)):
        state = kept[name]
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        assert ticks[0].timestamp == newest
        assert len(ticks) == 2
        assert ticks[1].timestamp < NOW
    assert date_future_ticks_now(instance, NOW).names == ()


def test_a_run_of_the_daemon_is_stopped_by_its_own_clock(tmp_path: Path) -> None:
    (tmp_path / "extracts").mkdir()
    home = WarehouseHome(tmp_path / "home")
    settings = Settings(tmp_path / "extracts", ROOT / "study.yml", home, pseudonym_key=TEST_KEY)

    @dg.op(required_resource_keys={"refresh"})
    def hangs() -> None:
        time.sleep(60)

    @dg.job(resource_defs={"refresh": guarded_refresh(dataclasses.replace(settings, time_limit_seconds=1))})
    def night() -> None:
        hangs()

    begun = time.monotonic()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        result = night.execute_in_process(instance=instance, raise_on_error=False)
    assert time.monotonic() - begun < 30
    failure = result.failure_data_for_node("hangs")
    assert failure is not None
    assert failure.error is not None
    assert "stopped after 1 seconds (CART_TIME_LIMIT_SECONDS)" in str(failure.error)


def test_what_does_not_come_back_to_be_stopped_is_ended() -> None:
    script = (
        "import importlib, signal, time\n"
        "limits = importlib.import_module('orchestration.operations.time_limit')\n"
        "limits._GRACE_SECONDS = 0.5\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n"
        "with limits.time_limit(0.2):\n"
        "    time.sleep(60)\n"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert time.monotonic() - begun < 30
    assert done.returncode == 1
    assert "Timeout" in done.stderr
