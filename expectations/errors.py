"""The one error of this room."""

from warehouse.errors import WarehouseError


class ExpectationsError(WarehouseError):
    """`thresholds.csv`, a frame or a lake file can't be used; the message says which and what to change.

    A `WarehouseError`, so that whoever tells a person of those tells of these too.
    """
