"""An edit of @everyone in a server of 20 combinations of roles and 30 channels, while people write.

It ends every answer on the server's rights; half of the members lose sight of all channels by it. How long until
receipts are as fast as before, and is anything delivered that was sent after the edit was acknowledged to somebody who
has lost sight? Then the run has no figures.
"""

import asyncio
import re
import selectors
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench.frames import CONTENT
from bench.http import Connection
from bench.measure import Figures, percentile
from bench.sink import READ_BYTES, Incomplete, Socket, identify
from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.newcomer import Account, Newcomer

COMBINATIONS: Final = 20
CHANNELS: Final = 30
PER_SECOND: Final = 50
BEFORE, AFTER = 4.0, 4.0
"""Seconds of traffic before the edit, of which the second half counts, and after it."""
WINDOW: Final = 0.2
"""Seconds whose receipts make one p99."""
AS_BEFORE: Final = 2.0
"""Receipts are back to normal when no window's p99 is more than so many times that of before."""

SEEING: Final = P.VIEW_CHANNEL | P.SEND_MESSAGES | P.READ_MESSAGE_HISTORY
_STAMP: Final = re.compile(rb" T(\d{20});")


@dataclass
class Place:
    """The server, with one member for each combination of roles, in order; the first half keeps its sight."""

    owner: Account
    server_id: str
    channel_ids: list[str]
    members: list[Account]


@dataclass
class Listener:
    """What one session got: when a message was sent, and when it came (nanoseconds)."""

    session: Socket
    keeps_sight: bool
    receipts: dict[int, int] = field(default_factory=dict)


async def refill(beep: BeepProcess) -> Figures:
    """One run, milliseconds."""
    async with AsyncExitStack() as stack:
        place = await _make(beep, stack)
        owner = await stack.enter_async_context(Api(beep.url, place.owner.token))
        listeners = [
            Listener(await asyncio.to_thread(identify, beep.gateway, member.token), number < COMBINATIONS // 2)
            for number, member in enumerate(place.members)
        ]
        with _reading(listeners):
            start = time.monotonic()
            sending = asyncio.ensure_future(_send(beep, place, start, BEFORE + AFTER))
            await asyncio.sleep(BEFORE)  # the traffic before the edit: time is what is measured
            edited = time.monotonic_ns()
            role = f"/guilds/{place.server_id}/roles/{place.server_id}"
            await owner.ok("PATCH", role, {"permissions": str(int(SEEING & ~P.VIEW_CHANNEL))})
            acknowledged = time.monotonic_ns()
            stamps = await sending
            await asyncio.sleep(1.0)  # what was sent last is delivered; a bench, which no test waits for
        for listener in listeners:
            listener.session.close()
        await owner.ok("DELETE", f"/guilds/{place.server_id}")
    return _figures(listeners, stamps, edited, acknowledged)


def _figures(listeners: list[Listener], stamps: list[int], edited: int, acknowledged: int) -> Figures:
    for listener in listeners:
        if not listener.keeps_sight and any(stamp > acknowledged for stamp in listener.receipts):
            raise Incomplete("a message was delivered to who had lost sight of the channel")
        if listener.keeps_sight and set(stamps) - set(listener.receipts):
            raise Incomplete("a message did not come to who may see it")
    taken = sorted(
        (stamp, (came - stamp) / 1e6)
        for listener in listeners
        if listener.keeps_sight
        for stamp, came in listener.receipts.items()
    )
    begin = edited - int(BEFORE / 2 * 1e9)
    before = percentile([one for stamp, one in taken if begin <= stamp < edited], 0.99)
    back, worst = 0.0, 0.0
    window = int(WINDOW * 1e9)
    for start in range(edited, stamps[-1] - window, window):
        p99 = percentile([one for stamp, one in taken if start <= stamp < start + window], 0.99)
        worst = max(worst, p99)
        if p99 > AS_BEFORE * before:
            back = (start + window - edited) / 1e6
    return {
        "p99_before_ms": before,
        "edit_ms": (acknowledged - edited) / 1e6,
        "worst_p99_ms": worst,
        "p99_back_after_ms": back,
        "delivered_wrongly": 0,
    }


async def _make(beep: BeepProcess, stack: AsyncExitStack) -> Place:
    people = []
    for number in range(COMBINATIONS + 1):
        async with Newcomer.at(beep.url, f"p{number}") as newcomer:
            people.append(await newcomer.become_user())
    apis = [await stack.enter_async_context(Api(beep.url, person.token, user_id=person.user_id)) for person in people]
    owner, *members = apis
    server = await owner.ok("POST", "/guilds", {"name": "Refill"})
    server_id = server["id"]
    await owner.ok("PATCH", f"/guilds/{server_id}/roles/{server_id}", {"permissions": str(int(SEEING))})
    invite = await owner.ok("POST", f"/channels/{server['system_channel_id']}/invites", {})
    roles = []
    for number, member in enumerate(members):
        await member.ok("POST", f"/invites/{invite['code']}", {})
        roles.append(await owner.make_role(server_id, f"r{number}", 0, member))
    overwrites = [{"id": role, "type": 0, "allow": str(int(P.VIEW_CHANNEL))} for role in roles[: COMBINATIONS // 2]]
    channels = [
        await owner.make_channel(server_id, f"c{number}", permission_overwrites=overwrites)
        for number in range(CHANNELS)
    ]
    return Place(people[0], server_id, channels, people[1:])


async def _send(beep: BeepProcess, place: Place, start: float, seconds: float) -> list[int]:
    """The owner writes at a fixed rate, in one channel after the other. Returns when each was sent."""
    connections = [await Connection.open(beep.api, place.owner.token) for _ in range(8)]
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    stamps: list[int] = []

    async def one(number: int) -> None:
        connection = await free.get()
        stamp = time.monotonic_ns()
        stamps.append(stamp)
        path = f"/api/v10/channels/{place.channel_ids[number % CHANNELS]}/messages"
        await connection.post(path, {"content": f"{CONTENT % number} T{stamp:020};"})
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * PER_SECOND)):
            # At a fixed rate, however late the one before was: else a slow answer would lower the load.
            await asyncio.sleep(max(0.0, start + number / PER_SECOND - time.monotonic()))
            group.create_task(one(number))
    for connection in connections:
        connection.close()
    return stamps


@contextmanager
def _reading(listeners: list[Listener]) -> Iterator[None]:
    """A thread that reads what comes, and does nothing else with it than to note when."""
    over = threading.Event()
    thread = threading.Thread(target=_read, args=(listeners, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _read(listeners: list[Listener], over: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            listener.session.connection.setblocking(False)
            selector.register(listener.session.connection, selectors.EVENT_READ, listener)
        while not over.is_set():
            for key, _ in selector.select(0.1):
                listener, received = key.data, key.data.session.received
                data = listener.session.connection.recv(READ_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                    continue
                now = time.monotonic_ns()
                received += data
                end = 0
                for found in _STAMP.finditer(received):
                    listener.receipts[int(found[1])] = now
                    end = found.end()
                del received[:end]
