"""`make profile EXTRACTS=…`: looks at a folder of files and drafts a source profile for a person to finish.

It prints headers, encodings, date formats and codes of columns it recognises; never a cell of a column that could name
somebody.
"""

from __future__ import annotations

import codecs
import gzip
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestration.extracts.delivery import MANIFEST, discover_extracts, stem_of
from orchestration.extracts.errors import ExtractError
from orchestration.extracts.feeds import DELETED, FEEDS, Column, Feed, Kind, Verb
from orchestration.extracts.profiles import ReadOptions, SourceProfile, load_profile
from orchestration.extracts.readers import SourceTable, UnreadableFileError, file_format, open_table

_SAMPLE_BYTES = 1 << 16
_SAMPLE_ROWS = 200
_MAX_CODES = 12
_LOOKALIKE = 0.8
_DELIMITERS = (",", ";", "\t", "|")
_ENCODINGS = ("utf-8", "gb18030", "latin-1")
_TEXT_FORMATS = (".csv", ".tsv", ".txt", ".csv.gz", ".txt.gz")
_DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%Y年%m月%d日",
    "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日 %H:%M",
    "%Y%m%d",
    "%Y%m%d%H%M%S",
)
_MIN_WIDE = 8
_NUMBER = re.compile(r"[<>]?\s*-?\d+([.,]\d+)?")
_TESTS: Mapping[str, tuple[str, ...]] = {
    "6690-2": ("WBC", "leukocytes", "white blood cell count", "白细胞计数", "白细胞"),
    "751-8": ("NEUT", "neutrophils", "中性粒细胞(#)", "中性粒细胞计数"),
    "777-3": ("PLT", "platelets", "platelet count", "血小板计数", "血小板"),
    "718-7": ("HGB", "Hb", "hemoglobin", "haemoglobin", "血红蛋白"),
    "1742-6": ("ALT", "谷丙转氨酶", "丙氨酸氨基转移酶"),
    "1920-8": ("AST", "谷草转氨酶", "天门冬氨酸氨基转移酶"),
    "1975-2": ("TBIL", "total bilirubin", "总胆红素"),
    "1988-5": ("CRP", "C反应蛋白"),
    "2276-4": ("ferritin", "铁蛋白"),
    "26881-3": ("IL6", "IL-6", "interleukin-6", "interleukin 6", "白细胞介素6"),
}
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "patient_id": (
        "pid",
        "mrn",
        "patient",
        "patientid",
        "patient no",
        "pat-nr",
        "病历号",
        "患者编号",
        "住院号",
        "patient_id",
    ),
    "sex": ("gender", "geschlecht"),
    "birth_date": ("dob", "date of birth", "birthday", "geburtsdatum", "出生年月"),
    "name": ("patient name", "患者姓名"),
    "national_id": ("id card", "身份证"),
    "phone": ("telephone", "mobile", "手机", "电话"),
    "address": ("家庭住址", "地址"),
    "collected_at": ("collection time", "sample time", "采集时间", "检验时间", "re_date", "datum"),
    "loinc": ("test code", "item code", "项目编码"),
    "test_name": ("test", "item", "检验项目"),
    "value": ("result", "ergebnis", "检验结果", "数值"),
    "unit": ("units", "einheit", "计量单位"),
    "admitted_at": ("admission", "admission time", "入院日期"),
    "discharged_at": ("discharge", "discharge time", "出院日期"),
}


@dataclass(frozen=True)
class DraftedTable:
    """One file's draft: the table as YAML holds it, how well its header fits, and what could not be placed."""

    path: Path
    table: dict[str, Any]
    score: float
    unplaced: tuple[str, ...]


