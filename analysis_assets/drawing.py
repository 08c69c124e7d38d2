"""A second process that draws half of the figures: drawing is Python work on one core, and the machine has two.

It is started early, while dbt runs, so that its imports are done when there is something to draw.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class DrawingError(RuntimeError):
    """The second process could not draw its figures; the message is its own."""


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
    """Handle of the second process; use it as a context manager or call `close`."""

    def __init__(self) -> None:
        """Start the process; it imports what it needs and waits for one job."""
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "analysis_assets.drawing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[1],
        )

    def start(self, job: DrawingJob) -> None:
        """Hand over the job and return at once; raises DrawingError when the process has died."""
        try:
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.wait()

    def wait(self) -> None:
        """Wait until the figures are drawn; raises DrawingError when they are not."""
        _, complaint = self._process.communicate()
        if self._process.returncode:
            raise DrawingError(complaint.strip().splitlines()[-1] if complaint.strip() else "the process was killed")

    def close(self) -> None:
        """End the process if it still waits."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def __enter__(self) -> Self:
        """Return the handle."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()


def main() -> None:
    """Wait for one job on standard input and draw it; an empty input ends the process."""
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401
    import pandas as pd  # noqa: F401

    from analysis_assets.gallery import draw_part
    from study import Study

    line = sys.stdin.readline()
    if line:
        job = DrawingJob(**json.loads(line))
        study = Study.model_validate(job.study)
        draw_part(Path(job.database), study, Path(job.folder), job.synthetic, job.first, job.step)


if __name__ == "__main__":
    main()
