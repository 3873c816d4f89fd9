"""What moderators and other services do to a server, over real neighbours."""

import asyncio
from typing import Any

import msgspec

from beep.servers.v1 import (
    audit_log_service_pb2 as audit_pb,
)
from beep.servers.v1 import (
    bans_service_pb2 as bans_pb,
)
from beep.servers.v1 import (
    invitations_service_pb2 as invitations_pb,
)
from beep.servers.v1 import (
    servers_service_pb2 as servers_pb,
)
from services.common.bus import Audience, Envelope, service_shard
from tests.integration.servers.harness import ANN, BOB, EVE, NAMES, OWNER, World, refused


async def tell(world: World, event_id: int, type: str, body: dict[str, Any]) -> None:
    """As another service does, from its outbox."""
    shard = service_shard("servers")
    await world.bus.publish([Envelope(event_id, shard, type, msgspec.json.encode(body), Audience.NONE)])


async def audit_log(world: World, server_id: int) -> list[Any]:
    request = audit_pb.ListAuditLogRequest(server_id=server_id)
    return list((await world.user(OWNER).audit_log.ListAuditLog(request)).entries)


async def public_server(world: World, *members: int) -> int:
    server_id = int((await world.user(OWNER).create_server(is_public=True)).server.id)
    for user_id in members:
        await world.user(user_id).join(server_id)
    return server_id


def entry(server_id: int, **fields: Any) -> dict[str, Any]:
    base = {"id": "77", "server_id": str(server_id), "actor_id": str(ANN), "action": 72, "target_id": str(BOB)}
    return base | {"reason": "spam", "options": {"count": "1"}} | fields


async def test_entry_of_another_service_is_in_the_log_once_and_told_to_its_readers(world: World) -> None:
    server_id = await public_server(world)
    await tell(world, 1, "AUDIT_ENTRY", entry(server_id))
    await world.published(server_id, "GUILD_AUDIT_LOG_ENTRY_CREATE")
    await tell(world, 2, "AUDIT_ENTRY", entry(server_id))
    await tell(world, 3, "AUDIT_ENTRY", entry(server_id, id="78", reason=None, options=None))
    await world.published(server_id, "GUILD_AUDIT_LOG_ENTRY_CREATE", times=2)

    newest, first = await audit_log(world, server_id)
    assert (first.id, first.actor_id, first.action, first.target_id, first.reason) == (77, ANN, 72, BOB, "spam")
    assert msgspec.json.decode(first.options) == {"count": "1"}
    assert (newest.id, newest.reason, newest.options) == (78, "", b"")


async def test_entry_that_nobody_can_use_holds_nothing_up(world: World) -> None:
    server_id = await public_server(world)
    await tell(world, 1, "AUDIT_ENTRY", {"id": "what?"})
    await tell(world, 2, "AUDIT_ENTRY", entry(server_id + 1))
    await tell(world, 3, "SOMETHING_NEW", {})
    await tell(world, 4, "AUDIT_ENTRY", entry(server_id))
    await world.published(server_id, "GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert [each.id for each in await audit_log(world, server_id)] == [77]


async def test_entry_that_came_while_servers_was_away_is_not_lost(world: World) -> None:
    server_id = await public_server(world)
    await world.close()
    await tell(world, 1, "AUDIT_ENTRY", entry(server_id))
    await world.restart()
    await world.published(server_id, "GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert [each.id for each in await audit_log(world, server_id)] == [77]


async def test_changed_profile_is_shown_in_every_server_of_its_user_and_in_no_other(world: World) -> None:
    with_ann = [await public_server(world, ANN), await public_server(world, ANN)]
    without_ann = await public_server(world, BOB)
    await world.rename(ANN, "annette")
    await tell(world, 1, "PROFILE_CHANGED", {"user_id": str(ANN)})
    for server_id in with_ann:
        await world.published(server_id, "GUILD_MEMBER_UPDATE")
        name, body = (await world.dispatches(server_id))[-1]
        assert (name, body["user"]["username"]) == ("GUILD_MEMBER_UPDATE", "annette")
    assert "GUILD_MEMBER_UPDATE" not in [name for name, _ in await world.dispatches(without_ann)]
    assert await audit_log(world, with_ann[0]) == []


async def test_removed_user_is_out_of_every_server_and_invitation(world: World) -> None:
    joined = await public_server(world, ANN)
    other = await public_server(world, BOB)
    private = int((await world.user(EVE).create_server()).server.id)
    ann, eve = world.user(ANN), world.user(EVE)
    await eve.invitations.InviteUser(invitations_pb.InviteUserRequest(server_id=private, user_id=ANN))
    await ann.invitations.InviteUser(invitations_pb.InviteUserRequest(server_id=joined, user_id=EVE))
    remove = servers_pb.RemoveUserRequest(user_id=ANN)
    async with refused("SERVICE_REQUIRED"):
        await ann.servers.RemoveUser(remove)

    for _ in range(2):
        await world.service().servers.RemoveUser(remove)

    assert await world.user(OWNER).member_names(joined) == [NAMES[OWNER]]
    name, body = (await world.dispatches(joined))[-1]
    assert (name, body["user"]["id"]) == ("GUILD_MEMBER_REMOVE", str(ANN))
    assert await world.user(OWNER).member_names(other) == [NAMES[OWNER], NAMES[BOB]]
    for user_id in (ANN, EVE):
        mine = await world.user(user_id).invitations.ListInvitations(invitations_pb.ListInvitationsRequest())
        assert list(mine.invitations) == []
    assert [line.action for line in await audit_log(world, joined)] == [40], "that they invited, and no kick"


async def test_owner_of_a_server_is_not_removed_and_stays_wherever_they_are(world: World) -> None:
    joined = await public_server(world, ANN)
    await world.user(ANN).create_server()
    async with refused("OWNER_CANNOT_LEAVE"):
        await world.service().servers.RemoveUser(servers_pb.RemoveUserRequest(user_id=ANN))
    assert NAMES[ANN] in await world.user(OWNER).member_names(joined)


async def test_ban_and_removal_are_one_change_of_the_server(world: World) -> None:
    server_id = await public_server(world, ANN)
    await world.user(OWNER).bans.BanMember(bans_pb.BanMemberRequest(server_id=server_id, user_id=ANN, reason="spam"))
    removed, banned = (await world.changes(server_id))[-2:]
    assert (removed.type, banned.type) == ("GUILD_MEMBER_REMOVE", "GUILD_BAN_ADD")
    assert removed.state_version == banned.state_version
    (line,) = await audit_log(world, server_id)
    assert (line.action, line.actor_id, line.target_id, line.reason) == (22, OWNER, ANN, "spam")


async def test_two_who_ban_and_join_at_once_leave_nobody_inside_who_is_banned(world: World) -> None:
    server_id = await public_server(world)
    owner, ann = world.user(OWNER), world.user(ANN)
    for _ in range(5):
        outcomes = await asyncio.gather(
            owner.bans.BanMember(bans_pb.BanMemberRequest(server_id=server_id, user_id=ANN)),
            ann.join(server_id),
            return_exceptions=True,
        )
        assert not isinstance(outcomes[0], BaseException)
        assert await owner.member_names(server_id) == [NAMES[OWNER]]
        await owner.bans.UnbanUser(bans_pb.UnbanUserRequest(server_id=server_id, user_id=ANN))
