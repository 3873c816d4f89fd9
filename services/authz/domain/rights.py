"""The one table of rights: every permission bit that Beep knows, and all that is particular about it.

Decisions are made per bit, so Discord clients' own arithmetic agrees with Beep's; a new bit is a new row and nothing
else. Source of bits, names, channel types and implicit denials:
https://docs.discord.com/developers/topics/permissions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from services.common.permissions import Permission


class InPrivate(Enum):
    """What a right means in a private channel; the value is the permission of the engine. The others nobody has."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Right:
    """One permission bit.

    Attributes:
        bit: the permission.
        in_channel: an overwrite of a channel can allow or deny it; elsewhere an overwrite's bit is ignored.
        enforced: Beep has what it permits. The others are stored, computed and returned, and no service asks for them.
        presupposes: without this right in a channel it is not granted there either.
        survives_mute: a muted member keeps it.
        in_private: what it takes to have it in a private channel; None: nobody has it there.
        name: the name in ids of the permission engine.
        mask: the bit as a plain int, because arithmetic with flags is slow.
    """

    bit: Permission
    in_channel: bool = True
    enforced: bool = True
    presupposes: Permission | None = None
    survives_mute: bool = False
    in_private: InPrivate | None = None
    name: str = field(init=False)
    mask: int = field(init=False)

    def __post_init__(self) -> None:
        if self.bit.name is None or self.bit.bit_count() != 1:
            raise ValueError(f"a right is a single named bit, not {self.bit!r}")
        object.__setattr__(self, "name", self.bit.name.lower())
        object.__setattr__(self, "mask", int(self.bit))


def _server(bit: Permission, *, survives_mute: bool = False) -> Right:
    return Right(bit, in_channel=False, survives_mute=survives_mute)


def _stored(bit: Permission, *, in_channel: bool = True) -> Right:
    return Right(bit, in_channel=in_channel, enforced=False)


_P = Permission

RIGHTS: Final[tuple[Right, ...]] = (
    Right(_P.CREATE_INSTANT_INVITE),
    _server(_P.KICK_MEMBERS),
    _server(_P.BAN_MEMBERS),
    # Owner and administrators cannot be muted: a mute must not take away what makes one an administrator.
    _server(_P.ADMINISTRATOR, survives_mute=True),
    Right(_P.MANAGE_CHANNELS),
    _server(_P.MANAGE_GUILD),
    Right(_P.ADD_REACTIONS, in_private=InPrivate.WRITE),
    _server(_P.VIEW_AUDIT_LOG),
    _stored(_P.PRIORITY_SPEAKER),
    _stored(_P.STREAM),
    Right(_P.VIEW_CHANNEL, survives_mute=True, in_private=InPrivate.READ),
    Right(_P.SEND_MESSAGES, in_private=InPrivate.WRITE),
    Right(_P.SEND_TTS_MESSAGES, enforced=False, presupposes=_P.SEND_MESSAGES),
    Right(_P.MANAGE_MESSAGES),
    Right(_P.EMBED_LINKS, presupposes=_P.SEND_MESSAGES, in_private=InPrivate.WRITE),
    Right(_P.ATTACH_FILES, presupposes=_P.SEND_MESSAGES, in_private=InPrivate.WRITE),
    Right(_P.READ_MESSAGE_HISTORY, survives_mute=True, in_private=InPrivate.READ),
    Right(_P.MENTION_EVERYONE, presupposes=_P.SEND_MESSAGES),
    _stored(_P.USE_EXTERNAL_EMOJIS),
    _stored(_P.VIEW_GUILD_INSIGHTS, in_channel=False),
    _stored(_P.CONNECT),
    _stored(_P.SPEAK),
    _stored(_P.MUTE_MEMBERS),
    _stored(_P.DEAFEN_MEMBERS),
    _stored(_P.MOVE_MEMBERS),
    _stored(_P.USE_VAD),
    _server(_P.CHANGE_NICKNAME),
    _server(_P.MANAGE_NICKNAMES),
    Right(_P.MANAGE_ROLES),
    Right(_P.MANAGE_WEBHOOKS),
    _stored(_P.MANAGE_GUILD_EXPRESSIONS, in_channel=False),
    _stored(_P.USE_APPLICATION_COMMANDS),
    _stored(_P.REQUEST_TO_SPEAK),
    _stored(_P.MANAGE_EVENTS),
    Right(_P.MANAGE_THREADS),
    Right(_P.CREATE_PUBLIC_THREADS),
    _stored(_P.CREATE_PRIVATE_THREADS),
    _stored(_P.USE_EXTERNAL_STICKERS),
    Right(_P.SEND_MESSAGES_IN_THREADS),
    _stored(_P.USE_EMBEDDED_ACTIVITIES),
    _server(_P.MODERATE_MEMBERS),
    _stored(_P.VIEW_CREATOR_MONETIZATION_ANALYTICS, in_channel=False),
    _stored(_P.USE_SOUNDBOARD),
    _stored(_P.CREATE_GUILD_EXPRESSIONS, in_channel=False),
    _stored(_P.CREATE_EVENTS),
    _stored(_P.USE_EXTERNAL_SOUNDS),
    _stored(_P.SEND_VOICE_MESSAGES),
    _stored(_P.SET_VOICE_CHANNEL_STATUS),
    _stored(_P.SEND_POLLS),
    _stored(_P.USE_EXTERNAL_APPS),
    Right(_P.PIN_MESSAGES, in_private=InPrivate.WRITE),
    _stored(_P.BYPASS_SLOWMODE),
    _server(_P.ASSIGN_ROLES),
)

