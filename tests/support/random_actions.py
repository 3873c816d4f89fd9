"""What people do with Beep, at random: a table of actions, each with how often it is chosen.

An action may be refused (they choose who does it at random too); a 5xx is a defect. Everything goes by the public API.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.api import Api
from tests.support.gateway_client import GatewayClient
from tests.support.roles import FINE_GRAINED_ROLES

SERVERS_AT_ONCE: Final = 3


@dataclass
class Place:
    """A server, and what has been made in it. Things may be gone: then they are not found."""

    id: str
    channels: list[str]
    categories: list[str] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    invites: list[str] = field(default_factory=list)


@dataclass
class Crowd:
    """Some people, their gateway sessions, and what they have made together."""

    dice: random.Random
    people: list[Api]
    sessions: Mapping[str, GatewayClient]
    places: list[Place] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    """Each action with its outcome, to be read when a test fails."""

    async def act(self) -> None:
        name, action = self.dice.choices(list(ACTIONS.items()), [weight for weight, _ in ACTIONS.values()])[0]
        self.done.append(name)
        await action[1](self)

    async def do(self, who: Api, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The answer's JSON (true without one), or None when it was refused."""
        answer = await who.call(method, path, body, **options)
        index = self.people.index(who)
        self.done.append(f"    {index}: {method} {path} {body if body is not None else ''} → {answer.status_code}")
        assert answer.status_code < 500, f"{method} {path}: {answer.text}"
        if answer.is_error:
            return None
        return answer.json() if answer.content else True

    # choosing

    def somebody(self) -> Api:
        # The first founds the servers, and has a say in all of them.
        return self.people[0] if self.dice.random() < 0.5 else self.dice.choice(self.people)

    def anybody(self) -> Api:
        return self.dice.choice(self.people)

    def another(self, than: Api) -> Api:
        return self.dice.choice([person for person in self.people if person is not than])

    def place(self) -> Place:
        return self.dice.choice(self.places)

    def channel(self) -> str:
        """A text channel, a thread or a private channel."""
        place = self.place()
        kind = self.dice.random()
        if kind < 0.2 and self.private:
            return self.dice.choice(self.private)
        if kind < 0.35 and place.threads:
            return self.dice.choice(place.threads)
        return self.dice.choice(place.channels)

    def server_channel(self) -> str:
        return self.dice.choice(self.place().channels)

    def message(self) -> tuple[str, str]:
        return self.dice.choice(self.messages[-20:]) if self.messages else (self.server_channel(), "7")

    def word(self) -> str:
        return "".join(self.dice.choices("abcdefghijkl", k=8))

    def permissions(self) -> str:
        chosen = self.dice.sample(list(FINE_GRAINED_ROLES.values()), k=self.dice.randint(0, 3))
        return str(sum({1 << bit for role in chosen for bit in range(61) if role & (1 << bit)}))

    def content(self, author: Api) -> str:
        other = self.another(author)
        role = self.dice.choice(self.place().roles or ["7"])
        return self.dice.choice([self.word(), f"<@{other.user_id}> {self.word()}", f"<@&{role}>", "@everyone look"])


# servers


async def found_server(crowd: Crowd) -> None:
    if len(crowd.places) >= SERVERS_AT_ONCE:
        return
    founder = crowd.people[0]
    made = await crowd.do(founder, "POST", "/guilds", {"name": crowd.word()})
    crowd.places.append(Place(made["id"], [made["system_channel_id"]]))
    await crowd.do(founder, "PATCH", f"/guilds/{made['id']}", {"features": ["DISCOVERABLE"]})
    for person in crowd.people[1:]:
        if crowd.dice.random() < 0.7:
            await crowd.do(person, "PUT", f"/api/beep/v1/servers/{made['id']}/members/@me")


async def change_server(crowd: Crowd) -> None:
    change: dict[str, Any] = crowd.dice.choice(
        [{"name": crowd.word()}, {"description": crowd.word()}, {"features": crowd.dice.choice([[], ["DISCOVERABLE"]])}]
    )
    await crowd.do(crowd.somebody(), "PATCH", f"/guilds/{crowd.place().id}", change)


