"""What may be said when, on one connection: the gateway's side of the protocol, without any input or output.

    GREETED    HELLO was sent; IDENTIFY or RESUME is due
    STARTING   the token is being verified, the state read and sent; other commands wait
    LIVE       READY and its servers, or RESUMED, were sent
    CLOSED     nothing counts any more

Rules. (1) What a client sends is judged by the table and by nothing else. (2) A heartbeat is answered in every phase:
discord.py sends one before IDENTIFY. (3) Each payload counts against the rate limit, whatever it is. (4) A client
that was silent for an interval is asked for a heartbeat; after one and a half it is taken for dead. (5) `receive` and
`expire` never raise because of what a client did: they answer with effects, the last of which may be `Hangup`.

https://docs.discord.com/developers/events/gateway#connections
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from services.common.limits import GATEWAY_COMMANDS_PER_MINUTE
from services.gateway.domain.close_codes import CloseCode
from services.gateway.domain.frames import (
    HEARTBEAT_ACK,
    HEARTBEAT_REQUEST,
    DecodeError,
    Identify,
    Opcode,
    RequestMembers,
    Resume,
    decode,
)
from services.gateway.domain.intents import are_valid
from services.gateway.domain.presence import PresenceUpdate

RATE_WINDOW: Final = 60.0
ZOMBIE_AFTER: Final = 1.5


class Phase(Enum):
    GREETED = auto()
    STARTING = auto()
    LIVE = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Start:
    identify: Identify


@dataclass(frozen=True, slots=True)
class Continue:
    resume: Resume


@dataclass(frozen=True, slots=True)
class ListMembers:
    request: RequestMembers


@dataclass(frozen=True, slots=True)
class Show:
    """From now on the session shows this."""

    presence: PresenceUpdate


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the connection."""

    code: CloseCode


Effect = Reply | Start | Continue | ListMembers | Show | Hangup
Reaction = Callable[["Conversation", Any], list[Effect]]


