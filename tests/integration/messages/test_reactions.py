"""Reactions: who may begin one and who may join, what is told, and what every reader is shown."""

import asyncio

import msgspec
import pytest

from beep.messages.v1 import messages_service_pb2 as messages_pb
from beep.messages.v1 import reactions_service_pb2 as pb
from services.common.bus import server_shard, user_shard
from services.common.errors import NotFound, PermissionDenied, ResourceExhausted
from services.common.limits import REACTIONS_PER_MESSAGE
from services.common.permissions import Permission
from tests.integration.messages.harness import ANN, BOB, CHANNEL, DIRECT, OWNER, READER, SENDER, SERVER, STRANGER, World

REACTS = READER | Permission.ADD_REACTIONS
MANAGES = SENDER | Permission.MANAGE_MESSAGES
HEART, THUMB = "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}", "\N{THUMBS UP SIGN}"


async def react(world: World, user_id: int, message_id: int, emoji: str = THUMB, channel_id: int = CHANNEL) -> None:
    await world.reactions(user_id).AddReaction(
        pb.AddReactionRequest(channel_id=channel_id, message_id=message_id, emoji=emoji)
    )


async def unreact(world: World, user_id: int, message_id: int, emoji: str = THUMB, *, whose: int = 0) -> None:
    await world.reactions(user_id).RemoveReaction(
        pb.RemoveReactionRequest(channel_id=CHANNEL, message_id=message_id, emoji=emoji, user_id=whose)
    )


async def clear(world: World, user_id: int, message_id: int, emoji: str = "") -> None:
    await world.reactions(user_id).ClearReactions(
        pb.ClearReactionsRequest(channel_id=CHANNEL, message_id=message_id, emoji=emoji)
    )


async def shown(world: World, user_id: int) -> list[tuple[str, int, bool]]:
    """What this reader sees under the newest message."""
    [newest, *_] = await world.history(user_id)
    return [(reaction.emoji, reaction.count, reaction.me) for reaction in newest.reactions]


async def test_reaction_is_told_once_and_shown_to_each_reader_as_theirs_or_not(world: World) -> None:
    await world.grant(ANN, REACTS)
    listener = world.listen(server_shard(SERVER))
    sent = await world.send(OWNER)
    await listener.next(1)
    await react(world, ANN, sent.id, HEART)
    await react(world, ANN, sent.id, "\N{HEAVY BLACK HEART}")  # the same emoji, as text writes it
    await react(world, BOB, sent.id, HEART)
    first, second = [msgspec.json.decode(envelope.body) for envelope in await listener.next(2)]

    assert first | {"member": None} == {
        "user_id": str(ANN),
        "channel_id": str(CHANNEL),
        "message_id": str(sent.id),
        "guild_id": str(SERVER),
        "member": None,
        "emoji": {"id": None, "name": HEART},
        "message_author_id": str(OWNER),
        "burst": False,
        "type": 0,
    }
    assert first["member"]["roles"] == [str(500 + ANN)]
    assert second["user_id"] == str(BOB)
    assert await shown(world, ANN) == [(HEART, 2, True)]
    assert await shown(world, OWNER) == [(HEART, 2, False)]


async def test_first_of_an_emoji_needs_the_right_and_joining_in_does_not(world: World) -> None:
    await world.grant(ANN, REACTS)
    await world.grant(BOB, READER)
    sent = await world.send(OWNER)
    with pytest.raises(PermissionDenied) as refused:
        await react(world, BOB, sent.id)
    assert refused.value.reason == "MISSING_PERMISSIONS"
    assert refused.value.metadata["decision_id"]
    await react(world, ANN, sent.id)
    await react(world, BOB, sent.id)
    assert await shown(world, BOB) == [(THUMB, 2, True)]
    # Once it is gone, the next one is the first again.
    for user_id in (ANN, BOB):
        await unreact(world, user_id, sent.id)
    with pytest.raises(PermissionDenied):
        await react(world, BOB, sent.id)


@pytest.mark.parametrize(
    "emoji", ["", "a", ":thumbsup:", "name:123", THUMB * 2, "\N{VARIATION SELECTOR-16}", "1", "x" * 999]
)
async def test_what_is_no_emoji_is_unknown(world: World, emoji: str) -> None:
    sent = await world.send(OWNER)
    with pytest.raises(NotFound) as refused:
        await react(world, OWNER, sent.id, emoji)
    assert refused.value.reason == "UNKNOWN_EMOJI"


async def test_message_takes_so_many_different_emojis_and_no_more(world: World) -> None:
    sent = await world.send(OWNER)
    emojis = [chr(ord("\N{GRINNING FACE}") + n) for n in range(REACTIONS_PER_MESSAGE + 1)]
    answers = await asyncio.gather(*(react(world, OWNER, sent.id, emoji) for emoji in emojis), return_exceptions=True)
    [refused] = [answer for answer in answers if answer is not None]
    assert isinstance(refused, ResourceExhausted)
    assert refused.reason == "MAX_REACTIONS"
    first, *_ = await shown(world, OWNER)
    await react(world, BOB, sent.id, first[0])
    assert len(await shown(world, OWNER)) == REACTIONS_PER_MESSAGE


