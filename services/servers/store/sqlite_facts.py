"""All facts of servers, computed from the rows: nothing is stored for them."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec

from services.common.bus import server_shard
from services.common.outbox import newest_pending
from services.common.sqlite import Database
from services.servers.domain.facts import (
    Fact,
    FactKey,
    FactKind,
    channel_fact,
    gone,
    key_of,
    root_facts,
    seat_fact,
    thread_fact,
)
from services.servers.domain.state import ServerState
from services.servers.store import sqlite_threads as threads
from services.servers.store.fact_ports import Part, Place, StatedFact
from services.servers.store.sqlite import MEMBER_COLUMNS, decode_root, member_of

_ROOT = "SELECT root, outbox.id FROM servers LEFT JOIN outbox ON outbox.id = servers.record_id"
_BY_OWN_ID = (FactKind.CHANNEL, FactKind.THREAD)
_MEMBERS = f"SELECT {MEMBER_COLUMNS} FROM members WHERE server_id = ?"


class SqliteFactStore:
    """Implements `FactStore`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def facts_page(self, place: Place, limit: int) -> tuple[list[StatedFact], Place | None]:
        return await self._db.read(lambda conn: _page(conn, place, limit))

    async def facts_about(self, keys: Collection[FactKey]) -> list[StatedFact]:
        return await self._db.read(lambda conn: list(_about(conn, keys)))


@dataclass(frozen=True, slots=True)
class _Root:
    state: ServerState
    pending_record: int

    def states(self, fact: Fact) -> StatedFact:
        return StatedFact(self.state.id, self.state.version, self.pending_record, fact)


def _page(conn: sqlite3.Connection, place: Place, limit: int) -> tuple[list[StatedFact], Place | None]:
    found = list(islice(_behind(conn, place, limit), limit))
    if len(found) < limit:
        return [stated for _, stated in found], None
    return [stated for _, stated in found], found[-1][0]


def _behind(conn: sqlite3.Connection, place: Place, limit: int) -> Iterator[tuple[Place, StatedFact]]:
    """Every fact behind the place with its own place; no more than about `limit` rows are read ahead."""
    while True:
        row = conn.execute(f"{_ROOT} WHERE server_id >= ? ORDER BY server_id LIMIT 1", (place.server_id,)).fetchone()
        if row is None:
            return
        root = _Root(decode_root(row[0]), row[1] or 0)
        server_id = root.state.id
        if server_id != place.server_id:
            place = Place(server_id)
        for part in Part:
            if part >= place.part:
                after = place.after if part is place.part else 0
                for position, fact in _of_part(conn, root.state, part, after, limit):
                    yield Place(server_id, part, position), root.states(fact)
        place = Place(server_id + 1)


def _of_part(
    conn: sqlite3.Connection, state: ServerState, part: Part, after: int, limit: int
) -> Iterator[tuple[int, Fact]]:
    match part:
        case Part.ROOT:
            yield from islice(enumerate(root_facts(state), 1), after, None)
        case Part.CHANNELS:
            for channel in sorted(state.channels, key=lambda channel: channel.id):
                if channel.id > after:
                    yield channel.id, channel_fact(channel)
        case Part.SEATS:
            query = f"{_MEMBERS} AND user_id > ? ORDER BY user_id LIMIT ?"
            for row in conn.execute(query, (state.id, after, limit)):
                yield row[0], seat_fact(member_of(row))
        case Part.THREADS:
            for thread in threads.page(conn, state.id, after, limit):
                yield thread.id, thread_fact(thread)


def _about(conn: sqlite3.Connection, keys: Collection[FactKey]) -> Iterator[StatedFact]:
    places = _places(conn, [key.id for key in keys if key.kind in _BY_OWN_ID])
    found_threads = {
        thread.id: thread for thread in threads.by_id(conn, [key.id for key in keys if key.kind is FactKind.THREAD])
    }
    by_server: dict[int, dict[FactKey, None]] = {}
    for key in keys:
        server_id = places.get(key.id, key.server_id) if key.kind in _BY_OWN_ID else key.server_id
        by_server.setdefault(server_id, {})[FactKey(key.kind, server_id, key.id)] = None
    for server_id, wanted in by_server.items():
        row = conn.execute(f"{_ROOT} WHERE server_id = ?", (server_id,)).fetchone()
        if row is None:
            pending = newest_pending(conn, server_shard(server_id))
            yield from (StatedFact(server_id, 0, pending, gone(key)) for key in wanted)
            continue
        root = _Root(decode_root(row[0]), row[1] or 0)
        seats = [key.id for key in wanted if key.kind is FactKind.SEAT]
        there: Iterable[Fact] = (
            *root_facts(root.state),
            *map(channel_fact, root.state.channels),
            *(seat_fact(member_of(row)) for row in _members(conn, server_id, seats)),
            *(thread_fact(found_threads[key.id]) for key in wanted if key.id in found_threads),
        )
        facts = {key_of(server_id, fact): fact for fact in there}
        yield from (root.states(facts.get(key) or gone(key)) for key in wanted)


def _places(conn: sqlite3.Connection, ids: Collection[int]) -> dict[int, int]:
    """The servers of these channels and threads."""
    query = "SELECT channel_id, server_id FROM channels WHERE channel_id IN (SELECT value FROM json_each(?))"
    return dict(conn.execute(query, (msgspec.json.encode(ids).decode(),)).fetchall())


def _members(
    conn: sqlite3.Connection, server_id: int, user_ids: Collection[int]
) -> Iterable[tuple[int, str, str, int, int]]:
    ids = msgspec.json.encode(user_ids).decode()
    return conn.execute(f"{_MEMBERS} AND user_id IN (SELECT value FROM json_each(?))", (server_id, ids))
