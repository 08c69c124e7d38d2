"""Publishing: complete, readable anywhere, private, reversible."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import duckdb_cli
import pyarrow.parquet as pq
import pytest

from warehouse import (
    WarehouseError,
    WarehouseHome,
    connect_build,
    connect_read_only,
    current_version,
    list_versions,
    publish,
    recover,
    rollback,
)

NIGHT = datetime(2018, 7, 31, 2, 0, tzinfo=UTC)
Build = Callable[[int], None]


def night_seen(home: WarehouseHome) -> int:
    with connect_read_only(home.database) as connection:
        row = connection.execute("select max(night) from marts.patients").fetchone()
    assert row is not None
    return int(row[0])


def test_published_paths_show_the_new_night(home: WarehouseHome, build: Build) -> None:
    build(1)
    version = publish(home, "run1", NIGHT)
    assert night_seen(home) == 1
    assert (home.report / "index.html").read_text() == "night 1"
    assert sorted(path.name for path in home.exports.iterdir()) == ["patients.parquet", "rates.parquet"]
    assert version == current_version(home)
    assert version.name == "000001-20180731T020000Z-run1"


def test_published_file_keeps_contracts_and_comments_but_no_view_of_the_lake(home: WarehouseHome, build: Build) -> None:
    build(1)
    publish(home, "run1", NIGHT)
    with connect_read_only(home.database) as connection:
        views = connection.execute("select view_name from duckdb_views() where not internal").fetchall()
        table = connection.execute("select sql, comment from duckdb_tables() where table_name = 'patients'").fetchone()
        schemas = connection.execute("select schema_name from duckdb_schemas() where not internal").fetchall()
    assert views == [("counted",)]
    assert ("staging",) not in schemas
    assert table is not None
    assert "NOT NULL" in table[0]
    assert "CHECK" in table[0]
    assert table[1] == "one row per patient"
    assert str(home.root).encode() not in home.database.read_bytes()


def test_a_build_without_views_of_files_is_published_without_a_copy(home: WarehouseHome) -> None:
    with connect_build(home.build_database) as connection:
        connection.execute("create schema marts; create table marts.patients as select 1 as night")
    built = home.build_database.stat().st_ino
    publish(home, "run1", NIGHT)
    assert home.database.stat().st_ino == built
    assert not home.build_database.exists()


def test_published_file_is_readable_after_the_home_has_moved(home: WarehouseHome, build: Build, tmp_path: Path) -> None:
    build(1)
    publish(home, "run1", NIGHT)
    moved = WarehouseHome(home.root.rename(tmp_path / "elsewhere"))
    assert night_seen(moved) == 1
    assert (moved.exports / "patients.parquet").is_file()


def test_everything_below_the_home_is_private(home: WarehouseHome, build: Build) -> None:
    previous = os.umask(0o000)
    try:
        build(1)
        publish(home, "run1", NIGHT)
    finally:
        os.umask(previous)
    version = current_version(home)
    assert version is not None
    modes = {path: path.stat().st_mode & 0o777 for path in [version.folder, *version.folder.rglob("*")]}
    assert {path: mode for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_exports_are_byte_equal_whatever_the_order_and_the_threads(home: WarehouseHome, build: Build) -> None:
    build(1)
    publish(home, "run1", NIGHT)
    first = (home.exports / "patients.parquet").read_bytes()
    build(1)
    with connect_build(home.build_database, threads=1) as connection:
        connection.execute("create table x as select * from marts.patients order by hash(patient_key)")
        connection.execute("delete from marts.patients")
        connection.execute("insert into marts.patients select * from x")
        connection.execute("drop table x")
    publish(home, "run2", NIGHT + timedelta(days=1))
    assert (home.exports / "patients.parquet").read_bytes() == first


def test_night_json_names_every_file_with_its_hash(home: WarehouseHome, build: Build) -> None:
    build(1)
    version = publish(home, "run1", NIGHT, facts={"code_version": "0.1.0"})
    manifest = json.loads((version.folder / "night.json").read_text())
    assert sorted(manifest["sha256"]) == [
        "exports/patients.parquet",
        "exports/rates.parquet",
        "report/index.html",
        "warehouse.duckdb",
    ]
    assert manifest["rows"] == {"analysis.rates": 1, "marts.patients": 500, "quality.build": 1}
    assert manifest["code_version"] == "0.1.0"
    assert manifest["published_at"] == "2018-07-31T02:00:00+00:00"


def test_old_versions_are_kept_by_count_and_can_be_attached(home: WarehouseHome, build: Build) -> None:
    for night in (1, 2, 3, 4):
        build(night)
        publish(home, f"run{night}", NIGHT, keep=3)
    versions = list_versions(home)
    assert [version.sequence for version in versions] == [2, 3, 4]
    with connect_read_only(home.database) as connection:
        connection.execute(f"attach '{versions[0].database}' as earlier (read_only)")
        assert connection.execute("select max(night) from earlier.marts.patients").fetchone() == (2,)
        assert connection.execute("select max(night) from marts.patients").fetchone() == (4,)


def test_order_of_versions_survives_a_clock_that_jumps_back(home: WarehouseHome, build: Build) -> None:
    for night in (1, 2, 3):
        build(night)
        publish(home, f"run{night}", NIGHT - timedelta(days=400 * night), keep=2)
    assert night_seen(home) == 3
    assert [version.sequence for version in list_versions(home)] == [2, 3]


def test_rollback_goes_one_night_back_with_all_folders(home: WarehouseHome, build: Build) -> None:
    for night in (1, 2):
        build(night)
        publish(home, f"run{night}", NIGHT)
    assert rollback(home).sequence == 1
    assert night_seen(home) == 1
    assert (home.report / "index.html").read_text() == "night 1"
    build(3)
    assert publish(home, "run3", NIGHT).sequence == 3
    assert night_seen(home) == 3
    assert rollback(home, to="2").sequence == 2
    assert night_seen(home) == 2


def test_rollback_without_an_earlier_version_says_what_is_kept(home: WarehouseHome, build: Build) -> None:
    with pytest.raises(WarehouseError, match="Kept versions: none"):
        rollback(home)
    build(1)
    publish(home, "run1", NIGHT)
    with pytest.raises(WarehouseError, match="no version before the current one"):
        rollback(home)
    with pytest.raises(WarehouseError, match="no version '7'"):
        rollback(home, to="7")
    assert night_seen(home) == 1


def test_pruning_spares_the_version_that_readers_see(home: WarehouseHome, build: Build) -> None:
    for night in (1, 2):
        build(night)
        publish(home, f"run{night}", NIGHT, keep=5)
    rollback(home)
    with pytest.raises(WarehouseError, match="At least one"):
        publish(home, "run3", NIGHT, keep=0)
    build(4)
    rollback(home, to="1")
    publish(home, "run4", NIGHT, keep=1)
    assert [version.is_current for version in list_versions(home)] == [True]


def test_a_failed_publish_leaves_readers_and_the_folder_alone(
    home: WarehouseHome, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(1)
    publish(home, "run1", NIGHT)
    build(2)

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("warehouse.publishing.seal_tree", no_space)
    with pytest.raises(WarehouseError, match="No space left on device"):
        publish(home, "run2", NIGHT)
    assert night_seen(home) == 1
    assert [path.name for path in home.versions.iterdir()] == ["000001-20180731T020000Z-run1"]


def test_recover_removes_what_a_killed_publish_left(home: WarehouseHome, build: Build) -> None:
    build(1)
    publish(home, "run1", NIGHT)
    (home.versions / "000002-20180801T020000Z-run2.partial").mkdir()
    (home.root / ".current.1.link").symlink_to("nowhere")
    assert recover(home) == [".current.1.link", "000002-20180801T020000Z-run2.partial"]
    assert recover(home) == []
    assert night_seen(home) == 1


def test_a_real_folder_in_the_place_of_a_link_steps_aside(home: WarehouseHome, build: Build) -> None:
    home.report.mkdir()
    (home.report / "mine.txt").write_text("kept")
    build(1)
    publish(home, "run1", NIGHT)
    assert (home.report / "index.html").is_file()
    assert [path.read_text() for path in home.root.glob("report.replaced-*/mine.txt")] == ["kept"]


def test_publish_works_while_the_build_file_is_still_open_in_this_process(home: WarehouseHome, build: Build) -> None:
    build(1)
    still_open = duckdb.connect(str(home.build_database))
    publish(home, "run1", NIGHT)
    script = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).execute('from marts.patients')"
    subprocess.run([sys.executable, "-c", script, str(home.database)], check=True)
    still_open.close()


def test_without_a_build_database_nothing_is_published(home: WarehouseHome) -> None:
    with pytest.raises(WarehouseError, match="no build database"):
        publish(home, "run1", NIGHT)
    with pytest.raises(WarehouseError, match="make refresh"):
        connect_read_only(home.database)


def test_of_two_tables_of_one_name_the_published_number_takes_it(home: WarehouseHome, build: Build) -> None:
    build(1)
    with connect_build(home.build_database) as connection:
        connection.execute("create table analysis.patients as select 17 as n")
    publish(home, "run1", NIGHT)
    names = sorted(path.name for path in home.exports.iterdir())
    assert names == ["marts__patients.parquet", "patients.parquet", "rates.parquet"]
    assert pq.read_table(home.exports / "patients.parquet").to_pylist() == [{"n": 17}]
    assert pq.read_table(home.exports / "marts__patients.parquet").num_rows == 500


ONE_NIGHT = """
    select min(night), max(night), count(*) from (
        select night from marts.patients union all select night from analysis.rates
        union all select night from quality.build
    )
