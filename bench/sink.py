"""Many WebSockets in one process that only reads: what arrived, in which order, and when the last of it did.

    python -m bench.sink URL SESSIONS FIRST    (reads the tokens, one a line, from standard input)

Plain sockets and one epoll loop: the reader must cost less than the writer that is measured. Frames are kept as they
come and checked after the clock has stopped.
"""

import base64
import json
import os
import re
import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

_MESSAGE: Final = re.compile(rb'"s":(\d+).*?"content":"(\d+) ')
READ_BYTES: Final = 1 << 18


@dataclass
class Socket:
    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)
    frames: int = 0


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
        head += connection.recv(1)
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


def drain(sessions: list[Socket], expected: int, seconds: float) -> float:
    """Reads until every session has `expected` messages. Returns time.monotonic() of the last byte."""
    selector = selectors.DefaultSelector()
    for session in sessions:
        session.connection.setblocking(False)
        selector.register(session.connection, selectors.EVENT_READ, session)
    waiting = len(sessions)
    last, until = time.monotonic(), time.monotonic() + seconds
    marker = b'"t":"MESSAGE_CREATE"'
    while waiting and time.monotonic() < until:
        for key, _ in selector.select(0.2):
            session: Socket = key.data
            try:
                data = session.connection.recv(READ_BYTES)
            except BlockingIOError:
                continue
            before = len(session.received)
            session.received += data
            # A marker may be cut in two by the end of a read.
            session.frames += session.received.count(marker, max(0, before - len(marker) + 1))
            last = time.monotonic()
            if session.frames >= expected or not data:
                selector.unregister(session.connection)
                waiting -= 1
    selector.close()
    return last


def check(sessions: list[Socket], expected: int) -> tuple[int, int]:
    """(lost, reordered) over all sessions: the message numbers must be 0 … expected-1, and `s` rise by one."""
    lost = reordered = 0
    for session in sessions:
        found = [(int(s), int(number)) for s, number in _MESSAGE.findall(bytes(session.received))]
        numbers = [number for _, number in found]
        lost += expected - len(set(numbers))
        reordered += numbers != sorted(numbers)
        sequence = [s for s, _ in found]
        reordered += sequence != list(range(sequence[0], sequence[0] + len(sequence))) if sequence else 0
    return lost, reordered