def draft(folder: Path) -> str:
    """The text of a drafted profile for a folder of files, or of extract folders (the newest is looked at)."""
    files = _files(folder)
    drafted: list[DraftedTable] = []
    unread: list[str] = []
    for path in files:
        try:
            drafted += _draft_tables(path)
        except UnreadableFileError as problem:
            unread.append(f"{path.name}: {problem}")
    if not drafted:
        raise ExtractError(f"no file in {folder} could be read as a table; {'; '.join(unread) or 'there is none'}")
    return _as_yaml(drafted, unread)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ExtractError(f"the folder {folder} doesn't exist; say make profile EXTRACTS=<folder of files>")
    own = _tables_in(folder)
    return own or _tables_in(discover_extracts(folder)[-1].path)


def _tables_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.name != MANIFEST and file_format(path.name)
    )


def _draft_tables(path: Path) -> list[DraftedTable]:
    """The feed that the header fits best and, for a wide sheet of results, a table that makes it long."""
    options = _guess_options(path)
    source = open_table(path, options)
    narrow = _draft_table(path, options, source)
    wide = _draft_wide(path, options, source)
    return [narrow] if wide is None else [replace(narrow, unplaced=()), wide]


def _draft_wide(path: Path, options: ReadOptions, source: SourceTable) -> DraftedTable | None:
    """One column per laboratory test: every column of numbers whose header is no column of a feed."""
    feed = FEEDS["lab_results"]
    placed = _place(feed, source.header)
    patient = next((name for name, column in placed.items() if column.name == "patient_id"), None)
    personal = _place(FEEDS["patients"], source.header)
    taken = {*placed, *personal}
    others = tuple(name for name in source.header if name not in taken and source.header.count(name) == 1)
    samples = _samples(source, (*placed, *others))
    tests = [name for name in others if samples[name] and all(_NUMBER.fullmatch(text) for text in samples[name])]
    if patient is None or len(tests) < _MIN_WIDE:
        return None
    times = [name for name in (*placed, *others) if samples[name] and _looks_timed(samples[name])]
    table: dict[str, Any] = {"feed": feed.name, "files": [_pattern(path)]}
    if options.model_fields_set:
        table["read"] = {name: getattr(options, name) for name in options.model_fields_set}
    if _has_blocks(source, patient):
        table["fill_down"] = [patient]
    table["columns"] = {"patient_id": _draft_column(feed.column("patient_id"), patient, samples[patient])}
    if times:
        table["columns"]["collected_at"] = _draft_column(feed.column("collected_at"), times[0], samples[times[0]])
    known = _known_tests()
    table["unpivot"] = {
        "columns": {
            name: {"set": {"loinc": known.get(_folded(name), f"LOCAL-{name}"), "test_name": name}} for name in tests
        }
    }
    unplaced = tuple(name for name in source.header if name not in {patient, *times[:1], *tests})
    return DraftedTable(path, table, 1.0, unplaced)


def _looks_timed(texts: Sequence[str]) -> bool:
    timed = [form for form in _DATE_FORMATS if "%H" in form]
    return all(any(_fits(text, form) for form in timed) for text in texts)


def _has_blocks(source: SourceTable, patient: str) -> bool:
    """True when most rows leave the patient's column empty: ids stand on the first row of a block only."""
    for build in source.chunks((patient,)):
        column = build().columns[patient]
        return bool(column.null_count > len(column) / 2)
    return False


@cache
def _known_tests() -> dict[str, str]:
    """Names of laboratory tests with a LOINC code that the models read."""
    return {_folded(name): loinc for loinc, names in _TESTS.items() for name in names}


def _draft_table(path: Path, options: ReadOptions, source: SourceTable) -> DraftedTable:
    feed, placed = _best_feed(path, source.header)
    samples = _samples(source, tuple(placed))
    columns = {
        column.name: _draft_column(column, header, samples[header])
        for header, column in sorted(placed.items(), key=lambda item: _order(feed, item[1]))
    }
    read = {name: getattr(options, name) for name in options.model_fields_set}
    table: dict[str, Any] = {"feed": feed.name, "files": [_pattern(path)]}
    if read:
        table["read"] = read
    table["columns"] = columns
    unplaced = tuple(name for name in source.header if name not in placed)
    return DraftedTable(path, table, len(placed) / max(len(feed.columns), 1), unplaced)


