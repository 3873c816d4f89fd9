"""What an answer promises: it is in force, it happened once, and it survives."""

import asyncio

from beep.servers.v1 import servers_service_pb2 as servers_pb
from services.common.permissions import Permission
from tests.integration.servers.harness import ANN, BOB, EVE, OWNER, World, refused, settled

VIEW, SEND = Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES


async def a_server_with(world: World, *user_ids: int) -> tuple[int, int]:
    """The ids of a server that these have joined, and of its channel."""
    snapshot = await world.user(OWNER).create_server(is_public=True)
    for user_id in user_ids:
        request = servers_pb.JoinServerRequest(server_id=snapshot.server.id)
        await world.user(user_id).servers.JoinServer(request)
    return snapshot.server.id, snapshot.channels[0].id


async def test_repeated_revoke_is_not_answered_before_the_first_is_in_force(world: World) -> None:
    server_id, channel_id = await a_server_with(world, ANN)
    owner = world.user(OWNER)
    await owner.set_overwrite(channel_id, server_id, deny=SEND)
    role = await owner.create_role(server_id)
    await owner.set_overwrite(channel_id, role.id, allow=SEND)
    await owner.give_role(server_id, ANN, role.id)

    async with asyncio.TaskGroup() as tasks:
        async with world.held_facts():
            first = tasks.create_task(owner.take_role(server_id, ANN, role.id))
            await settled()
            # It changes nothing any more, and yet the right is still there.
            again = tasks.create_task(owner.take_role(server_id, ANN, role.id))
            done, _ = await asyncio.wait({first, again}, timeout=0.05)
            assert not done
            assert await world.may(ANN, channel_id, SEND)
        await again
        assert not await world.may(ANN, channel_id, SEND)


async def test_change_that_was_stored_before_a_crash_is_in_force_after_the_restart(world: World) -> None:
    server_id, channel_id = await a_server_with(world, ANN)
    async with world.held_facts():
        async with asyncio.TaskGroup() as tasks:
            kick = tasks.create_task(world.user(OWNER).kick(server_id, ANN))
            await asyncio.wait({kick}, timeout=0.05)
            kick.cancel()
        assert await world.may(ANN, channel_id, VIEW)
        await world.close()
    await world.restart()

    await world.published(server_id, "GUILD_MEMBER_REMOVE")
    assert not await world.may(ANN, channel_id, VIEW)
    assert [name for name, _ in await world.dispatches(server_id)] == ["GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE"]


async def test_create_with_one_key_makes_one_thing_however_often_and_whenever_it_is_asked(world: World) -> None:
    owner = world.user(OWNER)
    same = await asyncio.gather(*(owner.create_server("Once", idempotency_key="k") for _ in range(5)))
    (server_id,) = {snapshot.server.id for snapshot in same}
    roles = await asyncio.gather(*(owner.create_role(server_id, name="r", idempotency_key="k") for _ in range(5)))
    channels = await asyncio.gather(*(owner.create_channel(server_id, "c", idempotency_key="k") for _ in range(5)))
    invites = await asyncio.gather(
        *(owner.create_invite(channels[0].id, unique=True, idempotency_key="k") for _ in range(5))
    )
    await world.restart()

    assert {role.id for role in roles} == {(await owner.create_role(server_id, name="r", idempotency_key="k")).id}
    assert len({channel.id for channel in channels}) == len({invite.code for invite in invites}) == 1
    assert len((await owner.get_server(server_id)).roles) == 2
    assert await owner.channel_names(server_id) == ["general", "c"]
    assert [name for name, _ in await world.dispatches(server_id)].count("INVITE_CREATE") == 1
    assert (await world.user(ANN).create_server("Mine", idempotency_key="k")).server.id != server_id


