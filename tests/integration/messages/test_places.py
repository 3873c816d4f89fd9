"""Private channels and threads: who is told, by which shard, and what the bodies lack or have."""

import msgspec
import pytest

from beep.messages.v1 import messages_service_pb2 as pb
from beep.messages.v1 import reactions_service_pb2 as reactions_pb
from services.common.bus import PRIVATE_MESSAGE, THREAD_MESSAGE, Audience, service_shard, user_shard
from services.common.errors import FailedPrecondition, NotFound, PermissionDenied
from services.common.permissions import Permission
from tests.integration.messages.harness import (
    ANN,
    BOB,
    CHANNEL,
    DIRECT,
    GROUP,
    MENTIONABLE_ROLE,
    OWNER,
    SENDER,
    SERVER,
    STRANGER,
    THREAD,
    World,
)

TALKS = SENDER | Permission.SEND_MESSAGES_IN_THREADS


# Private channels


async def test_private_message_is_told_to_each_participant_on_their_own_shard(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    listener = world.listen(user_shard(ANN), user_shard(BOB), service_shard("users"))
    sent = await world.send(ANN, "psst", channel_id=DIRECT)
    to_ann, to_bob, to_users = await listener.next(3)

    assert [to_ann.shard, to_bob.shard] == [user_shard(ANN), user_shard(BOB)]
    assert (to_ann.audience, to_ann.user_ids, to_bob.user_ids) == (Audience.USERS, (ANN,), (BOB,))
    assert to_ann.body == to_bob.body
    assert len({to_ann.event_id, to_bob.event_id, to_users.event_id}) == 3
    body = msgspec.json.decode(to_ann.body)
    assert (body["id"], body["channel_id"], body["channel_type"]) == (str(sent.id), str(DIRECT), 1)
    assert not {"guild_id", "member"} & body.keys()
    assert (to_users.type, to_users.channel_id, to_users.audience) == (PRIVATE_MESSAGE, DIRECT, Audience.NONE)


async def test_group_message_says_that_it_is_of_a_group_and_asks_users_once(world: World) -> None:
    await world.open_private(GROUP, ANN, BOB, OWNER)
    listener = world.listen(*map(user_shard, (ANN, BOB, OWNER)))
    for _ in range(2):
        await world.send(BOB, "hello all", channel_id=GROUP)
    told = await listener.next(6)
    assert {msgspec.json.decode(envelope.body)["channel_type"] for envelope in told} == {3}
    assert world.tables.asked["GetPrivateChannel"] == 1


async def test_changes_of_a_private_message_are_told_without_a_server(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    listener = world.listen(user_shard(BOB))
    sent = await world.send(ANN, "psst", channel_id=DIRECT)
    await listener.next(1)
    named = {"channel_id": DIRECT, "message_id": sent.id}
    await world.as_user(ANN).UpdateMessage(pb.UpdateMessageRequest(content="hush", **named))
    await world.as_user(BOB).PinMessage(pb.PinMessageRequest(**named))
    await world.as_user(BOB).UnpinMessage(pb.UnpinMessageRequest(**named))
    await world.as_user(ANN).DeleteMessage(pb.DeleteMessageRequest(**named))
    told = await listener.next(7)
    assert [envelope.type for envelope in told] == [
        "MESSAGE_UPDATE",
        "MESSAGE_UPDATE",
        "CHANNEL_PINS_UPDATE",
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "CHANNEL_PINS_UPDATE",
        "MESSAGE_DELETE",
    ]
    assert all("guild_id" not in msgspec.json.decode(envelope.body) for envelope in told)


async def test_private_message_mentions_participants_only(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    text = f"<@{BOB}> <@{OWNER}> <@&{MENTIONABLE_ROLE}> @everyone"
    sent = await world.send(ANN, text, channel_id=DIRECT)
    assert ([user.id for user in sent.mentions], list(sent.mention_role_ids)) == ([BOB], [])
    assert not sent.mention_everyone


async def test_private_channel_is_unknown_to_everybody_else(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    for call in (
        world.send(OWNER, channel_id=DIRECT),
        world.as_user(STRANGER).ListMessages(pb.ListMessagesRequest(channel_id=DIRECT)),
        world.as_user(OWNER).SearchMessages(pb.SearchMessagesRequest(in_channel_id=DIRECT)),
    ):
        with pytest.raises(NotFound) as refused:
            await call
        assert refused.value.reason == "UNKNOWN_CHANNEL"


async def test_silenced_channel_is_read_and_not_written_and_does_not_say_why(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    sent = await world.send(ANN, "one", channel_id=DIRECT)
    await world.open_private(DIRECT, ANN, BOB, silenced=True)
    edit = pb.UpdateMessageRequest(channel_id=DIRECT, message_id=sent.id, content="two")
    pin = pb.PinMessageRequest(channel_id=DIRECT, message_id=sent.id)
    for user_id in (ANN, BOB):
        for call in (
            world.send(user_id, "two", channel_id=DIRECT),
            world.as_user(user_id).UpdateMessage(edit),
            world.as_user(user_id).PinMessage(pin),
        ):
            with pytest.raises(PermissionDenied) as refused:
                await call
            # Only where it can be looked up: nothing tells who has silenced it.
            assert (refused.value.reason, [*refused.value.metadata]) == ("CANNOT_MESSAGE_USER", ["decision_id"])
    page = await world.as_user(BOB).ListMessages(pb.ListMessagesRequest(channel_id=DIRECT))
    assert [message.content for message in page.messages] == ["one"]


async def test_nobody_manages_messages_in_a_private_channel(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    sent = await world.send(ANN, "mine", channel_id=DIRECT)
    with pytest.raises(PermissionDenied) as refused:
        await world.as_user(BOB).DeleteMessage(pb.DeleteMessageRequest(channel_id=DIRECT, message_id=sent.id))
    assert refused.value.reason == "MISSING_PERMISSIONS"


async def test_search_of_one_private_channel_finds_there_and_nowhere_else(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    await world.send(ANN, "a secret", channel_id=DIRECT)
    await world.send(ANN, "a secret in the open")
    found = await world.as_user(BOB).SearchMessages(pb.SearchMessagesRequest(in_channel_id=DIRECT, content="secret"))
    assert [message.content for message in found.messages] == ["a secret"]
    found = await world.as_user(BOB).SearchMessages(pb.SearchMessagesRequest(server_id=SERVER, content="secret"))
    assert [message.content for message in found.messages] == ["a secret in the open"]


# Threads


async def test_thread_message_is_told_to_who_views_the_parent(world: World) -> None:
    await world.grant(ANN, TALKS)
    await world.open_thread()
    listener = world.listen(f"server:{SERVER}")
    sent = await world.send(ANN, "aside", channel_id=THREAD)
    [envelope] = await listener.next(1)
    assert (envelope.audience, envelope.channel_id, envelope.server_id) == (Audience.CHANNEL, CHANNEL, SERVER)
    body = msgspec.json.decode(envelope.body)
    assert (body["channel_id"], body["guild_id"], body["id"]) == (str(THREAD), str(SERVER), str(sent.id))
    assert "channel_type" not in body


async def test_thread_needs_the_right_to_send_in_threads(world: World) -> None:
    await world.open_thread()
    with pytest.raises(PermissionDenied) as refused:
        await world.send(ANN, channel_id=THREAD)
    assert refused.value.reason == "MISSING_PERMISSIONS"


async def test_message_brings_an_archived_thread_back_before_it_is_written(world: World) -> None:
    await world.grant(ANN, TALKS)
    await world.open_thread(archived=True)
    await world.send(ANN, channel_id=THREAD)
    assert world.tables.unarchived == [THREAD]


async def test_refused_message_leaves_an_archived_thread_as_it_is(world: World) -> None:
    await world.grant(ANN, TALKS)
    await world.open_thread(archived=True, locked=True)
    with pytest.raises(PermissionDenied):
        await world.send(ANN, channel_id=THREAD)
    assert world.tables.unarchived == []


async def test_servers_is_told_who_wrote_in_a_thread_and_of_nothing_said_elsewhere(world: World) -> None:
    await world.grant(ANN, TALKS)
    await world.open_thread()
    listener = world.listen(service_shard("servers"))
    await world.send(ANN)
    await world.send(ANN, channel_id=THREAD)
    [told] = await listener.next(1)
    assert (told.type, told.channel_id, told.audience) == (THREAD_MESSAGE, THREAD, Audience.NONE)
    assert msgspec.json.decode(told.body) == {"user_id": str(ANN)}


async def test_nothing_but_deleting_is_done_in_an_archived_thread(world: World) -> None:
    await world.grant(ANN, TALKS | Permission.ADD_REACTIONS | Permission.MANAGE_MESSAGES | Permission.PIN_MESSAGES)
    await world.open_thread()
    sent = await world.send(ANN, channel_id=THREAD)
    named = {"channel_id": THREAD, "message_id": sent.id}
    reaction = named | {"emoji": "👍"}
    await world.reactions(ANN).AddReaction(reactions_pb.AddReactionRequest(**reaction))
    await world.open_thread(archived=True)
    for call in (
        world.as_user(ANN).UpdateMessage(pb.UpdateMessageRequest(content="new", **named)),
        world.as_user(ANN).PinMessage(pb.PinMessageRequest(**named)),
        world.as_user(ANN).UnpinMessage(pb.UnpinMessageRequest(**named)),
        world.reactions(ANN).AddReaction(reactions_pb.AddReactionRequest(**reaction)),
        world.reactions(ANN).RemoveReaction(reactions_pb.RemoveReactionRequest(**reaction)),
        world.reactions(ANN).ClearReactions(reactions_pb.ClearReactionsRequest(**reaction)),
    ):
        with pytest.raises(FailedPrecondition) as refused:
            await call
        assert refused.value.reason == "THREAD_ARCHIVED"
    found = await world.as_user(ANN).GetMessage(pb.GetMessageRequest(**named))
    assert (found.message.content, len(found.message.reactions)) == ("hello", 1)
    await world.as_user(ANN).DeleteMessage(pb.DeleteMessageRequest(**named))
    assert world.tables.unarchived == []


async def test_search_of_a_server_finds_what_was_said_in_its_threads(world: World) -> None:
    await world.grant(ANN, TALKS)
    await world.open_thread()
    await world.send(ANN, "aside", channel_id=THREAD)
    await world.send(ANN, "not aside")
    for named in ([], [CHANNEL]):
        request = pb.SearchMessagesRequest(server_id=SERVER, content="aside", channel_ids=named)
        found = await world.as_user(BOB).SearchMessages(request)
        assert [message.content for message in found.messages] == ["not aside", "aside"]
    only = await world.as_user(BOB).SearchMessages(pb.SearchMessagesRequest(in_channel_id=THREAD, content="aside"))
    assert [message.content for message in only.messages] == ["aside"]