BY_BIT: Final[Mapping[int, Right]] = {right.mask: right for right in RIGHTS}

KNOWN: Final[int] = sum(BY_BIT)
"""Every bit that has a row, as one mask."""

VIEW: Final = BY_BIT[_P.VIEW_CHANNEL]
ADMINISTRATOR: Final = BY_BIT[_P.ADMINISTRATOR]
SEND: Final = BY_BIT[_P.SEND_MESSAGES]
SEND_IN_THREADS: Final = BY_BIT[_P.SEND_MESSAGES_IN_THREADS]
MANAGE_THREADS: Final = BY_BIT[_P.MANAGE_THREADS]
MANAGE_SERVER: Final = BY_BIT[_P.MANAGE_GUILD]

MANAGING: Final = int(
    _P.KICK_MEMBERS
    | _P.BAN_MEMBERS
    | _P.ADMINISTRATOR
    | _P.MANAGE_CHANNELS
    | _P.MANAGE_GUILD
    | _P.VIEW_AUDIT_LOG
    | _P.MANAGE_MESSAGES
    | _P.MANAGE_NICKNAMES
    | _P.MANAGE_ROLES
    | _P.MANAGE_WEBHOOKS
    | _P.MANAGE_GUILD_EXPRESSIONS
    | _P.MANAGE_EVENTS
    | _P.MANAGE_THREADS
    | _P.MODERATE_MEMBERS
    | _P.ASSIGN_ROLES
)
"""The bits of what is done to others or to what is everybody's: a denial of one of them is worth a line in the log."""

_MESSAGE_SENDER: Final = (
    _P.SEND_MESSAGES | _P.SEND_MESSAGES_IN_THREADS | _P.CREATE_PUBLIC_THREADS | _P.ADD_REACTIONS | _P.EMBED_LINKS
)

FINE_GRAINED_ROLES: Final[Mapping[str, Permission]] = {
    "administrator": _P.ADMINISTRATOR,
    "server manager": _P.MANAGE_GUILD | _P.VIEW_AUDIT_LOG | _P.MANAGE_CHANNELS,
    "role manager": _P.MANAGE_ROLES,
    "channel manager": _P.MANAGE_CHANNELS | _P.MANAGE_THREADS,
    "channel viewer": _P.VIEW_CHANNEL | _P.READ_MESSAGE_HISTORY,
    "webhook manager": _P.MANAGE_WEBHOOKS,
    "nickname manager": _P.MANAGE_NICKNAMES | _P.CHANGE_NICKNAME,
    "nickname changer": _P.CHANGE_NICKNAME,
    "message sender": _MESSAGE_SENDER,
    "message manager": _P.MANAGE_MESSAGES | _P.PIN_MESSAGES | _MESSAGE_SENDER,
    "file attacher": _P.ATTACH_FILES,
    "member manager": _P.KICK_MEMBERS | _P.BAN_MEMBERS | _P.MODERATE_MEMBERS | _P.ASSIGN_ROLES,
    "invitation manager": _P.CREATE_INSTANT_INVITE,
}
"""The thirteen named sets of bits that the API, the web page and the command line offer as roles."""


def rights_in(mask: int) -> tuple[Right, ...]:
    """The rows of the bits in `mask`, lowest bit first.

    Raises:
        ValueError: a bit has no row; the engine would answer "no" to a misspelt right without a word.
    """
    if mask & ~KNOWN:
        raise ValueError(f"unknown permission bits: {mask & ~KNOWN:#x}")
    return tuple(right for bit, right in BY_BIT.items() if mask & bit)