"""
EACH_NIGHT_ROWS = 502


def _read_many(database: str, report: str, until: str, results: multiprocessing.Queue[tuple[int, list[str]]]) -> None:
    queries, problems, newest = 0, [], 0
    while not Path(until).exists():
        try:
            with duckdb.connect(database, read_only=True) as connection:
                rows = connection.execute(ONE_NIGHT).fetchone()
            assert rows is not None
            Path(report, "index.html").read_text()
        except Exception as error:  # any error at all is what the test looks for
            problems.append(str(error))
            continue
        queries += 1
        if rows[0] != rows[1] or rows[2] != EACH_NIGHT_ROWS or rows[1] < newest:
            problems.append(f"mixture: {rows}")
        newest = rows[1]
    results.put((queries, problems))


class CommandLineReaders:
    """DuckDB's command-line client, older than the library that writes: asked anew again and again, and one that stays.

    Attributes:
        queries: how often a new client has answered.
        problems: what went wrong, one sentence each.
    """

    def __init__(self, database: Path, until: Path) -> None:
        self._line = [str(Path(duckdb_cli.__file__).parent / "duckdb"), "-readonly", "-csv", "-noheader", str(database)]
        self._until = until
        self.queries = 0
        self.problems: list[str] = []
        self._staying = subprocess.Popen(
            self._line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._thread = threading.Thread(target=self._ask_again_and_again)

    def __enter__(self) -> CommandLineReaders:
        assert self.answer_of_the_one_that_stays() == f"1,1,{EACH_NIGHT_ROWS}"
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._until.touch()
        self._thread.join(timeout=60)
        self._staying.kill()
        self._staying.communicate()

    def answer_of_the_one_that_stays(self) -> str:
        assert self._staying.stdin is not None
        assert self._staying.stdout is not None
        self._staying.stdin.write(f"{ONE_NIGHT};\n")
        self._staying.stdin.flush()
        return self._staying.stdout.readline().strip()

    def _ask_again_and_again(self) -> None:
        newest = 0
        while not self._until.exists():
            done = subprocess.run([*self._line, ONE_NIGHT], capture_output=True, text=True, check=False, timeout=60)
            answer = [int(cell) for cell in done.stdout.split(",")] if done.returncode == 0 else []
            if len(answer) != 3 or answer[0] != answer[1] or answer[2] != EACH_NIGHT_ROWS or answer[1] < newest:
                self.problems.append(f"{done.returncode}: {done.stdout} {done.stderr}")
                continue
            newest = answer[1]
            self.queries += 1


@pytest.mark.slow
def test_readers_see_one_complete_night_through_a_hundred_publishes(
    home: WarehouseHome, build: Build, tmp_path: Path
) -> None:
    build(1)
    publish(home, "run1", NIGHT)
    stop = tmp_path / "stop"
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[int, list[str]]] = context.Queue()
    arguments = (str(home.database), str(home.report), str(stop), results)
    readers = [context.Process(target=_read_many, args=arguments) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        with CommandLineReaders(home.database, stop) as commands:
            for night in range(2, 102):
                build(night)
                publish(home, f"run{night}", NIGHT, keep=3)
            assert commands.answer_of_the_one_that_stays() == f"1,1,{EACH_NIGHT_ROWS}"
    finally:
        stop.touch()
    answers = [results.get(timeout=30) for _ in readers]
    for reader in readers:
        reader.join(timeout=30)
    assert [problems for _, problems in answers] == [[], []]
    assert min(queries for queries, _ in answers) > 20
    assert commands.problems == []
    assert commands.queries > 20
    assert night_seen(home) == 101


KILL_POINTS = [
    "warehouse.publishing.copy_database",
    "warehouse.publishing.export_tables",
    "warehouse.publishing.write_durably",
    "warehouse.publishing.seal_tree",
    "warehouse.publishing.flush_directory",
    "warehouse.publishing.point_readers_at",
    "warehouse.versions.replace_link",
    "warehouse.versions.shutil.rmtree",
]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", KILL_POINTS)
def test_a_publish_killed_at_any_step_leaves_one_whole_night(
    home: WarehouseHome, build: Build, step: str, moment: str
) -> None:
    build(1)
    publish(home, "run1", NIGHT, keep=1)
    build(2)
    killed = multiprocessing.get_context("fork").Process(target=_publish_until_killed, args=(home, step, moment))
    killed.start()
    killed.join(timeout=60)
    assert killed.exitcode == -9
    seen = night_seen(home)
    assert seen in (1, 2)
    assert (home.report / "index.html").read_text() == f"night {seen}"
    assert pq.read_table(home.exports / "rates.parquet")["night"].to_pylist() == [seen]
    build(3)
    publish(home, "run3", NIGHT, keep=1)
    assert night_seen(home) == 3
    assert len(list(home.versions.iterdir())) == 1


def _publish_until_killed(home: WarehouseHome, step: str, moment: str) -> None:
    import importlib
    import signal

    parts = step.split(".")
    owner: Any = importlib.import_module(".".join(parts[:2]))
    for part in parts[2:-1]:
        owner = getattr(owner, part)
    real = getattr(owner, parts[-1])

    def deadly(*arguments: object, **options: object) -> object:
        if moment == "after":
            real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(owner, parts[-1], deadly)
    publish(home, "run2", NIGHT, keep=1)
    os._exit(0)


def test_a_copied_home_is_a_working_backup(home: WarehouseHome, build: Build, tmp_path: Path) -> None:
    build(1)
    publish(home, "run1", NIGHT)
    shutil.copytree(home.root, tmp_path / "backup", symlinks=True)
    restored = replace(home, root=tmp_path / "backup")
    shutil.rmtree(home.root)
    assert night_seen(restored) == 1
    build_version = current_version(restored)
    assert build_version is not None
    assert build_version.manifest()["run_id"] == "run1"
