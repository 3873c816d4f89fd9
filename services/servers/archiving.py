"""Archives threads that nobody has written in for as long as they say.

Durable because it keeps nothing: the threads' rows say when to look. Whether somebody has written since is known to
`messages` alone, which is asked only then; so a message costs nothing here, and a busy thread is looked at once in its
time.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from beep.messages.v1.messages_service_pb2 import ListLastMessagesRequest
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from services.common.clock import Clock
from services.common.errors import BeepError, Unavailable
from services.common.rpc import Channel
from services.common.snowflake import timestamp_ms
from services.servers.domain import thread as thread_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import UnknownServer
from services.servers.service.changes import Changes
from services.servers.store.ports import Loaded, ServerStore, Wanted

MESSAGES: Final = "messages"
PAGE: Final = 256
ROUND_SECONDS: Final = 60.0
"""The shortest time that a thread can have is an hour: nobody minds a minute."""

logger = logging.getLogger(__name__)


class Archiving:
    """`run` it as a task."""

    def __init__(self, store: ServerStore, changes: Changes, peers: Mapping[str, Channel], clock: Clock) -> None:
        """`peers`: looked into each time, as `messages` starts after `servers`."""
        self._store = store
        self._changes = changes
        self._peers = peers
        self._clock = clock

    async def run(self) -> None:
        while True:
            await self._clock.sleep(ROUND_SECONDS)
            try:
                await self._archive_idle()
            except (BeepError, TimeoutError) as error:
                logger.warning("threads_not_archived", extra={"error": error})

    async def _archive_idle(self) -> None:
        while idle := await self._store.idle_threads(until_ms=self._clock.now_ms(), limit=PAGE):
            last_messages = await self._last_messages([thread_id for _, thread_id in idle])
            for server_id, thread_id in idle:
                await self._look_at(server_id, thread_id, last_messages.get(thread_id, 0))

    async def _look_at(self, server_id: int, thread_id: int, last_message_ms: int) -> None:
        look_again_ms = 0

        def archive(loaded: Loaded, now_ms: int) -> Change | None:
            nonlocal look_again_ms
            thread = loaded.threads.get(thread_id)
            if thread is None:
                return None
            look_again_ms = thread_rules.idle_at_ms(thread, last_message_ms)
            return thread_rules.archive_idle(loaded.state, thread, last_message_ms=last_message_ms, now_ms=now_ms)

        with suppress(UnknownServer):
            await self._changes.make_unbidden(server_id, archive, wanted=Wanted(thread_id=thread_id))
            # Nothing, if it was archived.
            await self._store.look_again(thread_id, at_ms=look_again_ms)

    async def _last_messages(self, thread_ids: list[int]) -> dict[int, int]:
        """When the newest message was written in those of the threads that have one.

        Raises:
            Unavailable: without knowing it nothing is archived.
        """
        channel = self._peers.get(MESSAGES)
        if channel is None:
            raise Unavailable("MESSAGES_NOT_STARTED", "Messages are not there yet.")
        answer = await MessagesServiceStub(channel).ListLastMessages(ListLastMessagesRequest(channel_ids=thread_ids))
        return {last.channel_id: timestamp_ms(last.message_id) for last in answer.last_messages}
