"""Notices: who is told when, what the text holds, and that a dead channel harms nothing. Real sockets on loopback."""

from __future__ import annotations

import email
import email.policy
import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from orchestration.operations import Notice, NoticeSettings, OperationsError, note_outcome, send_notice
from warehouse import WarehouseHome

NOW = datetime(2018, 7, 31, 3, 0, tzinfo=UTC)
NOTICE = Notice("failed", "run1", "CAR-T warehouse: the refresh failed", "Why and what to do: §")


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks enough SMTP to take a message; `refusals` first attempts get 451."""

    allow_reuse_address = True

    def __init__(self, refusals: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.refusals = refusals
        self.messages: list[bytes] = []


class _MailHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, MailServer)
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"MAIL" and server.refusals:
                server.refusals -= 1
                self.wfile.write(b"451 later\r\n")
            elif word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                server.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.wfile.write(b"250 taken\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 fine\r\n")


class WebhookServer(HTTPServer):
    def __init__(self, answers: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _WebhookHandler)
        self.answers = answers
        self.posts: list[dict[str, str]] = []


class _WebhookHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, WebhookServer)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        code = server.answers.pop(0)
        if code == 200:
            server.posts.append(json.loads(body))
        self.send_response(code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])  # type: ignore[index]
    finally:
        server.shutdown()
        server.server_close()


def test_an_email_arrives_also_when_the_server_first_says_later() -> None:
    server = MailServer(refusals=1)
    with serving(server) as port:
        settings = NoticeSettings(email_to=("a@example.org", "b@example.org"), smtp_host="127.0.0.1", smtp_port=port)
        assert send_notice(NOTICE, settings, first_wait=0.02) == ["log", "e-mail"]
    (content,) = server.messages
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["Subject"] == NOTICE.subject
    assert message["To"] == "a@example.org, b@example.org"
    assert message.get_content().strip() == NOTICE.body


def test_a_webhook_gets_json_also_when_it_is_first_busy() -> None:
    server = WebhookServer([503, 200])
    with serving(server) as port:
        settings = NoticeSettings(webhook=f"http://127.0.0.1:{port}/hook")
        assert send_notice(NOTICE, settings, first_wait=0.02) == ["log", "webhook"]
    assert server.posts == [{"kind": "failed", "run": "run1", "text": f"{NOTICE.subject}\n\n{NOTICE.body}"}]


def test_dead_channels_are_logged_and_harm_nothing(caplog: pytest.LogCaptureFixture) -> None:
    server = WebhookServer([404])
    with serving(server) as port, caplog.at_level(logging.INFO, "cart.notices"):
        settings = NoticeSettings(
            email_to=("a@example.org",), smtp_host="127.0.0.1", smtp_port=1, webhook=f"http://127.0.0.1:{port}/"
        )
        assert send_notice(NOTICE, settings, attempts=2, first_wait=0.01) == ["log"]
    assert NOTICE.body in caplog.text
    assert "could not be sent by e-mail" in caplog.text
    assert "could not be sent by webhook" in caplog.text


def test_every_failure_is_told_and_the_first_success_after_it(home: WarehouseHome) -> None:
    told = []
    for number, problem in enumerate([None, "no space", "no space", None, None], start=1):
        notice = note_outcome(home, f"run{number}", problem, "000001-x", NOW + timedelta(days=number))
        told.append(notice.kind if notice else None)
        if number == 4 and notice:
            assert "after failures since 2018-08-02 03:00 UTC" in notice.body
            assert "000001-x" in notice.body
    assert told == [None, "failed", "failed", "recovered", None]


def test_a_failure_names_what_happened_and_what_to_do(home: WarehouseHome) -> None:
    notice = note_outcome(home, "run1", "patients.csv: 38 rows, the manifest says 39", None, NOW)
    assert notice is not None
    assert notice.subject == "CAR-T warehouse: the refresh of 2018-07-31 failed"
    assert "patients.csv: 38 rows, the manifest says 39" in notice.body
    assert "none yet" in notice.body
    assert "docs/runbook.md" in notice.body


def test_a_damaged_state_file_counts_as_no_failure(home: WarehouseHome) -> None:
    (home.logs / "last_outcome.json").write_text("{half")
    assert note_outcome(home, "run1", None, "v", NOW) is None


def test_settings_are_read_and_refused() -> None:
    read = NoticeSettings.from_mapping(
        {
            "CART_NOTICE_EMAIL_TO": "a@example.org, b@example.org",
            "CART_SMTP_HOST": "mail.example.org",
            "CART_SMTP_PORT": "587",
            "CART_SMTP_USER": "cart",
            "CART_SMTP_PASSWORD": "hush",
            "CART_SMTP_STARTTLS": "true",
            "CART_NOTICE_WEBHOOK": "https://example.org/hook",
        }
    )
    assert read.email_to == ("a@example.org", "b@example.org")
    assert (read.smtp_port, read.smtp_starttls) == (587, True)
    assert "hush" not in repr(read)
    assert NoticeSettings.from_mapping({}) == NoticeSettings()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"CART_SMTP_PORT": "smtp"}, "CART_SMTP_PORT must be a port number"),
        ({"CART_SMTP_STARTTLS": "yes"}, "must be true or false"),
        ({"CART_NOTICE_WEBHOOK": "http://example.org"}, "must begin with https"),
        ({"CART_NOTICE_WEBHOOK": "file:///etc/passwd"}, "must begin with https"),
        ({"CART_SMTP_USER": "cart", "CART_SMTP_HOST": "mail.example.org"}, "must not go out unencrypted"),
    ],
)
def test_a_bad_setting_is_named(values: dict[str, str], message: str) -> None:
    with pytest.raises(OperationsError, match=message):
        NoticeSettings.from_mapping(values)
