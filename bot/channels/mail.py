"""Where mails go: a mail server, or files in the mailbox folder of the home.

A mail's Message-ID and file name come from its id, so a mail that is sent again after a kill is the same mail.
"""

import os
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from bot.channels.connector import Rejected, RetryLater
from bot.messaging.mails import OwedMail

TIMEOUT_SECONDS = 15


class Mailbox(Protocol):
    def send(self, mail: OwedMail) -> None:
        """Raises RetryLater, Rejected."""


def open_mailbox(smtp_url: str, home: Path, sender: str) -> Mailbox:
    """Raises ValueError: the URL is not smtp:// or smtps://."""
    return SmtpMailbox(smtp_url, sender) if smtp_url else FileMailbox(home / "mailbox", sender)


def written(mail: OwedMail, sender: str) -> EmailMessage:
    """The mail as a message. Raises Rejected: an address or subject that would break out of its header."""
    message = EmailMessage()
    try:
        message["From"] = sender
        message["To"] = mail.to_address
        message["Subject"] = mail.subject
    except ValueError as error:
        raise Rejected("the address or the subject is not valid in a mail") from error
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message


class FileMailbox:
    """`<home>/mailbox/TIME-ID.eml`, whole or not at all."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, mail: OwedMail) -> None:
        message = written(mail, self._sender)
        name = f"{mail.created_at:%Y%m%dT%H%M%S}-{mail.id}.eml"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Not `*.eml` before it is whole: whoever reads the folder must not meet a half-written or vanishing mail.
            hidden = self._folder / f".{name}.part"
            hidden.write_bytes(message.as_bytes())
            os.replace(hidden, self._folder / name)
        except OSError as error:
            raise RetryLater(f"the mailbox folder cannot be written: {error.strerror}") from error


class SmtpMailbox:
    """`smtp://user:password@host:587` (STARTTLS where offered) or `smtps://` (TLS from the start)."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("KEFU_SMTP_URL must be smtp://user:password@host:port or smtps://...")
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = parts.port or (465 if self._tls else 587)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender

    def send(self, mail: OwedMail) -> None:
        message = written(mail, self._sender)
        try:
            with self._open() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            if all(code >= 500 for code in codes):
                raise Rejected(f"the mail server refuses the address ({min(codes)})") from error
            raise RetryLater(f"the mail server refuses the address for now ({min(codes)})") from error
        except (smtplib.SMTPException, OSError) as error:
            raise RetryLater(f"the mail server does not take the mail ({type(error).__name__})") from error

    def _open(self) -> smtplib.SMTP:
        if self._tls:
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
        if self._user:
            server.login(self._user, self._password)
        return server
