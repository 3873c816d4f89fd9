"""What a client knows: it begins with READY and GUILD_CREATE, and applies every event that comes behind.

Two models that should know the same are compared by `knowledge`. What it leaves out, it says why.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from services.common.snowflake import at_ms

Object = dict[str, Any]

# They change nothing that a client keeps from its beginning on.
UNKEPT: Final = (
    "RESUMED TYPING_START CHANNEL_PINS_UPDATE WEBHOOKS_UPDATE INVITE_CREATE INVITE_DELETE GUILD_BAN_ADD "
    "GUILD_BAN_REMOVE GUILD_AUDIT_LOG_ENTRY_CREATE MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE "
    "MESSAGE_REACTION_REMOVE_ALL MESSAGE_REACTION_REMOVE_EMOJI THREAD_MEMBER_UPDATE GUILD_MEMBERS_CHUNK"
)
MENTIONS_COUNTED: Final = 100
UNKNOWABLE: Final = object()
"""Equal to everything."""


@dataclass
class Server:
    """`fields` are those of the guild itself."""

    fields: Object
    roles: dict[str, Object]
    channels: dict[str, Object]
    threads: dict[str, Object]
    members: dict[str, Object]
    presences: dict[str, Object]


@dataclass
class Conversation:
    """What is known of the messages of one channel."""

    last: int = 0
    read: int = 0
    mentioning: dict[int, Object] = field(default_factory=dict)
    """Messages that mention somebody."""
    newest_is_unknown: bool = False
    read_is_unknown: bool = False
    """It was read elsewhere, or before, or never."""
    counted_before: int = 0
    """Unread messages that mention the user, of which READY told no more than how many there are."""
    began_unseen: bool = False
    """There may be messages in it that were never told of, and mention the user."""
    acknowledged: bool = False
    """The newest that is known of reading is an acknowledgement. That comes by the user's shard and a message by the
    server's: whether one's own next message was sent before or after it, a client cannot tell."""


class ClientModel:
    def __init__(self) -> None:
        self.user: Object = {}
        self.servers: dict[str, Server] = {}
        self.relationships: dict[str, Object] = {}
        self.private_channels: dict[str, Object] = {}
        self.friends_presences: dict[str, Object] = {}
        self.invitations: dict[str, Object] = {}
        self.conversations: defaultdict[str, Conversation] = defaultdict(Conversation)
        self._awaited: set[str] = set()
        """Servers that READY has named, and whose GUILD_CREATE is to come."""

    def apply(self, name: str, body: Object) -> None:
        if name in UNKEPT.split():
            self._check_place(name, body)
            return
        handler: Callable[[Object], None] | None = getattr(self, f"_{name.lower()}", None)
        assert handler is not None, f"no client knows what to do with {name}"
        handler(body)

    def apply_all(self, dispatches: Iterable[Object]) -> None:
        for dispatch in dispatches:
            self.apply(dispatch["t"], dispatch["d"])

    def _check_place(self, name: str, body: Object) -> None:
        """Nobody is told of a place that they do not see."""
        server_id = body.get("guild_id")
        if server_id is None:
            return
        server = self._server(name, server_id)
        channel_id = body.get("channel_id")
        if channel_id is not None:
            assert channel_id in server.channels or channel_id in server.threads, f"{name} in a hidden channel"

    def _server(self, name: str, server_id: str) -> Server:
        assert server_id in self.servers, f"{name} of a server that the user is not in"
        return self.servers[server_id]

    # the beginning

    def _ready(self, body: Object) -> None:
        self.__init__()  # type: ignore[misc]  # READY replaces all that was known
        self.user = body["user"]
        self._awaited = {server["id"] for server in body["guilds"]}
        self.relationships = by_id(body.get("relationships", []))
        self.private_channels = by_id(body["private_channels"])
        self.friends_presences = {shown["user"]["id"]: shown for shown in body.get("presences", [])}
        self.invitations = by_id(body.get("invitations", []))
        for channel in self.private_channels.values():
            self.conversations[channel["id"]].last = int(channel["last_message_id"] or 0)
        for entry in body.get("read_state", {}).get("entries", []):
            conversation = self.conversations[entry["id"]]
            conversation.read = int(entry["last_message_id"] or 0)
            conversation.counted_before = entry["mention_count"]

    def _guild_create(self, body: Object) -> None:
        lists = {"roles", "channels", "threads", "members", "presences"}
        self.servers[body["id"]] = Server(
            fields={key: value for key, value in body.items() if key not in lists},
            roles=by_id(body["roles"]),
            channels=by_id(body["channels"]),
            threads=by_id(body["threads"]),
            members={member["user"]["id"]: member for member in body["members"]},
            presences={shown["user"]["id"]: shown for shown in body["presences"]},
        )
        joined_later = body["id"] not in self._awaited
        self._awaited.discard(body["id"])
        for channel in (*body["channels"], *body["threads"]):
            self._meet(channel, joined_later)

    def _meet(self, channel: Object, later: bool) -> None:
        conversation, told = self.conversations[channel["id"]], int(channel["last_message_id"] or 0)
        known = 0
        if "guild_id" not in channel:
            # A message may open the channel, and then comes before it.
            known = conversation.last
            conversation.read_is_unknown |= later and told > known and not conversation.read
        conversation.last, conversation.newest_is_unknown = max(told, known), False
        conversation.began_unseen |= later and told > known

    # servers

    def _guild_update(self, body: Object) -> None:
        server = self._server("GUILD_UPDATE", body["id"])
        server.roles = by_id(body["roles"])
        server.fields |= {key: value for key, value in body.items() if key != "roles"}

    def _guild_delete(self, body: Object) -> None:
        assert not body.get("unavailable")
        assert self.servers.pop(body["id"], None) is not None or body["id"] in self._awaited
        self._awaited.discard(body["id"])

    def _guild_role_create(self, body: Object) -> None:
        self._server("GUILD_ROLE_CREATE", body["guild_id"]).roles[body["role"]["id"]] = body["role"]

    _guild_role_update = _guild_role_create

    def _guild_role_delete(self, body: Object) -> None:
        server, role_id = self._server("GUILD_ROLE_DELETE", body["guild_id"]), body["role_id"]
        del server.roles[role_id]
        # Its holders and its overwrites are not told of one by one.
        for member in server.members.values():
            member["roles"] = [role for role in member["roles"] if role != role_id]
        for channel in server.channels.values():
            kept = [overwrite for overwrite in channel["permission_overwrites"] if overwrite["id"] != role_id]
            channel["permission_overwrites"] = kept

    def _guild_member_add(self, body: Object) -> None:
        server = self._server("GUILD_MEMBER_ADD", body["guild_id"])
        assert body["user"]["id"] not in server.members, "a member joined twice"
        server.members[body["user"]["id"]] = without(body, "guild_id")
        server.fields["member_count"] += 1

    def _guild_member_update(self, body: Object) -> None:
        server = self._server("GUILD_MEMBER_UPDATE", body["guild_id"])
        assert body["user"]["id"] in server.members
        server.members[body["user"]["id"]] |= without(body, "guild_id")

    def _guild_member_remove(self, body: Object) -> None:
        server = self._server("GUILD_MEMBER_REMOVE", body["guild_id"])
        del server.members[body["user"]["id"]]
        server.presences.pop(body["user"]["id"], None)
        server.fields["member_count"] -= 1

    # channels

    def _channel_create(self, body: Object) -> None:
        self._meet(body, later=True)
        if "guild_id" in body:
            self._server("CHANNEL_CREATE", body["guild_id"]).channels[body["id"]] = body
        else:
            self.private_channels[body["id"]] = body

    def _channel_update(self, body: Object) -> None:
        # `last_message_id` is what a client follows by itself; whoever changes a channel does not know it, and a null
        # would take it away.
        assert "last_message_id" not in body
        if "guild_id" in body:
            channels = self._server("CHANNEL_UPDATE", body["guild_id"]).channels
            assert body["id"] in channels, "CHANNEL_UPDATE of a hidden channel"
        else:
            channels = self.private_channels
        channels[body["id"]] = body

    def _channel_delete(self, body: Object) -> None:
        if "guild_id" not in body:
            del self.private_channels[body["id"]]
            # What is deleted there meanwhile is not told.
            self.conversations[body["id"]].last = 0
            return
        server = self._server("CHANNEL_DELETE", body["guild_id"])
        del server.channels[body["id"]]
        server.threads = {id: thread for id, thread in server.threads.items() if thread["parent_id"] != body["id"]}

    def _channel_recipient_add(self, body: Object) -> None:
        recipients = self.private_channels[body["channel_id"]]["recipients"]
        if body["user"]["id"] not in {user["id"] for user in recipients}:
            recipients.append(body["user"])

    def _channel_recipient_remove(self, body: Object) -> None:
        channel = self.private_channels[body["channel_id"]]
        channel["recipients"] = [user for user in channel["recipients"] if user["id"] != body["user"]["id"]]

    def _thread_create(self, body: Object) -> None:
        server = self._server("THREAD_CREATE", body["guild_id"])
        assert body["parent_id"] in server.channels, "a thread in a hidden channel"
        server.threads[body["id"]] = without(body, "newly_created")
        self._meet(body, later=False)

    def _thread_update(self, body: Object) -> None:
        server = self._server("THREAD_UPDATE", body["guild_id"])
        assert body["parent_id"] in server.channels, "a thread in a hidden channel"
        assert "last_message_id" not in body
        if body["thread_metadata"]["archived"]:
            server.threads.pop(body["id"], None)
        else:
            server.threads[body["id"]] = body

    def _thread_delete(self, body: Object) -> None:
        self._server("THREAD_DELETE", body["guild_id"]).threads.pop(body["id"], None)

    def _thread_members_update(self, body: Object) -> None:
        thread = self._server("THREAD_MEMBERS_UPDATE", body["guild_id"]).threads.get(body["id"])
        if thread is not None:
            thread["member_count"] = body["member_count"]

    def _thread_list_sync(self, body: Object) -> None:
        server = self._server("THREAD_LIST_SYNC", body["guild_id"])
        for thread in body["threads"]:
            server.threads[thread["id"]] = thread
            self._meet(thread, later=True)

    # messages

    def _message_create(self, body: Object) -> None:
        self._check_place("MESSAGE_CREATE", body)
        conversation, message_id = self.conversations[body["channel_id"]], int(body["id"])
        if message_id > conversation.last:
            conversation.last, conversation.newest_is_unknown = message_id, False
        if body["author"]["id"] == self.user["id"]:
            crossed = conversation.acknowledged and message_id > conversation.read
            self._read_up_to(conversation, max(conversation.read, message_id))
            conversation.read_is_unknown, conversation.acknowledged = crossed, False
        self._note_mentions(body)

    def _read_up_to(self, conversation: Conversation, message_id: int) -> None:
        conversation.read, conversation.read_is_unknown = message_id, False
        conversation.began_unseen |= conversation.counted_before > 0 and message_id < conversation.last
        conversation.counted_before = 0

    def _message_update(self, body: Object) -> None:
        self._check_place("MESSAGE_UPDATE", body)
        self._note_mentions(body)

    def _note_mentions(self, body: Object) -> None:
        conversation = self.conversations[body["channel_id"]]
        if body["mentions"] or body["mention_roles"] or body["mention_everyone"]:
            conversation.mentioning[int(body["id"])] = body
        else:
            conversation.mentioning.pop(int(body["id"]), None)

    def _message_delete(self, body: Object) -> None:
        self._check_place("MESSAGE_DELETE", body)
        self._forget_messages(body["channel_id"], [body["id"]])

    def _message_delete_bulk(self, body: Object) -> None:
        self._check_place("MESSAGE_DELETE_BULK", body)
        self._forget_messages(body["channel_id"], body["ids"])

    def _forget_messages(self, channel_id: str, ids: Iterable[str]) -> None:
        conversation = self.conversations[channel_id]
        for message_id in map(int, ids):
            known = conversation.mentioning.pop(message_id, None)
            conversation.began_unseen |= known is None and conversation.counted_before > 0
            conversation.newest_is_unknown |= message_id == conversation.last

    def _message_ack(self, body: Object) -> None:
        conversation = self.conversations[body["channel_id"]]
        self._read_up_to(conversation, int(body["message_id"]))
        conversation.acknowledged = True

    # people

    def _user_update(self, body: Object) -> None:
        assert body["id"] == self.user["id"]
        self.user |= body

    def _presence_update(self, body: Object) -> None:
        shown = without(body, "guild_id")
        if "guild_id" in body:
            presences = self._server("PRESENCE_UPDATE", body["guild_id"]).presences
        else:
            presences = self.friends_presences
        if body["status"] == "offline":
            presences.pop(body["user"]["id"], None)
        else:
            presences[body["user"]["id"]] = shown

    def _relationship_add(self, body: Object) -> None:
        self.relationships[body["id"]] = body

    def _relationship_remove(self, body: Object) -> None:
        self.relationships.pop(body["id"], None)

    def _server_invitation_create(self, body: Object) -> None:
        self.invitations[body["id"]] = body

    def _server_invitation_delete(self, body: Object) -> None:
        self.invitations.pop(body["id"], None)

    # what it knows

    def knowledge(self) -> Object:
        friends = {id for id, relationship in self.relationships.items() if relationship["type"] == 1}
        return {
            "user": self.user,
            "servers": {id: self._of_server(server) for id, server in self.servers.items()},
            "relationships": self.relationships,
            "private channels": {id: self._of_private(channel) for id, channel in self.private_channels.items()},
            "presences": {id: shown for id, shown in self.friends_presences.items() if id in friends},
            # What a server is called and how many it has now is read when the invitation is looked at.
            "invitations": {id: body | {"guild": body["guild"]["id"]} for id, body in self.invitations.items()},
        }

    def _of_server(self, server: Server) -> Object:
        joined = int(datetime.fromisoformat(server.fields["joined_at"]).timestamp() * 1000)
        own = server.members[self.user["id"]]
        roles = {*own["roles"], server.fields["id"]}
        return {
            # Nobody is told when these numbers change; they are approximate.
            "fields": without(server.fields, "approximate_member_count", "approximate_presence_count"),
            "roles": server.roles,
            "channels": {
                id: in_any_order(without(channel, "last_message_id"), "permission_overwrites")
                | self._of_messages(id, at_ms(joined), roles)
                for id, channel in server.channels.items()
            },
            "threads": {
                id: without(thread, "last_message_id") | self._of_messages(id, at_ms(joined), roles)
                for id, thread in server.threads.items()
            },
            "members": {id: in_any_order(member, "roles") for id, member in server.members.items()},
            # Of somebody who has just left; clients show members only.
            "presences": {id: shown for id, shown in server.presences.items() if id in server.members},
        }

    def _of_private(self, channel: Object) -> Object:
        shown = in_any_order(without(channel, "last_message_id"), "recipients")
        return shown | self._of_messages(channel["id"], 0, set())

    def _of_messages(self, channel_id: str, since: int, roles: set[str]) -> Object:
        """`since`: what is older counts as read."""
        conversation = self.conversations[channel_id]
        if conversation.newest_is_unknown:
            # Also: `last_message_id` may name a message that is gone; a client cannot tell which one was before it.
            return {"messages": UNKNOWABLE}
        read = max(conversation.read, since)
        mentions = conversation.counted_before + sum(
            id > read and self._is_mentioned(message, roles) for id, message in conversation.mentioning.items()
        )
        return {
            "messages": {
                "last": conversation.last,
                "unread": UNKNOWABLE if conversation.read_is_unknown else conversation.last > read,
                "mentions": UNKNOWABLE
                if conversation.began_unseen or conversation.read_is_unknown
                else min(mentions, MENTIONS_COUNTED),
            }
        }

    def _is_mentioned(self, message: Object, roles: set[str]) -> bool:
        if message.get("mention_everyone") or roles & set(message.get("mention_roles", ())):
            return True
        return self.user["id"] in {user["id"] for user in message["mentions"]}


def by_id(objects: Iterable[Object]) -> dict[str, Object]:
    return {found["id"]: found for found in objects}


def without(body: Object, *keys: str) -> Object:
    return {key: value for key, value in body.items() if key not in keys}


def in_any_order(body: Object, key: str) -> Object:
    return body | {key: sorted(body[key], key=lambda each: each["id"] if isinstance(each, dict) else each)}


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two of what `knowledge` gives differ: the path, what the follower knows, what READY tells."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            difference
            for key in ours.keys() | theirs.keys()
            for difference in differences(ours.get(key, "nothing"), theirs.get(key, "nothing"), f"{path}/{key}")
        ]
    if ours is UNKNOWABLE or theirs is UNKNOWABLE:
        return []
    return [] if ours == theirs else [f"{path}: follows to {ours!r}, begins with {theirs!r}"]
