"""Slow mode, the audit log's lines, the purge with a ban, and channels that are gone."""

import asyncio

import msgspec
import pytest

from beep.messages.v1 import message_pb2
from beep.messages.v1 import messages_service_pb2 as pb
from services.common.bus import AUDIT_ENTRY, CHANNELS_DELETED, Audience, Envelope, server_shard, service_shard
from services.common.errors import NotFound, PermissionDenied, ResourceExhausted
from services.common.permissions import Permission
from services.common.snowflake import timestamp_ms
from tests.integration.messages.harness import (
    ANN,
    BOB,
    CHANNEL,
    DIRECT,
    OTHER_CHANNEL,
    OWNER,
    SENDER,
    SERVER,
    STRANGER,
    THREAD,
    World,
)

SLOW = 30
MANAGES = SENDER | Permission.MANAGE_MESSAGES


# Slow mode


async def test_slow_mode_lets_an_author_send_once_in_its_interval_also_after_a_restart(world: World) -> None:
    world.tables.slow_modes[CHANNEL] = SLOW
    first = await world.send(ANN)
    world.clock.advance(SLOW - 10)
    await world.restart()
    with pytest.raises(ResourceExhausted) as refused:
        await world.send(ANN)
    assert (refused.value.reason, refused.value.metadata) == ("SLOW_MODE", {"retry_after": "10.0"})
    await world.send(BOB)
    # Deleting what was sent wins no time.
    await world.delete(ANN, first.id)
    with pytest.raises(ResourceExhausted):
        await world.send(ANN)
    await world.send(ANN, channel_id=OTHER_CHANNEL)
    world.clock.advance(10)
    await world.send(ANN)


async def test_slow_mode_gives_a_retry_its_first_message(world: World) -> None:
    world.tables.slow_modes[CHANNEL] = SLOW
    first = await world.send(ANN, nonce="n", enforce_nonce=True)
    assert (await world.send(ANN, nonce="n", enforce_nonce=True)).id == first.id
    with pytest.raises(ResourceExhausted):
        await world.send(ANN, nonce="m", enforce_nonce=True)


async def test_slow_mode_lets_one_of_many_at_once_pass(world: World) -> None:
    world.tables.slow_modes[CHANNEL] = SLOW
    answers = await asyncio.gather(*(world.send(ANN, f"{n}") for n in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, ResourceExhausted) for answer in answers) == 7


@pytest.mark.parametrize(
    "right", [Permission.MANAGE_MESSAGES, Permission.MANAGE_CHANNELS, Permission.BYPASS_SLOWMODE], ids=str
)
async def test_slow_mode_does_not_hold_up_who_keeps_order(world: World, right: Permission) -> None:
    world.tables.slow_modes[CHANNEL] = SLOW
    await world.grant(ANN, SENDER | right)
    await world.send(ANN)
    await world.send(ANN)


# The audit log


async def test_what_moderators_do_to_messages_is_told_to_the_audit_log(world: World) -> None:
    await world.grant(ANN, MANAGES)
    theirs = [await world.send(BOB) for _ in range(4)]
    own = await world.send(ANN)
    listener = world.listen(service_shard("servers"))
    as_ann, one = world.as_user(ANN), {"channel_id": CHANNEL, "message_id": theirs[0].id, "reason": "why"}
    await as_ann.PinMessage(pb.PinMessageRequest(**one))
    await as_ann.UnpinMessage(pb.UnpinMessageRequest(**one))
    await as_ann.DeleteMessage(pb.DeleteMessageRequest(channel_id=CHANNEL, message_id=own.id, reason="mine"))
    await as_ann.DeleteMessage(pb.DeleteMessageRequest(**one))
    ids = [message.id for message in theirs]
    await as_ann.BulkDeleteMessages(pb.BulkDeleteMessagesRequest(channel_id=CHANNEL, message_ids=ids, reason="why"))

    entries = []
    for envelope in await listener.next(4):
        entry = msgspec.json.decode(envelope.body)
        assert (envelope.type, envelope.audience) == (AUDIT_ENTRY, Audience.NONE)
        assert entry.pop("id") == str(envelope.event_id)
        entries.append(entry)
    by_ann = {"server_id": str(SERVER), "actor_id": str(ANN), "reason": "why"}
    where = {"channel_id": str(CHANNEL)}
    about_one = by_ann | {"target_id": str(BOB), "options": where | {"message_id": str(theirs[0].id)}}
    assert entries == [
        about_one | {"action": 74},
        about_one | {"action": 75},
        by_ann | {"action": 72, "target_id": str(BOB), "options": where | {"count": "1"}},
        by_ann | {"action": 73, "target_id": str(CHANNEL), "options": {"count": "3"}},
    ]


