"""The one error of this room."""


class WarehouseError(Exception):
    """Something about the warehouse home that a person must act on; the message says what, where and what to do."""
