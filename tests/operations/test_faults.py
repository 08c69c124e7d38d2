"""Faults made for real: disk full, read-only folder, SIGKILL at random moments. Readers keep the last good night."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from io import StringIO
from pathlib import Path
from typing import TextIO

import pytest

from orchestration.instance import prepare_environment
from orchestration.operations import RefreshLock, audit_trail, record_builds, recover_home, verify
from orchestration.settings import Settings
from tests.night import TEST_KEY
from tests.operations.conftest import NIGHT, LedgerLine, Night, make_build
from warehouse import WarehouseError, WarehouseHome, connect_read_only, current_version, list_versions, publish

ROOT = Path(__file__).resolve().parents[2]


def night_seen(home: WarehouseHome) -> int:
    with connect_read_only(home.database) as connection:
        ((first, last),) = connection.execute("select min(night), max(night) from marts.patients").fetchall()
    assert first == last
    return int(last)


def in_own_mounts(
    script: str, *arguments: str, settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount: in mount (and, unless root, user) namespaces of its own."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    return subprocess.run(
        [*unshare, "sh", "-eu", "-c", script, "sh", *arguments],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_leaves_the_published_night_and_says_so(tmp_path: Path) -> None:
    python = textwrap.dedent(
        """
        import sys
        from datetime import UTC, datetime
        from pathlib import Path
        from orchestration.operations import recover_home
        from tests.operations.test_faults import night_seen
        from tests.operations.conftest import make_build
        from warehouse import WarehouseError, WarehouseHome, connect_build, list_versions, publish

        home, now = WarehouseHome(Path(sys.argv[1]) / "home").prepare(), datetime(2018, 7, 31, tzinfo=UTC)
        make_build(home, 1)
        publish(home, "run1", now)
        make_build(home, 2)
        filler = home.logs / "filler"
        with connect_build(home.build_database) as connection:
            connection.execute("create table marts.big as select hash(i) as h from range(400000) t(i)")
        with filler.open("wb") as stream:
            try:
                while True:
                    stream.write(bytes(1 << 16)); stream.flush()
            except OSError:
                pass
        try:
            publish(home, "run2", now)
            sys.exit("a full disk was not noticed")
        except WarehouseError as error:
            print(error)
        assert night_seen(home) == 1
        assert [version.sequence for version in list_versions(home)] == [1]
        filler.unlink()
        recover_home(home)
        make_build(home, 3)
        publish(home, "run3", now)
        assert night_seen(home) == 3
        """
    )
    script = 'mount -t tmpfs -o size=24m tmpfs "$1"; "$2" -c "$3" "$1"'
    done = in_own_mounts(script, str(tmp_path), sys.executable, python)
    assert done.returncode == 0, done.stderr
    assert "the last published warehouse is untouched" in done.stdout
    assert "No space left on device" in done.stdout


def test_a_read_only_home_is_refused_with_a_message_and_still_read(home: WarehouseHome, night: Night) -> None:
    night(1)
    make_build(home, 2)
    python = textwrap.dedent(
        """
        import sys
        from datetime import UTC, datetime
        from pathlib import Path
        from tests.operations.test_faults import night_seen
        from warehouse import WarehouseError, WarehouseHome, publish

        home = WarehouseHome(Path(sys.argv[1]))
        try:
            publish(home, "run2", datetime(2018, 8, 1, tzinfo=UTC))
            sys.exit("a read-only folder was not noticed")
        except WarehouseError as error:
            print(error)
        print("night", night_seen(home))
        """
    )
    script = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; "$2" -c "$3" "$1"'
    done = in_own_mounts(script, str(home.root), sys.executable, python)
    assert done.returncode == 0, done.stderr
    assert "untouched" in done.stdout or "can't be opened for writing" in done.stdout
    assert "read-only" in done.stdout.lower()
    assert "night 1" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("orchestration.refresh", "refresh.lock"),
        ("orchestration.backfill 2018-07-30", "refresh.lock"),
        ("orchestration.prune_runs", "dagster/dagster.yaml"),
        ("orchestration.ui", "dagster/dagster.yaml"),
        ("orchestration.operations verify", "refresh.lock"),
        ("orchestration.operations rollback", "refresh.lock"),
    ],
)
def test_every_command_refuses_a_read_only_home_with_its_path_and_what_to_do(
    home: WarehouseHome, night: Night, reference_extracts: Path, command: str, named: str
) -> None:
    night(1)
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("CART_", "DAGSTER_"))}
    settings |= {"CART_HOME": str(home.root), "CART_EXTRACTS": str(reference_extracts), "CART_PSEUDONYM_KEY": TEST_KEY}
    script = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; "$2" -m $3'
    done = in_own_mounts(script, str(home.root), sys.executable, command, settings=settings)
    assert done.returncode == 2, done.stderr
    for text in (f"{home.root}/{named} can't be written: Read-only file system", "CART_HOME"):
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert "fault of the program" not in done.stderr


def test_the_web_pages_may_write_dagster_and_logs_alone(home: WarehouseHome) -> None:
    """As `cart-webserver.service` has it."""
    python = (
        "from orchestration.instance import prepare_environment\n"
        "from orchestration.settings import Settings\n"
        "settings = Settings.from_environment()\n"
        "settings.home.prepare()\n"
        "print(prepare_environment(settings))\n"
    )
    script = (
        'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"\n'
        'for folder in dagster logs; do mount --bind "$2/$folder" "$1/$folder"; done\n'
        '! touch "$1/file" 2>&1; "$3" -c "$4"'
    )
    writable = home.root.parent / "writable"
    for name in ("dagster", "logs"):
        (writable / name).mkdir(parents=True, mode=0o700)
    settings = {**os.environ, "CART_HOME": str(home.root)}
    done = in_own_mounts(script, str(home.root), str(writable), sys.executable, python, settings=settings)
    assert done.returncode == 0, done.stderr
    assert "Read-only file system" in done.stdout
    assert done.stdout.endswith(f"{home.dagster}\n")
    assert (writable / "dagster" / "dagster.yaml").is_file()


@pytest.mark.parametrize(
    ("code", "refused"), [(errno.EROFS, True), (errno.EACCES, True), (errno.EPERM, True), (errno.ENOSPC, False)]
)
def test_a_file_that_may_not_be_written_is_named(
    home: WarehouseHome, code: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root's after a command by hand; the tests' user may be root, so that the refusal is made here."""

    def opened(path: Path | str, mode: int | str = "r", *_: object, **__: object) -> TextIO:
        if mode == "r":
            return StringIO("storage: {}\n")
        raise OSError(code, os.strerror(code), str(path))

    kind, words = (WarehouseError, "can't be written: .*CART_HOME") if refused else (OSError, "")
    monkeypatch.setattr("os.open", opened)
    with pytest.raises(kind, match=f"refresh.lock.*{words}"):
        RefreshLock(home).__enter__()
    monkeypatch.setattr("pathlib.Path.open", opened)
    with pytest.raises(kind, match=f"dagster.yaml.*{words}"):
        prepare_environment(Settings(home.root, ROOT / "study.yml", home))


