"""Every action of the API against the right that decides it, and every route against who has no token at all."""

import re
from dataclasses import dataclass
from typing import Any, Final

import pytest

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.refusals import MISSING_ACCESS, MISSING_PERMISSIONS, NOT_AUTHOR, UNAUTHORIZED, Refusal
from tests.support.roles import FINE_GRAINED_ROLES, SENDER, VIEWER
from tests.support.world import World, assert_hidden

API, BEEP = "/api/v10", "/api/beep/v1"
SERVER, CHANNEL = "/guilds/{server_id}", "/channels/{channel_id}"
MEMBER, ROLE = f"{SERVER}/members/{{user_id}}", f"{SERVER}/roles/{{role_id}}"
MESSAGE = f"{CHANNEL}/messages/{{message_id}}"
SEARCH = f"{SERVER}/messages/search"
OVERWRITE = f"{CHANNEL}/permissions/{{target_id}}"


@dataclass(frozen=True, slots=True)
class Action:
    """One route, as the OpenAPI document names it, and the right that decides; several: any one of them is enough."""

    method: str
    path: str
    rights: P
    body: Any = None
    refusal: Refusal = MISSING_PERMISSIONS

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def in_channel(self) -> bool:
        # What is searched is channels.
        return self.path.startswith(CHANNEL) or self.path == SEARCH


ACTIONS: Final = (
    Action("PATCH", SERVER, P.MANAGE_GUILD, {"name": "Renamed"}),
    Action("PUT", f"{BEEP}/servers/{{server_id}}/bots/{{bot_id}}", P.MANAGE_GUILD, {}),
    Action("POST", f"{SERVER}/channels", P.MANAGE_CHANNELS, {"name": "new"}),
    Action("PATCH", f"{SERVER}/channels", P.MANAGE_CHANNELS, [{"id": "{channel_id}", "position": 3}]),
    Action("PATCH", CHANNEL, P.MANAGE_CHANNELS, {"name": "renamed"}),
    Action("DELETE", CHANNEL, P.MANAGE_CHANNELS),
    Action("PUT", OVERWRITE, P.MANAGE_CHANNELS | P.MANAGE_ROLES, {"type": 1, "deny": "0"}),
    Action("DELETE", OVERWRITE, P.MANAGE_CHANNELS | P.MANAGE_ROLES),
    Action("POST", f"{SERVER}/roles", P.MANAGE_ROLES, {"name": "new", "permissions": "0"}),
    Action("PATCH", f"{SERVER}/roles", P.MANAGE_ROLES, [{"id": "{role_id}", "position": 1}]),
    Action("PATCH", ROLE, P.MANAGE_ROLES, {"name": "renamed"}),
    Action("DELETE", ROLE, P.MANAGE_ROLES),
    Action("PUT", f"{MEMBER}/roles/{{role_id}}", P.MANAGE_ROLES | P.ASSIGN_ROLES),
    Action("DELETE", f"{MEMBER}/roles/{{role_id}}", P.MANAGE_ROLES | P.ASSIGN_ROLES),
    Action("PATCH", MEMBER, P.MANAGE_ROLES | P.ASSIGN_ROLES, {"roles": ["{role_id}"]}),
    Action("PATCH", MEMBER, P.MANAGE_NICKNAMES, {"nick": "renamed"}),
    Action("PATCH", MEMBER, P.MODERATE_MEMBERS, {"communication_disabled_until": None}),
    Action("PATCH", f"{SERVER}/members/@me", P.CHANGE_NICKNAME, {"nick": "renamed"}),
    Action("DELETE", MEMBER, P.KICK_MEMBERS),
    Action("GET", f"{SERVER}/invites", P.CREATE_INSTANT_INVITE | P.MANAGE_GUILD),
    Action("GET", f"{CHANNEL}/invites", P.CREATE_INSTANT_INVITE | P.MANAGE_CHANNELS),
    Action("POST", f"{CHANNEL}/invites", P.CREATE_INSTANT_INVITE, {}),
    Action("GET", CHANNEL, P.VIEW_CHANNEL, refusal=MISSING_ACCESS),
    Action("GET", f"{CHANNEL}/messages", P.READ_MESSAGE_HISTORY),
    Action("GET", MESSAGE, P.READ_MESSAGE_HISTORY),
    Action("GET", f"{CHANNEL}/messages/pins", P.READ_MESSAGE_HISTORY),
    Action("GET", f"{CHANNEL}/pins", P.READ_MESSAGE_HISTORY),
    Action("GET", SEARCH, P.READ_MESSAGE_HISTORY),
    Action("POST", f"{CHANNEL}/messages", P.SEND_MESSAGES, {"content": "hello"}),
    Action("POST", f"{CHANNEL}/typing", P.SEND_MESSAGES),
    Action("DELETE", MESSAGE, P.MANAGE_MESSAGES),
    Action("POST", f"{CHANNEL}/messages/bulk-delete", P.MANAGE_MESSAGES, {"messages": ["{message_id}", "{other_id}"]}),
    Action("PUT", f"{CHANNEL}/messages/pins/{{message_id}}", P.PIN_MESSAGES | P.MANAGE_MESSAGES),
    Action("DELETE", f"{CHANNEL}/messages/pins/{{message_id}}", P.PIN_MESSAGES | P.MANAGE_MESSAGES),
    Action("PUT", f"{CHANNEL}/pins/{{message_id}}", P.PIN_MESSAGES | P.MANAGE_MESSAGES),
    Action("DELETE", f"{CHANNEL}/pins/{{message_id}}", P.PIN_MESSAGES | P.MANAGE_MESSAGES),
)