async def test_uses_of_an_invitation_are_counted_exactly_when_many_accept_at_once(world: World) -> None:
    owner = world.user(OWNER)
    snapshot = await owner.create_server()
    invite = await owner.create_invite(snapshot.channels[0].id, max_uses=2)

    outcomes = await asyncio.gather(
        *(world.user(user_id).accept(invite.code) for user_id in (ANN, BOB, EVE)), return_exceptions=True
    )

    assert sorted(str(outcome) for outcome in outcomes) == ["True", "True", "UNKNOWN_INVITE: Unknown invitation."]
    assert (await owner.get_server(snapshot.server.id)).server.member_count == 3


async def test_invitation_expires(world: World) -> None:
    owner = world.user(OWNER)
    snapshot = await owner.create_server()
    invite = await owner.create_invite(snapshot.channels[0].id, max_age_seconds=60)
    world.clock.advance(60)
    async with refused("UNKNOWN_INVITE"):
        await world.user(ANN).accept(invite.code)


async def test_mute_takes_the_voice_at_once_and_ends_by_itself(world: World) -> None:
    server_id, channel_id = await a_server_with(world, ANN)
    until = world.clock.now_ms() + 60_000
    muted = await world.user(OWNER).update_member(server_id, ANN, muted_until_ms=until)

    assert muted.muted_until_ms == until
    assert not await world.may(ANN, channel_id, SEND)
    assert await world.may(ANN, channel_id, VIEW)
    await settled()
    world.clock.advance(59)
    await settled()
    assert not await world.may(ANN, channel_id, SEND)

    world.clock.advance(1)
    await world.published(server_id, "GUILD_MEMBER_UPDATE", times=2)
    assert await world.may(ANN, channel_id, SEND)
    name, body = (await world.dispatches(server_id))[-1]
    assert (name, body["communication_disabled_until"]) == ("GUILD_MEMBER_UPDATE", None)


async def test_mute_whose_end_was_missed_ends_at_the_next_start(world: World) -> None:
    server_id, channel_id = await a_server_with(world, ANN)
    await world.user(OWNER).update_member(server_id, ANN, muted_until_ms=world.clock.now_ms() + 60_000)
    await world.close()
    world.clock.advance(60)
    await world.restart()

    await world.published(server_id, "GUILD_MEMBER_UPDATE", times=2)
    assert await world.may(ANN, channel_id, SEND)


async def test_deleted_role_is_out_of_force_everywhere(world: World) -> None:
    server_id, channel_id = await a_server_with(world, ANN)
    owner = world.user(OWNER)
    role = await owner.create_role(server_id)
    await owner.give_role(server_id, ANN, role.id)
    await owner.set_overwrite(channel_id, role.id, deny=VIEW)
    assert not await world.may(ANN, channel_id, VIEW)

    await owner.delete_role(server_id, role.id)

    assert await world.may(ANN, channel_id, VIEW)
    assert (await world.service().member(server_id, ANN)).role_ids == []


async def test_view_changes_are_announced_where_they_stand_in_the_stream(world: World) -> None:
    server_id, channel_id = await a_server_with(world, ANN)
    owner = world.user(OWNER)
    role = await owner.create_role(server_id)
    await owner.give_role(server_id, ANN, role.id)
    await owner.update_member(server_id, ANN, nick="Annie")
    await owner.set_overwrite(channel_id, role.id, deny=VIEW)
    await owner.kick(server_id, ANN)

    access = [(envelope.type, envelope.access) for envelope in await world.changes(server_id)]
    joined, made, given, renamed, closed, left = access
    assert joined[1] is not None
    assert joined[1].joined_user_ids == (ANN,)
    assert made == ("GUILD_ROLE_CREATE", None)
    assert given[1] is not None
    assert given[1].user_ids == (ANN,)
    assert renamed == ("GUILD_MEMBER_UPDATE", None)
    assert closed[1] is not None
    assert closed[1].channel_ids == (channel_id,)
    assert left[1] is not None
    assert left[1].left_user_ids == (ANN,)
