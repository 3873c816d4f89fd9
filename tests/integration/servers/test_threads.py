"""Threads with the real authz: what other services ask of them, and what they are told."""

import asyncio

import msgspec

from beep.servers.v1 import channel_pb2, channels_service_pb2, servers_service_pb2, threads_service_pb2
from services.common.permissions import Permission
from services.common.snowflake import at_ms
from tests.integration.servers.harness import ANN, BOB, EVE, OWNER, World, refused, settled

VIEW, SEND = Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES


async def a_thread(world: World) -> tuple[int, int, int]:
    """The ids of a server that Ann has joined, of its channel, and of a thread of hers."""
    snapshot = await world.user(OWNER).create_server(is_public=True)
    server_id, channel_id = snapshot.server.id, snapshot.channels[0].id
    await world.user(ANN).join(server_id)
    thread = await world.user(ANN).create_thread(channel_id)
    return server_id, channel_id, thread.id


async def test_thread_is_decided_on_by_its_channel_when_its_making_is_answered(world: World) -> None:
    server_id, channel_id, thread_id = await a_thread(world)
    assert await world.may(ANN, thread_id, SEND)
    assert not await world.may(EVE, thread_id, VIEW)
    await world.user(OWNER).set_overwrite(channel_id, server_id, deny=Permission.SEND_MESSAGES_IN_THREADS)
    assert not await world.may(ANN, thread_id, SEND)
    assert await world.may(ANN, channel_id, SEND)


async def test_lock_is_in_force_when_it_is_answered(world: World) -> None:
    _, _, thread_id = await a_thread(world)
    await world.user(OWNER).update_thread(thread_id, locked=True)
    assert not await world.may(ANN, thread_id, SEND)
    assert await world.may(OWNER, thread_id, SEND)
    async with asyncio.TaskGroup() as tasks:
        async with world.held_facts():
            unlock = tasks.create_task(world.user(OWNER).update_thread(thread_id, locked=False))
            await settled()
            assert not await world.may(ANN, thread_id, SEND)
        await unlock
    assert await world.may(ANN, thread_id, SEND)


async def test_service_asks_for_a_thread_as_for_a_channel_and_brings_it_back(world: World) -> None:
    server_id, channel_id, thread_id = await a_thread(world)
    await world.user(ANN).update_thread(thread_id, archived=True)
    request = channels_service_pb2.GetChannelRequest(channel_id=thread_id)
    found = (await world.service().channels.GetChannel(request)).channel
    assert (found.type, found.parent_id, found.server_id) == (
        channel_pb2.CHANNEL_TYPE_PUBLIC_THREAD,
        channel_id,
        server_id,
    )
    assert found.thread.archived

    assert not (await world.service().update_thread(thread_id, archived=False)).thread.archived
    async with refused("USER_REQUIRED"):
        await world.service().update_thread(thread_id, name="mine")
    await world.user(OWNER).update_thread(thread_id, archived=True, locked=True)
    assert (await world.service().update_thread(thread_id, archived=False)).thread.archived
    async with refused("UNKNOWN_CHANNEL"):
        await world.service().update_thread(5, archived=False)


async def test_snapshot_has_the_active_threads_also_after_a_restart(world: World) -> None:
    server_id, channel_id, thread_id = await a_thread(world)
    old = await world.user(ANN).create_thread(channel_id, name="old")
    await world.user(ANN).update_thread(old.id, archived=True)
    await world.restart()
    (thread,) = (await world.service().snapshot(server_id)).threads
    assert (thread.id, thread.thread.owner_id, thread.thread.member_count) == (thread_id, ANN, 1)


async def test_messages_is_told_of_the_threads_that_go_with_their_channel_or_server(world: World) -> None:
    server_id, channel_id, thread_id = await a_thread(world)
    room = await world.user(OWNER).create_channel(server_id)
    inside = await world.user(OWNER).create_thread(room.id)
    alone = await world.user(OWNER).create_thread(channel_id)
    await world.user(OWNER).update_thread(inside.id, archived=True)
    owner = world.user(OWNER)

    await owner.threads.DeleteThread(threads_service_pb2.DeleteThreadRequest(thread_id=alone.id))
    await owner.channels.DeleteChannel(channels_service_pb2.DeleteChannelRequest(channel_id=room.id))
    await owner.servers.DeleteServer(servers_service_pb2.DeleteServerRequest(server_id=server_id))
    orders = [
        {int(channel_id) for channel_id in msgspec.json.decode(envelope.body)["channel_ids"]}
        for envelope in await world.events("service:messages")
        if envelope.type == "CHANNELS_DELETED"
    ]
    assert orders == [{alone.id}, {room.id, inside.id}, {channel_id, thread_id}]
    for gone in (thread_id, inside.id, alone.id):
        assert not await world.may(OWNER, gone, VIEW)