# The purge with a ban


async def test_purge_deletes_what_somebody_said_in_the_server_since_and_nothing_else(world: World) -> None:
    await world.grant(ANN, SENDER | Permission.BAN_MEMBERS)
    await world.grant(BOB, SENDER | Permission.SEND_MESSAGES_IN_THREADS)
    await world.open_thread()
    await world.open_private(DIRECT, ANN, BOB)
    old = await world.send(BOB, "old")
    world.clock.advance(60)
    since = await world.send(BOB, "since")
    others = await world.send(ANN, "not his")
    await world.send(BOB, "there", channel_id=OTHER_CHANNEL)
    await world.send(BOB, "aside", channel_id=THREAD)
    private = await world.send(BOB, "private", channel_id=DIRECT)
    listener = world.listen(server_shard(SERVER))
    purge = pb.PurgeAuthorRequest(server_id=SERVER, author_id=BOB, since_ms=timestamp_ms(since.id))
    await world.as_user(ANN).PurgeAuthor(purge)
    await world.as_user(ANN).PurgeAuthor(purge)

    assert [message.id for message in await world.history()] == [others.id, old.id]
    page = await world.as_user(ANN).ListMessages(pb.ListMessagesRequest(channel_id=DIRECT))
    assert [message.id for message in page.messages] == [private.id]
    told: list[Envelope] = []
    while len(told) < 3:
        told += [envelope for envelope in await listener.next(1) if envelope.type == "MESSAGE_DELETE_BULK"]
    assert {(msgspec.json.decode(envelope.body)["channel_id"], envelope.channel_id) for envelope in told} == {
        (str(CHANNEL), CHANNEL),
        (str(OTHER_CHANNEL), OTHER_CHANNEL),
        (str(THREAD), CHANNEL),
    }


async def test_purge_is_for_who_bans_and_for_services(world: World) -> None:
    await world.send(BOB)
    purge = pb.PurgeAuthorRequest(server_id=SERVER, author_id=BOB)
    await world.grant(ANN, MANAGES | Permission.KICK_MEMBERS)
    with pytest.raises(PermissionDenied) as refused:
        await world.as_user(ANN).PurgeAuthor(purge)
    assert refused.value.reason == "MISSING_PERMISSIONS"
    with pytest.raises(NotFound) as unknown:
        await world.as_user(STRANGER).PurgeAuthor(purge)
    assert unknown.value.reason == "UNKNOWN_SERVER"
    assert len(await world.history()) == 1
    await world.as_service("servers").PurgeAuthor(purge)
    assert await world.history() == []


async def test_purge_goes_on_until_all_is_gone(world: World) -> None:
    for batch in range(3):
        await asyncio.gather(*(world.send(BOB, f"{batch} {n}") for n in range(90)))
    await world.as_user(OWNER).PurgeAuthor(pb.PurgeAuthorRequest(server_id=SERVER, author_id=BOB))
    assert await world.history() == []


# Channels that are gone


async def test_deleted_channels_leave_nothing_behind(world: World) -> None:
    await world.grant(ANN, SENDER | Permission.ATTACH_FILES)
    attachment = message_pb2.Attachment(id=1, filename="a", content_type="a/b", size=1, token="t")
    await world.send(ANN, attachments=[attachment])
    await asyncio.gather(*(world.send(ANN, f"{n}") for n in range(130)))
    kept = await world.send(ANN, channel_id=OTHER_CHANNEL)
    listener = world.listen(service_shard("rest"))
    body = msgspec.json.encode({"channel_ids": [str(CHANNEL), "77"]})
    command = Envelope(1, service_shard("messages"), CHANNELS_DELETED, body, Audience.NONE)
    await world.bus.publish([command])
    [files] = await listener.next(1)
    assert msgspec.json.decode(files.body) == {"keys": ["attachments/1-t"]}
    async with asyncio.timeout(5):
        while await world.history():
            pass
    request = pb.ListLastMessagesRequest(channel_ids=[CHANNEL, OTHER_CHANNEL])
    last = (await world.as_service().ListLastMessages(request)).last_messages
    assert [each.message_id for each in last] == [kept.id]
    found = await world.as_user(ANN).SearchMessages(pb.SearchMessagesRequest(server_id=SERVER))
    assert [message.id for message in found.messages] == [kept.id]
