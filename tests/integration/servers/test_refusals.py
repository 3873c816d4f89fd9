"""Each deed by the bit that it needs: with it and nothing else allowed, without it and with all else refused."""

from collections.abc import Awaitable, Callable

import pytest

from beep.servers.v1 import channels_service_pb2 as channels_pb
from beep.servers.v1 import invites_service_pb2 as invites_pb
from beep.servers.v1 import roles_service_pb2 as roles_pb
from beep.servers.v1 import servers_service_pb2 as servers_pb
from services.common.errors import BeepError, NotFound
from services.common.permissions import Permission
from tests.integration.servers.harness import ANN, BOB, EVE, OWNER, Caller, World, refused

P = Permission
NO_ADMINISTRATOR = sum(P) & ~P.ADMINISTRATOR


class Scene:
    """A server of the owner; BOB is a plain member; ANN will act, by a role that is above `low`."""

    def __init__(self, world: World, server_id: int, channel_id: int, role_id: int, low: int) -> None:
        self.world, self.server_id, self.channel_id = world, server_id, channel_id
        self.role_id, self.low = role_id, low


async def a_scene(world: World) -> Scene:
    owner = world.user(OWNER)
    snapshot = await owner.create_server(is_public=True)
    server_id, channel_id = snapshot.server.id, snapshot.channels[0].id
    for user_id in (ANN, BOB):
        await world.user(user_id).servers.JoinServer(servers_pb.JoinServerRequest(server_id=server_id))
    everyone = roles_pb.UpdateRoleRequest(server_id=server_id, role_id=server_id, permissions=P.VIEW_CHANNEL)
    await owner.roles.UpdateRole(everyone)
    role = await owner.create_role(server_id)
    low = await owner.create_role(server_id)
    await owner.move_role(server_id, role.id, 2)
    await owner.give_role(server_id, ANN, role.id)
    return Scene(world, server_id, channel_id, role.id, low.id)


Deed = Callable[[Caller, Scene], Awaitable[object]]

DEEDS: dict[str, tuple[int, Deed]] = {
    "update server": (
        P.MANAGE_GUILD,
        lambda c, s: c.servers.UpdateServer(servers_pb.UpdateServerRequest(server_id=s.server_id, name="New")),
    ),
    "create channel": (P.MANAGE_CHANNELS, lambda c, s: c.create_channel(s.server_id)),
    "update channel": (
        P.MANAGE_CHANNELS,
        lambda c, s: c.channels.UpdateChannel(channels_pb.UpdateChannelRequest(channel_id=s.channel_id, topic="t")),
    ),
    "move channels": (
        P.MANAGE_CHANNELS,
        lambda c, s: c.channels.MoveChannels(
            channels_pb.MoveChannelsRequest(
                server_id=s.server_id, moves=[channels_pb.ChannelMove(channel_id=s.channel_id, position=5)]
            )
        ),
    ),
    "delete channel": (
        P.MANAGE_CHANNELS,
        lambda c, s: c.channels.DeleteChannel(channels_pb.DeleteChannelRequest(channel_id=s.channel_id)),
    ),
    "set overwrite": (
        P.MANAGE_ROLES | P.MANAGE_CHANNELS,
        lambda c, s: c.set_overwrite(s.channel_id, s.low, deny=P.VIEW_CHANNEL),
    ),
    "create role": (P.MANAGE_ROLES, lambda c, s: c.create_role(s.server_id)),
    "update role": (
        P.MANAGE_ROLES,
        lambda c, s: c.roles.UpdateRole(
            roles_pb.UpdateRoleRequest(server_id=s.server_id, role_id=s.low, name="renamed")
        ),
    ),
    "delete role": (P.MANAGE_ROLES, lambda c, s: c.delete_role(s.server_id, s.low)),
    "give role": (P.MANAGE_ROLES | P.ASSIGN_ROLES, lambda c, s: c.give_role(s.server_id, BOB, s.low)),
    "rename member": (P.MANAGE_NICKNAMES, lambda c, s: c.update_member(s.server_id, BOB, nick="Bobby")),
    "rename oneself": (P.CHANGE_NICKNAME, lambda c, s: c.update_member(s.server_id, ANN, nick="Annie")),
    "mute": (
        P.MODERATE_MEMBERS,
        lambda c, s: c.update_member(s.server_id, BOB, muted_until_ms=s.world.clock.now_ms() + 1000),
    ),
    "kick": (P.KICK_MEMBERS, lambda c, s: c.kick(s.server_id, BOB)),
    "create invite": (P.CREATE_INSTANT_INVITE, lambda c, s: c.create_invite(s.channel_id)),
    "list invites": (
        P.MANAGE_GUILD | P.CREATE_INSTANT_INVITE,
        lambda c, s: c.invites.ListServerInvites(invites_pb.ListServerInvitesRequest(server_id=s.server_id)),
    ),
}


async def hold(scene: Scene, permissions: int) -> None:
    """ANN's role has exactly these."""
    request = roles_pb.UpdateRoleRequest(server_id=scene.server_id, role_id=scene.role_id, permissions=permissions)
    await scene.world.user(OWNER).roles.UpdateRole(request)


@pytest.mark.parametrize("name", DEEDS)
async def test_deed_needs_its_bit_and_no_other(world: World, name: str) -> None:
    any_of, deed = DEEDS[name]
    scene = await a_scene(world)
    ann = world.user(ANN)

    await hold(scene, NO_ADMINISTRATOR & ~any_of)
    async with refused("MISSING_PERMISSIONS"):
        await deed(ann, scene)

    await hold(scene, next(bit for bit in P if bit & any_of))
    await deed(ann, scene)


