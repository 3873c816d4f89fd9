"""Pins: what a channel keeps in view."""

from typing import Final

from beep.authz.v1.authz_service_pb2 import AuthorizeResponse
from services.common import limits
from services.common.auth import PrincipalKind, current_principal, current_user_id
from services.common.authorization import Access
from services.common.bus import Envelope
from services.common.clock import Clock
from services.common.permissions import Permission
from services.common.snowflake import MAX_SNOWFLAKE, SnowflakeGenerator
from services.messages.channels import Channels
from services.messages.decided import place_of, require_active
from services.messages.directory import Directory
from services.messages.domain import message
from services.messages.domain.errors import UnknownMessage
from services.messages.domain.message import Message
from services.messages.domain.place import Place
from services.messages.events import AuditAction, MessageEvents
from services.messages.render import render
from services.messages.service.order import MAX_CONFLICTS, contended, in_order
from services.messages.service.showing import Showing
from services.messages.store.ports import MessageStore

_MAY_PIN: Final = Permission.PIN_MESSAGES | Permission.MANAGE_MESSAGES


class Pinning:
    def __init__(
        self,
        store: MessageStore,
        access: Access,
        channels: Channels,
        directory: Directory,
        showing: Showing,
        events: MessageEvents,
        ids: SnowflakeGenerator,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._store = store
        self._access = access
        self._channels = channels
        self._directory = directory
        self._showing = showing
        self._events = events
        self._ids = ids
        self._clock = clock
        self._public_url = public_url

    async def pin(self, channel_id: int, message_id: int, reason: str) -> None:
        """Pinning again changes nothing."""
        decision = await self._access.in_channel(current_user_id(), channel_id, any_of=_MAY_PIN)
        require_active(decision)
        for _ in range(MAX_CONFLICTS):
            old = await self._find(channel_id, message_id)
            if old.pinned_at_ms or await self._try_to_pin(old, decision, reason):
                return
        raise contended()

    async def unpin(self, channel_id: int, message_id: int, reason: str) -> None:
        user_id = current_user_id()
        decision = await self._access.in_channel(user_id, channel_id, any_of=_MAY_PIN)
        require_active(decision)
        place = place_of(channel_id, decision)
        for _ in range(MAX_CONFLICTS):
            old = await self._find(channel_id, message_id)
            if not old.pinned_at_ms:
                return
            unpinned = message.unpin(old)
            newest = await self._store.pins(channel_id, before_ms=MAX_SNOWFLAKE, limit=2)
            last_ms = max((pin.pinned_at_ms for pin in newest if pin.id != old.id), default=0)
            record = self._events.record(
                place,
                self._events.updated(await self._showing.one(unpinned, reader_id=user_id)),
                self._events.pins_changed(place, last_ms),
                also=self._audit(place, AuditAction.MESSAGE_UNPIN, old, user_id, reason),
            )
            if await self._store.replace(unpinned, record):
                return
        raise contended()

    async def _try_to_pin(self, old: Message, decision: AuthorizeResponse, reason: str) -> bool:
        """Try to pin the message, and say so in the channel; False if it was changed meanwhile."""
        user_id, place = current_user_id(), place_of(old.channel_id, decision)
        pinned = message.pin(old, now_ms=self._clock.now_ms())
        shown = await self._showing.one(pinned, reader_id=user_id)
        member = await self._showing.member(decision, user_id)
        people = await self._directory.users((user_id,))
        channel_type = await self._channels.type_number(place)

        async def write(message_id: int) -> bool:
            notice = message.pin_notice(pinned, message_id=message_id, author_id=user_id)
            said = render(notice, people, public_url=self._public_url, member=member)
            record = self._events.record(
                place,
                self._events.updated(shown),
                self._events.pins_changed(place, pinned.pinned_at_ms),
                self._events.created(said, channel_type),
                also=(
                    *self._audit(place, AuditAction.MESSAGE_PIN, old, user_id, reason),
                    *self._events.written(place, message_id, user_id),
                ),
            )
            # The notice is theirs, and nobody has their own words to read.
            is_person = current_principal().kind is PrincipalKind.USER
            return await self._store.pin(pinned, notice, record, most=limits.PINS_PER_CHANNEL, reads=is_person)

        return await in_order(self._ids, write)

    async def _find(self, channel_id: int, message_id: int) -> Message:
        found = await self._store.get(channel_id, message_id)
        if found is None:
            raise UnknownMessage
        return found

    def _audit(
        self, place: Place, action: AuditAction, about: Message, actor_id: int, reason: str
    ) -> tuple[Envelope, ...]:
        if place.is_private:
            return ()
        where = {"channel_id": str(place.channel_id), "message_id": str(about.id)}
        return (
            self._events.audit(place, action, actor_id=actor_id, target_id=about.author_id, reason=reason, **where),
        )
