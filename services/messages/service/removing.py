"""What goes: messages, with all that was kept beside them."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from services.common import limits
from services.common.auth import current_principal, current_user_id
from services.common.authorization import Access, refusal
from services.common.clock import Clock
from services.common.permissions import Permission
from services.common.snowflake import at_ms
from services.messages.decided import place_of
from services.messages.domain import history, message
from services.messages.domain.errors import UnknownMessage
from services.messages.domain.message import Message
from services.messages.domain.place import Place
from services.messages.events import AuditAction, MessageEvents
from services.messages.store.ports import MessageStore

PURGE_BATCH: Final = limits.BULK_DELETE
"""Messages by one write, and by one event: senders wait behind each."""
READERS_BATCH: Final = 1_000


class Removing:
    def __init__(self, store: MessageStore, access: Access, events: MessageEvents, clock: Clock) -> None:
        self._store = store
        self._access = access
        self._events = events
        self._clock = clock

    async def delete(self, channel_id: int, message_id: int, reason: str) -> None:
        user_id = current_user_id()
        decision = await self._access.in_channel(user_id, channel_id, asked=Permission.MANAGE_MESSAGES)
        found = await self._store.get(channel_id, message_id)
        if found is None:
            raise UnknownMessage
        is_own = found.author_id == user_id
        if not is_own and not decision.granted & Permission.MANAGE_MESSAGES:
            raise refusal(decision, Permission.MANAGE_MESSAGES)
        place = place_of(channel_id, decision)
        also = [*self._events.files_gone(found.attachments)]
        if not is_own:
            also.append(
                self._events.audit(
                    place,
                    AuditAction.MESSAGE_DELETE,
                    actor_id=user_id,
                    target_id=found.author_id,
                    reason=reason,
                    channel_id=str(channel_id),
                    count="1",
                )
            )
        record = self._events.record(place, self._events.deleted(place, found.id), also=also)
        if not await self._store.delete(channel_id, (found.id,), record):
            raise UnknownMessage

    async def delete_many(self, channel_id: int, message_ids: Sequence[int], reason: str) -> None:
        user_id = current_user_id()
        decision = await self._access.in_channel(user_id, channel_id, required=Permission.MANAGE_MESSAGES)
        asked = message.check_bulk_delete(message_ids, now_ms=self._clock.now_ms())
        found = await self._store.get_many(channel_id, asked)
        if not found:
            return
        place = place_of(channel_id, decision)
        audit = self._events.audit(
            place,
            AuditAction.MESSAGE_BULK_DELETE,
            actor_id=user_id,
            target_id=channel_id,
            reason=reason,
            count=str(len(found)),
        )
        files = [file for one in found.values() for file in one.attachments]
        record = self._events.record(
            place, self._events.bulk_deleted(place, sorted(found)), also=(*self._events.files_gone(files), audit)
        )
        await self._store.delete(channel_id, found, record)

    async def purge_author(self, server_id: int, author_id: int, *, since_ms: int) -> None:
        """Delete what the author said in the server from that time on. Doing it again deletes what came meanwhile.

        A service asks in its own name (it has decided), a person needs the right to ban.
        """
        if not current_principal().is_service:
            await self._access.in_server(current_user_id(), server_id, required=Permission.BAN_MEMBERS)
        since = at_ms(since_ms)
        while written := await self._store.written_by(author_id, server_id=server_id, since=since, limit=PURGE_BATCH):
            for place, of_place in groupby(sorted(written, key=_channel), key=_place):
                await self._delete_all(place, list(of_place))

    async def forget_channel(self, channel_id: int) -> None:
        """The channel is gone, and with it everybody who could be told."""
        while page := await self._store.page(channel_id, history.after(0, PURGE_BATCH)):
            files = [file for one in page for file in one.attachments]
            await self._store.delete(channel_id, [one.id for one in page], self._events.files_only(files))
        while await self._store.forget_readers(channel_id, limit=READERS_BATCH):
            pass

    async def _delete_all(self, place: Place, messages: Sequence[Message]) -> None:
        ids = sorted(one.id for one in messages)
        files = [file for one in messages for file in one.attachments]
        record = self._events.record(place, self._events.bulk_deleted(place, ids), also=self._events.files_gone(files))
        await self._store.delete(place.channel_id, ids, record)


def _channel(message: Message) -> int:
    return message.channel_id


def _place(message: Message) -> Place:
    return Place(message.channel_id, message.server_id, message.parent_id)
