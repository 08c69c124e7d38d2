"""The systemd units: accepted by systemd itself, least privilege, loopback only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.operations.serve import command
from tests.system_packages import program

ROOT = Path(__file__).resolve().parents[2]
UNITS = ("cart-daemon.service", "cart-webserver.service")
MOST_EXPOSURE = 20  # of 100; systemd calls up to 20 OK, a unit without any protection has 96


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units with the program path of this environment, because systemd wants the program to exist."""
    written = []
    for name in UNITS:
        text = (ROOT / "deploy" / name).read_text().replace("/opt/cart/.venv/bin/python", sys.executable)
        (tmp_path / name).write_text(text)
        written.append(tmp_path / name)
    return written


def systemd(*arguments: str) -> subprocess.CompletedProcess[str]:
    analyse = program("systemd-analyze", package="systemd")
    return subprocess.run([analyse, *arguments], capture_output=True, text=True, check=False)


def test_systemd_accepts_the_units(units: list[Path]) -> None:
    done = systemd("verify", "--man=no", *map(str, units))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_little_exposed(units: list[Path], unit: str) -> None:
    path = next(path for path in units if path.name == unit)
    done = systemd("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSURE}", str(path))
    assert done.returncode == 0, done.stdout


def test_a_unit_without_protection_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "bare.service").write_text(f"[Service]\nExecStart={sys.executable}\nNonsense=yes\n")
    assert "Nonsense" in systemd("verify", "--man=no", str(tmp_path / "bare.service")).stderr
    exposed = systemd("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(tmp_path / "bare.service"))
    assert exposed.returncode != 0


def test_only_the_daemon_gets_the_secrets() -> None:
    texts = {name: (ROOT / "deploy" / name).read_text() for name in UNITS}
    assert "EnvironmentFile=/etc/cart/cart.secret" in texts["cart-daemon.service"]
    assert "EnvironmentFile=/etc/cart/cart.secret" not in texts["cart-webserver.service"]
    assert "InaccessiblePaths=-/etc/cart/cart.secret" in texts["cart-webserver.service"]


def test_the_webserver_listens_on_loopback_only() -> None:
    line = command("webserver", 3000)
    assert line[line.index("--host") + 1] == "127.0.0.1"
    assert Path(line[0]).is_file()
    assert Path(command("daemon", 0)[0]).is_file()


def test_every_setting_of_the_example_is_read() -> None:
    settings = (ROOT / "orchestration" / "settings.py").read_text() + (
        ROOT / "orchestration" / "operations" / "notices.py"
    ).read_text()
    names = [
        line.lstrip("# ").partition("=")[0]
        for example in ("cart.env.example", "cart.secret.example")
        for line in (ROOT / "deploy" / example).read_text().splitlines()
        if line.lstrip("# ").startswith("CART_")
    ]
    assert len(names) > 10
    assert [name for name in names if name not in settings] == []