# No right decides on these: what is one's own, what every member of a server may know, and what only its owner may.
UNDECIDED: Final = {
    "POST /guilds",
    f"GET {SERVER}",
    f"DELETE {SERVER}",
    f"GET {SERVER}/channels",
    f"GET {SERVER}/roles",
    f"GET {ROLE}",
    f"GET {SERVER}/members",
    f"GET {SERVER}/members/search",
    f"GET {MEMBER}",
    f"PATCH {MESSAGE}",
    "GET /invites/{code}",
    "POST /invites/{code}",
    "DELETE /invites/{code}",
    "GET /applications/@me",
    "GET /oauth2/applications/@me",
    "GET /gateway/bot",
    "GET /users/@me",
    "GET /users/{user_id}",
    "GET /users/@me/guilds",
    "DELETE /users/@me/guilds/{server_id}",
    "GET /users/@me/guilds/{server_id}/member",
    f"GET {BEEP}/bots",
    f"POST {BEEP}/bots",
    f"POST {BEEP}/bots/{{bot_id}}/token",
    f"GET {BEEP}/servers/public",
    f"PUT {BEEP}/servers/{{server_id}}/members/@me",
    f"POST {BEEP}/auth/sign-out",
}

# For who has no token yet: signing up, and the address of the gateway.
OPEN: Final = {"GET /gateway", f"POST {BEEP}/auth/register", f"POST {BEEP}/auth/resend"}


async def documented_routes(api: Api) -> set[str]:
    """Every route of the OpenAPI document, as `Action` writes them."""
    document = await api.ok("GET", f"{BEEP}/openapi.json")
    return {
        f"{method.upper()} {path.removeprefix(API)}"
        for path, operations in document["paths"].items()
        for method in operations
        if method in {"get", "post", "put", "patch", "delete"}
    }


async def a_thing_of_each_kind(world: World) -> dict[str, str]:
    """What the paths of the actions may name, each made by the owner."""
    role = await world.role("thing", P(0), world.member)
    message, other = [await world.owner.send(world.channel_id, text) for text in ("one", "two")]
    await world.owner.ok("PUT", f"{world.channel_path}/permissions/{world.member.user_id}", {"type": 1})
    return {
        "server_id": world.server_id,
        "channel_id": world.channel_id,
        "user_id": world.member.user_id,
        "target_id": world.member.user_id,
        "role_id": role,
        "message_id": message["id"],
        "other_id": other["id"],
    }


def filled_in(value: Any, ids: dict[str, str]) -> Any:
    """The path or body with `{name}` replaced by the id of the thing."""
    match value:
        case str():
            return re.sub(r"\{(\w+)\}", lambda name: ids[name[1]], value)
        case list():
            return [filled_in(each, ids) for each in value]
        case dict():
            return {key: filled_in(each, ids) for key, each in value.items()}
        case _:
            return value


async def test_every_route_is_decided_by_a_right_or_known_to_need_none(world: World) -> None:
    assert {str(action) for action in ACTIONS} | UNDECIDED | OPEN == await documented_routes(world.owner)


@pytest.mark.parametrize("action", ACTIONS, ids=str)
async def test_the_right_alone_is_enough_and_all_others_are_not(world: World, action: Action) -> None:
    """And who is no member learns nothing: neither that the thing is there, nor that it is not."""
    if action.in_channel and action.rights != P.VIEW_CHANNEL:
        await world.everyone(P.VIEW_CHANNEL)
    alternatives = [right for right in P if right in action.rights]
    able, unable, stranger = await world.cast(alternatives[0], unable_lacks=action.rights)
    ids = await a_thing_of_each_kind(world)
    if "{bot_id}" in action.path:
        bot = await world.owner.ok("POST", f"{BEEP}/bots", {"name": "passer-by", "bot_public": True})
        ids["bot_id"] = bot["bot"]["id"]
    path, body = filled_in(action.path, ids), filled_in(action.body, ids)

    assert await unable.refused(action.method, path, body) == action.refusal
    await assert_hidden(stranger, action.method, path, body)
    await able.ok(action.method, path, body)


