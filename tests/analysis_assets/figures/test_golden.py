"""Each figure of the reference cohort against the picture last approved: a change of look is seen, never silent.

These pictures are our own (regression values, no oracle). After a wanted change look at the new ones and replace the
old: ``python -m tests.analysis_assets.figures.test_golden``.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis_assets.figures.style import house_style
from tests.analysis_assets.figures.drawings import DRAWINGS, patients

GOLDEN = Path(__file__).parents[2] / "golden" / "figures"
DPI = 60
# Greyscale steps of 255: another build of the font library moves edges by a shade, a moved line by a hundred.
MOST_DIFFERENCE = 2.0


def picture(name: str) -> Image.Image:
    import matplotlib as mpl

    data = BytesIO()
    with mpl.rc_context(house_style()):
        DRAWINGS[name](patients(39)).savefig(data, format="png", dpi=DPI)
    return Image.open(data).convert("L")


def difference(one: Image.Image, other: Image.Image) -> float:
    """Root mean square difference in greyscale steps."""
    return float(np.sqrt(np.mean((np.asarray(one, dtype=float) - np.asarray(other, dtype=float)) ** 2)))


@pytest.mark.parametrize("name", DRAWINGS)
def test_figure_looks_as_approved(name: str) -> None:
    drawn = picture(name)
    with Image.open(GOLDEN / f"{name}.png") as approved:
        assert drawn.size == approved.size
        assert difference(drawn, approved.convert("L")) < MOST_DIFFERENCE


def test_the_comparison_sees_one_missing_bar() -> None:
    drawn = picture("response")
    changed = drawn.copy()
    changed.paste(255, (60, 60, 90, 150))
    assert difference(drawn, changed) > MOST_DIFFERENCE


def approve() -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name in DRAWINGS:
        picture(name).save(GOLDEN / f"{name}.png", optimize=True)


if __name__ == "__main__":
    approve()
