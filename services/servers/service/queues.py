"""One change of a server at a time, in the order in which they came; different servers do not wait for each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.errors import ResourceExhausted


class _Queue:
    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class ServerQueues:
    """Saves retries: the store's version decides what is right, also between processes; this avoids conflicts."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._queues: dict[int, _Queue] = {}

    @asynccontextmanager
    async def turn(self, server_id: int) -> AsyncIterator[None]:
        """Raises ResourceExhausted when too many wait already."""
        queue = self._queues.setdefault(server_id, _Queue())
        if queue.users > self._max_waiting:
            raise ResourceExhausted("SERVER_BUSY", "Too many changes of this server at once; try again.")
        queue.users += 1
        try:
            async with queue.lock:
                yield
        finally:
            queue.users -= 1
            if not queue.users:
                del self._queues[server_id]
