"""What every store of webhooks promises (services/webhooks/store/ports.py). A second one is one more in `ADAPTERS`."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from services.common.limits import IDEMPOTENCY_LIFETIME
from services.common.outbox import OutboxRecord, SqliteOutbox
from services.common.sqlite import Database
from services.webhooks.domain.errors import TooManyWebhooks, UnknownChannel, UnknownWebhook
from services.webhooks.domain.webhook import Webhook
from services.webhooks.store.ports import IdempotencyKey, WebhookStore
from services.webhooks.store.sqlite import MIGRATIONS, SqliteWebhookStore
from tests.support.clock import ManualClock

NOW = 1_767_225_600_000
SERVER, CHANNEL, OTHER = 1000, 1001, 1002
KEY = IdempotencyKey(11, CHANNEL, "key-1")
MOST = 3
_record_ids = itertools.count(1)


class StoreUnderTest(Protocol):
    """What the suite needs beside the port."""

    store: WebhookStore
    notified: list[OutboxRecord]

    async def pending(self) -> list[OutboxRecord]: ...
    async def restart(self) -> None: ...
    async def close(self) -> None: ...


class SqliteUnderTest:
    store: SqliteWebhookStore

    def __init__(self, directory: Path) -> None:
        self._path = directory / "webhooks.db"
        self.notified: list[OutboxRecord] = []

    async def open(self) -> "SqliteUnderTest":
        self._db = await Database.open(self._path, MIGRATIONS)
        self.store = SqliteWebhookStore(self._db, self.notified.append)
        return self

    async def pending(self) -> list[OutboxRecord]:
        return [each.record for each in await SqliteOutbox(self._db, ManualClock()).pending(0, 100)]

    async def restart(self) -> None:
        await self.close()
        await self.open()

    async def close(self) -> None:
        await self._db.close()


ADAPTERS: dict[str, Callable[[Path], Awaitable[StoreUnderTest]]] = {
    "sqlite": lambda directory: SqliteUnderTest(directory).open(),
}


@pytest.fixture(params=ADAPTERS)
async def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreUnderTest]:
    opened = await ADAPTERS[request.param](tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def store(under_test: StoreUnderTest) -> WebhookStore:
    return under_test.store


def webhook(webhook_id: int = 1, **fields: object) -> Webhook:
    given = {"server_id": SERVER, "channel_id": CHANNEL, "creator_id": 11, "name": "ci", "token": f"token-{webhook_id}"}
    return Webhook(id=webhook_id, **given | fields)  # type: ignore[arg-type]


def record() -> OutboxRecord:
    return OutboxRecord(next(_record_ids), f"server:{SERVER}", ())


async def add(store: WebhookStore, each: Webhook, *, key: IdempotencyKey | None = None, now: int = NOW) -> Webhook:
    return await store.add(each, record(), most=MOST, key=key, now_ms=now)


async def test_webhook_is_found_as_it_was_stored(under_test: StoreUnderTest) -> None:
    one, two = webhook(1, avatar="abc", name="Ünïcødé 🚀"), webhook(2, channel_id=OTHER)
    await add(under_test.store, two)
    await add(under_test.store, one)
    await under_test.restart()
    store = under_test.store

    assert await store.get(1) == one
    assert await store.get(3) is None
    assert await store.of_channel(CHANNEL) == [one]
    assert await store.of_server(SERVER) == [one, two]
    assert await store.of_server(CHANNEL) == []


async def test_record_is_stored_with_the_change_and_with_no_change_none(under_test: StoreUnderTest) -> None:
    store, one = under_test.store, webhook()
    await add(store, one)
    assert await store.replace(replace(one, name="cd", revision=2), record(), most=MOST)
    assert not await store.replace(replace(one, name="late", revision=2), record(), most=MOST)
    assert not await store.delete(one, record())
    assert await store.delete(replace(one, revision=2), record())
    assert not await store.delete(replace(one, revision=2), record())

    assert len(under_test.notified) == 3
    assert await under_test.pending() == under_test.notified
    assert await store.get(1) is None


async def test_channel_never_has_more_than_it_may_when_many_are_made_at_once(under_test: StoreUnderTest) -> None:
    store = under_test.store
    made = await asyncio.gather(*(add(store, webhook(n)) for n in range(1, 8)), return_exceptions=True)
    assert sum(isinstance(each, TooManyWebhooks) for each in made) == 7 - MOST
    assert len(await store.of_channel(CHANNEL)) == MOST == len(await under_test.pending())


async def test_move_is_refused_when_the_other_channel_is_full(store: WebhookStore) -> None:
    for n in range(1, MOST + 1):
        await add(store, webhook(n))
    other = await add(store, webhook(9, channel_id=OTHER))
    with pytest.raises(TooManyWebhooks):
        await store.replace(replace(other, channel_id=CHANNEL, revision=2), record(), most=MOST)
    # What does not move needs no room.
    assert await store.replace(replace(webhook(1), name="cd", revision=2), record(), most=MOST)
    assert await store.get(9) == other


async def test_key_makes_one_webhook(under_test: StoreUnderTest) -> None:
    store = under_test.store
    first = await add(store, webhook(1), key=KEY)
    assert await add(store, webhook(2), key=KEY) == first
    assert (await add(store, webhook(3), key=replace(KEY, user_id=12))).id == 3
    assert (await add(store, webhook(4), key=replace(KEY, key="key-2"))).id == 4
    assert await store.get(2) is None
    assert len(under_test.notified) == 3


async def test_key_of_a_deleted_webhook_makes_no_other(store: WebhookStore) -> None:
    first = await add(store, webhook(1), key=KEY)
    await store.delete(first, record())
    with pytest.raises(UnknownWebhook):
        await add(store, webhook(2), key=KEY)


async def test_key_is_free_again_after_its_lifetime(store: WebhookStore) -> None:
    await add(store, webhook(1), key=KEY)
    later = NOW + 1000 * IDEMPOTENCY_LIFETIME
    assert (await add(store, webhook(2), key=KEY, now=later - 1)).id == 1
    assert (await add(store, webhook(2), key=KEY, now=later)).id == 2


async def test_channel_that_is_gone_has_no_webhook_and_gets_none(store: WebhookStore) -> None:
    await add(store, webhook(1))
    other = await add(store, webhook(2, channel_id=OTHER))
    for _ in range(2):
        await store.drop_channels([CHANNEL, 5], lambda _: None)
    assert await store.of_server(SERVER) == [other]
    with pytest.raises(UnknownChannel):
        await add(store, webhook(3))
    with pytest.raises(UnknownChannel):
        await store.replace(replace(other, channel_id=CHANNEL, revision=2), record(), most=MOST)


async def test_what_is_told_of_webhooks_that_go_with_their_channel_is_stored_with_it(
    under_test: StoreUnderTest,
) -> None:
    store, told = under_test.store, record()
    one, two = await add(store, webhook(1, avatar="abc")), await add(store, webhook(2, channel_id=OTHER))
    await add(store, webhook(3, channel_id=9))
    before = len(under_test.notified)
    gone: list[Webhook] = []

    def tell(webhooks: Sequence[Webhook]) -> OutboxRecord:
        gone.extend(webhooks)
        return told

    await store.drop_channels([CHANNEL, OTHER], tell)
    assert sorted(gone, key=lambda each: each.id) == [one, two]
    assert under_test.notified[before:] == [told]
    assert (await under_test.pending())[-1] == told