def _pattern(path: Path) -> str:
    """The file's stem with its numbers (part, date) left open."""
    return re.sub(r"[-_]?\d{4}-\d{2}-\d{2}$", "*", re.sub(r"\d{1,8}$", "<number>", stem_of(path.name)))


def _order(feed: Feed, column: Column) -> int:
    return [*feed.columns, DELETED].index(column)


def _guess_options(path: Path) -> ReadOptions:
    if file_format(path.name) not in _TEXT_FORMATS:
        return ReadOptions.model_validate({"flatten": True}) if path.suffix == ".ndjson" else ReadOptions()
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as opened:
        sample = opened.read(_SAMPLE_BYTES)
    encoding = _guess_encoding(sample)
    lines = sample.decode(encoding, "replace").lstrip("\ufeff").splitlines()[:50]
    delimiter = _guess_delimiter(lines)
    found: dict[str, Any] = {}
    if encoding != "utf-8":
        found["encoding"] = encoding
    if delimiter not in {",", "\t" if path.suffix == ".tsv" else ","}:
        found["delimiter"] = delimiter
    header_row = _guess_header_row(lines, delimiter)
    if header_row > 1:
        found["header_row"] = header_row
    return ReadOptions.model_validate(found)


def _guess_encoding(sample: bytes) -> str:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in _ENCODINGS:
        try:
            codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        return encoding
    return _ENCODINGS[-1]


def _guess_delimiter(lines: Sequence[str]) -> str:
    """The sign that splits most lines into the same number of cells, more than one."""
    last = [line for line in lines if line.strip()][-20:-1] or list(lines)
    return max(_DELIMITERS, key=lambda sign: min((line.count(sign) for line in last), default=0))


def _guess_header_row(lines: Sequence[str], delimiter: str) -> int:
    """The first line with as many filled cells as any; titles above it fill fewer."""
    filled = [sum(bool(cell.strip()) for cell in line.split(delimiter)) for line in lines]
    most = max(filled, default=0)
    return next((at for at, count in enumerate(filled, 1) if count == most), 1)


def _best_feed(path: Path, header: Sequence[str]) -> tuple[Feed, dict[str, Column]]:
    """The feed whose columns the header fits best; a file name like the feed's decides between equals."""
    fits = []
    for feed in FEEDS.values():
        placed = _place(feed, header)
        keys = sum(column.key for column in placed.values()) / len(feed.key_columns)
        named = bool(get_close_matches(stem_of(path.name).casefold(), _file_names(feed.name), 1, 0.6))
        fits.append((keys + len(placed) / len(feed.columns) + named, feed, placed))
    _, feed, placed = max(fits, key=lambda fit: fit[0])
    return feed, placed


def _place(feed: Feed, header: Sequence[str]) -> dict[str, Column]:
    """Header name → contract column, each column once; exact names first, then synonyms, then near ones."""
    placed: dict[str, Column] = {}
    left = {column.name: column for column in (*feed.columns, DELETED)}
    for cutoff in (1.0, _LOOKALIKE):
        for name in header:
            if name in placed or not name:
                continue
            known = {each: column for column in left.values() for each in _known_names(feed.name, column.name)}
            near = get_close_matches(_folded(name), known, 1, cutoff)
            if near:
                placed[name] = known[near[0]]
                del left[known[near[0]].name]
    return placed


