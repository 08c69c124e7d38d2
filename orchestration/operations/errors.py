"""The error of this room."""

from warehouse import WarehouseError


class OperationsError(WarehouseError):
    """Something about running the nights that a person must act on; a `WarehouseError`, so it is told like one."""
