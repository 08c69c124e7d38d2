"""Key rotation: every keyed hash in the lake is made anew under another key, without the sources.

All files are written under the new key before the first of the old ones is removed, so that an interrupted rotation is
finished by running it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.extracts.date_shift import shift_days, shifted_by
from orchestration.extracts.errors import ExtractError, KeyRefused
from orchestration.extracts.feeds import FEEDS, Feed, Kind
from orchestration.extracts.fingerprints import seal_again
from orchestration.extracts.lake import REJECTED_SCHEMA, Lake, LedgerRow, lake_writer, load_id_of
from orchestration.extracts.pseudonymise import Pseudonymiser
from orchestration.extracts.shaping import lake_schema
from orchestration.extracts.vault import read_vault, write_vault

Rehash = Mapping[str, str]


def rotate_key(lake: Lake, old: Pseudonymiser, new: Pseudonymiser) -> int:
    """Re-keys every lake file of the old key; returns how many.

    The plan must be written and the warehouse refreshed afterwards under the new key.

    Raises:
        ExtractError: a lake file has no sealed ids, or the old key isn't theirs; nothing was changed.
    """
    rows = [row for row in lake.ledger() if row.key_id == old.key_id]
    _require_vaults(lake, rows, old)
    replaced = {row.load_id: load_id_of(row.content_id, new.key_id) for row in rows}
    seal_again(lake, old.sealing_key, new.sealing_key)
    for row in rows:
        _rekey(lake, row, old, new, replaced)
    for row in rows:
        _remove(lake, row)
    return len(rows)


def require_key_of(lake: Lake, *keys: Pseudonymiser) -> None:
    """Refuses a lake that holds files under another key than these: its patients would be told as others.

    Raises:
        KeyRefused: says whose lake it is and how a key is changed; the first of `keys` is the one in the settings.
    """
    held = {row.key_id for row in lake.ledger()}
    foreign = held - {key.key_id for key in keys}
    if not foreign:
        return
    mixed = " (it holds both: if a rotation was interrupted, run it again)" if keys[0].key_id in held else ""
    raise KeyRefused(
        f"CART_PSEUDONYM_KEY is the key {keys[0].key_id}, but the home {lake.root.parent} holds patients under the key "
        f"{', '.join(sorted(foreign))}{mixed}. Nothing was read. Set CART_PSEUDONYM_KEY to the home's key; to change "
        "the key, run `make rotate-key` with the home's in CART_PSEUDONYM_KEY and the new one in "
        "CART_NEW_PSEUDONYM_KEY. Other patients need a CART_HOME of their own."
    )


def _require_vaults(lake: Lake, rows: list[LedgerRow], old: Pseudonymiser) -> None:
    for row in rows:
        path = lake.vault_file(row.feed, row.extract, _stem(row), row.load_id)
        if not path.is_file():
            raise ExtractError(
                f"{row.feed} of extract {row.extract} has no sealed ids in the lake, so it can't be re-keyed; "
                "read the extracts again under the new key, into a CART_HOME of its own; nothing was changed"
            )
        read_vault(path, old.sealing_key)


def _rekey(lake: Lake, row: LedgerRow, old: Pseudonymiser, new: Pseudonymiser, replaced: Mapping[str, str]) -> None:
    stem, load_id = _stem(row), replaced[row.load_id]
    ids = read_vault(lake.vault_file(row.feed, row.extract, stem, row.load_id), old.sealing_key)
    hashes = {old.keyed_hash(kind, text): new.keyed_hash(kind, text) for kind in ids for text in ids[kind]}
    moves = _date_moves(ids.get("patient", set()), row.date_shift_days, old, new)
    lake_file = lake.raw_file(row.feed, row.extract, stem, load_id)
    with lake.writing(lake_file) as temporary:
        _rekey_rows(lake.root / row.lake_file, temporary, FEEDS[row.feed], hashes, moves)
    rejected_file = None
    if row.rejected_file is not None:
        target = lake.rejected_file(row.feed, row.extract, stem, load_id)
        rejected_file = lake.relative(target)
        with lake.writing(target) as temporary:
            _rekey_rejected(lake.root / row.rejected_file, temporary, FEEDS[row.feed], hashes, moves)
    with lake.writing(lake.vault_file(row.feed, row.extract, stem, load_id)) as temporary:
        write_vault(temporary, {kind: pa.array(texts, pa.string()) for kind, texts in ids.items()}, new.sealing_key)
    delivery = sorted(replaced.get(each, each) for each in json.loads(row.delivery))
    again = replace(
        row,
        key_id=new.key_id,
        load_id=load_id,
        lake_file=lake.relative(lake_file),
        rejected_file=rejected_file,
        delivery=json.dumps(delivery),
    )
    lake.write_ledger_row(again, stem)


def _stem(row: LedgerRow) -> str:
    """The file's stem as the lake's paths carry it: before the load's eight digits."""
    return Path(row.lake_file).stem[: -len("-12345678")]


