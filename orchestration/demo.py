"""`make demo`: one whole night on the bundled synthetic extract, with a key that protects nothing."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace

from orchestration.refresh import main
from orchestration.settings import ROOT, Settings, SettingsError
from orchestration.terminal import leave
from synthetic_emr import write_reference_extract
from warehouse import WarehouseHome, connect_read_only

# Public on purpose: the demo's patients are invented. A refresh of real patients needs a key of its own.
DEMO_KEY = "c0ffee" * 10 + "d00d"
# Outside the warehouse home, where no identifier may lie, not even an invented one.
DEMO_EXTRACTS = ROOT / ".demo" / "extracts"


def demo_settings(settings: Settings) -> Settings:
    """Write the synthetic extract and return settings that refresh from it into the same home.

    Raises SettingsError when the home holds a published warehouse of real patients.
    """
    if _holds_real_patients(settings.home):
        raise SettingsError(
            f"{settings.home.root} holds a warehouse of real patients, which the demo would replace; "
            "set CART_HOME to another folder"
        )
    sys.stderr.write("Refreshing on the bundled synthetic extract (39 invented patients) ...\n")
    shutil.rmtree(DEMO_EXTRACTS, ignore_errors=True)
    DEMO_EXTRACTS.mkdir(parents=True)
    write_reference_extract(DEMO_EXTRACTS)
    return replace(
        settings,
        extracts=DEMO_EXTRACTS,
        study=ROOT / "study.yml",
        source_profile="canonical",
        pseudonym_key=DEMO_KEY,
    )


def _holds_real_patients(home: WarehouseHome) -> bool:
    if not home.database.exists():
        return False
    with connect_read_only(home.database) as connection:
        row = connection.execute("select bool_and(synthetic) from quality.build").fetchone()
    return not (row and row[0])


if __name__ == "__main__":
    leave(main(demo_settings))
