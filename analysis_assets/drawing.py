"""A second process that draws figures while the refresh does other work: drawing is Python work on one core of two."""

from __future__ import annotations

import importlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_assets.taking_over import made_from, take_over
from warehouse.side_process import SideProcess, SideProcessError

if TYPE_CHECKING:
    from analysis_assets.gallery import InlinedFigure, Plot

ROOM = "drawing"
MODULES = ("matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_agg", "pandas")
"""What drawing imports; it takes a second."""


@dataclass(frozen=True)
class DrawingJob:
    """What to draw.

    Attributes:
        database: a closed warehouse file with schemas marts and analysis.
        study: the study as JSON-ready values (`Study.as_dbt_variable`).
        folder: where the files go.
        synthetic: label every figure as synthetic.
        last: folder of the last night's figures, which need not be there; what is the same is taken over.
        code_version: version of the code that draws.
    """

    database: str
    study: dict[str, Any]
    folder: str
    synthetic: bool
    last: str
    code_version: str


class DrawingProcess:
    """Handle of the drawing in a second process."""

    def __init__(self, process: SideProcess) -> None:
        """Ask this process, which must serve `ROOM` with a `Drawer`, to import what drawing needs; return at once."""
        self._process = process
        process.ask(ROOM, {})
        self._waiting: deque[int] = deque()  # positions in the gallery; taken from both ends
        self._drawn: dict[int, InlinedFigure] = {}
        self._error: SideProcessError | None = None
        self._thread: threading.Thread | None = None
        self.begun: DrawingJob | None = None
        self.sources: list[str] = []
        """What each figure is made from (`taking_over.made_from`)."""

    def begin(self, job: DrawingJob) -> None:
        """Let it read what it draws, then draw from the first figure on; returns once the file has been read.

        Figures that the last night drew the same are there already.

        Raises:
            SideProcessError: the file can't be read.
        """
        from analysis_assets.gallery import InlinedFigure

        self.begun = job
        read = self._process.answer(self._process.ask(ROOM, {"job": asdict(job)}))
        self.sources = read["sources"]
        self._drawn = {int(position): InlinedFigure(**figure) for position, figure in read["taken"].items()}
        self._waiting.extend(position for position in range(len(self.sources)) if position not in self._drawn)
        self._thread = threading.Thread(target=self._hand_out, name="drawing", daemon=True)
        self._thread.start()

    def finish(self, draw: Callable[[int], InlinedFigure]) -> list[InlinedFigure]:
        """Draw here too, from the last figure on, until none is left; return all in the order of the gallery.

        Args:
            draw: draws the figure at a position of the gallery in this process.

        Raises:
            SideProcessError: the other process could not draw one of its own.
        """
        while self._waiting:
            try:
                position = self._waiting.pop()
            except IndexError:  # the other process has taken the last one just now
                break
            self._drawn[position] = draw(position)
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return [figure for _, figure in sorted(self._drawn.items())]

    def close(self) -> None:
        """End the process, whatever it is drawing."""
        self._waiting.clear()
        self._process.kill()
        if self._thread is not None:
            self._thread.join()

    def _hand_out(self) -> None:
        from analysis_assets.gallery import InlinedFigure

        try:
            while self._waiting:
                try:
                    position = self._waiting.popleft()
                except IndexError:
                    return
                number = self._process.ask(ROOM, {"draw": position})
                self._drawn[position] = InlinedFigure(**self._process.answer(number))
        except SideProcessError as error:
            self._error = error


class Drawer:
    """Answers the requests of one `DrawingProcess`, in the process that draws."""

    def __init__(self) -> None:
        self._plots: list[Plot] = []
        self._sources: list[str] = []
        self._folder = Path()

    def __call__(self, request: dict[str, Any]) -> Any:
        """Import what drawing needs, read what is drawn, or draw one figure of it."""
        from analysis_assets.gallery import draw_plot

        if "draw" in request:
            position = request["draw"]
            return asdict(draw_plot(self._plots[position], self._folder, self._sources[position]))
        if "job" in request:
            return self._read(DrawingJob(**request["job"]))
        for module in MODULES:
            importlib.import_module(module)
        return None

    def _read(self, job: DrawingJob) -> dict[str, Any]:
        from analysis_assets.gallery import inlined, read_plots
        from study import Study

        self._folder = Path(job.folder)
        study = Study.model_validate(job.study)
        self._plots = read_plots(Path(job.database), study, synthetic=job.synthetic)
        self._sources = made_from(self._plots, job.code_version)
        taken = take_over([plot.name for plot in self._plots], self._sources, Path(job.last), self._folder)
        drawn = {position: asdict(inlined(figure, self._folder)) for position, figure in taken.items()}
        return {"sources": self._sources, "taken": drawn}