def _folded(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()


@cache
def _shipped() -> tuple[SourceProfile, ...]:
    return (load_profile("his_zh"),)


def _known_names(feed: str, column: str) -> set[str]:
    names = {column, *_SYNONYMS.get(column, ())}
    for profile in _shipped():
        for table in profile.tables:
            mapped = (table.columns or {}).get(column)
            if table.feed == feed and mapped is not None:
                names |= set(mapped.source)
    return {_folded(name) for name in names}


def _file_names(feed: str) -> list[str]:
    return [feed, *(pattern for profile in _shipped() for t in profile.tables if t.feed == feed for pattern in t.files)]


def _samples(source: SourceTable, wanted: tuple[str, ...]) -> dict[str, list[str]]:
    """Distinct texts of the first rows; they are only looked at here."""
    for build in source.chunks(wanted):
        columns = build().columns
        return {name: [text for text in columns[name][:_SAMPLE_ROWS].unique().to_pylist() if text] for name in wanted}
    return {name: [] for name in wanted}


def _draft_column(column: Column, header: str, texts: Sequence[str]) -> Any:
    drafted: dict[str, Any] = {"from": header}
    if column.kind in {Kind.DATE, Kind.DATETIME} and (formats := _guess_dates(texts)):
        drafted["dates"] = formats
    if column.kind in {Kind.NUMBER, Kind.INTEGER} and any(re.fullmatch(r"[<>]?\d+,\d+", text) for text in texts):
        drafted["decimal"] = ","
    if column.verb is Verb.PSEUDONYMISE and texts and all(re.fullmatch(r"\d+\.0", text) for text in texts):
        drafted["whole_number"] = True
    if column.kind is Kind.CODE and (codes := _codes(column, texts)):
        drafted["values"] = codes
    return header if len(drafted) == 1 else drafted


def _guess_dates(texts: Iterable[str]) -> list[str]:
    """The formats that are needed to read the sample; none when ISO 8601 is enough."""
    needed: dict[str, None] = {}
    for text in texts:
        form = next((each for each in _DATE_FORMATS if _fits(text.strip(), each)), None)
        if form is not None:
            needed[form] = None
    return [] if all(form.startswith("%Y-%m-%d") for form in needed) else list(needed)


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _codes(column: Column, texts: Sequence[str]) -> dict[str, str]:
    """Codes that a shipped profile knows, translated; nothing else of the column is shown."""
    if len(texts) > _MAX_CODES:
        return {}
    known: dict[str, str] = {}
    for profile in _shipped():
        for table in profile.tables:
            mapped = (table.columns or {}).get(column.name)
            known |= dict(mapped.values) if mapped is not None else {}
    return {text: known[text] for text in texts if text in known}


def _as_yaml(drafted: Sequence[DraftedTable], unread: Sequence[str]) -> str:
    lines = [
        "# A draft: check every line, then read docs/adding-a-source.md. Nothing in it was read from named columns.",
        "name: my_hospital",
        "source_system: my_system",
        "tables:",
    ]
    for each in drafted:
        if not each.table["columns"]:
            lines.append(
                f"  # {each.path.name}: none of its {len(each.unplaced)} columns was recognised; has it a header?"
            )
            continue
        lines.append(f"  # {each.path.name}: {each.score:.0%} of the feed's columns found")
        if missing := [c.name for c in FEEDS[each.table["feed"]].key_columns if c.name not in each.table["columns"]]:
            lines.append(f"  # key columns still to be mapped: {', '.join(missing)}")
        if each.unplaced:
            lines.append(f"  # not placed: {', '.join(each.unplaced)}")
        text = yaml.safe_dump([each.table], allow_unicode=True, sort_keys=False, width=110)
        lines += [f"  {line}" for line in text.splitlines()]
    lines += [f"# could not be read: {each}" for each in unread]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Prints the draft for the folder named in the arguments; 2 and one message when there is nothing to draft."""
    if len(arguments) != 1 or not arguments[0]:
        sys.stderr.write("make profile EXTRACTS=<folder of files, or of extract folders>\n")
        return 2
    try:
        sys.stdout.write(draft(Path(arguments[0])))
    except ExtractError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
