"""What the process around a service gives it. Only a service's `__main__.py` looks inside."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.common.auth import InternalTokens
from services.common.bus import Bus
from services.common.clock import Clock
from services.common.rpc import Channel, RpcServer


@dataclass(frozen=True, slots=True)
class Runtime:
    """`server` is where the service registers its servicers, `peers` how it reaches the other services, by name."""

    data: Path
    clock: Clock
    tokens: InternalTokens
    bus: Bus
    server: RpcServer
    peers: Mapping[str, Channel]


@asynccontextmanager
async def running(job: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """A job beside the requests. Its failure ends the service: it is a defect, not a fault.

    What goes wrong inside the context leaves it as it was raised: whoever looks for it looks for no group.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(job)
            yield
            task.cancel()
    except ExceptionGroup as group:  # the task group's wrapping, around whatever was raised: only that is taken off
        if len(group.exceptions) > 1:
            raise
        only = group.exceptions[0]
        raise only from only.__cause__
