"""Servers, channels, roles, members, invites: what each route asks the service behind it."""

from typing import Any

import pytest

from beep.gateway.v1.typing_service_pb2 import StartTypingResponse
from beep.servers.v1.channel_pb2 import (
    CHANNEL_TYPE_ANNOUNCEMENT,
    CHANNEL_TYPE_TEXT,
    OVERWRITE_TARGET_MEMBER,
    OVERWRITE_TARGET_ROLE,
    Channel,
    Overwrite,
)
from beep.servers.v1.channels_service_pb2 import (
    CreateChannelResponse,
    DeleteOverwriteResponse,
    GetChannelResponse,
    ListChannelsResponse,
    MoveChannelsResponse,
    SetOverwriteResponse,
    UpdateChannelResponse,
)
from beep.servers.v1.invite_pb2 import Invite
from beep.servers.v1.invites_service_pb2 import AcceptInviteResponse, CreateInviteResponse
from beep.servers.v1.member_pb2 import Member
from beep.servers.v1.members_service_pb2 import (
    AddBotResponse,
    AddMemberRoleResponse,
    ListMembersResponse,
    RemoveMemberResponse,
    SearchMembersResponse,
    UpdateMemberResponse,
)
from beep.servers.v1.role_pb2 import Role
from beep.servers.v1.roles_service_pb2 import (
    CreateRoleResponse,
    ListRolesResponse,
    MoveRolesResponse,
    UpdateRoleResponse,
)
from beep.servers.v1.server_pb2 import Server, ServerSnapshot
from beep.servers.v1.servers_service_pb2 import (
    CreateServerResponse,
    JoinServerResponse,
    LeaveServerResponse,
    ListPublicServersResponse,
    ListServersResponse,
    ServerMembership,
    UpdateServerResponse,
)
from beep.users.v1.bots_service_pb2 import CreateBotResponse, GetBotResponse, ResetBotTokenResponse
from beep.users.v1.user_pb2 import Account, Bot, User
from beep.users.v1.users_service_pb2 import GetAccountResponse, GetUsersResponse
from services.common.errors import NotFound, PermissionDenied
from tests.integration.rest.running_edge import BOT, GATEWAY_URL, PERSON, RunningEdge

S = 175928847299117300
C = 175928847299117301
R = 175928847299117302
GUILD = f"/api/v10/guilds/{S}"
CHANNEL = f"/api/v10/channels/{C}"
NOON = 1_767_268_800_000

SERVER = Server(id=S, name="Chess", owner_id=PERSON, is_public=True, member_count=2)
ADA = User(id=PERSON, username="ada")
MEMBER = Member(server_id=S, user=ADA, role_ids=[R], joined_at_ms=NOON)
ROLE = Role(id=R, server_id=S, name="r", permissions=8, position=1, color=255)
TEXT = Channel(id=C, server_id=S, type=CHANNEL_TYPE_TEXT, name="general")
INVITE = Invite(
    code="abc",
    server_id=S,
    channel_id=C,
    inviter=ADA,
    created_at_ms=NOON,
    max_age_seconds=60,
    server=SERVER,
    channel=TEXT,
)


async def test_server_is_created_once_per_idempotency_key(edge: RunningEdge) -> None:
    edge.upstream.answer("CreateServer", CreateServerResponse(snapshot=ServerSnapshot(server=SERVER, roles=[ROLE])))

    response = await edge.person.post(
        "/api/v10/guilds", json={"name": "Chess", "features": ["DISCOVERABLE"]}, headers={"Idempotency-Key": "k-1"}
    )

    assert response.status_code == 201
    assert (response.json()["id"], response.json()["features"]) == (str(S), ["DISCOVERABLE"])
    asked = edge.upstream.only("CreateServer").request
    assert (asked.name, asked.is_public, asked.idempotency_key) == ("Chess", True, "k-1")


@pytest.mark.parametrize("name", ["a", "a" * 101, None, ""])
async def test_server_needs_a_name(edge: RunningEdge, name: str | None) -> None:
    response = await edge.person.post("/api/v10/guilds", json={"name": name})

    assert (response.status_code, list(response.json()["errors"])) == (400, ["name"])


