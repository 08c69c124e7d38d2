"""The refresh's second process: it judges with Great Expectations, then draws figures.

One process for both: each would import pandas, NumPy and DuckDB, and they never work at the same time.
"""

from __future__ import annotations

from analysis_assets import drawing
from expectations import judge
from warehouse.side_process import fewer_collections, serve


def main() -> None:
    """Import Great Expectations, which is needed first, and answer."""
    fewer_collections()
    from expectations.great import ExpectationContext

    ExpectationContext()  # imports and sets up what every suite needs
    serve({judge.ROOM: judge.handle, drawing.ROOM: drawing.Drawer()})


if __name__ == "__main__":
    main()