def test_recovery_removes_leftovers_and_nothing_else(
    home: WarehouseHome, night: Night, ledger: list[LedgerLine]
) -> None:
    night(1)
    make_build(home, 2)
    (home.build / "tmp").mkdir()
    (home.build / "tmp" / "spill").touch()
    torn = home.lake / "raw" / "patients" / "2018-07-30" / ".0a1b2c.tmp"
    torn.touch()
    (home.versions / "000002-20180801T020000Z-run2.partial").mkdir()
    (home.root / ".verify-x1y2").mkdir()
    removed = recover_home(home)
    assert removed == [
        ".verify-x1y2",
        "build/tmp",
        "build/warehouse.duckdb",
        "lake/raw/patients/2018-07-30/.0a1b2c.tmp",
        "versions/000002-20180801T020000Z-run2.partial",
    ]
    assert recover_home(home) == []
    assert verify(home).problems == ()
    assert all((home.lake / line.lake_file).is_file() for line in ledger)


_LOOP = """
import sys
from pathlib import Path
from orchestration.operations import RefreshLock, record_builds, recover_home
from tests.operations.conftest import NIGHT, make_build
from warehouse import WarehouseHome, list_versions, publish

home = WarehouseHome(Path(sys.argv[1]))
print("begun", flush=True)
while True:
    with RefreshLock(home):
        recover_home(home)
        record_builds(home)
        number = max((version.sequence for version in list_versions(home)), default=0) + 1
        make_build(home, number)
        publish(home, f"run{number}", NIGHT, keep=3)
        record_builds(home)
"""


@pytest.mark.slow
def test_refreshes_killed_at_random_moments_lose_nothing(home: WarehouseHome) -> None:
    make_build(home, 1)
    publish(home, "run1", NIGHT)
    record_builds(home)
    moments = random.Random(20180730)
    survived = 0
    for _ in range(12):
        command = [sys.executable, "-c", _LOOP, str(home.root)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # its imports take as long as the machine is busy
        time.sleep(moments.uniform(0.0, 1.2))
        process.send_signal(signal.SIGKILL)
        _, complaint = process.communicate()
        assert process.returncode == -signal.SIGKILL, complaint.decode()
        version = current_version(home)
        assert version is not None
        assert night_seen(home) == version.sequence
        survived += 1
    with RefreshLock(home, wait_seconds=5):
        recover_home(home)
        record_builds(home)
    assert survived == 12
    assert verify(home).problems == ()
    assert len(list_versions(home)) <= 3
    published = current_version(home)
    assert published is not None
    assert published.sequence > 3, "the killed refreshes never got as far as publishing"
    assert [entry.version for entry in audit_trail(home)][-1] == published.name
