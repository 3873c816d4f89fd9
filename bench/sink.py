"""Many WebSockets in one process that only reads: what arrived, in which order, and when.

Plain sockets and one epoll loop, and a pause between two rounds of reading: the reader must cost less than the writer
that is measured. What came is kept as it is and examined after the clock has stopped.
"""

import base64
import json
import os
import re
import resource
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, Final
from urllib.parse import urlsplit

from bench.frames import CONTENT

READ_BYTES: Final = 1 << 18
PAUSE: Final = 0.004
"""Seconds between two rounds. The kernel's buffers hold far more than comes in the meantime."""

# The end of every content: when it is there, so is all of the frame that is examined.
_MARK: Final = CONTENT.split()[-1].encode()
# The author is the only object before the content.
_MESSAGE: Final = re.compile(rb'\{"t":"MESSAGE_CREATE","s":(\d+),"op":0,"d":\{"id":"(\d+)"[^}]*\},"content":"(\d+) ')
_STAMP: Final = re.compile(rb" T(\d{20});")
_STAMP_BYTES: Final = 23


class Incomplete(Exception):
    """A message was lost, doubled or out of order: no figure of such a run means anything."""


@dataclass
class Socket:
    """`sequence`: the last `s` that was examined; None: none yet."""

    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)
    messages: int = 0
    sequence: int | None = None

    def close(self) -> None:
        """With a close frame (1000, masked by zero): a session that was only cut would be kept for its return."""
        self.connection.setblocking(True)
        with suppress(OSError):
            self.connection.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
        self.connection.close()


def allow_sockets(count: int) -> None:
    """Raises the limit of open files, for this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def open_websocket(url: str) -> socket.socket:
    """Connects and upgrades (RFC 6455 §4.1)."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /?v=10&encoding=json HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        byte = connection.recv(1)
        assert byte, f"closed in the handshake: {head!r}"
        head += byte
    assert b" 101 " in head[:32], head
    return connection


def send_text(connection: socket.socket, payload: object) -> None:
    """One masked text frame (RFC 6455 §5.2), as a client must send it. The mask is zero: it hides nothing here."""
    body = json.dumps(payload).encode()
    length = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + len(body).to_bytes(2, "big")
    connection.sendall(b"\x81" + length + b"\0\0\0\0" + body)


def identify(url: str, token: str, intents: int = 1 << 0 | 1 << 9) -> Socket:
    """A session that has had READY and its first GUILD_CREATE."""
    session = Socket(open_websocket(url))
    send_text(session.connection, {"op": 2, "d": {"token": token, "intents": intents, "properties": {}}})
    while b'"t":"GUILD_CREATE"' not in session.received:
        data = session.connection.recv(READ_BYTES)
        assert data, f"closed while identifying: {bytes(session.received[-200:])!r}"
        session.received += data
    session.received.clear()
    return session


def sessions_of(world: dict[str, Any], count: int) -> list[Socket]:
    """So many sessions, in turn of the three of the demo who may view its channel: one user may not have thousands."""
    tokens = cycle([world["users"][0]["token"], world["users"][1]["token"], world["bot"]["token"]])
    return [identify(world["gateway"], token) for token in islice(tokens, count)]


def drain(sessions: Sequence[Socket], expected: int, seconds: float) -> float:
    """Reads until every session has `expected` messages, or the time is up. Returns the CPU seconds that it took."""
    selector = selectors.DefaultSelector()
    for session in sessions:
        session.connection.setblocking(False)
        session.messages = 0
        selector.register(session.connection, selectors.EVENT_READ, session)
    waiting = len(sessions)
    cpu, until = time.process_time(), time.monotonic() + seconds
    while waiting and time.monotonic() < until:
        for key, _ in selector.select(0.2):
            if _read(key.data) and key.data.messages < expected:
                continue
            selector.unregister(key.fileobj)
            waiting -= 1
        time.sleep(PAUSE)
    selector.close()
    return time.process_time() - cpu


def _read(session: Socket) -> bool:
    """False at the end of the stream."""
    data = session.connection.recv(READ_BYTES)
    before = len(session.received)
    session.received += data
    # A mark may be cut in two by the end of a read.
    session.messages += session.received.count(_MARK, max(0, before - len(_MARK) + 1))
    return bool(data)


def check(sessions: Sequence[Socket], expected: int, *, in_order: bool = True) -> None:
    """Every session got every message once, in the order of the ids and with `s` rising by one; forgets them.

    Args:
        sessions: what `drain` has filled.
        expected: messages, numbered from 0 in their contents.
        in_order: the numbers rise too: one sender, one message after the other.

    Raises:
        Incomplete: or not.
    """
    for place, session in enumerate(sessions):
        found = _MESSAGE.findall(session.received)
        sequences, ids, numbers = ([int(match[group]) for match in found] for group in range(3))
        first = session.sequence + 1 if session.sequence is not None else sequences[0] if sequences else 0
        if sorted(numbers) != list(range(expected)):
            lost = expected - len(set(numbers))
            raise Incomplete(f"session {place}: {lost} lost, {len(numbers) - len(set(numbers))} doubled")
        if sequences != list(range(first, first + expected)):
            raise Incomplete(f"session {place}: s does not rise by one: {sequences[:20]}")
        if (in_order and numbers != sorted(numbers)) or ids != sorted(ids):
            raise Incomplete(f"session {place}: reordered")
        session.sequence = sequences[-1]
        session.received.clear()


def latencies(sessions: Sequence[Socket], messages: int, seconds: float) -> list[float]:
    """Reads without pausing; milliseconds from the time that stands in each message to its receipt."""
    selector = selectors.DefaultSelector()
    for session in sessions:
        session.connection.setblocking(False)
        selector.register(session.connection, selectors.EVENT_READ, session)
    taken: list[float] = []
    until = time.monotonic() + seconds
    while len(taken) < len(sessions) * messages and time.monotonic() < until:
        for key, _ in selector.select(0.2):
            session = key.data
            start = len(session.received)
            if not _read(session):
                raise Incomplete("a listener was closed")
            now = time.monotonic_ns()
            taken += [
                (now - int(stamp)) / 1e6 for stamp in _STAMP.findall(session.received, max(0, start + 1 - _STAMP_BYTES))
            ]
    selector.close()
    return taken
