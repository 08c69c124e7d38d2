"""The one error of this room."""


class ExpectationsError(Exception):
    """`thresholds.csv` or a frame can't be used; the message says which line and what to change."""
