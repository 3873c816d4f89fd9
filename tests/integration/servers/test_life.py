"""A server from its making to its end, allowed and denied, with the real authz behind every answer."""

from beep.servers.v1 import servers_service_pb2 as servers_pb
from services.common.permissions import Permission
from tests.integration.servers.harness import ANN, BOB, EVE, OWNER, World, refused


async def test_server_is_usable_by_its_owner_when_its_making_is_answered(world: World) -> None:
    snapshot = await world.user(OWNER).create_server("  Lab ", description="where we work")

    assert snapshot.server.name == "Lab"
    assert [role.id for role in snapshot.roles] == [snapshot.server.id]
    assert [channel.name for channel in snapshot.channels] == ["general"]
    assert [member.user.username for member in snapshot.members] == ["owner"]
    assert await world.may(OWNER, snapshot.channels[0].id, Permission.MANAGE_CHANNELS)
    (joined,) = await world.events(f"user:{OWNER}")
    assert (joined.type, joined.server_id, joined.state_version) == ("SERVER_JOINED", snapshot.server.id, 1)


async def test_member_joins_by_invitation_gets_a_role_and_is_kicked(world: World) -> None:
    owner, ann = world.user(OWNER), world.user(ANN)
    snapshot = await owner.create_server()
    server_id, general = snapshot.server.id, snapshot.channels[0].id
    async with refused("UNKNOWN_SERVER"):
        await ann.get_server(server_id)

    invite = await owner.create_invite(general, max_uses=1)
    assert await ann.accept(invite.code)
    assert await world.may(ANN, general, Permission.SEND_MESSAGES)
    assert (await ann.get_server(server_id)).server.member_count == 2
    async with refused("UNKNOWN_INVITE"):
        await world.user(BOB).accept(invite.code)

    async with refused("MISSING_PERMISSIONS"):
        await ann.create_channel(server_id)
    role = await owner.create_role(server_id, Permission.MANAGE_CHANNELS, name="keepers")
    await owner.give_role(server_id, ANN, role.id)
    channel = await ann.create_channel(server_id, "Secret  Room")
    assert channel.name == "secret-room"

    # SRV-14: a channel manager restricts the channel.
    await ann.set_overwrite(channel.id, role.id, allow=Permission.VIEW_CHANNEL)
    await ann.set_overwrite(channel.id, server_id, deny=Permission.VIEW_CHANNEL)
    await owner.take_role(server_id, ANN, role.id)
    assert not await world.may(ANN, channel.id, Permission.VIEW_CHANNEL)
    assert await ann.channel_names(server_id) == ["general"]
    assert await owner.channel_names(server_id) == ["general", "secret-room"]

    async with refused("MISSING_PERMISSIONS"):
        await ann.kick(server_id, OWNER)
    await owner.kick(server_id, ANN)
    assert not await world.may(ANN, general, Permission.VIEW_CHANNEL)
    async with refused("UNKNOWN_SERVER"):
        await ann.get_server(server_id)

    assert [name for name, _ in await world.dispatches(server_id)] == [
        "INVITE_CREATE",
        "GUILD_MEMBER_ADD",
        "INVITE_DELETE",
        "GUILD_ROLE_CREATE",
        "GUILD_MEMBER_UPDATE",
        "CHANNEL_CREATE",
        "CHANNEL_UPDATE",
        "CHANNEL_UPDATE",
        "GUILD_MEMBER_UPDATE",
        "GUILD_MEMBER_REMOVE",
    ]
    versions = [envelope.state_version for envelope in await world.changes(server_id)]
    assert versions == sorted(versions)


async def test_accepting_again_uses_nothing_up_also_when_the_first_answer_was_lost(world: World) -> None:
    snapshot = await world.user(OWNER).create_server()
    invite = await world.user(OWNER).create_invite(snapshot.channels[0].id, max_uses=1)

    assert await world.user(ANN).accept(invite.code)
    assert not await world.user(ANN).accept(invite.code)
    async with refused("UNKNOWN_INVITE"):
        await world.user(BOB).accept(invite.code)


async def test_deleted_server_is_gone_for_everybody_and_its_managers_delete_it(world: World) -> None:
    owner, ann = world.user(OWNER), world.user(ANN)
    snapshot = await owner.create_server(is_public=True)
    server_id = snapshot.server.id
    await ann.servers.JoinServer(servers_pb.JoinServerRequest(server_id=server_id))
    async with refused("MISSING_PERMISSIONS"):
        await ann.servers.DeleteServer(servers_pb.DeleteServerRequest(server_id=server_id))
    role = await owner.create_role(server_id, Permission.MANAGE_GUILD)
    await owner.give_role(server_id, ANN, role.id)
    await ann.servers.DeleteServer(servers_pb.DeleteServerRequest(server_id=server_id))

    async with refused("UNKNOWN_SERVER"):
        await owner.get_server(server_id)
    assert not await world.may(OWNER, snapshot.channels[0].id, Permission.VIEW_CHANNEL)
    assert (await world.dispatches(server_id))[-1] == ("GUILD_DELETE", {"id": str(server_id)})


async def test_public_server_is_joined_without_asking_and_a_private_one_is_not_there(world: World) -> None:
    public = await world.user(OWNER).create_server("Chess Club", is_public=True, description="Openings")
    private = await world.user(OWNER).create_server("Chess board meeting")
    ann = world.user(ANN)

    listed = await ann.servers.ListPublicServers(servers_pb.ListPublicServersRequest(query="CHESS"))
    assert [server.id for server in listed.servers] == [public.server.id]
    for _ in range(2):
        await ann.servers.JoinServer(servers_pb.JoinServerRequest(server_id=public.server.id))
    assert (await ann.get_server(public.server.id)).server.member_count == 2
    async with refused("UNKNOWN_SERVER"):
        await ann.servers.JoinServer(servers_pb.JoinServerRequest(server_id=private.server.id))

    await ann.servers.LeaveServer(servers_pb.LeaveServerRequest(server_id=public.server.id))
    async with refused("UNKNOWN_SERVER"):
        await ann.get_server(public.server.id)
    async with refused("OWNER_CANNOT_LEAVE"):
        await world.user(OWNER).servers.LeaveServer(servers_pb.LeaveServerRequest(server_id=public.server.id))


async def test_bot_is_added_with_its_own_role_and_takes_it_along_when_it_is_kicked(world: World) -> None:
    owner = world.user(OWNER)
    server_id = (await owner.create_server()).server.id
    bot_id = await world.make_bot(EVE)
    async with refused("UNKNOWN_BOT"):
        await owner.add_bot(server_id, bot_id)
    bot_id = await world.make_bot(OWNER)

    member = await owner.add_bot(server_id, bot_id, Permission.MANAGE_CHANNELS)

    assert member.user.bot
    await world.bot(bot_id).create_channel(server_id, "made-by-bot")
    (role_id,) = member.role_ids
    async with refused("MISSING_PERMISSIONS"):
        await owner.take_role(server_id, bot_id, role_id)
    await owner.kick(server_id, bot_id)
    assert role_id not in {role.id for role in (await owner.get_server(server_id)).roles}
    async with refused("BOTS_CANNOT_USE"):
        await world.bot(bot_id).servers.JoinServer(servers_pb.JoinServerRequest(server_id=server_id))