@pytest.mark.parametrize(
    ("body", "present"),
    [
        ({}, set()),
        ({"name": "New", "icon": None}, {"name"}),
        ({"description": None, "system_channel_id": None}, {"description", "system_channel_id"}),
        ({"features": []}, {"is_public"}),
    ],
)
async def test_server_changes_only_what_was_sent(edge: RunningEdge, body: dict[str, Any], present: set[str]) -> None:
    edge.upstream.answer("UpdateServer", UpdateServerResponse(server=SERVER))

    assert (await edge.person.patch(GUILD, json=body)).status_code == 200
    asked = edge.upstream.only("UpdateServer").request
    names = ("name", "description", "is_public", "system_channel_id")
    assert {name for name in names if asked.HasField(name)} == present


async def test_own_servers_are_paged(edge: RunningEdge) -> None:
    entry = ServerMembership(server=SERVER, permissions=8, is_owner=True)
    edge.upstream.answer("ListServers", ListServersResponse(servers=[entry]))

    [answer] = (await edge.person.get("/api/v10/users/@me/guilds?after=5&limit=10")).json()

    assert (answer["id"], answer["permissions"], answer["owner"]) == (str(S), "8", True)
    # hikari reads both.
    assert {"approximate_member_count", "approximate_presence_count"} <= answer.keys()
    asked = edge.upstream.only("ListServers").request
    assert (asked.before, asked.after, asked.limit) == (0, 5, 10)


async def test_channel_is_created_as_described(edge: RunningEdge) -> None:
    edge.upstream.answer("CreateChannel", CreateChannelResponse(channel=TEXT))

    response = await edge.person.post(
        f"{GUILD}/channels",
        json={
            "name": "news",
            "type": 5,
            "position": 0,
            "parent_id": None,
            "permission_overwrites": [
                {"id": str(S), "type": 0, "allow": "0", "deny": str(1 << 10)},
                {"id": PERSON, "type": "1", "allow": 1024},
            ],
        },
        headers={"X-Audit-Log-Reason": "because"},
    )

    assert (response.status_code, response.json()["id"]) == (201, str(C))
    asked = edge.upstream.only("CreateChannel").request
    assert (asked.type, asked.position, asked.HasField("position")) == (CHANNEL_TYPE_ANNOUNCEMENT, 0, True)
    assert list(asked.overwrites) == [
        Overwrite(target_id=S, target=OVERWRITE_TARGET_ROLE, deny=1 << 10),
        Overwrite(target_id=PERSON, target=OVERWRITE_TARGET_MEMBER, allow=1024),
    ]
    assert asked.reason == "because"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "voice", "type": 2}, ["type"]),
        ({"name": "x", "permission_overwrites": [{"id": "1", "type": 2}]}, ["permission_overwrites", "0", "type"]),
        (
            {"name": "x", "permission_overwrites": [{"id": "1", "type": 0, "allow": "-1"}]},
            ["permission_overwrites", "0", "allow"],
        ),
    ],
)
async def test_channel_is_refused_with_the_field(edge: RunningEdge, body: dict[str, Any], path: list[str]) -> None:
    response = await edge.person.post(f"{GUILD}/channels", json=body)

    errors = response.json()["errors"]
    for step in path:
        errors = errors[step]
    assert errors["_errors"]


@pytest.mark.parametrize(
    ("body", "present", "replaces"),
    [
        ({"topic": None}, {"topic"}, False),
        ({"name": "n", "parent_id": None, "nsfw": True}, {"name", "parent_id", "nsfw"}, False),
        ({"permission_overwrites": []}, set(), True),
        ({"permission_overwrites": None}, set(), False),
    ],
)
async def test_channel_changes_only_what_was_sent(
    edge: RunningEdge, body: dict[str, Any], present: set[str], replaces: bool
) -> None:
    edge.upstream.answer("GetChannel", GetChannelResponse(channel=TEXT))
    edge.upstream.answer("UpdateChannel", UpdateChannelResponse(channel=TEXT))

    assert (await edge.person.patch(CHANNEL, json=body)).status_code == 200
    asked = edge.upstream.only("UpdateChannel").request
    names = ("name", "topic", "position", "parent_id", "nsfw", "rate_limit_per_user")
    assert {name for name in names if asked.HasField(name)} == present
    assert asked.set_overwrites == replaces


