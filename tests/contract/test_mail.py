"""What every mail sender must do (services/users/mail/ports.py), and the queue in front of it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from services.common.sqlite import Database
from services.users.mail import outbox
from services.users.mail.directory import MailDirectory
from services.users.mail.outbox import MAX_ATTEMPTS, MailRelay
from services.users.mail.ports import Mail, MailSender
from tests.support.clock import ManualClock

HELLO = Mail("id-1", "ada@example.org", "Hello", "Grüße an Ada.\n\nhttps://chat.example/identity/validate?token=x_-1\n")


class Mailbox(Protocol):
    sender: MailSender

    async def arrived(self, to: str) -> list[tuple[str, str]]:
        """Subject and text of what the address has got, in any order."""
        ...


class DirectoryMailbox:
    def __init__(self, directory: MailDirectory) -> None:
        self.sender: MailSender = directory
        self._directory = directory

    async def arrived(self, to: str) -> list[tuple[str, str]]:
        return [(mail.subject, mail.text) for mail in await self._directory.list(to)]


@asynccontextmanager
async def _directory(path: Path) -> AsyncIterator[Mailbox]:
    yield DirectoryMailbox(MailDirectory(path / "mail", ManualClock()))


Factory = Callable[[Path], AbstractAsyncContextManager[Mailbox]]


@pytest.fixture(params=[_directory], ids=["directory"])
async def mailbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Mailbox]:
    factory: Factory = request.param
    async with factory(tmp_path) as running:
        yield running


async def test_mail_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    await mailbox.sender.send(HELLO)
    assert await mailbox.arrived("ada@example.org") == [("Hello", HELLO.text)]
    assert await mailbox.arrived("eve@example.org") == []


async def test_mail_with_a_line_longer_than_smtp_allows_arrives_whole(mailbox: Mailbox) -> None:
    text = "https://chat.example/" + "x" * 1500 + "\n"
    await mailbox.sender.send(Mail("id-2", "ada@example.org", "Long " + "word " * 60 + "end", text))
    ((subject, arrived),) = await mailbox.arrived("ada@example.org")
    assert arrived == text
    assert subject.endswith("word end")


async def test_mails_sent_at_the_same_time_all_arrive(mailbox: Mailbox) -> None:
    mails = [Mail(f"id-{number}", "ada@example.org", f"number {number}", "text\n") for number in range(20)]
    await asyncio.gather(*(mailbox.sender.send(mail) for mail in mails))
    assert {subject for subject, _ in await mailbox.arrived("ada@example.org")} == {mail.subject for mail in mails}


async def test_directory_shows_the_mails_of_an_address_however_it_is_written(tmp_path: Path) -> None:
    directory = MailDirectory(tmp_path, ManualClock())
    await directory.send(HELLO)
    assert [mail.subject for mail in await directory.list("Ada@Example.org")] == ["Hello"]


async def test_directory_keeps_one_file_when_a_mail_is_sent_twice(tmp_path: Path) -> None:
    directory = MailDirectory(tmp_path, ManualClock())
    await directory.send(HELLO)
    await directory.send(HELLO)
    assert os.listdir(tmp_path) == ["id-1.eml"]
    assert os.stat(tmp_path / "id-1.eml").st_mode & 0o077 == 0


class Flaky:
    """A sender whose transport is down for the first `failures` mails."""

    def __init__(self, sender: MailSender, failures: int) -> None:
        self._sender = sender
        self.failures = failures

    async def send(self, mail: Mail) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise ConnectionRefusedError
        await self._sender.send(mail)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "queue.db", [outbox.MIGRATION])
    yield database
    await database.close()


async def test_queue_sends_what_a_crash_left_behind(db: Database, mailbox: Mailbox) -> None:
    clock = ManualClock()
    await db.write(lambda conn: outbox.put(conn, HELLO, now_ms=clock.now_ms()))
    await MailRelay(db, mailbox.sender, clock).drain()
    assert len(await mailbox.arrived(HELLO.to)) == 1
    await MailRelay(db, mailbox.sender, clock).drain()
    assert len(await mailbox.arrived(HELLO.to)) == 1


async def test_queue_forgets_a_mail_when_its_cause_was_undone(db: Database, mailbox: Mailbox) -> None:
    clock = ManualClock()

    def change(conn: object) -> None:
        outbox.put(conn, HELLO, now_ms=clock.now_ms())  # type: ignore[arg-type]
        raise ValueError("the cause failed")

    with pytest.raises(ValueError, match="the cause"):
        await db.write(change)
    await MailRelay(db, mailbox.sender, clock).drain()
    assert await mailbox.arrived(HELLO.to) == []


async def test_queue_tries_again_later_when_the_transport_is_down(db: Database, mailbox: Mailbox) -> None:
    clock = ManualClock()
    relay = MailRelay(db, Flaky(mailbox.sender, failures=2), clock)
    await db.write(lambda conn: outbox.put(conn, HELLO, now_ms=clock.now_ms()))
    for wait, arrived in ((0, 0), (5, 0), (5, 0), (5, 1)):
        clock.advance(wait)
        await relay.drain()
        assert len(await mailbox.arrived(HELLO.to)) == arrived


async def test_queue_gives_up_and_goes_on_when_a_mail_never_leaves(db: Database, mailbox: Mailbox) -> None:
    clock = ManualClock()
    flaky = Flaky(mailbox.sender, failures=MAX_ATTEMPTS)
    relay = MailRelay(db, flaky, clock)
    await db.write(lambda conn: outbox.put(conn, HELLO, now_ms=clock.now_ms()))
    for _ in range(MAX_ATTEMPTS + 2):
        await relay.drain()
        clock.advance(3600)
    assert flaky.failures == 0
    assert await mailbox.arrived(HELLO.to) == []
    other = Mail("id-9", "eve@example.org", "Hello", "text\n")
    await db.write(lambda conn: outbox.put(conn, other, now_ms=clock.now_ms()))
    await relay.drain()
    assert len(await mailbox.arrived(other.to)) == 1
    (kept,) = await db.read(lambda conn: conn.execute("SELECT id FROM mail_outbox").fetchall())
    assert kept == ("id-1",)
