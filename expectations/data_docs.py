"""Data Docs as static pages that need no network and hold no patient's value."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from html import escape as html_escape
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
_LINK = re.compile(r"<a\b[^>]*\bhref=[\"'](?P<target>[^\"']*)[\"'][^>]*>(?P<text>.*?)</a>", re.IGNORECASE | re.DOTALL)
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
    index = folder / "index.html"
    pages = sorted(page for page in folder.rglob("*.html") if page != index)
    for page in pages:
        page.write_text(_self_contained(page.read_text(encoding="utf-8"), page.parent, style), encoding="utf-8")
    links = {page.stem: page.relative_to(folder).as_posix() for page in pages}
    index.write_text(_index(validations, links, run_name, run_time, style), encoding="utf-8")
    return index


def _self_contained(html: str, folder: Path, style: str) -> str:
    """Take out what needs a network, and links that lead nowhere."""
    html = _SCRIPT.sub("", _EXTERNAL.sub("", html))

    def text_if_dead(link: re.Match[str]) -> str:
        target = link["target"]
        alive = target.startswith("#") or (not target.startswith("http") and (folder / target).exists())
        return link[0] if alive else link["text"]

    html = _LINK.sub(text_if_dead, html)
    return html.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)


def _index(
    validations: Sequence[tuple[str, Any]], links: Mapping[str, str], run_name: str, run_time: dt.datetime, style: str
) -> str:
    """The first page, without the script that Great Expectations' own needs to list anything."""
    rows = "\n".join(
        f'<tr><td><a href="{links[name]}">{name}</a></td><td>{result.statistics["evaluated_expectations"]}</td>'
        f"<td>{result.statistics['unsuccessful_expectations']}</td></tr>"
        for name, result in validations
    )
    title = f"Checks of {html_escape(run_name)}, {run_time:%Y-%m-%d %H:%M}"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>\n{style}</style></head>\n<body><h1>{title}</h1>\n"
        "<p>Every page counts distinct values; how many source rows stand behind them says quality.check_results.</p>\n"
        f"<table><tr><th>Judged</th><th>Checks</th><th>Failed</th></tr>\n{rows}\n</table></body>\n</html>\n"
    )