async def test_channels_are_listed_and_moved(edge: RunningEdge) -> None:
    edge.upstream.answer("ListChannels", ListChannelsResponse(channels=[TEXT]))
    edge.upstream.answer("MoveChannels", MoveChannelsResponse())

    [answer] = (await edge.person.get(f"{GUILD}/channels")).json()
    moved = await edge.person.patch(
        f"{GUILD}/channels", json=[{"id": str(C), "position": 0}, {"id": "9", "parent_id": None}]
    )

    assert (answer["id"], answer["type"], answer["topic"]) == (str(C), 0, None)
    assert (moved.status_code, moved.content) == (204, b"")
    first, second = edge.upstream.only("MoveChannels").request.moves
    assert (first.position, first.HasField("position"), first.HasField("parent_id")) == (0, True, False)
    assert (second.HasField("position"), second.HasField("parent_id")) == (False, True)


async def test_overwrite_is_set_and_deleted(edge: RunningEdge) -> None:
    edge.upstream.answer("SetOverwrite", SetOverwriteResponse())
    edge.upstream.answer("DeleteOverwrite", DeleteOverwriteResponse())

    put = await edge.person.put(f"{CHANNEL}/permissions/{R}", json={"type": 0, "allow": "1024", "deny": None})
    deleted = await edge.person.delete(f"{CHANNEL}/permissions/{R}")

    assert (put.status_code, deleted.status_code) == (204, 204)
    overwrite = edge.upstream.only("SetOverwrite").request.overwrite
    assert overwrite == Overwrite(target_id=R, target=OVERWRITE_TARGET_ROLE, allow=1024)
    assert edge.upstream.only("DeleteOverwrite").request.target_id == R


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (StartTypingResponse(), 204, None),
        (NotFound("UNKNOWN_CHANNEL"), 404, 10003),
        (PermissionDenied("MISSING_ACCESS"), 403, 50001),
        (PermissionDenied("MISSING_PERMISSIONS"), 403, 50013),
    ],
)
async def test_typing_is_asked_of_the_gateway_as_the_caller(
    edge: RunningEdge, answer: Any, status: int, code: int | None
) -> None:
    edge.upstream.answer("StartTyping", answer)

    response = await edge.person.post(f"{CHANNEL}/typing")

    assert response.status_code == status
    assert (response.json()["code"] if response.content else None) == code
    call = edge.upstream.only("StartTyping")
    assert call.request.channel_id == C
    # Who may type where is decided there.
    assert call.principal.user_id == PERSON


@pytest.mark.parametrize(
    ("body", "color", "permissions"),
    [({}, 0, None), ({"color": 5}, 5, None), ({"colors": {"primary_color": 7}, "color": 5, "permissions": "8"}, 7, 8)],
)
async def test_role_is_created_with_defaults(
    edge: RunningEdge, body: dict[str, Any], color: int, permissions: int | None
) -> None:
    edge.upstream.answer("CreateRole", CreateRoleResponse(role=ROLE))

    response = await edge.person.post(f"{GUILD}/roles", json=body)

    assert (response.status_code, response.json()["permissions"]) == (200, "8")
    asked = edge.upstream.only("CreateRole").request
    assert (asked.name, asked.color) == ("new role", color)
    assert (asked.permissions if asked.HasField("permissions") else None) == permissions


async def test_role_changes_only_what_was_sent(edge: RunningEdge) -> None:
    edge.upstream.answer("UpdateRole", UpdateRoleResponse(role=ROLE))

    await edge.person.patch(f"{GUILD}/roles/{R}", json={"permissions": "0", "hoist": False, "name": None})

    asked = edge.upstream.only("UpdateRole").request
    names = ("name", "permissions", "color", "hoist", "mentionable")
    assert {name for name in names if asked.HasField(name)} == {"permissions", "hoist"}


async def test_roles_are_listed_found_and_moved(edge: RunningEdge) -> None:
    edge.upstream.answer("ListRoles", ListRolesResponse(roles=[ROLE]))
    edge.upstream.answer("MoveRoles", MoveRolesResponse(roles=[ROLE]))

    assert (await edge.person.get(f"{GUILD}/roles/{R}")).json()["id"] == str(R)
    assert (await edge.person.get(f"{GUILD}/roles/1")).json()["code"] == 10011
    assert len((await edge.person.get(f"{GUILD}/roles")).json()) == 1
    moved = await edge.person.patch(f"{GUILD}/roles", json=[{"id": R, "position": 2}, {"id": 1, "position": None}])
    assert moved.json()[0]["id"] == str(R)
    [move] = edge.upstream.only("MoveRoles").request.moves
    assert (move.role_id, move.position) == (R, 2)


