"""Discord's permission algorithm as published, over plain data: what the permission engine has to agree with.

Source: https://docs.discord.com/developers/topics/permissions (the functions `compute_base_permissions` and
`compute_overwrites`, "Implicit Permissions", and the table's channel types), and the rules of Beep that go beyond it:
a suspended user has nothing, a frozen server is closed to everybody, and private channels. Written without any of the
product's code but the names of the bits.
"""

from dataclasses import dataclass, field

from services.common.permissions import Permission as P

ALL = sum(P)

# The rows of Discord's table that have no channel type, and Beep's own bit.
SERVER_ONLY = (
    P.KICK_MEMBERS
    | P.BAN_MEMBERS
    | P.ADMINISTRATOR
    | P.MANAGE_GUILD
    | P.VIEW_AUDIT_LOG
    | P.VIEW_GUILD_INSIGHTS
    | P.CHANGE_NICKNAME
    | P.MANAGE_NICKNAMES
    | P.MANAGE_GUILD_EXPRESSIONS
    | P.MODERATE_MEMBERS
    | P.VIEW_CREATOR_MONETIZATION_ANALYTICS
    | P.CREATE_GUILD_EXPRESSIONS
    | P.ASSIGN_ROLES
)
NEED_SENDING = P.MENTION_EVERYONE | P.SEND_TTS_MESSAGES | P.ATTACH_FILES | P.EMBED_LINKS
LEFT_BY_MUTE = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY
READ_IN_PRIVATE = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY
WRITE_IN_PRIVATE = P.SEND_MESSAGES | P.EMBED_LINKS | P.ATTACH_FILES | P.ADD_REACTIONS | P.PIN_MESSAGES


@dataclass
class Overwrite:
    allow: int
    deny: int


@dataclass
class Channel:
    roles: dict[int, Overwrite] = field(default_factory=dict)
    members: dict[int, Overwrite] = field(default_factory=dict)


@dataclass
class Thread:
    """https://docs.discord.com/developers/topics/threads#permissions"""

    channel: int
    locked: bool = False


@dataclass
class PrivateChannel:
    """Beep's own rules: who takes part reads, and writes as long as neither of the two has blocked the other."""

    participants: set[int] = field(default_factory=set)
    silenced: bool = False


@dataclass
class Member:
    roles: set[int] = field(default_factory=set)
    muted: bool = False


@dataclass
class Server:
    id: int
    owner: int
    roles: dict[int, int] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    threads: dict[int, Thread] = field(default_factory=dict)
    frozen: bool = False


@dataclass
class Oracle:
    server: Server
    suspended: set[int] = field(default_factory=set)
    private: dict[int, PrivateChannel] = field(default_factory=dict)

    def on_server(self, user: int) -> int | None:
        """All rights on the server, None for who is not a member."""
        if user not in self.server.members:
            return None
        if self.server.frozen or user in self.suspended:
            return 0
        permissions = self._base(user)
        if self.server.members[user].muted and permissions != ALL:
            permissions &= LEFT_BY_MUTE
        return permissions

    def in_private(self, user: int, channel: int) -> int | None:
        """All rights in the private channel, None for who takes no part in it."""
        private = self.private[channel]
        if user not in private.participants:
            return None
        if user in self.suspended:
            return 0
        return READ_IN_PRIVATE if private.silenced else READ_IN_PRIVATE | WRITE_IN_PRIVATE

    def in_channel(self, user: int, channel: int) -> int | None:
        """All rights in the channel or thread, None for who is not a member."""
        if user not in self.server.members:
            return None
        if self.server.frozen or user in self.suspended:
            return 0
        base = self._base(user)
        if base == ALL:
            return ALL
        thread = self.server.threads.get(channel)
        permissions = self._overwritten(base, user, self.server.channels[thread.channel if thread else channel])
        if thread:
            needed = P.SEND_MESSAGES_IN_THREADS | (P.MANAGE_THREADS if thread.locked else 0)
            may_send = permissions & needed == needed
            permissions = permissions & ~P.SEND_MESSAGES | (P.SEND_MESSAGES if may_send else 0)
        if self.server.members[user].muted:
            permissions &= LEFT_BY_MUTE
        if not permissions & P.VIEW_CHANNEL:
            return 0
        if not permissions & P.SEND_MESSAGES:
            permissions &= ~NEED_SENDING
        return permissions

    def _base(self, user: int) -> int:
        server = self.server
        if server.owner == user:
            return ALL
        permissions = server.roles.get(server.id, 0)
        for role in server.members[user].roles:
            permissions |= server.roles.get(role, 0)
        return ALL if permissions & P.ADMINISTRATOR else permissions & ALL

    def _overwritten(self, base: int, user: int, channel: Channel) -> int:
        permissions = base
        everyone = channel.roles.get(self.server.id)
        if everyone:
            permissions = _apply(permissions, everyone.allow, everyone.deny)
        allow = deny = 0
        for role in self.server.members[user].roles:
            if role in self.server.roles and role in channel.roles and role != self.server.id:
                allow |= channel.roles[role].allow
                deny |= channel.roles[role].deny
        permissions = _apply(permissions, allow, deny)
        own = channel.members.get(user)
        if own:
            permissions = _apply(permissions, own.allow, own.deny)
        return permissions


def _apply(permissions: int, allow: int, deny: int) -> int:
    channel_bits = ALL & ~SERVER_ONLY
    return permissions & ~(deny & channel_bits) | (allow & channel_bits)