async def hand_over_server(crowd: Crowd) -> None:
    place = crowd.place()
    await crowd.do(crowd.somebody(), "PATCH", f"/guilds/{place.id}", {"owner_id": crowd.anybody().user_id})


async def delete_server(crowd: Crowd) -> None:
    place = crowd.place()
    if len(crowd.places) > 1 and await crowd.do(crowd.somebody(), "DELETE", f"/guilds/{place.id}"):
        crowd.places.remove(place)


async def join_public(crowd: Crowd) -> None:
    await crowd.do(crowd.anybody(), "PUT", f"/api/beep/v1/servers/{crowd.place().id}/members/@me")


async def leave(crowd: Crowd) -> None:
    await crowd.do(crowd.anybody(), "DELETE", f"/users/@me/guilds/{crowd.place().id}")


async def make_invite(crowd: Crowd) -> None:
    place = crowd.place()
    body = {"max_uses": crowd.dice.choice([0, 1])}
    made = await crowd.do(crowd.somebody(), "POST", f"/channels/{crowd.dice.choice(place.channels)}/invites", body)
    if made:
        place.invites.append(made["code"])


async def use_invite(crowd: Crowd) -> None:
    place = crowd.place()
    if place.invites:
        await crowd.do(crowd.anybody(), "POST", f"/invites/{crowd.dice.choice(place.invites)}", {})


async def invite_by_name(crowd: Crowd) -> None:
    path = f"/api/beep/v1/servers/{crowd.place().id}/invitations"
    await crowd.do(crowd.somebody(), "POST", path, {"user_id": crowd.anybody().user_id})


async def answer_invitation(crowd: Crowd) -> None:
    invitee = crowd.anybody()
    for invitation in await crowd.do(invitee, "GET", "/api/beep/v1/users/@me/invitations") or []:
        method = crowd.dice.choice(["PUT", "DELETE"])
        await crowd.do(invitee, method, f"/api/beep/v1/users/@me/invitations/{invitation['id']}")


# channels


async def make_channel(crowd: Crowd) -> None:
    place, kind = crowd.place(), crowd.dice.choice([0, 0, 4, 5])
    body: dict[str, Any] = {"name": crowd.word(), "type": kind}
    if place.categories and kind != 4 and crowd.dice.random() < 0.5:
        body["parent_id"] = crowd.dice.choice(place.categories)
    if crowd.dice.random() < 0.3:
        body["permission_overwrites"] = [{"id": place.id, "type": 0, "allow": "0", "deny": "1024"}]
    made = await crowd.do(crowd.somebody(), "POST", f"/guilds/{place.id}/channels", body)
    if made:
        (place.categories if kind == 4 else place.channels).append(made["id"])


async def change_channel(crowd: Crowd) -> None:
    place = crowd.place()
    change: dict[str, Any] = crowd.dice.choice(
        [
            {"name": crowd.word()},
            {"topic": crowd.word()},
            {"rate_limit_per_user": 0},
            {"position": crowd.dice.randint(0, 5)},
            {"parent_id": crowd.dice.choice([None, *place.categories])},
        ]
    )
    channel = crowd.dice.choice(place.channels + place.categories)
    await crowd.do(crowd.somebody(), "PATCH", f"/channels/{channel}", change)


async def move_channels(crowd: Crowd) -> None:
    place = crowd.place()
    chosen = crowd.dice.sample(place.channels, k=min(3, len(place.channels)))
    moves = [{"id": channel, "position": crowd.dice.randint(0, 9)} for channel in chosen]
    await crowd.do(crowd.somebody(), "PATCH", f"/guilds/{place.id}/channels", moves)


async def delete_channel(crowd: Crowd) -> None:
    place = crowd.place()
    if len(place.channels) < 2:
        return
    channel = crowd.dice.choice(place.channels + place.categories)
    if await crowd.do(crowd.somebody(), "DELETE", f"/channels/{channel}"):
        for known in (place.channels, place.categories):
            if channel in known:
                known.remove(channel)


