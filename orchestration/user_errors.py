"""The house's own errors become one clear message for the person who must act; anything else is a bug."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from orchestration.errors import USER_ERRORS, describe_bug


@contextmanager
def as_failure() -> Iterator[None]:
    """Raise a Dagster Failure without retries for an error that a person must mend."""
    try:
        yield
    except USER_ERRORS as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None


@contextmanager
def near_identifiers() -> Iterator[None]:
    """As `as_failure`, for steps that see source rows: an unforeseen error's text stays out of the events."""
    try:
        with as_failure():
            yield
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:
        raise dg.Failure(description=describe_bug(error), allow_retries=False) from None
