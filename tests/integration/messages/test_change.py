"""Editing, deleting and pinning: who may, what is published, and what happens when several do it at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from beep.messages.v1 import messages_service_pb2 as pb
from services.common import limits
from services.common.errors import BeepError, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted
from services.common.permissions import Permission
from services.common.snowflake import at_ms
from tests.integration.messages.harness import ANN, BOB, CHANNEL, OWNER, READER, SENDER, STRANGER, World

PIN = SENDER | Permission.PIN_MESSAGES
MANAGE = SENDER | Permission.MANAGE_MESSAGES
# All that a member can have but the rights over other people's messages.
EVERYTHING_ELSE = (
    Permission(sum(Permission))
    & ~Permission.ADMINISTRATOR
    & ~Permission.MANAGE_MESSAGES
    & ~Permission.PIN_MESSAGES
    & ~Permission.READ_MESSAGE_HISTORY
)


async def edit(world: World, user_id: int, message_id: int, **fields: Any) -> Any:
    request = pb.UpdateMessageRequest(channel_id=CHANNEL, message_id=message_id, **fields)
    return (await world.as_user(user_id).UpdateMessage(request)).message


async def pin(world: World, user_id: int, message_id: int) -> None:
    await world.as_user(user_id).PinMessage(pb.PinMessageRequest(channel_id=CHANNEL, message_id=message_id))


async def unpin(world: World, user_id: int, message_id: int) -> None:
    await world.as_user(user_id).UnpinMessage(pb.UnpinMessageRequest(channel_id=CHANNEL, message_id=message_id))


async def pins(world: World, user_id: int = OWNER, **fields: Any) -> Any:
    return await world.as_user(user_id).ListPins(pb.ListPinsRequest(channel_id=CHANNEL, **fields))


async def bulk_delete(world: World, user_id: int, *message_ids: int) -> None:
    request = pb.BulkDeleteMessagesRequest(channel_id=CHANNEL, message_ids=message_ids)
    await world.as_user(user_id).BulkDeleteMessages(request)


async def history(world: World, user_id: int, message_id: int) -> None:
    await world.history(user_id)


async def get(world: World, user_id: int, message_id: int) -> None:
    await world.as_user(user_id).GetMessage(pb.GetMessageRequest(channel_id=CHANNEL, message_id=message_id))


async def bulk_delete_one(world: World, user_id: int, message_id: int) -> None:
    await bulk_delete(world, user_id, message_id, message_id + 1)


async def list_pins(world: World, user_id: int, message_id: int) -> None:
    await pins(world, user_id)


Act = Callable[[World, int, int], Awaitable[None]]
ACTS: tuple[Act, ...] = (history, get, World.delete, bulk_delete_one, pin, unpin, list_pins)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_act_on_somebody_elses_message_is_refused_when_every_other_right_is_there(world: World, act: Act) -> None:
    sent = await world.send(OWNER)
    await world.grant(ANN, EVERYTHING_ELSE)
    with pytest.raises(PermissionDenied) as refused:
        await act(world, ANN, sent.id)
    assert refused.value.reason == "MISSING_PERMISSIONS"


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_act_tells_a_stranger_nothing(world: World, act: Act) -> None:
    sent = await world.send(OWNER)
    with pytest.raises(NotFound) as refused:
        await act(world, STRANGER, sent.id)
    assert refused.value.reason == "UNKNOWN_CHANNEL"


@pytest.mark.parametrize("act", [get, World.delete, pin, unpin], ids=lambda act: act.__name__)
async def test_act_on_a_message_that_is_not_there_says_so(world: World, act: Act) -> None:
    with pytest.raises(NotFound) as unknown:
        await act(world, OWNER, 5)
    assert unknown.value.reason == "UNKNOWN_MESSAGE"


# Editing


async def test_edit_changes_the_text_and_says_when(world: World) -> None:
    sent = await world.send(ANN, "before")
    world.clock.advance(60)
    edited = await edit(world, ANN, sent.id, content=f"after <@{BOB}>")
    _, (kind, body) = await world.events(2)

    assert edited.edited_at_ms == world.clock.now_ms()
    assert (kind, body["content"], body["id"]) == ("MESSAGE_UPDATE", f"after <@{BOB}>", str(sent.id))
    assert body["edited_timestamp"] is not None
    assert [user["username"] for user in body["mentions"]] == ["bob"]
    assert body["member"]["roles"] == [str(500 + ANN)]
    assert [message.content for message in await world.history()] == [f"after <@{BOB}>"]


@pytest.mark.parametrize("permissions", [MANAGE, EVERYTHING_ELSE])
async def test_edit_of_somebody_elses_words_is_refused(world: World, permissions: Permission) -> None:
    sent = await world.send(OWNER, "mine")
    await world.grant(ANN, permissions)
    with pytest.raises(PermissionDenied) as refused:
        await edit(world, ANN, sent.id, content="yours")
    assert refused.value.reason == "NOT_AUTHOR"


async def test_edit_is_refused_when_the_author_may_no_longer_send(world: World) -> None:
    sent = await world.send(ANN)
    await world.grant(ANN, READER)
    with pytest.raises(PermissionDenied):
        await edit(world, ANN, sent.id, content="again")


async def test_edit_hides_anybodys_embeds_for_who_manages_messages(world: World) -> None:
    sent = await world.send(BOB)
    await world.grant(ANN, MANAGE)
    assert (await edit(world, ANN, sent.id, flags=4)).flags == 4
    await world.grant(ANN, SENDER)
    with pytest.raises(PermissionDenied):
        await edit(world, ANN, sent.id, flags=0)


async def test_edit_and_pin_at_once_lose_nothing(world: World) -> None:
    sent = await world.send(OWNER, "before")
    await asyncio.gather(
        pin(world, OWNER, sent.id), *(edit(world, OWNER, sent.id, content=f"after {n}") for n in range(4))
    )
    [shown] = (await pins(world)).messages
    assert shown.content.startswith("after")
    updates = [body for kind, body in await world.events(8) if kind == "MESSAGE_UPDATE"]
    assert len(updates) == 5
    assert (updates[-1]["content"], updates[-1]["pinned"]) == (shown.content, True)


async def test_edit_of_a_reply_keeps_telling_whom_it_answers(world: World) -> None:
    question = await world.send(BOB, "question")
    told = await world.send(ANN, "answer", reply_to_message_id=question.id)
    edited = await edit(world, ANN, told.id, content="better answer")
    assert [user.id for user in edited.mentions] == [BOB]
    assert edited.referenced_message.content == "question"


# Deleting


async def test_delete_own_needs_no_right(world: World) -> None:
    sent = await world.send(ANN)
    await world.grant(ANN, READER)
    await world.delete(ANN, sent.id)
    _, (kind, body) = await world.events(2)
    assert (kind, body["id"]) == ("MESSAGE_DELETE", str(sent.id))
    assert await world.history() == []


async def test_delete_of_anybodys_is_allowed_for_who_manages_messages(world: World) -> None:
    sent = await world.send(BOB)
    await world.grant(ANN, MANAGE)
    await world.delete(ANN, sent.id)
    assert await world.history() == []


async def test_delete_is_published_once_when_two_do_it_at_once(world: World) -> None:
    sent = await world.send(ANN)
    outcomes = await asyncio.gather(world.delete(ANN, sent.id), world.delete(OWNER, sent.id), return_exceptions=True)
    await world.send(ANN, "marker")
    assert [kind for kind, _ in await world.events(3)] == ["MESSAGE_CREATE", "MESSAGE_DELETE", "MESSAGE_CREATE"]
    assert sum(isinstance(outcome, NotFound) for outcome in outcomes) == 1


async def test_bulk_delete_removes_what_is_there_and_lists_it(world: World) -> None:
    await world.grant(ANN, MANAGE)
    first, kept, second = [await world.send(BOB) for _ in range(3)]
    await bulk_delete(world, ANN, second.id, first.id, first.id, kept.id + 1_000_000)
    *_, (kind, body) = await world.events(4)
    assert (kind, body["ids"]) == ("MESSAGE_DELETE_BULK", [str(first.id), str(second.id)])
    assert [message.id for message in await world.history()] == [kept.id]


async def test_bulk_delete_refuses_messages_that_are_too_old(world: World) -> None:
    old = at_ms(world.clock.now_ms() - 14 * 24 * 3600 * 1000 - 1)
    with pytest.raises(InvalidArgument) as refused:
        await bulk_delete(world, OWNER, old, old + 5)
    assert refused.value.reason == "BULK_DELETE_TOO_OLD"


# Pins


@pytest.mark.parametrize("permissions", [PIN, MANAGE], ids=["pin", "manage"])
async def test_pin_is_listed_and_told(world: World, permissions: Permission) -> None:
    sent = await world.send(BOB, "remember")
    await world.grant(ANN, permissions)
    await pin(world, ANN, sent.id)
    _, (update, shown), (changed, when), (create, notice) = await world.events(4)

    assert (update, shown["pinned"], shown["content"]) == ("MESSAGE_UPDATE", True, "remember")
    assert (changed, bool(when["last_pin_timestamp"])) == ("CHANNEL_PINS_UPDATE", True)
    assert (create, notice["type"], notice["author"]["username"]) == ("MESSAGE_CREATE", 6, "ann")
    assert notice["message_reference"]["message_id"] == str(sent.id)
    assert [message.id for message in (await pins(world)).messages] == [sent.id]
    assert [int(notice["id"]), sent.id] == [message.id for message in await world.history()]


async def test_pin_again_changes_nothing(world: World) -> None:
    sent = await world.send(ANN)
    await asyncio.gather(*(pin(world, OWNER, sent.id) for _ in range(4)))
    await world.send(ANN, "marker")
    kinds = [kind for kind, _ in await world.events(5)]
    assert kinds == ["MESSAGE_CREATE", "MESSAGE_UPDATE", "CHANNEL_PINS_UPDATE", "MESSAGE_CREATE", "MESSAGE_CREATE"]


async def test_unpin_tells_the_pin_that_is_newest_then(world: World) -> None:
    first, second = await world.send(ANN), await world.send(ANN)
    for sent in (first, second):
        world.clock.advance(10)
        await pin(world, OWNER, sent.id)
    await unpin(world, OWNER, second.id)
    await unpin(world, OWNER, first.id)
    await unpin(world, OWNER, first.id)
    events = [body for kind, body in await world.events(12) if kind == "CHANNEL_PINS_UPDATE"]
    stamps = [body["last_pin_timestamp"] for body in events]
    assert stamps[2] == stamps[0]
    assert stamps[3] is None
    assert list((await pins(world)).messages) == []


async def test_pins_are_paged_by_time_newest_first(world: World) -> None:
    sent = [await world.send(ANN) for _ in range(3)]
    for message in sent:
        world.clock.advance(1)
        await pin(world, OWNER, message.id)
    page = await pins(world, limit=2)
    assert ([message.id for message in page.messages], page.has_more) == ([sent[2].id, sent[1].id], True)
    page = await pins(world, limit=2, before_ms=page.messages[-1].pinned_at_ms)
    assert ([message.id for message in page.messages], page.has_more) == ([sent[0].id], False)


async def test_pins_have_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PINS_PER_CHANNEL", 2)
    sent = [await world.send(ANN) for _ in range(3)]
    outcomes = await asyncio.gather(*(pin(world, OWNER, one.id) for one in sent), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(ResourceExhausted) <= 1
    refused = [outcome for outcome in outcomes if isinstance(outcome, BeepError)]
    assert [error.reason for error in refused] == ["MAX_PINS"]
    assert len((await pins(world)).messages) == 2


async def test_a_system_message_cannot_be_edited_answered_or_pinned(world: World) -> None:
    sent = await world.send(ANN)
    await pin(world, OWNER, sent.id)
    notice, _ = await world.history()
    for refused in (
        edit(world, OWNER, notice.id, content="x"),
        pin(world, OWNER, notice.id),
        world.send(ANN, reply_to_message_id=notice.id),
    ):
        with pytest.raises(BeepError) as error:
            await refused
        assert error.value.reason in ("SYSTEM_MESSAGE", "INVALID_FORM")
