"""`make verify` and the check of the lake: sound passes, each kind of damage is named."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.operations import OperationsError, audit_facts, check_lake, record_builds, verify
from orchestration.operations.__main__ import main
from tests.operations.conftest import LedgerLine, Night, make_build
from warehouse import WarehouseHome, publish, rollback
from warehouse.exports import export_table


def rebuild_as(number: int) -> object:
    def rebuild(home: WarehouseHome) -> None:
        assert (home.lake / "raw" / "patients" / "2018-07-30").is_dir()
        make_build(home, number)
        publish(home, "rebuild", datetime(2020, 1, 1, tzinfo=UTC))

    return rebuild


def test_a_sound_warehouse_is_verified_down_to_a_rebuild(home: WarehouseHome, night: Night) -> None:
    night(1)
    result = verify(home, rebuild_as(1))  # type: ignore[arg-type]
    assert result.problems == ()
    assert len(result.done) == 5
    assert [path.name for path in home.root.glob(".verify*")] == []


def test_a_rebuild_that_differs_shows(home: WarehouseHome, night: Night) -> None:
    night(1)
    problems = verify(home, rebuild_as(2)).problems  # type: ignore[arg-type]
    assert problems == (
        "exports/patients.parquet: differs from the rebuilt warehouse",
        "exports/rates.parquet: differs from the rebuilt warehouse",
    )


def test_each_kind_of_damage_is_named(home: WarehouseHome, night: Night, ledger: list[LedgerLine]) -> None:
    version = night(1)
    (home.exports / "rates.parquet").write_bytes(b"changed")
    (home.exports / "more.parquet").write_bytes(b"added")
    lake_file = home.lake / ledger[0].lake_file
    lake_file.write_bytes(lake_file.read_bytes() + b"x")
    problems = verify(home).problems
    assert problems == (
        "exports/rates.parquet: its content has changed",
        "exports/more.parquet: was added after publishing",
        f"lake/{ledger[0].lake_file}: its content has changed",
    )
    lake_file.unlink()
    (version.folder / "warehouse.duckdb").unlink()
    assert "warehouse.duckdb: missing" in verify(home).problems
    assert f"lake/{ledger[0].lake_file}: missing" in verify(home).problems


def test_a_warehouse_changed_together_with_its_hashes_disagrees_with_the_trail(
    home: WarehouseHome, night: Night
) -> None:
    version = night(1)
    with duckdb.connect(str(version.database)) as connection:
        connection.execute("update marts.patients set night = 9")
    from warehouse.files import sha256_of

    manifest = version.folder / "night.json"
    published = version.manifest()["sha256"]
    text = manifest.read_text().replace(published["warehouse.duckdb"], sha256_of(version.database))
    manifest.write_text(text)
    assert verify(home).problems == ("exports/patients.parquet: differs from the warehouse's own export",)
    manifest.write_text(text.replace(published["exports/rates.parquet"], "0" * 64))
    assert "exports/rates.parquet: differs from night.json" in verify(home).problems


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('"code_version": "0.1.0+abc"', '"code_version": "0.1.0+abd"', "code_version"),
        ('"feed": "patients"', '"feed": "patientz"', "new_inputs"),
    ],
)
def test_a_change_of_the_last_line_of_the_trail_is_found(
    home: WarehouseHome, night: Night, before: str, after: str, named: str
) -> None:
    version = night(1)
    trail = home.lake / "ledger" / "builds.jsonl"
    assert before in trail.read_text()
    trail.write_text(trail.read_text().replace(before, after))
    (problem,) = verify(home).problems
    assert f"the line of {version.name} says another {named} than its night.json" in problem


def test_the_version_rolled_back_to_is_the_verified_one(home: WarehouseHome, night: Night) -> None:
    first = night(1)
    night(2)
    rollback(home)
    assert (verify(home).version, verify(home).problems) == (first.name, ())


def test_nothing_published_is_said(home: WarehouseHome) -> None:
    with pytest.raises(OperationsError, match="make refresh"):
        verify(home)


def test_a_sound_lake_is_accepted(home: WarehouseHome, ledger: list[LedgerLine]) -> None:
    check_lake(home.lake, ledger)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "patients-1a2b3c4d.parquet: missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not readable as Parquet"),
        (lambda path: path.write_bytes(b""), "not readable as Parquet"),
        (
            lambda path: shutil.copy(str(path).replace("patients", "lab_results"), path),
            "holds 1,000 rows, the ledger says 39",
        ),
    ],
)
def test_a_damaged_lake_is_refused_with_the_file(
    home: WarehouseHome, ledger: list[LedgerLine], damage: object, message: str
) -> None:
    damage(home.lake / ledger[0].lake_file)  # type: ignore[operator]
    with pytest.raises(OperationsError, match=f"(?s)lake is damaged.*{message}.*backup"):
        check_lake(home.lake, ledger)


def test_changed_content_under_a_sound_footer_is_found_by_its_hash(
    home: WarehouseHome, ledger: list[LedgerLine]
) -> None:
    from warehouse.files import sha256_of

    path: Path = home.lake / ledger[0].lake_file
    hashes = {ledger[0].lake_file: sha256_of(path)}
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(bytes(content))
    check_lake(home.lake, ledger)
    with pytest.raises(OperationsError, match="its content has changed"):
        check_lake(home.lake, ledger, hashes)


def test_commands(
    home: WarehouseHome, night: Night, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CART_HOME", str(home.root))
    assert main(["verify"]) == 2
    assert main(["rollback"]) == 2
    assert "make refresh" in capsys.readouterr().err
    night(1)
    night(2)
    assert main(["verify"]) == 0
    assert "000002-20180731T020000Z-run2: verified" in capsys.readouterr().out
    assert main(["rollback"]) == 0
    assert main(["versions"]) == 0
    assert "* 000001-" in capsys.readouterr().out
    assert main(["rollback", "17"]) == 2
    assert "Kept versions: 000001-" in capsys.readouterr().err
    (home.exports / "rates.parquet").unlink()
    assert main(["verify"]) == 1
    assert "PROBLEM: exports/rates.parquet: missing" in capsys.readouterr().out


def test_exports_are_verified_with_the_exporter_they_were_written_with(home: WarehouseHome) -> None:
    def analyses_only(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Path]:
        path = folder / "rates.parquet"
        export_table(connection, "analysis", "rates", path)
        return {"rates": path}

    make_build(home, 1)
    facts = audit_facts(home, [], "0.1.0+abc", "cd" * 32, "0a1b2c3d")
    publish(home, "run1", datetime(2018, 7, 31, tzinfo=UTC), facts=facts, exporter=analyses_only)
    record_builds(home)
    assert [path.name for path in home.exports.iterdir()] == ["rates.parquet"]
    assert verify(home, exporter=analyses_only).problems == ()
    assert verify(home).problems == (
        "exports/patients.parquet: is not in both, published and the warehouse's own export",
    )
