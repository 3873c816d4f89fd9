"""A Beep whose gateway alone has something to do: `python -m bench.fed_gateway DATA`.

Every service is there, as `beep up` builds it, and the sessions are real ones. But messages are published straight to
the bus, without the request, the checks and the write that would have led to them. So what this process spends is one
append to the bus's log, the gateway, and the sockets.

Prints its URL; reads a server's and a channel's id; and then obeys `bench.writers`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final

import uvloop

from bench.frames import NAME, body
from bench.writers import obey
from services.cli import process, up
from services.common.bus import Audience, Bus, Envelope
from services.common.runtime import Runtime
from services.gateway import __main__ as gateway
from services.gateway.config import Settings

_buses: Final[list[Bus]] = []
_build = gateway.build


@asynccontextmanager
async def _build_and_keep_bus(runtime: Runtime, settings: Settings) -> AsyncIterator[gateway.Gateway]:
    _buses.append(runtime.bus)
    async with _build(runtime, settings) as built:
        yield built


async def _main(data: Path) -> None:
    gateway.build = _build_and_keep_bus
    settings = up.UpSettings(data=data, host="127.0.0.1", port=0, public_url="", rpc="inprocess")
    async with up.running(settings) as addresses:
        process.tune_collector()
        print(addresses.url, flush=True)
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        server_id, channel_id = map(int, line.split())
        event_ids = count(1)

        def envelope(number: int) -> Envelope:
            return Envelope(
                event_id=next(event_ids),
                shard=f"server:{server_id}",
                type=NAME,
                body=body(number, server_id, channel_id),
                audience=Audience.CHANNEL,
                server_id=server_id,
                channel_id=channel_id,
            )

        async def write(numbers: range, _sequence: int) -> None:
            # Together, as they come from the relay when more was committed while it published.
            await _buses[0].publish([envelope(number) for number in numbers])

        await obey(write)


if __name__ == "__main__":
    uvloop.run(_main(Path(sys.argv[1])))
