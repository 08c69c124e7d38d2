"""What is tried again and what is not."""

from __future__ import annotations

import errno
import smtplib
import time
import urllib.error
from email.message import Message

import pytest

from orchestration.operations import OperationsError, TimeLimitError, is_passing, retry_passing, time_limit


def http(code: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://localhost", code, "", Message(), None)


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (OSError(errno.EBUSY, "busy"), True),
        (OSError(errno.ESTALE, "stale"), True),
        (OSError(errno.ENOSPC, "full"), False),
        (OSError(errno.EROFS, "read-only"), False),
        (FileNotFoundError(errno.ENOENT, "gone"), False),
        (PermissionError(errno.EACCES, "denied"), False),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (TimeoutError(), True),
        (OperationsError("refused"), False),
        (ValueError("bug"), False),
        (http(503), True),
        (http(404), False),
        (urllib.error.URLError(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), True),
        (urllib.error.URLError("unknown url type"), False),
        (smtplib.SMTPResponseException(451, b"later"), True),
        (smtplib.SMTPResponseException(550, b"no such user"), False),
        (smtplib.SMTPServerDisconnected("gone"), True),
    ],
)
def test_only_what_can_pass_is_passing(error: Exception, passing: bool) -> None:
    assert is_passing(error) is passing


def test_a_passing_error_is_tried_again_until_it_is_gone() -> None:
    errors = [OSError(errno.EBUSY, "busy"), OSError(errno.EBUSY, "busy")]
    assert retry_passing(lambda: errors.pop() and _fail(errors), first_wait=0.01) == "done"


def _fail(left: list[OSError]) -> str:
    if left:
        raise OSError(errno.EBUSY, "busy")
    return "done"


def test_other_errors_come_at_once_and_passing_ones_in_the_end() -> None:
    calls: list[int] = []

    def full() -> None:
        calls.append(1)
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        retry_passing(full, first_wait=0.01)
    assert len(calls) == 1

    def busy() -> None:
        calls.append(1)
        raise OSError(errno.EBUSY, "busy")

    with pytest.raises(OSError, match="busy"):
        retry_passing(busy, attempts=3, first_wait=0.01)
    assert len(calls) == 4


def test_pauses_grow() -> None:
    moments: list[float] = []

    def busy() -> None:
        moments.append(time.monotonic())
        raise OSError(errno.EBUSY, "busy")

    with pytest.raises(OSError, match="busy"):
        retry_passing(busy, attempts=3, first_wait=0.1)
    first, second = moments[1] - moments[0], moments[2] - moments[1]
    assert first >= 0.1
    assert second >= 0.2


def test_a_body_over_its_time_is_stopped_and_a_quick_one_is_not() -> None:
    with pytest.raises(TimeLimitError, match=r"stopped after 0\.1 seconds"), time_limit(0.1):
        time.sleep(10)
    with time_limit(0.2):
        pass
    time.sleep(0.3)  # no late alarm
