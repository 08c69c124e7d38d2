"""Figures of the last published night that tonight would draw the same: they are taken over, not drawn again.

Whether one would be is told by what it is made from: the drawing function, every value that it gets, and the code and
libraries that draw. Drawing is a quarter of the processor time of a small refresh.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from warehouse.files import sha256_of

if TYPE_CHECKING:
    import pandas as pd

    from analysis_assets.gallery import DrawnFigure, Plot

_LIBRARIES: Final = ("matplotlib", "numpy", "pandas", "pillow")


def made_from(plots: Iterable[Plot], code_version: str) -> list[str]:
    """Return of each figure the SHA-256 of everything that it is made from, as hexadecimal digits.

    Args:
        plots: The figures.
        code_version: Version of the code that draws; another one may draw otherwise.
    """
    drawn_by = [code_version, *(f"{library} {version(library)}" for library in _LIBRARIES)]
    frames: dict[int, str] = {}
    return [
        _digest(
            [*drawn_by, plot.name, plot.title, plot.section, *_calls(plot.draw, frames), *_calls(plot.describe, frames)]
        )
        for plot in plots
    ]


def take_over(names: Sequence[str], sources: Sequence[str], last: Path, folder: Path) -> dict[int, DrawnFigure]:
    """Copy into ``folder`` what lies in last night's and is made from the same; return it by position.

    A file that is missing, or that is no longer what was drawn, is not taken; nor is anything by an index that is
    damaged or of another version.

    Args:
        names: The figures' names, in the order of the gallery.
        sources: What each is made from.
        last: Folder of the last gallery; it need not be there.
        folder: Made when missing.
    """
    before = {(figure.name, figure.made_from): figure for figure in _last_gallery(last)}
    folder.mkdir(parents=True, exist_ok=True)
    taken = {}
    for position, key in enumerate(zip(names, sources, strict=True)):
        figure = before.get(key)
        if figure is not None and file_hashes(last, figure.svg, figure.png) == figure.sha256:
            for file in (figure.svg, figure.png):
                shutil.copyfile(last / file, folder / file)
            taken[position] = figure
    return taken


def _last_gallery(last: Path) -> Sequence[DrawnFigure]:
    from analysis_assets.gallery import read_gallery

    try:
        return read_gallery(last)
    except (OSError, TypeError, ValueError):  # whatever is wrong with it, tonight can draw
        return ()


def file_hashes(folder: Path, *files: str) -> str | None:
    """Return the SHA-256 of each of these files of a folder, with spaces between; None when one is missing."""
    try:
        return " ".join(sha256_of(folder / file) for file in files)
    except FileNotFoundError:
        return None


def _calls(drawing: partial[Any], frames: dict[int, str]) -> list[str]:
    function = drawing.func
    values = (*drawing.args, *(value for item in sorted(drawing.keywords.items()) for value in item))
    return [f"{function.__module__}.{function.__qualname__}", *(_said(value, frames) for value in values)]


def _said(value: Any, frames: dict[int, str]) -> str:
    """Return a text that is another one for another value; of a table its hash, which is made once."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        if id(value) not in frames:
            frames[id(value)] = _frame_digest(value)
        return frames[id(value)]
    if isinstance(value, Mapping):
        return repr(sorted(value.items()))
    return repr(value)


def _frame_digest(frame: pd.DataFrame) -> str:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