class Conversation:
    """One connection's state. `now` is monotonic, in seconds."""

    __slots__ = (
        "_asked",
        "_held",
        "_identify_by",
        "_identify_timeout",
        "_interval",
        "_last_heard",
        "_spent",
        "_window_began",
        "deadline",
        "phase",
    )

    def __init__(self, now: float, *, heartbeat_interval: float, identify_timeout: float) -> None:
        self.phase = Phase.GREETED
        self._interval = heartbeat_interval
        self._identify_timeout = identify_timeout
        self._identify_by = now + identify_timeout
        self._last_heard = now
        self._asked = False
        self._held: list[Effect] = []
        self._window_began = now
        self._spent = 0
        self.deadline = min(self._identify_by, now + heartbeat_interval)
        """`expire` has something to do then, not earlier; it may be moved later by what is received."""

    def receive(self, data: bytes, now: float) -> list[Effect]:
        """React to one message of the client."""
        if self.phase is Phase.CLOSED:
            return []
        self._last_heard = now
        self._asked = False
        if self._exceeds_rate(now):
            return self._hang_up(CloseCode.RATE_LIMITED)
        try:
            op, body = decode(data)
        except DecodeError:
            return self._hang_up(CloseCode.DECODE_ERROR)
        reaction = _TABLE[self.phase].get(op)
        if reaction is None:
            return self._hang_up(CloseCode.UNKNOWN_OPCODE)
        if isinstance(reaction, CloseCode):
            return self._hang_up(reaction)
        return reaction(self, body)

    def receive_control(self, now: float) -> list[Effect]:
        """A ping or pong frame of the WebSocket protocol: a sign of life that counts against the rate limit."""
        if self.phase is Phase.CLOSED:
            return []
        self._last_heard = now
        self._asked = False
        return self._hang_up(CloseCode.RATE_LIMITED) if self._exceeds_rate(now) else []

    def expire(self, now: float) -> list[Effect]:
        """React to time having passed."""
        if self.phase is Phase.CLOSED:
            return []
        silent = now - self._last_heard
        if silent >= self._interval * ZOMBIE_AFTER:
            return self._hang_up(CloseCode.SESSION_TIMED_OUT)
        if self.phase is Phase.GREETED and now >= self._identify_by:
            return self._hang_up(CloseCode.SESSION_TIMED_OUT)
        effects: list[Effect] = []
        if silent >= self._interval and not self._asked:
            self._asked = True
            effects.append(Reply(HEARTBEAT_REQUEST))
        due = self._last_heard + self._interval * (ZOMBIE_AFTER if self._asked else 1.0)
        self.deadline = min(due, self._identify_by) if self.phase is Phase.GREETED else due
        return effects

    def start(self) -> list[Effect]:
        """What READY or RESUMED promises is there: do what was asked for in the meantime."""
        held, self._held = self._held, []
        if self.phase is not Phase.STARTING:
            return []
        self.phase = Phase.LIVE
        return held

    def refuse(self, now: float) -> None:
        """INVALID_SESSION was sent: the client may identify on the same connection."""
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.GREETED
            self._held.clear()
            self._identify_by = now + self._identify_timeout
            self.deadline = min(self.deadline, self._identify_by)

    def close(self) -> None:
        self.phase = Phase.CLOSED

    def _hang_up(self, code: CloseCode) -> list[Effect]:
        self.phase = Phase.CLOSED
        return [Hangup(code)]

    def _exceeds_rate(self, now: float) -> bool:
        if now - self._window_began >= RATE_WINDOW:
            self._window_began = now
            self._spent = 0
        self._spent += 1
        return self._spent > GATEWAY_COMMANDS_PER_MINUTE

    def _heartbeat(self, _sequence: int | None) -> list[Effect]:
        return [Reply(HEARTBEAT_ACK)]

    def _identify(self, identify: Identify) -> list[Effect]:
        if not are_valid(identify.intents):
            return self._hang_up(CloseCode.INVALID_INTENTS)
        if identify.shard is not None and not 0 <= identify.shard[0] < identify.shard[1]:
            return self._hang_up(CloseCode.INVALID_SHARD)
        self.phase = Phase.STARTING
        return [Start(identify)]

    def _resume(self, resume: Resume) -> list[Effect]:
        self.phase = Phase.STARTING
        return [Continue(resume)]

    def _list_members(self, request: RequestMembers) -> list[Effect]:
        return [ListMembers(request)]

    def _show(self, presence: PresenceUpdate) -> list[Effect]:
        return [Show(presence)]

    # What comes while a session begins is held: as many as the rate limit lets through.

    def _hold_members(self, request: RequestMembers) -> list[Effect]:
        self._held.append(ListMembers(request))
        return []

    def _hold_presence(self, presence: PresenceUpdate) -> list[Effect]:
        # Bots set their presence whenever they like, also while they resume; hikari ends for good at 4003.
        self._held.append(Show(presence))
        return []

    def _ignore(self, _body: object) -> list[Effect]:
        return []


# Beep has neither voice nor soundboards.
_IGNORED: Final[dict[int, Reaction | CloseCode]] = dict.fromkeys(
    (Opcode.VOICE_STATE_UPDATE, Opcode.REQUEST_SOUNDBOARD_SOUNDS), Conversation._ignore
)

_TABLE: Final[dict[Phase, dict[int, Reaction | CloseCode]]] = {
    Phase.GREETED: {
        Opcode.HEARTBEAT: Conversation._heartbeat,
        Opcode.IDENTIFY: Conversation._identify,
        Opcode.RESUME: Conversation._resume,
        **dict.fromkeys((*_IGNORED, Opcode.PRESENCE_UPDATE, Opcode.REQUEST_GUILD_MEMBERS), CloseCode.NOT_AUTHENTICATED),
    },
    Phase.STARTING: {
        Opcode.HEARTBEAT: Conversation._heartbeat,
        Opcode.IDENTIFY: CloseCode.ALREADY_AUTHENTICATED,
        Opcode.RESUME: CloseCode.ALREADY_AUTHENTICATED,
        **_IGNORED,
        Opcode.PRESENCE_UPDATE: Conversation._hold_presence,
        Opcode.REQUEST_GUILD_MEMBERS: Conversation._hold_members,
    },
    Phase.LIVE: {
        Opcode.HEARTBEAT: Conversation._heartbeat,
        Opcode.IDENTIFY: CloseCode.ALREADY_AUTHENTICATED,
        Opcode.RESUME: CloseCode.ALREADY_AUTHENTICATED,
        **_IGNORED,
        Opcode.PRESENCE_UPDATE: Conversation._show,
        Opcode.REQUEST_GUILD_MEMBERS: Conversation._list_members,
    },
}
