"""Trying again what can pass by itself, and only that.

A disk that is busy, a file that is still being written, a mail server that restarts: these pass. A full disk, a refused
extract, a wrong study file do not; trying again would only delay the message.
"""

from __future__ import annotations

import errno
import smtplib
import urllib.error
from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

Result = TypeVar("Result")

_PASSING = frozenset({
    errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ETXTBSY,
    errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH,
})  # fmt: skip
_SMTP_PASSING = range(400, 500)  # by RFC 5321 a 4xx answer is transient
_HTTP_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def is_passing(error: BaseException) -> bool:
    """Say whether an error may be gone at the next attempt."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in _HTTP_PASSING
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code in _SMTP_PASSING
    if isinstance(error, smtplib.SMTPServerDisconnected | TimeoutError | ConnectionError | InterruptedError):
        return True
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return is_passing(error.reason)
    return isinstance(error, OSError) and error.errno in _PASSING


def retry_passing(
    action: Callable[[], Result], attempts: int = 4, first_wait: float = 1.0, longest_wait: float = 60.0
) -> Result:
    """Do something, again with growing pauses while its errors are of the passing kind.

    Args:
        action: what to do; must be safe to repeat.
        attempts: how often at most.
        first_wait: seconds before the second attempt; doubled each time, with jitter.
        longest_wait: longest pause in seconds.

    Returns:
        What the action returned.

    Raises:
        Exception: the last error, unchanged.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_passing),
        stop=stop_after_attempt(attempts),
        wait=wait_exponential_jitter(multiplier=first_wait, max=longest_wait, jitter=first_wait / 2),
        reraise=True,
    )
    return retrying(action)
