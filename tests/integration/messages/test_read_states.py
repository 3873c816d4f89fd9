"""What somebody has read, and what mentions them since: counted when asked, never written for others."""

from collections.abc import Iterable

import msgspec
import pytest

from beep.messages.v1 import messages_service_pb2 as messages_pb
from beep.messages.v1 import read_states_service_pb2 as pb
from services.common.auth import Principal
from services.common.bus import Audience, user_shard
from services.common.errors import NotFound, PermissionDenied
from services.common.permissions import Permission
from services.common.snowflake import timestamp_ms
from tests.integration.messages.harness import (
    ANN,
    BOB,
    CHANNEL,
    DIRECT,
    MENTIONABLE_ROLE,
    OTHER_CHANNEL,
    OWNER,
    SENDER,
    SERVER,
    STRANGER,
    World,
)
from tests.support.in_process import bot, service, user


async def ack(world: World, who: Principal, message_id: int, channel_id: int = CHANNEL) -> pb.ReadState:
    request = pb.AckMessageRequest(channel_id=channel_id, message_id=message_id)
    return (await world.read_states(who).AckMessage(request)).read_state


async def states(
    world: World,
    user_id: int,
    *,
    channels: Iterable[int] = (CHANNEL, OTHER_CHANNEL),
    roles: Iterable[int] = (),
    since_ms: int = 0,
) -> dict[int, tuple[int, int, int]]:
    """(read up to, mentions, newest) by channel."""
    scope = pb.ReadStateScope(server_id=SERVER, channel_ids=channels, role_ids=roles, since_ms=since_ms)
    request = pb.ListReadStatesRequest(user_id=user_id, scopes=[scope])
    answer = await world.read_states(service("gateway")).ListReadStates(request)
    return {
        state.channel_id: (state.last_read_message_id, state.mention_count, state.last_message_id)
        for state in answer.read_states
    }


async def test_sending_reads_up_to_what_was_sent_and_for_nobody_else(world: World) -> None:
    sent = await world.send(ANN)
    assert await states(world, ANN) == {CHANNEL: (sent.id, 0, sent.id)}
    assert await states(world, BOB) == {CHANNEL: (0, 0, sent.id)}


async def test_whoever_pins_has_read_the_notice_of_it(world: World) -> None:
    sent = await world.send(ANN)
    await world.grant(BOB, SENDER | Permission.PIN_MESSAGES)
    await world.as_user(BOB).PinMessage(messages_pb.PinMessageRequest(channel_id=CHANNEL, message_id=sent.id))
    [notice, _] = await world.history()
    assert await states(world, BOB) == {CHANNEL: (notice.id, 0, notice.id)}
    assert await states(world, ANN) == {CHANNEL: (sent.id, 0, notice.id)}


async def test_mentions_are_counted_from_what_was_read_on(world: World) -> None:
    first = await world.send(ANN, f"<@{BOB}>")
    await world.send(ANN, f"<@{BOB}> <@&{MENTIONABLE_ROLE}> @everyone")  # one message, however many ways
    await world.send(OWNER, "@everyone")
    await world.send(ANN, f"<@&{MENTIONABLE_ROLE}>")
    last = await world.send(ANN, f"<@{OWNER}>")
    assert await states(world, BOB) == {CHANNEL: (0, 3, last.id)}
    assert await states(world, BOB, roles=[MENTIONABLE_ROLE]) == {CHANNEL: (0, 4, last.id)}
    state = await ack(world, user(BOB), first.id)
    assert (state.last_read_message_id, state.mention_count, state.last_message_id) == (first.id, 2, last.id)
    assert await states(world, BOB, roles=[MENTIONABLE_ROLE]) == {CHANNEL: (first.id, 3, last.id)}


async def test_mentions_follow_edits_and_deletions(world: World) -> None:
    named = await world.send(ANN, f"<@{BOB}>")
    deleted = await world.send(ANN, f"<@{BOB}>")
    edit = messages_pb.UpdateMessageRequest(channel_id=CHANNEL, message_id=named.id, content=f"<@{OWNER}>")
    await world.as_user(ANN).UpdateMessage(edit)
    await world.delete(ANN, deleted.id)
    assert await states(world, BOB) == {CHANNEL: (0, 0, named.id)}
    assert (await states(world, OWNER))[CHANNEL][1] == 1


