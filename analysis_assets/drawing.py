"""A second process that draws half of the figures: drawing is Python work on one core, and the machine has two."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from warehouse.side_process import SideProcess, serve


@dataclass(frozen=True)
class DrawingJob:
    """Which figures to draw: every `step`-th of the gallery from `first` on.

    Attributes:
        database: a closed warehouse file with schemas marts and analysis.
        study: the study as JSON-ready values (`Study.as_dbt_variable`).
        folder: where the files go.
        synthetic: label every figure as synthetic.
        first: position of the first figure.
        step: distance to the next.
    """

    database: str
    study: dict[str, Any]
    folder: str
    synthetic: bool
    first: int
    step: int


class DrawingProcess:
    """Handle of the drawing process."""

    def __init__(self) -> None:
        """Start the process; it imports what it needs and waits for a job."""
        self._process = SideProcess("analysis_assets.drawing")

    def start(self, job: DrawingJob) -> None:
        """Hand over the job and return at once."""
        self._process.ask(asdict(job))

    def wait(self) -> list[dict[str, str]]:
        """Wait until the figures are drawn; return `DrawnFigure`'s fields of each, or raise SideProcessError."""
        drawn: list[dict[str, str]] = self._process.answer()
        return drawn

    def close(self) -> None:
        """End the process."""
        self._process.close()


def _draw(request: dict[str, Any]) -> list[dict[str, str]]:
    from analysis_assets.gallery import draw_part
    from study import Study

    job = DrawingJob(**request)
    study = Study.model_validate(job.study)
    drawn = draw_part(Path(job.database), study, Path(job.folder), job.synthetic, job.first, job.step)
    return [asdict(figure) for figure in drawn]


def main() -> None:
    """Import what drawing needs and answer."""
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401
    import pandas as pd  # noqa: F401

    serve(_draw)


if __name__ == "__main__":
    main()
