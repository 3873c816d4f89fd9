"""One WebSocket: bytes in, `Conversation` and its effects, bytes out.

The handshake and what clients send go through `websockets`' protocol without input or output; dispatches do not: the
hub writes their finished frames straight to the transport. Nothing here waits.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qs

from websockets.frames import CloseCode as WebSocketCode
from websockets.frames import Frame
from websockets.frames import Opcode as FrameOpcode
from websockets.http11 import Request
from websockets.protocol import CONNECTING, SEND_EOF
from websockets.server import ServerProtocol

from services.common.clock import Clock
from services.common.limits import GATEWAY_FRAME_BYTES
from services.gateway.compression import STREAMS, Stream
from services.gateway.config import Settings
from services.gateway.domain.close_codes import REASONS, CloseCode
from services.gateway.domain.conversation import (
    Continue,
    Conversation,
    Effect,
    Hangup,
    ListMembers,
    Reply,
    Show,
    Start,
)
from services.gateway.domain.frames import (
    BINARY,
    INVALID_SESSION,
    TEXT,
    Dispatch,
    Identify,
    RequestMembers,
    Resume,
    frame_header,
    hello,
)
from services.gateway.domain.presence import PresenceUpdate
from services.gateway.session import Session

# What is read at once is parsed in slices, so that a flood is noticed before all of it has been.
_SLICE: Final = 4096
# No library splits what it sends; and empty fragments would count against no other limit.
_MAX_FRAGMENTS: Final = 64
API_VERSION: Final = "10"
# Closing with one of these, a client says that it will not resume.
_FAREWELL: Final = frozenset({WebSocketCode.NORMAL_CLOSURE, WebSocketCode.GOING_AWAY})


class Hub(Protocol):
    """What a connection tells the hub."""

    def connected(self, connection: "Connection") -> None: ...
    def disconnected(self, connection: "Connection", *, for_good: bool) -> None: ...
    def writable_again(self, session: Session) -> None: ...


class Requests(Protocol):
    """What clients ask for that takes time. None of these waits; the answers come over the connection."""

    def start(self, connection: "Connection", identify: Identify) -> None: ...
    def resume(self, connection: "Connection", resume: Resume) -> None: ...
    def list_members(self, connection: "Connection", request: RequestMembers) -> None: ...
    def show(self, connection: "Connection", presence: PresenceUpdate) -> None: ...


class _WebSocket(ServerProtocol):
    """Closes with the gateway's code where `websockets` would use its own."""

    def fail(self, code: WebSocketCode | int, reason: str = "") -> None:
        if code == WebSocketCode.MESSAGE_TOO_BIG:
            code, reason = CloseCode.DECODE_ERROR, REASONS[CloseCode.DECODE_ERROR]
        super().fail(code, reason)


