"""The rows of servers: settings, channels, roles, members, invitations, bans, webhooks, the audit log."""

from datetime import UTC, datetime, timedelta
from typing import Final

from services.common.permissions import Permission as P
from tests.support.matrix.rows import BEEP, Row
from tests.support.matrix.rules import (
    ALLOWED,
    HIDDEN,
    Both,
    InChannel,
    InServer,
    NobodyInside,
    Open,
    Other,
    OwnerOnly,
    SignedIn,
    Verdict,
)
from tests.support.matrix.subjects import Standing, Subject
from tests.support.refusals import BANNED as BANNED_HERE
from tests.support.refusals import MISSING_PERMISSIONS, OWNER_CANNOT_LEAVE, UNKNOWN_DECISION

SERVER = "/guilds/{server_id}"
CHANNEL = "/channels/{channel_id}"
MEMBER = f"{SERVER}/members/{{user_id}}"
ROLE = f"{SERVER}/roles/{{role_id}}"
BAN = f"{SERVER}/bans/{{user_id}}"
OVERWRITE = f"{CHANNEL}/permissions/{{target_id}}"
BOT = f"{BEEP}/servers/{{server_id}}/bots/{{bot_id}}"
INVITATIONS = f"{BEEP}/servers/{{server_id}}/invitations"
WEBHOOK = "/webhooks/{webhook_id}"
IN_CHANNEL = f"{BEEP}/channels/{{channel_id}}/permissions/{{user_id}}/explain"
ON_SERVER = f"{BEEP}/servers/{{server_id}}/permissions/{{user_id}}/explain"
WHY = "?permission=SEND_MESSAGES"

