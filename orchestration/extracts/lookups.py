"""Lookups of a source profile: small dictionaries out of other files of the same delivery, held in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from orchestration.extracts.columns import map_distinct, stripped
from orchestration.extracts.delivery import Delivery, file_sha256, files_of, shown_name
from orchestration.extracts.mapping import among
from orchestration.extracts.profiles import Lookup, SourceProfile, TableProfile
from orchestration.extracts.readers import UnreadableFileError, open_table


def lookup_digests(delivery: Delivery, table: TableProfile) -> tuple[str, ...]:
    """SHA-256 of every file that the table's lookups read: when one changes, the table is another load."""
    return tuple(
        file_sha256(path) for lookup in table.lookups.values() for path in files_of(delivery.extract, lookup.matches)
    )


def read_lookups(delivery: Delivery, profile: SourceProfile, table: TableProfile) -> Mapping[str, Mapping[str, str]]:
    """For each lookup of the table, key → value; UnreadableFileError when a column of its files is missing."""
    return {name: _read(delivery, profile, lookup) for name, lookup in table.lookups.items()}


def _read(delivery: Delivery, profile: SourceProfile, lookup: Lookup) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in files_of(delivery.extract, lookup.matches):
        options = profile.read_options(lookup)
        source = open_table(path, options)
        wanted = tuple(dict.fromkeys([lookup.key, lookup.value, *lookup.where]))
        # Flattened JSON has no header: what a record doesn't hold is empty.
        absent = [] if options.flatten else [name for name in (lookup.key, *lookup.where) if name not in source.header]
        if absent:
            raise UnreadableFileError(
                f"a lookup reads column {absent[0]!r} of {shown_name(lookup.files, path)}, which has none"
            )
        if lookup.value not in source.header and not options.flatten:
            continue
        for build in source.chunks(wanted):
            columns = {name: map_distinct(column, stripped) for name, column in build().columns.items()}
            kept = np.flatnonzero(among(columns, lookup.where, len(columns[lookup.key])))
            keys, values = (columns[name].take(kept).to_pylist() for name in (lookup.key, lookup.value))
            found |= {
                lookup.prefix + key.removeprefix(lookup.key_prefix): value
                for key, value in zip(keys, values, strict=True)
                if key is not None and value is not None
            }
    return found
