"""Reads all servers of a user, page by page."""

from collections.abc import AsyncIterator
from typing import Final

from services.servers.domain.state import ServerState
from services.servers.store.ports import ServerStore

PAGE: Final = 200


async def every_server_of(store: ServerStore, user_id: int) -> AsyncIterator[ServerState]:
    """By id, ascending. What the user joins or leaves meanwhile may be in it or not."""
    after = 0
    while page := await store.servers_of(user_id, after=after, before=0, limit=PAGE):
        for state in page:
            yield state
        after = page[-1].id
