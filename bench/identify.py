"""Many sessions that begin at once: after a deploy everybody comes back in the same second."""

import selectors
import time
from itertools import cycle, islice
from typing import Any, Final

from bench.measure import Figures, cpu_seconds
from bench.sink import READ_BYTES, Incomplete, Socket, open_websocket, send_text

SECONDS: Final = 60.0
# GUILDS, GUILD_MESSAGES and GUILD_PRESENCES: a GUILD_CREATE with presences in it.
_INTENTS: Final = 1 << 0 | 1 << 9 | 1 << 8
_LAST: Final = b'"t":"GUILD_CREATE"'


def identify_together(world: dict[str, Any], pid: int, count: int) -> Figures:
    """One run: `count` connections that are open already identify at once, until each has had its GUILD_CREATE."""
    tokens = cycle([world["users"][0]["token"], world["users"][1]["token"], world["bot"]["token"]])
    sessions = [Socket(open_websocket(world["gateway"])) for _ in range(count)]
    selector = selectors.DefaultSelector()
    used, start = cpu_seconds(pid), time.monotonic()
    for session, token in zip(sessions, islice(tokens, count), strict=True):
        send_text(session.connection, {"op": 2, "d": {"token": token, "intents": _INTENTS, "properties": {}}})
        selector.register(session.connection, selectors.EVENT_READ, session)
    waiting = count
    while waiting and time.monotonic() < start + SECONDS:
        for key, _ in selector.select(0.2):
            session = key.data
            data = session.connection.recv(READ_BYTES)
            session.received += data
            if not data or _LAST in session.received:
                selector.unregister(key.fileobj)
                waiting -= 1
    wall, used = time.monotonic() - start, cpu_seconds(pid) - used
    selector.close()
    missing = sum(_LAST not in session.received for session in sessions)
    for session in sessions:
        session.close()
    if missing:
        raise Incomplete(f"{missing} of {count} sessions had no GUILD_CREATE")
    return {"cpu_us_a_session": used / count * 1e6, "all_after_ms": wall * 1000}