async def test_stranger_reacts_to_nothing(world: World) -> None:
    sent = await world.send(OWNER)
    with pytest.raises(NotFound) as refused:
        await react(world, STRANGER, sent.id)
    assert refused.value.reason == "UNKNOWN_CHANNEL"
    with pytest.raises(NotFound) as refused:
        await react(world, OWNER, sent.id + 1)
    assert refused.value.reason == "UNKNOWN_MESSAGE"


async def test_only_who_manages_messages_takes_away_what_others_put_there(world: World) -> None:
    await world.grant(ANN, REACTS)
    await world.grant(BOB, MANAGES)
    listener = world.listen(server_shard(SERVER))
    sent = await world.send(OWNER)
    await react(world, OWNER, sent.id)
    await react(world, ANN, sent.id, HEART)
    await listener.next(3)
    for call in (
        unreact(world, ANN, sent.id, whose=OWNER),
        clear(world, ANN, sent.id),
        clear(world, ANN, sent.id, THUMB),
    ):
        with pytest.raises(PermissionDenied):
            await call
    await unreact(world, BOB, sent.id, whose=OWNER)
    await unreact(world, BOB, sent.id, whose=OWNER)  # it is gone
    await react(world, ANN, sent.id)
    await clear(world, BOB, sent.id, THUMB)
    await clear(world, BOB, sent.id)
    await clear(world, BOB, sent.id)  # nothing is left
    told = await listener.next(4)
    assert [envelope.type.removeprefix("MESSAGE_REACTION_") for envelope in told] == [
        "REMOVE",
        "ADD",
        "REMOVE_EMOJI",
        "REMOVE_ALL",
    ]
    assert msgspec.json.decode(told[0].body)["user_id"] == str(OWNER)
    assert await shown(world, ANN) == []


async def test_reactions_are_listed_by_user_in_pages(world: World) -> None:
    sent = await world.send(OWNER)
    for user_id in (OWNER, BOB, ANN):
        await react(world, user_id, sent.id)

    async def listed(**fields: int) -> list[int]:
        request = pb.ListReactionsRequest(channel_id=CHANNEL, message_id=sent.id, emoji=THUMB, **fields)
        return [user.id for user in (await world.reactions(ANN).ListReactions(request)).users]

    assert await listed() == [OWNER, ANN, BOB]
    assert await listed(limit=1) == [OWNER]
    assert await listed(after=OWNER, limit=1) == [ANN]
    assert await listed(after=BOB) == []


async def test_reactions_go_with_their_message(world: World) -> None:
    sent = await world.send(OWNER)
    await react(world, OWNER, sent.id)
    await world.delete(OWNER, sent.id)
    with pytest.raises(NotFound):
        await react(world, OWNER, sent.id)
    await world.restart()
    assert await world.history() == []


async def test_edit_is_told_with_the_reactions_of_nobody_in_particular(world: World) -> None:
    listener = world.listen(server_shard(SERVER))
    sent = await world.send(OWNER)
    await react(world, OWNER, sent.id)
    await listener.next(2)
    request = messages_pb.UpdateMessageRequest(channel_id=CHANNEL, message_id=sent.id, content="edited")
    answer = await world.as_user(OWNER).UpdateMessage(request)
    assert [(reaction.count, reaction.me) for reaction in answer.message.reactions] == [(1, True)]
    [envelope] = await listener.next(1)
    [told] = msgspec.json.decode(envelope.body)["reactions"]
    assert told == {
        "count": 1,
        "count_details": {"burst": 0, "normal": 1},
        "me": False,
        "me_burst": False,
        "emoji": {"id": None, "name": THUMB},
        "burst_colors": [],
    }


async def test_reaction_in_a_private_channel_is_told_to_its_participants(world: World) -> None:
    await world.open_private(DIRECT, ANN, BOB)
    listener = world.listen(user_shard(ANN), user_shard(BOB))
    sent = await world.send(ANN, channel_id=DIRECT)
    await listener.next(2)
    await react(world, BOB, sent.id, channel_id=DIRECT)
    told = await listener.next(2)
    assert [envelope.user_ids for envelope in told] == [(ANN,), (BOB,)]
    assert not {"guild_id", "member"} & msgspec.json.decode(told[0].body).keys()
    await world.open_private(DIRECT, ANN, BOB, silenced=True)
    with pytest.raises(PermissionDenied) as refused:
        await react(world, ANN, sent.id, HEART, channel_id=DIRECT)
    assert refused.value.reason == "CANNOT_MESSAGE_USER"
