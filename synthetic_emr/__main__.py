"""Command line: `python -m synthetic_emr reference --out DIR [--format csv]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from synthetic_emr.files import FORMATS
from synthetic_emr.reference import REFERENCE_SEED, write_reference_extract


def main(arguments: list[str] | None = None) -> int:
    """Write what the command line asks for and print the folder."""
    parser = argparse.ArgumentParser(prog="python -m synthetic_emr", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    reference = commands.add_parser("reference", help="the 39 invented patients as one extract")
    reference.add_argument("--out", type=Path, required=True, help="folder of extracts")
    reference.add_argument("--format", choices=FORMATS, default="csv")
    reference.add_argument("--seed", type=int, default=REFERENCE_SEED)
    chosen = parser.parse_args(arguments)
    print(write_reference_extract(chosen.out, seed=chosen.seed, formats=chosen.format))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