async def test_acknowledgement_is_told_to_the_reader_alone(world: World) -> None:
    first, second = await world.send(ANN, f"<@{BOB}>"), await world.send(ANN, f"<@{BOB}>")
    listener = world.listen(user_shard(BOB), f"server:{SERVER}")
    await ack(world, user(BOB), second.id)
    await ack(world, user(BOB), first.id)
    told = [envelope for envelope in await listener.next(2) if envelope.type == "MESSAGE_ACK"]
    while len(told) < 2:
        told += [envelope for envelope in await listener.next(1) if envelope.type == "MESSAGE_ACK"]
    assert {(envelope.shard, envelope.audience, envelope.user_ids) for envelope in told} == {
        (user_shard(BOB), Audience.USERS, (BOB,))
    }
    read, unread = [msgspec.json.decode(envelope.body) for envelope in told]
    where = {"channel_id": str(CHANNEL)}
    assert read == where | {"message_id": str(second.id), "mention_count": 0, "version": 1}
    assert unread == where | {"message_id": str(first.id), "mention_count": 1, "version": 2}


async def test_nobody_reads_beyond_the_newest_message(world: World) -> None:
    sent = await world.send(ANN)
    state = await ack(world, user(BOB), sent.id + (1 << 40))
    assert state.last_read_message_id == sent.id
    later = await world.send(ANN, f"<@{BOB}>")
    assert await states(world, BOB) == {CHANNEL: (sent.id, 1, later.id)}


async def test_what_was_said_before_somebody_joined_counts_as_read(world: World) -> None:
    old = await world.send(ANN, f"<@{BOB}>")
    world.clock.advance(60)
    joined_ms = timestamp_ms(old.id) + 30_000
    assert await states(world, BOB, since_ms=joined_ms) == {CHANNEL: (old.id, 0, old.id)}
    new = await world.send(ANN, f"<@{BOB}>")
    [(read, mentions, last)] = (await states(world, BOB, since_ms=joined_ms)).values()
    assert old.id < read < new.id == last
    assert mentions == 1


async def test_private_channels_have_read_states_too(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    sent = await world.send(ANN, f"<@{BOB}>", channel_id=DIRECT)
    assert await states(world, BOB, channels=[DIRECT]) == {DIRECT: (0, 1, sent.id)}
    assert (await ack(world, user(BOB), sent.id, DIRECT)).mention_count == 0


async def test_only_people_who_may_read_acknowledge_and_only_services_list(world: World) -> None:
    sent = await world.send(ANN)
    with pytest.raises(NotFound):
        await ack(world, user(STRANGER), sent.id)
    with pytest.raises(PermissionDenied) as refused:
        await ack(world, bot(BOB), sent.id)
    assert refused.value.reason == "PERSON_REQUIRED"
    await world.grant(BOB, Permission.VIEW_CHANNEL)
    with pytest.raises(PermissionDenied):
        await ack(world, user(BOB), sent.id)
    with pytest.raises(PermissionDenied) as refused:
        await world.read_states(user(BOB)).ListReadStates(pb.ListReadStatesRequest(user_id=ANN))
    assert refused.value.reason == "SERVICE_REQUIRED"


async def test_service_has_what_somebody_read_forgotten_and_nobody_else_may(world: World) -> None:
    sent = await world.send(ANN)
    await ack(world, user(BOB), sent.id)
    forget = pb.ForgetReaderRequest(user_id=BOB)
    with pytest.raises(PermissionDenied) as refused:
        await world.read_states(user(BOB)).ForgetReader(forget)
    assert refused.value.reason == "SERVICE_REQUIRED"
    assert (await states(world, BOB))[CHANNEL] == (sent.id, 0, sent.id)
    for _ in range(2):
        await world.read_states(service("users")).ForgetReader(forget)
    assert (await states(world, BOB))[CHANNEL] == (0, 0, sent.id)
    assert (await states(world, ANN))[CHANNEL] == (sent.id, 0, sent.id)


async def test_last_messages_are_told_to_services(world: World) -> None:
    await world.send(ANN)
    last = await world.send(ANN)
    request = messages_pb.ListLastMessagesRequest(channel_ids=[CHANNEL, OTHER_CHANNEL])
    answer = await world.as_service().ListLastMessages(request)
    assert [(each.channel_id, each.message_id) for each in answer.last_messages] == [(CHANNEL, last.id)]
    with pytest.raises(PermissionDenied):
        await world.as_user(ANN).ListLastMessages(request)
