"""Notices of failure and recovery: log always, e-mail and webhook where they are set up.

The texts are fixed templates filled with run id, time, host and the house's own error messages, which name files, rows
and checks but never a patient. A notice that can't be delivered is logged and never makes a refresh fail.
"""

from __future__ import annotations

import json
import logging
import smtplib
import socket
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Literal

from orchestration.operations.errors import OperationsError
from orchestration.operations.retrying import retry_passing
from warehouse import WarehouseHome
from warehouse.files import write_durably

Kind = Literal["failed", "recovered"]
_LOG = logging.getLogger("cart.notices")
_STATE = "last_outcome.json"
_TIMEOUT_SECONDS = 20
_MESSAGE_LIMIT = 4000

_SUBJECT = {
    "failed": "CAR-T warehouse: the refresh of {day} failed",
    "recovered": "CAR-T warehouse: the refresh of {day} succeeded again",
}
_BODY = {
    "failed": (
        "The refresh {run} on {host} failed at {time}.\n\n{message}\n\n"
        "Readers still see the last published warehouse ({published}).\n"
        "What to do stands in docs/runbook.md, section 'A night failed'. Log: {log}\n"
    ),
    "recovered": (
        "The refresh {run} on {host} succeeded at {time}, after failures since {since}.\n\n"
        "Readers see version {published}. Nothing is to be done.\n"
    ),
}


@dataclass(frozen=True)
class NoticeSettings:
    """Where notices go. Each channel is off unless its address is given.

    Attributes:
        email_to: addresses.
        email_from: sender's address.
        smtp_host: mail server.
        smtp_port: its port.
        smtp_user: user name, or None for no login.
        smtp_password: never shown.
        smtp_starttls: encrypt the connection; only a server on this machine may go without.
        webhook: URL that takes a JSON POST (`text`, `kind`, `run`); https, or http on this machine.
    """

    email_to: tuple[str, ...] = ()
    email_from: str = "cart-warehouse@localhost"
    smtp_host: str = "localhost"
    smtp_port: int = 25
    smtp_user: str | None = None
    smtp_password: str | None = field(default=None, repr=False)
    smtp_starttls: bool = False
    webhook: str | None = field(default=None, repr=False)

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> NoticeSettings:
        """Read the settings from a mapping such as the environment.

        Keys: `CART_NOTICE_EMAIL_TO` (comma-separated), `CART_NOTICE_EMAIL_FROM`, `CART_SMTP_HOST`, `CART_SMTP_PORT`,
        `CART_SMTP_USER`, `CART_SMTP_PASSWORD`, `CART_SMTP_STARTTLS` (true, false), `CART_NOTICE_WEBHOOK`.

        Raises:
            OperationsError: a value can't be used.
        """
        port, starttls = values.get("CART_SMTP_PORT") or "25", values.get("CART_SMTP_STARTTLS") or "false"
        if not port.isdigit():
            raise OperationsError(f"CART_SMTP_PORT must be a port number, but is {port!r}")
        if starttls not in ("true", "false"):
            raise OperationsError(f"CART_SMTP_STARTTLS must be true or false, but is {starttls!r}")
        webhook = values.get("CART_NOTICE_WEBHOOK") or None
        if webhook is not None and not _is_safe(webhook):
            raise OperationsError("CART_NOTICE_WEBHOOK must begin with https:// (or http://localhost)")
        settings = cls(
            email_to=tuple(part.strip() for part in values.get("CART_NOTICE_EMAIL_TO", "").split(",") if part.strip()),
            email_from=values.get("CART_NOTICE_EMAIL_FROM") or cls.email_from,
            smtp_host=values.get("CART_SMTP_HOST") or cls.smtp_host,
            smtp_port=int(port),
            smtp_user=values.get("CART_SMTP_USER") or None,
            smtp_password=values.get("CART_SMTP_PASSWORD") or None,
            smtp_starttls=starttls == "true",
            webhook=webhook,
        )
        if settings.smtp_user and not settings.smtp_starttls and settings.smtp_host not in ("localhost", "127.0.0.1"):
            raise OperationsError(
                "CART_SMTP_USER needs CART_SMTP_STARTTLS=true: a password must not go out unencrypted"
            )
        return settings


