"""All private channels, whatever they are made from."""

import sqlite3
from collections.abc import Collection, Iterator
from heapq import merge
from itertools import islice

import msgspec

from services.common.outbox import newest_pending
from services.common.sqlite import Database
from services.users.store import sqlite_groups as groups
from services.users.store import sqlite_pairs as pairs
from services.users.store.fact_ports import StatedChannel
from services.users.store.social_ports import group_shard


class SqliteFactStore:
    """Implements `FactStore`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def channels_page(self, after: int, limit: int) -> list[StatedChannel]:
        def read(conn: sqlite3.Connection) -> list[StatedChannel]:
            found = merge(
                _pairs(conn, "channel_id > ? ORDER BY channel_id LIMIT ?", after, limit),
                _groups(conn, "g.id > ? ORDER BY g.id LIMIT ?", after, limit),
                key=lambda stated: stated.channel_id,
            )
            return list(islice(found, limit))

        return await self._db.read(read)

    async def channels_about(self, channel_ids: Collection[int]) -> list[StatedChannel]:
        ids = msgspec.json.encode(list(channel_ids)).decode()

        def read(conn: sqlite3.Connection) -> list[StatedChannel]:
            these = "IN (SELECT value FROM json_each(?))"
            found = [*_pairs(conn, f"channel_id {these}", ids), *_groups(conn, f"g.id {these}", ids)]
            gone = set(channel_ids) - {stated.channel_id for stated in found}
            found += [StatedChannel(each, None, newest_pending(conn, group_shard(each))) for each in gone]
            return found

        return await self._db.read(read)


def _pairs(conn: sqlite3.Connection, condition: str, *values: object) -> Iterator[StatedChannel]:
    for loaded in pairs.select(conn, condition, values):
        yield StatedChannel(loaded.pair.channel_id, loaded.pair, loaded.pending_record)


def _groups(conn: sqlite3.Connection, condition: str, *values: object) -> Iterator[StatedChannel]:
    for loaded in groups.select(conn, condition, values):
        yield StatedChannel(loaded.group.id, loaded.group, loaded.pending_record)
