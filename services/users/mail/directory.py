"""Mail as files: one `.eml` (RFC 5322) per mail in a directory, for development and for `beep mail`."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from services.common.clock import Clock
from services.users.mail.ports import Mail

MAX_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail as it lies in the directory."""

    id: str
    to: str
    subject: str
    date: str
    text: str


class MailDirectory:
    """The sender that writes files, and the mailbox that shows them, newest first."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        path.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def send(self, mail: Mail) -> None:
        """Write the mail durably and atomically: a reader sees the whole file or none."""
        await asyncio.to_thread(self._write, mail)

    async def list(self, to: str | None = None) -> Sequence[ReceivedMail]:
        """The newest MAX_LISTED mails (to one address)."""
        return await asyncio.to_thread(self._read, to)

    def _write(self, mail: Mail) -> None:
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = "Beep <no-reply@beep.invalid>"
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC))
        message["Message-ID"] = f"<{mail.id}@beep.invalid>"
        message.set_content(mail.text)
        pending = self._path / f".{mail.id}.new"
        descriptor = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.as_bytes())
            file.flush()
            os.fsync(file.fileno())
        pending.replace(self._path / f"{mail.id}.eml")
        directory = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _read(self, to: str | None) -> Sequence[ReceivedMail]:
        newest_first = sorted(self._path.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        found = []
        for file in newest_first:
            message = BytesParser(policy=policy.default).parsebytes(file.read_bytes())
            if to is None or message["To"].lower() == to.lower():
                text = message.get_content().replace("\r\n", "\n")
                found.append(ReceivedMail(file.stem, message["To"], message["Subject"], message["Date"], text))
            if len(found) == MAX_LISTED:
                break
        return found