async def test_thread_is_made_once_with_one_key_and_by_one_of_two_at_once_from_one_message(world: World) -> None:
    server_id, channel_id, _ = await a_thread(world)
    ann = world.user(ANN)
    same = await asyncio.gather(*(ann.create_thread(channel_id, idempotency_key="k") for _ in range(4)))
    assert len({thread.id for thread in same}) == 1
    made = await asyncio.gather(
        *(ann.create_thread(channel_id, name=str(n), message_id=777) for n in range(4)), return_exceptions=True
    )
    assert [getattr(each, "reason", "made") for each in made].count("THREAD_EXISTS") == 3
    assert len((await world.service().snapshot(server_id)).threads) == 3


async def test_only_who_may_view_the_channel_is_added_to_a_thread(world: World) -> None:
    server_id, channel_id, thread_id = await a_thread(world)
    await world.user(BOB).join(server_id)
    await world.user(OWNER).set_overwrite(channel_id, BOB, deny=VIEW, member=True)
    for user_id in (BOB, EVE):
        async with refused("MISSING_PERMISSIONS"):
            await world.user(ANN).add_to_thread(thread_id, user_id)
    async with refused("MISSING_ACCESS"):
        await world.user(BOB).add_to_thread(thread_id, BOB)
    async with refused("UNKNOWN_CHANNEL"):
        await world.user(EVE).add_to_thread(thread_id, EVE)
    await world.user(OWNER).set_overwrite(channel_id, BOB, member=True)
    await world.user(ANN).add_to_thread(thread_id, BOB)


async def rounds(world: World, minutes: int) -> None:
    """Lets this time pass, and the round of the timer at its end begin: it asks, and has not decided yet."""
    await settled()
    world.messages.asked.clear()
    world.clock.advance(minutes * 60)
    async with asyncio.timeout(5):
        await world.messages.asked.wait()


async def test_thread_is_archived_when_nobody_writes_in_it_and_not_before(world: World) -> None:
    server_id, channel_id, thread_id = await a_thread(world)
    await world.user(ANN).update_thread(thread_id, auto_archive_minutes=60)
    world.messages.last[thread_id] = at_ms(world.clock.now_ms() + 40 * 60_000)
    world.clock.advance(1)
    left = await world.user(ANN).create_thread(channel_id)
    await world.user(ANN).update_thread(left.id, auto_archive_minutes=60)
    await rounds(world, 61)
    # The longest waiting is looked at first: once the other is archived it has been decided on.
    await world.published(server_id, "THREAD_UPDATE", times=3)
    # Written in, twenty minutes ago: it is looked at again when that is an hour ago.
    assert [thread.id for thread in (await world.service().snapshot(server_id)).threads] == [thread_id]

    await world.restart()
    assert len((await world.service().snapshot(server_id)).threads) == 1
    await rounds(world, 41)
    await world.published(server_id, "THREAD_UPDATE", times=4)
    assert (await world.dispatches(server_id))[-1][1]["thread_metadata"]["archived"]
    assert list((await world.service().snapshot(server_id)).threads) == []


async def test_thread_stays_while_nobody_can_tell_whether_it_is_idle(world: World) -> None:
    server_id, _, thread_id = await a_thread(world)
    await world.user(ANN).update_thread(thread_id, auto_archive_minutes=60)
    world.messages.gone = True
    await rounds(world, 61)
    assert len((await world.service().snapshot(server_id)).threads) == 1
    # It asks again, so the round before has come to its end.
    await rounds(world, 2)
    assert len((await world.service().snapshot(server_id)).threads) == 1
    world.messages.gone = False
    await rounds(world, 2)
    await world.published(server_id, "THREAD_UPDATE", times=2)
    assert list((await world.service().snapshot(server_id)).threads) == []