@pytest.mark.story("SRV-16")
async def test_a_message_sender_sends_and_edits_their_own(world: World) -> None:
    await world.everyone(VIEWER)
    sends = FINE_GRAINED_ROLES["message sender"]
    able, unable, stranger = await world.cast(sends, unable_lacks=P.SEND_MESSAGES)
    messages, rich = f"{world.channel_path}/messages", {"content": "hello", "embeds": [{"title": "a title"}]}

    assert await unable.refused("POST", messages, rich) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", messages, rich)
    sent = await able.ok("POST", messages, rich)
    assert (sent["content"], sent["author"]["id"]) == ("hello", able.user_id)

    edited = await able.ok("PATCH", f"{messages}/{sent['id']}", {"content": "goodbye"})
    assert edited["edited_timestamp"] is not None
    assert (await world.member.ok("GET", messages))[0]["content"] == "goodbye"
    # Nobody else's, whatever their rights are.
    scribble = {"content": "I was here"}
    assert await unable.refused("PATCH", f"{messages}/{sent['id']}", scribble) == MISSING_PERMISSIONS
    assert await world.owner.refused("PATCH", f"{messages}/{sent['id']}", scribble) == NOT_AUTHOR
    await assert_hidden(stranger, "PATCH", f"{messages}/{sent['id']}", scribble)
    # And not one's own any more, once one may not speak.
    await world.owner.ok(
        "PUT", f"{world.channel_path}/permissions/{able.user_id}", {"type": 1, "deny": str(int(P.SEND_MESSAGES))}
    )
    assert await able.refused("PATCH", f"{messages}/{sent['id']}", {"content": "and"}) == MISSING_PERMISSIONS


@pytest.mark.story("SRV-16")
async def test_an_embed_needs_a_right_of_its_own(world: World) -> None:
    await world.everyone(VIEWER)
    sends = FINE_GRAINED_ROLES["message sender"]
    able, unable, _ = await world.cast(sends, unable_lacks=P.EMBED_LINKS)
    messages, embeds = f"{world.channel_path}/messages", {"embeds": [{"title": "a title"}]}
    await able.ok("POST", messages, embeds)
    sent = await unable.send(world.channel_id, "plain")
    assert await unable.refused("POST", messages, embeds) == MISSING_PERMISSIONS
    assert await unable.refused("PATCH", f"{messages}/{sent['id']}", embeds) == MISSING_PERMISSIONS


@pytest.mark.story("SRV-17")
async def test_a_message_manager_deletes_and_pins_anybodys_message_and_sends(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(
        FINE_GRAINED_ROLES["message manager"], unable_lacks=P.MANAGE_MESSAGES | P.PIN_MESSAGES
    )
    session = await world.connect(world.member)
    sent = await world.owner.send(world.channel_id, "for the record")
    messages = f"{world.channel_path}/messages"
    pin, message = f"{messages}/pins/{sent['id']}", f"{messages}/{sent['id']}"

    for method, path in (("PUT", pin), ("DELETE", pin), ("DELETE", message)):
        assert await unable.refused(method, path) == MISSING_PERMISSIONS
        await assert_hidden(stranger, method, path)

    await able.ok("PUT", pin)
    assert (await session.wait_for("CHANNEL_PINS_UPDATE"))["channel_id"] == world.channel_id
    (pinned,) = (await world.member.ok("GET", f"{messages}/pins"))["items"]
    assert pinned["message"]["id"] == sent["id"]
    await able.ok("DELETE", pin)
    await able.ok("DELETE", message)
    assert (await session.wait_for("MESSAGE_DELETE"))["id"] == sent["id"]
    await able.send(world.channel_id, "cleaned up")


@pytest.mark.story("SRV-16")
async def test_who_only_sends_deletes_their_own_message_and_nobody_elses(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    own, others = await world.member.send(world.channel_id, "mine"), await world.owner.send(world.channel_id, "not")
    await world.member.ok("DELETE", f"{world.channel_path}/messages/{own['id']}")
    assert await world.member.refused("DELETE", f"{world.channel_path}/messages/{others['id']}") == MISSING_PERMISSIONS


@pytest.mark.story("SYS-06")
@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "not-a-token",
        "Bearer not-a-token",
        "Bot MTIz.abcdefgh.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ",
        "Basic YWRhOnNlY3JldA==",
        # No signature at all (RFC 8725 §2.1): {"alg":"none"} and {"sub":"1"}.
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
    ],
)
async def test_every_route_is_closed_to_who_has_no_valid_token(beep: BeepProcess, authorization: str) -> None:
    async with Api(beep.url, authorization) as nobody:
        for route in await documented_routes(nobody) - OPEN:
            method, _, template = route.partition(" ")
            path = re.sub(r"\{\w+\}", "175928847299117063", template)
            assert await nobody.refused(method, path) == UNAUTHORIZED, route


@pytest.mark.story("SYS-06")
async def test_a_token_is_refused_when_a_character_of_it_was_changed(world: World) -> None:
    header, claims, signature = world.owner.token.split(".")
    changed = "B" if signature[10] != "B" else "C"
    forged = [
        f"{header}.{claims}.{signature[:10]}{changed}{signature[11:]}",
        # Somebody else's claims under one's own signature.
        f"{header}.{world.member.token.split('.')[1]}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
    ]
    for token in forged:
        async with Api(world.beep.url, f"Bearer {token}") as forger:
            assert await forger.refused("GET", "/users/@me") == UNAUTHORIZED
    # A person is not a bot.
    async with Api(world.beep.url, f"Bot {world.owner.token}") as impostor:
        assert await impostor.refused("GET", "/users/@me") == UNAUTHORIZED