MEMBERS: Final = InServer()
ONESELF: Final = {"user_id": "oneself"}
GRANDEE: Final = {"user_id": "the grandee"}
LOW_ADMINISTRATOR: Final = {"user_id": "the low administrator"}
NOBODYS_ROLE: Final = {"role_id": "a role that nobody holds"}
HIGH_ROLE: Final = {"role_id": "the high role"}
UNGIVEN_ROLE: Final = {"role_id": "an ungiven role"}
MANAGED_ROLE: Final = {"role_id": "a managed role"}
MUTE: Final = {"communication_disabled_until": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
DOWN: Final = [{"id": "{role_id}", "position": 1}]
UP: Final = [{"id": "{role_id}", "position": 98}]
ADMINISTRATES: Final = InServer(P.ADMINISTRATOR)
ADMINISTRATES_HERE: Final = InChannel(P.ADMINISTRATOR)
EVERYONE: Final = str(int(P.MENTION_EVERYONE))
GIVES_ROLES: Final = InServer(P.MANAGE_ROLES | P.ASSIGN_ROLES)
KEEPS_CHANNELS: Final = InChannel(P.MANAGE_CHANNELS)
KEEPS_OVERWRITES: Final = InChannel(P.MANAGE_CHANNELS | P.MANAGE_ROLES)
KEEPS_WEBHOOKS: Final = InChannel(P.MANAGE_WEBHOOKS)
BANS: Final = InServer(P.BAN_MEMBERS)
SERVER_ID, CHANNEL_ID = frozenset({"server_id"}), frozenset({"channel_id"})
A_MEMBER: Final = {"user_id": "a member"}
BANNED: Final = {"user_id": "somebody banned"}


def _leaves(subject: Subject) -> Verdict:
    if not subject.standing.is_inside:
        return HIDDEN
    return OWNER_CANNOT_LEAVE if subject.standing is Standing.OWNER else ALLOWED


def _comes_in(subject: Subject) -> Verdict:
    """By an invitation: everybody but who is banned, and who is told so."""
    return BANNED_HERE if subject.standing is Standing.BANNED else ALLOWED


def _takes_over(subject: Subject) -> Verdict:
    """Who lets everybody view a channel has to view it."""
    if not subject.standing.is_inside:
        return HIDDEN
    both = P.MANAGE_CHANNELS | P.VIEW_CHANNEL
    return ALLOWED if subject.rights & both == both else MISSING_PERMISSIONS


def _invites_the_banned(subject: Subject) -> Verdict:
    verdict = InServer(P.CREATE_INSTANT_INVITE).verdict(subject)
    return BANNED_HERE if verdict == ALLOWED else verdict


def _looks_up(subject: Subject) -> Verdict:
    """A refusal of somebody else: whoever manages the server; to others there is none."""
    return ALLOWED if subject.standing.is_inside and subject.rights & P.MANAGE_GUILD else UNKNOWN_DECISION


def _revokes_invite(subject: Subject) -> Verdict:
    """Whoever manages the server or the channel."""
    if not subject.standing.is_inside:
        return HIDDEN
    return ALLOWED if subject.rights & (P.MANAGE_GUILD | P.MANAGE_CHANNELS) else MISSING_PERMISSIONS


ROWS: Final = (
    # Nobody reaches above themselves, nor gives what they do not have.
    Row(f"DELETE {MEMBER}", OwnerOnly(), note="above oneself", things=GRANDEE, refused_only=True),
    Row(f"PATCH {MEMBER}", OwnerOnly(), {"nick": "renamed"}, note="nickname above oneself", things=GRANDEE),
    Row(f"PATCH {MEMBER}", OwnerOnly(), MUTE, note="mute above oneself", things=GRANDEE, refused_only=True),
    Row(f"PATCH {MEMBER}", NobodyInside(), MUTE, note="mute an administrator", things=LOW_ADMINISTRATOR),
    Row(f"PUT {BAN}", OwnerOnly(), {}, note="above oneself", things=GRANDEE, refused_only=True),
    Row(f"PUT {BAN}", NobodyInside(), {}, note="oneself", things=ONESELF),
    Row(
        f"PUT {MEMBER}/roles/{{role_id}}", OwnerOnly(), note="a role above oneself", things=HIGH_ROLE, refused_only=True
    ),
    Row(f"PUT {MEMBER}/roles/{{role_id}}", NobodyInside(), note="a bot's own role", things=MANAGED_ROLE),
    Row(f"PATCH {ROLE}", OwnerOnly(), {"name": "above all"}, note="above oneself", things=HIGH_ROLE),
    Row(f"PATCH {SERVER}/roles", OwnerOnly(), DOWN, note="above oneself", things=HIGH_ROLE, refused_only=True),
    Row(f"PATCH {SERVER}/roles", OwnerOnly(), UP, note="up to above oneself"),
    Row(f"DELETE {ROLE}", OwnerOnly(), note="above oneself", things=HIGH_ROLE, refused_only=True),
    Row(f"DELETE {ROLE}", NobodyInside(), note="a bot's own", things=MANAGED_ROLE),
    Row(f"DELETE {ROLE}", NobodyInside(), note="@everyone", things={"role_id": "@everyone"}),
    Row(f"POST {SERVER}/roles", ADMINISTRATES, {"name": "all", "permissions": "8"}, note="more than one has"),
    Row(f"PATCH {ROLE}", ADMINISTRATES, {"permissions": "8"}, note="more than one has", things=NOBODYS_ROLE),
    Row(f"PUT {BOT}", ADMINISTRATES, {"permissions": "8"}, note="more than one has"),
    Row(f"PUT {OVERWRITE}", ADMINISTRATES_HERE, {"type": 1, "allow": EVERYONE}, note="more than one has"),
    Row(f"DELETE {OVERWRITE}", ADMINISTRATES_HERE, note="more than one has", things={"target_id": "a rich overwrite"}),
    Row(
        f"PATCH {CHANNEL}",
        ADMINISTRATES_HERE,
        {"permission_overwrites": [{"id": "{server_id}", "type": 0, "allow": EVERYONE}]},
        note="more than one has",
        fresh=CHANNEL_ID,
    ),
    # The server itself.
    Row("POST /guilds", SignedIn(), {"name": "Another"}),
    Row(f"GET {SERVER}", MEMBERS),
    Row(f"GET {SERVER}/preview", MEMBERS),
    Row(f"PATCH {SERVER}", InServer(P.MANAGE_GUILD), {"name": "Renamed"}),
    Row(f"PATCH {SERVER}", OwnerOnly(), {"owner_id": "{user_id}"}, note="hand over", fresh=SERVER_ID),
    Row(f"DELETE {SERVER}", InServer(P.MANAGE_GUILD), fresh=SERVER_ID),
    Row("GET /users/@me/guilds", SignedIn()),
    Row("DELETE /users/@me/guilds/{server_id}", Other(_leaves), fresh=SERVER_ID),
    Row("GET /users/@me/guilds/{server_id}/member", MEMBERS),
    Row(f"GET {BEEP}/servers/public", SignedIn()),
    Row(f"PUT {BEEP}/servers/{{server_id}}/members/@me", MEMBERS, note="not public"),
    Row(f"GET {SERVER}/audit-logs", InServer(P.VIEW_AUDIT_LOG)),
    # Channels.
    Row(f"GET {SERVER}/channels", MEMBERS),
    Row(f"POST {SERVER}/channels", InServer(P.MANAGE_CHANNELS), {"name": "new"}, fresh=SERVER_ID),
    Row(
        f"POST {SERVER}/channels",
        InServer(P.MANAGE_CHANNELS),
        {"name": "new", "parent_id": "{category_id}"},
        note="in a category",
        fresh=SERVER_ID,
    ),
    Row(f"PATCH {SERVER}/channels", InServer(P.MANAGE_CHANNELS), [{"id": "{channel_id}", "position": 3}]),
    Row(f"GET {CHANNEL}", InChannel(bare=True)),
    Row(f"PATCH {CHANNEL}", KEEPS_CHANNELS, {"topic": "changed"}),
    Row(f"DELETE {CHANNEL}", KEEPS_CHANNELS, fresh=CHANNEL_ID),
    Row(f"PUT {OVERWRITE}", KEEPS_OVERWRITES, {"type": 1, "deny": "0"}),
    Row(f"DELETE {OVERWRITE}", KEEPS_OVERWRITES, things={"target_id": "overwrite"}),
    Row(
        f"PATCH {SERVER}/channels",
        Other(_takes_over, P.MANAGE_CHANNELS),
        [{"id": "{bare_id}", "parent_id": "{category_id}", "lock_permissions": True}],
        note="locked to a category",
        refused_only=True,
    ),
    # Roles.
    Row(f"GET {SERVER}/roles", MEMBERS),
    Row(f"GET {ROLE}", MEMBERS),
    Row(f"POST {SERVER}/roles", InServer(P.MANAGE_ROLES), {"name": "new", "permissions": "0"}),
    Row(f"PATCH {SERVER}/roles", InServer(P.MANAGE_ROLES), [{"id": "{role_id}", "position": 1}]),
    Row(f"PATCH {ROLE}", InServer(P.MANAGE_ROLES), {"name": "renamed"}),
    Row(f"DELETE {ROLE}", InServer(P.MANAGE_ROLES)),
    # Members.
    Row(f"GET {SERVER}/members", MEMBERS),
    Row(f"GET {SERVER}/members/search", MEMBERS, query="?query=ma"),
    Row(f"GET {MEMBER}", MEMBERS),
    Row(f"PUT {MEMBER}/roles/{{role_id}}", GIVES_ROLES, things=UNGIVEN_ROLE),
    Row(f"DELETE {MEMBER}/roles/{{role_id}}", GIVES_ROLES),
    Row(f"PATCH {MEMBER}", GIVES_ROLES, {"roles": []}, note="roles"),
    Row(f"PATCH {MEMBER}", InServer(P.MANAGE_NICKNAMES), {"nick": "renamed"}, note="nickname"),
    Row(f"PATCH {MEMBER}", InServer(P.MODERATE_MEMBERS), MUTE, note="mute"),
    Row(f"PATCH {SERVER}/members/@me", InServer(P.CHANGE_NICKNAME), {"nick": "renamed"}),
    Row(f"DELETE {MEMBER}", InServer(P.KICK_MEMBERS), things=A_MEMBER),
    Row(f"PUT {BOT}", InServer(P.MANAGE_GUILD), {}),
    # Bans.
    Row(f"GET {SERVER}/bans", BANS),
    Row(f"GET {BAN}", BANS, things=BANNED),
    Row(f"PUT {BAN}", BANS, {}, things=A_MEMBER),
    Row(f"PUT {BAN}", BANS, {"delete_message_seconds": 60}, note="with messages", things=A_MEMBER),
    Row(f"DELETE {BAN}", BANS, things=BANNED),
    Row(f"POST {SERVER}/bulk-ban", BANS, {"user_ids": ["{user_id}"]}, things=A_MEMBER),
    # Invitations by link.
    Row(f"GET {SERVER}/invites", InServer(P.CREATE_INSTANT_INVITE | P.MANAGE_GUILD)),
    Row(f"GET {CHANNEL}/invites", InChannel(P.CREATE_INSTANT_INVITE | P.MANAGE_CHANNELS)),
    Row(f"POST {CHANNEL}/invites", InChannel(P.CREATE_INSTANT_INVITE), {}),
    Row("GET /invites/{code}", SignedIn()),
    Row("POST /invites/{code}", Other(_comes_in), {}, joins=True),
    Row("DELETE /invites/{code}", Other(_revokes_invite, P.MANAGE_GUILD | P.MANAGE_CHANNELS)),
    # Invitations by name.
    Row(f"POST {INVITATIONS}", InServer(P.CREATE_INSTANT_INVITE), {"user_id": "{guest_id}"}),
    Row(f"GET {INVITATIONS}", InServer(P.CREATE_INSTANT_INVITE | P.MANAGE_GUILD)),
    Row(f"DELETE {INVITATIONS}/{{invitation_id}}", InServer(P.MANAGE_GUILD)),
    Row(
        f"POST {INVITATIONS}",
        Other(_invites_the_banned, P.CREATE_INSTANT_INVITE),
        {"user_id": "{user_id}"},
        note="somebody banned",
        things=BANNED,
    ),
    # Why.
    Row(f"GET {IN_CHANNEL}", InChannel(P.MANAGE_GUILD), query=WHY),
    Row(f"GET {IN_CHANNEL}", InChannel(P.MANAGE_GUILD, bare=True), query=WHY, note="where roles view"),
    Row(f"GET {IN_CHANNEL}", InServer(), query=WHY, note="about oneself", things=ONESELF),
    Row(f"GET {IN_CHANNEL}", InServer(), query=WHY, note="about oneself, where roles view", things=ONESELF, bare=True),
    Row(f"GET {ON_SERVER}", InServer(P.MANAGE_GUILD), query=WHY),
    Row(f"GET {ON_SERVER}", InServer(), query=WHY, note="about oneself", things=ONESELF),
    Row(f"GET {BEEP}/decisions/{{decision_id}}", Other(_looks_up, P.MANAGE_GUILD)),
    # Webhooks.
    Row(f"GET {CHANNEL}/webhooks", InChannel(P.MANAGE_WEBHOOKS, bare=True), note="where roles view"),
    Row(
        f"PATCH {WEBHOOK}",
        Both((KEEPS_WEBHOOKS, InChannel(P.MANAGE_WEBHOOKS, bare=True))),
        {"channel_id": "{bare_id}"},
        note="to a channel that roles view",
        fresh=CHANNEL_ID,
    ),
    Row(f"POST {CHANNEL}/webhooks", KEEPS_WEBHOOKS, {"name": "new"}, fresh=CHANNEL_ID),
    Row(f"GET {CHANNEL}/webhooks", KEEPS_WEBHOOKS),
    Row(f"GET {SERVER}/webhooks", InServer(P.MANAGE_WEBHOOKS)),
    Row(f"GET {WEBHOOK}", KEEPS_WEBHOOKS, fresh=CHANNEL_ID),
    Row(f"PATCH {WEBHOOK}", KEEPS_WEBHOOKS, {"name": "renamed"}, fresh=CHANNEL_ID),
    Row(f"DELETE {WEBHOOK}", KEEPS_WEBHOOKS, fresh=CHANNEL_ID),
    Row(f"GET {WEBHOOK}/{{webhook_token}}", Open(), fresh=CHANNEL_ID),
    Row(f"PATCH {WEBHOOK}/{{webhook_token}}", Open(), {"name": "renamed"}, fresh=CHANNEL_ID),
    Row(f"DELETE {WEBHOOK}/{{webhook_token}}", Open(), fresh=CHANNEL_ID),
)