async def set_overwrite(crowd: Crowd) -> None:
    place = crowd.place()
    channel = crowd.dice.choice(place.channels + place.categories)
    if crowd.dice.random() < 0.6:
        target, kind = crowd.dice.choice([place.id, *place.roles]), 0
    else:
        target, kind = crowd.anybody().user_id, 1
    bits = crowd.dice.choice(["1024", "2048", "3072", "66560"])
    allow, deny = crowd.dice.choice([(bits, "0"), ("0", bits)])
    body = {"type": kind, "allow": allow, "deny": deny}
    await crowd.do(crowd.somebody(), "PUT", f"/channels/{channel}/permissions/{target}", body)


async def delete_overwrite(crowd: Crowd) -> None:
    place = crowd.place()
    target = crowd.dice.choice([place.id, *place.roles, crowd.anybody().user_id])
    channel = crowd.dice.choice(place.channels + place.categories)
    await crowd.do(crowd.somebody(), "DELETE", f"/channels/{channel}/permissions/{target}")


# roles and members


async def make_role(crowd: Crowd) -> None:
    place = crowd.place()
    body = {"name": crowd.word(), "permissions": crowd.permissions()}
    made = await crowd.do(crowd.somebody(), "POST", f"/guilds/{place.id}/roles", body)
    if made:
        place.roles.append(made["id"])


async def change_role(crowd: Crowd) -> None:
    place = crowd.place()
    change: dict[str, Any] = crowd.dice.choice(
        [{"name": crowd.word()}, {"permissions": crowd.permissions()}, {"color": 255}, {"mentionable": True}]
    )
    role = crowd.dice.choice([place.id, *place.roles])
    await crowd.do(crowd.somebody(), "PATCH", f"/guilds/{place.id}/roles/{role}", change)


async def move_roles(crowd: Crowd) -> None:
    place = crowd.place()
    if place.roles:
        body = [{"id": crowd.dice.choice(place.roles), "position": crowd.dice.randint(1, 4)}]
        await crowd.do(crowd.somebody(), "PATCH", f"/guilds/{place.id}/roles", body)


async def delete_role(crowd: Crowd) -> None:
    place = crowd.place()
    if place.roles:
        role = crowd.dice.choice(place.roles)
        if await crowd.do(crowd.somebody(), "DELETE", f"/guilds/{place.id}/roles/{role}"):
            place.roles.remove(role)


async def give_or_take_role(crowd: Crowd) -> None:
    place = crowd.place()
    if place.roles:
        path = f"/guilds/{place.id}/members/{crowd.anybody().user_id}/roles/{crowd.dice.choice(place.roles)}"
        await crowd.do(crowd.somebody(), crowd.dice.choice(["PUT", "PUT", "DELETE"]), path)


async def change_member(crowd: Crowd) -> None:
    path = f"/guilds/{crowd.place().id}/members/{crowd.anybody().user_id}"
    change: dict[str, Any] = crowd.dice.choice(
        [
            {"nick": crowd.word()},
            {"nick": None},
            {"communication_disabled_until": "2099-01-01T00:00:00+00:00"},
            {"communication_disabled_until": None},
        ]
    )
    await crowd.do(crowd.somebody(), "PATCH", path, change)


async def change_own_nick(crowd: Crowd) -> None:
    await crowd.do(crowd.anybody(), "PATCH", f"/guilds/{crowd.place().id}/members/@me", {"nick": crowd.word()})


async def kick(crowd: Crowd) -> None:
    await crowd.do(crowd.somebody(), "DELETE", f"/guilds/{crowd.place().id}/members/{crowd.anybody().user_id}")


async def ban(crowd: Crowd) -> None:
    path = f"/guilds/{crowd.place().id}/bans/{crowd.anybody().user_id}"
    await crowd.do(crowd.somebody(), "PUT", path, {"delete_message_seconds": crowd.dice.choice([0, 3600])})


async def lift_ban(crowd: Crowd) -> None:
    await crowd.do(crowd.somebody(), "DELETE", f"/guilds/{crowd.place().id}/bans/{crowd.anybody().user_id}")


