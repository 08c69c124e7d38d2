"""The keys of those whom a patients file names: looked up a chunk at a time, most often in the order of that file."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_LONGEST_RUN = 4
"""Patients between a chunk's first and last one, as a multiple of its own: beyond it each is looked up by itself."""


class PatientKeys:
    """Hospital ids with their keys, in the order in which the patients file has them."""

    def __init__(self, ids: pa.StringArray | None = None, keys: pa.StringArray | None = None) -> None:
        """Takes distinct ids and the key of each; without them nobody is known."""
        self._ids = pa.array([], pa.string()) if ids is None else ids
        self._keys = pa.array([], pa.string()) if keys is None else keys
        self._places = {text: place for place, text in enumerate(self._ids.to_pylist())}

    def of(self, ids: pa.StringArray) -> pa.StringArray | None:
        """The key of each id, none of them NULL; None where one isn't known."""
        places = self._places_in_a_run(ids)
        if places is None:
            try:
                places = pa.array(list(map(self._places.__getitem__, ids.to_pylist())), pa.int32())
            except KeyError:
                return None
        return self._keys.take(places)

    def _places_in_a_run(self, ids: pa.StringArray) -> pa.Int32Array | None:
        """Where the ids stand when they lie in a short run of the patients file, as in most exports; else None.

        Arrow finds them there in a tenth of the time, while other threads work.
        """
        if not len(ids):
            return pa.array([], pa.int32())
        first, last = (self._places.get(ids[at].as_py(), -1) for at in (0, -1))
        if not 0 <= first <= last < first + _LONGEST_RUN * len(ids):
            return None
        found = pc.index_in(ids, value_set=self._ids.slice(first, last - first + 1))
        return None if found.null_count else pc.add(found, pa.scalar(first, pa.int32()))
