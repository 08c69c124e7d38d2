"""`docs/checks.md`, written from `thresholds.csv`: one entry per check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from expectations.declared import FRAMES, CheckSpec, declared_checks

CATALOGUE = Path(__file__).resolve().parents[1] / "docs" / "checks.md"

_HEAD = """\
# Checks for plausibility

Made from `expectations/thresholds.csv` by `python -m expectations`; a test holds that this page is current.
Don't edit it.

Every night Great Expectations judges the lake (suite `raw`, before dbt) and the marts (suite `marts`, before analysis).
Types are dbt contracts, keys and rules across rows are dbt tests; those are described beside the models.

- **error**: nothing is published, the last good warehouse stays. **warn**: the night goes on and says so. Raw values
  are never an error: a value that was corrected at the source stays in the lake, and must not stop every later night.
- Status: *passed*, *failed* (the data), *error* (the check itself could not run), *not applicable* (no data
  to judge; not a pass).
- Numerator: source rows outside the bounds (`failing_rows`). Denominator: source rows with a value (`judged_rows`),
  or the population that the frame names. A bound belongs to the allowed values.
- To change a bound, edit its line in `expectations/thresholds.csv` and run `python -m expectations`.
"""


def catalogue(specs: Sequence[CheckSpec]) -> str:
    """Return the page as Markdown, one section per judged table."""
    parts = [_HEAD]
    for suite, schema, table in dict.fromkeys((spec.suite, spec.schema, spec.asset_table) for spec in specs):
        parts.append(f"\n## `{schema}.{table}`\n")
        own = [spec for spec in specs if (spec.suite, spec.schema, spec.asset_table) == (suite, schema, table)]
        parts += [_entry(spec) for spec in own]
    return "\n".join(parts) + "\n"


def frame_header(spec: CheckSpec) -> str:
    """Return the comment that opens the check's SQL file: what is judged, and of which rows."""
    lines = (FRAMES / spec.suite / f"{spec.frame}.sql").read_text(encoding="utf-8").splitlines()
    comments = []
    for line in lines:
        if not line.startswith("--"):
            break
        comments.append(line.removeprefix("--").strip())
    return " ".join(comments)


def write_catalogue(path: Path = CATALOGUE) -> Path:
    """Write the page."""
    path.write_text(catalogue(declared_checks()), encoding="utf-8")
    return path


def _entry(spec: CheckSpec) -> str:
    at_least = f" Not judged below {spec.min_rows} rows." if spec.min_rows > 1 else ""
    return (
        f"### {spec.name}\n"
        f"*{spec.severity}, {spec.kahn}.* {spec.measure}: **{spec.bounds}**.{at_least} {spec.reason}\n\n"
        f"- Judged: {frame_header(spec)} (`expectations/frames/{spec.suite}/{spec.frame}.sql`)\n"
        f"- What to do: {spec.action}\n"
    )