# messages


async def send(crowd: Crowd) -> None:
    author, channel = crowd.anybody(), crowd.channel()
    body: dict[str, Any] = {"content": crowd.content(author)}
    if crowd.messages and crowd.dice.random() < 0.2:
        body["message_reference"] = {"message_id": crowd.message()[1], "fail_if_not_exists": False}
    made = await crowd.do(author, "POST", f"/channels/{channel}/messages", body)
    if made:
        crowd.messages.append((channel, made["id"]))


async def edit(crowd: Crowd) -> None:
    channel, message = crowd.message()
    author = crowd.anybody()
    await crowd.do(author, "PATCH", f"/channels/{channel}/messages/{message}", {"content": crowd.content(author)})


async def delete_message(crowd: Crowd) -> None:
    channel, message = crowd.message()
    await crowd.do(crowd.somebody(), "DELETE", f"/channels/{channel}/messages/{message}")


async def delete_many(crowd: Crowd) -> None:
    channel, _ = crowd.message()
    found = [message for there, message in crowd.messages if there == channel][-3:]
    if len(found) > 1:
        await crowd.do(crowd.somebody(), "POST", f"/channels/{channel}/messages/bulk-delete", {"messages": found})


async def pin(crowd: Crowd) -> None:
    channel, message = crowd.message()
    method = crowd.dice.choice(["PUT", "DELETE"])
    await crowd.do(crowd.somebody(), method, f"/channels/{channel}/messages/pins/{message}")


async def react(crowd: Crowd) -> None:
    channel, message = crowd.message()
    method = crowd.dice.choice(["PUT", "DELETE"])
    await crowd.do(crowd.anybody(), method, f"/channels/{channel}/messages/{message}/reactions/%F0%9F%91%8D/@me")


async def acknowledge(crowd: Crowd) -> None:
    channel, message = crowd.message()
    await crowd.do(crowd.anybody(), "POST", f"/channels/{channel}/messages/{message}/ack", {})


async def start_typing(crowd: Crowd) -> None:
    await crowd.do(crowd.anybody(), "POST", f"/channels/{crowd.channel()}/typing")


# threads


async def make_thread(crowd: Crowd) -> None:
    place = crowd.place()
    channel = crowd.dice.choice(place.channels)
    path, here = f"/channels/{channel}/threads", [message for there, message in crowd.messages if there == channel]
    if here and crowd.dice.random() < 0.5:
        path = f"/channels/{channel}/messages/{crowd.dice.choice(here)}/threads"
    made = await crowd.do(crowd.anybody(), "POST", path, {"name": crowd.word(), "type": 11})
    if made:
        place.threads.append(made["id"])


async def change_thread(crowd: Crowd) -> None:
    place = crowd.place()
    change: dict[str, Any] = crowd.dice.choice(
        [{"name": crowd.word()}, {"archived": True}, {"archived": False}, {"locked": True}, {"locked": False}]
    )
    if place.threads:
        await crowd.do(crowd.somebody(), "PATCH", f"/channels/{crowd.dice.choice(place.threads)}", change)


async def join_or_leave_thread(crowd: Crowd) -> None:
    place = crowd.place()
    if place.threads:
        who = crowd.dice.choice(["@me", crowd.anybody().user_id])
        path = f"/channels/{crowd.dice.choice(place.threads)}/thread-members/{who}"
        await crowd.do(crowd.anybody(), crowd.dice.choice(["PUT", "DELETE"]), path)


async def delete_thread(crowd: Crowd) -> None:
    place = crowd.place()
    if place.threads:
        await crowd.do(crowd.somebody(), "DELETE", f"/channels/{crowd.dice.choice(place.threads)}")


# people


async def befriend(crowd: Crowd) -> None:
    who = crowd.anybody()
    body: dict[str, Any] = crowd.dice.choice([{}, {"type": 1}])
    await crowd.do(who, "PUT", f"/users/@me/relationships/{crowd.another(who).user_id}", body)