class Connection(asyncio.Protocol):
    """Lives as long as the socket; the session outlives it."""

    __slots__ = (
        "_clock",
        "_fragments",
        "_hub",
        "_lost",
        "_requests",
        "_settings",
        "_stream",
        "_transport",
        "_websocket",
        "conversation",
        "deadline",
        "fetching",
        "live",
        "sent",
        "session",
        "stalled_since",
        "unlogged",
        "waiters",
        "writable",
    )

    def __init__(self, hub: Hub, requests: Requests, clock: Clock, settings: Settings) -> None:
        self._hub = hub
        self._requests = requests
        self._clock = clock
        self._settings = settings
        self._websocket = _WebSocket(max_size=GATEWAY_FRAME_BYTES)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._lost = False
        self._stream: Stream | None = None
        self._fragments: list[bytes] = []
        self.conversation: Conversation | None = None
        self.session: Session | None = None
        self.deadline = 0.0
        """When `expire` has something to do, monotonic."""
        self.writable = False
        """The transport takes more and the gateway has not hung up."""
        self.stalled_since = 0.0
        self.sent = 0
        """The last sequence number that was written; exact whenever the session's `write` is None."""
        self.live = False
        """Everything that the client had missed was sent once."""
        self.fetching = False
        self.unlogged: dict[int, Dispatch] = {}
        """Dispatches that are in no log, until they are written."""
        self.waiters: list[asyncio.Future[None]] = []

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.writable = True
        self.deadline = self._clock.monotonic() + self._settings.handshake_timeout
        self._hub.connected(self)

    def data_received(self, data: bytes) -> None:
        if len(data) <= _SLICE:
            self._receive(data)
            return
        for start in range(0, len(data), _SLICE):
            self._receive(data[start : start + _SLICE])

    def eof_received(self) -> None:
        self._websocket.receive_eof()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        received = self._websocket.close_rcvd
        self._lost = True
        self._stop()
        self._hub.disconnected(self, for_good=received is not None and received.code in _FAREWELL)

    def pause_writing(self) -> None:
        self.writable = False
        self.stalled_since = self._clock.monotonic()
        session = self.session
        if session is not None and session.write is not None:
            session.write = None
            self.sent = session.seq

    def resume_writing(self) -> None:
        if self.closed:
            return
        self.writable = True
        if self.session is not None:
            self._hub.writable_again(self.session)
        self._wake()

    # for the hub and whoever answers requests

    @property
    def closed(self) -> bool:
        """Nothing can be written any more: the gateway has hung up, or the socket is gone."""
        return self._lost or self._websocket.eof_sent

    @property
    def compresses(self) -> bool:
        return self._stream is not None

    @property
    def write(self) -> Any:
        """The transport's own method, for the hot loop: bytes in, nothing out, never waits."""
        return self._transport.write

    def send_payload(self, payload: bytes) -> None:
        """A payload that is no dispatch."""
        if not self.closed:
            self._transport.write(self._frame(payload))

    def send_dispatches(self, first: int, dispatches: Sequence[Dispatch]) -> None:
        """Write these, numbered from `first`, at once."""
        if self._stream is None:
            frames = [dispatch.frame(number) for number, dispatch in enumerate(dispatches, first)]
        else:
            frames = [self._frame(dispatch.payload(number)) for number, dispatch in enumerate(dispatches, first)]
        # Before the write, which may call `pause_writing`.
        self.sent = first + len(dispatches) - 1
        self._transport.write(b"".join(frames))

    def begin(self) -> None:
        """READY and its servers were sent, or RESUMED is about to be: commands are welcome, and what waits is done."""
        if self.conversation is not None:
            self._perform(self.conversation.start())

    def refuse_session(self) -> None:
        """INVALID_SESSION: nothing to resume; the client may identify."""
        self.send_payload(INVALID_SESSION)
        if self.conversation is not None:
            self.conversation.refuse(self._clock.monotonic())

    def hang_up(self, code: CloseCode) -> None:
        """Say why, and close; what was written before is still delivered to a client that reads."""
        if self.closed:
            return
        if self._websocket.state is CONNECTING:
            self._transport.abort()
            return
        self._websocket.fail(code, REASONS[code])
        self._flush()

    def expire(self, now: float) -> None:
        """Do what time demands, and set the next `deadline`."""
        if self.closed or self.conversation is None:
            # A client that was told and does not go, or a handshake that does not come.
            self._transport.abort()
        elif not self.writable and now - self.stalled_since >= self._settings.stalled_after:
            self.hang_up(CloseCode.UNKNOWN_ERROR)
        else:
            self._perform(self.conversation.expire(now))
            if not self.closed:
                self.deadline = self.conversation.deadline

    def abort(self) -> None:
        """Close without a word."""
        self._transport.abort()

    async def until_writable(self) -> None:
        """Wait until the client has taken what was sent. Returns at once when the connection is over."""
        while not self.writable and not self.closed:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            await waiter

    # private

    def _receive(self, data: bytes) -> None:
        if self._websocket.eof_sent and self._websocket.state is CONNECTING:
            return
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._receive_frame(event)
        self._flush()

    def _shake_hands(self, request: Request) -> None:
        response = self._websocket.accept(request)
        self._websocket.send_response(response)
        self._flush()
        if response.status_code != 101:
            return
        now = self._clock.monotonic()
        self.conversation = Conversation(
            now,
            heartbeat_interval=self._settings.heartbeat_interval,
            identify_timeout=self._settings.identify_timeout,
        )
        self.deadline = self.conversation.deadline
        # Cut by hand: the parsers of whole URLs raise for some that HTTP lets through.
        query = request.path.partition("?")[2]
        asked = {key: values[0] for key, values in parse_qs(query).items()}
        if asked.get("v", API_VERSION) != API_VERSION:
            self.hang_up(CloseCode.INVALID_API_VERSION)
        elif asked.get("encoding", "json") != "json":
            self.hang_up(CloseCode.DECODE_ERROR)
        else:
            open_stream = STREAMS.get(asked.get("compress", ""))
            if open_stream is not None:
                self._stream = open_stream()
            self.send_payload(hello(round(self._settings.heartbeat_interval * 1000)))

    def _receive_frame(self, frame: Frame) -> None:
        if self.conversation is None or self.closed:
            return
        if frame.opcode in (FrameOpcode.PING, FrameOpcode.PONG):
            self._perform(self.conversation.receive_control(self._clock.monotonic()))
        elif frame.opcode is not FrameOpcode.CLOSE:
            data: bytes = bytes(frame.data)
            if not frame.fin or self._fragments:
                self._fragments.append(data)
                if len(self._fragments) > _MAX_FRAGMENTS:
                    self.hang_up(CloseCode.DECODE_ERROR)
                    return
                if not frame.fin:
                    return
                data = b"".join(self._fragments)
                self._fragments.clear()
            self._perform(self.conversation.receive(data, self._clock.monotonic()))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Reply(payload):
                    self.send_payload(payload)
                case Start(identify):
                    self._requests.start(self, identify)
                case Continue(resume):
                    self._requests.resume(self, resume)
                case ListMembers(request):
                    self._requests.list_members(self, request)
                case Show(presence):
                    self._requests.show(self, presence)
                case Hangup(code):
                    self.hang_up(code)

    def _flush(self) -> None:
        """Write what the WebSocket protocol has to say."""
        for data in self._websocket.data_to_send():
            if data != SEND_EOF:
                self._transport.write(data)
            else:
                self._stop()
                self.deadline = self._clock.monotonic() + self._settings.lingering
                # The other side is read on: closing over unread bytes would reset the connection, and a client
                # in the middle of a large frame would never learn why.
                self._transport.write_eof()

    def _stop(self) -> None:
        self.writable = False
        if self.conversation is not None:
            self.conversation.close()
        session = self.session
        if session is not None and session.write is not None:
            session.write = None
            self.sent = session.seq
        self.unlogged.clear()
        self._wake()

    def _wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _frame(self, payload: bytes) -> bytes:
        if self._stream is None:
            return frame_header(TEXT, len(payload)) + payload
        data = self._stream.pack(payload)
        return frame_header(BINARY, len(data)) + data