def _remove(lake: Lake, row: LedgerRow) -> None:
    stem = _stem(row)
    names = (row.feed, row.extract, stem, row.load_id)
    lake.ledger_file(*names).unlink(missing_ok=True)
    for path in (lake.raw_file(*names), lake.rejected_file(*names), lake.vault_file(*names)):
        path.unlink(missing_ok=True)


def _date_moves(patients: set[str], most: int, old: Pseudonymiser, new: Pseudonymiser) -> Callable[[str], int] | None:
    """By how many more days each patient's dates move, by new patient key; None without a date shift."""
    if not most:
        return None
    moves = {new.patient_key(each): shift_days(each, new, most) - shift_days(each, old, most) for each in patients}
    return lambda patient_key: moves.get(patient_key, 0)


def _rekey_rows(source: Path, target: Path, feed: Feed, hashes: Rehash, moves: Callable[[str], int] | None) -> None:
    schema = lake_schema(feed)
    with pq.ParquetFile(source) as opened, lake_writer(target, schema) as writer:
        for group in range(opened.num_row_groups):
            writer.write_table(_rekeyed(opened.read_row_group(group).cast(schema), feed, hashes, moves))


def _rekeyed(rows: pa.Table, feed: Feed, hashes: Rehash, moves: Callable[[str], int] | None) -> pa.Table:
    for column in feed.lake_columns:
        if column.hash_kind:
            rows = _replaced(rows, column.lake_name, _rehashed(_whole(rows, column.lake_name), hashes))
    if moves is not None:
        patients = _whole(rows, "patient_key")
        for column in feed.lake_columns:
            if column.kind in {Kind.DATE, Kind.DATETIME}:
                rows = _replaced(rows, column.name, shifted_by(_whole(rows, column.name), patients, moves))
    return rows


def _whole(rows: pa.Table, name: str) -> pa.DictionaryArray:
    column = rows.column(name).combine_chunks()
    return column if isinstance(column, pa.DictionaryArray) else pa.concat_arrays(column.chunks)


def _replaced(rows: pa.Table, name: str, column: pa.DictionaryArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)


def _rehashed(column: pa.DictionaryArray, hashes: Rehash) -> pa.DictionaryArray:
    texts = pa.array([hashes[text] for text in column.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(column.indices, texts)


def _rekey_rejected(source: Path, target: Path, feed: Feed, hashes: Rehash, moves: Callable[[str], int] | None) -> None:
    with (
        pq.ParquetFile(source) as opened,
        pq.ParquetWriter(target, REJECTED_SCHEMA, compression="zstd", store_schema=False) as writer,
    ):
        for group in range(opened.num_row_groups):
            rows = opened.read_row_group(group).cast(REJECTED_SCHEMA)
            contents = [_rekeyed_content(text, feed, hashes, moves) for text in rows.column("content").to_pylist()]
            position = rows.schema.get_field_index("content")
            writer.write_table(rows.set_column(position, "content", pa.array(contents, pa.string())))


def _rekeyed_content(text: str, feed: Feed, hashes: Rehash, moves: Callable[[str], int] | None) -> str:
    content = json.loads(text)
    for column in feed.lake_columns:
        value = content.get(column.lake_name)
        if column.hash_kind and value is not None:
            content[column.lake_name] = hashes[value]
    if moves is not None and content.get("patient_key") is not None:
        for name, value in _dates_of(content, feed):
            moved = shifted_by(_single(value), _single(content["patient_key"]), moves)
            content[name] = moved[0].as_py()
    return json.dumps(content, ensure_ascii=False)


def _dates_of(content: Mapping[str, str | None], feed: Feed) -> Iterator[tuple[str, str]]:
    for column in feed.lake_columns:
        value = content.get(column.name)
        if column.kind in {Kind.DATE, Kind.DATETIME} and value is not None:
            yield column.name, value


def _single(text: str) -> pa.DictionaryArray:
    return pc.dictionary_encode(pa.array([text], pa.string()))