async def block(crowd: Crowd) -> None:
    who = crowd.anybody()
    await crowd.do(who, "PUT", f"/users/@me/relationships/{crowd.another(who).user_id}", {"type": 2})


async def end_relationship(crowd: Crowd) -> None:
    who = crowd.anybody()
    await crowd.do(who, "DELETE", f"/users/@me/relationships/{crowd.another(who).user_id}")


async def open_private(crowd: Crowd) -> None:
    who = crowd.anybody()
    others = crowd.dice.sample([person.user_id for person in crowd.people if person is not who], k=2)
    body = crowd.dice.choice([{"recipient_id": others[0]}, {"recipients": others, "name": crowd.word()}])
    made = await crowd.do(who, "POST", "/users/@me/channels", body)
    if made:
        crowd.private.append(made["id"])


async def change_group(crowd: Crowd) -> None:
    if crowd.private:
        channel = crowd.dice.choice(crowd.private)
        await crowd.do(crowd.anybody(), "PATCH", f"/channels/{channel}", {"name": crowd.word()})


async def change_recipients(crowd: Crowd) -> None:
    if crowd.private:
        path = f"/channels/{crowd.dice.choice(crowd.private)}/recipients/{crowd.anybody().user_id}"
        await crowd.do(crowd.anybody(), crowd.dice.choice(["PUT", "DELETE"]), path)


async def close_private(crowd: Crowd) -> None:
    if crowd.private:
        await crowd.do(crowd.anybody(), "DELETE", f"/channels/{crowd.dice.choice(crowd.private)}")


async def change_profile(crowd: Crowd) -> None:
    await crowd.do(crowd.anybody(), "PATCH", "/users/@me", {"global_name": crowd.word()})


async def change_presence(crowd: Crowd) -> None:
    status = crowd.dice.choice(["online", "idle", "dnd", "invisible"])
    activities = crowd.dice.choice([[], [{"name": crowd.word(), "type": 0}]])
    body = {"since": None, "afk": False, "status": status, "activities": activities}
    await crowd.sessions[crowd.anybody().user_id].send(3, body)


Action = Callable[[Crowd], Awaitable[None]]

ACTIONS: Final[Mapping[str, tuple[int, Action]]] = {
    "found a server": (3, found_server),
    "change a server": (2, change_server),
    "hand a server over": (1, hand_over_server),
    "delete a server": (1, delete_server),
    "join a public server": (6, join_public),
    "leave": (2, leave),
    "make an invite": (2, make_invite),
    "use an invite": (2, use_invite),
    "invite by name": (2, invite_by_name),
    "answer invitations": (2, answer_invitation),
    "make a channel": (4, make_channel),
    "change a channel": (3, change_channel),
    "move channels": (2, move_channels),
    "delete a channel": (2, delete_channel),
    "set an overwrite": (5, set_overwrite),
    "delete an overwrite": (3, delete_overwrite),
    "make a role": (4, make_role),
    "change a role": (3, change_role),
    "move roles": (2, move_roles),
    "delete a role": (2, delete_role),
    "give or take a role": (6, give_or_take_role),
    "change a member": (3, change_member),
    "change one's nick": (2, change_own_nick),
    "kick": (2, kick),
    "ban": (2, ban),
    "lift a ban": (2, lift_ban),
    "send": (16, send),
    "edit": (4, edit),
    "delete a message": (3, delete_message),
    "delete many messages": (1, delete_many),
    "pin": (3, pin),
    "react": (3, react),
    "acknowledge": (4, acknowledge),
    "type": (2, start_typing),
    "make a thread": (4, make_thread),
    "change a thread": (3, change_thread),
    "join or leave a thread": (3, join_or_leave_thread),
    "delete a thread": (1, delete_thread),
    "befriend": (6, befriend),
    "block": (1, block),
    "end a relationship": (2, end_relationship),
    "open a private channel": (3, open_private),
    "change a group": (1, change_group),
    "change recipients": (2, change_recipients),
    "close a private channel": (1, close_private),
    "change one's profile": (2, change_profile),
    "change one's presence": (3, change_presence),
}
