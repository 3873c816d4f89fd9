"""Which events a client asked for: https://docs.discord.com/developers/events/gateway#gateway-intents"""

from collections.abc import Mapping
from enum import IntFlag
from typing import Final


class Intent(IntFlag):
    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_MODERATION = 1 << 2
    GUILD_EXPRESSIONS = 1 << 3
    GUILD_INTEGRATIONS = 1 << 4
    GUILD_WEBHOOKS = 1 << 5
    GUILD_INVITES = 1 << 6
    GUILD_VOICE_STATES = 1 << 7
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15
    GUILD_SCHEDULED_EVENTS = 1 << 16
    AUTO_MODERATION_CONFIGURATION = 1 << 20
    AUTO_MODERATION_EXECUTION = 1 << 21
    GUILD_MESSAGE_POLLS = 1 << 24
    DIRECT_MESSAGE_POLLS = 1 << 25


ALL_INTENTS: Final = (1 << 26) - 1
"""Every bit that is or was an intent: libraries send some that Discord no longer lists."""

_SERVER_EVENTS: Final[Mapping[Intent, str]] = {
    Intent.GUILDS: (
        "GUILD_CREATE GUILD_UPDATE GUILD_DELETE GUILD_ROLE_CREATE GUILD_ROLE_UPDATE GUILD_ROLE_DELETE "
        "CHANNEL_CREATE CHANNEL_UPDATE CHANNEL_DELETE CHANNEL_PINS_UPDATE "
        "THREAD_CREATE THREAD_UPDATE THREAD_DELETE THREAD_LIST_SYNC THREAD_MEMBER_UPDATE"
    ),
    Intent.GUILD_MEMBERS: "GUILD_MEMBER_ADD GUILD_MEMBER_UPDATE GUILD_MEMBER_REMOVE THREAD_MEMBERS_UPDATE",
    Intent.GUILD_MODERATION: "GUILD_AUDIT_LOG_ENTRY_CREATE GUILD_BAN_ADD GUILD_BAN_REMOVE",
    Intent.GUILD_EXPRESSIONS: "GUILD_EMOJIS_UPDATE GUILD_STICKERS_UPDATE",
    Intent.GUILD_INTEGRATIONS: "GUILD_INTEGRATIONS_UPDATE INTEGRATION_CREATE INTEGRATION_UPDATE INTEGRATION_DELETE",
    Intent.GUILD_WEBHOOKS: "WEBHOOKS_UPDATE",
    Intent.GUILD_INVITES: "INVITE_CREATE INVITE_DELETE",
    Intent.GUILD_PRESENCES: "PRESENCE_UPDATE",
    Intent.GUILD_MESSAGES: "MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE MESSAGE_DELETE_BULK",
    Intent.GUILD_MESSAGE_REACTIONS: (
        "MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE MESSAGE_REACTION_REMOVE_ALL MESSAGE_REACTION_REMOVE_EMOJI"
    ),
    Intent.GUILD_MESSAGE_TYPING: "TYPING_START",
}

_PRIVATE_EVENTS: Final[Mapping[Intent, str]] = {
    Intent.DIRECT_MESSAGES: ("MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE MESSAGE_DELETE_BULK CHANNEL_PINS_UPDATE"),
    Intent.DIRECT_MESSAGE_REACTIONS: (
        "MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE MESSAGE_REACTION_REMOVE_ALL MESSAGE_REACTION_REMOVE_EMOJI"
    ),
    Intent.DIRECT_MESSAGE_TYPING: "TYPING_START",
}

ALWAYS: Final = 0
NOBODY: Final = 1 << 62
"""No client can ask for this bit."""

_PRIVATE_ALWAYS: Final = (
    "CHANNEL_CREATE CHANNEL_UPDATE CHANNEL_DELETE CHANNEL_RECIPIENT_ADD CHANNEL_RECIPIENT_REMOVE "
    "MESSAGE_ACK PRESENCE_UPDATE RELATIONSHIP_ADD RELATIONSHIP_REMOVE "
    "SERVER_INVITATION_CREATE SERVER_INVITATION_DELETE USER_UPDATE"
)
"""What a user is told of their own account, friends and private channels, whatever their client asked for. Whether a
bot is told is for the event's producer to say."""


def _by_event(events: Mapping[Intent, str]) -> dict[str, int]:
    return {event: int(intent) for intent, names in events.items() for event in names.split()}


_IN_SERVERS: Final[Mapping[str, int]] = _by_event(_SERVER_EVENTS)
_IN_PRIVATE: Final[Mapping[str, int]] = _by_event(_PRIVATE_EVENTS) | dict.fromkeys(_PRIVATE_ALWAYS.split(), ALWAYS)


EVENTS: Final = _IN_SERVERS.keys() | _IN_PRIVATE.keys()
"""Every event that reaches a client from the bus."""


def needed_intent(event: str) -> int:
    """The intent that this event of a server needs. An event that nobody has thought of reaches nobody."""
    return _IN_SERVERS.get(event, NOBODY)


def wants(intents: int, event: str) -> bool:
    """Whether a client that asked for `intents` gets this event of a server."""
    return intents & needed_intent(event) != 0


def wants_in_private(intents: int, event: str) -> bool:
    """Whether it gets this event of its user: of a private channel, a friend, the account."""
    needed = _IN_PRIVATE.get(event, NOBODY)
    return needed == ALWAYS or intents & needed != 0


def are_valid(intents: int) -> bool:
    return 0 <= intents <= ALL_INTENTS