async def test_members_are_listed_and_searched(edge: RunningEdge) -> None:
    edge.upstream.answer("ListMembers", ListMembersResponse(members=[MEMBER]))
    edge.upstream.answer("SearchMembers", SearchMembersResponse(members=[MEMBER]))

    [listed] = (await edge.person.get(f"{GUILD}/members?limit=1000&after=7")).json()
    [found] = (await edge.person.get(f"{GUILD}/members/search?query=ad")).json()

    assert listed == found
    assert (listed["user"]["id"], listed["roles"]) == (str(PERSON), [str(R)])
    asked = edge.upstream.only("ListMembers").request
    assert (asked.after, asked.limit) == (7, 1000)
    assert edge.upstream.only("SearchMembers").request.query == "ad"


@pytest.mark.parametrize(
    ("body", "nick", "roles", "muted_until"),
    [
        ({}, None, None, None),
        ({"nick": None}, "", None, None),
        ({"nick": "Countess", "roles": [str(R)]}, "Countess", [R], None),
        ({"roles": []}, None, [], None),
        ({"communication_disabled_until": "2026-01-01T12:00:00+00:00"}, None, None, NOON),
        ({"communication_disabled_until": None}, None, None, 0),
    ],
)
async def test_member_changes_only_what_was_sent(
    edge: RunningEdge, body: dict[str, Any], nick: str | None, roles: list[int] | None, muted_until: int | None
) -> None:
    edge.upstream.answer("UpdateMember", UpdateMemberResponse(member=MEMBER))

    assert (await edge.person.patch(f"{GUILD}/members/5", json=body)).status_code == 200
    asked = edge.upstream.only("UpdateMember").request
    assert asked.user_id == 5
    assert (asked.nick if asked.HasField("nick") else None) == nick
    assert (list(asked.role_ids) if asked.set_roles else None) == roles
    assert (asked.muted_until_ms if asked.HasField("muted_until_ms") else None) == muted_until


async def test_own_nickname_is_the_callers(edge: RunningEdge) -> None:
    edge.upstream.answer("UpdateMember", UpdateMemberResponse(member=MEMBER))

    await edge.person.patch(f"{GUILD}/members/@me", json={"nick": "Ada", "roles": ["1"]})

    asked = edge.upstream.only("UpdateMember").request
    assert (asked.user_id, asked.nick, asked.set_roles) == (PERSON, "Ada", False)


async def test_member_gets_a_role_and_is_kicked(edge: RunningEdge) -> None:
    edge.upstream.answer("AddMemberRole", AddMemberRoleResponse())
    edge.upstream.answer("RemoveMember", RemoveMemberResponse())

    assert (await edge.person.put(f"{GUILD}/members/5/roles/{R}")).status_code == 204
    assert (await edge.person.delete(f"{GUILD}/members/5", headers={"X-Audit-Log-Reason": "rude"})).status_code == 204
    assert edge.upstream.only("AddMemberRole").request.role_id == R
    assert edge.upstream.only("RemoveMember").request.reason == "rude"


@pytest.mark.parametrize(
    ("content", "age", "uses"),
    [(b"", 86400, 0), (b"{}", 86400, 0), (b'{"max_age": 0, "max_uses": 5, "unique": true}', 0, 5)],
)
async def test_invite_is_created_with_discords_defaults(edge: RunningEdge, content: bytes, age: int, uses: int) -> None:
    edge.upstream.answer("CreateInvite", CreateInviteResponse(invite=INVITE))

    response = await edge.person.post(f"{CHANNEL}/invites", content=content)

    assert (response.status_code, response.json()["code"]) == (200, "abc")
    asked = edge.upstream.only("CreateInvite").request
    assert (asked.max_age_seconds, asked.max_uses) == (age, uses)


async def test_invite_is_accepted(edge: RunningEdge) -> None:
    edge.upstream.answer("AcceptInvite", AcceptInviteResponse(invite=INVITE, joined=True))

    answer = (await edge.person.post("/api/v10/invites/abc")).json()

    assert (answer["new_member"], answer["guild"]["id"], answer["channel"]["name"]) == (True, str(S), "general")