@dataclass(frozen=True)
class Notice:
    """One notice.

    Attributes:
        kind: what it is about.
        run_id: the refresh.
        subject: one line.
        body: text.
    """

    kind: Kind
    run_id: str
    subject: str
    body: str


def note_outcome(
    home: WarehouseHome, run_id: str, problem: str | None, published: str | None, now: datetime | None = None
) -> Notice | None:
    """Remember how a refresh ended, and say whether somebody must be told.

    Args:
        home: the warehouse home.
        run_id: the refresh.
        problem: why it failed (the house's own message); None when it succeeded.
        published: name of the version that readers see; None when there is none.
        now: time with time zone; default: now.

    Returns:
        A notice on every failure and on the first success after failures; else None.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    state = home.logs / _STATE
    failing_since = _failing_since(state.read_text(encoding="utf-8") if state.exists() else "")
    time = f"{moment:%Y-%m-%d %H:%M} UTC"
    write_durably(state, json.dumps({"failing_since": (failing_since or time) if problem else None, "run": run_id}))
    if problem is None and failing_since is None:
        return None
    kind: Kind = "failed" if problem is not None else "recovered"
    words = {
        "run": run_id,
        "host": socket.gethostname(),
        "day": f"{moment:%Y-%m-%d}",
        "time": time,
        "since": failing_since or time,
        "message": (problem or "")[:_MESSAGE_LIMIT],
        "published": published or "none yet",
        "log": str(home.logs / "refresh.log"),
    }
    return Notice(kind, run_id, _SUBJECT[kind].format(**words), _BODY[kind].format(**words))


def send_notice(notice: Notice, settings: NoticeSettings, attempts: int = 4, first_wait: float = 2.0) -> list[str]:
    """Log a notice and send it through every channel that is set up, trying again what can pass.

    Args:
        notice: the notice.
        settings: channels.
        attempts: per channel.
        first_wait: seconds before the second attempt, doubled each time.

    Returns:
        Names of the channels that took it; a channel that did not is logged, never raised.
    """
    _LOG.log(logging.ERROR if notice.kind == "failed" else logging.INFO, "%s\n%s", notice.subject, notice.body)
    channels: dict[str, Callable[[], None]] = {}
    if settings.email_to:
        channels["e-mail"] = lambda: _send_email(notice, settings)
    if settings.webhook:
        channels["webhook"] = lambda: _post(notice, str(settings.webhook))
    taken = ["log"]
    for name, send in channels.items():
        try:
            retry_passing(send, attempts=attempts, first_wait=first_wait)
            taken.append(name)
        except Exception as error:  # a notice must never decide how a refresh ends
            _LOG.warning("The notice could not be sent by %s: %s", name, type(error).__name__)
    return taken


def _send_email(notice: Notice, settings: NoticeSettings) -> None:
    message = EmailMessage()
    message["Subject"] = notice.subject
    message["From"] = settings.email_from
    message["To"] = ", ".join(settings.email_to)
    message.set_content(notice.body)
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_TIMEOUT_SECONDS) as server:
        if settings.smtp_starttls:
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password or "")
        server.send_message(message)


def _post(notice: Notice, url: str) -> None:
    content = json.dumps({"kind": notice.kind, "run": notice.run_id, "text": f"{notice.subject}\n\n{notice.body}"})
    request = urllib.request.Request(  # noqa: S310 the scheme was checked when the settings were read
        url, data=content.encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
        pass


def _is_safe(url: str) -> bool:
    return url.startswith(("https://", "http://localhost", "http://127.0.0.1"))


def _failing_since(state: str) -> str | None:
    try:
        since = json.loads(state).get("failing_since") if state else None
    except (ValueError, AttributeError):
        return None
    return since if isinstance(since, str) else None
