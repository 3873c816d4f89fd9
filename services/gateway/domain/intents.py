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

_EVENTS: Final[Mapping[Intent, str]] = {
    Intent.GUILDS: (
        "GUILD_CREATE GUILD_UPDATE GUILD_DELETE GUILD_ROLE_CREATE GUILD_ROLE_UPDATE GUILD_ROLE_DELETE "
        "CHANNEL_CREATE CHANNEL_UPDATE CHANNEL_DELETE CHANNEL_PINS_UPDATE"
    ),
    Intent.GUILD_MEMBERS: "GUILD_MEMBER_ADD GUILD_MEMBER_UPDATE GUILD_MEMBER_REMOVE",
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

_NEEDED: Final[Mapping[str, int]] = {
    event: int(intent) for intent, events in _EVENTS.items() for event in events.split()
}

ALWAYS: Final = 0


def needed_intent(event: str) -> int:
    """The intent that this event of a server needs; `ALWAYS` (0) if clients get it whatever they asked for."""
    return _NEEDED.get(event, ALWAYS)


def wants(intents: int, event: str) -> bool:
    needed = needed_intent(event)
    return needed == ALWAYS or intents & needed != 0


def are_valid(intents: int) -> bool:
    return 0 <= intents <= ALL_INTENTS