@pytest.mark.parametrize("name", sorted(DEEDS.keys() - {"rename oneself"}))
async def test_nobody_outside_learns_that_the_thing_exists(world: World, name: str) -> None:
    scene = await a_scene(world)
    gone = Scene(world, 1, 1, 1, 1)
    reasons: set[tuple[type[BeepError], str, str]] = set()
    for where in (scene, gone):
        try:
            await DEEDS[name][1](world.user(EVE), where)
        except BeepError as error:
            reasons.add((type(error), str(error), str(error.metadata)))
    ((kind, message, _),) = reasons
    assert issubclass(kind, NotFound)
    assert message.startswith("UNKNOWN_")


@pytest.mark.parametrize("name", DEEDS)
async def test_administrator_may_all_of_it(world: World, name: str) -> None:
    scene = await a_scene(world)
    await hold(scene, P.ADMINISTRATOR)
    await DEEDS[name][1](world.user(ANN), scene)


async def test_channel_that_one_may_not_view_is_not_changed_whatever_one_holds(world: World) -> None:
    scene = await a_scene(world)
    await hold(scene, NO_ADMINISTRATOR)
    await world.user(OWNER).set_overwrite(scene.channel_id, ANN, deny=P.VIEW_CHANNEL, member=True)
    async with refused("MISSING_ACCESS"):
        await DEEDS["update channel"][1](world.user(ANN), scene)
    async with refused("MISSING_ACCESS"):
        await world.user(ANN).channels.GetChannel(channels_pb.GetChannelRequest(channel_id=scene.channel_id))


async def test_invitations_are_shown_to_their_makers_and_to_those_who_manage(world: World) -> None:
    scene = await a_scene(world)
    ann, owner = world.user(ANN), world.user(OWNER)
    await hold(scene, P.CREATE_INSTANT_INVITE)
    own = await ann.create_invite(scene.channel_id)
    others = await owner.create_invite(scene.channel_id)

    async def shown() -> set[str]:
        request = invites_pb.ListServerInvitesRequest(server_id=scene.server_id)
        return {invite.code for invite in (await ann.invites.ListServerInvites(request)).invites}

    assert await shown() == {own.code}
    async with refused("MISSING_PERMISSIONS"):
        await ann.invites.DeleteInvite(invites_pb.DeleteInviteRequest(code=others.code))
    await ann.invites.DeleteInvite(invites_pb.DeleteInviteRequest(code=own.code))
    await hold(scene, P.MANAGE_GUILD)
    assert await shown() == {others.code}
    await ann.invites.DeleteInvite(invites_pb.DeleteInviteRequest(code=others.code))
    assert await shown() == set()


async def test_invitation_on_the_same_terms_is_given_again_unless_a_new_one_is_asked_for(world: World) -> None:
    scene = await a_scene(world)
    owner = world.user(OWNER)
    first = await owner.create_invite(scene.channel_id, max_age_seconds=60)
    assert (await owner.create_invite(scene.channel_id, max_age_seconds=60)).code == first.code
    assert (await owner.create_invite(scene.channel_id, max_age_seconds=60, unique=True)).code != first.code


async def test_whoever_has_the_code_sees_where_it_leads_and_no_more(world: World) -> None:
    scene = await a_scene(world)
    made = await world.user(OWNER).create_invite(scene.channel_id)
    shown = (await world.user(EVE).invites.GetInvite(invites_pb.GetInviteRequest(code=made.code))).invite
    assert (shown.server.name, shown.channel.name, shown.inviter.username) == ("Lab", "general", "owner")
    assert (shown.server.owner_id, shown.server.version, list(shown.channel.overwrites)) == (0, 0, [])


async def test_snapshot_is_for_services_only_and_has_the_members_that_were_asked_for(world: World) -> None:
    scene = await a_scene(world)
    async with refused("SERVICE_REQUIRED"):
        await world.user(OWNER).snapshot(scene.server_id)
    service = world.service()

    whole = await service.snapshot(scene.server_id)
    assert [(member.user.username, list(member.role_ids)) for member in whole.members] == [
        ("owner", []),
        ("ann", [scene.role_id]),
        ("bob", []),
    ]
    assert len((await service.snapshot(scene.server_id, member_ids=[ANN, EVE])).members) == 1
    assert len((await service.snapshot(scene.server_id, without_members=True)).members) == 0
    assert [role.id for role in whole.roles] == [scene.server_id, scene.low, scene.role_id]


async def test_members_are_listed_and_found_by_every_member_and_by_nobody_else(world: World) -> None:
    scene = await a_scene(world)
    await world.user(OWNER).update_member(scene.server_id, BOB, nick="Anton")
    assert await world.user(BOB).member_names(scene.server_id) == ["owner", "ann", "bob"]
    assert await world.user(BOB).member_names(scene.server_id, query="AN") == ["ann", "bob"]
    async with refused("UNKNOWN_SERVER"):
        await world.user(EVE).member_names(scene.server_id)


async def test_servers_of_a_user_come_with_their_permissions(world: World) -> None:
    scene = await a_scene(world)
    (own,) = (await world.user(OWNER).servers.ListServers(servers_pb.ListServersRequest())).servers
    (bobs,) = (await world.service().servers.ListServers(servers_pb.ListServersRequest(user_id=BOB))).servers
    assert (own.server.id, own.is_owner, own.permissions) == (scene.server_id, True, sum(P))
    assert (bobs.is_owner, bobs.permissions) == (False, P.VIEW_CHANNEL)
