"""The commands of the runbook, taken from the page and run, so that they work in the night when they are needed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestration.operations import audit_trail, verify
from tests.night import ROOT, Night
from tests.system_packages import program
from warehouse import WarehouseHome, current_version, list_versions

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    _, _, rest = RUNBOOK.partition(f"\n## {title}\n")
    assert rest, f"the runbook has no section {title}"
    return rest.partition("\n## ")[0]


def spoken(beginning: str, text: str = RUNBOOK) -> list[str]:
    """Every command of the page that begins so."""
    return [span for span in re.findall(r"`([^`\n]+)`", text) if span.startswith(beginning)]


def run(command: str, home: WarehouseHome, backup: Path) -> None:
    program("rsync", package="rsync")
    line = command.replace("$CART_HOME", str(home.root)).replace("<backup>", str(backup))
    subprocess.run(line, shell=True, check=True)


@pytest.mark.slow
def test_a_backup_restored_is_the_home_of_then(published_night: Night, tmp_path: Path) -> None:
    shutil.copytree(published_night.home, tmp_path / "home", symlinks=True)
    home, backup = WarehouseHome(tmp_path / "home"), tmp_path / "backup"
    (back_up, restore) = spoken("rsync", section("Backup and restore"))
    (home.build / "half.duckdb").touch()
    run(back_up, home, backup)
    assert not (backup / "build").exists()
    assert not (backup / "refresh.lock").exists()
    versions, trail = list_versions(home), audit_trail(home)

    # What came later is lost with the disk's damage: a version that the trail notes, a lake file, the trail's end.
    (published,) = versions
    later = published.folder.with_name("000002-20300101T000000Z-later")
    shutil.copytree(published.folder, later)
    home.current.unlink()
    home.current.symlink_to(later.relative_to(home.root))
    for path in (home.lake / "raw" / "patients").rglob("*.parquet"):
        path.write_bytes(b"damaged")
    (home.lake / "ledger" / "builds.jsonl").write_text("{}\n")
    run(restore, home, backup)

    assert [version.name for version in list_versions(home)] == [version.name for version in versions]
    assert current_version(home) == versions[0]
    assert [entry.line for entry in audit_trail(home)] == [entry.line for entry in trail]
    assert verify(home).problems == ()

    # Links are relative: the backup itself, wherever it lies, is a home.
    assert verify(WarehouseHome(backup)).problems == ()


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {word for span in spoken("make ") for word in span.split()[1:] if re.fullmatch(r"[a-z-]+", word)}
    assert {"refresh", "rollback", "verify", "setup", "manifest"} <= targets
    assert [target for target in sorted(targets) if f"\n{target}:" not in makefile] == []


def test_every_module_and_setting_exists() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", RUNBOOK))
    assert {"orchestration.refresh", "orchestration.operations", "orchestration.backfill"} <= modules
    assert [name for name in sorted(modules) if importlib.util.find_spec(name) is None] == []
    readers = ("orchestration/settings.py", "orchestration/operations/notices.py")
    code = "".join((ROOT / reader).read_text(encoding="utf-8") for reader in readers)
    named = set(re.findall(r"CART_[A-Z_]+[A-Z]", RUNBOOK))
    assert len(named) > 5
    assert [name for name in sorted(named) if f'"{name}"' not in code] == []


def test_commands_by_hand_get_the_files_that_the_unit_gets() -> None:
    (by_hand,) = re.findall(r"`[^`\n]*(systemd-run [^`\n]+)`", RUNBOOK)
    unit = (ROOT / "deploy" / "cart-daemon.service").read_text(encoding="utf-8")
    files = re.findall(r"^EnvironmentFile=(\S+)$", unit, re.MULTILINE)
    assert re.findall(r"EnvironmentFile=(\S+)", by_hand) == files
    for setting in ("WorkingDirectory", "UMask"):
        assert re.findall(rf"{setting}=(\S+)", by_hand) == re.findall(rf"^{setting}=(\S+)$", unit, re.MULTILINE)
    assert re.findall(r"--uid=(\w+) --gid=(\w+)", by_hand) == [("cart", "cart")]
