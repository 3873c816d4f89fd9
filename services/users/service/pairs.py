"""How everything between two users is changed: load, decide, commit, wait until authz and the bus have it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from services.common.bus import PRIVATE_MESSAGE, Envelope
from services.common.errors import Aborted
from services.common.outbox import Relay
from services.common.snowflake import SnowflakeGenerator
from services.users.domain.private_channel import reopen_direct
from services.users.domain.relationship import Pair, depart
from services.users.domain.user import User
from services.users.messages import Messages
from services.users.social_events import pair_changed
from services.users.store.ports import UserStore
from services.users.store.social_ports import Conflict, PairStore

MAX_TRIES: Final = 5
"""A conflict means that another request won; the fifth in a row means that something else is wrong."""


class _PrivateMessage(msgspec.Struct):
    """The body of PRIVATE_MESSAGE."""

    message_id: str


class Pairs:
    """The answer waits for the relay, so that a block holds for whatever is sent after it."""

    def __init__(
        self, store: PairStore, users: UserStore, messages: Messages, relay: Relay, ids: SnowflakeGenerator
    ) -> None:
        self._store = store
        self._users = users
        self._messages = messages
        self._relay = relay
        self._ids = ids

    async def change(
        self, one_id: int, other_id: int, decide: Callable[[Pair], Pair], *, last_message_id: int = 0
    ) -> tuple[Pair, dict[int, User]]:
        """What is between two different users who exist, after `decide`, which may be asked several times.

        Args:
            last_message_id: of the message that is the cause; 0: none is, and the newest is asked for if it is shown.

        Raises:
            Aborted: others keep changing it first.
            whatever `decide` raises.
        """
        users = {user.id: user for user in await self._users.users([one_id, other_id])}
        for _ in range(MAX_TRIES):
            loaded = await self._store.pair(one_id, other_id)
            after = decide(loaded.pair)
            awaited = loaded.pending_record
            if after != loaded.pair:
                after = replace(after, version=loaded.pair.version + 1)
                newest = last_message_id or await self._newest(loaded.pair, after)
                record = pair_changed(loaded.pair, after, users, self._ids.next, last_message_id=newest)
                try:
                    await self._store.commit_pair(after, record)
                except Conflict:
                    continue
                awaited = record.id if record else awaited
            # Also when nothing was to be changed: it may be so since a moment ago, and not yet everywhere.
            if awaited:
                await self._relay.published(awaited)
            return after, users
        raise Aborted("CONFLICT", "Others keep changing this; try again.")

    async def message_came(self, envelope: Envelope) -> None:
        """Handles PRIVATE_MESSAGE: a direct message that somebody has closed is in their list again."""
        if envelope.type != PRIVATE_MESSAGE:
            return
        loaded = await self._store.pair_of_channel(envelope.channel_id)
        if loaded is not None and reopen_direct(loaded.pair) != loaded.pair:
            message_id = int(msgspec.json.decode(envelope.body, type=_PrivateMessage).message_id)
            await self.change(*loaded.pair.user_ids, reopen_direct, last_message_id=message_id)

    async def _newest(self, before: Pair, after: Pair) -> int:
        """Of a direct message that was there and is in somebody's list again; else 0."""
        opens = any(after.side(each).is_open and not before.side(each).is_open for each in after.user_ids)
        return await self._messages.newest_in(after.channel_id) if before.channel_id and opens else 0

    async def depart(self, user_id: int) -> None:
        """The user is gone: nobody has a relationship with them, and nobody can write to them. May be repeated."""
        for pair in await self._store.pairs_of(user_id):
            await self.change(*pair.user_ids, lambda found: depart(found, user_id))
