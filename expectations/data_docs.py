"""Data Docs as static pages that need no network and hold no patient's value."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STYLE = Path(__file__).resolve().parent / "data_docs.css"
# Great Expectations' pages load their style and scripts from the internet, which a hospital network forbids, and which
# would tell others when somebody looks at them.
_EXTERNAL = re.compile(
    r"<script[^>]*\bsrc=[\"']https?:[^>]*>\s*</script>"
    r"|<link[^>]*\bhref=[\"']https?:[^>]*>"
    r"|<(?:img|source)[^>]*\bsrc=[\"']https?:[^>]*>",
    re.IGNORECASE,
)
_OUTSIDE_LINK = re.compile(r"<a\b[^>]*\bhref=[\"']https?:[^>]*>(.*?)</a>", re.IGNORECASE | re.DOTALL)
_SCRIPT = re.compile(r"<script\b[^>]*>.*?</script>", re.IGNORECASE | re.DOTALL)


def keep_for_pages(folder: Path, suite: str, validations: Sequence[tuple[str, Any]]) -> None:
    """Keep a suite's validation results until the pages are written.

    Args:
        folder: made when missing.
        suite: replaces what was kept for this suite before.
        validations: (name, Great Expectations validation result without values).
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = [[name, result.to_json_dict()] for name, result in validations]
    (folder / f"{suite}.json").write_text(json.dumps(content), encoding="utf-8")


def build_data_docs(kept: Path, folder: Path, run_name: str, run_time: dt.datetime) -> Path:
    """Write the Data Docs of every suite kept so far.

    Args:
        kept: the folder given to the suites as `pages`.
        folder: target; replaced.
        run_name: shown on the pages.
        run_time: shown on the pages.

    Returns:
        Path of the index page.
    """
    from expectations.great import ExpectationContext

    context = ExpectationContext()
    validations = [
        (name, context.result_from_json(content))
        for path in sorted(kept.glob("*.json"))
        for name, content in json.loads(path.read_text(encoding="utf-8"))
    ]
    shutil.rmtree(folder, ignore_errors=True)
    context.write_pages(validations, folder, run_name, run_time)
    shutil.rmtree(folder / "static", ignore_errors=True)
    style = STYLE.read_text(encoding="utf-8")
    for page in folder.rglob("*.html"):
        page.write_text(_self_contained(page.read_text(encoding="utf-8"), style), encoding="utf-8")
    return folder / "index.html"


def _self_contained(html: str, style: str) -> str:
    html = _SCRIPT.sub("", _EXTERNAL.sub("", html))
    html = _OUTSIDE_LINK.sub(r"\1", html)
    return html.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)
