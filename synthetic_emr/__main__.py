"""Command line: `python -m synthetic_emr reference|scale|nightly|omop|fhir|his_zh --out DIR …`."""

from __future__ import annotations

import argparse
from pathlib import Path

from synthetic_emr.fhir import write_fhir_extract
from synthetic_emr.files import FORMATS, read_extract
from synthetic_emr.his_zh import write_his_zh_extract
from synthetic_emr.nightly import write_nightly_history
from synthetic_emr.omop import write_omop_extract
from synthetic_emr.reference import REFERENCE_SEED, write_reference_extract
from synthetic_emr.scale import SCALE_FORMATS, write_scaled_extract

_OTHER_FORMATS = {"omop": write_omop_extract, "fhir": write_fhir_extract, "his_zh": write_his_zh_extract}


def main(arguments: list[str] | None = None) -> int:
    """Write what the command line asks for and print the folder."""
    parser = argparse.ArgumentParser(prog="python -m synthetic_emr", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    reference = commands.add_parser("reference", help="the 39 invented patients as one extract")
    reference.add_argument("--out", type=Path, required=True, help="folder of extracts")
    reference.add_argument("--format", choices=FORMATS, default="csv")
    reference.add_argument("--seed", type=int, default=REFERENCE_SEED)
    scale = commands.add_parser("scale", help="resampled patients in any number")
    scale.add_argument("--patients", type=int, required=True)
    scale.add_argument("--labs-per-patient", type=int, default=100)
    scale.add_argument("--out", type=Path, required=True, help="folder of extracts")
    scale.add_argument("--format", choices=SCALE_FORMATS, default="parquet")
    scale.add_argument("--seed", type=int, default=REFERENCE_SEED)
    scale.add_argument("--memory-limit", default="2GB", help="what DuckDB may use")
    nightly = commands.add_parser("nightly", help="the reference extract night by night, as deltas")
    nightly.add_argument("--nights", type=int, default=30)
    others = [commands.add_parser(name, help="an extract in that format") for name in _OTHER_FORMATS]
    for command in others:
        command.add_argument("--of", type=Path, help="folder of an extract to rewrite (default: the reference extract)")
    for command in (nightly, *others):
        command.add_argument("--out", type=Path, required=True, help="folder of extracts")
        command.add_argument("--seed", type=int, default=REFERENCE_SEED)
    chosen = parser.parse_args(arguments)
    if chosen.command == "reference":
        folder = write_reference_extract(chosen.out, seed=chosen.seed, formats=chosen.format)
    elif chosen.command == "nightly":
        folder = write_nightly_history(chosen.out, nights=chosen.nights, seed=chosen.seed)[-1]
    elif chosen.command in _OTHER_FORMATS:
        extract = read_extract(chosen.of) if chosen.of else None
        folder = _OTHER_FORMATS[chosen.command](chosen.out, seed=chosen.seed, extract=extract)
    else:
        folder = write_scaled_extract(
            chosen.out,
            patients=chosen.patients,
            labs_per_patient=chosen.labs_per_patient,
            file_format=chosen.format,
            seed=chosen.seed,
            memory_limit=chosen.memory_limit,
        )
    print(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
