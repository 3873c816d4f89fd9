"""What a connection does when its socket goes away in the middle of something."""

import asyncio

import pytest

from services.gateway.config import Settings
from services.gateway.connection import Connection
from services.gateway.domain.frames import Identify, RequestMembers, Resume
from services.gateway.session import Session
from tests.support.clock import ManualClock


class Transport(asyncio.Transport):
    """Takes what is written until it is gone; then, as uvloop's, it refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.gone:
            raise RuntimeError("unable to perform operation on a closed transport")

    def write_eof(self) -> None:
        self.write(b"")

    def abort(self) -> None:
        self.gone = True


class Nobody:
    """A hub, and whoever answers requests, who do nothing."""

    def connected(self, connection: Connection) -> None: ...
    def disconnected(self, connection: Connection, *, for_good: bool) -> None: ...
    def writable_again(self, session: Session) -> None: ...
    def start(self, connection: Connection, identify: Identify) -> None: ...
    def resume(self, connection: Connection, resume: Resume) -> None: ...
    def list_members(self, connection: Connection, request: RequestMembers) -> None: ...


HANDSHAKE = (
    b"GET /?v=10 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def connection(transport: Transport) -> Connection:
    made = Connection(Nobody(), Nobody(), ManualClock(), Settings())
    made.connection_made(transport)
    made.data_received(HANDSHAKE)
    return made


async def test_whoever_waits_for_a_slow_client_goes_on_when_its_socket_is_reset(
    connection: Connection, transport: Transport
) -> None:
    connection.pause_writing()
    waiting = asyncio.create_task(connection.until_writable())
    await asyncio.sleep(0)
    transport.abort()
    connection.connection_lost(ConnectionResetError())
    async with asyncio.timeout(1):
        await waiting


async def test_nothing_is_written_when_the_socket_is_gone(connection: Connection, transport: Transport) -> None:
    transport.abort()
    connection.connection_lost(ConnectionResetError())
    connection.refuse_session()
    connection.expire(1e9)
