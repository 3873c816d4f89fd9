"""The newest message of each channel of the servers that are followed, for GUILD_CREATE.

Read once, and again for the channels in which something was posted or deleted since: five hundred sessions that
identify together ask at most once. Right for as long as the server's shard is followed.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from beep.messages.v1.messages_service_pb2 import ListLastMessagesRequest
from beep.servers.v1.channel_pb2 import Channel
from services.common.errors import BeepError

if TYPE_CHECKING:
    from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub

logger = logging.getLogger(__name__)

CHANGES: Final = frozenset({"MESSAGE_CREATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"})
"""Events after which another message may be the newest."""
_AT_ONCE: Final = 500
"""Channels in one call."""


class LastMessages:
    def __init__(self, messages: "MessagesServiceAsyncStub") -> None:
        self._messages = messages
        self._known: dict[int, dict[int, int]] = {}
        self._changed: defaultdict[int, set[int]] = defaultdict(set)

    def note(self, server_id: int, channel_id: int) -> None:
        """Something was posted or deleted in this channel, or in a thread of it."""
        if server_id in self._known:
            self._changed[server_id].add(channel_id)

    def forget(self, server_id: int) -> None:
        self._known.pop(server_id, None)
        self._changed.pop(server_id, None)

    def clear(self) -> None:
        self._known.clear()
        self._changed.clear()

    async def of(self, server_id: int, channels: Iterable[Channel]) -> Mapping[int, int]:
        """By channel; 0: it has none. The same object for as long as nothing changes.

        A channel is missing if messages does not answer: the rest can do without.
        """
        known = self._known.setdefault(server_id, {})
        # What is posted from here on is noted, and asked for the next time.
        changed = self._changed.pop(server_id, set())
        stale = [
            channel.id
            for channel in channels
            if channel.id not in known or channel.id in changed or channel.parent_id in changed
        ]
        if not stale:
            return known
        found = {channel_id: known[channel_id] for channel_id in known.keys() - set(stale)}
        for start in range(0, len(stale), _AT_ONCE):
            found |= await self._read(stale[start : start + _AT_ONCE])
        if self._known.get(server_id) is known:
            self._known[server_id] = found
        return found

    async def _read(self, channel_ids: Sequence[int]) -> dict[int, int]:
        try:
            answer = await self._messages.ListLastMessages(ListLastMessagesRequest(channel_ids=channel_ids))
        except (BeepError, TimeoutError) as error:
            logger.warning("gateway_last_messages_missing", extra={"error": error})
            return {}
        return dict.fromkeys(channel_ids, 0) | {last.channel_id: last.message_id for last in answer.last_messages}
