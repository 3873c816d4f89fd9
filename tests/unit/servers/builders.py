"""Small servers to try the rules on."""

from typing import Any

from services.common.permissions import Permission
from services.servers.domain.state import (
    ALL_PERMISSIONS,
    Actor,
    Applicant,
    Channel,
    Invitation,
    Member,
    Role,
    ServerState,
)

SERVER = 1000
GENERAL = 2000
OWNER, ADMIN, KEEPER, ANN, BOB = 11, 12, 13, 14, 15
HIGH, MIDDLE, LOW, BOT_ROLE = 100, 101, 102, 103
BOT = 90
NOW = 1_767_225_600_000


def server(**fields: object) -> ServerState:
    """Three roles above each other, a bot's own at the bottom, one channel."""
    state = ServerState(
        id=SERVER,
        name="Lab",
        owner_id=OWNER,
        member_count=6,
        roles=(
            Role(id=SERVER, name="@everyone", permissions=Permission.VIEW_CHANNEL, position=0),
            Role(id=HIGH, name="high", permissions=Permission.ADMINISTRATOR, position=3),
            Role(id=MIDDLE, name="middle", position=2),
            Role(id=LOW, name="low", position=1),
            Role(id=BOT_ROLE, name="bot", position=1, managed=True, bot_id=BOT),
        ),
        channels=(Channel(id=GENERAL, name="general"),),
    )
    return state.changed(**fields) if fields else state


def member(user_id: int, *role_ids: int, **fields: object) -> Member:
    return Member(user_id=user_id, joined_at_ms=NOW, role_ids=tuple(sorted(role_ids)), **fields)  # type: ignore[arg-type]


def actor(user_id: int, *role_ids: int, holds: int = ALL_PERMISSIONS) -> Actor:
    return Actor(user_id, tuple(sorted(role_ids)), holds)


def invitation(invitee_id: int, inviter_id: int = OWNER) -> Invitation:
    return Invitation(
        id=5000 + invitee_id, server_id=SERVER, inviter_id=inviter_id, invitee_id=invitee_id, created_at_ms=NOW
    )


def applicant(user_id: int, **held: Any) -> Applicant:
    return Applicant(user_id, **held)