async def test_public_server_is_found_joined_and_left(edge: RunningEdge) -> None:
    edge.upstream.answer("ListPublicServers", ListPublicServersResponse(servers=[SERVER]))
    edge.upstream.answer("JoinServer", JoinServerResponse(server=SERVER))
    edge.upstream.answer("LeaveServer", LeaveServerResponse())

    [found] = (await edge.person.get("/api/beep/v1/servers/public?query=che")).json()
    joined = await edge.person.put(f"/api/beep/v1/servers/{S}/members/@me")
    left = await edge.person.delete(f"/api/v10/users/@me/guilds/{S}")

    assert (found["id"], found["approximate_member_count"]) == (str(S), 2)
    assert (joined.status_code, joined.json()) == (200, found)
    assert left.status_code == 204
    assert edge.upstream.only("ListPublicServers").request.query == "che"


async def test_account_and_profile_are_told(edge: RunningEdge) -> None:
    edge.upstream.answer("GetAccount", GetAccountResponse(account=Account(user=ADA, email="ada@example.org")))
    edge.upstream.answer("GetUsers", GetUsersResponse())

    account = (await edge.person.get("/api/v10/users/@me")).json()
    unknown = await edge.person.get("/api/v10/users/5")

    assert (account["id"], account["discriminator"], account["email"]) == (str(PERSON), "0", "ada@example.org")
    assert (unknown.status_code, unknown.json()["code"]) == (404, 10013)


async def test_bot_is_created_reset_and_added(edge: RunningEdge) -> None:
    bot = Bot(user=User(id=BOT, username="helper", bot=True), owner_id=PERSON, name="helper")
    edge.upstream.answer("CreateBot", CreateBotResponse(bot=bot, token="a.b.c"))
    edge.upstream.answer("ResetBotToken", ResetBotTokenResponse(token="d.e.f"))
    edge.upstream.answer("AddBot", AddBotResponse(member=MEMBER))

    created = await edge.person.post("/api/beep/v1/bots", json={"name": "helper"})
    reset = await edge.person.post(f"/api/beep/v1/bots/{BOT}/token")
    added = await edge.person.put(f"/api/beep/v1/servers/{S}/bots/{BOT}", json={"permissions": "8"})

    assert created.status_code == 201
    assert (created.json()["bot"]["id"], created.json()["token"]) == (str(BOT), "a.b.c")
    assert created.json()["owner"]["id"] == str(PERSON)
    assert (reset.status_code, reset.json()) == (200, {"token": "d.e.f"})
    assert added.status_code == 200
    assert edge.upstream.only("AddBot").request.permissions == 8


async def test_bot_token_is_refused_from_the_resets_answer_on(edge: RunningEdge) -> None:
    edge.upstream.answer("ResetBotToken", ResetBotTokenResponse(token="new"))
    assert (await edge.bot.get("/api/v10/gateway/bot")).status_code == 200
    edge.upstream.accounts.pop("bot-token")

    await edge.person.post(f"/api/beep/v1/bots/{BOT}/token")

    assert (await edge.bot.get("/api/v10/gateway/bot")).status_code == 401


@pytest.mark.parametrize("path", ["/api/v10/oauth2/applications/@me", "/api/v10/applications/@me"])
async def test_application_has_what_the_libraries_insist_on(edge: RunningEdge, path: str) -> None:
    bot = Bot(user=User(id=BOT, username="helper", bot=True), owner_id=PERSON, name="helper")
    edge.upstream.answer("GetBot", GetBotResponse(bot=bot, owner=ADA))

    answer = (await edge.bot.get(path)).json()

    needed = {"id", "name", "icon", "description", "bot_public", "bot_require_code_grant", "verify_key", "flags"}
    assert needed <= set(answer)
    assert "install_params" not in answer


async def test_gateway_is_told_to_everybody_and_its_limits_to_bots(edge: RunningEdge) -> None:
    assert (await edge.anonymous.get("/api/v10/gateway")).json() == {"url": GATEWAY_URL}
    answer = (await edge.bot.get("/api/gateway/bot")).json()
    assert (answer["url"], answer["shards"]) == (GATEWAY_URL, 1)
    assert set(answer["session_start_limit"]) == {"total", "remaining", "reset_after", "max_concurrency"}


@pytest.mark.parametrize(
    ("header", "value"),
    [("Idempotency-Key", "k" * 129), ("X-Audit-Log-Reason", "r" * 513), ("X-Audit-Log-Reason", "%ff")],
)
async def test_headers_that_are_wrong_are_refused_also_where_nothing_would_read_them(
    edge: RunningEdge, header: str, value: str
) -> None:
    answer = await edge.person.delete(f"/api/v10/users/@me/guilds/{S}", headers={header: value})
    assert (answer.status_code, answer.json()["code"], list(answer.json()["errors"])) == (400, 50035, [header])
