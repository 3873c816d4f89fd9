"""Payloads as they cross the socket: what clients send, decoded and bounded, and what they get.

https://docs.discord.com/developers/events/gateway-events#payload-structure. Clients send JSON in text or binary frames
(hikari sends binary ones) of at most 4,096 bytes; unknown fields are ignored, wrong types are refused.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from services.common.limits import GATEWAY_FRAME_BYTES
from services.common.snowflake import parse_snowflake
from services.gateway.domain.intents import ALL_INTENTS
from services.gateway.domain.presence import PresenceUpdate


class Opcode(IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11
    REQUEST_SOUNDBOARD_SOUNDS = 31


class DecodeError(Exception):
    """The payload is not what its opcode promises."""


class _Payload(Struct):
    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")


class Identify(Struct):
    """Op 2. `large_threshold` and `compress` are accepted and decide nothing: compression is chosen in the URL, for
    the whole connection. A client that names no intents, as people's do, gets all."""

    token: str
    intents: int = ALL_INTENTS
    shard: tuple[int, int] | None = None
    presence: PresenceUpdate | None = None
    properties: Any = None


class Resume(Struct):
    """Op 6."""

    token: str
    session_id: str
    seq: int


class RequestMembers(Struct):
    """Op 8. Ids come as strings, or (from discord.py) as numbers; the guild also as a list of one."""

    guild_id: str | int | list[str | int]
    query: str | None = None
    limit: int = 0
    user_ids: str | int | list[str | int] | UnsetType = UNSET
    presences: bool = False
    nonce: str | None = None

    @property
    def server_id(self) -> int:
        """Raises DecodeError."""
        wanted = self.guild_id if isinstance(self.guild_id, list) else [self.guild_id]
        if len(wanted) != 1:
            raise DecodeError("one guild at a time")
        return _id(wanted[0])

    @property
    def wanted_ids(self) -> list[int] | None:
        """None: not asked by id. Raises DecodeError."""
        if self.user_ids is UNSET:
            return None
        wanted = self.user_ids if isinstance(self.user_ids, list) else [self.user_ids]
        return [_id(value) for value in wanted]


def _id(value: str | int) -> int:
    try:
        return parse_snowflake(value)
    except ValueError as error:
        raise DecodeError(str(error)) from None


_decode_payload: Final = msgspec.json.Decoder(_Payload).decode
_decode_identify: Final = msgspec.json.Decoder(Identify).decode
_decode_resume: Final = msgspec.json.Decoder(Resume).decode
_decode_members: Final = msgspec.json.Decoder(RequestMembers).decode
_decode_presence: Final = msgspec.json.Decoder(PresenceUpdate).decode
_decode_heartbeat: Final = msgspec.json.Decoder(int | None).decode

_BODIES: Final[Mapping[int, Callable[[msgspec.Raw], Any]]] = {
    Opcode.HEARTBEAT: _decode_heartbeat,
    Opcode.IDENTIFY: _decode_identify,
    Opcode.PRESENCE_UPDATE: _decode_presence,
    Opcode.RESUME: _decode_resume,
    Opcode.REQUEST_GUILD_MEMBERS: _decode_members,
}


def decode(data: bytes) -> tuple[int, Any]:
    """The opcode of a client's payload and its body; the body of an opcode that takes none of ours is None.

    Raises:
        DecodeError: too large, no JSON, no opcode, or a body of the wrong shape. Never anything else.
    """
    if len(data) > GATEWAY_FRAME_BYTES:
        raise DecodeError("payload too large")
    try:
        payload = _decode_payload(data)
        decode_body = _BODIES.get(payload.op)
        body = None if decode_body is None else decode_body(payload.d)
        if isinstance(body, RequestMembers):
            _ = body.server_id, body.wanted_ids
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(str(error)) from None
    return payload.op, body


def hello(heartbeat_interval_ms: int) -> bytes:
    return b'{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":%d,"_trace":[]}}' % heartbeat_interval_ms


HEARTBEAT_REQUEST: Final = b'{"t":null,"s":null,"op":1,"d":null}'
HEARTBEAT_ACK: Final = b'{"t":null,"s":null,"op":11,"d":null}'
# `d` says whether the session may be resumed; null would crash discord.js.
INVALID_SESSION: Final = b'{"t":null,"s":null,"op":9,"d":false}'

TEXT: Final = 0x81  # FIN and opcode (RFC 6455 §5.2); the server does not mask
BINARY: Final = 0x82


def frame_header(kind: int, length: int) -> bytes:
    """The WebSocket header of an unfragmented frame from the server (RFC 6455 §5.2)."""
    if length < 126:
        return bytes((kind, length))
    if length < 1 << 16:
        return b"%c\x7e%b" % (kind, length.to_bytes(2, "big"))
    return b"%c\x7f%b" % (kind, length.to_bytes(8, "big"))


# No session lives to have a sequence number of more digits.
_MAX_DIGITS: Final = 12


class Dispatch:
    """An event, ready to be written to any number of sessions: only the sequence number is each one's own.

    A frame is `prefixes[number of digits] + digits + tail`; `prefixes` differ in the length that stands in the
    WebSocket header.
    """

    __slots__ = ("head", "offset", "prefixes", "tail")

    def __init__(self, name: str, body: bytes, offset: int) -> None:
        """`offset` is the event's place in the bus, or one of the marks of `services.gateway.domain.replay`."""
        self.offset = offset
        self.head = b'{"t":"%b","s":' % name.encode()
        self.tail = b',"op":0,"d":%b}' % body
        size = len(self.head) + len(self.tail)
        self.prefixes = tuple(frame_header(TEXT, size + digits) + self.head for digits in range(_MAX_DIGITS + 1))

    @property
    def size(self) -> int:
        return len(self.tail)

    def frame(self, sequence: int) -> bytes:
        """The whole text frame."""
        digits = b"%d" % sequence
        return b"".join((self.prefixes[len(digits)], digits, self.tail))

    def payload(self, sequence: int) -> bytes:
        """The JSON alone, for a connection that compresses it."""
        return b"%b%d%b" % (self.head, sequence, self.tail)
