"""The thirteen fine-grained roles as the stories have them: written down again, to check the product's own table."""

from collections.abc import Mapping
from typing import Final

from services.common.permissions import Permission as P

NOTHING: Final = P(0)
VIEWER: Final = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY
SENDER: Final = P.SEND_MESSAGES | P.SEND_MESSAGES_IN_THREADS | P.CREATE_PUBLIC_THREADS | P.ADD_REACTIONS | P.EMBED_LINKS

FINE_GRAINED_ROLES: Final[Mapping[str, P]] = {
    "administrator": P.ADMINISTRATOR,
    "server manager": P.MANAGE_GUILD | P.VIEW_AUDIT_LOG | P.MANAGE_CHANNELS,
    "role manager": P.MANAGE_ROLES,
    "channel manager": P.MANAGE_CHANNELS | P.MANAGE_THREADS,
    "channel viewer": VIEWER,
    "webhook manager": P.MANAGE_WEBHOOKS,
    "nickname manager": P.MANAGE_NICKNAMES | P.CHANGE_NICKNAME,
    "nickname changer": P.CHANGE_NICKNAME,
    "message sender": SENDER,
    "message manager": P.MANAGE_MESSAGES | P.PIN_MESSAGES | SENDER,
    "file attacher": P.ATTACH_FILES,
    "member manager": P.KICK_MEMBERS | P.BAN_MEMBERS | P.MODERATE_MEMBERS | P.ASSIGN_ROLES,
    "invitation manager": P.CREATE_INSTANT_INVITE,
}


def all_rights_but(*without: P) -> P:
    """Every right of the thirteen roles, less these; never ADMINISTRATOR, whose holder needs no other."""
    rights = NOTHING
    for role in FINE_GRAINED_ROLES.values():
        rights |= role
    for missing in (P.ADMINISTRATOR, *without):
        rights &= ~missing
    return rights
